"""`daypass status`: who has access now, until when, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pipeline.run.workspace import Context

if TYPE_CHECKING:
    from pipeline.run.estate import EstateRun


@click.command()
@click.option("--subject", help="Only this principal.")
@click.option("--target", help="Only this target: aws/payments-prod.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON, one object a line, to stdout.")
@click.pass_obj
def status(context: Context, subject: str | None, target: str | None, as_json: bool) -> int:
    """Show every binding that the clouds hold, with its grant, reason and what is left of it.

    States: live; scheduled (its start is ahead); missing (wanted, not there); altered (not as
    written); surplus (there, not wanted: apply removes it); unknown (its target could not be
    listed). Nothing is written anywhere.

    Exit codes: 0 the clouds agree with the default branch, 1 they differ, 3 something could
    not be listed.
    """
    from pipeline.run.estate import EstateRun

    with EstateRun(context, both_engines=False) as run:
        rows = [
            row
            for row in _rows(run)
            if (subject is None or row["subject"] == subject)
            and (target is None or row["target"] == target)
        ]
        if as_json:
            for row in rows:
                context.emit(row)
        else:
            _say(run, rows)
        if run.estate.unreachable:
            return 3
        return 0 if all(row["state"] in ("live", "scheduled") for row in rows) else 1


def _rows(run: EstateRun) -> list[dict[str, Any]]:
    from pipeline.output.text import left
    from pipeline.values.canonical import timestamp

    wanted = {binding.identity: binding for binding in run.desired.bindings}
    held = {binding.identity: binding for binding in run.estate.bindings}
    down = dict(run.estate.unreachable)
    grants = {one.grant.id: one.grant for one in run.standing.live}
    rows = []
    for identity in sorted(wanted.keys() | held.keys()):
        want, have = wanted.get(identity), held.get(identity)
        binding = want or have
        if binding is None:
            continue
        window = (have or binding).window
        if want is None:
            state = "surplus"
        elif binding.target in down:
            state = "unknown"
        elif have is None:
            state = "missing"
        elif have.document != want.document:
            state = "altered"
        elif window is not None and run.now < window.start:
            state = "scheduled"
        else:
            state = "live"
        for grant in binding.grants:
            asked = grants.get(grant)
            proofs = run.standing.proofs.get(grant, ())
            rows.append(
                {
                    "subject": asked.subject if asked else binding.principal,
                    "target": binding.target,
                    "role": binding.role,
                    "state": state,
                    "start": timestamp(window.start) if window else None,
                    "end": timestamp(window.end) if window else None,
                    "left": left(window.end, now=run.now) if window else "no end",
                    "ends_in": "cloud" if window else "pipeline",
                    "grant": grant,
                    "pull": proofs[0].pull if proofs else None,
                    "approvers": list(proofs[-1].approvers) if proofs else [],
                    "reason": asked.reason if asked else None,
                    "ticket": asked.ticket if asked else None,
                }
            )
    return rows


def _say(run: EstateRun, rows: list[dict[str, Any]]) -> None:
    from pipeline.output.text import table

    out = run.context.out
    if not rows:
        out.line("nobody has access")
    else:
        header = ("SUBJECT", "TARGET", "ROLE", "STATE", "LEFT", "UNTIL", "GRANT", "PR", "REASON")
        lines = table(
            header,
            [
                (
                    row["subject"],
                    row["target"],
                    row["role"],
                    row["state"],
                    row["left"],
                    row["end"] or "–",
                    row["grant"],
                    f"#{row['pull']}" if row["pull"] else "–",
                    _short(row["reason"] or "–"),
                )
                for row in rows
            ],
        )
        out.line(lines[0], "bold")
        for line, row in zip(lines[1:], rows, strict=True):
            out.line(line, *(() if row["state"] in ("live", "scheduled") else ("red",)))
    for one in (*run.standing.quarantined, *run.standing.ungoverned):
        run.context.err.line(f"! {one.path} is quarantined: {'; '.join(one.reasons)}", "red")
    for target, why in run.estate.unreachable:
        run.context.err.line(f"! {target} could not be listed: {why}", "red")


def _short(text: str, limit: int = 50) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
