"""The situation of one run as plain values, and what follows: wants, waits, changes.

Nothing here asks anybody anything, but for who ended a grant. The default branch, the record and
the clouds were read before; `estate` does that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from pipeline.clouds.desired import Desired, desired
from pipeline.clouds.renewed import renewed
from pipeline.history.branch_line import BranchLine
from pipeline.history.lives import GRANTS
from pipeline.history.proofs import Proof
from pipeline.history.proven import BranchState, Brought, Quarantine, Unproven
from pipeline.provision.plan import Plan, Surprise, make_plan, waiting
from pipeline.provision.verify import Estate
from pipeline.record.audit import AuditEvent
from pipeline.record.recorded import PROVISIONED, Made, Recorded, proof_data
from pipeline.run.read_back import LISTING_LAG
from pipeline.values.binding import Binding, BindingChange, ChangeKind
from pipeline.values.canonical import timestamp
from pipeline.values.ids import GrantId

_FIRST_REST = timedelta(minutes=10)
_LONGEST_REST = timedelta(hours=2)


def resting_time(runs: int) -> timedelta:
    """Returns how long a grant is left alone that could not be made in so many *runs*: after the
    first not at all, then 10, 20, 40 minutes and so on, up to two hours."""
    if runs < 2:
        return timedelta()
    grown: timedelta = _FIRST_REST * 2 ** min(runs - 2, 8)
    return min(grown, _LONGEST_REST)


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

    removed: frozenset[GrantId] = frozenset()
    """The grants that the removals lane took away although their window was not over."""

    endings_of: Callable[[Sequence[GrantId]], Mapping[GrantId, Unproven | None]] = lambda _: {}
    """Finds out why nobody with a say ended each of some grants; None where somebody did. Asked
    only by what needs to know it, as proofs ask GitHub."""

    fresh_proofs: Callable[[], Sequence[Proof]] = lambda: ()
    """The proofs that this run has made so far; those of deletions come with `endings_of`."""

    listed_first: tuple[Binding, ...] = ()
    """The bindings that clouds listed before the removals lane."""

    line: BranchLine | None = None
    """The first-parent line of the default branch; *branch* is what its accepted tip holds."""

    @property
    def dispute(self) -> str:
        """Why the present tip of the default branch is not looked at; empty where it is."""
        return self.line.dispute if self.line else ""

    @property
    def said_of_the_line(self) -> tuple[str, ...]:
        """The dispute and its way out; empty where nothing is disputed."""
        return (self.line.dispute, self.line.way_out) if self.line and self.dispute else ()

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
        found = waiting(self.desired.bindings, self.estate.unreachable, self.established)
        return {**self.resting, **found, **self.branch.undecided}

    def unlisted(self, estate: Estate) -> tuple[Made, ...]:
        """Returns what earlier runs made a moment ago and *estate* does not show yet.

        Listings lag behind writes, in Azure by minutes. Until one shows it, it may be there: it is
        not missing, and of what should go nothing says that it is gone.
        """
        listed = (*self.listed_first, *self.estate.bindings, *estate.bindings)
        held = {(binding.target, binding.key) for binding in listed}
        down = dict(estate.unreachable)
        return tuple(
            one
            for (target, key), one in sorted(self.recorded.made.items())
            if (target, key) not in held
            and target not in down
            and self.now - one.at < LISTING_LAG
            and (one.end is None or self.now < one.end)
        )

    @cached_property
    def resting(self) -> Mapping[GrantId, str]:
        """Grants that clouds refused again and again, with the reason: they are not tried in
        every run, as they would be made in part and taken back each time."""
        found = {}
        for one in self.branch.live:
            grant = one.grant.id
            proofs = self.branch.proofs.get(grant)
            refused = self.recorded.refusals.get((grant, proofs[-1].commit)) if proofs else None
            if refused is None or grant in self.established:
                continue
            until = refused.last + resting_time(refused.runs)
            if self.now < until:
                found[grant] = (
                    f"refused {refused.runs} times, tried again from {timestamp(until)}: "
                    f"{refused.why}"
                )
        return found

    @cached_property
    def wanted(self) -> tuple[Binding, ...]:
        """The bindings to aim at: all desired ones, but for grants that wait as a whole.

        Grants can share a binding in Azure; one that waits must neither hold up another there
        nor get its part of it. What is there of it already stays.
        """
        begun = {grant for binding in self.estate.bindings for grant in binding.grants}
        # What is left of one that rests was not taken back in time.
        return self.desired_without(self.resting.keys() | (self.waiting.keys() - begun))

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
        undecided = self.branch.undecided
        plan = plan.without(
            [one for one in plan.changes if one.grants & undecided.keys()],
            "nothing is decided about it yet",
        )
        plan = replace(plan, held=tuple(sorted({**self.waiting, **dict(plan.held)}.items())))
        if self.branch.ungoverned:
            paths = ", ".join(q.path for q in self.branch.ungoverned)
            why = f"{paths} is not proven, so nothing is added"
            return plan.removals_only(why, now=self.now)
        if self.dispute:
            return plan.removals_only(self.dispute, now=self.now)
        return plan

    @cached_property
    def endings(self) -> Mapping[GrantId, Unproven | None]:
        """Why nobody with a say ended a grant that is gone; None where somebody did."""
        states = self.recorded.states.items()
        gone = {GrantId(key[0]) for key, state in states if state == PROVISIONED} | self.removed
        gone -= self.branch.lives.keys()
        if self.plan.surprise(now=self.now):
            gone |= {grant for change in self.plan.changes for grant in change.grants}
        return self.endings_of(sorted(gone)) if gone else {}

    def asked(self, change: BindingChange) -> bool:
        """Whether somebody with a say asked for *change*, in all of its grants; or nobody has to,
        as it only brings a binding to the form of this release."""
        if change.before and renewed(change.before) == change.binding.document:
            return True
        return bool(change.grants) and all(self._asked_of(grant, change) for grant in change.grants)

    def _asked_of(self, grant: GrantId, change: BindingChange) -> bool:
        if grant in self.endings and self.endings[grant] is None:
            return True
        cut = self.branch.asked.get(grant)
        if grant in self.branch.reduced and change.narrows(now=self.now):
            return cut is None or self._is_asked_document(change)
        proofs = self.branch.proofs.get(grant, ())
        last = cut.commit if cut else proofs[-1].commit if proofs else None
        # A proven version that is not the one provisioned asks for what differs.
        if last is None or self.recorded.commits.get(grant) in (None, last):
            return False
        return cut is None or self._is_asked_document(change)

    def _is_asked_document(self, change: BindingChange) -> bool:
        document = None if change.kind is ChangeKind.DELETE else change.binding.document
        return self._asked_documents.get(change.binding.identity) == document

    @cached_property
    def _asked_bindings(self) -> tuple[Binding, ...]:
        """What the clouds should hold, had nobody cut a grant down without a say in it."""
        asked = self.branch.asked
        live = [one for one in self.branch.live if one.grant.id not in asked]
        return desired([*live, *(one.live for one in asked.values())], now=self.now).bindings

    @cached_property
    def _asked_documents(self) -> Mapping[tuple[str, str, str], str]:
        return {one.identity: one.document for one in self._asked_bindings}

    def without_surprise(
        self, plan: Plan, *, accepted: str | None = None
    ) -> tuple[Plan, Surprise | None]:
        """Returns what is carried out of *plan*, and the surprising part of it that is not: that
        is carried out where *accepted* is its digest."""
        surprise = plan.surprise(now=self.now, asked=self.asked)
        if surprise is None or surprise.digest == accepted:
            return plan, None
        rest = plan.without(surprise.changes, surprise.why)
        return rest.beside(self._instead(surprise)), surprise

    def _instead(self, surprise: Surprise) -> tuple[BindingChange, ...]:
        """Returns what was asked for of the bindings that *surprise* would change, as far as that
        takes access away: somebody with no say in it cut their grants further."""
        plan = make_plan(
            self._asked_bindings,
            self.estate.bindings,
            now=self.now,
            unreachable=self.estate.unreachable,
            established=self.established,
        )
        touched = {one.binding.identity for one in surprise.changes}
        return tuple(
            one
            for one in plan.changes
            if one.binding.identity in touched
            and one not in surprise.changes
            and one.narrows(now=self.now)
            and self.asked(one)
        )

    @cached_property
    def alarms(self) -> tuple[Quarantine, ...]:
        """Grants that are gone although nobody with a say ended them."""
        return tuple(
            Quarantine(
                path=f"{GRANTS}{grant}.yaml",
                commit=ending.commit,
                reasons=tuple(
                    f"it was ended by nobody with a say: {why}" for why in ending.reasons
                ),
                brought=ending.brought,
            )
            for grant, ending in sorted(self.endings.items())
            if ending is not None and grant not in self.branch.lives
        )

    def proof_facts(self, *, as_asked: Set[GrantId] = frozenset()) -> dict[GrantId, dict[str, Any]]:
        """Returns what intents and outcomes of each grant say of its proof, and of the text in
        force: of those *as_asked* that is the one that was proven, whatever was cut off it since.
        """
        facts: dict[GrantId, dict[str, Any]] = {}
        for grant, proofs in self.branch.proofs.items():
            last = proofs[-1]
            life = self.branch.lives[grant]
            facts[grant] = {
                "blob": life.blob_after(
                    last.commit
                    if grant in as_asked
                    else self.branch.in_force.get(grant, last.commit)
                ),
                "pull": last.pull,
                "commit": last.commit,
                "approvers": list(last.approvers),
                "decision": last.decision,
            }
        return facts

    def findings(self) -> list[AuditEvent]:
        """Returns new proofs, alerts and late outcomes, as the record keeps them."""
        alarms = self.alarms
        proofs = {one.commit: one for one in (*self.branch.fresh, *self.fresh_proofs())}
        events = [AuditEvent(kind="proof", data=proof_data(one)) for one in proofs.values()]
        events.extend(
            AuditEvent(kind="alert", data=_alert(q))
            for q in (*self.branch.unproven, *self.branch.healed, *alarms)
            if not q.undecided and (q.path, q.commit) not in self.recorded.alerts
        )
        if self.line is not None:
            events.extend(dispute_events(self.line, self.recorded.alerts))
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


def _alert(quarantine: Quarantine) -> dict[str, Any]:
    """Returns an alert as the record keeps it."""
    by = quarantine.brought or Brought()
    return {
        "path": quarantine.path,
        "commit": quarantine.commit,
        "reasons": list(quarantine.reasons),
        "pull": by.pull,
        "author": by.author,
        "merger": by.merger,
    }


def dispute_events(line: BranchLine, known: Set[tuple[str, str]]) -> list[AuditEvent]:
    """Returns the alert of a disputed tip, unless it is among those *known* already."""
    if not line.dispute or (line.branch, line.tip) in known:
        return []
    reasons = [line.dispute, line.way_out]
    data = {"path": line.branch, "commit": line.tip, "reasons": reasons}
    return [AuditEvent(kind="alert", data=data)]
