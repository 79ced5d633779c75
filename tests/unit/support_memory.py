"""A git repository and a GitHub, both in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pipeline.errors import ForgeError, PipelineError
from pipeline.values.catalogue import Team
from pipeline.values.commits import (
    ABSENT_MODE,
    FILE_MODE,
    SUBMODULE_MODE,
    MainlineCommit,
    TreeChange,
    TreeEntry,
)
from pipeline.values.pull_request import (
    Actor,
    CheckRun,
    Comment,
    PullEvents,
    PullFile,
    PullRequest,
    Push,
    Review,
)
from tests.unit.support_tiny_rules import ALICE, BOB, CAROL, DAN, MALLORY


class File(NamedTuple):
    """A leaf of a tree. The content of a submodule is the commit that it names."""

    content: bytes
    mode: str = FILE_MODE

    @property
    def id(self) -> str:
        if self.mode == SUBMODULE_MODE:
            return self.content.decode()
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()  # noqa: S324 - git's own


Files = Mapping[str, "str | File | None"]
"""What a commit changes: path to a file's text, to a leaf with its mode, or to nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Commit:
    tree: Mapping[str, File]
    parents: tuple[str, ...]
    at: datetime


class Git:
    """A repository in memory. Satisfies `Objects`."""

    def __init__(self) -> None:
        self._commits: dict[str, _Commit] = {}
        self._blobs: dict[str, bytes] = {}
        self.refs: dict[str, str] = {}
        self.trees_read: list[tuple[str, tuple[str, ...]]] = []
        self.blobs_read: list[str] = []

    def commit(self, files: Files, *parents: str, at: datetime, onto: str | None = None) -> str:
        """Adds a commit whose tree is that of *onto*, by default of the first parent, with
        *files* changed; returns its id."""
        start = onto or (parents[0] if parents else None)
        tree = dict(self._commits[start].tree) if start else {}
        for path, found in files.items():
            if found is None:
                tree.pop(path, None)
            else:
                tree[path] = File(found.encode()) if isinstance(found, str) else found
        made = _Commit(tree=tree, parents=parents, at=at)
        self._blobs.update({one.id: one.content for one in tree.values()})
        sha = hashlib.sha1(repr((len(self._commits), made)).encode()).hexdigest()  # noqa: S324 - an id only
        self._commits[sha] = made
        return sha

    def files(self, commit: str) -> dict[str, File]:
        """Returns the whole tree of *commit* by path."""
        return dict(self._commits[commit].tree)

    def resolve(self, ref: str) -> str:
        found = self.refs.get(ref, ref)
        if found not in self._commits:
            raise ForgeError(f"{ref} names no commit")
        return found

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        return ancestor in self._ancestors(descendant)

    def merge_base(self, one: str, other: str) -> str:
        shared = self._ancestors(other)
        return next(sha for sha in self._ancestors(one) if sha in shared)

    def commits_ahead(self, tip: str, base: str) -> frozenset[str]:
        return frozenset(self._ancestors(tip)) - frozenset(self._ancestors(base))

    def tree(self, commit: str, *prefixes: str) -> tuple[TreeEntry, ...]:
        self.trees_read.append((commit, prefixes))
        if commit not in self._commits:
            raise ForgeError(f"{commit} is no commit")
        return tuple(
            TreeEntry(
                path=path,
                mode=one.mode,
                kind="commit" if one.mode == SUBMODULE_MODE else "blob",
                blob=one.id,
                size=None if one.mode == SUBMODULE_MODE else len(one.content),
            )
            for path, one in sorted(self._commits[commit].tree.items())
            if not prefixes
            or any(path == p or path.startswith(p.rstrip("/") + "/") for p in prefixes)
        )

    def read_many(self, blobs: Sequence[str], *, limit: int) -> Mapping[str, bytes]:
        for blob in blobs:
            if blob not in self._blobs or len(self._blobs[blob]) > limit:
                raise ForgeError(f"{blob} is no blob of at most {limit} bytes")
        self.blobs_read.extend(blobs)
        return {blob: self._blobs[blob] for blob in blobs}

    def diff(self, before: str, after: str) -> tuple[TreeChange, ...]:
        return _differences(self._commits[before].tree, self._commits[after].tree)

    def mainline(
        self, tip: str, *, since: str | None = None, paths: Sequence[str] = ()
    ) -> tuple[MainlineCommit, ...]:
        found: list[MainlineCommit] = []
        at: str | None = tip
        while at is not None and at != since:
            if at not in self._commits:
                raise ForgeError(f"{at} is no commit")
            one = self._commits[at]
            before = one.parents[0] if one.parents else None
            changes = _differences(self._commits[before].tree if before else {}, one.tree)
            found.append(
                MainlineCommit(sha=at, parents=one.parents, committed_at=one.at, changes=changes)
            )
            at = before
        if at != since:
            raise ForgeError(f"{since} is not on the first-parent line of {tip}")
        return tuple(
            one
            for one in reversed(found)
            if not paths or any(c.path.startswith(tuple(paths)) for c in one.changes)
        )

    def _ancestors(self, commit: str) -> list[str]:
        found, waiting = [], [commit]
        while waiting:
            found.append(waiting.pop(0))
            waiting.extend(self._commits[found[-1]].parents)
        return found


def _differences(before: Mapping[str, File], after: Mapping[str, File]) -> tuple[TreeChange, ...]:
    found = []
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        if old and new:
            status = "M" if old.mode[:3] == new.mode[:3] else "T"
        else:
            status = "D" if old else "A"
        found.append(
            TreeChange(
                path=path,
                status=status,
                old_mode=old.mode if old else ABSENT_MODE,
                new_mode=new.mode if new else ABSENT_MODE,
                old_blob=old.id if old else None,
                new_blob=new.id if new else None,
            )
        )
    return tuple(found)


FILE_STATUS = {"A": "added", "M": "modified", "D": "removed", "T": "changed"}
"""GitHub's word for a file of a pull request, by git's."""


class Forge:
    """What GitHub knows of one repository. Satisfies `ForgeReader`."""

    def __init__(self) -> None:
        self.pulls: dict[int, PullRequest] = {}
        self.associated: dict[str, tuple[int, ...]] = {}
        """Pull requests that are listed for a commit besides the one whose merge made it."""

        self.listed: dict[int, tuple[PullFile, ...]] = {}
        self.submitted: dict[int, list[Review]] = {}
        self.pushed: dict[str, list[Push]] = {}
        self.posted: list[tuple[str, str, int, CheckRun]] = []
        """Check runs with the commit, the name and the App's id before them."""

        self.teams = {"leads": {BOB.id, CAROL.id}, "security": {DAN.id}}
        self.team_ids: dict[str, int | None] = {}
        """Ids of the teams, where they are not the declared ones; None for a team that is gone."""

        self.writers = {one.id for one in (ALICE, BOB, CAROL, DAN, MALLORY)}
        self.failures: dict[str, PipelineError] = {}
        """What asking raises, by the method's name."""

        self.happened: dict[int, PullEvents] = {}
        self.said: dict[int, list[Comment]] = {}
        self.asked: list[str] = []

    def pull(self, number: int) -> PullRequest:
        self._ask("pull")
        return self.pulls[number]

    def pulls_of_commit(self, sha: str) -> tuple[PullRequest, ...]:
        self._ask("pulls_of_commit")
        more = self.associated.get(sha, ())
        return tuple(
            one
            for number, one in sorted(self.pulls.items())
            if number in more or one.merge_commit_sha == sha
        )

    def files(self, number: int) -> tuple[PullFile, ...]:
        self._ask("files")
        return self.listed[number]

    def reviews(self, number: int) -> tuple[Review, ...]:
        self._ask("reviews")
        return tuple(self.submitted.get(number, ()))

    def events(self, number: int) -> PullEvents:
        self._ask("events")
        return self.happened.get(number, PullEvents())

    def pushes_to(
        self, branch: str, *, until: datetime | None = None, head: str | None = None
    ) -> tuple[Push, ...]:
        self._ask("pushes_to")
        return tuple(one for one in self.pushed[branch] if until is None or one.at <= until)

    def check_runs(self, sha: str, *, name: str, app: int) -> tuple[CheckRun, ...]:
        self._ask("check_runs")
        found = [one for *where, one in self.posted if where == [sha, name, app]]
        return tuple(sorted(found, key=lambda one: one.completed_at))

    def comments(self, number: int) -> tuple[Comment, ...]:
        self._ask("comments")
        return tuple(self.said.get(number, ()))

    def account(self, number: int) -> Actor | None:
        self._ask("account")
        people = (ALICE, BOB, CAROL, DAN, MALLORY)
        return next((one for one in people if one.id == number), None)

    def shows_team(self, team: Team) -> bool:
        self._ask("shows_team")
        return self.team_ids.get(team.slug, team.id) == team.id

    def in_team(self, team: Team, actor: Actor) -> bool:
        self._ask("in_team")
        return self.shows_team(team) and actor.id in self.teams.get(team.slug, ())

    def can_write(self, actor: Actor) -> bool:
        self._ask("can_write")
        return actor.id in self.writers

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if what in self.failures:
            raise self.failures[what]
