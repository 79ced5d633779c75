"""Every version of every grant in a branch's history, and its end, as questions to the policies.

Each is asked as of its day: with the catalogue before it, at its committer's date, after what
the subject had held by then. Only the policies are left open. Of less access the question is
the one that an `Assessor` asks, who tells it no past.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from pipeline.errors import InvalidInput
from pipeline.grants.catalogue import entitlements, known_entitlements
from pipeline.grants.parse import Parsed
from pipeline.history.branch_files import CATALOGUE
from pipeline.history.lives import is_grant
from pipeline.history.sources import Sources
from pipeline.history.subject_past import Memory, Past
from pipeline.judge.rulebook import readable_catalogue
from pipeline.policy.question import Previous
from pipeline.policy_tools.simulate import ReplayedQuestion, Unasked, first_told
from pipeline.policy_tools.suppose import suppose
from pipeline.values.catalogue import Catalogue
from pipeline.values.commits import MainlineCommit, TreeChange
from pipeline.values.grant import Grant, window_of
from pipeline.values.grant_change import LESS, GrantChange, classify


class Version(NamedTuple):
    """A grant as one commit left it, or its deletion."""

    commit: str
    path: str


def replayed_versions(commits: Sequence[MainlineCommit]) -> list[Version]:
    """Returns every version of a grant that *commits* brought and every one that they deleted,
    in their order."""
    return [
        Version(commit=commit.sha, path=change.path)
        for commit in commits
        for change in commit.changes
        if is_grant(change.path)
    ]


class Replay:
    """The history of one branch."""

    def __init__(
        self, sources: Sources, commits: Sequence[MainlineCommit], *, today: Catalogue
    ) -> None:
        """*commits* are the whole first-parent history, oldest first.

        Calendars and rotations that a catalogue of then lacks are taken from *today*'s: changed
        policies may ask for one that came with them, and it says of any day what it is.
        """
        self._sources = sources
        self._today = today
        self._commits = commits
        self.memory = Memory(sources)
        """Of the commits so far."""

        # Commits between which no file of the catalogue changed hold the same one.
        self._same_catalogue: dict[str, str] = {}
        self._catalogues: list[str] = []
        # By path, the commit whose catalogue said what was last asked for: narrowing keeps it.
        self._given: dict[str, str] = {}

    def questions(
        self, wanted: Collection[Version], *, teams: frozenset[str]
    ) -> Iterator[ReplayedQuestion | Unasked]:
        """Yields one question, or why there is none, for each of *wanted*, oldest first.

        Subjects are taken to be in all *teams*; that every version was merged as it stands is
        taken from history, not proven. Raises `ForgeError` where git does not answer.
        """
        self._sources.prefetch_versions(
            change
            for commit in self._commits
            for change in commit.changes
            if is_grant(change.path) and change.status != "D"
        )
        self.memory = Memory(self._sources)
        self._catalogues.clear()
        previous: dict[str, Previous] = {}
        lying: dict[str, Grant | None] = {}
        for commit in self._commits:
            parent = commit.parents[0] if commit.parents else ""
            changed = any(change.path.startswith(CATALOGUE) for change in commit.changes)
            self._same_catalogue[commit.sha] = (
                commit.sha if changed else self._same_catalogue.get(parent, commit.sha)
            )
            grants = [change for change in commit.changes if is_grant(change.path)]
            for change in grants:
                left = self._sources.grant_after(commit.sha, change)
                before = previous.get(change.path) if change.status != "A" else None
                if Version(commit.sha, change.path) in wanted:
                    if left is None:
                        gone = lying.get(change.path)
                        yield self._ask_end(commit, change, gone, before, teams)
                    else:
                        yield self._ask(commit, change, left, before, teams)
                lying[change.path] = left.grant if left else None
                if left is None or change.status == "A":
                    previous.pop(change.path, None)
                if left is not None and left.grant is not None:
                    if _kind(before, left.grant) != "narrow":
                        self._given[change.path] = self._same_catalogue.get(parent, "")
                    previous[change.path] = _proven(left.grant, before, commit.committed_at)
            self.memory.add(commit)
            if changed:
                self._catalogues.append(commit.sha)

    def _ask(
        self,
        commit: MainlineCommit,
        change: TreeChange,
        left: Parsed,
        previous: Previous | None,
        teams: frozenset[str],
    ) -> ReplayedQuestion | Unasked:
        grant = left.grant
        if grant is None:
            return self._none(commit, change, f"it is no grant: {first_told(left.problems)}")
        if change.status != "A" and previous is None:
            return self._none(commit, change, "no earlier version of it can be read")
        if not commit.parents:
            return self._none(commit, change, "it came with the first commit: no catalogue before")
        kind = _kind(previous, grant)
        base = self._same_catalogue[commit.parents[0]]
        try:
            then = (self._readable(base) if kind == "narrow" else None) or self._sources.catalogue(
                base
            )
        except InvalidInput as error:
            why = f"the catalogue before it cannot be read: {first_told(error.problems)}"
            return self._none(commit, change, why)
        catalogue = replace(
            then,
            calendars={**self._today.calendars, **then.calendars},
            rotations={**self._today.rotations, **then.rotations},
        )
        at = commit.committed_at
        proven = _proven(grant, previous, at)
        came = Past()
        if kind not in LESS:
            came = self.memory.past(
                grant,
                now=at,
                reviewed={(one.grant, one.commit) for one in then.reviews},
            )
        try:
            given = self._sources.catalogue(self._given[change.path]) if kind == "narrow" else then
            document = suppose(
                grant,
                change=kind,
                entitlements=entitlements(grant, given),
                window=proven.window,
                now=at,
                catalogue=catalogue,
                teams=teams,
                previous=previous,
                lives=came.lives,
                emergencies=came.emergencies,
                revives=came.revives,
            )
        except InvalidInput as error:
            why = f"it does not fit the catalogue before it: {first_told(error.problems)}"
            return self._none(commit, change, why)
        return ReplayedQuestion(commit=commit.sha, at=at, grant=grant, document=document)

    def _ask_end(
        self,
        commit: MainlineCommit,
        change: TreeChange,
        grant: Grant | None,
        previous: Previous | None,
        teams: frozenset[str],
    ) -> ReplayedQuestion | Unasked:
        """The question about deleting *grant*, which needs neither a catalogue that can be read
        nor one that still knows it."""
        if grant is None:
            return self._none(commit, change, "what it deletes was no grant, so it gave nothing")
        then = self._readable(self._same_catalogue[commit.parents[0]])
        if then is None:
            return self._none(commit, change, "no catalogue before it can be read")
        document = suppose(
            grant,
            change="delete",
            entitlements=known_entitlements(grant, then),
            window=None,
            now=commit.committed_at,
            catalogue=then,
            teams=teams,
            previous=previous,
        )
        return ReplayedQuestion(
            commit=commit.sha, at=commit.committed_at, grant=grant, document=document
        )

    def _readable(self, base: str) -> Catalogue | None:
        # The nearest first.
        return readable_catalogue(self._sources, base, [base, *reversed(self._catalogues)])

    def _none(self, commit: MainlineCommit, change: TreeChange, reason: str) -> Unasked:
        return Unasked(commit=commit.sha, path=change.path, reason=reason)


def _kind(previous: Previous | None, grant: Grant) -> GrantChange:
    return classify(previous.grant if previous else None, grant)


def _proven(grant: Grant, previous: Previous | None, at: datetime) -> Previous:
    """Returns the version that a merge at *at* leaves for the next one to be compared with."""
    start = previous.window.start if previous else at
    return Previous(
        grant=grant,
        window=window_of(grant, merged_at=start),
        requester=grant.requested_by or grant.subject,
        first_duration=previous.first_duration if previous else grant.duration,
    )
