"""One grant that a pull request changes, and what would come of it."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.history.proven import Proven
from pipeline.values.binding import Binding
from pipeline.values.catalogue import Entitlement
from pipeline.values.grant import Grant, Window
from pipeline.values.grant_change import GrantChange


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangedGrant:
    """One grant that a pull request changes."""

    path: str
    change: GrantChange
    grant: Grant
    """As asked for; of a deletion, as it was."""

    previous: Proven | None
    window: Window | None
    """As it would be if merged at the moment judged."""

    entitlements: tuple[Entitlement, ...]
    bindings: tuple[Binding, ...]
    """What the clouds would hold because of it; empty for a deletion."""
