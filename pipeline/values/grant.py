"""A grant: the reviewed file, parsed, and the window that follows from its merge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipeline.values.ids import GrantId, RoleId, TargetId
from pipeline.values.problem import Mark


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Window:
    """When access holds: from *start* on, up to but without *end*; aware, UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a window needs times with an offset")
        if self.start >= self.end:
            raise ValueError("a window ends after it starts")

    def contains(self, moment: datetime) -> bool:
        """Whether access holds at *moment*."""
        return self.start <= moment < self.end

    def ended(self, moment: datetime) -> bool:
        """Whether access is over at *moment*."""
        return moment >= self.end

    def touches(self, other: Window) -> bool:
        """Whether both together leave no gap."""
        return self.start <= other.end and other.start <= self.end

    def union(self, other: Window) -> Window:
        """Returns the window that covers both.

        Raises `ValueError` where they leave a gap: a gap is never bridged.
        """
        if not self.touches(other):
            raise ValueError("windows with a gap between them have no union")
        return Window(start=min(self.start, other.start), end=max(self.end, other.end))


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """One line of a grant's `access`: a role on a target, with the role's parameters."""

    target: TargetId
    role: str
    parameters: tuple[tuple[str, str], ...] = ()
    """Name and value, sorted by name: `(("resource", "i-0abc1234def567890"),)`."""

    @property
    def role_id(self) -> RoleId:
        """The role's full name: it is one of the target's cloud."""
        return RoleId(f"{self.target.partition('/')[0]}/{self.role}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """The reviewed file, parsed. Its window is derived from git, never stored."""

    id: GrantId
    path: str
    """Repository path: `access/grants/alice/2026-11-20-stuck-payouts.yaml`."""

    subject: str
    reason: str
    duration: int
    """Seconds; whole minutes, at least five."""

    access: tuple[Access, ...]
    ticket: str | None = None
    start: datetime | None = None
    """Aware, UTC; None starts the clock at the merge."""

    emergency: bool = False
    requested_by: str | None = None
    marks: Mapping[str, Mark] = field(default_factory=dict, compare=False, repr=False)
    """Where each field stands: `duration`, `access.0.role`, `access.0.parameters.resource`."""


def window_of(grant: Grant, *, merged_at: datetime) -> Window:
    """Returns the window of a grant whose life began with a merge at *merged_at*."""
    start = grant.start or merged_at
    return Window(start=start, end=start + timedelta(seconds=grant.duration))
