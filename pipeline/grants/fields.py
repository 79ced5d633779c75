"""Kinds of fields: each reads its value with every problem told, and describes itself.

A kind's `read` returns None exactly when it has told a problem. Its `schema` is the same
rule in JSON Schema (2020-12), so that editors complete and check what the parser accepts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Protocol

from pipeline.grants.duration import PATTERN, parse_duration
from pipeline.grants.yaml_strict import Items, Node, Report, Scalar, Table, closest, quote, unseen
from pipeline.model import Mark

NAME = r"[a-z0-9][a-z0-9-]{0,62}"
"""Principals, targets, roles and environments: ASCII, so that no letter looks like another."""


class Reading:
    """One file being read: where its problems go, and where its fields stand."""

    __slots__ = ("marks", "report")

    def __init__(self, report: Report) -> None:
        self.report = report
        self.marks: dict[str, Mark] = {}

    def refuse(self, mark: Mark, code: str, message: str) -> None:
        """Tells a problem at *mark*."""
        self.report.add(mark, code, message)

    def scalar(self, node: Node, name: str, expected: str) -> Scalar | None:
        """Returns *node* when it is text with something in it; *expected* words the refusal."""
        if isinstance(node, Scalar):
            if node.value:
                return node
            self.refuse(node.mark, "empty", f"{label(name)} is empty; write {expected}")
        else:
            self.wrong_type(node, name, expected)
        return None

    def wrong_type(self, node: Node, name: str, expected: str) -> None:
        """Tells that *node* is not what *expected* says."""
        found = {Items: "a list", Table: "a map", Scalar: "text"}.get(type(node))
        if found is not None:  # what is broken was told already
            message = f"{label(name)} is {found}, not {expected}"
            self.refuse(node.mark, "wrong-type", message)


def label(name: str) -> str:
    """Returns how messages call the field *name*: its last part that is no number."""
    return next((part for part in reversed(name.split(".")) if part and not part.isdigit()), "file")


class Kind(Protocol):
    """What a field may hold."""

    def read(self, node: Node, name: str, reading: Reading) -> Any:
        """Returns the value, or None with problems told."""

    def schema(self) -> dict[str, Any]:
        """Returns the JSON Schema of what is accepted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """One line of text."""

    expected: str
    """How a refusal words it: `the name of a principal`."""

    pattern: str | None = None
    """Matched in full, ASCII; written so that Python and ECMAScript agree."""

    longest: int = 256
    shortest: int = 1
    quoted: bool = False
    """Must stand in quotes, because other YAML readers would take it for a number."""

    literal: bool = False
    """Must be ASCII: names, whose letters other letters can imitate."""

    def read(self, node: Node, name: str, reading: Reading) -> str | None:
        """See `Kind.read`."""
        scalar = reading.scalar(node, name, self.expected)
        if scalar is None:
            return None
        # A block scalar (`>`) ends with a line break that nobody meant.
        value = scalar.value if self.literal else scalar.value.removesuffix("\n")
        wrong = self._wrong(value, scalar, label(name))
        if wrong is not None:
            reading.refuse(scalar.mark, *wrong)
            return None
        return value

    def _wrong(self, value: str, scalar: Scalar, called: str) -> tuple[str, str] | None:
        """Returns code and message of the first thing that is wrong with *value*."""
        if scalar.plain and value in {"~", "null", "Null", "NULL"}:
            return "null", f"{called} is null; write {self.expected} or leave the key out"
        if len(value) > self.longest:
            most = f"{self.longest} characters"
            return "too-long", f"{called} has {len(value)} characters, the most is {most}"
        if self.literal and not value.isascii():
            odd = next(char for char in value if not char.isascii())
            return "look-alike", (
                f"{called} {quote(value)} holds U+{ord(odd):04X}, which is no ASCII character;"
                f" write {self.expected}"
            )
        if "\n" in value:
            return "line-break", f"{called} has several lines; fold them with >- or join them"
        hidden = unseen(value)
        if hidden is not None:
            return "unseen-character", (
                f"{called} holds {hidden}, which a reviewer cannot see; remove it"
            )
        if self.pattern is not None and not re.fullmatch(self.pattern, value, re.ASCII):
            return "form", f"{called} {quote(value)} is not {self.expected}"
        if len(value.strip()) < self.shortest:
            return "too-short", f"{called} is too short; write {self.expected}"
        if self.quoted and scalar.plain:
            return "quotes", f'{called} must stand in quotes: "{value}"'
        return None

    def schema(self) -> dict[str, Any]:
        """See `Kind.schema`."""
        found: dict[str, Any] = {"type": "string", "maxLength": self.longest}
        if self.pattern is not None:
            found["pattern"] = f"^(?:{self.pattern})$"
        else:
            found["minLength"] = self.shortest
        return found


def name_of(what: str) -> Text:
    """Returns the kind of names of *what*."""
    return Text(
        expected=f"{what}: a-z, 0-9 and -, up to 63 characters",
        pattern=NAME,
        longest=63,
        literal=True,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One word of several."""

    words: tuple[str, ...]

    def read(self, node: Node, name: str, reading: Reading) -> str | None:
        """See `Kind.read`."""
        expected = "one of " + ", ".join(self.words)
        scalar = reading.scalar(node, name, expected)
        if scalar is None:
            return None
        if scalar.value in self.words:
            return scalar.value
        tip = closest(scalar.value, self.words)
        message = f"{label(name)} {quote(scalar.value)} is not {expected}{tip}"
        reading.refuse(scalar.mark, "choice", message)
        return None

    def schema(self) -> dict[str, Any]:
        """See `Kind.schema`."""
        return {"enum": list(self.words)}


class Flag:
    """Plain `true` or `false`."""

    def read(self, node: Node, name: str, reading: Reading) -> bool | None:
        """See `Kind.read`."""
        scalar = reading.scalar(node, name, "true or false")
        if scalar is None:
            return None
        if scalar.plain and scalar.value in {"true", "false"}:
            return scalar.value == "true"
        message = f"{label(name)} {quote(scalar.value)} is not true or false, without quotes"
        reading.refuse(scalar.mark, "wrong-type", message)
        return None

    def schema(self) -> dict[str, Any]:
        """See `Kind.schema`."""
        return {"type": "boolean"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Number:
    """A whole number in plain ASCII digits."""

    least: int
    most: int

    def read(self, node: Node, name: str, reading: Reading) -> int | None:
        """See `Kind.read`."""
        bounds = str(self.least) if self.least == self.most else f"{self.least} to {self.most}"
        expected = f"a whole number, {bounds}"
        scalar = reading.scalar(node, name, f"{expected}, without quotes")
        if scalar is None:
            return None
        digits = scalar.plain and re.fullmatch(r"0|[1-9][0-9]{0,18}", scalar.value)
        if digits and self.least <= int(scalar.value) <= self.most:
            return int(scalar.value)
        message = f"{label(name)} {quote(scalar.value)} is not {expected}, without quotes"
        reading.refuse(scalar.mark, "wrong-type", message)
        return None

    def schema(self) -> dict[str, Any]:
        """See `Kind.schema`."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


class Duration:
    """How long, in seconds; see `duration`."""

    def read(self, node: Node, name: str, reading: Reading) -> int | None:
        """See `Kind.read`."""
        scalar = reading.scalar(node, name, "how long: 30m, 2h, 1h30m or 3d")
        if scalar is None:
            return None
        found = parse_duration(scalar.value)
        if isinstance(found, int):
            return found
        message = f"{label(name)} {quote(scalar.value)} {found}"
        reading.refuse(scalar.mark, "duration", message)
        return None

    def schema(self) -> dict[str, Any]:
        """See `Kind.schema`."""
        return {"type": "string", "pattern": PATTERN}


_MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:(Z)|([+-])([0-9]{2}):([0-9]{2}))"
)


class Moment:
    """A time with its offset (RFC 3339), whole seconds, kept as UTC."""

    def read(self, node: Node, name: str, reading: Reading) -> datetime | None:
        """See `Kind.read`."""
        scalar = reading.scalar(node, name, "a time such as 2026-11-20T22:00:00Z")
        if scalar is None:
            return None
        found = self._moment(scalar.value)
        if isinstance(found, datetime):
            return found
        reading.refuse(scalar.mark, "time", f"{label(name)} {quote(scalar.value)} {found}")
        return None

    @staticmethod
    def _moment(text: str) -> datetime | str:
        match = _MOMENT.fullmatch(text)
        if match is None:
            form = "is not of the form 2026-11-20T22:00:00Z"
            if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+", text):
                return f"{form}; add the offset, Z or +01:00, and whole seconds"
            return f"{form} or 2026-11-20T23:00:00+01:00"
        *numbers, _, sign, hours, minutes = match.groups()
        try:
            away = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
            if int(minutes or 0) > 59:
                raise ValueError("minutes of an offset")
            zone = timezone(-away if sign == "-" else away)
            year, month, day, hour, minute, second = map(int, numbers)
            moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
        except ValueError:
            return "does not exist in the calendar or on the clock; correct the date"
        if not 2000 <= year < 2200:
            return "is not between the years 2000 and 2199; correct the year"
        return moment.astimezone(UTC)

    def schema(self) -> dict[str, Any]:
        """See `Kind.schema`."""
        return {"type": "string", "format": "date-time", "pattern": f"^{_MOMENT.pattern}$"}


class Tag:
    """Text, or plain `true` and `false`; kept as text."""

    _text = Text(expected="text, true or false", longest=128)

    def read(self, node: Node, name: str, reading: Reading) -> str | None:
        """See `Kind.read`."""
        return self._text.read(node, name, reading)

    def schema(self) -> dict[str, Any]:
        """See `Kind.schema`."""
        return {"oneOf": [self._text.schema(), {"type": "boolean"}]}


@dataclass(frozen=True, kw_only=True, slots=True)
class ListOf:
    """At least one and at most *most* values."""

    item: Kind
    most: int
    unique: bool = True

    def read(self, node: Node, name: str, reading: Reading) -> tuple[Any, ...] | None:
        """See `Kind.read`."""
        if not isinstance(node, Items):
            reading.wrong_type(node, name, "a list")
            return None
        before = len(reading.report)
        size = len(node.values)
        if not size:
            reading.refuse(node.mark, "empty", f"{label(name)} is empty; list at least one")
        elif size > self.most:
            message = f"{label(name)} lists {size}, the most is {self.most}; split it"
            reading.refuse(node.mark, "too-many", message)
        found: list[Any] = []
        for index, value in enumerate(node.values[: self.most]):
            item = f"{name}.{index}"
            reading.marks[item] = value.mark
            read = self.item.read(value, item, reading)
            if self.unique and read is not None and read in found:
                message = f"{label(name)} holds this a second time; remove it"
                reading.refuse(value.mark, "duplicate", message)
            found.append(read)
        return tuple(found) if len(reading.report) == before and None not in found else None

    def schema(self) -> dict[str, Any]:
        """See `Kind.schema`."""
        found: dict[str, Any] = {"type": "array", "minItems": 1, "maxItems": self.most}
        return found | {"uniqueItems": self.unique, "items": self.item.schema()}


@dataclass(frozen=True, kw_only=True, slots=True)
class MapOf:
    """Names, each with a value."""

    key: Text
    item: Kind
    most: int

    def read(self, node: Node, name: str, reading: Reading) -> dict[str, Any] | None:
        """See `Kind.read`; reads as None when one entry of it does."""
        if not isinstance(node, Table):
            reading.wrong_type(node, name, "a map of names and values")
            return None
        found = self.entries(node, name, reading)
        return None if None in found.values() else found

    def entries(self, node: Table, name: str, reading: Reading) -> dict[str, Any]:
        """Returns every entry whose name is well formed; None where its value is not."""
        if len(node.entries) > self.most:
            message = f"{label(name)} has {len(node.entries)} entries, the most is {self.most}"
            reading.refuse(node.mark, "too-many", message)
        found: dict[str, Any] = {}
        for key, value in node.entries[: self.most]:
            called = self.key.read(key, f"{name}.name", reading)
            item = f"{name}.{key.value}" if name else key.value
            reading.marks[item] = value.mark
            reading.marks[f"{item}.key"] = key.mark
            read = self.item.read(value, item, reading)
            found[key.value] = None if called is None else read
        return found

    def schema(self) -> dict[str, Any]:
        """See `Kind.schema`."""
        return {
            "type": "object",
            "maxProperties": self.most,
            "propertyNames": self.key.schema(),
            "additionalProperties": self.item.schema(),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One key of an `Object`."""

    name: str
    kind: Kind
    about: str
    """One line for people who edit: the description in the schema."""

    required: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """When the field *name* says *value*, some keys are needed and others are refused."""

    name: str
    value: str
    needs: tuple[str, ...] = ()
    refuses: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Object:
    """Known keys, each of its kind; any other key is refused, or is one of *extra*."""

    fields: tuple[Field, ...]
    about: str = ""
    extra: MapOf | None = None
    """Kind of further keys, kept under the name `extra_name`."""

    extra_name: str = "parameters"
    one_of: tuple[tuple[str, ...], ...] = ()
    """Groups of keys of which exactly one stands, complete."""

    cases: tuple[Case, ...] = ()

    def read(self, node: Node, name: str, reading: Reading) -> dict[str, Any] | None:
        """See `Kind.read`; keys that are absent are absent in the result."""
        if not isinstance(node, Table):
            reading.wrong_type(node, name, "a map of keys and values")
            return None
        before = len(reading.report)
        known = {field.name: field for field in self.fields}
        present = {key.value for key, _ in node.entries}
        missing = [
            field.name for field in self.fields if field.required and field.name not in present
        ]
        found: dict[str, Any] = {}
        extra: list[tuple[Scalar, Node]] = []
        broken = False
        for key, value in node.entries:
            field = known.get(key.value)
            if field is None:
                # A near miss of a key that is missing is that key, not a parameter.
                if self.extra is None or closest(key.value, missing):
                    self._unknown(key, missing or list(known), reading)
                else:
                    extra.append((key, value))
                continue
            inner = f"{name}.{field.name}" if name else field.name
            reading.marks[inner] = value.mark
            read = field.kind.read(value, inner, reading)
            broken = broken or read is None
            found[field.name] = read
        for absent in missing:
            message = f"key {absent} is missing{_within(name)}; add it: {known[absent].about}"
            reading.refuse(node.mark, "missing-key", message)
        self._relations(node, found, present, name, reading)
        if self.extra is not None:
            inner = f"{name}.{self.extra_name}"
            rest = self.extra.entries(Table(node.mark, tuple(extra)), inner, reading)
            broken = broken or None in rest.values()
            found[self.extra_name] = rest
        return found if len(reading.report) == before and not broken else None

    def _unknown(self, key: Scalar, likely: Iterable[str], reading: Reading) -> None:
        names = [field.name for field in self.fields]
        advice = closest(key.value, list(likely)) or closest(key.value, names)
        advice = advice or f"; known are {', '.join(names)}"
        reading.refuse(key.mark, "unknown-key", f"unknown key {quote(key.value)}{advice}")

    def _relations(
        self, node: Table, found: dict[str, Any], present: set[str], name: str, reading: Reading
    ) -> None:
        """Tells keys that must, or must not, stand together."""
        where = _within(name)
        if self.one_of:
            begun = [group for group in self.one_of if present.intersection(group)]
            if len(begun) != 1 or not present.issuperset(begun[0]):
                groups = ", or ".join(" and ".join(group) for group in self.one_of)
                reading.refuse(node.mark, "one-of", f"write {groups}{where}; exactly one of these")
        for case in self.cases:
            if found.get(case.name) != case.value:
                continue
            said = f"{case.name}: {case.value}"
            for key in case.needs:
                if key not in present:
                    message = f"key {key} is missing{where}; {said} needs it"
                    reading.refuse(node.mark, "missing-key", message)
            for key in case.refuses:
                if key in present:
                    mark = reading.marks[f"{name}.{key}" if name else key]
                    reading.refuse(mark, "misplaced-key", f"{said} has no {key}; remove it")

    def schema(self) -> dict[str, Any]:
        """See `Kind.schema`."""
        found: dict[str, Any] = {"type": "object"}
        if self.about:
            found["description"] = self.about
        found["required"] = [field.name for field in self.fields if field.required]
        found["properties"] = {
            field.name: field.kind.schema() | {"description": field.about} for field in self.fields
        }
        if self.extra is None:
            found["additionalProperties"] = False
        else:
            inner = self.extra.schema()
            found["propertyNames"] = inner["propertyNames"]
            found["additionalProperties"] = inner["additionalProperties"]
        if self.one_of:
            found["oneOf"] = [
                {
                    "required": list(group),
                    "properties": {
                        key: False for other in self.one_of if other != group for key in other
                    },
                }
                for group in self.one_of
            ]
        if self.cases:
            found["allOf"] = [
                {
                    "if": {
                        "required": [case.name],
                        "properties": {case.name: {"const": case.value}},
                    },
                    "then": {"required": list(case.needs)}
                    | {"properties": dict.fromkeys(case.refuses, False)},
                }
                for case in self.cases
            ]
        return found


def _within(name: str) -> str:
    """Returns where a key is missing, for people; nothing at the top of a file."""
    return f" in {name}" if name else ""
