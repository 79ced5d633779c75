"""One run over the estate: reads the default branch, the record and the clouds, each once.

Level-triggered: everything is derived anew from git, GitHub, the record and the clouds, so a
run may come late, twice, or after one that crashed. What follows from what was read is in
`situation`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from types import TracebackType

from pipeline.errors import (
    Denied,
    Disputed,
    ForgeError,
    Incomplete,
    InvalidInput,
    PipelineError,
    Undecided,
)
from pipeline.history.branch_line import BranchLine, branch_line
from pipeline.history.lives import Life
from pipeline.history.proofs import Proof
from pipeline.history.proven import BranchState, Unproven
from pipeline.proof.commit_prover import CommitProver
from pipeline.proof.prover import Prover
from pipeline.provision.lanes import Lanes
from pipeline.provision.verify import Estate, observe
from pipeline.record.audit import BRANCH, Run
from pipeline.record.chain import Chain, read_chain
from pipeline.record.journal import AuditJournal, broken, read_whole
from pipeline.record.recorded import Recorded, read_recorded
from pipeline.record.vouch import authentic
from pipeline.run.cloud_deadlines import SideBySide
from pipeline.run.connect import Clouds
from pipeline.run.read_back import Patience
from pipeline.run.removals import LaneParts, Removed, take_away, unasked
from pipeline.run.situation import Situation, dispute_events
from pipeline.run.workspace import Workspace
from pipeline.values.catalogue import Catalogue, Target
from pipeline.values.ids import Cloud, GrantId, TargetId
from pipeline.values.pull_request import PullFile, Push

_LOG_LAG = timedelta(hours=1)
"""How long GitHub's activity log may lack a merge, at most; in truth it is seconds."""


class EstateRun:
    """A run: lazily, each question asked once. Use as a context manager.

    With *both_engines*, two policy engines decide, and a difference between them denies.
    """

    def __init__(self, workspace: Workspace, *, both_engines: bool) -> None:
        self.workspace = workspace
        self.now: datetime = workspace.now()
        self.removed: Removed | None = None
        """The results of the removals lane; None where it was not gone through."""

        self._broken: Chain | None = None
        """The record that the removals lane found broken, and began a new segment of."""

        self.ended_by: Mapping[GrantId, Proof] = {}
        """The proofs of the deletions that this run asked about."""

        self._connected: Clouds | None = None
        self.patience = Patience(lambda seconds: workspace.pause(seconds))
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
        self.workspace.progress("fetching the default branch")
        return self.workspace.fetch_main()

    @cached_property
    def journal(self) -> AuditJournal:
        """The record, as this run writes it."""
        return self._journal(self.line.lost or self.line.accepted)

    def _journal(self, main: str) -> AuditJournal:
        settings = self.workspace.settings
        return AuditJournal(
            self.workspace.audit_store,
            clock=self.workspace.now,
            run=Run(
                actor=settings.actor, id=settings.run, main=main, anchor=settings.anchor or None
            ),
        )

    @cached_property
    def _record(self) -> tuple[str | None, Chain]:
        if self._broken is not None:
            # What is new about it is that somebody must look: the next run gives again.
            raise broken(self._broken)
        head, chain = read_whole(self.workspace.audit_store)
        # Somebody else could name what is broken, so that nobody is told.
        if chain.breaks and not (chain.segment and self._is_by_the_app(head, since=chain.segment)):
            if self.removed is not None:
                self._journal(_last_tip(chain) or self.tip).begin_segment(anew=True)
            raise broken(chain)
        return head, chain

    def _is_by_the_app(self, head: str | None, *, since: str | None = None) -> bool:
        """Whether GitHub signed every commit of the record up to *head*, after *since* where one
        is given, for the keeper App."""
        keeper = self.workspace.settings.keeper_id
        if keeper is None or head is None:
            return False
        reader = self.workspace.reader
        history = reader.signatures(head)
        return authentic(history, head, author=keeper, brought=reader.merge_made, since=since)

    @cached_property
    def chain(self) -> Chain:
        """The record so far, verified. Raises `Denied` where it does not hold."""
        return self._record[1]

    @cached_property
    def line(self) -> BranchLine:
        """The default branch, and the last tip that continued its first-parent line.

        The record names what runs saw; GitHub's log also what came and was covered up since.
        """
        pushed = [push.sha for push in self._pushes]
        recorded = _last_tip(self.chain)
        if recorded and self._trusts_anew and not self._continues(recorded, self.workspace.anchor):
            # Whoever chose another trusted commit since has settled what became of that tip.
            recorded = None
        return branch_line(
            branch=self.workspace.settings.default_branch,
            anchor=self.workspace.anchor,
            recorded=recorded,
            pushed=[sha for sha in pushed if sha in self._places or self._before(sha, self.tip)],
            tip=self.tip,
            continues=self._continues,
            trusted=self._trusted,
        )

    @property
    def _trusts_anew(self) -> bool:
        """Whether another commit is trusted now than by the last run that recorded which."""
        run = self.chain.events[-1].get("run")
        before = run.get("anchor") if isinstance(run, dict) else None
        return before is not None and before != self.workspace.settings.anchor

    @cached_property
    def _pushes(self) -> tuple[Push, ...]:
        """The tips that GitHub says the default branch had, oldest first."""
        branch = self.workspace.settings.default_branch
        return self.workspace.reader.pushes(branch, merged_since=self.now - _LOG_LAG)

    def _pushed_by(self, sha: str) -> str | None:
        """Returns the login of whoever set the default branch to a commit first, where known."""
        first = next((push for push in self._pushes if push.sha == sha), None)
        return first.by.login if first is not None and first.by is not None else None

    @cached_property
    def _places(self) -> Mapping[str, int]:
        """The commits of the first-parent line of the tip, from the trusted one on, with their
        places: most questions about tips need no more than this."""
        anchor = self.workspace.anchor
        try:
            commits = self.workspace.repository.mainline(self.tip, since=anchor)
        except ForgeError:
            return {}
        return {sha: place for place, sha in enumerate((anchor, *(one.sha for one in commits)))}

    def _trusted(self, sha: str) -> bool:
        """Whether whoever chose the trusted commit has trusted *sha* with it."""
        place = self._places.get(sha)
        return self._before(sha, self.workspace.anchor) if place is None else place == 0

    def raise_if_lost(self) -> None:
        """Records and raises `Disputed` where git lacks the tip that was recorded: without it
        nothing can be proven, and what was given must not go for that."""
        if self.line.lost:
            known = read_recorded(self.chain.events).alerts
            if events := dispute_events(self.line, known):
                self.journal.record(events, "Record a disputed tip")
            raise Disputed(self.line.dispute, hint=self.line.way_out)

    def _continues(self, later: str, earlier: str) -> bool:
        if later in self._places and earlier in self._places:
            return self._places[earlier] <= self._places[later]
        try:
            self.workspace.repository.mainline(later, since=earlier)
        except ForgeError:
            # A commit that git does not know continues nothing.
            return False
        return True

    def _before(self, sha: str, later: str) -> bool:
        try:
            return self.workspace.repository.is_ancestor(sha, later)
        except ForgeError:
            # A commit that git does not know is contained in nothing.
            return False

    @cached_property
    def recorded(self) -> Recorded:
        """The record of earlier runs. Proofs count only where GitHub vouches for the writer."""
        found = read_recorded(self.chain.events)
        if found.proofs and not self._authentic():
            self.workspace.warn(
                f"{BRANCH} holds commits that the App did not sign: recorded proofs are not used"
            )
            return replace(found, proofs={})
        return found

    def _authentic(self) -> bool:
        """Whether every commit of the record is signed by GitHub for the keeper App.

        What is appended vouches for it then, so that no later run asks about it again.
        """
        head = self._record[0]
        if not self._is_by_the_app(head):
            return False
        self.journal.verified = head
        return True

    @cached_property
    def prover(self) -> Prover:
        """The authority on what counts."""
        engines = self._stack.enter_context(self.workspace.engines(both=self._both))
        commits = CommitProver(
            sources=self.workspace.sources,
            forge=self.workspace.reader,
            assessor=self.workspace.assessor(engines),
            default_branch=self.workspace.settings.default_branch,
            fetch_head=self.workspace.fetch_head,
            now=self.now,
            known=self.recorded.proofs,
            pushed_by=self._pushed_by,
        )
        return Prover(sources=self.workspace.sources, commits=commits)

    @cached_property
    def branch(self) -> BranchState:
        """The default branch as it is proven now."""
        self.workspace.progress("proving what is on the default branch")
        accepted = self.line.accepted
        return self.prover.stand(anchor=self.workspace.anchor, tip=accepted, now=self.now)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """Every target of the proven catalogue, and those that live grants still use."""
        found: dict[TargetId, Target] = dict(self._catalogue_targets())
        for one in self.branch.live:
            for line in one.entitlements:
                found.setdefault(line.target.id, line.target)
        return tuple(found[name] for name in sorted(found))

    def _catalogue_targets(self) -> Mapping[TargetId, Target]:
        return self.known_catalogue.targets

    @cached_property
    def known_catalogue(self) -> Catalogue:
        """The last catalogue that was proven and can be read.

        Neither a broken catalogue nor one that a target was struck off by hand must stop
        cleaning up there.
        """
        sources, anchor = self.workspace.sources, self.workspace.anchor
        tip = self.line.accepted
        commits = self.workspace.repository.mainline(tip, since=anchor)
        proven = self.prover.sound(anchor=anchor, tip=tip)
        for sha in (*proven, *(commit.sha for commit in reversed(commits))):
            try:
                return sources.catalogue(sha)
            except InvalidInput:
                continue
        raise Undecided("no version of the catalogue since the trusted commit can be read")

    @cached_property
    def lanes(self) -> Lanes:
        """The clouds side by side, each within its deadline."""
        return SideBySide()

    @cached_property
    def clouds(self) -> Clouds:
        """The adapters of the clouds that have targets."""
        return self.connect(frozenset(target.cloud for target in self.targets))

    def connect(self, needed: frozenset[Cloud]) -> Clouds:
        """Returns the adapters of the clouds *needed*, those that are connected already where
        they will do."""
        if self._connected is None or not needed <= self._connected.needed:
            self._connected = Clouds(
                self.workspace.settings, needed=needed, pause=self.workspace.pause
            )
        return self._connected

    @cached_property
    def estate(self) -> Estate:
        """The bindings that the clouds hold now."""
        if self.removed is None:
            return self.look()
        listed = self.removed.targets
        again = [one.id for one in self.targets if listed.get(one.id) != one]
        wanted = {one.id for one in self.targets}
        dropped = {*again, *(name for name in listed if name not in wanted)}
        found = self.look(again) if again else Estate(bindings=(), foreign=(), unreachable=())
        return self.removed.after.renewed(dropped, found)

    def look(self, only: Collection[TargetId] | None = None) -> Estate:
        """Lists every target anew, or *only* some."""
        asked = [one for one in self.targets if only is None or one.id in only]
        self.workspace.progress(f"listing {len(asked)} targets")
        # Azure records when it provisioned: later than this run began.
        return observe(self.clouds.readers, asked, now=self.workspace.now(), lanes=self.lanes)

    @cached_property
    def situation(self) -> Situation:
        """All that was read, and what follows from it."""
        branch, recorded, estate = self.branch, self.recorded, self.estate
        return Situation(
            now=self.now,
            branch=branch,
            recorded=recorded,
            estate=estate,
            line=self.line,
            listed_first=self.removed.before.bindings if self.removed else (),
            removed=unasked(self.removed.lane.removals) if self.removed else frozenset(),
            endings_of=self.endings,
            fresh_proofs=lambda: self.prover.fresh,
        )

    def endings(self, grants: Sequence[GrantId]) -> Mapping[GrantId, Unproven | None]:
        """Returns why nobody with a say ended each of *grants*; None where somebody did."""
        accepted = self.line.accepted
        found = self.prover.endings(grants, anchor=self.workspace.anchor, tip=accepted)
        self.ended_by = self.prover.ended_by
        return found

    def take_away(self) -> Removed:
        """Goes through the removals lane, which comes first in every run that writes."""
        chain = self._chain_as_it_holds()
        self.removed = take_away(
            LaneParts(
                now=self.now,
                clock=self.workspace.now,
                tip=self.tip,
                anchor=self.workspace.settings.anchor,
                files=self.workspace.sources,
                chain=chain,
                clouds=self.connect,
                lanes=self.lanes,
                journal=self._journal(_last_tip(chain) or self.tip),
                patience=self.patience,
                warn=self.workspace.warn,
                progress=self.workspace.progress,
            )
        )
        return self.removed

    def _chain_as_it_holds(self) -> Chain | None:
        """Returns the record up to its first break, read through git; None where it cannot be."""
        try:
            _, files = self.workspace.audit_store.load_from_git()
        except PipelineError as error:
            # Also where what somebody pushed there is more than a fetch may bring.
            self.workspace.warn(f"the record cannot be read: {error}")
            return None
        chain = read_chain(files)
        if chain.broken:
            self.workspace.warn(f"the record is broken, {chain.broken[0]}")
            self._broken = chain
        return chain

    def own_pulls(self, prefix: str) -> Iterator[tuple[int, tuple[PullFile, ...]]]:
        """Yields the keeper's open pull requests from branches called *prefix* and what each
        changes; those that somebody pushed too much to are told of and left out.

        Raises `Denied` where open pull requests are too many to be listed.
        """
        reader, keeper = self.workspace.reader, self.workspace.settings.keeper_id
        for pull in reader.open_pulls(base=self.workspace.settings.default_branch):
            ours = pull.author is not None and pull.author.id == keeper
            if not (ours and pull.head_ref.startswith(prefix)):
                continue
            try:
                yield pull.number, reader.files(pull.number)
            except (Denied, Incomplete) as error:
                self.workspace.warn(f"#{pull.number} is left aside: {error}")

    def targets_of(self, lives: Sequence[Life]) -> dict[GrantId, list[TargetId]]:
        """The targets that each of *lives* names, where its file can be read."""
        found: dict[GrantId, list[TargetId]] = {}
        for life in lives:
            step = life.steps[-1]
            parsed = self.workspace.sources.grant_after(step.commit.sha, step.change)
            if parsed is not None and parsed.grant is not None:
                found[life.id] = [line.target for line in parsed.grant.access]
        return found


def _last_tip(chain: Chain | None) -> str | None:
    """Returns the tip that the last recorded run worked from."""
    return str(chain.events[-1].get("main")) if chain and chain.events else None
