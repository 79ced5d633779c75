"""Makes the clouds agree with the default branch, records it, and tells the pull requests."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.provision.apply import Outcome, apply_plan
from pipeline.provision.plan import Plan
from pipeline.provision.verify import Drift, Estate, verify_outcome
from pipeline.record.audit import AuditEvent
from pipeline.run.estate import EstateRun
from pipeline.run.results import tell_results
from pipeline.run.states import exit_code, grant_states

CATCH_UP = 90.0
"""Seconds that one run waits for listings to show what was written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Converged:
    """The results of one apply."""

    outcome: Outcome
    drift: tuple[Drift, ...]
    after: Estate
    code: int


def converge(run: EstateRun, plan: Plan, *, accept_surprise: bool = False) -> Converged:
    """Applies *plan*: findings, intents, writes, outcomes, read back, comments.

    Raises `SurprisingPlan` before anything is written.
    """
    workspace, situation, journal = run.workspace, run.situation, run.journal
    if not accept_surprise:
        plan.raise_if_surprising(now=run.now)
    if findings := situation.findings():
        journal.record(findings, f"Record {len(findings)} findings")
    journal.facts.update(situation.proof_facts())
    outcome = apply_plan(
        plan,
        run.clouds.writers,
        journal,
        clock=workspace.now,
        without=lambda grants: situation.desired_without(grants | situation.waiting.keys()),
        present=situation.estate.bindings,
        established=situation.established,
        progress=lambda result: workspace.progress(
            f"{result.change.kind} {result.change.binding.target}: {result.status}"
        ),
        lanes=run.lanes,
    )
    after, drift = _read_back(run, outcome)
    states = grant_states(situation, after, outcome.incomplete)
    untold = tell_results(run, outcome, drift, states)
    # After the comments: a run that ends in between tells again, it never forgets to.
    events = [
        AuditEvent(
            kind="grant",
            data={"grant": key[0], "life": key[1], "state": state, "told": key not in untold},
        )
        for key, state in sorted(states.items())
        if key not in untold or situation.recorded.states.get(key) != state
    ]
    if events:
        journal.record(events, f"Record the state of {len(events)} grants")
    return Converged(
        outcome=outcome, drift=drift, after=after, code=exit_code(situation, outcome, drift)
    )


def _read_back(run: EstateRun, outcome: Outcome) -> tuple[Estate, tuple[Drift, ...]]:
    """Lists every target after the writes, and returns where that differs from what they said.

    Listings lag behind writes, in Azure by minutes: what differs is listed again, with longer
    and longer pauses, before it counts as drift.
    """
    if not (outcome.results or outcome.rolled_back):
        return run.situation.estate, ()
    after = run.look()
    waited = 0.0
    while (drift := verify_outcome(outcome, after)) and waited < CATCH_UP:
        pause = min(2.0 + waited, CATCH_UP - waited)
        run.workspace.pause(pause)
        waited += pause
        differing = {one.target for one in drift}
        after = after.renewed(differing, run.look(differing))
    return after, drift
