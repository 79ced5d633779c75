"""The other parts of the catalogue, file by file: calendars, rotations, delegations and more.

Calendars, rotations, delegations, standing access and reviews of emergencies: each kind is
read by its table in `timetables`, then checked against principals, targets and roles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipeline.grants.calendar import begins
from pipeline.grants.tables import TABLE_LIMIT, TABLE_NODES
from pipeline.grants.timetables import (
    CALENDAR,
    DELEGATION,
    LONGEST_DELEGATION,
    REVIEW,
    ROTATION,
    SLUG,
    STANDING,
)
from pipeline.reading.fields import Object
from pipeline.reading.scalars import NAME, Reading
from pipeline.reading.yaml_strict import Table, closest, load, quote
from pipeline.values.canonical import timestamp
from pipeline.values.catalogue import (
    Delegation,
    EmergencyReview,
    Principal,
    PrincipalKind,
    ReviewFinding,
    StandingAccess,
)
from pipeline.values.ids import GrantId, RoleId, TargetId
from pipeline.values.timetable import (
    DAYS,
    Calendar,
    DayException,
    Hours,
    Override,
    Period,
    Rotation,
    Weekly,
)

FOLDERS = ("calendars", "oncall", "delegations", "standing", "reviews")
"""Below `access/`."""

PLACES = (
    *(f"access/{folder}/<name>.yaml" for folder in FOLDERS[:-1]),
    "access/reviews/<subject>/<name>.yaml",
)

_FILE = re.compile(rf"access/({'|'.join(FOLDERS[:-1])})/({NAME})\.yaml")
_REVIEW_FILE = re.compile(rf"access/(reviews)/({NAME}/{SLUG})\.yaml")


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """The names that annexes may refer to."""

    principals: Mapping[str, Principal]
    targets: frozenset[str]
    roles: frozenset[str]
    named: frozenset[str]
    """What stands in a file, readable or not: `alice`, `targets/aws/x`, `roles/aws/x`."""


class Annexes:
    """Reads file after file, then checks what only the whole can show."""

    def __init__(self) -> None:
        self._calendars: dict[str, Calendar] = {}
        self._rotations: dict[str, Rotation] = {}
        self._delegations: list[tuple[Delegation, Reading]] = []
        self._standing: list[tuple[str, int, StandingAccess, Reading]] = []
        self._reviews: list[EmergencyReview] = []
        # Who is named where, and must be an enabled person: field and name.
        self._people: list[tuple[str, str, Reading]] = []

    def file(self, path: str, text: bytes, reading: Reading) -> bool:
        """Reads the file at *path*; returns False where none of these kinds lies there."""
        place = _FILE.fullmatch(path) or _REVIEW_FILE.fullmatch(path)
        if place is None:
            return False
        folder, name = place.groups()
        if folder == "standing":
            self._read_standing(text, reading)
            return True
        form, keep = {
            "calendars": (CALENDAR, self._calendar),
            "oncall": (ROTATION, self._rotation),
            "delegations": (DELEGATION, self._delegation),
            "reviews": (REVIEW, self._review),
        }[folder]
        found = _read(form, text, reading)
        if found is not None:
            keep(name, found, reading)
        return True

    def parts(self) -> dict[str, Any]:
        """Returns the fields of a `Catalogue` that are read here."""
        standing: dict[str, set[StandingAccess]] = {}
        for name, _, one, _ in self._standing:
            standing.setdefault(name, set()).add(one)
        return {
            "calendars": self._calendars,
            "rotations": self._rotations,
            "delegations": tuple(delegation for delegation, _ in self._delegations),
            "standing": {name: tuple(sorted(lines)) for name, lines in standing.items()},
            # Two may be about one use: each was fine where its pull request began, and both
            # together must not stop everything.
            "reviews": tuple(self._reviews),
        }

    def check(self, known: Known) -> None:
        """Tells what does not fit *known*, and what does not fit together."""
        for field, name, reading in self._people:
            _person(name, field, reading, known)
        self._check_overlaps()
        self._check_standing(known)

    def _calendar(self, name: str, found: dict[str, Any], reading: Reading) -> None:
        dates: list[DayException] = []
        periods: list[Period] = []
        for index, one in enumerate(found.get("exceptions", ())):
            place = f"exceptions.{index}"
            if "date" not in one:
                _check_order(one["from"], one["to"], "to", "from", place, reading)
                periods.append(Period(start=one["from"], end=one["to"], open=one["open"]))
                continue
            hours = None if "closed" in one else Hours(opens=one["from"], closes=one["to"])
            if any(other.date == one["date"] and (not other.hours or not hours) for other in dates):
                message = f"date {one['date']} is closed and open; keep one of the lines"
                reading.refuse(reading.marks[f"{place}.date"], "contradiction", message)
            dates.append(DayException(date=one["date"], hours=hours))
        self._calendars[name] = Calendar(
            name=name,
            title=found["title"],
            timezone=found["timezone"],
            weekly=tuple(
                Weekly(
                    days=frozenset(DAYS.index(day) for day in one["days"]),
                    hours=Hours(opens=one["from"], closes=one["to"]),
                )
                for one in found.get("weekly", ())
            ),
            dates=tuple(dates),
            periods=tuple(periods),
        )

    def _rotation(self, name: str, found: dict[str, Any], reading: Reading) -> None:
        first, handover = found["start"]
        overrides = [
            (Override(start=one["from"], end=one["to"], member=one["member"]), f"overrides.{index}")
            for index, one in enumerate(found.get("overrides", ()))
        ]
        rotation = Rotation(
            name=name,
            title=found["title"],
            timezone=found["timezone"],
            first=first,
            handover=handover,
            shift=found["shift"],
            members=found["members"],
            overrides=tuple(one for one, _ in sorted(overrides, key=lambda pair: pair[0].start)),
        )
        start = begins(rotation)
        for one, place in overrides:
            _check_order(one.start, one.end, "to", "from", place, reading)
            if one.start < start:
                message = (
                    f"from is before the rotation's start at {timestamp(start)}, when nobody is"
                    " on call; begin there or later"
                )
                reading.refuse(reading.marks[f"{place}.from"], "before-start", message)
        _check_apart(
            ((one.start, one.end, reading, f"{place}.from") for one, place in overrides),
            "overlaps another override: one person is on call at a time; shorten one of them",
        )
        self._rotations[name] = rotation
        for index, member in enumerate(rotation.members):
            self._people.append((f"members.{index}", member, reading))
        for one, place in overrides:
            self._people.append((f"{place}.member", one.member, reading))

    def _delegation(self, name: str, found: dict[str, Any], reading: Reading) -> None:
        start, end = found["start"], found["end"]
        _check_order(start, end, "end", "start", "", reading)
        if end - start > timedelta(days=LONGEST_DELEGATION):
            message = (
                f"end is more than {LONGEST_DELEGATION} days after start, the most that a"
                " delegation lasts; end it sooner and renew it when it is still needed"
            )
            reading.refuse(reading.marks["end"], "too-long", message)
        if found["from"] == found["to"]:
            message = f"to is {quote(found['to'])}, as from is; name another person"
            reading.refuse(reading.marks["to"], "same-person", message)
        delegation = Delegation(
            name=name,
            delegator=found["from"],
            delegate=found["to"],
            start=start,
            end=end,
            reason=found["reason"],
        )
        self._delegations.append((delegation, reading))
        self._people += [(field, found[field], reading) for field in ("from", "to")]

    def _read_standing(self, text: bytes, reading: Reading) -> None:
        """Reads entry by entry: one bad entry hides no other."""
        node = load(text, report=reading.report, limit=TABLE_LIMIT, nodes=TABLE_NODES)
        if not isinstance(node, Table):
            if node is not None:
                reading.wrong_type(node, "", "a map of principals and what they hold")
            return
        for name, lines in STANDING.entries(node, "", reading).items():
            for index, line in enumerate(lines or ()):
                cloud = line["target"].partition("/")[0]
                held = StandingAccess(
                    target=TargetId(line["target"]), role=RoleId(f"{cloud}/{line['role']}")
                )
                self._standing.append((name, index, held, reading))

    def _review(self, name: str, found: dict[str, Any], reading: Reading) -> None:
        subject = name.partition("/")[0]
        if found["grant"].partition("/")[0] != subject:
            message = (
                f"grant {quote(found['grant'])} is not of the folder {quote(subject)}; move the"
                " file to the folder of the grant's subject or correct the grant"
            )
            reading.refuse(reading.marks["grant"], "folder", message)
        self._reviews.append(
            EmergencyReview(
                path=reading.report.path,
                subject=subject,
                grant=GrantId(found["grant"]),
                commit=found["commit"],
                finding=ReviewFinding(found["finding"]),
                notes=found["notes"],
            )
        )

    def _check_overlaps(self) -> None:
        delegators = {delegation.delegator for delegation, _ in self._delegations}
        for delegator in sorted(delegators):
            _check_apart(
                (
                    (one.start, one.end, reading, "start")
                    for one, reading in self._delegations
                    if one.delegator == delegator
                ),
                f"overlaps another delegation from {quote(delegator)}: one person stands in at a"
                " time; shorten one of them",
            )

    def _check_standing(self, known: Known) -> None:
        for name, index, line, reading in self._standing:
            if index == 0 and name not in known.principals and name not in known.named:
                mark = reading.marks[f"{name}.key"]
                _unknown_principal(name, reading, mark, known)
            for what, id_, ids in (
                ("target", line.target, known.targets),
                ("role", line.role, known.roles),
            ):
                if id_ not in ids and f"{what}s/{id_}" not in known.named:
                    cloud, _, called = id_.partition("/")
                    file = f"access/{what}s/{cloud}.yaml"
                    tip = closest(id_, ids) or f"; see that file for the {what}s there are"
                    message = f"{what} {quote(called)} is not in {file}{tip}"
                    mark = reading.marks[f"{name}.{index}.{what}"]
                    reading.refuse(mark, f"unknown-{what}", message)


def _read(form: Object, text: bytes, reading: Reading) -> dict[str, Any] | None:
    """Returns the fields of the file *text*, or None with its problems told."""
    node = load(text, report=reading.report)
    found = None if node is None else form.read(node, "", reading)
    return None if len(reading.report) else found


def _check_order(
    start: datetime, end: datetime, last: str, first: str, place: str, reading: Reading
) -> None:
    if start >= end:
        message = f"{last} is not after {first}, so it would never hold; correct one of them"
        reading.refuse(reading.marks[f"{place}.{last}" if place else last], "order", message)


def _check_apart(spans: Iterable[tuple[datetime, datetime, Reading, str]], message: str) -> None:
    """Tells, at its field, each span that begins before an earlier one has ended."""
    latest: datetime | None = None
    for start, end, reading, field in sorted(spans, key=lambda span: span[:2]):
        if latest is not None and start < latest:
            reading.refuse(reading.marks[field], "overlap", f"{field.rpartition('.')[2]} {message}")
        latest = end if latest is None else max(latest, end)


def _person(name: str, field: str, reading: Reading, known: Known) -> None:
    """Tells, at *field*, a name that is of no enabled person."""
    mark = reading.marks[field]
    principal = known.principals.get(name)
    if principal is None:
        if name not in known.named:
            _unknown_principal(name, reading, mark, known)
    elif principal.kind is not PrincipalKind.PERSON:
        reading.refuse(mark, "not-a-person", f"{quote(name)} is a workload; name a person")
    elif principal.disabled:
        message = f"{quote(name)} is disabled in access/principals/{name}.yaml; name another person"
        reading.refuse(mark, "disabled-principal", message)


def _unknown_principal(name: str, reading: Reading, mark: Any, known: Known) -> None:
    tip = closest(name, list(known.principals)) or "; add it first"
    message = f"{quote(name)} has no file access/principals/{name}.yaml{tip}"
    reading.refuse(mark, "unknown-principal", message)
