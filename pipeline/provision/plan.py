"""What must change so that the clouds hold what git says: a pure comparison, with a digest."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipeline.model import Binding


class Kind(StrEnum):
    """What a change does."""

    DELETE = "delete"
    UPDATE = "update"
    CREATE = "create"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One create, update in place or delete of a binding."""

    kind: Kind
    binding: Binding
    """As desired; for a delete, as observed."""

    before: Binding | None = None
    """As observed, for an update."""
