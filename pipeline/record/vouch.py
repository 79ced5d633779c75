"""Who wrote the record: GitHub's word on each commit, asked once per commit.

A chain that holds could still have been written by anybody who can push. So every commit must be
the App's and signed by GitHub. A run that has seen this of the whole branch says so in the
message of what it appends: whoever comes later reads back to there, and no further.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_VOUCHED = re.compile(r"[^\n]+\n\nVouched: ([0-9a-f]{40})\n?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """What GitHub says of one commit."""

    sha: str
    parents: tuple[str, ...]
    author: int | None
    """Id of the account that GitHub attributes it to."""

    signed: bool
    """Whether GitHub verified its signature."""

    message: str


def vouching(message: str, verified: str | None) -> str:
    """Returns the message of a commit by a run that found everything up to *verified* to be
    the App's, or that did not ask (None)."""
    return message if verified is None else f"{message}\n\nVouched: {verified}"


def authentic(history: Iterable[Signature], head: str, *, author: int) -> bool:
    """Whether every commit of a branch up to *head* is by the account *author* and signed.

    *history* is read newest first, only as far as is needed: to a commit that one after it
    vouches for, or to the first. A merge, or a gap, is no.
    """
    wanted: tuple[str, ...] = (head,)
    vouched: set[str] = set()
    for commit in history:
        if wanted != (commit.sha,):
            return False
        if commit.sha in vouched:
            return True
        if not commit.signed or commit.author != author:
            return False
        if said := _VOUCHED.fullmatch(commit.message):
            vouched.add(said[1])
        wanted = commit.parents
    return wanted == ()
