"""What the catalogue knows beside grants: access that stands without one, and reviews."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipeline.model import GrantId, RoleId, TargetId


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Standing:
    """Access that a principal is known to hold without a grant: `access/standing/`."""

    target: TargetId
    role: RoleId


class Finding(StrEnum):
    """What the review of an emergency found."""

    JUSTIFIED = "justified"
    MISUSED = "misused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """The review of one use of emergency access: `access/reviews/<subject>/<name>.yaml`."""

    path: str
    subject: str
    grant: GrantId
    commit: str
    """The commit that added the grant: a path may be used again, each use is reviewed."""

    finding: Finding
    notes: str
