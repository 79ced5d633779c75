"""A grant as the text of its file, which the parser reads back as that very grant."""

from __future__ import annotations

import re
from dataclasses import fields, replace

from pipeline.grants.parse import parse_grant
from pipeline.grants.schema import editor_line
from pipeline.reading.duration import format_duration
from pipeline.reading.yaml_strict import UNSEEN
from pipeline.values.canonical import timestamp
from pipeline.values.grant import Grant
from pipeline.values.problem import Mark, Problem

Lines = tuple[tuple[str, str], ...]
"""A file line by line, each after the name of what it says: `duration`, `access.0.role`."""

HEAD = "head"
"""What the first line is called, the one for editors."""

# Anything else stands in quotes: other readers take `no`, `1e3` or 2026-11-20 for what it is not.
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_TAKEN = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_ESCAPED = re.compile(rf'["\\\n{UNSEEN}]')


def yaml_word(text: str) -> str:
    """Returns *text* as a YAML value on one line: as it is where every reader reads it so."""
    plain = _WORD.fullmatch(text) and text.lower() not in _TAKEN
    return text if plain else quoted(text)


def quoted(text: str) -> str:
    """Returns *text* in double quotes on one line, with escapes for what cannot be seen."""
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    char = found.group()
    if char in '"\\':
        return f"\\{char}"
    return f"\\U{ord(char):08X}" if ord(char) > 0xFFFF else f"\\u{ord(char):04X}"


def lines_of(grant: Grant) -> Lines:
    """Returns the file of *grant* line by line, whatever its fields hold.

    Raises `ValueError` where its path is no place that grants lie at.
    """
    head = editor_line(grant.path)
    if head is None:
        raise ValueError(f"{grant.path!r} is no place for a grant")
    found = [
        (HEAD, head),
        ("subject", f"subject: {yaml_word(grant.subject)}"),
        ("reason", f"reason: {quoted(grant.reason)}"),
    ]
    if grant.ticket is not None:
        found.append(("ticket", f"ticket: {yaml_word(grant.ticket)}"))
    found.append(("duration", f"duration: {format_duration(grant.duration)}"))
    if grant.start is not None:
        found.append(("start", f"start: {timestamp(grant.start)}"))
    found.append(("access", "access:"))
    for index, line in enumerate(grant.access):
        name = f"access.{index}"
        found.append((f"{name}.target", f"  - target: {yaml_word(line.target)}"))
        found.append((f"{name}.role", f"    role: {yaml_word(line.role)}"))
        found += (
            (f"{name}.parameters.{key}", f"    {yaml_word(key)}: {yaml_word(value)}")
            for key, value in line.parameters
        )
    if grant.emergency:
        found.append(("emergency", "emergency: true"))
    if grant.requested_by is not None:
        found.append(("requested_by", f"requested_by: {yaml_word(grant.requested_by)}"))
    return tuple(found)


def render_grant(grant: Grant) -> str:
    """Returns the text of the file of *grant*; see `lines_of`."""
    return text_of(lines_of(grant))


def text_of(lines: Lines) -> str:
    """Returns *lines* as the text of a file."""
    return "".join(f"{text}\n" for _, text in lines)


def marked(grant: Grant) -> Grant:
    """Returns *grant* with the places that its fields have in what `render_grant` writes."""
    marks = {}
    for number, (name, text) in enumerate(lines_of(grant), start=1):
        column = len(text) - len(text.lstrip(" -")) + 1
        marks[name] = marks[f"{name}.key"] = Mark(line=number, column=column)
    return replace(grant, marks=marks)


def unreadable(grant: Grant) -> tuple[tuple[str, Problem], ...]:
    """Returns all that keeps what is written from being read as *grant*, by field.

    Empty exactly when the parser reads the rendered file as a grant equal to this one.
    """
    lines = lines_of(grant)
    parsed = parse_grant(text_of(lines).encode(), path=grant.path)
    if parsed.grant is None:
        return tuple((lines[problem.line - 1][0], plainly(problem)) for problem in parsed.problems)
    differing = [
        one.name
        for one in fields(Grant)
        if one.compare and getattr(parsed.grant, one.name) != getattr(grant, one.name)
    ]
    message = "would be read back otherwise: write it in one line, without an end of line"
    return tuple(
        (
            name,
            Problem(
                path=grant.path, line=1, column=1, code="read-back", message=f"{name} {message}"
            ),
        )
        for name in differing
    )


def plainly(problem: Problem) -> Problem:
    """Returns *problem*, of what was written here, in words for whoever gave the values."""
    # What is written is YAML but for this: no escape stands for a byte that is no text.
    if problem.code != "yaml":
        return problem
    return replace(problem, message="holds bytes that are no text; write it as UTF-8")


def written(grant: Grant) -> tuple[str, Grant]:
    """Returns the text of the file of *grant*, and the grant as it is read back from there.

    Raises `ValueError` where that would be another grant or none.
    """
    text = render_grant(grant)
    found = parse_grant(text.encode(), path=grant.path).grant
    if found != grant or found is None:
        raise ValueError(f"{grant.path} would not be read back as it was asked for")
    return text, found
