"""Live grants that a change of the catalogue ends or cuts down, for whoever reviews the change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pipeline.grants.later_catalogues import left_in
from pipeline.history.sources import Sources
from pipeline.values.ids import GrantId, TargetId
from pipeline.values.live import LiveGrant


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class EndedLine:
    """A line of a live grant that ends, or loses some of its actions or resources."""

    target: TargetId
    role: str
    whole: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class EndedGrant:
    """A live grant of which a change takes something away."""

    grant: GrantId
    subject: str
    end: datetime
    """When it ends by itself."""

    lines: tuple[EndedLine, ...]
    whole: bool
    """Whether nothing is left of it."""


def may_end_grants(sources: Sources, *, before: str, head: str) -> bool:
    """Whether a principal, target or role at *before* is gone or another one at *head*: what is
    only added ends nothing. Raises as `ended_grants`."""
    old, new = sources.catalogue(before), sources.catalogue(head)
    return (
        any(new.principals.get(one.name) != one for one in old.principals.values())
        or any(new.targets.get(one.id) != one for one in old.targets.values())
        or any(new.roles.get(one.id) != one for one in old.roles.values())
    )


def ended_grants(
    live: Iterable[LiveGrant], sources: Sources, *, before: str, head: str
) -> tuple[EndedGrant, ...]:
    """Returns what the catalogue at *head* takes away of *live* grants that the one at *before*,
    the commit where its branch began, does not: by id.

    What the default branch changed since then is nobody's doing here. Raises `InvalidInput` where
    one of the catalogues cannot be read, and `ForgeError`.
    """
    old, new = sources.catalogue(before), sources.catalogue(head)
    found: list[EndedGrant] = []
    for one in live:
        subject = one.grant.subject
        leaves = sources.offboarded(head, subject) and not sources.offboarded(before, subject)
        left = [None if leaves else left_in(line, new) for line in one.entitlements]
        lines = [
            EndedLine(target=line.target.id, role=line.role.name, whole=after is None)
            for line, after in zip(one.entitlements, left, strict=True)
            if after != left_in(line, old)
        ]
        if lines:
            found.append(
                EndedGrant(
                    grant=one.grant.id,
                    subject=subject,
                    end=one.window.end,
                    lines=tuple(sorted(set(lines))),
                    whole=not any(left),
                )
            )
    return tuple(sorted(found, key=lambda one: one.grant))
