"""`daypass status`: who has access now, until when, and why."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.context import Context

if TYPE_CHECKING:
    from pipeline.run.access_now import AccessFilter, AccessRow
    from pipeline.run.situation import Situation


@click.command()
@click.option("--subject", help="Only this principal.")
@click.option("--target", help="Only this target: aws/payments-prod.")
@click.option("--role", help="Only this role, by its name in the catalogue: rds-reader.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON, one object a line, to stdout.")
@click.pass_obj
def status(
    context: Context, subject: str | None, target: str | None, role: str | None, as_json: bool
) -> int:
    """Show every binding that the clouds hold, with its grant, reason and what is left of it.

    States: live; scheduled (its start is ahead); missing (wanted, not there); altered (not as
    written); surplus (there, not wanted: apply removes it); unlisted (made a moment ago, and its
    cloud does not list it yet); unknown (its target could not be
    listed). Nothing is written anywhere.

    Exit codes: 0 the clouds agree with the default branch, 1 they differ, 2 a name that nobody
    knows, 3 something could not be listed.
    """
    from pipeline.run.access_now import AGREED, AccessFilter, access_rows
    from pipeline.run.estate import EstateRun

    with EstateRun(context, both_engines=False) as run:
        situation = run.situation
        every = list(access_rows(situation))
        asked = AccessFilter(subject=subject, target=target, role=role)
        if str(asked):
            # Who left may still be looked for.
            former = {grant.partition("/")[0] for grant, _ in situation.recorded.states}
            asked.check(every, run.known_catalogue, former)
        rows = [row for row in every if asked.takes(row)]
        context.alert(situation.said_of_the_line)
        if as_json:
            for row in rows:
                context.emit(_document(row, situation.now))
        else:
            _say(context, situation, rows, asked)
        if situation.estate.code:
            return situation.estate.code
        agreed = all(row.state in AGREED for row in rows)
        return 0 if agreed and not situation.dispute else 1


def _document(row: AccessRow, now: datetime) -> dict[str, Any]:
    from pipeline.values.canonical import timestamp

    window = row.window
    return {
        "subject": row.subject,
        "target": row.target,
        "role": row.role,
        "state": row.state,
        "start": timestamp(window.start) if window else None,
        "end": timestamp(window.end) if window else None,
        "left": _left(row, now),
        "ends_in": "cloud" if window else "pipeline",
        "grant": row.grant,
        "pull": row.pull,
        "approvers": list(row.approvers),
        "reason": row.reason,
        "ticket": row.ticket,
    }


def _left(row: AccessRow, now: datetime) -> str:
    from pipeline.output.text import left

    return left(row.window.end, now=now) if row.window else "no end"


def _say(
    context: Context, situation: Situation, rows: list[AccessRow], asked: AccessFilter
) -> None:
    from pipeline.output.text import table
    from pipeline.run.access_now import AGREED
    from pipeline.values.canonical import timestamp

    out, err = context.out, context.err
    if str(asked):
        err.line(f"only {asked}", "dim")
    if not rows:
        out.line(f"nobody has access: {asked}" if str(asked) else "nobody has access")
    else:
        # Only what begins later says from when.
        ahead = any(row.state == "scheduled" for row in rows)
        start = ("FROM",) if ahead else ()
        header = ("SUBJECT", "TARGET", "ROLE", "STATE", *start, "LEFT", "UNTIL", "GRANT", "PR")
        header = (*header, "REASON")
        lines = table(
            header,
            [
                (
                    row.subject,
                    row.target,
                    row.role,
                    row.state,
                    *((_from(row),) if ahead else ()),
                    _left(row, situation.now),
                    timestamp(row.window.end) if row.window else "–",
                    row.grant,
                    f"#{row.pull}" if row.pull else "–",
                    _short(row.reason or "–"),
                )
                for row in rows
            ],
        )
        out.line(lines[0], "bold")
        for line, row in zip(lines[1:], rows, strict=True):
            out.line(line, *(() if row.state in AGREED else ("red",)))
    for one in situation.branch.unproven:
        err.line(f"! {one.path} is quarantined: {'; '.join(one.reasons)}", "red")
    for target, why in situation.estate.unreachable:
        err.line(f"! {target} could not be listed: {why}", "red")


def _from(row: AccessRow) -> str:
    from pipeline.values.canonical import timestamp

    return timestamp(row.window.start) if row.window and row.state == "scheduled" else "–"


def _short(text: str, limit: int = 50) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
