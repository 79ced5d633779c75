"""Why each rule says what it says of a grant: lines for people, values for `--json`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from pipeline.output.verdicts import place
from pipeline.policy.wording import word_as
from pipeline.policy_tools.explain import Explained
from pipeline.policy_tools.rule_facts import Fact
from pipeline.values.grant import Grant

STYLES = {"denied": "red", "warned": "yellow", "fine": "green", "not applicable": "dim"}
"""The colour of each outcome of a rule, in the order in which they are shown."""

_WIDE = 70
_MANY = 6
"""Facts in one line."""


def explained_lines(grant: Grant, one: Explained) -> Iterator[tuple[str, str | None]]:
    """Yields what a rule says, and from what, each line with its style or none."""
    style = STYLES[one.outcome]
    yield f"{one.outcome:<14}  {one.rule.code}: {one.rule.title}", style
    if one.outcome == "not applicable":
        return
    for finding in one.findings:
        yield f"    {place(grant, finding)}: {finding.message}", style
        yield f"      {finding.solution}", style
    for line in _seen(grant, one):
        yield f"    saw {line}", None
    for line in _named(grant, one) if one.outcome == "fine" else ():
        yield f"    given {line}", None
    for read in one.settings:
        if read.mark is None:
            yield f"    reads {read.name}, which is missing", "red"
        else:
            written = f"{read.file}:{read.mark.line}"
            yield f"    reads {read.name} = {_short(read.value)}  ({written})", "dim"


def explained_summary(grant: Grant, rules: Sequence[Explained]) -> tuple[str, str]:
    """Returns how many rules said what, and the style of that line."""
    counts = {name: sum(one.outcome == name for one in rules) for name in STYLES}
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    style = "red" if counts["denied"] else "green"
    return f"{grant.path}: {len(rules)} rules ran: {said}", style


def explained_document(grant: Grant, one: Explained) -> dict[str, Any]:
    """Returns what a rule says, and from what, as tools read it."""
    return {
        "code": one.rule.code,
        "title": one.rule.title,
        "description": one.rule.description,
        "package": one.package,
        "path": one.file,
        "line": one.mark.line,
        "outcome": one.outcome,
        "findings": [
            {
                "binding": finding.binding,
                "message": finding.message,
                "solution": finding.solution,
                "values": dict(finding.values),
                "path": grant.path,
                "line": mark.line if mark else 1,
                "column": mark.column if mark else 1,
            }
            for finding in one.findings
            for mark in [finding.mark(grant)]
        ],
        "seen": [{"binding": seen.binding, "values": seen.values} for seen in one.seen],
        "settings": [
            {
                "name": read.name,
                "value": read.value,
                "path": read.file,
                "line": read.mark.line if read.mark else None,
            }
            for read in one.settings
        ],
        "facts": [
            {"binding": fact.binding, "name": fact.name, "value": fact.value, "text": fact.text}
            for fact in one.facts
        ],
    }


def _seen(grant: Grant, one: Explained) -> Iterator[str]:
    """Yields what a rule looked at, in a line for each binding, worded as its message does."""
    for binding, several in groupby(one.seen, key=lambda seen: seen.binding):
        # A rule may look at several things: their values stand one after another.
        values: dict[str, list[str]] = {}
        for seen in several:
            for name, value in seen.values.items():
                told = tuple(value) if isinstance(value, list) else value
                worded = word_as(one.rule.message, name, told)
                if worded not in values.setdefault(name, []):
                    values[name].append(worded)
        if values:
            texts = (f"{name} {_short(', '.join(told))}" for name, told in values.items())
            yield f"{_line(grant, binding)}{'; '.join(texts)}"


def _named(grant: Grant, one: Explained) -> Iterator[str]:
    """Yields the facts that a rule names, in a line for the grant and one for each binding;
    where it names none and nothing else is shown, what its title promises."""
    for binding, several in groupby(one.facts, key=lambda fact: fact.binding):
        # The line of access says which role and target it is.
        told = [
            f"{fact.name} = {_fact(fact)}"
            for fact in several
            if binding < 0 or fact.name not in ("role.id", "target.id")
        ]
        if told:
            more = [f"and {len(told) - _MANY} more (--json)"] if len(told) > _MANY else []
            yield f"{_line(grant, binding)}{'; '.join([*told[:_MANY], *more])}"
    if not (one.facts or one.settings or any(seen.values for seen in one.seen)):
        yield f"nothing that can be shown; its title holds: {one.rule.title}"


def _fact(fact: Fact) -> str:
    """Returns a fact in few words: a time as text, and of many objects how many."""
    value = fact.value
    if fact.text is not None:
        return fact.text
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        return f"{len(value)} of them"
    if isinstance(value, dict):
        # Of a time the text is enough.
        value = {key: part for key, part in value.items() if f"{key}_text" not in value}
    return _short(value)


def _line(grant: Grant, binding: int) -> str:
    """Returns which line of access something is about, where there are several."""
    if binding < 0 or len(grant.access) < 2:
        return ""
    access = grant.access[binding]
    return f"for {access.target} {access.role}: "


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDE else text[: _WIDE - 1] + "…"
