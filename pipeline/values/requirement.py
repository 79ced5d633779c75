"""The approvals that policy asks for before a request is merged."""

from __future__ import annotations

from collections.abc import Iterable
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


def merged(steps: Iterable[Requirement]) -> tuple[Requirement, ...]:
    """Returns the steps that satisfy all of *steps*, sorted: of equal ones the larger count."""
    found: dict[tuple[int, str, tuple[str, ...], tuple[str, ...]], Requirement] = {}
    for step in steps:
        key = (step.order, step.id, step.teams, step.people)
        if key not in found or found[key].count < step.count:
            found[key] = step
    return tuple(found[key] for key in sorted(found))
