"""The situation of one run as plain values, and what follows: wants, waits, changes.

Nothing here asks anybody anything. The default branch, the record and the clouds were read
before; `estate` does that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from pipeline.clouds.desired import Desired, desired
from pipeline.history.proven import BranchState
from pipeline.provision.plan import Plan, make_plan, waiting
from pipeline.provision.verify import Estate
from pipeline.record.audit import AuditEvent
from pipeline.record.recorded import PROVISIONED, Recorded, proof_data
from pipeline.values.binding import Binding
from pipeline.values.ids import GrantId


@dataclass(frozen=True, kw_only=True)
class Situation:
    """The default branch, the record and the clouds at one moment."""

    now: datetime
    branch: BranchState
    """What the default branch amounts to."""

    recorded: Recorded
    """What earlier runs recorded."""

    estate: Estate
    """What the clouds hold."""

    @cached_property
    def desired(self) -> Desired:
        """The bindings that the clouds should hold."""
        return desired(self.branch.live, now=self.now)

    @cached_property
    def established(self) -> frozenset[GrantId]:
        """Live grants that were provisioned in full before."""
        return frozenset(
            one.grant.id
            for one in self.branch.live
            if self.recorded.states.get(self.branch.life_key(one.grant.id)) == PROVISIONED
        )

    @cached_property
    def waiting(self) -> Mapping[GrantId, str]:
        """Grants that are held as a whole, with the reason."""
        return waiting(self.desired.bindings, self.estate.unreachable, self.established)

    @cached_property
    def wanted(self) -> tuple[Binding, ...]:
        """The bindings to aim at: all desired ones, but for grants that wait as a whole.

        Grants can share a binding in Azure; one that waits must neither hold up another there
        nor get its part of it. What is there of it already stays.
        """
        begun = {grant for binding in self.estate.bindings for grant in binding.grants}
        return self.desired_without(self.waiting.keys() - begun)

    def desired_without(self, grants: Set[GrantId]) -> tuple[Binding, ...]:
        """Returns the bindings that would be desired if it were not for *grants*."""
        if not grants:
            return self.desired.bindings
        rest = [one for one in self.branch.live if one.grant.id not in grants]
        return desired(rest, now=self.now).bindings

    @cached_property
    def plan(self) -> Plan:
        """The changes to make; only removals while something that decides is unproven."""
        plan = make_plan(
            self.wanted,
            self.estate.bindings,
            now=self.now,
            unreachable=self.estate.unreachable,
            established=self.established,
        )
        plan = replace(plan, held=tuple(sorted({**self.waiting, **dict(plan.held)}.items())))
        if self.branch.ungoverned:
            paths = ", ".join(q.path for q in self.branch.ungoverned)
            return plan.removals_only(f"{paths} is not proven, so nothing is added")
        return plan

    def proof_facts(self) -> dict[GrantId, dict[str, Any]]:
        """Returns what intents and outcomes of each grant say of its proof."""
        facts: dict[GrantId, dict[str, Any]] = {}
        for grant, proofs in self.branch.proofs.items():
            last = proofs[-1]
            life = self.branch.lives[grant]
            facts[grant] = {
                "blob": life.steps[-1].change.new_blob,
                "pull": last.pull,
                "commit": last.commit,
                "approvers": list(last.approvers),
                "decision": last.decision,
            }
        return facts

    def findings(self) -> list[AuditEvent]:
        """Returns new proofs, alerts and late outcomes, as the record keeps them."""
        events = [AuditEvent(kind="proof", data=proof_data(p)) for p in self.branch.fresh]
        events.extend(
            AuditEvent(
                kind="alert",
                data={"path": q.path, "commit": q.commit, "reasons": list(q.reasons)},
            )
            for q in self.branch.unproven
            if (q.path, q.commit) not in self.recorded.alerts
        )
        events.extend(self._late_outcomes())
        return events

    def _late_outcomes(self) -> Iterator[AuditEvent]:
        """Outcomes for runs that did not come to record them, as the clouds read now."""
        down = dict(self.estate.unreachable)
        held = {(binding.target, binding.key) for binding in self.estate.bindings}
        for intent in self.recorded.unanswered:
            binding = intent["binding"]
            if binding["target"] in down:
                continue
            there = (binding["target"], binding["key"]) in held
            yield AuditEvent(
                kind="outcome",
                data={
                    **{name: intent[name] for name in ("plan", "change", "binding", "before")},
                    "grants": intent["grants"],
                    "status": "unknown",
                    "message": "its run ended before it could tell; read back now, it is "
                    + ("there" if there else "not there"),
                    "rollback": False,
                },
            )
