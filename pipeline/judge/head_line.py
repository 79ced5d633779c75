"""The pushes that put something of what a pull request brings on its branch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.errors import PipelineError
from pipeline.history.branch_files import Objects
from pipeline.values.commits import TreeChange
from pipeline.values.pull_request import Actor, Push

MOST_FETCHED = 8
"""Commits that are fetched to look into one pull request's pushes."""


class HeadLine:
    """The commits that a *head* has and its *base* on the default branch lacks.

    *fetch* makes a commit of any branch available, and returns whether that worked. It raises
    `ForgeError` where git does not answer at all.
    """

    def __init__(
        self, objects: Objects, *, base: str, head: str, fetch: Callable[[str], bool]
    ) -> None:
        self._objects = objects
        self._base = base
        self._head = head
        self._fetch = fetch
        self._fetched: dict[str, bool] = {}
        self._changes: dict[str, tuple[TreeChange, ...] | None] = {}

    def contributed(self, pushes: Sequence[Push], *, author: Actor | None) -> tuple[Push, ...]:
        """Returns those of *pushes*, all to the head's branch and oldest first, that put something
        of the head there; those of the *author* without a look.

        What cannot be looked into counts. For example, of pushes to alice's branch:

            bob presses "Update branch"                     nothing, if the pull request changes
                                                            what it changed before
            bob runs `git merge -s ours main`               his: now it takes back what main got
            bob pushes a commit, alice force-pushes         his: she may have kept what he wrote
            bob's, before the branch was deleted            nothing, if none of his commits is there
            bob's, and carol restored the deleted branch    his, and hers
        """
        known: set[str | None] = {None}
        found: list[Push] = []
        for push in pushes:
            own = author is not None and push.by == author
            # A push that the log lacks may have come before it.
            keeps = not own and push.before in known and self._keeps_changes(push)
            if own or not (keeps or (push.former and not self._shares(push.sha))):
                found.append(push)
            known.add(push.sha)
        return tuple(found)

    def _keeps_changes(self, push: Push) -> bool:
        """Whether the pull request changes the same before and after *push*."""
        before = () if push.before is None else self._changes_at(push.before)
        return before is not None and before == self._changes_at(push.sha)

    def _changes_at(self, sha: str) -> tuple[TreeChange, ...] | None:
        """Returns what a pull request with the head *sha* would change; None where that is not
        known."""
        if sha not in self._changes:
            self._changes[sha] = None
            if self._available(sha):
                try:
                    left = self._objects.merge_base(self._base, sha)
                    self._changes[sha] = self._objects.diff(left, sha)
                except PipelineError:
                    # No merge base, or several: what it changes is a matter of opinion.
                    return None
        return self._changes[sha]

    def _shares(self, sha: str) -> bool:
        """Whether the commit *sha* has a commit of the head in its history, or may have one."""
        if not (self._available(self._head) and self._available(sha)):
            return True
        try:
            line = self._objects.commits_ahead(self._head, self._base)
            return bool(line & self._objects.commits_ahead(sha, self._base))
        except PipelineError:
            return True

    def _available(self, sha: str) -> bool:
        if sha not in self._fetched:
            self._fetched[sha] = len(self._fetched) < MOST_FETCHED and self._fetch(sha)
        return self._fetched[sha]
