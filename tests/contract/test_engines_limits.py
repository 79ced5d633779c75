"""How long and how often, at each limit, on both engines."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pipeline.policy.answer import OtherLife
from pipeline.values.catalogue import Risk
from pipeline.values.grant import Window
from tests.contract.support_rules import MISSING, ROLE, TARGET, Ask, Case, check, codes
from tests.unit.support_policies import NOW, Keys, grant, own_settings, proven, put, request

BY_RISK: Keys = ("limits", "max_duration_by_risk")


def asked_before(*seconds: int, lines: int = 1) -> dict[str, Any]:
    """Ended lives that began so many seconds ago, each with *lines* lines of access."""
    return request(
        lives=[
            OtherLife(
                grant=f"alice/{number}",
                target=f"gcp/{line}",
                role="gcp/log-viewer",
                window=Window(start=NOW - timedelta(days=1), end=NOW),
                added=NOW - timedelta(seconds=ago),
            )
            for number, ago in enumerate(seconds)
            for line in range(lines)
        ]
    )


def longer(by: int) -> dict[str, Any]:
    """An hour's grant that asks for *by* seconds more."""
    seconds = 3600 + by
    return request(
        change="widen",
        grant=grant(duration=seconds),
        previous=proven(duration=3600),
        window=Window(start=NOW, end=NOW + timedelta(seconds=seconds)),
    )


def moved(now: int) -> dict[str, Any]:
    """What began or begins at `NOW` is to begin an hour later, asked *now* seconds from it."""
    start = NOW + timedelta(hours=1)
    return request(
        change="widen",
        previous=proven(),
        window=Window(start=start, end=start + timedelta(hours=2)),
        now=NOW + timedelta(seconds=now),
    )


CASES = [
    # moves of the start
    Case("moved a second before it begins", set(), document=moved(-1)),
    Case("moved when it begins", {"window-start"}, document=moved(0)),
    Case("moved after its end", {"window-start"}, document=moved(7200)),
    # by risk
    Case("at the risk's maximum", set(), setting=(*BY_RISK, "low"), to=7200),
    Case("over the risk's maximum", {"duration-over-risk"}, setting=(*BY_RISK, "low"), to=7199),
    Case(
        "risk without maximum",
        {"duration-over-risk", "setting-invalid"},
        setting=(*BY_RISK, "low"),
        to=MISSING,
    ),
    Case(
        "another risk without maximum",
        {"setting-invalid"},
        setting=(*BY_RISK, "critical"),
        to=MISSING,
    ),
    Case(
        "risk's maximum as text",
        {"duration-over-risk", "setting-invalid"},
        setting=(*BY_RISK, "low"),
        to="43200",
    ),
    Case(
        "no maximum by risk",
        {"duration-over-risk", "setting-invalid"},
        setting=BY_RISK,
        to=MISSING,
    ),
    Case(
        "risk as number",
        {"duration-over-risk", "reviewers-unknown", "request-unreadable"},
        (*ROLE, "risk"),
        1,
    ),
    # extension
    Case(
        "extended at the limit",
        set(),
        document=longer(3600),
        setting=("limits", "max_extension"),
        to=3600,
    ),
    Case(
        "extended over the limit",
        {"extension-over-settings"},
        document=longer(3660),
        setting=("limits", "max_extension"),
        to=3659,
    ),
    Case(
        "extended again",
        {"extension-over-settings"},
        ("previous", "grant", "duration"),
        7200,
        document=longer(3660),
        setting=("limits", "max_extension"),
        to=3659,
    ),
    Case(
        "extended without a limit",
        {"extension-over-settings", "setting-invalid"},
        document=longer(60),
        setting=("limits", "max_extension"),
        to=MISSING,
    ),
    Case(
        "limit to extensions as text",
        {"extension-over-settings", "setting-invalid"},
        document=longer(60),
        setting=("limits", "max_extension"),
        to="3600",
    ),
    Case(
        "extended from nobody knows what",
        {"extension-over-settings"},
        ("previous", "first_duration"),
        None,
        document=longer(60),
    ),
    Case(
        "first duration not said",
        {"extension-over-settings"},
        ("previous", "first_duration"),
        MISSING,
        document=longer(60),
    ),
    Case("nothing said of what was before", {"extension-over-settings"}, ("previous",), MISSING),
    # requests in a day
    Case("as many requests as allowed", set(), document=asked_before(*[86399] * 19)),
    Case("one request more", {"too-many-requests"}, document=asked_before(*[86399] * 20)),
    Case("a request a day old", set(), document=asked_before(*[86399] * 19, 86400)),
    Case("requests of several lines", set(), document=asked_before(*[86399] * 19, lines=3)),
    Case(
        "no limit to requests",
        {"too-many-requests", "setting-invalid"},
        setting=("limits", "max_requests_per_day"),
        to=MISSING,
    ),
    Case(
        "limit to requests as text",
        {"too-many-requests", "setting-invalid"},
        setting=("limits", "max_requests_per_day"),
        to="20",
    ),
    Case(
        "merged nobody knows when",
        {"too-many-requests"},
        ("lives", 0, "added"),
        MISSING,
        document=asked_before(86400),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_limit(ask: Ask, case: Case) -> None:
    check(ask, case)


def in_development(document: dict[str, Any]) -> dict[str, Any]:
    """There, environment and role allow more than the limit in question."""
    return put(put(document, (*TARGET, "environment"), "dev"), (*ROLE, "max_duration"), 10 * 86400)


@pytest.mark.parametrize(
    "risk, limit",
    [(Risk.LOW, 43200), (Risk.MEDIUM, 28800), (Risk.HIGH, 14400), (Risk.CRITICAL, 7200)],
)
def test_the_packs_own_maximum_of_each_risk(ask: Ask, risk: Risk, limit: int) -> None:
    def asked(seconds: int) -> dict[str, Any]:
        window = Window(start=NOW, end=NOW + timedelta(seconds=seconds))
        return in_development(request(risk, grant=grant(duration=seconds), window=window))

    everything = put(own_settings(), ("limits", "max_duration"), 10 * 86400)
    more = put(everything, ("limits", "max_duration_by_environment", "dev"), 10 * 86400)
    assert codes(ask(asked(limit), more)) == set()
    assert codes(ask(asked(limit + 1), more)) == {"duration-over-risk"}


def test_the_packs_own_limit_to_extensions(ask: Ask) -> None:
    assert codes(ask(in_development(longer(14400)), own_settings())) == set()
    over = ask(in_development(longer(14401)), own_settings())
    assert codes(over) == {"extension-over-settings"}


@pytest.mark.parametrize("risk", Risk)
def test_each_risk_has_its_maximum(ask: Ask, risk: Risk) -> None:
    at = put(own_settings(), (*BY_RISK, risk.value), 7200)
    assert ask(request(risk), at).violations == ()
    below = put(own_settings(), (*BY_RISK, risk.value), 7199)
    (violation,) = ask(request(risk), below).violations
    assert violation.code == "duration-over-risk"
    assert f"a role of {risk.value} risk may last 1h59m59s" in violation.message


def test_an_extension_too_long_says_what_was_first_asked_for(ask: Ask) -> None:
    settings = put(own_settings(), ("limits", "max_extension"), 1800)
    (violation,) = ask(longer(3600), settings).violations
    assert violation.message == (
        "extensions would add 1h to the 1h first asked for, 30m is allowed (settings/limits)"
    )
