"""`daypass apply`: make the clouds hold what the default branch proves, and record it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from pipeline.clouds.interface import Status
from pipeline.run.workspace import Context
from pipeline.values.canonical import digest
from pipeline.values.ids import GrantId

if TYPE_CHECKING:
    from pipeline.provision.apply import Outcome
    from pipeline.provision.plan import Plan
    from pipeline.provision.verify import Drift, Estate
    from pipeline.run.estate import EstateRun


@dataclass(frozen=True, kw_only=True, slots=True)
class Converged:
    """What one apply did and saw."""

    outcome: Outcome
    drift: tuple[Drift, ...]
    after: Estate
    code: int


@click.command()
@click.option(
    "--accept-surprise",
    is_flag=True,
    help="Go on although the plan removes or alters a large share of what is alive.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
@click.pass_obj
def apply(context: Context, accept_surprise: bool, as_json: bool) -> int:
    """Prove every grant on the default branch and make the clouds agree.

    Only what is proven is applied; the rest is quarantined and reported. Runs may come late,
    twice or after a crash: each derives everything anew. Needs the keeper's token, the
    trusted commit and the clouds' credentials.

    Exit codes: 0 converged, 1 something is quarantined, failed, pending or drifted,
    3 something could not be reached.
    """
    from pipeline.run.estate import EstateRun
    from pipeline.run.reviews import open_reviews

    with EstateRun(context, both_engines=True) as run:
        applied = converge(run, run.plan, accept_surprise=accept_surprise)
        reviews = open_reviews(run)
        if as_json:
            _emit(run, applied, reviews)
        else:
            _say(run, applied, reviews)
        return applied.code


def converge(run: EstateRun, plan: Plan, *, accept_surprise: bool = False) -> Converged:
    """Applies *plan*: findings, intents, writes, outcomes, read back, comments.

    Raises `SurprisingPlan` before anything is written.
    """
    from pipeline.provision.apply import apply_plan
    from pipeline.provision.verify import verify_outcome
    from pipeline.record.audit import AuditEvent

    context = run.context
    if not accept_surprise:
        plan.raise_if_surprising(now=run.now)
    journal = run.journal
    if findings := run.findings():
        journal.record(findings, f"Record {len(findings)} findings")
    journal.facts.update(run.journal_facts())
    outcome = apply_plan(
        plan,
        run.clouds.writers,
        journal,
        clock=context.now,
        without=lambda grants: run.without(grants | run.waiting.keys()),
        present=run.estate.bindings,
        established=run.established,
        progress=lambda result: context.progress(
            f"{result.change.kind} {result.change.binding.target}: {result.status}"
        ),
    )
    after = run.look() if outcome.results or outcome.rolled_back else run.estate
    drift = verify_outcome(outcome, after)
    states = run.states(after, outcome.incomplete)
    untold = _comment(run, outcome, drift, states)
    # After the comments: a run that ends in between tells again, it never forgets to.
    events = [
        AuditEvent(
            kind="grant",
            data={"grant": key[0], "life": key[1], "state": state, "told": key not in untold},
        )
        for key, state in sorted(states.items())
        if key not in untold or run.facts.states.get(key) != state
    ]
    if events:
        journal.record(events, f"Record the state of {len(events)} grants")
    return Converged(outcome=outcome, drift=drift, after=after, code=_code(run, outcome, drift))


def _code(run: EstateRun, outcome: Outcome, drift: Sequence[Drift]) -> int:
    if run.estate.unreachable:
        return 3
    standing = run.standing
    quiet = outcome.converged and not (
        drift or standing.quarantined or standing.ungoverned or run.desired.refused
    )
    return 0 if quiet else 1


def _comment(
    run: EstateRun,
    outcome: Outcome,
    drift: Sequence[Drift],
    states: Mapping[tuple[str, str], str],
) -> frozenset[tuple[str, str]]:
    """Tells each pull request whose grant changed state, or did not come out, how it stands.

    Returns the keys of *states* that could not be told.
    """
    from pipeline.clouds.usage import usage
    from pipeline.errors import ForgeError, UsageError
    from pipeline.output.markdown import RESULT_MARKER, result_comment

    context = run.context
    untold: set[tuple[str, str]] = set()
    pulls = {run.life_key(grant): proofs[0].pull for grant, proofs in run.standing.proofs.items()}
    for key in states:
        if proof := run.facts.proofs.get(key[1]):
            pulls.setdefault(key, proof.pull)
    windows = {one.grant.id: one.window for one in run.standing.live}
    for key, pull in sorted(pulls.items()):
        grant = GrantId(key[0])
        results = [r for r in (*outcome.results, *outcome.rolled_back) if grant in r.change.grants]
        state = states.get(key)
        if state is None and all(r.status is Status.DONE for r in results):
            continue
        bot = context.settings.keeper_id
        if bot is None:
            raise UsageError(
                "the keeper's account id is not known", hint="set DAYPASS_KEEPER_ID in its job"
            )
        mine = [b for b in run.desired.bindings if grant in b.grants]
        try:
            body = result_comment(
                grant=grant,
                window=windows.get(grant),
                state=state or "unfinished",
                results=results,
                usage=[line for binding in mine for line in usage(binding)],
                tip=run.journal.tip.short,
                drift=[f"{d.target} {d.key}: {d.what}" for d in drift if grant in d.grants],
                lost=_lost(run, pull, bot),
            )
            context.writer("keeper").comment(
                pull, marker=f"{RESULT_MARKER}-{digest(grant)[:12]}", body=body, bot_id=bot
            )
        except ForgeError as error:
            # Access is right and recorded; a comment that failed must not undo that.
            context.err.line(f"#{pull} could not be told, a later run does: {error}", "yellow")
            untold.add(key)
    return frozenset(untold)


def _lost(run: EstateRun, pull: int, bot: int) -> list[str]:
    """Tips that comments on *pull* anchor and the record lacks: traces of what was cut off it.

    Editing a comment must not wipe them out.
    """
    from pipeline.output.markdown import ANCHOR

    known = run.journal.chain().digests
    found = {
        tip
        for comment in run.context.reader.comments(pull)
        if comment.author is not None and comment.author.id == bot
        for tip in ANCHOR.findall(comment.body)
    }
    return sorted(found - known)


def _emit(run: EstateRun, applied: Converged, reviews: Mapping[str, int]) -> None:
    from pipeline.output.documents import foreign_document, plan_document, result_document

    standing, outcome = run.standing, applied.outcome
    run.context.emit(
        {
            "main": run.tip,
            "plan": plan_document(outcome.plan),
            "results": [result_document(r) for r in outcome.results],
            "rolled_back": [result_document(r) for r in outcome.rolled_back],
            "drift": [
                {"target": d.target, "key": d.key, "grants": list(d.grants), "what": d.what}
                for d in applied.drift
            ],
            "quarantined": [
                {"path": q.path, "commit": q.commit, "reasons": list(q.reasons)}
                for q in (*standing.quarantined, *standing.ungoverned)
            ],
            "refused": [{"grant": g, "why": why} for g, why in run.desired.refused],
            "foreign": [foreign_document(one) for one in applied.after.foreign],
            "unreachable": [
                {"target": target, "why": why} for target, why in run.estate.unreachable
            ],
            "reviews": dict(reviews),
            "tip": run.journal.tip.short,
            "exit_code": applied.code,
        }
    )


def _say(run: EstateRun, applied: Converged, reviews: Mapping[str, int]) -> None:
    from pipeline.output.documents import change_line

    out, err = run.context.out, run.context.err
    styles = {"done": "green", "pending": "yellow", "failed": "red"}
    for result in applied.outcome.results:
        said = f": {result.message}" if result.message else ""
        out.line(f"{change_line(result.change)} {result.status}{said}", styles[result.status])
    for result in applied.outcome.rolled_back:
        out.line(f"taken back: {change_line(result.change)} {result.status}", "yellow")
    for grant, why in (*applied.outcome.plan.held, *run.desired.refused):
        err.line(f"! {grant} waits: {why}", "yellow")
    for one in (*run.standing.quarantined, *run.standing.ungoverned):
        err.line(f"! {one.path} is quarantined ({one.commit[:7]})", "red")
        for reason in one.reasons:
            err.line(f"    {reason}", "red")
    for drift in applied.drift:
        err.line(f"! {drift.target} {drift.key}: {drift.what}", "red")
    for target, why in run.estate.unreachable:
        err.line(f"! {target} could not be listed: {why}", "red")
    for used, number in sorted(reviews.items()):
        out.line(f"#{number} asks two people to review the emergency access {used}", "yellow")
    if applied.code == 0:
        out.line("the clouds hold what the default branch says", "green")
