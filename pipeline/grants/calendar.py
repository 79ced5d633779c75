"""When calendars are open and who is on call: local times worked out as moments.

On days that the clocks change, a local time may stand for no moment or for two. One that
does not exist stands for the first moment after the gap. One that comes twice opens at the
first and closes at the second; but 24:00 is the end of a date, the first midnight after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from pipeline.reading.zones import zone
from pipeline.values.catalogue import Catalogue
from pipeline.values.grant import Window
from pipeline.values.timetable import Calendar, Hours, Rotation

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_MIDNIGHTS = Hours(opens=0, closes=1440)
# Hours of one day end on the next at the latest; a zone may have left out one day more.
_REACH = 2 * _DAY


def open_windows(calendar: Calendar, *, start: datetime, end: datetime) -> tuple[Window, ...]:
    """Returns when *calendar* is open from *start* on, up to *end*; UTC, sorted, apart.

    The hours of a dated exception take the place of all weekly hours between the midnights
    of that date, those that began the day before included. Closed dates and closed periods
    win over everything that is open. Raises `ValueError` for times without an offset.
    """
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("a range of time needs offsets")
    if start >= end:
        return ()
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    whole = _open(calendar, start.date(), end.date() + _DAY)
    return tuple(_clipped(whole, start, end))


# Thousands of grants are judged by the same few calendars, on days that are mostly the same.
@lru_cache(maxsize=1024)
def _open(calendar: Calendar, first: date, last: date) -> tuple[Window, ...]:
    """Returns when *calendar* is open from one midnight in UTC to another."""
    start, end = (datetime.combine(day, time(), tzinfo=UTC) for day in (first, last))
    here = zone(calendar.timezone)
    replaced = {one.date for one in calendar.dates}
    weekly = (
        _window(day, entry.hours, here)
        for day in _days(start, end, here)
        for entry in calendar.weekly
        if day.weekday() in entry.days
    )
    opened: list[Window | None] = list(
        _without(weekly, (_window(day, _MIDNIGHTS, here) for day in replaced))
    )
    closed: list[Window | None] = []
    for one in calendar.dates:
        if one.hours is None:
            closed.append(_window(one.date, _MIDNIGHTS, here))
        else:
            opened.append(_window(one.date, one.hours, here))
    for period in calendar.periods:
        window = Window(start=period.start.astimezone(UTC), end=period.end.astimezone(UTC))
        (opened if period.open else closed).append(window)
    return tuple(_clipped(_without(opened, closed), start, end))


def calendars_for(
    catalogue: Catalogue, *, start: datetime, end: datetime
) -> dict[str, tuple[Window, ...]]:
    """Returns the open windows of every calendar of *catalogue* by its name."""
    return {
        name: open_windows(calendar, start=start, end=end)
        for name, calendar in sorted(catalogue.calendars.items())
    }


def on_call(rotations: Mapping[str, Rotation], *, at: datetime) -> dict[str, str]:
    """Returns the one principal on call in each rotation that has begun at *at*, by its name."""
    found = {}
    for name, rotation in sorted(rotations.items()):
        person = _member(rotation, at)
        if person is not None:
            found[name] = person
    return found


def begins(rotation: Rotation) -> datetime:
    """Returns the moment of the first handover; before it nobody is on call."""
    return _handover(rotation, 0)


def _member(rotation: Rotation, at: datetime) -> str | None:
    if at < begins(rotation):
        return None
    for override in rotation.overrides:
        if override.start <= at < override.end:
            return override.member
    # Days of 23 and 25 hours move a handover by less than one shift of whole days.
    turn = max((at - begins(rotation)) // (rotation.shift * _DAY) - 1, 0)
    while _handover(rotation, turn + 1) <= at:
        turn += 1
    return rotation.members[turn % len(rotation.members)]


def _handover(rotation: Rotation, turn: int) -> datetime:
    day = rotation.first + turn * rotation.shift * _DAY
    return _moment(day, rotation.handover, zone(rotation.timezone), last=False)


def _days(start: datetime, end: datetime, here: ZoneInfo) -> Iterator[date]:
    """Yields every local date whose hours can reach into *start* to *end*."""
    day = start.astimezone(here).date() - _REACH
    last = end.astimezone(here).date()
    while day <= last:
        yield day
        day += _DAY


def _window(day: date, hours: Hours, here: ZoneInfo) -> Window | None:
    """Returns *hours* of the local date *day*; None where a gap of the clock swallows them."""
    over = day if hours.closes > hours.opens else day + _DAY
    opens = _moment(day, hours.opens, here, last=False)
    closes = _moment(over, hours.closes, here, last=hours.closes != _MIDNIGHTS.closes)
    return Window(start=opens, end=closes) if opens < closes else None


@lru_cache(maxsize=2**14)
def _moment(day: date, minutes: int, here: ZoneInfo, *, last: bool) -> datetime:
    """Returns the moment, in UTC, of a local time; the *last* one where there are two."""
    days, minute = divmod(minutes, 1440)
    wall = datetime.combine(day + days * _DAY, time(minute // 60, minute % 60), tzinfo=here)
    found = wall.replace(fold=int(last)).astimezone(UTC)
    back = found.astimezone(here)
    if back.replace(tzinfo=None) == wall.replace(tzinfo=None):
        return found
    # In a gap: read with the offset before it a time lies after the change, read with the
    # offset after it, before. The change itself, the first moment after the gap, is between.
    later, earlier = (wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    after = later.astimezone(here).utcoffset()
    low, high = 0, int((later - earlier).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if (earlier + timedelta(seconds=middle)).astimezone(here).utcoffset() == after:
            high = middle
        else:
            low = middle
    return earlier + timedelta(seconds=high)


def _merged(windows: Iterable[Window | None]) -> list[Window]:
    """Returns *windows* sorted, with those that leave no gap as one."""
    found: list[Window] = []
    for window in sorted(window for window in windows if window is not None):
        if found and found[-1].touches(window):
            found[-1] = found[-1].union(window)
        else:
            found.append(window)
    return found


def _without(windows: Iterable[Window | None], holes: Iterable[Window | None]) -> Iterator[Window]:
    """Yields what of *windows* lies outside all *holes*, sorted and apart."""
    closed = _merged(holes)
    for window in _merged(windows):
        start = window.start
        for hole in closed:
            if hole.end <= start:
                continue
            if hole.start >= window.end:
                break
            if start < hole.start:
                yield Window(start=start, end=hole.start)
            start = hole.end
        if start < window.end:
            yield Window(start=start, end=window.end)


def _clipped(windows: Iterable[Window], start: datetime, end: datetime) -> Iterator[Window]:
    for window in windows:
        if window.start < end and window.end > start:
            yield Window(start=max(window.start, start), end=min(window.end, end))
