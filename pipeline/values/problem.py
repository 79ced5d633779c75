"""Malformed or inconsistent data, and its place in a file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Problem:
    """Malformed or inconsistent data, at its place."""

    path: str
    """Repository path of the file."""

    line: int
    """One-based."""

    column: int
    """One-based, in characters."""

    code: str
    """Stable, lower-case, dashed: `unknown-key`."""

    message: str
    """What is wrong, which limit, and the way out."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.message}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """Where a field stands in its file; one-based."""

    line: int
    column: int
