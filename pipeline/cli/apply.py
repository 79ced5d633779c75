"""`daypass apply`: make the clouds hold what the default branch proves, and record it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from pipeline.cli.context import Context

if TYPE_CHECKING:
    from pipeline.run.converge import Converged
    from pipeline.run.estate import EstateRun
    from pipeline.run.removals import Removed


@click.command()
@click.option(
    "--accept-surprise",
    metavar="DIGEST",
    help="Make the changes that nobody asked for and an earlier apply stopped at, by the digest "
    "that it showed. Under GitHub Actions only a dispatch by a member of security may.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
@click.pass_obj
def apply(context: Context, accept_surprise: str | None, as_json: bool) -> int:
    """Prove every grant on the default branch and make the clouds agree.

    First of all goes what needs no proof: access that is over, deleted, cut down or offboarded.
    Only what is proven is applied; the rest is quarantined and reported. Runs may come late,
    twice or after a crash: each derives everything anew. Needs the keeper's token, the
    trusted commit and the clouds' credentials.

    Exit codes: 0 converged, 1 something is quarantined, failed, pending or drifted,
    3 something could not be reached.
    """
    from pipeline.cli.removals import removals_first
    from pipeline.run.accepted_surprise import accepted_surprise
    from pipeline.run.converge import converge
    from pipeline.run.estate import EstateRun
    from pipeline.run.reviews import open_reviews_or_warn

    with EstateRun(context, both_engines=True) as run:
        with removals_first(context, run, as_json=as_json) as removed:
            run.raise_if_lost()
            accepted = accepted_surprise(run, accept_surprise)
            applied = converge(run, run.situation.plan, accepted=accepted)
            reviews, missed = open_reviews_or_warn(run, nonce=lambda: secrets.token_hex(4))
        code = max(applied.code, removed.code_beside_the_rest, missed)
        if as_json:
            _emit(context, run, applied, reviews, removed, code)
        else:
            _say(context, run, applied, reviews, code)
        return code


def _emit(
    context: Context,
    run: EstateRun,
    applied: Converged,
    reviews: Mapping[str, int],
    removed: Removed,
    code: int,
) -> None:
    from pipeline.cli.removals import removals_document
    from pipeline.output.documents import (
        drift_document,
        plan_document,
        result_document,
        situation_document,
        surprise_document,
    )

    outcome, situation = applied.outcome, run.situation
    context.emit(
        {
            **situation_document(
                branch=situation.branch,
                refused=situation.desired.refused,
                foreign=applied.after.foreign,
                unreachable=situation.estate.unreachable,
            ),
            "main": run.tip,
            "plan": plan_document(outcome.plan),
            "results": [result_document(r) for r in outcome.results],
            "rolled_back": [result_document(r) for r in outcome.rolled_back],
            "drift": [drift_document(one) for one in applied.drift],
            "missed": list(applied.missed),
            "reviews": dict(reviews),
            "removals": removals_document(removed),
            "dispute": situation.dispute,
            "surprise": surprise_document(applied.surprise) if applied.surprise else None,
            "tip": run.journal.tip.short,
            "exit_code": code,
        }
    )


def _say(
    context: Context,
    run: EstateRun,
    applied: Converged,
    reviews: Mapping[str, int],
    code: int,
) -> None:
    from pipeline.output.documents import change_line, result_lines

    out, err, situation = context.out, context.err, run.situation
    for line, style in result_lines(applied.outcome.results):
        out.line(line, style)
    for result in applied.outcome.rolled_back:
        out.line(f"taken back: {change_line(result.change)} {result.status}", "yellow")
    for grant, why in (*applied.outcome.plan.held, *situation.desired.refused):
        err.line(f"! {grant} waits: {why}", "yellow")
    context.alert(situation.said_of_the_line)
    if applied.surprise is not None:
        err.line(f"! {applied.surprise.why}", "red")
        err.line(
            "    look at daypass plan; if it is right, a member of security dispatches apply with "
            f"accept-surprise: {applied.surprise.digest}",
            "red",
        )
    for one in (*situation.branch.unproven, *situation.alarms):
        err.line(f"! {one.path} is quarantined ({one.commit[:7]})", "red")
        for reason in one.reasons:
            err.line(f"    {reason}", "red")
        if one.brought is not None:
            err.line(f"    {one.brought}", "red")
    for grant in applied.missed:
        err.line(f"! {grant}: nothing was given, as its time was over before this run", "red")
    for drift in applied.drift:
        err.line(f"! {drift.target} {drift.key}: {drift.what}", "red")
    for target, why in situation.estate.unreachable:
        err.line(f"! {target} could not be listed: {why}", "red")
    for used, number in sorted(reviews.items()):
        out.line(f"#{number} asks two people to review the emergency access {used}", "yellow")
    if code == 0:
        out.line("the clouds hold what the default branch says", "green")
