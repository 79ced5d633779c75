"""A proven grant that is alive."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.values.catalogue import Entitlement
from pipeline.values.grant import Grant, Window


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveGrant:
    """A proven grant with its window and what it gives."""

    grant: Grant
    window: Window
    entitlements: tuple[Entitlement, ...]
