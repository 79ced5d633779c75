"""Makes the clouds agree with the default branch, records it, and tells the pull requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.provision.apply import Outcome, apply_plan
from pipeline.provision.plan import Plan, Surprise
from pipeline.provision.verify import Drift, Estate
from pipeline.record.audit import AuditEvent
from pipeline.record.recorded import ENDED, MISSED, PROVISIONED
from pipeline.run.estate import EstateRun
from pipeline.run.read_back import read_back
from pipeline.run.results import keeper_account, tell_quarantines, tell_results
from pipeline.run.states import (
    changed_versions,
    exit_code,
    grant_states,
    newer_versions,
    provisioned_versions,
)
from pipeline.values.ids import GrantId


@dataclass(frozen=True, kw_only=True, slots=True)
class Converged:
    """The results of one apply."""

    outcome: Outcome
    drift: tuple[Drift, ...]
    after: Estate
    surprise: Surprise | None
    code: int
    missed: tuple[GrantId, ...] = ()
    """Grants of which nothing was given, as this run found out."""


def converge(run: EstateRun, plan: Plan, *, accepted: str | None = None) -> Converged:
    """Applies *plan*: findings, intents, writes, outcomes, read back, comments.

    A surprising part of it is left out, unless *accepted* is that part's digest.
    """
    # Before the first write: without it no pull request can be told.
    keeper_account(run)
    workspace, situation, journal = run.workspace, run.situation, run.journal
    plan, surprise = situation.without_surprise(plan, accepted=accepted)
    # After the question who asked: that may have made proofs.
    findings = situation.findings()
    if surprise is not None:
        findings.extend(_alert(run, surprise))
    if findings:
        journal.record(findings, f"Record {len(findings)} findings")
    stopped = {grant for change in surprise.changes for grant in change.grants} if surprise else ()
    journal.facts.update(situation.proof_facts(as_asked=frozenset(stopped)))
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
    after: Estate = situation.estate
    drift: tuple[Drift, ...] = ()
    if outcome.results or outcome.rolled_back:
        after, drift = read_back(outcome, run.look(), run.look, run.patience)
    versions = provisioned_versions(situation, after, outcome)
    states = {
        **changed_versions(situation, versions),
        **grant_states(situation, after, outcome.incomplete),
    }
    untold = tell_results(run, outcome, drift, states)
    tell_quarantines(run)
    # After the comments: a run that ends in between tells again, it never forgets to.
    said = {
        **dict.fromkeys(newer_versions(situation, versions, outcome), PROVISIONED),
        **{
            key: state
            for key, state in states.items()
            if key not in untold
            or situation.recorded.states.get(key) != state
            or key in situation.recorded.told.keys() - situation.recorded.untold
        },
    }
    events = [
        AuditEvent(
            kind="grant",
            data={
                "grant": key[0],
                "life": key[1],
                "state": state,
                "told": key not in untold,
                **(versions.get(key, {}) if state == PROVISIONED else {}),
                **(_who_ended(run, GrantId(key[0])) if state == ENDED else {}),
            },
        )
        for key, state in sorted(said.items())
    ]
    if events:
        journal.record(events, f"Record the state of {len(events)} grants")
    missed = tuple(sorted(GrantId(key[0]) for key, state in said.items() if state == MISSED))
    code = max(exit_code(situation, outcome, drift, after), 1 if missed else 0)
    return Converged(
        outcome=outcome,
        drift=drift,
        after=after,
        surprise=surprise,
        code=code if surprise is None else max(1, code),
        missed=missed,
    )


def _who_ended(run: EstateRun, grant: GrantId) -> Mapping[str, Any]:
    """Returns who took *grant* away, as the record keeps it; nothing where its time was over, or
    its person left."""
    proof = run.ended_by.get(grant)
    if proof is None:
        return {}
    return {
        "deleted": proof.commit,
        "pull": proof.pull,
        "requester": proof.requester,
        "merger": proof.merger,
        "approvers": list(proof.approvers),
    }


def _alert(run: EstateRun, surprise: Surprise) -> Sequence[AuditEvent]:
    """Returns the alert of a surprise that was not recorded yet."""
    data = {"path": "plan", "commit": surprise.digest, "reasons": [surprise.why]}
    known = ("plan", surprise.digest) in run.situation.recorded.alerts
    return () if known else (AuditEvent(kind="alert", data=data),)
