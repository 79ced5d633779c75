"""Histories followed in memory, where git's answer is certain without asking it.

Each function answers None where only git can say: several best merge bases, or an order of
commits that depends on their dates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

Parents = Callable[[str], Iterable[str]]
"""Gives a commit's parents, by id."""


def reachable(tip: str, parents: Parents) -> frozenset[str]:
    """Returns *tip* and every commit before it."""
    found = {tip}
    left = [tip]
    while left:
        new = set(parents(left.pop())) - found
        found |= new
        left += new
    return frozenset(found)


def merge_bases(one: frozenset[str], other: frozenset[str], parents: Parents) -> frozenset[str]:
    """Returns the best common ancestors of two commits, given all that each reaches.

    An ancestor is best where no other common one reaches it (git-merge-base). What is common
    holds its own ancestors, so whatever is not best is the parent of something common.
    """
    common = one & other
    return common - {parent for commit in common for parent in parents(commit)}


def straight_line(tip: str, hidden: frozenset[str], parents: Parents) -> list[str] | None:
    """Returns the commits from *tip* back to one of *hidden* or the first, newest first.

    None where a merge lies between: the order then depends on dates.
    """
    found: list[str] = []
    at: str | None = tip
    while at is not None and at not in hidden:
        found.append(at)
        before = list(parents(at))
        if len(before) > 1:
            return None
        at = before[0] if before else None
    return found
