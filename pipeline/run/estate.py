"""One run over the estate: prove, want, look, plan. What apply, expire, plan and status share.

Level-triggered: everything is derived anew from git, GitHub, the record and the clouds, so a
run may come late, twice, or after one that crashed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pipeline.clouds.desired import Desired, desired
from pipeline.errors import Denied, InvalidInput, Undecided
from pipeline.history.lives import Life
from pipeline.history.proven import BranchState
from pipeline.proof.prover import Prover
from pipeline.provision.plan import Plan, make_plan, waiting
from pipeline.provision.verify import Estate, observe
from pipeline.record.audit import BRANCH, AuditEvent, Chain, Run
from pipeline.record.journal import AuditJournal
from pipeline.record.recorded import (
    ENDED,
    PROVISIONED,
    ROLLED_BACK,
    Recorded,
    proof_data,
    read_recorded,
)
from pipeline.record.vouch import authentic
from pipeline.values.binding import Binding
from pipeline.values.catalogue import Target
from pipeline.values.ids import Cloud, GrantId, TargetId
from pipeline.values.pull_request import PullFile

if TYPE_CHECKING:
    from pipeline.run.connect import Clouds
    from pipeline.run.workspace import Context

CHECK_NAME = "daypass"
"""Name of the check run that the ruleset requires, pinned to the checker App."""


class EstateRun:
    """A run: lazily, each question asked once. Use as a context manager."""

    def __init__(self, context: Context, *, both_engines: bool) -> None:
        self.context = context
        self.now: datetime = context.now()
        self._both = both_engines
        self._stack = ExitStack()

    def __enter__(self) -> EstateRun:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @cached_property
    def tip(self) -> str:
        """Tip of the default branch, fetched."""
        self.context.progress("fetching the default branch")
        return self.context.fetch_main()

    @cached_property
    def journal(self) -> AuditJournal:
        """The record, as this run writes it."""
        settings = self.context.settings
        return AuditJournal(
            self.context.audit_store,
            clock=self.context.now,
            run=Run(actor=settings.actor, id=settings.run, main=self.tip),
        )

    @cached_property
    def _record(self) -> tuple[str | None, Chain]:
        return self.journal.read()

    @cached_property
    def chain(self) -> Chain:
        """The record so far, verified; raises `Undecided` when the branch was rewritten."""
        chain = self._record[1]
        before = [str(chain.events[-1].get("main"))] if chain.events else []
        # The record names what runs saw; GitHub's log also what came and was covered up since.
        pushed = self.context.reader.tips(self.context.settings.default_branch)
        for sha in (*before, *sorted(one for one in pushed if self._contained(one))):
            if sha not in self._mainline and not self._trusted(sha):
                raise Undecided(
                    f"{sha[:12]} was the tip of the default branch and is no longer on its "
                    "first-parent line",
                    hint="it was rewritten or merged the wrong way round: nothing is changed "
                    "until its history continues that commit again",
                )
        return chain

    @cached_property
    def _mainline(self) -> frozenset[str]:
        """Every commit that was merged or pushed since the trusted one, which is among them."""
        anchor = self.context.anchor
        commits = self.context.repository.mainline(self.tip, since=anchor)
        return frozenset({anchor, *(commit.sha for commit in commits)})

    def _contained(self, sha: str) -> bool:
        return sha in self._mainline or self._before(sha, self.tip)

    def _trusted(self, sha: str) -> bool:
        """Whether whoever chose the trusted commit has trusted *sha* with it."""
        return self._before(sha, self.context.anchor)

    def _before(self, sha: str, later: str) -> bool:
        from pipeline.errors import ForgeError

        try:
            return self.context.repository.is_ancestor(sha, later)
        except ForgeError:
            # A commit that git does not know is contained in nothing.
            return False

    @cached_property
    def facts(self) -> Recorded:
        """What earlier runs recorded. Proofs count only where GitHub vouches for the writer."""
        found = read_recorded(self.chain.events)
        if found.proofs and not self._authentic():
            self.context.err.line(
                f"{BRANCH} holds commits that the App did not sign: recorded proofs are not used",
                "yellow",
            )
            return replace(found, proofs={})
        return found

    def _authentic(self) -> bool:
        """Whether every commit of the record is signed by GitHub for the keeper App.

        What is appended vouches for it then, so that no later run asks about it again.
        """
        keeper, head = self.context.settings.keeper_id, self._record[0]
        if keeper is None or head is None:
            return False
        reader = self.context.reader
        history = reader.signatures(head)
        if not authentic(history, head, author=keeper, brought=reader.merge_made):
            return False
        self.journal.verified = head
        return True

    @cached_property
    def prover(self) -> Prover:
        """The authority on what counts."""
        engines = self._stack.enter_context(self.context.engines(both=self._both))
        return Prover(
            sources=self.context.sources,
            forge=self.context.reader,
            assessor=self.context.assessor(engines),
            default_branch=self.context.settings.default_branch,
            fetch_head=self.context.fetch_head,
            checker=(CHECK_NAME, self.context.checker_app),
            now=self.now,
            known=self.facts.proofs,
        )

    @cached_property
    def standing(self) -> BranchState:
        """What the default branch amounts to now."""
        self.context.progress("proving what is on the default branch")
        return self.prover.stand(anchor=self.context.anchor, tip=self.tip, now=self.now)

    @cached_property
    def desired(self) -> Desired:
        """What the clouds should hold."""
        return desired(self.standing.live, now=self.now)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """Every target of the proven catalogue, and those that live grants still use."""
        found: dict[TargetId, Target] = dict(self._catalogue_targets())
        for one in self.standing.live:
            for line in one.entitlements:
                found.setdefault(line.target.id, line.target)
        return tuple(found[name] for name in sorted(found))

    def _catalogue_targets(self) -> Mapping[TargetId, Target]:
        """Targets of the last catalogue that was proven and can be read.

        Neither a broken catalogue nor one that a target was struck off by hand must stop
        cleaning up there.
        """
        sources, anchor = self.context.sources, self.context.anchor
        commits = self.context.repository.mainline(self.tip, since=anchor)
        proven = self.prover.sound(anchor=anchor, tip=self.tip)
        for sha in (*proven, *(commit.sha for commit in reversed(commits))):
            try:
                return sources.catalogue(sha).targets
            except InvalidInput:
                continue
        raise Undecided("no version of the catalogue since the trusted commit can be read")

    @cached_property
    def clouds(self) -> Clouds:
        """The adapters of the clouds that have targets."""
        from pipeline.run.connect import Clouds

        needed = frozenset(target.cloud for target in self.targets)
        return Clouds(self.context.settings, needed=needed)

    @cached_property
    def estate(self) -> Estate:
        """What the clouds hold now."""
        return self.look()

    def look(self) -> Estate:
        """Lists every target anew."""
        self.context.progress(f"listing {len(self.targets)} targets")
        return observe(self.clouds.readers, self.targets, now=self.now)

    @cached_property
    def established(self) -> frozenset[GrantId]:
        """Live grants that were provisioned in full before."""
        return frozenset(
            one.grant.id
            for one in self.standing.live
            if self.facts.states.get(self.life_key(one.grant.id)) == PROVISIONED
        )

    @cached_property
    def wanted(self) -> tuple[Binding, ...]:
        """The bindings to aim at: all desired ones, but for grants that wait as a whole.

        Grants can share a binding in Azure; one that waits must neither hold up another there
        nor get its part of it. What is there of it already stays.
        """
        begun = {grant for binding in self.estate.bindings for grant in binding.grants}
        return self.without(self.waiting.keys() - begun)

    @cached_property
    def waiting(self) -> Mapping[GrantId, str]:
        """Grants that are held as a whole, with the reason."""
        return waiting(self.desired.bindings, self.estate.unreachable, self.established)

    def without(self, grants: Set[GrantId]) -> tuple[Binding, ...]:
        """The bindings that would be desired if it were not for *grants*."""
        if not grants:
            return self.desired.bindings
        rest = [one for one in self.standing.live if one.grant.id not in grants]
        return desired(rest, now=self.now).bindings

    @cached_property
    def plan(self) -> Plan:
        """What to change; only removals while something that decides is unproven."""
        plan = make_plan(
            self.wanted,
            self.estate.bindings,
            now=self.now,
            unreachable=self.estate.unreachable,
            established=self.established,
        )
        plan = replace(plan, held=tuple(sorted({**self.waiting, **dict(plan.held)}.items())))
        if self.standing.ungoverned:
            paths = ", ".join(q.path for q in self.standing.ungoverned)
            return plan.removals_only(f"{paths} is not proven, so nothing is added")
        return plan

    def life_key(self, grant: GrantId) -> tuple[str, str]:
        """Grant and commit of its addition: what tells lives of one path apart."""
        life = self.standing.lives.get(grant)
        return (grant, life.added.sha if life else "")

    def findings(self) -> list[AuditEvent]:
        """New proofs and alerts, as the record keeps them."""
        events = [AuditEvent(kind="proof", data=proof_data(p)) for p in self.standing.fresh]
        events.extend(
            AuditEvent(
                kind="alert",
                data={"path": q.path, "commit": q.commit, "reasons": list(q.reasons)},
            )
            for q in (*self.standing.quarantined, *self.standing.ungoverned)
            if (q.path, q.commit) not in self.facts.alerts
        )
        events.extend(self._late_outcomes())
        return events

    def _late_outcomes(self) -> Iterator[AuditEvent]:
        """Outcomes for runs that did not come to record them, as the clouds read now."""
        down = dict(self.estate.unreachable)
        held = {(binding.target, binding.key) for binding in self.estate.bindings}
        for intent in self.facts.unanswered:
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

    def journal_facts(self) -> dict[GrantId, dict[str, Any]]:
        """Per grant what its intents and outcomes say of its proof."""
        facts: dict[GrantId, dict[str, Any]] = {}
        for grant, proofs in self.standing.proofs.items():
            last = proofs[-1]
            life = self.standing.lives[grant]
            facts[grant] = {
                "blob": life.steps[-1].change.new_blob,
                "pull": last.pull,
                "commit": last.commit,
                "approvers": list(last.approvers),
                "decision": last.decision,
            }
        return facts

    def states(self, estate: Estate, rolled_back: frozenset[GrantId]) -> dict[tuple[str, str], str]:
        """States to tell and to record, seen from what *estate* holds: those that changed, and
        those whose pull request was not told yet."""
        held = {binding.identity: binding.document for binding in estate.bindings}
        serving = {grant for binding in estate.bindings for grant in binding.grants}
        waits = self.waiting.keys() | rolled_back
        wanted: dict[GrantId, list[bool]] = {}
        for binding in self.without(waits):
            for grant in binding.grants:
                there = held.get(binding.identity) == binding.document
                wanted.setdefault(grant, []).append(there)
        new: dict[tuple[str, str], str] = {}
        for grant, parts in wanted.items():
            if all(parts) and not any(d.grant == grant for d in self.desired.deferred):
                new[self.life_key(grant)] = PROVISIONED
        for grant in rolled_back:
            new[self.life_key(grant)] = ROLLED_BACK
        live = {grant for binding in self.desired.bindings for grant in binding.grants}
        for key, state in self.facts.states.items():
            gone = GrantId(key[0]) not in live and GrantId(key[0]) not in serving
            if state == PROVISIONED and gone and not estate.unreachable:
                new[key] = ENDED
        untold = {key: self.facts.states[key] for key in self.facts.untold}
        changed = {key: state for key, state in new.items() if self.facts.states.get(key) != state}
        return {**untold, **changed}

    def own_pulls(self, prefix: str) -> Iterator[tuple[int, tuple[PullFile, ...]]]:
        """Yields the keeper's open pull requests from branches called *prefix* and what each
        changes; those that somebody pushed too much to are told of and left out."""
        reader, keeper = self.context.reader, self.context.settings.keeper_id
        for pull in reader.open_pulls(base=self.context.settings.default_branch):
            ours = pull.author is not None and pull.author.id == keeper
            if not (ours and pull.head_ref.startswith(prefix)):
                continue
            try:
                yield pull.number, reader.files(pull.number)
            except Denied as error:
                self.context.err.line(f"#{pull.number} is left aside: {error}", "yellow")

    def targets_of(self, lives: Sequence[Life]) -> dict[GrantId, list[TargetId]]:
        """The targets that each of *lives* names, where its file can be read."""
        found: dict[GrantId, list[TargetId]] = {}
        for life in lives:
            step = life.steps[-1]
            parsed = self.context.sources.grant_after(step.commit.sha, step.change)
            if parsed is not None and parsed.grant is not None:
                found[life.id] = [line.target for line in parsed.grant.access]
        return found

    def clouds_of(self, grant: GrantId) -> frozenset[Cloud]:
        """The clouds in which a grant asks for something."""
        return frozenset(b.cloud for b in self.desired.bindings if grant in b.grants)
