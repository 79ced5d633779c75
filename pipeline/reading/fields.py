"""Kinds of fields that hold others: lists, maps of names, and objects with known keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.reading.scalars import FieldKind, Reading, Text, label
from pipeline.reading.yaml_strict import Items, Node, Scalar, Table, closest, quote


@dataclass(frozen=True, kw_only=True, slots=True)
class ListOf:
    """At least one and at most *most* values."""

    item: FieldKind
    most: int
    unique: bool = True

    def read(self, node: Node, name: str, reading: Reading) -> tuple[Any, ...] | None:
        """See `FieldKind.read`."""
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
        """See `FieldKind.schema`."""
        found: dict[str, Any] = {"type": "array", "minItems": 1, "maxItems": self.most}
        return found | {"uniqueItems": self.unique, "items": self.item.schema()}


@dataclass(frozen=True, kw_only=True, slots=True)
class MapOf:
    """Names, each with a value."""

    key: Text
    item: FieldKind
    most: int

    def read(self, node: Node, name: str, reading: Reading) -> dict[str, Any] | None:
        """See `FieldKind.read`; reads as None when one entry of it does."""
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
            reading.keep(f"{item}.key", called)
            read = self.item.read(value, item, reading)
            reading.keep(item, read)
            found[key.value] = None if called is None else read
        return found

    def schema(self) -> dict[str, Any]:
        """See `FieldKind.schema`."""
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
    kind: FieldKind
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

    any_of: tuple[str, ...] = ()
    """Optional keys of which at least one stands."""

    cases: tuple[Case, ...] = ()

    def read(self, node: Node, name: str, reading: Reading) -> dict[str, Any] | None:
        """See `FieldKind.read`; keys that are absent are absent in the result."""
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
            reading.keep(inner, read)
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
        if self.any_of and not present.intersection(self.any_of):
            message = f"write {' or '.join(self.any_of)}{where}; at least one of these"
            reading.refuse(node.mark, "any-of", message)
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
        """See `FieldKind.schema`."""
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
        if self.any_of:
            found["anyOf"] = [{"required": [key]} for key in self.any_of]
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
