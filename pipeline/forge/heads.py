"""Heads of pull requests, fetched beside the clone, within bounds and no more than is needed.

A head is compared by its tree: its newest commit and the files that the default branch lacks are
enough. Of an open pull request the commits before it come too, without files, for the merge base.
So an object that git refuses matters only where it is looked at.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import Denied, ForgeError, Incomplete
from pipeline.forge.fetching import COMMITS, HEAD, NEWEST, HistoryPart, Refused
from pipeline.forge.git import Repository
from pipeline.forge.git_process import Bounds, TooSlow
from pipeline.forge.plumbing import object_id


class HeadFetcher:
    """Fetches from *remote* into repositories of its own, whose objects *clone* sees from then on.

    They are gone with *clone*: each run begins with what it holds on disk. A history that
    was cut off is kept apart from one that was not, because git calls both complete otherwise.

    Methods raise `Denied` for what git or *bounds* refuse on every try. Any other failure is an
    outage (`ForgeError`) only where *answers*, which fetches the default branch, fails too. Else
    a head that took too long is `Denied`, one that cannot be fetched twice is `Incomplete`, and so
    is one that is not the commit asked for.
    """

    def __init__(
        self,
        clone: Repository,
        remote: str,
        *,
        token: str | None,
        answers: Callable[[], object],
        bounds: Bounds = HEAD,
    ) -> None:
        self._clone = clone
        self._remote = remote
        self._token = token
        self._answers = answers
        self._bounds = bounds
        self._beside: dict[HistoryPart, Repository] = {}

    def newest(self, number: int, sha: str) -> None:
        """Makes *sha*, the head of pull request *number*, available: its folders and files."""
        self._take(number, sha, NEWEST)

    def commits(self, number: int, sha: str) -> None:
        """Makes the commits up to *sha*, the head of pull request *number*, available."""
        self._take(number, sha, COMMITS)

    def commit(self, sha: str) -> bool:
        """Makes *sha*, a commit of any branch, available: the commits before it, its folders and
        files. Returns whether GitHub gave it.

        It may lie on no branch any more, and can be gone then.
        """
        kept = f"refs/daypass/commit/{object_id(sha)}"
        try:
            for part in (COMMITS, NEWEST):
                self._repository(part).fetch(
                    self._remote,
                    [f"+{sha}:{kept}"],
                    token=self._token,
                    part=part,
                    bounds=self._bounds,
                )
        except Refused:
            return False
        except ForgeError:
            self._answers()
            return False
        return True

    def _take(self, number: int, sha: str, part: HistoryPart) -> None:
        try:
            found = self._fetch(number, part, last=False) or self._fetch(number, part, last=True)
        except Refused as error:
            raise _not_fetched(number, error) from error
        if found != sha:
            raise Incomplete(
                f"#{number} is at {found[:7]} in git and at {sha[:7]} in the API",
                hint="it was pushed to a moment ago: run again",
            )

    def _fetch(self, number: int, part: HistoryPart, *, last: bool) -> str:
        """Returns the commit that was fetched; empty where it failed and this is not the *last*
        try."""
        there = self._repository(part)
        kept = f"refs/daypass/pull/{number:d}"
        try:
            there.fetch(
                self._remote,
                [f"+refs/pull/{number:d}/head:{kept}"],
                token=self._token,
                part=part,
                bounds=self._bounds,
            )
        except ForgeError as error:
            self._answers()
            if isinstance(error, TooSlow):
                raise _not_fetched(number, error) from error
            if not last:
                # What failed by chance may be there now.
                return ""
            raise Incomplete(
                f"the default branch can be fetched and #{number} cannot: {error}",
                hint="run it again in a minute",
            ) from error
        return there.resolve(kept)

    def _repository(self, part: HistoryPart) -> Repository:
        if part not in self._beside:
            folder = Path(tempfile.mkdtemp(prefix="daypass-"))
            weakref.finalize(self._clone, shutil.rmtree, folder, ignore_errors=True)
            self._beside[part] = self._clone.beside(folder)
        return self._beside[part]


def _not_fetched(number: int, error: Refused | TooSlow) -> Denied:
    return Denied(
        f"#{number} is not fetched: {error.message}",
        hint="bring the change as one new commit on a new branch",
    )
