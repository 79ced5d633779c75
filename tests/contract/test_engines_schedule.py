"""Hours, maintenance, freezes and ended grants at their limits, on both engines."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pipeline.values.grant import Window
from tests.contract.support_rules import MISSING, ROLE, TARGET, Ask, Case, check, codes
from tests.unit.support_policies import (
    NOW,
    Keys,
    calendars,
    drop,
    grant,
    own_settings,
    proven,
    put,
    request,
)

HOURS = ("schedule", "hours")
OFFICE = {"prod": ["office"]}
MAINTENANCE = ("schedule", "maintenance")
REQUIRES = {"sunday": {"calendar": "office", "mode": "requires", "environments": ["prod"]}}
FREEZES = ("schedule", "freezes")
YEAR_END = {"year-end": {"calendar": "office", "environments": ["prod"]}}


def opening(before: int = 0, after: int = 0, **changes: Any) -> dict[str, Any]:
    """The calendar `office` is open from *before* seconds before the window to *after* it."""
    start, end = NOW - timedelta(seconds=before), NOW + timedelta(hours=2, seconds=after)
    return request(calendars=calendars(office=[Window(start=start, end=end)]), **changes)


def closed_during(start: int, end: int, **changes: Any) -> dict[str, Any]:
    """The calendar `office` is open from *start* to *end*, seconds from the window's start."""
    one = Window(start=NOW + timedelta(seconds=start), end=NOW + timedelta(seconds=end))
    return request(calendars=calendars(office=[one]), **changes)


CASES = [
    # hours
    Case("exactly in hours", set(), setting=HOURS, to=OFFICE, document=opening()),
    Case("a second early", {"outside-hours"}, setting=HOURS, to=OFFICE, document=opening(-1)),
    Case("a second late", {"outside-hours"}, setting=HOURS, to=OFFICE, document=opening(0, -1)),
    Case("hours elsewhere", set(), setting=HOURS, to={"dev": ["office"]}),
    Case("never open", {"outside-hours"}, setting=HOURS, to={"prod": []}, document=opening()),
    Case("unknown calendar", {"outside-hours"}, setting=HOURS, to=OFFICE),
    Case(
        "calendar that is null",
        {"outside-hours"},
        ("calendars", "open", "office"),
        None,
        setting=HOURS,
        to=OFFICE,
        document=opening(),
    ),
    Case(
        "interval that is null",
        {"outside-hours"},
        ("calendars", "open", "office", 0),
        None,
        setting=HOURS,
        to=OFFICE,
        document=opening(),
    ),
    Case(
        "interval that ends with text",
        {"outside-hours"},
        ("calendars", "open", "office", 0, "end"),
        "tomorrow",
        setting=HOURS,
        to=OFFICE,
        document=opening(),
    ),
    Case(
        "no calendars",
        {"request-unreadable", "outside-hours"},
        ("calendars",),
        None,
        setting=HOURS,
        to=OFFICE,
        document=opening(),
    ),
    Case("hours not said", {"outside-hours", "setting-invalid"}, setting=HOURS, to=MISSING),
    Case("hours that are null", {"outside-hours", "setting-invalid"}, setting=HOURS, to=None),
    Case(
        "hours that are text",
        {"outside-hours", "setting-invalid"},
        setting=HOURS,
        to={"prod": "office"},
        document=opening(),
    ),
    # maintenance
    Case("exactly in maintenance", set(), setting=MAINTENANCE, to=REQUIRES, document=opening()),
    Case(
        "a second before maintenance",
        {"maintenance-required"},
        setting=MAINTENANCE,
        to=REQUIRES,
        document=opening(-1),
    ),
    Case(
        "a second after maintenance",
        {"maintenance-required"},
        setting=MAINTENANCE,
        to=REQUIRES,
        document=opening(0, -1),
    ),
    Case(
        "maintenance of another role",
        set(),
        setting=MAINTENANCE,
        to={"sunday": {**REQUIRES["sunday"], "roles": ["aws/ec2-terminate"]}},
    ),
    Case(
        "maintenance of this role",
        {"maintenance-required"},
        setting=MAINTENANCE,
        to={"sunday": {**REQUIRES["sunday"], "roles": ["aws/rds-reader"]}},
    ),
    Case(
        "maintenance with a slip of the pen",
        {"maintenance-required", "setting-invalid"},
        setting=MAINTENANCE,
        to={"sunday": {**REQUIRES["sunday"], "role": ["aws/ec2-terminate"]}},
        document=opening(),
    ),
    Case(
        "maintenance that is null",
        {"maintenance-required", "setting-invalid"},
        setting=MAINTENANCE,
        to={"sunday": None},
    ),
    Case(
        "maintenance of nothing",
        {"maintenance-required", "setting-invalid"},
        setting=MAINTENANCE,
        to={"sunday": {"calendar": "office", "mode": "requires"}},
        document=opening(),
    ),
    Case(
        "maintenance not said",
        {"maintenance-required", "setting-invalid"},
        setting=MAINTENANCE,
        to=MISSING,
    ),
    # freezes
    Case("up to a freeze", set(), setting=FREEZES, to=YEAR_END, document=closed_during(7200, 9000)),
    Case(
        "into a freeze",
        {"frozen"},
        setting=FREEZES,
        to=YEAR_END,
        document=closed_during(7199, 9000),
    ),
    Case("from a freeze on", set(), setting=FREEZES, to=YEAR_END, document=closed_during(-60, 0)),
    Case(
        "out of a freeze", {"frozen"}, setting=FREEZES, to=YEAR_END, document=closed_during(-9, 1)
    ),
    Case("freeze of unknown times", {"frozen"}, setting=FREEZES, to=YEAR_END),
    Case(
        "freeze elsewhere",
        set(),
        setting=FREEZES,
        to={"year-end": {"calendar": "office", "environments": ["dev"]}},
    ),
    Case(
        "freeze of nothing",
        {"frozen", "setting-invalid"},
        setting=FREEZES,
        to={"year-end": {"calendar": "office", "environments": []}},
    ),
    Case(
        "freeze of null",
        {"frozen", "setting-invalid"},
        setting=FREEZES,
        to={"year-end": {"calendar": "office", "environments": None}},
    ),
    Case("freezes not said", {"frozen", "setting-invalid"}, setting=FREEZES, to=MISSING),
    Case(
        "no environment",
        {
            "outside-hours",
            "maintenance-required",
            "frozen",
            "duration-over-environment",
            "not-eligible",
        },
        (*TARGET, "environment"),
        None,
    ),
    # endings
    Case("the revert of a revert", {"grant-revived"}, document=request(revives=True)),
    Case(
        "revived or not is not known",
        {"grant-revived", "request-unreadable"},
        ("revives",),
        MISSING,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_rule_at_its_limits(ask: Ask, case: Case) -> None:
    check(ask, case)


@pytest.mark.parametrize("after, denied", [(0, set()), (-1, {"outside-hours"})])
def test_maintenance_permits_what_lies_outside_of_hours(
    ask: Ask, after: int, denied: set[str]
) -> None:
    settings = put(own_settings(), HOURS, {"prod": ["night"]})
    entry = {"calendar": "office", "mode": "permits", "targets": ["aws/payments-prod"]}
    settings = put(settings, MAINTENANCE, {"sunday": entry})
    assert denied == codes(ask(opening(after=after), settings))


def test_nothing_is_allowed_beyond_what_is_known_of_a_calendar(ask: Ask) -> None:
    document = put(opening(), ("calendars", "end"), int(NOW.timestamp()) + 7199)
    assert codes(ask(document, put(own_settings(), HOURS, OFFICE))) == {"outside-hours"}
    nothing = put(document, ("calendars", "open", "office"), [])
    assert codes(ask(nothing, put(own_settings(), FREEZES, YEAR_END))) == {"frozen"}


def test_an_extension_keeps_within_hours(ask: Ask) -> None:
    longer = {
        "change": "widen",
        "grant": grant(duration=10800),
        "previous": proven(),
        "window": Window(start=NOW, end=NOW + timedelta(hours=3)),
        "now": NOW + timedelta(hours=1),
    }
    settings = put(own_settings(), HOURS, OFFICE)
    assert codes(ask(opening(after=3600, **longer), settings)) == set()
    assert codes(ask(opening(after=3599, **longer), settings)) == {"outside-hours"}


WINDOW: Keys = ("calendars", "open", "office", 0)


@pytest.mark.parametrize(
    "path",
    [
        (*TARGET, "id"),
        (*TARGET, "environment"),
        (*ROLE, "id"),
        ("window",),
        ("window", "start"),
        ("window", "end"),
        ("calendars",),
        ("calendars", "start"),
        ("calendars", "end"),
        ("calendars", "open"),
        ("calendars", "open", "office"),
        WINDOW,
        (*WINDOW, "start"),
        (*WINDOW, "end"),
    ],
    ids=lambda path: ".".join(map(str, path)),
)
@pytest.mark.parametrize("value", [MISSING, None, True])
def test_no_missing_fact_allows_under_a_schedule(ask: Ask, path: Keys, value: object) -> None:
    settings = put(own_settings(), HOURS, OFFICE)
    settings = put(settings, MAINTENANCE, REQUIRES)
    settings = put(settings, FREEZES, {"fire": {"calendar": "office", "environments": ["dev"]}})
    document = opening()
    assert codes(ask(document, settings)) == set()
    changed = drop(document, path) if value is MISSING else put(document, path, value)
    evaluation = ask(changed, settings)
    assert evaluation.violations
    assert not evaluation.merges_by_itself
