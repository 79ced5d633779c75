"""`daypass expire`: clean up after lapsed grants, then open their revert pull request."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from pipeline.run.workspace import Context

if TYPE_CHECKING:
    from pipeline.run.estate import EstateRun

_TIDY = "expire only takes away; apply adds"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
@click.pass_obj
def expire(context: Context, as_json: bool) -> int:
    """Remove what lapsed grants left in the clouds and open one pull request that retires them.

    The clouds ended the access by themselves; this only tidies. A grant is retired once every
    cloud reads back as clean. Uses of emergency access get their review. Running it again
    changes nothing.

    Exit codes: 0 nothing left to do but merging, 1 a grant still waits, 3 something could
    not be reached.
    """
    from pipeline.cli.apply import converge
    from pipeline.ending.expire import retire, revert_text
    from pipeline.run.estate import EstateRun
    from pipeline.run.reviews import open_reviews

    with EstateRun(context, both_engines=True) as run:
        applied = converge(run, run.plan.removals_only(_TIDY))
        opened = _opened(run)
        found = retire(
            run.standing.lapsed,
            held=applied.after.bindings,
            unreachable=dict(applied.after.unreachable),
            targets_of=run.targets_of(run.standing.lapsed),
            already_open=[path for paths in opened.values() for path in paths],
        )
        number = None
        if found.ready:
            title, body = revert_text(found.ready)
            number = context.writer("keeper").open_pull(
                found.branch(secrets.token_hex(4)),
                base=context.settings.default_branch,
                base_sha=run.tip,
                title=title,
                body=body,
                delete=found.ready,
            )
        document = {
            "pull": number,
            "reviews": open_reviews(run),
            "retiring": list(found.ready),
            "open": {str(pull): sorted(paths) for pull, paths in opened.items()},
            "waiting": [{"grant": grant, "why": why} for grant, why in found.waiting],
            "removed": [r.change.binding.key for r in applied.outcome.results],
            "unreachable": [{"target": t, "why": w} for t, w in applied.after.unreachable],
        }
        if as_json:
            context.emit(document)
        else:
            _say(context, document)
        if applied.after.unreachable:
            return 3
        return 1 if found.waiting or applied.outcome.failed or applied.drift else 0


def _opened(run: EstateRun) -> dict[int, tuple[str, ...]]:
    """Open revert pull requests of the keeper, and the files that each deletes."""
    from pipeline.ending.expire import BRANCH_PREFIX

    return {
        number: tuple(file.path for file in files if file.status == "removed")
        for number, files in run.own_pulls(BRANCH_PREFIX)
    }


def _say(context: Context, document: dict[str, Any]) -> None:
    out = context.out
    removed: Sequence[str] = document["removed"]
    for key in removed:
        out.line(f"removed {key}")
    for waiting in document["waiting"]:
        out.line(f"! {waiting['grant']} waits: {waiting['why']}", "yellow")
    for pull in document["open"]:
        out.line(f"#{pull} is open already")
    for grant, number in sorted(document["reviews"].items()):
        out.line(f"#{number} asks two people to review the emergency access {grant}", "yellow")
    if document["pull"]:
        out.line(f"#{document['pull']} retires {', '.join(document['retiring'])}", "green")
    elif not document["waiting"]:
        out.line("nothing to retire")
