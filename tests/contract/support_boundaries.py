"""For each integer of `policies/settings`, requests just within it and one unit beyond it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pipeline.policy.answer import OtherLife, evaluate
from pipeline.values.catalogue import Risk
from pipeline.values.grant import Window
from tests.contract.support_rules import ROLE, TARGET, lasting, starting
from tests.contract.test_engines_emergency import reviewing, urgent, used
from tests.contract.test_engines_limits import BY_RISK, asked_before, in_development, longer
from tests.contract.test_engines_subject import working
from tests.unit.support_policies import (
    NOW,
    Keys,
    embedded,
    grant,
    own_rules,
    own_settings,
    put,
    request,
)

BY_ENVIRONMENT: Keys = ("limits", "max_duration_by_environment")
EVERYTHING: Keys = ("limits", "max_duration")
LONG = 10 * 86400
Answer = frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """What the pack says on both sides of one of its integers, or of the only case."""

    within: dict[str, Any]
    answer: Answer
    """Codes of what denies, or where nothing does, the people that it needs: `owners:x 1`."""

    beyond: dict[str, Any] | None = None
    """None where the integer says how many people approve."""

    denied: str = ""
    """The only code that denies what lies beyond."""

    others: Mapping[Keys, Any] | None = None
    """Settings that would deny the same, and what they are for this case."""

    def answers(self, settings: Mapping[str, Any]) -> list[Answer]:
        """Returns what is said with *settings*, within first."""
        for path, value in (self.others or {}).items():
            settings = put(dict(settings), path, value)
        documents = [self.within] if self.beyond is None else [self.within, self.beyond]
        return [_answer(document, settings) for document in documents]

    @property
    def expected(self) -> list[Answer]:
        """What is said with the pack's own settings."""
        return [self.answer] if self.beyond is None else [self.answer, frozenset({self.denied})]


def _answer(document: dict[str, Any], settings: Mapping[str, Any]) -> Answer:
    said = evaluate(document, [embedded(settings)], own_rules())
    if said.violations:
        return frozenset(violation.code for violation in said.violations)
    return frozenset(f"{step.id} {step.count}" for step in said.approvals)


def integers(value: Any, above: Keys = ()) -> dict[Keys, int]:
    """Returns every integer in *value* by its path; true and false are none."""
    if isinstance(value, dict):
        entries: list[tuple[str | int, Any]] = list(value.items())
    elif isinstance(value, list):
        entries = list(enumerate(value))
    else:
        return {above: value} if type(value) is int else {}
    found: dict[Keys, int] = {}
    for key, inner in entries:
        found |= integers(inner, (*above, key))
    return found


def notices(settings: Mapping[str, Any]) -> bool:
    """Returns whether a boundary is answered otherwise than with the pack's own settings."""
    return any(one.answers(settings) != one.expected for one in BOUNDARIES.values())


def _lasting(seconds: int, environment: str, risk: Risk = Risk.LOW) -> dict[str, Any]:
    """The role allows any duration."""
    window = Window(start=NOW, end=NOW + timedelta(seconds=seconds))
    document = in_development(request(risk, grant=grant(duration=seconds), window=window))
    return put(document, (*TARGET, "environment"), environment)


def _ended(seconds: int) -> dict[str, Any]:
    """Two hours of what was held for two more, up to *seconds* ago, where three are allowed."""
    end = NOW - timedelta(seconds=seconds)
    life = OtherLife(
        grant="alice/before",
        target="aws/payments-prod",
        role="aws/rds-reader",
        window=Window(start=end - timedelta(hours=2), end=end),
    )
    return put(request(lives=[life]), (*ROLE, "max_duration"), 3 * 3600)


def _held(others: int) -> dict[str, Any]:
    """A grant beside as many *others* that are alive, merged long ago."""
    window = Window(start=NOW - timedelta(hours=1), end=NOW + timedelta(seconds=1))
    return request(
        lives=[
            OtherLife(
                grant=f"alice/{number}",
                target="gcp/lab",
                role="gcp/log-viewer",
                window=window,
                added=NOW - timedelta(days=2),
            )
            for number in range(others)
        ]
    )


def _ended_by_pipeline(seconds: int) -> dict[str, Any]:
    return put(lasting(seconds), (*TARGET, "expiry"), "pipeline")


def _working(seconds: int) -> dict[str, Any]:
    return put(working(seconds), (*ROLE, "id"), "aws/s3-logs-reader")


def _reason(characters: int) -> dict[str, Any]:
    return put(request(), ("grant", "reason_length"), characters)


def _between(
    within: dict[str, Any],
    beyond: dict[str, Any],
    denied: str,
    *needed: str,
    others: Mapping[Keys, Any] | None = None,
) -> Boundary:
    return Boundary(
        within=within, answer=frozenset(needed), beyond=beyond, denied=denied, others=others
    )


def _people(document: dict[str, Any], *needed: str) -> Boundary:
    return Boundary(within=document, answer=frozenset(needed))


def _of_environment(name: str, limit: int) -> Boundary:
    return _between(
        _lasting(limit, name),
        _lasting(limit + 1, name),
        "duration-over-environment",
        others={EVERYTHING: LONG, (*BY_RISK, "low"): LONG},
    )


def _of_risk(risk: Risk, limit: int, *needed: str) -> Boundary:
    return _between(
        _lasting(limit, "dev", risk),
        _lasting(limit + 1, "dev", risk),
        "duration-over-risk",
        *needed,
        others={EVERYTHING: LONG, (*BY_ENVIRONMENT, "dev"): LONG},
    )


OWNER = "owners:payments-leads 1"
_MEDIUM = _people(request(Risk.MEDIUM), OWNER)
_HIGH = _people(request(Risk.HIGH), OWNER, "security 1")
_CRITICAL = _people(request(Risk.CRITICAL), OWNER, "security 2")

BOUNDARIES: Mapping[Keys, Boundary] = {
    ("emergency", "max_duration"): _between(urgent(3600), urgent(3601), "emergency-duration"),
    ("emergency", "review_within"): _between(used(86399), used(86400), "emergency-debt"),
    ("emergency", "reviewers"): _people(reviewing(), "emergency-review 2"),
    ("justification", "min_length"): _between(_reason(15), _reason(14), "reason-short"),
    EVERYTHING: _between(
        _lasting(43200, "dev"),
        _lasting(43201, "dev"),
        "duration-over-settings",
        others={(*BY_RISK, "low"): LONG, (*BY_ENVIRONMENT, "dev"): LONG},
    ),
    (*BY_ENVIRONMENT, "dev"): _of_environment("dev", 43200),
    (*BY_ENVIRONMENT, "staging"): _of_environment("staging", 28800),
    (*BY_ENVIRONMENT, "prod"): _of_environment("prod", 14400),
    (*BY_RISK, "low"): _of_risk(Risk.LOW, 43200),
    (*BY_RISK, "medium"): _of_risk(Risk.MEDIUM, 28800, OWNER),
    (*BY_RISK, "high"): _of_risk(Risk.HIGH, 14400, OWNER, "security 1"),
    (*BY_RISK, "critical"): _of_risk(Risk.CRITICAL, 7200, OWNER, "security 2"),
    ("limits", "max_extension"): _between(
        in_development(longer(14400)), in_development(longer(14401)), "extension-over-settings"
    ),
    ("limits", "max_duration_pipeline"): _between(
        _ended_by_pipeline(3600),
        _ended_by_pipeline(3601),
        "duration-over-pipeline",
        others={("targets", "pipeline_enforced"): ["aws/payments-prod"]},
    ),
    ("limits", "sum_within"): _between(_ended(86400), _ended(86399), "duration-over-role"),
    ("limits", "start_within"): _between(starting(604800), starting(604801), "window-start"),
    ("limits", "max_live_grants"): _between(_held(9), _held(10), "too-many-live"),
    ("limits", "max_requests_per_day"): _between(
        asked_before(*[86399] * 19), asked_before(*[86399] * 20), "too-many-requests"
    ),
    ("reviewers", "by_risk", "medium", 0, "count"): _MEDIUM,
    ("reviewers", "by_risk", "high", 0, "count"): _HIGH,
    ("reviewers", "by_risk", "high", 1, "count"): _HIGH,
    ("reviewers", "by_risk", "critical", 0, "count"): _CRITICAL,
    ("reviewers", "by_risk", "critical", 1, "count"): _CRITICAL,
    ("reviewers", "governance"): _people(reviewing("policies", reviews=()), "governance 1"),
    ("workloads", "max_duration"): _between(
        _working(14400),
        _working(14401),
        "workload-duration",
        others={(*BY_ENVIRONMENT, "prod"): LONG},
    ),
}
"""By the integer's path in the settings."""


def changed(path: Keys, by: int) -> dict[str, Any]:
    """Returns the pack's own settings with the integer at *path* changed *by* so much."""
    return put(own_settings(), path, integers(own_settings())[path] + by)
