"""Canonical JSON, its digest, and moments as text: equal values give equal texts."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any


def canonical(value: Any) -> str:
    """Returns *value* as canonical JSON: sorted keys, no white space, UTF-8 as is.

    Raises `ValueError` for NaN and infinities, `TypeError` for what JSON does not know.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(value: Any) -> str:
    """Returns the SHA-256, in hex, of *value*'s canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def timestamp(moment: datetime) -> str:
    """Returns *moment* as clouds read it: UTC, whole seconds, `2026-11-20T18:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
