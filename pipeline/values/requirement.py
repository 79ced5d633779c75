"""The approvals that policy asks for before a request is merged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirement:
    """One step of approval that policy asks for: *count* people of any of these."""

    id: str
    teams: tuple[str, ...] = ()
    """GitHub team slugs."""

    people: tuple[str, ...] = ()
    """Names of principals."""

    count: int
    because: str
    """Why policy asks for it, for people."""

    order: int = 1
    """Steps of a higher order are given after all steps of lower ones are complete."""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"approval step {self.id!r} asks for {self.count} people")
