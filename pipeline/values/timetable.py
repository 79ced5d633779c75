"""Values of time in the catalogue: calendars, and rotations of people on call.

Local times stay as they were written, with their zone: what they mean as moments is for
`grants.calendar`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""As files write them; their places are Python's `date.weekday()`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hours:
    """Hours of one local day, in minutes after its midnight.

    *closes* that is not after *opens* is meant on the next day.
    """

    opens: int
    """0 to 1439."""

    closes: int
    """0 to 1440."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Weekly:
    """Hours that return every week, on the days that they begin."""

    days: frozenset[int]
    """0 is Monday."""

    hours: Hours


@dataclass(frozen=True, kw_only=True, slots=True)
class DayException:
    """The hours of one local date, midnight to midnight, in place of the weekly hours."""

    date: date
    hours: Hours | None
    """None where the date is closed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Period:
    """From *start* on, up to but without *end*: open or closed, whatever the week says."""

    start: datetime
    end: datetime
    open: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Calendar:
    """When something is open: `access/calendars/<name>.yaml`. What is closed wins."""

    name: str
    title: str
    timezone: str
    """IANA name: `Europe/London`."""

    weekly: tuple[Weekly, ...] = ()
    dates: tuple[DayException, ...] = ()
    periods: tuple[Period, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Override:
    """A person on call from *start* on, up to *end*, in place of whose turn it is."""

    start: datetime
    end: datetime
    member: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Rotation:
    """People who are on call in turn: `access/oncall/<name>.yaml`."""

    name: str
    title: str
    timezone: str
    first: date
    """Local date of the first handover."""

    handover: int
    """Local time of every handover, in minutes after midnight."""

    shift: int
    """Days from one handover to the next."""

    members: tuple[str, ...]
    """Principals in the order of their turns."""

    overrides: tuple[Override, ...] = ()
    """Sorted, none begins before the one before it ends."""
