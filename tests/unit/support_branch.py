"""A default branch, its pull requests and the people around it, all in memory.

`Branch` joins the `Git` and the `Forge` of `support_memory` with the rules of
`support_tiny_rules`. Every step moves its clock by a minute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pipeline.errors import PipelineError
from pipeline.history.proofs import Proof
from pipeline.history.proven import BranchState, Proven
from pipeline.history.sources import Sources
from pipeline.judge.assess import Assessor
from pipeline.judge.assessment import Assessment
from pipeline.judge.rulebook import Trial
from pipeline.policy.engine import PolicyBundle
from pipeline.policy.rego import RegorusEngine
from pipeline.proof.commit_prover import CommitProver
from pipeline.proof.prover import Prover
from pipeline.values.commits import TreeChange
from pipeline.values.problem import Problem
from pipeline.values.pull_request import (
    Actor,
    Checker,
    CheckRun,
    Comment,
    PullFile,
    PullRequest,
    Push,
    Review,
)
from tests.unit.support_memory import FILE_STATUS, File, Files, Forge, Git
from tests.unit.support_tiny_rules import ALICE, BOB, DAN, MALLORY, START

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CHECKER = Checker(name="daypass", app=77, account=600)
CHECKERS = Actor(id=600, login="checker[bot]", type="Bot")
"""Its account."""

KEEPER = Actor(id=500, login="keeper[bot]", type="Bot")
PAYOUTS = "access/grants/alice/payouts.yaml"
REPORTS = "access/grants/alice/reports.yaml"


_engines: dict[str, RegorusEngine] = {}


def engine(bundle: PolicyBundle) -> RegorusEngine:
    """Returns the embedded engine with *bundle*, compiled once for all tests."""
    known = bundle.digest
    if known not in _engines:
        _engines[known] = RegorusEngine(bundle)
    return _engines[known]


class Branch:
    """The branch main of one repository, with the people who change it."""

    def __init__(self, files: Files | None = None, *, trial: Trial | None = None) -> None:
        """*files* are there beside the tiny rules when the anchor is chosen; *trial* is what new
        rules go through, by default without a look at their files."""
        self.trial = trial or Trial(engine)
        self.reported: tuple[Problem, ...] | None = None
        """What a trial of the head's rules found that was made elsewhere."""

        self.git = Git()
        self.forge = Forge()
        self.now = NOON
        self.anchor = self.tip = self.git.commit({**START, **(files or {})}, at=NOON - DAY)
        self.heads_fetched: list[tuple[int, str]] = []
        self.lost: set[str] = set()
        """Commits that GitHub no longer gives."""

        self.unfetchable: dict[int, PipelineError] = {}
        """What fetching the head of a pull request raises, by its number."""

        self.pushers: dict[str, str] = {}
        """Who set the branch to a commit, by login."""

        self.engines: list[Any] = []
        """Engines to ask instead of the embedded one."""

    def propose(self, files: Files, *, author: Actor | None = ALICE, **fields: Any) -> int:
        """Opens a pull request that changes *files*; returns its number. *fields* are others
        of `PullRequest`."""
        self.now += MINUTE
        number = len(self.forge.pulls) + 1
        pull = PullRequest(
            number=number,
            author=author,
            state="open",
            base_ref="main",
            head_ref=f"request-{number}",
            head_sha=self.tip,
            same_repository=True,
        )
        self.forge.pulls[number] = replace(pull, **fields)
        self.push_to(number, files, by=author or MALLORY)
        return number

    def push_to(self, number: int, files: Files, *, by: Actor) -> str:
        """Pushes another commit to a pull request's branch; returns the new head."""
        self.now += MINUTE
        pull = self.forge.pulls[number]
        head = self.git.commit(files, pull.head_sha, at=self.now)
        self.set_head(number, head, by=by)
        return head

    def set_head(self, number: int, head: str, *, by: Actor) -> None:
        """Sets a pull request's branch to the commit *head*, be it by force."""
        pull = self.forge.pulls[number]
        pushes = self.forge.pushed.setdefault(pull.head_ref, [])
        before = pushes[-1].sha if pushes else None
        pushes.append(Push(sha=head, at=self.now, by=by, before=before))
        self.forge.pulls[number] = replace(pull, head_sha=head)
        self.forge.listed[number] = tuple(
            PullFile(
                path=one.path,
                status=FILE_STATUS[one.status],
                blob=one.new_blob or one.old_blob or "",
            )
            for one in self.changes(number)
        )

    def update(self, number: int, *, by: Actor, more: Files | None = None) -> str:
        """Merges main into a pull request's branch, as its button does, and changes *more*;
        returns the new head."""
        self.now += MINUTE
        head = self.forge.pulls[number].head_sha
        found = {one.path: self.git.files(head).get(one.path) for one in self.changes(number)}
        files = {**found, **(more or {})}
        merged = self.git.commit(files, head, self.tip, at=self.now, onto=self.tip)
        self.set_head(number, merged, by=by)
        return merged

    def changes(self, number: int) -> tuple[TreeChange, ...]:
        """Returns what a pull request changes, as git sees it."""
        head = self.forge.pulls[number].head_sha
        return self.git.diff(self.git.merge_base(self.tip, head), head)

    def review(
        self,
        number: int,
        by: Actor = BOB,
        state: str = "APPROVED",
        *,
        commit: str | None = None,
        at: datetime | None = None,
    ) -> None:
        """Submits a review, by default of the present head and now."""
        self.now += MINUTE
        reviews = self.forge.submitted.setdefault(number, [])
        reviews.append(
            Review(
                id=1000 * number + len(reviews),
                author=by,
                state=state,
                commit=commit or self.forge.pulls[number].head_sha,
                submitted_at=at or self.now,
            )
        )

    def show(
        self,
        number: int,
        *,
        offer: str | None = None,
        checker: Checker = CHECKER,
        at: datetime | None = None,
    ) -> str:
        """Posts a check run, by default with the offer of the present head; returns the offer."""
        self.now += MINUTE
        shown = offer or self.assess(number).offer
        run = CheckRun(
            id=len(self.forge.posted) + 1,
            conclusion="success",
            external_id=f"{number}:{shown}",
            completed_at=at or self.now,
        )
        head = self.forge.pulls[number].head_sha
        self.forge.posted.append((head, checker.name, checker.app, run))
        return shown

    def comment(self, number: int, *, by: Actor = CHECKERS, at: datetime | None = None) -> None:
        """Lets the one comment of an account be written or changed, by default now."""
        others = [one for one in self.forge.said.get(number, ()) if one.author != by]
        made = Comment(id=by.id, author=by, body="Allowed", updated_at=at or self.now)
        self.forge.said[number] = [*others, made]

    def assess(self, number: int) -> Assessment:
        """Returns what a check of the open pull request would find now."""
        prover = self.prover()
        previous: dict[str, Proven | None] = {
            one.path: prover.last_proven(one.path, anchor=self.anchor, tip=self.tip)
            for one in self.changes(number)
            if one.status != "A"
        }
        return prover.assessor.assess(
            self.forge.pulls[number],
            base=self.tip,
            changes=self.changes(number),
            history=self.git.mainline(self.tip, since=self.anchor),
            previous=previous,
            now=self.now,
            sound=prover.sound(anchor=self.anchor, tip=self.tip),
            reported=self.reported,
        )

    def merge(
        self,
        number: int,
        method: Literal["merge", "squash"] = "merge",
        *,
        instead: Files | None = None,
        parents: Sequence[str] | None = None,
        committed_at: datetime | None = None,
    ) -> str:
        """Merges a pull request; returns the commit. *instead* changes what arrives."""
        self.now += MINUTE
        pull = self.forge.pulls[number]
        tree = self.git.files(pull.head_sha)
        files: dict[str, str | File | None] = {
            one.path: tree.get(one.path) for one in self.changes(number)
        }
        more = (pull.head_sha,) if method == "merge" else ()
        self.tip = self.git.commit(
            {**files, **(instead or {})},
            *(parents if parents is not None else (self.tip, *more)),
            at=committed_at or self.now,
        )
        self.forge.pulls[number] = replace(
            pull, state="closed", merged_at=self.now, merge_commit_sha=self.tip
        )
        return self.tip

    def push(self, files: Files) -> str:
        """Pushes a commit to main without a pull request; returns it."""
        self.now += MINUTE
        self.tip = self.git.commit(files, self.tip, at=self.now)
        return self.tip

    def bring(
        self, files: Files, *, author: Actor = ALICE, approved_by: Sequence[Actor] = ()
    ) -> str:
        """Changes *files* the way that it should be: proposed, shown, approved, merged."""
        number = self.propose(files, author=author)
        self.show(number)
        for one in approved_by:
            self.review(number, one)
        return self.merge(number)

    def govern(self, files: Files) -> str:
        """Changes what decides the way that it should be: asked by bob, approved by dan."""
        return self.bring(files, author=BOB, approved_by=[DAN])

    def prover(self, known: Mapping[str, Proof] | None = None) -> Prover:
        """Returns a prover as a new run makes it."""
        sources = Sources(self.git)

        def engines(bundle: PolicyBundle) -> Sequence[Any]:
            return self.engines or [engine(bundle)]

        commits = CommitProver(
            sources=sources,
            forge=self.forge,
            assessor=Assessor(
                sources=sources,
                forge=self.forge,
                engines=engines,
                trial=self.trial,
                default_branch="main",
                app_id=KEEPER.id,
                checker=CHECKER,
                fetch_commit=lambda sha: sha not in self.lost,
            ),
            default_branch="main",
            fetch_head=self._fetch_head,
            now=self.now,
            known=known,
            pushed_by=self.pushers.get,
        )
        return Prover(sources=sources, commits=commits)

    def _fetch_head(self, number: int, head: str) -> None:
        if number in self.unfetchable:
            raise self.unfetchable[number]
        self.heads_fetched.append((number, head))

    def stand(
        self, known: Mapping[str, Proof] | None = None, *, at: datetime | None = None
    ) -> BranchState:
        """Returns what a new run finds the branch to amount to, by default now."""
        return self.prover(known).stand(anchor=self.anchor, tip=self.tip, now=at or self.now)

    def refusal(self, path: str = PAYOUTS) -> str:
        """Returns why the file at *path* does not count, where nothing else is on the branch."""
        found = self.stand()
        assert live(found) == []
        assert (found.lapsed, found.fresh, found.ungoverned) == ((), (), ())
        assert found.proofs == {}
        assert {one.path for one in found.quarantined} == {path}
        return quarantined(found)[path]

    def last_proven(self, path: str = PAYOUTS) -> Proven | None:
        """Returns the last proven version of the grant at *path*, as a new run finds it."""
        return self.prover().last_proven(path, anchor=self.anchor, tip=self.tip)


def live(standing: BranchState) -> list[str]:
    """Returns the ids of the grants that count."""
    return [one.grant.id for one in standing.live]


def quarantined(standing: BranchState) -> dict[str, str]:
    """Returns why paths are quarantined, in one text for each path."""
    return {
        path: "; ".join(
            reason for one in standing.quarantined if one.path == path for reason in one.reasons
        )
        for path in {one.path for one in standing.quarantined}
    }
