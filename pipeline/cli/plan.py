"""`daypass plan`: what apply would change, or what a grant would give."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.run.offline import grant_paths, read_catalogue, read_grants
from pipeline.run.workspace import Context


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
    from pipeline.clouds.desired import render_bindings
    from pipeline.grants.catalogue import entitlements
    from pipeline.reading.duration import format_duration
    from pipeline.values.grant import window_of
    from pipeline.values.live import LiveGrant

    catalogue = read_catalogue(context.root)
    grants = read_grants(context.root, grant_paths(context.root, files), catalogue)
    now = context.now()
    context.err.line("policies are not asked here; daypass check asks them", "dim")
    changes = 0
    for grant in grants:
        window = window_of(grant, merged_at=now)
        lines = entitlements(grant, catalogue)
        bindings = render_bindings(
            LiveGrant(grant=grant, window=window, entitlements=lines), now=now
        )
        changes += len(bindings)
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
    return 1 if changes else 0


def _plan_estate(context: Context, as_json: bool) -> int:
    from pipeline.output.documents import (
        change_line,
        foreign_document,
        plan_document,
    )
    from pipeline.run.estate import EstateRun
    from pipeline.values.binding import ChangeKind

    with EstateRun(context, both_engines=True) as run:
        found, standing, estate = run.plan, run.standing, run.estate
        if as_json:
            context.emit(
                {
                    **plan_document(found),
                    "quarantined": [
                        {"path": q.path, "commit": q.commit, "reasons": list(q.reasons)}
                        for q in (*standing.quarantined, *standing.ungoverned)
                    ],
                    "foreign": [foreign_document(one) for one in estate.foreign],
                    "unreachable": [
                        {"target": target, "why": why} for target, why in estate.unreachable
                    ],
                    "refused": [{"grant": g, "why": why} for g, why in run.desired.refused],
                }
            )
        else:
            styles = {
                ChangeKind.CREATE: "green",
                ChangeKind.UPDATE: "yellow",
                ChangeKind.DELETE: "red",
            }
            for change in found.changes:
                context.out.line(change_line(change), styles[change.kind])
            for grant, why in (*found.held, *run.desired.refused):
                context.out.line(f"! {grant} waits: {why}", "yellow")
            for deferred in run.desired.deferred:
                context.out.line(f"! {deferred.grant} on {deferred.target}: {deferred.why}")
            for one in (*standing.quarantined, *standing.ungoverned):
                context.out.line(f"! {one.path} is quarantined: {'; '.join(one.reasons)}", "red")
            for foreign in estate.foreign:
                context.out.line(f"? {foreign.target} {foreign.handle}: {foreign.why}", "dim")
            for target, why in estate.unreachable:
                context.out.line(f"! {target} could not be listed: {why}", "red")
            if not found.changes:
                context.out.line("nothing to change")
        if estate.unreachable:
            return 3
        return 1 if found.changes or found.held or standing.quarantined else 0
