"""`daypass policy simulate`: what changed policies would have decided otherwise."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.context import Context
from pipeline.output.flips import flip_table, not_judged_lines, outcome_document, summary
from pipeline.policy_tools.simulate import Simulation, Turn
from pipeline.run.simulate import (
    TAKEN_FOR_GRANTED,
    PolicySide,
    SimulationChoice,
    simulate_policies,
)


@click.command()
@click.option(
    "--policies",
    "folder",
    type=click.Path(path_type=Path),
    help="The changed policies: a folder like policies/, from here or else from the access "
    "repository.",
)
@click.option("--rev", help="The changed policies: those of this commit, branch or tag.")
@click.option(
    "--base",
    help="Compare with the policies of this commit, branch or tag, not with this folder's. Alone, "
    "it shows what this folder's own changes do.",
)
@click.option("--since", help="Of history, only what came after this commit.")
@click.option(
    "--last", type=click.IntRange(min=1), help="Of history, only the last N versions and ends."
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout, all grants in it.")
@click.pass_obj
def simulate(
    context: Context,
    folder: Path | None,
    rev: str | None,
    base: str | None,
    since: str | None,
    last: int | None,
    as_json: bool,
) -> int:
    """Show which grants changed policies or settings would decide otherwise.

    Judged are every grant of this folder, as if asked for now, and every version of every grant
    in the history of its branch (first parents), as of its day: with the catalogue before it, at
    its committer's date, after what its subject had held by then. Only the policies differ.
    Calendars and rotations that were not there then are taken from this folder.

    Judged too is every deletion in that history. Of it and of what only makes a grant smaller,
    policies are told no past, no calendars and nobody on call, as in a pull request.

    Nothing is asked of GitHub. What only GitHub knows is taken to be the same both times, and
    favourable: the subject asks, and is in every team that either settings name, so a change of
    who has to be in which team does not show. Approvals are not counted, only required.

    What cannot be judged (files that are no grants to this version, a catalogue that cannot be
    read) is listed with its reason.

    A flip is an answer that differs, in one way or several: denied, allowed; merges-by-itself,
    waits-for-people; more-reviewers, fewer-reviewers, other-reviewers; codes, where other rules
    than before deny or warn, whether or not anything else comes of it.

    Exit codes: 0 nothing flips, 1 something flips, 2 the policies cannot be used, 3 no conclusion,
    whether or not something flips: policies gave no decision on a part, or nothing could be judged
    of all that there is, or of the history that there is. What else is not judged changes neither
    0 nor 1.
    """
    choice = SimulationChoice(folder=folder, rev=rev, base=base, since=since, last=last)
    found = simulate_policies(context, choice)
    outcome = found.outcome
    if as_json:
        policies = {"before": _side_document(found.before), "after": _side_document(found.after)}
        document = outcome_document(outcome)
        context.emit({"policies": policies, "assumed": list(TAKEN_FOR_GRANTED), **document})
    else:
        _say(context, outcome)
    if outcome.unsure:
        context.err.line("no conclusion: what was not judged could change the answer", "yellow")
    return 3 if outcome.unsure else 1 if outcome.flips else 0


def _side_document(side: PolicySide) -> dict[str, str]:
    return {"name": side.name, "digest": side.bundle.digest}


def _say(context: Context, outcome: Simulation) -> None:
    out = context.out
    header, *lines = flip_table(outcome)
    if lines:
        out.line(header, "bold")
    for line, (_, flip) in zip(lines, outcome.flips, strict=True):
        worse = Turn.DENIED in flip.turns
        out.line(line, "red" if worse else "green" if Turn.ALLOWED in flip.turns else "yellow")
    for line in not_judged_lines(outcome):
        out.line(line, "yellow")
    out.line(summary(outcome), "bold")
    for text in TAKEN_FOR_GRANTED:
        out.line(f"  taken for granted: {text}", "dim")
