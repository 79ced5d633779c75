"""`daypass policy explain`: what every rule saw in one grant, and why it says so."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.errors import UsageError
from pipeline.run.offline import (
    judge_offline,
    read_catalogue,
    read_grants,
    read_policies,
    read_policy_files,
    repository_path,
)
from pipeline.run.workspace import Context
from pipeline.values.grant import Grant

if TYPE_CHECKING:
    from pipeline.policy_tools.explain import Explained
    from pipeline.policy_tools.rule_facts import Fact

_STYLES = {"denied": "red", "warned": "yellow", "fine": "green", "not applicable": "dim"}
_NO_RULES = {
    "no-identity": "the subject has no identity in the target's cloud",
    "no-second-factor": "the role requires a second factor, and the subject's identity in that "
    "cloud does not say who proves one",
}
_WIDE = 70
_MANY = 6
"""Facts in one line."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--rule", "code", help="Only the rule of this code.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
@click.pass_obj
def explain(context: Context, file: Path, code: str | None, as_json: bool) -> int:
    """Show what each rule says of the grant in FILE, and from what.

    Offline, as `daypass check` judges it: for each rule the values that it looked at, the
    settings that it reads and the line where each is written, and the line of the grant that
    it denies. Of a rule that is fine, the facts of the request that its text names.

    Also, in UTC, when calendars are open while access would last, and who is on call now: those
    that settings or rules name for this grant, or all where they name none at all. --json has all.

    Exit codes: 0 no rule that is shown denies; 1 one does; 2 malformed; 3 could not decide.
    """
    from pipeline.output.surroundings import surroundings_document, surroundings_lines
    from pipeline.policy.bundle import load_rules
    from pipeline.policy.rego import RegorusEngine
    from pipeline.policy_tools.explain import explain_rules as explained
    from pipeline.policy_tools.explain import probed
    from pipeline.policy_tools.surroundings import surroundings

    catalogue = read_catalogue(context.root)
    grants = read_grants(context.root, [repository_path(context.root, file)], catalogue)
    bundle = read_policies(context.root)
    rules = load_rules(bundle)
    if code is not None and code not in rules:
        from pipeline.reading.yaml_strict import closest

        if code in _NO_RULES:
            raise UsageError(
                f"{code} is no rule but a problem of the catalogue: {_NO_RULES[code]}",
                hint="check and who-can tell it before any rule is asked; correct the principal's "
                "file under access/principals",
            )
        raise UsageError(
            f"no rule has the code {code}{closest(code, rules)}",
            hint="policies/CODES.md lists every code of the pack; only the policies of this "
            "folder are read",
        )
    questions: list[Mapping[str, Any]] = []
    ((grant, evaluation),) = judge_offline(
        context.root, grants, catalogue, now=context.now(), on_question=questions.append
    )
    engine = RegorusEngine(probed(bundle)[0])
    told = [
        one
        for one in explained(
            bundle,
            read_policy_files(context.root / "policies"),
            rules,
            evaluation,
            questions[0],
            lambda name: engine.value(name, questions[0]),
        )
        if code in (None, one.rule.code)
    ]
    around = surroundings(questions[0], catalogue, bundle)
    if as_json:
        context.emit(
            {
                "grant": grant.id,
                "path": grant.path,
                "why": evaluation.why,
                "circumstances": surroundings_document(around, subject=grant.subject),
                "rules": [_document(grant, one) for one in told],
            }
        )
    else:
        for one in sorted(told, key=lambda one: list(_STYLES).index(one.outcome)):
            _say(context, grant, one)
        kinds = frozenset[str]().union(*(one.looks_at for one in told))
        for line in surroundings_lines(around, kinds, subject=grant.subject):
            context.out.line(line)
        if code is None:
            _sum_up(context, grant, told)
    return 1 if any(one.outcome == "denied" for one in told) else 0


def _say(context: Context, grant: Grant, one: Explained) -> None:
    from pipeline.output.verdicts import place

    out = context.out
    style = _STYLES[one.outcome]
    out.line(f"{one.outcome:<14}  {one.rule.code}: {one.rule.title}", style)
    if one.outcome == "not applicable":
        return
    for finding in one.findings:
        out.line(f"    {place(grant, finding)}: {finding.message}", style)
        out.line(f"      {finding.solution}", style)
    for line in _seen(grant, one):
        out.line(f"    saw {line}")
    for line in _named(grant, one) if one.outcome == "fine" else ():
        out.line(f"    given {line}")
    for read in one.settings:
        if read.mark is None:
            out.line(f"    reads {read.name}, which is missing", "red")
        else:
            written = f"{read.file}:{read.mark.line}"
            out.line(f"    reads {read.name} = {_short(read.value)}  ({written})", "dim")


def _seen(grant: Grant, one: Explained) -> Iterator[str]:
    """Yields what a rule looked at, in a line for each binding, worded as its message does."""
    from pipeline.policy.wording import word_as

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


def _sum_up(context: Context, grant: Grant, told: list[Explained]) -> None:
    counts = {name: sum(one.outcome == name for one in told) for name in _STYLES}
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    context.out.line(
        f"{grant.path}: {len(told)} rules ran: {said}", "red" if counts["denied"] else "green"
    )


def _line(grant: Grant, binding: int) -> str:
    """Returns which line of access something is about, where there are several."""
    if binding < 0 or len(grant.access) < 2:
        return ""
    access = grant.access[binding]
    return f"for {access.target} {access.role}: "


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDE else text[: _WIDE - 1] + "…"


def _document(grant: Grant, one: Explained) -> dict[str, Any]:
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
