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
    after = run.look() if outcome.results or outcome.rolled_back else situation.estate
    drift = verify_outcome(outcome, after)
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
