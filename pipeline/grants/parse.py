"""A grant's YAML text to a `Grant`, or to every problem in it at its line and column."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pipeline.grants.forms import GRANT
from pipeline.grants.legible import Legible, legible
from pipeline.reading.duration import format_duration, parse_duration
from pipeline.reading.scalars import Reading, is_name
from pipeline.reading.yaml_strict import Report, load, quote
from pipeline.values.grant import Access, Grant
from pipeline.values.ids import GrantId, TargetId
from pipeline.values.problem import Mark, Problem

__all__ = ["Parsed", "format_duration", "parse_duration", "parse_grant", "path_problem"]

_FOLDER = "access/grants/"
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){0,99}")
_TOP = Mark(line=1, column=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Parsed:
    """The result of parsing one file: a grant, or problems; never both, never neither."""

    grant: Grant | None = None
    problems: tuple[Problem, ...] = ()
    legible: Legible | None = None
    """Beside problems: what could be read all the same, for telling further ones."""

    def __post_init__(self) -> None:
        if (self.grant is None) == (not self.problems):
            raise ValueError("a parsed file is a grant or has problems")
        if self.grant is not None and self.legible is not None:
            raise ValueError("a grant was read whole, not in part")


def path_problem(path: str) -> str | None:
    """Returns why *path* is no place for a grant, and the way out; None when it is one.

    Grants lie at `access/grants/<subject>/<slug>.yaml`.
    """
    place = "access/grants/<subject>/<name>.yaml"
    if not path.startswith(_FOLDER):
        return f"a grant lies at {place}; move the file there"
    folder, _, name = path.removeprefix(_FOLDER).partition("/")
    slug = name.removesuffix(".yaml")
    if not is_name(folder) or not name or "/" in name:
        return f"a grant lies at {place}, one folder per subject; move the file"
    wrong = []
    if slug == name:
        wrong.append("does not end in .yaml")
    if not _SLUG.fullmatch(slug) or slug.endswith((".", ".lock")):
        wrong.append("is not made of a-z, 0-9, single dots, _ and -, up to 100 characters")
    return f"the name {quote(slug)} {' and '.join(wrong)}; rename the file" if wrong else None


def parse_grant(text: bytes, *, path: str) -> Parsed:
    """Returns the grant in *text*, or all problems of the file.

    *path* is the repository path. Nothing outside the file is asked: whether names exist is
    for `validate`, which is given what is legible of a file with problems, too.
    """
    report = Report(path)
    misplaced = path_problem(path)
    if misplaced is not None:
        report.add(_TOP, "path", misplaced)
    reading = Reading(report)
    node = load(text, report=report)
    found = None if node is None else GRANT.read(node, "", reading)
    subject = found and found["subject"]
    folder = path.removeprefix(_FOLDER).partition("/")[0]
    if found is not None and misplaced is None and subject != folder:
        report.add(
            reading.marks["subject"],
            "folder",
            f"subject {quote(str(subject))} is not the folder {quote(folder)};"
            f" move the file to {_FOLDER}{subject}/ or correct the subject",
        )
    if found is None or len(report):
        parts = None if node is None else legible(reading.values, reading.marks, path)
        return Parsed(problems=report.problems, legible=parts)
    return Parsed(grant=_grant(found, path, reading.marks))


def _grant(found: dict[str, Any], path: str, marks: dict[str, Mark]) -> Grant:
    """Returns the value for fields that were all read without a problem."""
    return Grant(
        id=GrantId(path.removeprefix(_FOLDER).removesuffix(".yaml")),
        path=path,
        subject=found["subject"],
        reason=found["reason"],
        duration=found["duration"],
        access=tuple(
            Access(
                target=TargetId(line["target"]),
                role=line["role"],
                parameters=tuple(sorted(line["parameters"].items())),
            )
            for line in found["access"]
        ),
        ticket=found.get("ticket"),
        start=found.get("start"),
        emergency=found.get("emergency", False),
        requested_by=found.get("requested_by"),
        marks=marks,
    )
