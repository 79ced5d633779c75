"""What local times mean as moments: open windows and who is on call, through clock changes."""

from __future__ import annotations

import zoneinfo
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.grants.calendar import begins, calendars_for, on_call, open_windows
from pipeline.reading.zones import zone, zone_names
from pipeline.values.canonical import timestamp
from pipeline.values.catalogue import Catalogue
from pipeline.values.grant import Window
from pipeline.values.timetable import (
    Calendar,
    DayException,
    Hours,
    Override,
    Period,
    Rotation,
    Weekly,
)

ALL_DAYS = frozenset(range(7))
NIGHT = Hours(opens=22 * 60, closes=6 * 60)


def utc(text: str) -> datetime:
    """Returns the moment `2026-03-29 00:30` in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def hours(text: str) -> Hours:
    """Returns the hours `09:00-18:00`."""
    opens, closes = (int(one[:2]) * 60 + int(one[3:]) for one in text.split("-"))
    return Hours(opens=opens, closes=closes)


def calendar(
    timezone: str,
    *weekly: str,
    days: frozenset[int] = ALL_DAYS,
    dates: tuple[DayException, ...] = (),
    periods: tuple[Period, ...] = (),
) -> Calendar:
    return Calendar(
        name="x",
        title="x",
        timezone=timezone,
        weekly=tuple(Weekly(days=days, hours=hours(one)) for one in weekly),
        dates=dates,
        periods=periods,
    )


def shown(found: Calendar, start: str, end: str) -> list[str]:
    """Returns the open windows as text in UTC, without seconds."""
    return [
        f"{one.start:%m-%d %H:%M} {one.end:%m-%d %H:%M}"
        for one in open_windows(found, start=utc(start), end=utc(end))
    ]


def open_for(found: Calendar, day: str) -> timedelta:
    """Returns how long *found* is open around the date *day*."""
    start = utc(f"{day} 00:00") - timedelta(days=1)
    windows = open_windows(found, start=start, end=start + timedelta(days=3))
    return sum((one.end - one.start for one in windows), timedelta())


LONDON = "Europe/London"
ONE_DAY = {
    "spring": ("2026-03-29", 6, timedelta(hours=2)),
    "autumn": ("2026-10-25", 6, timedelta(hours=4)),
    "summer": ("2026-07-05", 6, timedelta(hours=3)),
}


@pytest.mark.parametrize("when", ONE_DAY)
def test_half_past_midnight_to_half_past_three_in_london(when: str) -> None:
    day, weekday, expected = ONE_DAY[when]
    night = calendar(LONDON, "00:30-03:30", days=frozenset({weekday}))

    assert open_for(night, day) == expected


def test_a_time_that_does_not_exist_is_the_first_moment_after_the_gap() -> None:
    opens = calendar(LONDON, "01:30-04:00", days=frozenset({6}))
    closes = calendar(LONDON, "00:00-01:30", days=frozenset({6}))
    inside = calendar(LONDON, "01:15-01:45", days=frozenset({6}))

    assert shown(opens, "2026-03-28", "2026-03-31") == ["03-29 01:00 03-29 03:00"]
    assert shown(closes, "2026-03-28", "2026-03-31") == ["03-29 00:00 03-29 01:00"]
    assert shown(inside, "2026-03-28", "2026-03-31") == []


def test_a_time_that_comes_twice_opens_first_and_closes_second() -> None:
    both = calendar(LONDON, "01:15-01:45", days=frozenset({6}))

    assert shown(both, "2026-10-24", "2026-10-27") == ["10-25 00:15 10-25 01:45"]


def test_a_day_without_midnight_in_santiago_starts_at_one() -> None:
    day = calendar("America/Santiago", "00:00-24:00", days=frozenset({6}))
    night = calendar("America/Santiago", "22:00-06:00", days=frozenset({5}))
    evening = calendar("America/Santiago", "20:00-24:00", days=frozenset({5}))

    # 23 hours of 6 September 2026: from 01:00 (UTC-3), the moment that Saturday ends.
    assert shown(day, "2026-09-05", "2026-09-08") == ["09-06 04:00 09-07 03:00"]
    assert shown(night, "2026-09-05", "2026-09-08") == ["09-06 02:00 09-06 09:00"]
    assert shown(evening, "2026-09-05", "2026-09-08") == ["09-06 00:00 09-06 04:00"]


def test_a_midnight_that_comes_twice_in_santiago_is_in_both_days_once() -> None:
    # On 5 April 2026 the clock goes from 24:00 of Saturday back to 23:00.
    saturday = calendar("America/Santiago", "23:30-24:00", days=frozenset({5}))

    assert shown(saturday, "2026-04-04", "2026-04-07") == ["04-05 02:30 04-05 04:00"]


def test_a_date_on_the_azores_ends_at_the_first_of_two_midnights() -> None:
    saturday = calendar("Atlantic/Azores", "00:00-24:00", days=frozenset({5}))
    sunday = calendar("Atlantic/Azores", "00:00-24:00", days=frozenset({6}))
    evening = calendar("Atlantic/Azores", "20:00-00:00", days=frozenset({5}))

    # On 25 October 2026 the hour from 00:00 to 01:00 comes twice.
    assert shown(saturday, "2026-10-23", "2026-10-27") == ["10-24 00:00 10-25 00:00"]
    assert shown(sunday, "2026-10-23", "2026-10-27") == ["10-25 00:00 10-26 01:00"]
    assert shown(evening, "2026-10-23", "2026-10-27") == ["10-24 20:00 10-25 01:00"]


def test_lord_howe_shifts_by_half_an_hour() -> None:
    night = calendar("Australia/Lord_Howe", "01:00-04:00", days=frozenset({6}))

    assert open_for(night, "2026-10-04") == timedelta(hours=2.5)
    assert open_for(night, "2026-04-05") == timedelta(hours=3.5)
    assert open_for(night, "2026-06-07") == timedelta(hours=3)


def test_a_date_that_a_zone_left_out_is_open_for_no_time() -> None:
    day = calendar("Pacific/Apia", "00:00-24:00", days=frozenset({4}))
    thursday = calendar("Pacific/Apia", "12:00-12:00", days=frozenset({3}))

    # Samoa had no 30 December 2011, a Friday.
    assert open_for(day, "2011-12-30") == timedelta()
    assert open_for(thursday, "2011-12-30") == timedelta(hours=12)


def test_hours_over_midnight_are_those_of_the_day_they_begin_on() -> None:
    friday = calendar(LONDON, "22:00-06:00", days=frozenset({4}))

    assert shown(friday, "2026-11-20", "2026-11-27") == ["11-20 22:00 11-21 06:00"]
    # What began before the range is in it.
    assert shown(friday, "2026-11-21 03:00", "2026-11-27") == ["11-21 03:00 11-21 06:00"]


def test_hours_that_end_when_they_begin_are_a_whole_day() -> None:
    assert open_for(calendar("Etc/UTC", "09:00-09:00", days=frozenset({4})), "2026-11-20") == (
        timedelta(hours=24)
    )


def test_days_that_touch_are_one_window() -> None:
    always = calendar("Asia/Kathmandu", "00:00-24:00")

    assert shown(always, "2026-11-20", "2026-11-25") == ["11-20 00:00 11-25 00:00"]


def test_nothing_is_open_in_an_empty_range() -> None:
    always = calendar(LONDON, "00:00-24:00")

    assert open_windows(always, start=utc("2026-11-20"), end=utc("2026-11-20")) == ()
    assert open_windows(always, start=utc("2026-11-21"), end=utc("2026-11-20")) == ()


def test_a_range_without_offset_is_refused() -> None:
    for start, end in ((True, False), (False, True), (True, True)):
        with pytest.raises(ValueError, match="offset"):
            open_windows(
                calendar(LONDON, "09:00-10:00"),
                start=utc("2026-11-20").replace(tzinfo=None if start else UTC),
                end=utc("2026-11-21").replace(tzinfo=None if end else UTC),
            )


CHRISTMAS = date(2026, 12, 25)


def test_a_closed_date_is_closed_from_midnight_to_midnight() -> None:
    found = calendar(LONDON, "22:00-06:00", dates=(DayException(date=CHRISTMAS, hours=None),))

    assert shown(found, "2026-12-24 12:00", "2026-12-27") == [
        "12-24 22:00 12-25 00:00",
        "12-26 00:00 12-26 06:00",
        "12-26 22:00 12-27 00:00",
    ]


def test_hours_of_a_date_take_the_place_of_the_weekly_ones() -> None:
    one = DayException(date=CHRISTMAS, hours=hours("10:00-11:00"))
    two = DayException(date=CHRISTMAS, hours=hours("23:00-01:00"))
    found = calendar(LONDON, "09:00-18:00", dates=(one, two))

    assert shown(found, "2026-12-25", "2026-12-27") == [
        "12-25 10:00 12-25 11:00",
        "12-25 23:00 12-26 01:00",
        "12-26 09:00 12-26 18:00",
    ]


def test_what_is_closed_wins() -> None:
    opened = Period(start=utc("2026-12-25 06:00"), end=utc("2026-12-26 12:00"), open=True)
    closed = Period(start=utc("2026-12-26 07:00"), end=utc("2026-12-26 08:00"), open=False)
    found = calendar(
        LONDON,
        "09:00-10:00",
        dates=(DayException(date=CHRISTMAS, hours=None),),
        periods=(closed, opened),
    )

    assert shown(found, "2026-12-25", "2026-12-27") == [
        "12-26 00:00 12-26 07:00",
        "12-26 08:00 12-26 12:00",
    ]


def test_every_calendar_of_the_catalogue_is_told() -> None:
    found = calendars_for(
        Catalogue(
            principals={},
            targets={},
            roles={},
            calendars={"b": calendar("Etc/UTC", "09:00-10:00"), "a": calendar("Etc/UTC")},
        ),
        start=utc("2026-11-20"),
        end=utc("2026-11-21"),
    )

    nine, ten = utc("2026-11-20 09:00"), utc("2026-11-20 10:00")
    assert list(found.items()) == [("a", ()), ("b", (Window(start=nine, end=ten),))]


ZONES = st.sampled_from(
    [LONDON, "America/Santiago", "Atlantic/Azores", "Australia/Lord_Howe", "Asia/Kathmandu"]
)
YEAR = utc("2026-01-01")
MOMENTS = st.integers(0, 365 * 24 * 60).map(lambda minutes: YEAR + timedelta(minutes=minutes))
DATES = st.integers(0, 364).map(lambda days: date(2026, 1, 1) + timedelta(days=days))
# Dates on which, or the day before which, one of these zones changes its clocks.
CHANGES = st.sampled_from(
    [date(2026, month, day) for month, day in ((3, 28), (3, 29), (4, 4), (4, 5), (9, 6))]
    + [date(2026, month, day) for month, day in ((9, 5), (10, 4), (10, 24), (10, 25))]
)
HOURS = st.builds(Hours, opens=st.integers(0, 1439), closes=st.integers(0, 1440))
WEEKLY = st.builds(Weekly, days=st.frozensets(st.integers(0, 6), min_size=1), hours=HOURS)


@st.composite
def periods(draw: st.DrawFn) -> Period:
    start = draw(MOMENTS)
    length = timedelta(minutes=draw(st.integers(1, 20_000)))
    return Period(start=start, end=start + length, open=draw(st.booleans()))


CALENDARS = st.builds(
    Calendar,
    name=st.just("x"),
    title=st.just("x"),
    timezone=ZONES,
    weekly=st.lists(WEEKLY, max_size=3).map(tuple),
    dates=st.lists(
        st.builds(DayException, date=DATES, hours=st.none() | HOURS),
        max_size=3,
        unique_by=lambda one: one.date,
    ).map(tuple),
    periods=st.lists(periods(), max_size=3).map(tuple),
)
RANGES = st.tuples(MOMENTS, st.integers(1, 40 * 24 * 60)).map(
    lambda pair: (pair[0], pair[0] + timedelta(minutes=pair[1]))
)


@given(found=CALENDARS, span=RANGES)
def test_windows_are_sorted_apart_and_within_the_range(
    found: Calendar, span: tuple[datetime, datetime]
) -> None:
    windows = open_windows(found, start=span[0], end=span[1])

    edges = [edge for one in windows for edge in (one.start, one.end)]
    assert all(one < other for one, other in zip(edges, edges[1:], strict=False))
    assert all(span[0] <= edge <= span[1] and edge.tzinfo is UTC for edge in edges)


@given(found=CALENDARS, span=RANGES, share=st.integers(1, 99))
def test_a_range_split_anywhere_gives_the_same_windows(
    found: Calendar, span: tuple[datetime, datetime], share: int
) -> None:
    start, end = span
    middle = start + (end - start) * share / 100
    first = list(open_windows(found, start=start, end=middle))
    second = list(open_windows(found, start=middle, end=end))
    if first and second and first[-1].touches(second[0]):
        first[-1] = first[-1].union(second.pop(0))

    assert [*first, *second] == list(open_windows(found, start=start, end=end))


@given(found=CALENDARS, day=DATES | CHANGES, minutes=st.lists(st.integers(-2880, 2880)))
def test_closing_a_date_takes_away_exactly_that_local_date(
    found: Calendar, day: date, minutes: list[int]
) -> None:
    plain = replace(found, dates=tuple(one for one in found.dates if one.date != day))
    closed = replace(plain, dates=(*plain.dates, DayException(date=day, hours=None)))
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    start, end = noon - timedelta(days=5), noon + timedelta(days=5)
    before = open_windows(plain, start=start, end=end)
    after = open_windows(closed, start=start, end=end)

    edges = [edge for one in (*before, *after) for edge in (one.start, one.end)]
    second = timedelta(seconds=1)
    moments = [noon + timedelta(minutes=number) for number in minutes]
    moments += [edge + step for edge in edges for step in (-second, timedelta(), second)]
    for moment in moments:
        if start <= moment < end:
            local = moment.astimezone(zone(found.timezone)).date()
            was = any(one.contains(moment) for one in before)
            assert any(one.contains(moment) for one in after) == (was and local != day)


@given(found=CALENDARS, span=RANGES, held=periods())
def test_a_period_opens_or_closes_exactly_itself(
    found: Calendar, span: tuple[datetime, datetime], held: Period
) -> None:
    bare = replace(found, dates=(), periods=())
    both = replace(bare, periods=(held,))
    start, end = span
    before = open_windows(bare, start=start, end=end)
    after = open_windows(both, start=start, end=end)
    for moment in (start, held.start, held.end, *(one.start for one in (*before, *after))):
        if start <= moment < end:
            inside = held.start <= moment < held.end
            was = any(one.contains(moment) for one in before)
            assert any(one.contains(moment) for one in after) == (held.open if inside else was)


def rotation(
    *members: str,
    timezone: str = LONDON,
    first: date = date(2026, 1, 5),
    handover: int = 9 * 60,
    shift: int = 7,
    overrides: tuple[Override, ...] = (),
) -> Rotation:
    return Rotation(
        name="x",
        title="x",
        timezone=timezone,
        first=first,
        handover=handover,
        shift=shift,
        members=members,
        overrides=overrides,
    )


def who(found: Rotation, at: str) -> str | None:
    return on_call({"x": found}, at=utc(at)).get("x")


def test_people_are_on_call_in_turn() -> None:
    found = rotation("alice", "bob", "carol")

    assert who(found, "2026-01-05 08:59") is None
    assert who(found, "2026-01-05 09:00") == "alice"
    assert who(found, "2026-01-12 08:59") == "alice"
    assert who(found, "2026-01-12 09:00") == "bob"
    assert who(found, "2026-01-19 09:00") == "carol"
    assert who(found, "2026-01-26 09:00") == "alice"


def test_a_handover_keeps_its_local_time_through_changes_of_clocks() -> None:
    found = rotation("alice", "bob")

    # 6 April is the thirteenth handover, in summer time; 26 October in winter time again.
    assert (who(found, "2026-04-06 07:59"), who(found, "2026-04-06 08:00")) == ("alice", "bob")
    assert (who(found, "2026-10-19 07:59"), who(found, "2026-10-19 08:00")) == ("alice", "bob")
    assert (who(found, "2026-10-26 08:59"), who(found, "2026-10-26 09:00")) == ("bob", "alice")


def test_a_handover_in_a_gap_is_right_after_it() -> None:
    found = rotation("alice", "bob", first=date(2026, 3, 22), handover=90)

    assert timestamp(begins(found)) == "2026-03-22T01:30:00Z"
    assert (who(found, "2026-03-29 00:59"), who(found, "2026-03-29 01:00")) == ("alice", "bob")


def test_a_handover_that_comes_twice_is_the_first() -> None:
    found = rotation("alice", "bob", first=date(2026, 10, 24), handover=90, shift=1)

    assert (who(found, "2026-10-25 00:29"), who(found, "2026-10-25 00:30")) == ("alice", "bob")
    assert (who(found, "2026-10-26 01:29"), who(found, "2026-10-26 01:30")) == ("bob", "alice")


def test_an_override_takes_the_place_of_whose_turn_it_is() -> None:
    swap = Override(start=utc("2026-01-06"), end=utc("2026-01-07"), member="dave")
    found = rotation("alice", "bob", overrides=(swap,))

    assert who(found, "2026-01-05 23:59") == "alice"
    assert who(found, "2026-01-06 00:00") == "dave"
    assert who(found, "2026-01-06 23:59") == "dave"
    assert who(found, "2026-01-07 00:00") == "alice"


def test_every_rotation_that_has_begun_names_one_person() -> None:
    rotations = {
        "late": rotation("alice", first=date(2027, 1, 1)),
        "one": rotation("alice"),
        "two": rotation("bob"),
    }

    assert on_call(rotations, at=utc("2026-11-20")) == {"one": "alice", "two": "bob"}


@given(
    timezone=ZONES,
    first=DATES,
    handover=st.integers(0, 1439),
    shift=st.integers(1, 30),
    at=MOMENTS,
)
def test_whose_turn_it_is_follows_from_the_local_date(
    timezone: str, first: date, handover: int, shift: int, at: datetime
) -> None:
    members = ("a", "b", "c")
    found = rotation(*members, timezone=timezone, first=first, handover=handover, shift=shift)
    local = at.astimezone(zone(timezone))
    minute = local.hour * 60 + local.minute
    day = local.date() - timedelta(days=int(minute < handover))
    turn = (day - first).days // shift

    near = abs(minute - handover) < 90  # where a change of clocks may decide
    if not near:
        expected = members[turn % 3] if day >= first else None
        assert on_call({"x": found}, at=at).get("x") == expected


def test_zones_come_from_the_package_and_from_nowhere_else() -> None:
    assert LONDON in zone_names()
    assert not {"localtime", "posixrules", "Factory", "posix/Europe/London", ""} & zone_names()
    with pytest.raises(KeyError):
        zone("../../etc/passwd")
    assert zone(LONDON) is zone(LONDON)
    assert all(zone(name).key == name for name in zone_names())


def test_a_machine_s_own_zone_files_decide_nothing(tmp_path: Path) -> None:
    other = files("tzdata").joinpath("zoneinfo", "Asia", "Tokyo").read_bytes()
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe" / "London").write_bytes(other)
    summer = utc("2026-07-01")
    zone.cache_clear()
    zoneinfo.reset_tzpath(to=[str(tmp_path)])
    try:
        assert summer.astimezone(zoneinfo.ZoneInfo.no_cache(LONDON)).hour == 9
        assert summer.astimezone(zone(LONDON)).hour == 1
    finally:
        zoneinfo.reset_tzpath()
