"""Whether a change to a grant takes access away, decided by meaning, never by text."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pipeline.values.grant import Grant

GrantChange = Literal["create", "widen", "narrow", "delete", "same"]
"""`create` has nothing proven before it; `widen` is every change that does not certainly take
access away, an edited reason included; `same` differs in nothing but its text."""

LESS: frozenset[GrantChange] = frozenset({"narrow", "delete"})
"""What takes access away, which nothing may hold up: policies are told neither the subject's
past nor the circumstances."""


def classify(previous: Grant | None, new: Grant | None) -> GrantChange:
    """Returns what *new* is to the last proven version, *previous*.

    Narrowing is a shorter duration, fewer lines of access, or both, with everything else as
    it was. Deleting is always deleting, proven before or not.
    Comparing with anything but the last proven version would let a wide grant that was never
    reviewed be "shortened" into a proven one.
    """
    if new is None:
        return "delete"
    if previous is None:
        return "create"
    if replace(new, duration=previous.duration, access=previous.access) != previous:
        return "widen"
    before, after = set(previous.access), set(new.access)
    if new.duration == previous.duration and after == before:
        return "same"
    if after and after <= before and 0 < new.duration <= previous.duration:
        return "narrow"
    return "widen"
