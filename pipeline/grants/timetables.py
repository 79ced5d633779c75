"""The formats of calendars, rotations, delegations, standing access and reviews; see `forms`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

from pipeline.grants.forms import PRINCIPAL_NAME, TARGET_ID
from pipeline.reading.fields import Field, ListOf, MapOf, Object
from pipeline.reading.scalars import (
    NAME,
    Choice,
    FieldKind,
    Flag,
    Moment,
    Reading,
    Text,
    label,
    name_of,
)
from pipeline.reading.yaml_strict import Node, Table, closest, quote
from pipeline.reading.zones import zone_names
from pipeline.values.catalogue import ReviewFinding
from pipeline.values.timetable import DAYS

SLUG = r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){0,99}"
"""Names of grants and reviews, without their suffix."""

LONGEST_DELEGATION = 90
"""Days. Who is away for longer hands over for good."""


class Zone:
    """The name of a time zone of the IANA database."""

    def read(self, node: Node, name: str, reading: Reading) -> str | None:
        """See `FieldKind.read`."""
        expected = "a time zone of the IANA database such as Europe/London"
        scalar = reading.scalar(node, name, expected)
        if scalar is None:
            return None
        if scalar.value in zone_names():
            return scalar.value
        tip = closest(scalar.value, zone_names())
        message = f"{label(name)} {quote(scalar.value)} is not {expected}{tip}"
        reading.refuse(scalar.mark, "time-zone", message)
        return None

    def schema(self) -> dict[str, Any]:
        """See `FieldKind.schema`: the form only, the names change with the database."""
        return {"type": "string", "pattern": r"^[A-Za-z][A-Za-z0-9_+/-]{1,63}$"}


class Day:
    """A date of the calendar, without a time."""

    _form = re.compile(r"(2[01][0-9]{2})-([0-9]{2})-([0-9]{2})")

    def read(self, node: Node, name: str, reading: Reading) -> date | None:
        """See `FieldKind.read`."""
        scalar = reading.scalar(node, name, "a date such as 2026-12-25")
        if scalar is None:
            return None
        match = self._form.fullmatch(scalar.value)
        wrong = "is not a date such as 2026-12-25, between the years 2000 and 2199"
        if match is not None:
            try:
                return date(*map(int, match.groups()))
            except ValueError:
                wrong = "does not exist in the calendar; correct the date"
        reading.refuse(scalar.mark, "date", f"{label(name)} {quote(scalar.value)} {wrong}")
        return None

    def schema(self) -> dict[str, Any]:
        """See `FieldKind.schema`."""
        return {"type": "string", "format": "date", "pattern": f"^{self._form.pattern}$"}


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeOfDay:
    """A local time of day, in quotes, kept as minutes after midnight."""

    up_to_24: bool = False
    """Whether 24:00 is one: the end of a day, never its start."""

    @property
    def _text(self) -> Text:
        last = " or 24:00" if self.up_to_24 else ""
        return Text(
            expected=f'a time of day in quotes such as "09:00", up to 23:59{last}',
            pattern=r"(?:[01][0-9]|2[0-3]):[0-5][0-9]" + ("|24:00" if self.up_to_24 else ""),
            # Other YAML readers take 18:00 for a number to the base of 60.
            quoted=True,
            longest=5,
            literal=True,
        )

    def read(self, node: Node, name: str, reading: Reading) -> int | None:
        """See `FieldKind.read`."""
        found = self._text.read(node, name, reading)
        return None if found is None else int(found[:2]) * 60 + int(found[3:])

    def schema(self) -> dict[str, Any]:
        """See `FieldKind.schema`."""
        return self._text.schema()


class LocalStart:
    """A local date and time without an offset, in whole minutes: the zone stands beside it."""

    _form = re.compile(r"(2[01][0-9]{2}-[0-9]{2}-[0-9]{2})T((?:[01][0-9]|2[0-3]):[0-5][0-9])")

    def read(self, node: Node, name: str, reading: Reading) -> tuple[date, int] | None:
        """See `FieldKind.read`."""
        expected = "a local date and time such as 2026-01-05T09:00"
        scalar = reading.scalar(node, name, expected)
        if scalar is None:
            return None
        match = self._form.fullmatch(scalar.value)
        wrong = f"is not {expected}; whole minutes, without an offset"
        if match is not None:
            day, clock = match.groups()
            try:
                return date.fromisoformat(day), int(clock[:2]) * 60 + int(clock[3:])
            except ValueError:
                wrong = "does not exist in the calendar; correct the date"
        reading.refuse(scalar.mark, "time", f"{label(name)} {quote(scalar.value)} {wrong}")
        return None

    def schema(self) -> dict[str, Any]:
        """See `FieldKind.schema`."""
        return {"type": "string", "pattern": f"^{self._form.pattern}$"}


class Shift:
    """Whole days from one handover to the next, so that it keeps its local time."""

    _form = re.compile(r"([1-9][0-9]{0,2})d")
    _most = 365

    def read(self, node: Node, name: str, reading: Reading) -> int | None:
        """See `FieldKind.read`."""
        expected = f"whole days such as 1d or 7d, up to {self._most}d"
        scalar = reading.scalar(node, name, expected)
        if scalar is None:
            return None
        match = self._form.fullmatch(scalar.value)
        if match is not None and int(match.group(1)) <= self._most:
            return int(match.group(1))
        message = f"{label(name)} {quote(scalar.value)} is not {expected}"
        reading.refuse(scalar.mark, "shift", message)
        return None

    def schema(self) -> dict[str, Any]:
        """See `FieldKind.schema`."""
        most = r"(?:[1-9][0-9]?|[12][0-9]{2}|3[0-5][0-9]|36[0-5])"
        return {"type": "string", "pattern": f"^{most}d$"}


class OnlyTrue(Flag):
    """Plain `true`: the key says something by being there."""

    def read(self, node: Node, name: str, reading: Reading) -> bool | None:
        """See `FieldKind.read`."""
        found = Flag.read(self, node, name, reading)
        if found is False:
            message = f"{label(name)} is never false; write true or leave the line out"
            reading.refuse(node.mark, "choice", message)
            return None
        return found

    def schema(self) -> dict[str, Any]:
        """See `FieldKind.schema`."""
        return {"const": True}


@dataclass(frozen=True, kw_only=True, slots=True)
class FormByKey:
    """One of several objects: the first whose key stands in the map decides, else the last."""

    forms: tuple[tuple[str, Object], ...]

    def read(self, node: Node, name: str, reading: Reading) -> dict[str, Any] | None:
        """See `FieldKind.read`."""
        present = {key.value for key, _ in node.entries} if isinstance(node, Table) else set()
        form = next((form for key, form in self.forms if key in present), self.forms[-1][1])
        return form.read(node, name, reading)

    def schema(self) -> dict[str, Any]:
        """See `FieldKind.schema`."""
        return {"oneOf": [form.schema() for _, form in self.forms]}


_TITLE = Field(
    name="title", kind=Text(expected="what it is for, in one line", longest=120), about="for people"
)
_TIMEZONE = Field(name="timezone", kind=Zone(), about="IANA name: local times are of this zone")
_OPENS = Field(name="from", kind=TimeOfDay(), about="local time it opens at, in quotes")
_CLOSES = Field(
    name="to",
    kind=TimeOfDay(up_to_24=True),
    about="local time it closes at, in quotes; not after from means on the next day",
)
_DATE = Field(name="date", kind=Day(), about="a local date, midnight to midnight")
_FROM = Field(name="from", kind=Moment(), about="from this moment on, with offset")
_TO = Field(name="to", kind=Moment(), about="up to this moment, with offset")

_EXCEPTION: FieldKind = FormByKey(
    forms=(
        (
            "closed",
            Object(
                about="A date that is closed.",
                fields=(_DATE, Field(name="closed", kind=OnlyTrue(), about="closed all day")),
            ),
        ),
        (
            "date",
            Object(
                about="Hours of one date, in place of the weekly ones.",
                fields=(_DATE, _OPENS, _CLOSES),
            ),
        ),
        (
            "",
            Object(
                about="A period that is open, or closed, whatever the week says.",
                fields=(
                    _FROM,
                    _TO,
                    Field(name="open", kind=Flag(), about="true opens it, false closes it"),
                ),
            ),
        ),
    )
)

CALENDAR = Object(
    about="A calendar: when something is open. What is closed wins over what is open.",
    fields=(
        _TITLE,
        _TIMEZONE,
        Field(
            name="weekly",
            kind=ListOf(
                item=Object(
                    about="Hours that return every week.",
                    fields=(
                        Field(
                            name="days",
                            kind=ListOf(item=Choice(words=DAYS), most=7),
                            about="the days that these hours begin on",
                        ),
                        _OPENS,
                        _CLOSES,
                    ),
                ),
                most=50,
            ),
            about="hours that return every week",
            required=False,
        ),
        Field(
            name="exceptions",
            kind=ListOf(item=_EXCEPTION, most=500),
            about="dates and periods that differ from the week",
            required=False,
        ),
    ),
    any_of=("weekly", "exceptions"),
)

ROTATION = Object(
    about="A rotation: who is on call, one person at a time.",
    fields=(
        _TITLE,
        _TIMEZONE,
        Field(
            name="start",
            kind=LocalStart(),
            about="local date and time of the first handover; nobody is on call before",
        ),
        Field(name="shift", kind=Shift(), about="from one handover to the next: 1d, 7d"),
        Field(
            name="members",
            kind=ListOf(item=PRINCIPAL_NAME, most=100),
            about="people in the order of their turns",
        ),
        Field(
            name="overrides",
            kind=ListOf(
                item=Object(
                    about="Somebody in place of whose turn it is.",
                    fields=(
                        _FROM,
                        _TO,
                        Field(name="member", kind=PRINCIPAL_NAME, about="who is on call instead"),
                    ),
                ),
                most=500,
            ),
            about="swaps and absences; they do not overlap",
            required=False,
        ),
    ),
)

DELEGATION = Object(
    about="A delegation: who approves in another's place for a time.",
    fields=(
        Field(name="from", kind=PRINCIPAL_NAME, about="the person who lends the right to approve"),
        Field(name="to", kind=PRINCIPAL_NAME, about="the person who may use it"),
        Field(name="start", kind=Moment(), about="when it begins, with offset"),
        Field(
            name="end",
            kind=Moment(),
            about=f"when it is over, with offset; at most {LONGEST_DELEGATION} days after start",
        ),
        Field(
            name="reason",
            kind=Text(expected="why, in one line", shortest=3, longest=1000, whole=True),
            about="why, in one line",
        ),
    ),
)

STANDING = MapOf(
    key=PRINCIPAL_NAME,
    item=ListOf(
        item=Object(
            about="One role held on one target without a grant.",
            fields=(
                Field(
                    name="target",
                    kind=TARGET_ID,
                    about="cloud and name of a target, such as aws/payments-prod",
                ),
                Field(
                    name="role", kind=name_of("the name of a role"), about="a role of that cloud"
                ),
            ),
        ),
        most=200,
    ),
    most=5000,
)

REVIEW = Object(
    about="The review of one use of emergency access.",
    fields=(
        Field(
            name="grant",
            kind=Text(
                expected="the id of a grant: its subject, / and its file's name without suffix",
                pattern=rf"{NAME}/{SLUG}",
                longest=164,
                literal=True,
            ),
            about="id of the grant: its path below access/grants/ without .yaml",
        ),
        Field(
            name="commit",
            kind=Text(
                expected="the full id of a commit: 40 digits and a to f",
                pattern=r"[0-9a-f]{40}",
                longest=40,
                literal=True,
            ),
            about="the commit that added the grant: each use is reviewed by itself",
        ),
        Field(
            name="finding",
            kind=Choice(words=tuple(ReviewFinding)),
            about="justified or misused",
        ),
        Field(
            name="notes",
            kind=Text(
                expected="what was done and why, at least 10 characters", shortest=10, longest=4000
            ),
            about="what was done with the access, and why, in one line",
        ),
    ),
)
