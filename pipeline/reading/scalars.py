"""Kinds of single values: each reads its value with every problem told, and describes itself.

A kind's `read` returns None exactly when it has told a problem. Its `schema` is the same
rule in JSON Schema (2020-12), so that editors complete and check what the parser accepts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Protocol

from pipeline.reading.duration import PATTERN, parse_duration
from pipeline.reading.yaml_strict import Items, Node, Report, Scalar, Table, closest, quote, unseen
from pipeline.values.problem import Mark

NAME = r"[a-z0-9][a-z0-9-]{0,62}"
"""Principals, targets, roles and environments: ASCII, so that no letter looks like another."""


def is_name(text: str) -> bool:
    """Whether the whole *text* is such a name."""
    return re.fullmatch(NAME, text, re.ASCII) is not None


class Reading:
    """One file being read: where its problems go, where its fields stand, what they say."""

    __slots__ = ("marks", "report", "values")

    def __init__(self, report: Report) -> None:
        self.report = report
        self.marks: dict[str, Mark] = {}
        self.values: dict[str, Any] = {}

    def refuse(self, mark: Mark, code: str, message: str) -> None:
        """Tells a problem at *mark*."""
        self.report.add(mark, code, message)

    def keep(self, name: str, value: Any) -> None:
        """Notes what the field *name* says; None is a value that was refused."""
        if value is not None:
            self.values[name] = value

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


class FieldKind(Protocol):
    """A kind of field: reads a value and describes itself."""

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

    whole: bool = False
    """No comment may follow on its line: whoever reads the line takes all of it for the text."""

    def read(self, node: Node, name: str, reading: Reading) -> str | None:
        """See `FieldKind.read`."""
        scalar = reading.scalar(node, name, self.expected)
        if scalar is None:
            return None
        # A block scalar (`>`) ends with a line break that nobody meant.
        value = scalar.value if self.literal else scalar.value.removesuffix("\n")
        if self.whole and scalar.comment is not None:
            reading.refuse(
                scalar.comment,
                "text-cut",
                f"{label(name)} ends here, as YAML takes what follows # for a comment; write the "
                "text in quotes, or the comment on a line of its own",
            )
            return None
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
        """See `FieldKind.schema`."""
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
        """See `FieldKind.read`."""
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
        """See `FieldKind.schema`."""
        return {"enum": list(self.words)}


class Flag:
    """Plain `true` or `false`."""

    def read(self, node: Node, name: str, reading: Reading) -> bool | None:
        """See `FieldKind.read`."""
        scalar = reading.scalar(node, name, "true or false")
        if scalar is None:
            return None
        if scalar.plain and scalar.value in {"true", "false"}:
            return scalar.value == "true"
        message = f"{label(name)} {quote(scalar.value)} is not true or false, without quotes"
        reading.refuse(scalar.mark, "wrong-type", message)
        return None

    def schema(self) -> dict[str, Any]:
        """See `FieldKind.schema`."""
        return {"type": "boolean"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Number:
    """A whole number in plain ASCII digits."""

    least: int
    most: int

    def read(self, node: Node, name: str, reading: Reading) -> int | None:
        """See `FieldKind.read`."""
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
        """See `FieldKind.schema`."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


class Duration:
    """A duration, in seconds; see `duration`."""

    def read(self, node: Node, name: str, reading: Reading) -> int | None:
        """See `FieldKind.read`."""
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
        """See `FieldKind.schema`."""
        return {"type": "string", "pattern": PATTERN}


_MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:(Z)|([+-])([0-9]{2}):([0-9]{2}))"
)


def parse_moment(text: str) -> datetime | str:
    """Returns the moment that *text* says, in UTC, or what is wrong with it and the way out."""
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


class Moment:
    """A time with its offset (RFC 3339), whole seconds, kept as UTC."""

    def read(self, node: Node, name: str, reading: Reading) -> datetime | None:
        """See `FieldKind.read`."""
        scalar = reading.scalar(node, name, "a time such as 2026-11-20T22:00:00Z")
        if scalar is None:
            return None
        found = parse_moment(scalar.value)
        if isinstance(found, datetime):
            return found
        reading.refuse(scalar.mark, "time", f"{label(name)} {quote(scalar.value)} {found}")
        return None

    def schema(self) -> dict[str, Any]:
        """See `FieldKind.schema`."""
        return {"type": "string", "format": "date-time", "pattern": f"^{_MOMENT.pattern}$"}


class Tag:
    """Text, or plain `true` and `false`; kept as text."""

    _text = Text(expected="text, true or false", longest=128)

    def read(self, node: Node, name: str, reading: Reading) -> str | None:
        """See `FieldKind.read`."""
        return self._text.read(node, name, reading)

    def schema(self) -> dict[str, Any]:
        """See `FieldKind.schema`."""
        return {"oneOf": [self._text.schema(), {"type": "boolean"}]}
