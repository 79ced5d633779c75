"""The readable parts of a grant file that was refused: names to look up, nothing to grant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.values.grant import Grant
from pipeline.values.problem import Mark


@dataclass(frozen=True, kw_only=True, slots=True)
class LegibleLine:
    """One line of `access`, as far as it could be read."""

    target: str | None
    role: str | None
    parameters: Mapping[str, str | None]
    """By name, of all whose name could be read; None where the value could not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Legible:
    """The parts of a file that name something of the catalogue; None is what was not read."""

    path: str
    """Repository path."""

    subject: str | None
    requested_by: str | None
    access: tuple[LegibleLine, ...]
    marks: Mapping[str, Mark]
    """See `Grant.marks`."""


def legible(values: Mapping[str, Any], marks: Mapping[str, Mark], path: str) -> Legible:
    """Returns what a reading of the file at *path* holds: *values* by field, as *marks* are."""
    lines: list[LegibleLine] = []
    while (field := f"access.{len(lines)}") in marks:
        inner = f"{field}.parameters."
        names = [
            name.removeprefix(inner).removesuffix(".key")
            for name in values
            if name.startswith(inner) and name.endswith(".key")
        ]
        lines.append(
            LegibleLine(
                target=values.get(f"{field}.target"),
                role=values.get(f"{field}.role"),
                parameters={name: values.get(inner + name) for name in names},
            )
        )
    return Legible(
        path=path,
        subject=values.get("subject"),
        requested_by=values.get("requested_by"),
        access=tuple(lines),
        marks=marks,
    )


def legible_of(grant: Grant) -> Legible:
    """Returns *grant* as what could be read of it: all."""
    return Legible(
        path=grant.path,
        subject=grant.subject,
        requested_by=grant.requested_by,
        access=tuple(
            LegibleLine(target=line.target, role=line.role, parameters=dict(line.parameters))
            for line in grant.access
        ),
        marks=grant.marks,
    )
