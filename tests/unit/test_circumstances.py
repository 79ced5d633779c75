"""What the catalogue says of a moment, as policies are told it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from pipeline.judge.circumstances import HORIZON, circumstances
from pipeline.values.catalogue import Catalogue, StandingAccess
from pipeline.values.ids import RoleId, TargetId
from pipeline.values.timetable import Calendar, Hours, Rotation, Weekly
from tests.unit.support_values import HOUR, NOON, window

PAYER = StandingAccess(target=TargetId("aws/prod"), role=RoleId("aws/payer"))
CATALOGUE = Catalogue(
    principals={},
    targets={},
    roles={},
    calendars={
        "always": Calendar(
            name="always",
            title="Every day",
            timezone="UTC",
            weekly=(Weekly(days=frozenset(range(7)), hours=Hours(opens=0, closes=1440)),),
        )
    },
    rotations={
        "payments": Rotation(
            name="payments",
            title="Payments",
            timezone="UTC",
            first=date(2026, 11, 20),
            handover=12 * 60,
            shift=1,
            members=("alice", "bob"),
        )
    },
    standing={"alice": (PAYER,)},
)


def test_who_is_on_call_is_told_of_the_subject_alone() -> None:
    told = circumstances(CATALOGUE, "alice", window=window(), now=NOON)
    assert (told["on_call"], told["standing"]) == ({"payments"}, (PAYER,))
    other = circumstances(CATALOGUE, "bob", window=window(), now=NOON)
    assert (other["on_call"], other["standing"]) == (frozenset(), ())
    handed_over = circumstances(CATALOGUE, "bob", window=window(), now=NOON + 24 * HOUR)
    assert handed_over["on_call"] == {"payments"}


def test_calendars_are_known_from_now_to_the_windows_end() -> None:
    told = circumstances(CATALOGUE, "alice", window=window(3, 5), now=NOON)["calendars"]
    assert (told.start, told.end) == (NOON, NOON + 5 * HOUR)
    assert told.open == {"always": (window(0, 5),)}


def test_calendars_are_known_from_the_start_of_a_grant_that_runs() -> None:
    told = circumstances(CATALOGUE, "alice", window=window(-2, 1), now=NOON)["calendars"]
    assert (told.start, told.end) == (NOON - 2 * HOUR, NOON + HOUR)


def test_nothing_is_known_of_what_is_too_far_away() -> None:
    far = replace(window(), end=NOON + timedelta(days=400))
    told = circumstances(CATALOGUE, "alice", window=far, now=NOON)["calendars"]
    assert told.end == NOON + HORIZON < far.end
    assert circumstances(CATALOGUE, "alice", window=None, now=NOON)["calendars"].start == NOON
