"""`daypass expire`: clean up after lapsed grants, then open their revert pull request."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.context import Context

if TYPE_CHECKING:
    from pipeline.run.removals import Removed
    from pipeline.run.retire import Retired
    from pipeline.run.situation import Situation


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
@click.pass_obj
def expire(context: Context, as_json: bool) -> int:
    """Remove what lapsed grants left in the clouds and open one pull request that retires them.

    The clouds ended the access by themselves; this only tidies. A grant is retired once every
    cloud reads back as clean. Uses of emergency access get their review. Running it again
    changes nothing.

    Exit codes: 0 nothing left to do but merging, 1 a grant still waits, or a live one is not
    there as it should be, 3 something could not be reached.
    """
    from pipeline.cli.removals import removals_document, removals_first
    from pipeline.run.estate import EstateRun
    from pipeline.run.retire import retire_lapsed
    from pipeline.run.reviews import open_reviews_or_warn

    def nonce() -> str:
        return secrets.token_hex(4)

    with EstateRun(context, both_engines=True) as run:
        with removals_first(context, run, as_json=as_json) as removed:
            run.raise_if_lost()
            retired = retire_lapsed(run, nonce=nonce())
            reviews, missed = open_reviews_or_warn(run, nonce=nonce)
        if as_json:
            context.emit(
                {
                    **_document(retired, reviews, removed),
                    "dispute": run.line.dispute,
                    "removals": removals_document(removed),
                }
            )
        else:
            _say(context, retired, reviews, run.situation)
        return max(retired.code, removed.code_beside_the_rest, missed)


def _document(retired: Retired, reviews: Mapping[str, int], removed: Removed) -> dict[str, Any]:
    from pipeline.clouds.interface import Status
    from pipeline.output.documents import result_document

    converged, retirement = retired.converged, retired.retirement
    results = (*removed.outcome.results, *converged.outcome.results)
    return {
        "pull": retired.pull,
        "reviews": dict(reviews),
        "retiring": list(retirement.ready),
        "open": {str(pull): sorted(paths) for pull, paths in retired.open.items()},
        "waiting": [{"grant": grant, "why": why} for grant, why in retirement.waiting],
        "missing": list(retired.missing),
        "removed": [r.change.binding.key for r in results if r.status is Status.DONE],
        "left": [result_document(r) for r in results if r.status is not Status.DONE],
        "missed": list(converged.missed),
        "unreachable": [{"target": t, "why": w} for t, w in converged.after.unreachable],
    }


def _say(
    context: Context, retired: Retired, reviews: Mapping[str, int], situation: Situation
) -> None:
    from pipeline.output.documents import result_lines

    out, retirement = context.out, retired.retirement
    context.alert(situation.said_of_the_line)
    for line, style in result_lines(retired.converged.outcome.results):
        out.line(line, style)
    for grant in retired.converged.missed:
        out.line(f"! {grant}: nothing was given, as its time was over before this run", "red")
    for grant, why in retirement.waiting:
        out.line(f"! {grant} waits: {why}", "yellow")
    for grant in retired.missing:
        out.line(f"! {grant} is not provisioned as it should be; daypass apply does that", "red")
    for pull in retired.open:
        out.line(f"#{pull} is open already")
    for used, number in sorted(reviews.items()):
        out.line(f"#{number} asks two people to review the emergency access {used}", "yellow")
    if retired.pull:
        out.line(f"#{retired.pull} retires {', '.join(retirement.ready)}", "green")
    elif not (retirement.waiting or retired.missing):
        out.line("nothing to retire")
