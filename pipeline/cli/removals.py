"""The removals lane as commands that write show it: first, and with its own exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipeline.cli.context import Context
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.run.estate import EstateRun
    from pipeline.run.removals import Removed


@contextmanager
def removals_first(context: Context, run: EstateRun, *, as_json: bool) -> Iterator[Removed]:
    """Takes away what must go, shows it, and lets what follows fail without hiding it.

    An error that what follows raises carries the lane's results, and its exit code where that
    is the larger one.
    """
    removed = run.take_away()
    if not as_json:
        _say(context, removed)
    try:
        yield removed
    except PipelineError as error:
        error.exit_code = max(error.exit_code, removed.code)
        error.facts["removals"] = removals_document(removed)
        raise


def removals_document(removed: Removed) -> dict[str, Any]:
    """Returns the lane's results for tools."""
    from pipeline.output.documents import drift_document, removal_document, result_document

    return {
        "results": [result_document(one) for one in removed.outcome.results],
        "causes": [removal_document(one) for one in removed.lane.removals],
        "stopped": [removal_document(one) for one in removed.lane.stopped],
        "drift": [drift_document(one) for one in removed.drift],
        "unreachable": [{"target": t, "why": w} for t, w in removed.after.unreachable],
        "unrecorded": list(removed.unrecorded),
        "vanished": [
            {"target": one.target, "key": one.key, "grants": list(one.grants)}
            for one in removed.vanished
        ],
        "exit_code": removed.code,
    }


def _say(context: Context, removed: Removed) -> None:
    from pipeline.output.documents import change_line

    out, err, lane = context.out, context.err, removed.lane
    causes = {one.binding.identity: one.cause for one in lane.removals}
    for result in removed.outcome.results:
        said = f": {result.message}" if result.message else ""
        cause = causes[result.change.binding.identity]
        out.line(f"{change_line(result.change)} ({cause}) {result.status}{said}")
    if lane.stopped:
        err.line(
            f"! {len(lane.stopped)} of {lane.alive} live bindings would go at once: left until it "
            "is proven that somebody with a say asked for it",
            "red",
        )
    for one in removed.vanished:
        err.line(f"! {one.target} {one.key} is gone, and no run recorded that it took it", "yellow")
    for drift in removed.drift:
        err.line(f"! {drift.target} {drift.key}: {drift.what}", "red")
    for target, why in removed.after.unreachable:
        err.line(f"! {target} could not be listed: {why}", "red")
