"""Emergency access and its reviews at their limits, on both engines."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pipeline.errors import EngineError
from pipeline.policy.answer import Previous, Requester, governance_document
from pipeline.policy.question import Emergency
from pipeline.values.catalogue import Risk
from pipeline.values.grant import Window
from tests.contract.support_rules import MISSING, ROLE, STRANGER, Ask, Case, check, codes
from tests.unit.support_policies import (
    ALICE,
    NOW,
    Keys,
    drop,
    grant,
    keys,
    own_settings,
    put,
    request,
)

ROLES: Keys = ("emergency", "roles")
NAME = "aws/break-glass-admin"
LENGTH: Keys = ("emergency", "max_duration")
WITHIN: Keys = ("emergency", "review_within")


def urgent(seconds: int = 3600, **changes: Any) -> dict[str, Any]:
    """Alice is on call and takes a role that is marked for emergencies."""
    values: dict[str, Any] = {
        "grant": grant(duration=seconds, emergency=True),
        "on_call": ["desk", "payments"],
    }
    return put(request(Risk.HIGH, **{**values, **changes}), (*ROLE, "id"), NAME)


def extended(before: bool, after: bool) -> dict[str, Any]:
    """Half an hour that becomes an hour, an emergency *before* and *after* or not."""
    half = grant(duration=1800, emergency=before)
    window = Window(start=NOW, end=NOW + timedelta(minutes=30))
    return urgent(
        grant=grant(duration=3600, emergency=after),
        change="widen",
        previous=Previous(grant=half, window=window, requester="alice", first_duration=1800),
        now=NOW + timedelta(minutes=10),
    )


def used(seconds: int, *, reviewed: bool = False) -> dict[str, Any]:
    """Alice used emergency access before, *seconds* ago."""
    start = NOW - timedelta(seconds=seconds)
    return urgent(emergencies=[Emergency(grant="alice/night", start=start, reviewed=reviewed)])


def case(name: str, denied: set[str], at: Keys | None = None, value: Any = None) -> Case:
    return Case(name, denied, at, value, document=urgent())


CASES = [
    case("an emergency", set()),
    # what it is
    case("neither true nor false", {"emergency-invalid"}, ("grant", "emergency"), "true"),
    case("not said", {"emergency-invalid"}, ("grant", "emergency"), MISSING),
    Case("an emergency is extended", set(), document=extended(before=True, after=True)),
    Case("it becomes one", {"emergency-changed"}, document=extended(before=False, after=True)),
    # roles and rotations
    case("not marked", {"emergency-role"}, (*ROLE, "id"), "aws/rds-reader"),
    case("not on call", {"emergency-not-on-call"}, ("subject", "on_call"), []),
    case("on call elsewhere", {"emergency-not-on-call"}, ("subject", "on_call"), ["desk"]),
    case(
        "on call or not is not known",
        {"emergency-not-on-call", "request-unreadable"},
        ("subject", "on_call"),
        None,
    ),
    Case(
        "roles not said",
        {"emergency-role", "setting-invalid"},
        setting=ROLES,
        to=MISSING,
        document=urgent(),
    ),
    Case(
        "a role of nobody",
        {"emergency-role", "setting-invalid"},
        setting=ROLES,
        to={NAME: []},
        document=urgent(),
    ),
    Case(
        "a role of null",
        {"emergency-role", "setting-invalid"},
        setting=ROLES,
        to={NAME: None},
        document=urgent(),
    ),
    Case("no role", {"emergency-role"}, setting=ROLES, to={}, document=urgent()),
    # duration and start
    Case("as long as allowed", set(), setting=LENGTH, to=3600, document=urgent()),
    Case("longer", {"emergency-duration"}, document=urgent(3601)),
    Case("longer than set", {"emergency-duration"}, setting=LENGTH, to=3599, document=urgent()),
    Case(
        "how long is not said",
        {"emergency-duration", "setting-invalid"},
        setting=LENGTH,
        to=MISSING,
        document=urgent(),
    ),
    Case(
        "how long is text",
        {"emergency-duration", "setting-invalid"},
        setting=LENGTH,
        to="3600",
        document=urgent(),
    ),
    case("with a start", {"emergency-start"}, ("grant", "start"), int(NOW.timestamp())),
    case("start not said", {"emergency-start"}, ("grant", "start"), MISSING),
    # who asks
    Case("somebody else", {"emergency-requester"}, document=urgent(requester=STRANGER)),
    case(
        "by the App",
        {"emergency-requester", "requested-by-unproven"},
        ("requester", "is_app"),
        True,
    ),
    case(
        "in another's name",
        {"emergency-requester", "requested-by-unproven"},
        ("grant", "requested_by"),
        "bob",
    ),
    case(
        "a workload",
        {"emergency-requester", "workload-unowned", "not-eligible"},
        ("subject", "kind"),
        "workload",
    ),
    # reviews
    Case("reviewed", set(), document=used(10**6, reviewed=True)),
    Case("to be reviewed", set(), document=used(86399)),
    Case("not reviewed in time", {"emergency-debt"}, document=used(86400)),
    Case(
        "not reviewed as soon", {"emergency-debt"}, setting=WITHIN, to=86399, document=used(86399)
    ),
    case(
        "uses not known",
        {"emergency-debt", "request-unreadable"},
        ("emergencies",),
        None,
    ),
    case("a use that is null", {"emergency-debt"}, ("emergencies",), [None]),
    case(
        "a use at no time",
        {"emergency-debt"},
        ("emergencies",),
        [{"grant": "alice/night", "start": None, "reviewed": True}],
    ),
    case(
        "a use reviewed by text",
        {"emergency-debt"},
        ("emergencies",),
        [{"grant": "alice/night", "start": 0, "reviewed": "true"}],
    ),
    case(
        "a use of nothing",
        {"emergency-debt"},
        ("emergencies",),
        [{"grant": None, "start": 0, "reviewed": False}],
    ),
    Case(
        "time to review not said",
        {"emergency-debt", "setting-invalid"},
        setting=WITHIN,
        to=MISSING,
        document=urgent(),
    ),
    # other limits hold
    case("no ticket", {"ticket-missing"}, ("grant", "ticket"), None),
    case("a reason that says nothing", {"reason-short"}, ("grant", "reason_length"), 3),
    Case(
        "frozen",
        {"frozen"},
        setting=("schedule", "freezes"),
        to={"year-end": {"calendar": "year-end", "environments": ["prod"]}},
        document=urgent(),
    ),
    Case(
        "outside of hours",
        set(),
        setting=("schedule", "hours"),
        to={"prod": []},
        document=urgent(),
    ),
    Case(
        "outside of maintenance",
        set(),
        setting=("schedule", "maintenance"),
        to={"sunday": {"calendar": "sunday", "mode": "requires", "environments": ["prod"]}},
        document=urgent(),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_rule_at_its_limits(ask: Ask, case: Case) -> None:
    check(ask, case)


@pytest.mark.parametrize("risk", Risk)
def test_an_emergency_waits_for_nobody_whatever_its_risk(ask: Ask, risk: Risk) -> None:
    document = put(urgent(), (*ROLE, "risk"), risk.value)
    evaluation = ask(document, own_settings())
    assert evaluation.violations == evaluation.approvals == ()
    assert evaluation.merges_by_itself
    assert evaluation.why == "it is an emergency, and somebody on call asks for themself"


def test_an_emergency_ends_like_any_access(ask: Ask) -> None:
    document = put(urgent(change="delete"), ("subject", "on_call"), [])
    evaluation = ask(document, {})
    assert evaluation.merges_by_itself
    assert evaluation.why.startswith("it takes access away")


def test_what_was_an_emergency_is_not_extended_with_approvals(ask: Ask) -> None:
    assert codes(ask(extended(before=True, after=False), own_settings())) == {"emergency-changed"}


def test_a_debt_is_named(ask: Ask) -> None:
    (violation,) = ask(used(86400), own_settings()).violations
    assert violation.message == (
        "alice had emergencies that nobody reviewed within 1d (settings/emergency): alice/night"
    )


TOLD = {
    "now_text", "path", "reason", "start_text", "end_text", "index", "name", "locator", "tags",
    "title", "resources", "mechanism", "home", "owner", "azure", "gcp", "login", "pull", "previous",
}  # fmt: skip


# One rotation more than needed, one use less to be reviewed, and what nothing is compared with.
SPARE: set[Keys] = {("subject", "on_call", 0), ("emergencies", 0), ("requester", "id")}


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in keys(used(60))
        if not (path[-1] in TOLD or "resources" in path or path in SPARE)
    ],
    ids=lambda path: ".".join(map(str, path)),
)
def test_no_missing_fact_allows_an_emergency(ask: Ask, path: Keys) -> None:
    try:
        evaluation = ask(drop(used(60), path), own_settings())
    except (EngineError, KeyError):
        return  # the question itself is unusable: nothing follows from it
    assert evaluation.violations
    assert not evaluation.merges_by_itself


def reviewing(*paths: str, reviews: tuple[str, ...] = ("bob",)) -> dict[str, Any]:
    requester = Requester(actor=ALICE, principal="alice")
    return governance_document(
        paths=paths or ("access/reviews/bob/night.yaml",),
        reviews=reviews,
        now=NOW,
        requester=requester,
    )


def test_two_people_review_an_emergency_none_of_them_who_had_it(ask: Ask) -> None:
    evaluation = ask(reviewing(), own_settings())
    assert evaluation.violations == ()
    assert not evaluation.merges_by_itself
    assert evaluation.excluded == ("alice", "bob")
    (step,) = evaluation.approvals
    assert (step.id, step.teams, step.count) == (
        "emergency-review",
        ("payments-leads", "security"),
        2,
    )
    assert step.because == "a use of emergency access is reviewed"


@pytest.mark.parametrize(
    "paths", [("access/reviews/bob/night.yaml", "policies/x"), ("access/reviews",)]
)
def test_a_review_beside_other_changes_needs_both(ask: Ask, paths: tuple[str, ...]) -> None:
    evaluation = ask(reviewing(*paths), own_settings())
    assert [step.id for step in evaluation.approvals] == ["emergency-review", "governance"]


def test_a_review_of_nobody_is_a_change_like_others(ask: Ask) -> None:
    evaluation = ask(reviewing(reviews=()), own_settings())
    assert [step.id for step in evaluation.approvals] == ["governance"]


@pytest.mark.parametrize(
    "setting, to",
    [("reviewers", 1), ("reviewers", "2"), ("reviewers", None), ("review_teams", None)],
)
def test_nothing_is_reviewed_where_nobody_is_named(ask: Ask, setting: str, to: object) -> None:
    settings = put(own_settings(), ("emergency", setting), to)
    assert codes(ask(reviewing(), settings)) == {"emergency-unreviewed", "setting-invalid"}


@pytest.mark.parametrize("reviews", [[None], [""], {"bob": True}])
def test_a_review_of_nobody_known_is_denied(ask: Ask, reviews: object) -> None:
    document = put(reviewing(), ("reviews",), reviews)
    try:
        evaluation = ask(document, own_settings())
    except (EngineError, TypeError):
        return  # who may never approve is not known: nothing follows from it
    assert codes(evaluation) == {"emergency-unreviewed"}
