"""`daypass policy explain`: what every rule saw in one grant, and why it says so."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.context import Context


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
    from pipeline.output.explanations import (
        STYLES,
        explained_document,
        explained_lines,
        explained_summary,
    )
    from pipeline.output.surroundings import surroundings_document, surroundings_lines
    from pipeline.run.explain import explain_grant

    found = explain_grant(context, file, code)
    grant, rules = found.grant, found.rules
    if as_json:
        context.emit(
            {
                "grant": grant.id,
                "path": grant.path,
                "why": found.evaluation.why,
                "circumstances": surroundings_document(found.around, subject=grant.subject),
                "rules": [explained_document(grant, one) for one in rules],
            }
        )
    else:
        out = context.out
        for one in sorted(rules, key=lambda one: list(STYLES).index(one.outcome)):
            for line, style in explained_lines(grant, one):
                out.line(line, *(() if style is None else (style,)))
        kinds = frozenset[str]().union(*(one.looks_at for one in rules))
        for text in surroundings_lines(found.around, kinds, subject=grant.subject):
            out.line(text)
        if code is None:
            out.line(*explained_summary(grant, rules))
    return 1 if any(one.outcome == "denied" for one in rules) else 0
