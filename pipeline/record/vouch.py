"""Finds out who wrote the record: GitHub's word on each commit, asked once per commit.

A chain that holds could still have been written by anybody who can push. So every commit must be
the App's and signed by GitHub, and made by no merge of a pull request. A run that has seen this
of the whole branch says so in the message of what it appends: whoever comes later reads back to
there, and no further.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_WEB_FLOW = 19864447
"""Account id of GitHub itself, where it is the committer."""

_VOUCHED = re.compile(r"[^\n]+\n\nVouched: ([0-9a-f]{40})\n?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """GitHub's word on one commit."""

    sha: str
    parents: tuple[str, ...]
    author: int | None
    """Id of the account that GitHub attributes it to."""

    committer: int | None
    """The same of its committer, whose signature it is: the author is free text."""

    signed: bool
    """Whether GitHub verified its signature."""

    message: str

    def by(self, author: int) -> bool:
        """Whether GitHub signed it for the account *author*, an App's, which has no key."""
        return self.signed and self.author == author and self.committer in (author, _WEB_FLOW)


def vouching(message: str, verified: str | None) -> str:
    """Returns the message of a commit by a run that found everything up to *verified* to be
    the App's, or that did not ask (None)."""
    return message if verified is None else f"{message}\n\nVouched: {verified}"


def authentic(
    history: Iterable[Signature],
    head: str,
    *,
    author: int,
    brought: Callable[[str], bool],
    since: str | None = None,
) -> bool:
    """Whether every commit of a branch up to *head*, after *since* where one is given, is by the
    account *author* and signed.

    *history* is read newest first, only as far as is needed: to a commit that one after it
    vouches for, or to the first. A merge, or a gap, is no. *brought* says whether merging a pull
    request made a commit: of a squashed one, the author is who opened the pull request, while
    whoever merges it chose what it holds and says. It is asked last, of each commit read.
    """
    read: list[str] = []
    wanted: tuple[str, ...] = (head,)
    vouched: set[str] = set()
    for commit in history:
        if wanted != (commit.sha,):
            return False
        if commit.sha in vouched or commit.sha == since:
            wanted = ()
            break
        if not commit.by(author):
            return False
        read.append(commit.sha)
        if said := _VOUCHED.fullmatch(commit.message):
            vouched.add(said[1])
        wanted = commit.parents
    return wanted == () and not any(map(brought, read))
