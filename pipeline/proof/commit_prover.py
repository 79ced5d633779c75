"""Proof of one commit of the default branch: that an approved pull request brought it.

A commit is proven when a merge brought it, and a pull request was open for its head at that moment
whose counting approvals satisfy the policies of the commit's first parent, and path, mode and blob
on the branch are those at the approved head. Mostly that is the merged one; see `twins`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pipeline.errors import Denied, ForgeError, Incomplete
from pipeline.history.lives import CLOCK_TOLERANCE
from pipeline.history.proofs import Proof
from pipeline.history.proven import Brought, Proven, Unproven
from pipeline.history.sources import Sources
from pipeline.judge.assess import Assessor
from pipeline.proof.merge_checks import altered, misshapen, shown_by
from pipeline.proof.twins import MOST_TWINS, not_open_at, shown_pulls
from pipeline.values.commits import MainlineCommit
from pipeline.values.pull_request import ForgeReader, PullRequest, runs_of

PATIENCE = timedelta(hours=1)
"""How long after a merge GitHub's lists may lag behind it. What they lack then stays lacking."""

Sound = Callable[[Sequence[MainlineCommit], str], tuple[str, ...]]

MOST_OUTAGES = 3
"""Commits about which GitHub or git may fail to answer, before that is an outage for all."""


class CommitProver:
    """Proves commits, each once."""

    def __init__(
        self,
        *,
        sources: Sources,
        forge: ForgeReader,
        assessor: Assessor,
        default_branch: str,
        fetch_head: Callable[[int, str], None],
        now: datetime,
        known: Mapping[str, Proof] | None = None,
        pushed_by: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        """*fetch_head* makes a pull request's head available as git objects, and raises
        `Denied` where that fails on every try, `Incomplete` where it may pass. *known* are
        proofs of earlier runs, from an audit chain whose signatures were checked. *pushed_by*
        says who set the branch to a commit, by login."""
        self._sources = sources
        self._forge = forge
        self.assessor = assessor
        self._default_branch = default_branch
        self._fetch_head = fetch_head
        self._now = now
        self._pushed_by = pushed_by
        self._pulls: dict[str, PullRequest] = {}
        """By commit, the pull request that brought it."""

        self.known = dict(known or {})
        self._answers: dict[str, Proof | Unproven] = {}
        self._outages = 0
        self.fresh: list[Proof] = []
        """Proofs made in this run."""

    def prove(
        self,
        commit: MainlineCommit,
        previous: Mapping[str, Proven | None],
        commits: Sequence[MainlineCommit],
        *,
        sound: Sound,
        older: str | None = None,
    ) -> Proof | Unproven:
        """Returns the proof of *commit*, or why there is none.

        *previous* holds the last proven version of each grant that the commit modifies,
        *commits* the default branch from the anchor on, *commit* among them. *sound* gives the
        commits of a history at which nothing that decides is unproven, nearest first, and last
        the commit before it. See `recorded` for *older*.

        Where GitHub or git does not answer about this commit, nothing is decided about it, and
        the others go on. Raises `ForgeError` once they do not answer about several.
        """
        if commit.sha not in self._answers:
            # What was less than one version can be more than another that was proven since.
            known = self.recorded(commit, previous, older=older)
            self._answers[commit.sha] = known or self._try(commit, previous, commits, sound)
        return self._answers[commit.sha]

    def recorded(
        self,
        commit: MainlineCommit,
        previous: Mapping[str, Proven | None],
        *,
        older: str | None = None,
    ) -> Proof | None:
        """Returns the recorded proof of *commit*, held against the same version as now.

        Releases that did not record what was shown held it against the last version that was
        proven, which the commit *older* brought, and not against what was cut off it since.
        """
        known = self.known.get(commit.sha)
        if known is None or known.previous == _held_against(previous):
            return known
        is_older = known.offer is None and older is not None
        return known if is_older and known.previous == older else None

    def _try(
        self,
        commit: MainlineCommit,
        previous: Mapping[str, Proven | None],
        commits: Sequence[MainlineCommit],
        sound: Sound,
    ) -> Proof | Unproven:
        try:
            return self._judge(commit, previous, commits, sound)
        except ForgeError as error:
            self._outages += not isinstance(error, Incomplete)
            if self._outages >= MOST_OUTAGES:
                raise
            reason = f"nothing is decided about it yet: {error}"
            return Unproven(commit=commit.sha, reasons=(reason,), undecided=True)

    def _judge(
        self,
        commit: MainlineCommit,
        previous: Mapping[str, Proven | None],
        commits: Sequence[MainlineCommit],
        sound: Sound,
    ) -> Proof | Unproven:
        try:
            listed = self._forge.pulls_of_commit(commit.sha)
        except Denied as error:
            return self._no(commit, str(error))
        except Incomplete as error:
            return self._lacking(commit, error, since=commit.committed_at)
        merged = [
            pull
            for pull in listed
            if pull.merged_at is not None and pull.merge_commit_sha == commit.sha
        ]
        # Whoever may push can have a commit of this branch merged into another one, too.
        merged = [pull for pull in merged if pull.base_ref == self._default_branch] or merged
        if not 0 < len(merged) <= MOST_TWINS:
            few = f"at most {MOST_TWINS} are looked at" if merged else "expected one"
            return self._no(commit, f"{len(merged)} merged pull requests brought it, {few}")
        self._pulls[commit.sha] = merged[0]
        # GitHub counts a pull request as merged, too, whose head came with another one. One that
        # proves the commit is enough, so a twin that somebody opens beside it holds up nothing.
        reasons: list[str] = []
        outage: ForgeError | None = None
        tried: set[int] = set()
        for pull, through in self._candidates(commit, merged, tried):
            try:
                answer = self._try_pull(commit, pull, through, previous, commits, sound)
            except ForgeError as error:
                outage = outage or error
                continue
            if isinstance(answer, Proof):
                return answer
            reasons.extend(f"#{pull.number}: {reason}" for reason in answer.reasons)
        if outage is not None:
            raise outage
        if len(tried) == 1:
            reasons = [reason.partition(": ")[2] for reason in reasons]
        return self._no(commit, *reasons)

    def _candidates(
        self, commit: MainlineCommit, merged: Sequence[PullRequest], tried: set[int]
    ) -> Iterator[tuple[PullRequest, PullRequest]]:
        """Yields the pull requests that may prove *commit*, each with the one whose merge brought
        it: those *merged* themselves, then others that were open with the same head. Notes in
        *tried* which were."""
        for pull in merged:
            tried.add(pull.number)
            yield pull, pull
        for through in merged:
            at = through.merged_at or commit.committed_at
            for number in self._shown_on(through.head_sha, at):
                if number in tried or len(tried) >= MOST_TWINS:
                    continue
                twin = self._twin(number, through.head_sha, at)
                if twin is not None:
                    tried.add(number)
                    then = replace(twin, merged_at=at, merge_commit_sha=commit.sha, draft=False)
                    yield then, through

    def _shown_on(self, head: str, at: datetime) -> Sequence[int]:
        try:
            return shown_pulls(runs_of(self._forge, self.assessor.checker, head), until=at)
        except Denied:
            # Too many to be read: of the merged ones that is said already.
            return ()
        except Incomplete:
            if self._may_pass(at):
                raise
            return ()

    def _twin(self, number: int, head: str, at: datetime) -> PullRequest | None:
        """Returns the pull request *number* if it was open for *head* at the moment *at*."""
        try:
            pull, events = self._forge.pull(number), self._forge.events(number)
            pushes = self._forge.pushes_to(pull.head_ref, until=at)
        except Denied:
            return None
        except ForgeError:
            # What GitHub does not show after an hour either was open for nobody.
            if self._may_pass(at):
                raise
            return None
        why = not_open_at(pull, events, pushes, at, head=head, default_branch=self._default_branch)
        return None if why else pull

    def _try_pull(
        self,
        commit: MainlineCommit,
        pull: PullRequest,
        through: PullRequest,
        previous: Mapping[str, Proven | None],
        commits: Sequence[MainlineCommit],
        sound: Sound,
    ) -> Proof | Unproven:
        """Returns the proof of *commit*, which came *through* a merge, by *pull*; or why that
        proves nothing."""
        if reasons := misshapen(commit, pull, self._default_branch):
            return self._no(commit, *reasons)
        merged_at = pull.merged_at or commit.committed_at
        try:
            found = self._examine(commit, pull, merged_at, previous, commits, sound)
        except Incomplete as error:
            return self._lacking(commit, error, since=merged_at)
        if isinstance(found, Proof):
            merger = through.merged_by.login if through.merged_by else self._pushed_by(commit.sha)
            found = replace(found, merger=merger, through=through.number)
            self.fresh.append(found)
        return found

    def _lacking(self, commit: MainlineCommit, error: Incomplete, *, since: datetime) -> Unproven:
        """Raises *error* while it may still pass; later it is a no for *commit* alone.

        As an outage it would stop every later run, removals included. A date that lies ahead was
        written by whoever made the commit.
        """
        if self._may_pass(since):
            raise error
        return self._no(commit, str(error))

    def _may_pass(self, since: datetime) -> bool:
        """Whether GitHub's lists may still lag behind what happened at *since*."""
        return -CLOCK_TOLERANCE <= self._now - since < PATIENCE

    def _examine(
        self,
        commit: MainlineCommit,
        pull: PullRequest,
        merged_at: datetime,
        previous: Mapping[str, Proven | None],
        commits: Sequence[MainlineCommit],
        sound: Sound,
    ) -> Proof | Unproven:
        """Judges what *pull* brought, which has the right shape."""
        try:
            self._fetch_head(pull.number, pull.head_sha)
            reasons = altered(self._sources, self._forge, commit, pull)
        except Denied as error:
            reasons = [str(error)]
        if reasons:
            return self._no(commit, *reasons)
        history = commits[: commits.index(commit)]
        assessment = self.assessor.assess(
            pull,
            base=commit.parents[0],
            changes=commit.changes,
            history=history,
            previous=previous,
            now=merged_at,
            sound=sound(history, commits[0].parents[0]),
        )
        if not assessment.decision.allowed:
            return self._no(commit, *assessment.decision.reasons)
        try:
            run = shown_by(
                self._forge, assessment, checker=self.assessor.checker, merged_at=merged_at
            )
        except Denied as error:
            run = str(error)
        if isinstance(run, str):
            return self._no(commit, run)
        return Proof(
            commit=commit.sha,
            pull=pull.number,
            head=pull.head_sha,
            merged_at=merged_at,
            requester=assessment.requester,
            approvers=assessment.approvers,
            decision=assessment.digest,
            previous=_held_against(previous),
            offer=assessment.offer,
            check_run=run.id,
            approvals=assessment.given_approvals,
        )

    def _no(self, commit: MainlineCommit, *reasons: str) -> Unproven:
        return Unproven(
            commit=commit.sha,
            reasons=tuple(sorted(set(reasons))),
            brought=self._brought(commit.sha),
        )

    def _brought(self, sha: str) -> Brought:
        pull = self._pulls.get(sha)
        if pull is None:
            return Brought(merger=self._pushed_by(sha))
        return Brought(
            pull=pull.number,
            author=pull.author.login if pull.author else None,
            merger=pull.merged_by.login if pull.merged_by else self._pushed_by(sha),
        )


def _held_against(previous: Mapping[str, Proven | None]) -> str | None:
    """Returns the commit of the proven version among *previous*: a request changes one grant."""
    return next((one.commit for one in previous.values() if one is not None), None)
