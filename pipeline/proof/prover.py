"""Proof that what is on the default branch is what was approved.

GitHub's merge gate is advice; this is the authority. A commit is proven when exactly one
merged pull request brought it, its counting approvals satisfy the policies of the commit's
first parent as of `merged_at`, and path, mode and blob on the branch are those at the
approved head. What is not proven is quarantined alone, with its reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline.errors import Denied, Incomplete, InvalidInput
from pipeline.grants.catalogue import entitlements
from pipeline.history.lives import (
    CLOCK_TOLERANCE,
    GRANTS,
    Life,
    governing,
    is_governed,
    is_grant,
    lives,
)
from pipeline.history.proofs import Proof
from pipeline.history.proven import BranchState, Proven, Quarantine, Unproven
from pipeline.history.sources import Sources
from pipeline.history.subject_past import latest_end
from pipeline.judge.assess import Assessor
from pipeline.judge.grant_changes import takes_away
from pipeline.proof.merge_checks import altered, misshapen, unshown
from pipeline.values.catalogue import Catalogue
from pipeline.values.commits import MainlineCommit
from pipeline.values.grant import window_of
from pipeline.values.grant_change import classify
from pipeline.values.ids import GrantId
from pipeline.values.live import LiveGrant
from pipeline.values.pull_request import ForgeReader, PullRequest

PATIENCE = timedelta(hours=1)
"""How long after a merge GitHub's lists may lag behind it. What they lack then stays lacking."""


class Prover:
    """Proves commits of one default branch, from a trusted commit (*anchor*) on."""

    def __init__(
        self,
        *,
        sources: Sources,
        forge: ForgeReader,
        assessor: Assessor,
        default_branch: str,
        fetch_head: Callable[[int, str], None],
        checker: tuple[str, int],
        now: datetime,
        known: Mapping[str, Proof] | None = None,
    ) -> None:
        """*checker* is the name of our check run and the id of the App that posts it.
        *fetch_head* makes a pull request's head available as git objects, and raises
        `Denied` where that fails on every try, `Incomplete` where it may pass. *known* are
        proofs of earlier runs, from an audit chain whose signatures were checked."""
        self._sources = sources
        self._forge = forge
        self.assessor = assessor
        self._default_branch = default_branch
        self._fetch_head = fetch_head
        self._checker = checker
        self._now = now
        self._known = dict(known or {})
        self._answers: dict[str, Proof | Unproven] = {}
        self._fresh: list[Proof] = []
        # Commit to the governed paths that are not as proven after it.
        self._tainted_after: dict[str, frozenset[str]] = {}
        self._lines: dict[
            tuple[str, str], tuple[Sequence[MainlineCommit], tuple[Quarantine, ...]]
        ] = {}
        # Commits between which nothing governed changed hold the same catalogue: reading it
        # once for all of them makes a run's cost grow with changes, not with grants.
        self._same_rules: dict[str, str] = {}

    def stand(self, *, anchor: str, tip: str, now: datetime) -> BranchState:
        """Returns what the default branch at *tip* amounts to at *now*.

        Raises `ForgeError` when git or GitHub did not answer: an outage is no verdict.
        """
        commits, ungoverned = self._line(anchor, tip)
        live: list[LiveGrant] = []
        lapsed: list[Life] = []
        quarantined: list[Quarantine] = []
        proofs: dict[GrantId, tuple[Proof, ...]] = {}
        on_branch = [
            entry for entry in self._sources.objects.tree(tip, GRANTS) if is_grant(entry.path)
        ]
        self._sources.prefetch(on_branch)
        present = {life.id: life for life in lives(commits) if life.present}
        begun = {life.path for life in present.values()}
        older = self._older_lives([one.path for one in on_branch if one.path not in begun], tip)
        present |= {life.id: life for life in older.values()}
        try:
            self._sources.catalogue(tip)
        except InvalidInput as error:
            quarantined.extend(
                Quarantine(path=p.path, commit=tip, reasons=(str(p),)) for p in error.problems
            )
        last_proven = self._sound(commits, anchor)[0]
        for life in present.values():
            end = latest_end(self._sources, life)
            if end is not None and end <= now:
                # Over by its own dates, whatever a proof would say.
                lapsed.append(life)
                continue
            one = self._live(life, commits)
            quarantined.extend(one.quarantined)
            if one.grant is None:
                continue
            if one.grant.window.ended(now):
                lapsed.append(life)
                continue
            proofs[life.id] = one.proofs
            # An older version pushed over a person's file must not bring the person back.
            if any(
                self._sources.offboarded(sha, one.grant.grant.subject) for sha in {tip, last_proven}
            ):
                continue
            live.append(one.grant)
        known = {life.path for life in present.values()}
        quarantined.extend(
            Quarantine(
                path=entry.path,
                commit=anchor,
                reasons=("it was there before the first commit that is trusted",),
            )
            for entry in on_branch
            if entry.path not in known
        )
        return BranchState(
            tip=tip,
            live=tuple(live),
            lapsed=tuple(lapsed),
            quarantined=tuple(sorted(set(quarantined), key=lambda q: (q.path, q.commit))),
            ungoverned=ungoverned,
            proofs=proofs,
            fresh=tuple(self._fresh),
            lives=present,
        )

    def last_proven(self, path: str, *, anchor: str, tip: str) -> Proven | None:
        """Returns the last proven version of the grant at *path* in its present life."""
        commits, _ = self._line(anchor, tip)
        found = {life.path: life for life in lives(commits) if life.present}
        life = found.get(path) or self._older_lives([path], tip).get(path)
        return self._live(life, commits).previous if life else None

    def _older_lives(self, paths: Sequence[str], tip: str) -> dict[str, Life]:
        """Returns the present lives at *paths* that began before the trusted commit, and in which
        a recorded proof says that what came before it was approved."""
        if not paths:
            return {}
        history = self._sources.objects.mainline(tip, paths=paths)
        return {
            life.path: life
            for life in lives(history)
            if life.present and life.path in paths and life.added.sha in self._known
        }

    def endings(
        self, grants: Iterable[GrantId], *, anchor: str, tip: str
    ) -> Mapping[GrantId, tuple[str, ...]]:
        """Returns why nobody with a say ended each of *grants*; empty where somebody did.

        That is by deleting its file in a proven commit, or by offboarding its person. Grants whose
        file was not deleted since the trusted commit are left out.
        """
        commits, _ = self._line(anchor, tip)
        latest = {life.id: life for life in lives(commits)}
        nearest = self._sound(commits, anchor)[0]
        found: dict[GrantId, tuple[str, ...]] = {}
        for grant in grants:
            life = latest.get(grant)
            if self._sources.offboarded(nearest, grant.partition("/")[0]):
                found[grant] = ()
            elif life is not None and not life.present:
                last = life.steps[-1].commit
                before = self._live(replace(life, steps=life.steps[:-1]), commits).previous
                answer = self.prove(last, {life.path: before}, commits)
                found[grant] = answer.reasons if isinstance(answer, Unproven) else ()
        return found

    def tainted(self, *, anchor: str, tip: str) -> tuple[Quarantine, ...]:
        """Returns the governed paths that are not as proven at *tip*."""
        return self._line(anchor, tip)[1]

    def sound(self, *, anchor: str, tip: str) -> tuple[str, ...]:
        """Returns the commits up to *tip* at which nothing that decides is unproven, nearest
        first."""
        return self._sound(self._line(anchor, tip)[0], anchor)

    def _line(
        self, anchor: str, tip: str
    ) -> tuple[Sequence[MainlineCommit], tuple[Quarantine, ...]]:
        """Returns the commits after *anchor* up to *tip*, gone through once, and the governed
        paths that are not as proven there."""
        if (anchor, tip) not in self._lines:
            commits = self._sources.objects.mainline(tip, since=anchor)
            self._lines[anchor, tip] = commits, self._taint(commits)
        return self._lines[anchor, tip]

    def _sound(self, history: Sequence[MainlineCommit], anchor: str) -> tuple[str, ...]:
        after = self._tainted_after
        found = [one.sha for one in reversed(history) if one.sha in after and not after[one.sha]]
        return (*found, anchor)

    def prove(
        self,
        commit: MainlineCommit,
        previous: Mapping[str, Proven | None],
        commits: Sequence[MainlineCommit],
    ) -> Proof | Unproven:
        """Returns the proof of *commit*, or why there is none.

        *previous* holds the last proven version of each grant that the commit modifies,
        *commits* the default branch from the anchor on, *commit* among them.
        """
        if commit.sha not in self._answers:
            known = self._known.get(commit.sha)
            # What was less than one version can be more than another that was proven since.
            if known is None or known.previous != _held_against(previous):
                self._answers[commit.sha] = self._judge(commit, previous, commits)
            else:
                self._answers[commit.sha] = known
        return self._answers[commit.sha]

    def _judge(
        self,
        commit: MainlineCommit,
        previous: Mapping[str, Proven | None],
        commits: Sequence[MainlineCommit],
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
        if len(merged) != 1:
            return self._no(commit, f"{len(merged)} merged pull requests brought it, expected one")
        pull = merged[0]
        reasons = misshapen(commit, pull, self._default_branch)
        if reasons:
            return self._no(commit, *reasons)
        try:
            return self._examine(commit, pull, previous, commits)
        except Incomplete as error:
            return self._lacking(commit, error, since=pull.merged_at or commit.committed_at)

    def _lacking(self, commit: MainlineCommit, error: Incomplete, *, since: datetime) -> Unproven:
        """Raises *error* while it may still pass; later it is a no for *commit* alone.

        As an outage it would stop every later run, removals included. A date that lies ahead was
        written by whoever made the commit.
        """
        if -CLOCK_TOLERANCE <= self._now - since < PATIENCE:
            raise error
        return self._no(commit, str(error))

    def _examine(
        self,
        commit: MainlineCommit,
        pull: PullRequest,
        previous: Mapping[str, Proven | None],
        commits: Sequence[MainlineCommit],
    ) -> Proof | Unproven:
        """Judges what *pull* brought, which has the right shape."""
        try:
            self._fetch_head(pull.number, pull.head_sha)
            reasons = altered(self._sources, self._forge, commit, pull)
        except Denied as error:
            reasons = [str(error)]
        if reasons:
            return self._no(commit, *reasons)
        merged_at = pull.merged_at or commit.committed_at
        history = commits[: commits.index(commit)]
        assessment = self.assessor.assess(
            pull,
            base=commit.parents[0],
            changes=commit.changes,
            history=history,
            previous=previous,
            now=merged_at,
            sound=self._sound(history, commits[0].parents[0]),
        )
        if not assessment.decision.allowed:
            return self._no(commit, *assessment.decision.reasons)
        try:
            reason = unshown(self._forge, assessment, checker=self._checker, merged_at=merged_at)
        except Denied as error:
            reason = str(error)
        if reason:
            return self._no(commit, reason)
        proof = Proof(
            commit=commit.sha,
            pull=pull.number,
            head=pull.head_sha,
            merged_at=merged_at,
            requester=assessment.requester,
            approvers=assessment.approvers,
            decision=assessment.digest,
            previous=_held_against(previous),
        )
        self._fresh.append(proof)
        return proof

    def _no(self, commit: MainlineCommit, *reasons: str) -> Unproven:
        return Unproven(commit=commit.sha, reasons=tuple(sorted(set(reasons))))

    def _taint(self, commits: Sequence[MainlineCommit]) -> tuple[Quarantine, ...]:
        """Notes, per commit, the governed paths that are not as proven after it; returns those
        that are not after the last.

        A path heals when it is again exactly what was last proven: a proven change on top of
        an unproven one shows its reviewers only the difference.
        """
        proven: dict[str, tuple[str, str | None]] = {}
        tainted: dict[str, Quarantine] = {}
        governed = {commit.sha for commit in governing(commits)}
        for commit in commits:
            before = frozenset(tainted)
            parent = commit.parents[0] if commit.parents else commit.sha
            self._same_rules[commit.sha] = (
                commit.sha if commit.sha in governed else self._same_rules.get(parent, parent)
            )
            if commit.sha in governed:
                # Unproven policies judge nothing: they could say anything, or fail every run.
                answer = (
                    Unproven(commit=commit.sha, reasons=(_judged_while(before),))
                    if before
                    else self.prove(commit, {}, commits)
                )
                for change in commit.changes:
                    if not is_governed(change.path):
                        continue
                    old = (change.old_mode, change.old_blob)
                    new = (change.new_mode, change.new_blob)
                    good = proven.setdefault(change.path, old)
                    if new == good:
                        tainted.pop(change.path, None)
                    elif isinstance(answer, Unproven):
                        tainted[change.path] = Quarantine(
                            path=change.path, commit=commit.sha, reasons=answer.reasons
                        )
                    else:
                        proven[change.path] = new
            self._tainted_after[commit.sha] = frozenset(tainted)
        return tuple(tainted[path] for path in sorted(tainted))

    def _live(self, life: Life, commits: Sequence[MainlineCommit]) -> _Judged:
        """Folds the steps of a life: what is proven stands, what is not changes nothing."""
        previous: Proven | None = None
        proofs: list[Proof] = []
        quarantined: list[Quarantine] = []
        for step in life.steps:
            parent = step.commit.parents[0] if step.commit.parents else ""
            tainted = self._tainted_after.get(parent)
            before = {life.path: previous}
            if step.commit.sha not in self._tainted_after:
                self._answers.setdefault(step.commit.sha, self._recorded(step.commit, before))
            # Less access is judged by what is sound, so it does not wait for the rules.
            waits = tainted and not takes_away(
                self._sources, step.change, head=step.commit.sha, previous=before
            )
            answer = (
                Unproven(commit=step.commit.sha, reasons=(_judged_while(tainted),))
                if tainted and waits
                else self.prove(step.commit, before, commits)
            )
            parsed = self._sources.grant_after(step.commit.sha, step.change)
            if isinstance(answer, Unproven):
                reasons = answer.reasons
            elif parsed is None or parsed.grant is None:
                reasons = tuple(str(problem) for problem in parsed.problems) if parsed else ()
            else:
                start = previous.window.start if previous else answer.merged_at
                narrows = previous and classify(previous.grant, parsed.grant) == "narrow"
                previous = Proven(
                    commit=step.commit.sha,
                    grant=parsed.grant,
                    window=window_of(parsed.grant, merged_at=start),
                    # Who asked first keeps the say: an edit must not take it over.
                    requester=previous.requester if previous else answer.requester,
                    first_duration=(previous.first_duration if previous else parsed.grant.duration),
                    entitlements=previous.left_by(parsed.grant)
                    if previous and narrows
                    else entitlements(parsed.grant, self._catalogue(parent)),
                )
                proofs.append(answer)
                continue
            quarantined.append(Quarantine(path=life.path, commit=step.commit.sha, reasons=reasons))
            if previous is None:
                # Without a proven beginning there is no window that a later step could keep.
                break
        return _Judged(
            grant=previous.live if previous else None,
            previous=previous,
            proofs=tuple(proofs),
            quarantined=tuple(quarantined),
        )

    def _recorded(
        self, commit: MainlineCommit, previous: Mapping[str, Proven | None]
    ) -> Proof | Unproven:
        """Returns the recorded proof of a *commit* before the trusted one: none is made anew."""
        known = self._known.get(commit.sha)
        if known is not None and known.previous == _held_against(previous):
            return known
        return self._no(commit, "it came before the first commit that is trusted")

    def _catalogue(self, base: str) -> Catalogue:
        return self._sources.catalogue(self._same_rules.get(base, base))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Judged:
    grant: LiveGrant | None
    previous: Proven | None
    proofs: tuple[Proof, ...]
    quarantined: tuple[Quarantine, ...]


def _held_against(previous: Mapping[str, Proven | None]) -> str | None:
    """Returns the commit of the proven version among *previous*: a request changes one grant."""
    return next((one.commit for one in previous.values() if one is not None), None)


def _judged_while(tainted: frozenset[str]) -> str:
    return f"it came while {', '.join(sorted(tainted))} was unproven"
