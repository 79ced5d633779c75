"""One run over the estate: reads the default branch, the record and the clouds, each once.

Level-triggered: everything is derived anew from git, GitHub, the record and the clouds, so a
run may come late, twice, or after one that crashed. What follows from what was read is in
`situation`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from types import TracebackType

from pipeline.errors import Denied, ForgeError, Incomplete, InvalidInput, Undecided
from pipeline.history.lives import Life
from pipeline.history.proven import BranchState
from pipeline.proof.prover import Prover
from pipeline.provision.lanes import Lanes
from pipeline.provision.verify import Estate, observe
from pipeline.record.audit import BRANCH, Chain, Run
from pipeline.record.journal import AuditJournal
from pipeline.record.recorded import Recorded, read_recorded
from pipeline.record.vouch import authentic
from pipeline.run.cloud_deadlines import SideBySide
from pipeline.run.connect import Clouds
from pipeline.run.situation import Situation
from pipeline.run.workspace import Workspace
from pipeline.values.catalogue import Target
from pipeline.values.ids import GrantId, TargetId
from pipeline.values.pull_request import PullFile

CHECK_NAME = "daypass"
"""Name of the check run that the ruleset requires, pinned to the checker App."""


class EstateRun:
    """A run: lazily, each question asked once. Use as a context manager.

    With *both_engines*, two policy engines decide, and a difference between them denies.
    """

    def __init__(self, workspace: Workspace, *, both_engines: bool) -> None:
        self.workspace = workspace
        self.now: datetime = workspace.now()
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
        settings = self.workspace.settings
        return AuditJournal(
            self.workspace.audit_store,
            clock=self.workspace.now,
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
        pushed = self.workspace.reader.tips(self.workspace.settings.default_branch)
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
        anchor = self.workspace.anchor
        commits = self.workspace.repository.mainline(self.tip, since=anchor)
        return frozenset({anchor, *(commit.sha for commit in commits)})

    def _contained(self, sha: str) -> bool:
        return sha in self._mainline or self._before(sha, self.tip)

    def _trusted(self, sha: str) -> bool:
        """Whether whoever chose the trusted commit has trusted *sha* with it."""
        return self._before(sha, self.workspace.anchor)

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
        keeper, head = self.workspace.settings.keeper_id, self._record[0]
        if keeper is None or head is None:
            return False
        reader = self.workspace.reader
        history = reader.signatures(head)
        if not authentic(history, head, author=keeper, brought=reader.merge_made):
            return False
        self.journal.verified = head
        return True

    @cached_property
    def prover(self) -> Prover:
        """The authority on what counts."""
        engines = self._stack.enter_context(self.workspace.engines(both=self._both))
        return Prover(
            sources=self.workspace.sources,
            forge=self.workspace.reader,
            assessor=self.workspace.assessor(engines),
            default_branch=self.workspace.settings.default_branch,
            fetch_head=self.workspace.fetch_head,
            checker=(CHECK_NAME, self.workspace.checker_app),
            now=self.now,
            known=self.recorded.proofs,
        )

    @cached_property
    def branch(self) -> BranchState:
        """The default branch as it is proven now."""
        self.workspace.progress("proving what is on the default branch")
        return self.prover.stand(anchor=self.workspace.anchor, tip=self.tip, now=self.now)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """Every target of the proven catalogue, and those that live grants still use."""
        found: dict[TargetId, Target] = dict(self._catalogue_targets())
        for one in self.branch.live:
            for line in one.entitlements:
                found.setdefault(line.target.id, line.target)
        return tuple(found[name] for name in sorted(found))

    def _catalogue_targets(self) -> Mapping[TargetId, Target]:
        """Targets of the last catalogue that was proven and can be read.

        Neither a broken catalogue nor one that a target was struck off by hand must stop
        cleaning up there.
        """
        sources, anchor = self.workspace.sources, self.workspace.anchor
        commits = self.workspace.repository.mainline(self.tip, since=anchor)
        proven = self.prover.sound(anchor=anchor, tip=self.tip)
        for sha in (*proven, *(commit.sha for commit in reversed(commits))):
            try:
                return sources.catalogue(sha).targets
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
        needed = frozenset(target.cloud for target in self.targets)
        return Clouds(self.workspace.settings, needed=needed, pause=self.workspace.pause)

    @cached_property
    def estate(self) -> Estate:
        """The bindings that the clouds hold now."""
        return self.look()

    def look(self, only: Collection[TargetId] | None = None) -> Estate:
        """Lists every target anew, or *only* some."""
        asked = [one for one in self.targets if only is None or one.id in only]
        self.workspace.progress(f"listing {len(asked)} targets")
        return observe(self.clouds.readers, asked, now=self.now, lanes=self.lanes)

    @cached_property
    def situation(self) -> Situation:
        """All that was read, and what follows from it."""
        branch = self.branch
        return Situation(now=self.now, branch=branch, recorded=self.recorded, estate=self.estate)

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
