"""`daypass plan`: what apply would change, or what a grant would give."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.context import Context
from pipeline.run.offline import bindings_of_files


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
@click.pass_obj
def plan(context: Context, files: tuple[Path, ...], as_json: bool) -> int:
    """Show what apply would change now; with FILES, what these grants would give.

    FILES are grants, or folders that hold some. With them everything happens offline: bindings
    and durations, no absolute times, and policies are not asked, which daypass check does.
    Without, the default branch is proven and the clouds are listed; nothing is written
    anywhere.

    Exit codes: 0 nothing to change, 1 changes, quarantined or held grants, 2 malformed,
    3 something could not be listed.
    """
    if files:
        return _plan_files(context, files, as_json)
    return _plan_estate(context, as_json)


def _plan_files(context: Context, files: tuple[Path, ...], as_json: bool) -> int:
    from pipeline.reading.duration import format_duration

    asked = bindings_of_files(context.root, files, now=context.now())
    context.err.line("policies are not asked here; daypass check asks them", "dim")
    for grant, bindings in asked:
        for binding in bindings:
            if as_json:
                context.emit(
                    {
                        "grant": grant.id,
                        "cloud": binding.cloud,
                        "target": binding.target,
                        "role": binding.role,
                        "key": binding.key,
                        "duration": grant.duration,
                    }
                )
            else:
                context.out.line(
                    f"+ {binding.target} {binding.role} {binding.principal} "
                    f"for {format_duration(grant.duration)} ({grant.id})",
                    "green",
                )
    return 1 if any(bindings for _, bindings in asked) else 0


def _plan_estate(context: Context, as_json: bool) -> int:
    from pipeline.output.documents import (
        change_line,
        plan_document,
        situation_document,
        surprise_document,
    )
    from pipeline.run.estate import EstateRun
    from pipeline.values.binding import ChangeKind

    with EstateRun(context, both_engines=True) as run:
        situation = run.situation
        # While the run lasts: who asked for a change is a question to its engines.
        found, surprise = situation.without_surprise(situation.plan)
    branch, estate = situation.branch, situation.estate
    context.alert(situation.said_of_the_line)
    if as_json:
        context.emit(
            {
                **situation_document(
                    branch=branch,
                    refused=situation.desired.refused,
                    foreign=estate.foreign,
                    unreachable=estate.unreachable,
                ),
                **plan_document(found),
                "dispute": situation.dispute,
                "surprise": surprise_document(surprise) if surprise else None,
            }
        )
    else:
        out = context.out
        styles = {
            ChangeKind.CREATE: "green",
            ChangeKind.UPDATE: "yellow",
            ChangeKind.DELETE: "red",
        }
        for change in found.changes:
            out.line(change_line(change), styles[change.kind])
        for grant, why in (*found.held, *situation.desired.refused):
            out.line(f"! {grant} waits: {why}", "yellow")
        for deferred in situation.desired.deferred:
            out.line(f"! {deferred.grant} on {deferred.target}: {deferred.why}")
        for one in branch.unproven:
            out.line(f"! {one.path} is quarantined: {'; '.join(one.reasons)}", "red")
        if surprise is not None:
            out.line(f"! {surprise.why}; digest {surprise.digest}", "red")
        for foreign in estate.foreign:
            out.line(f"? {foreign.target} {foreign.handle}: {foreign.why}", "dim")
        for target, why in estate.unreachable:
            out.line(f"! {target} could not be listed: {why}", "red")
        if not found.changes:
            out.line("nothing to change")
    if estate.code:
        return estate.code
    waits = found.held or situation.desired.refused or branch.unproven or situation.dispute
    return 1 if found.changes or waits or surprise else 0
