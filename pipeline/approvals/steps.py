"""The steps of approval: what policy asks for, who may fill it, and what is in the way. Pure.

Which way of filling them is taken is found in `seating.py`, which reviews count at all in
`approvals.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pipeline.approvals.seating import Ballot, Moment, Place, Seating
from pipeline.values.catalogue import Delegation
from pipeline.values.requirement import Requirement


@dataclass(frozen=True, kw_only=True, slots=True)
class Authority:
    """The authority that a delegation passes on: where the delegator could fill a place."""

    delegation: Delegation
    account: int | None
    """GitHub id of the delegator, who may be excluded here; None where it is unknown."""

    teams: frozenset[str] = frozenset()
    """Of the teams asked about: those with an active membership of the delegator."""

    bar: str = ""
    """Why the delegator, who could not approve either, passes nothing on; empty if they do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Voter:
    """A reviewer as the catalogue and GitHub know them now."""

    principal: str | None
    """Name of the enabled principal of kind person with this GitHub id, if there is one."""

    teams: frozenset[str] = frozenset()
    """Of the teams asked about: those with an active membership."""

    can_write: bool = False
    stands_for: tuple[Authority, ...] = ()
    """Delegations to this person, whenever they hold."""


class Seat(NamedTuple):
    """A place filled, for people: `carol`, or `carol for bob`."""

    principal: str
    authority: str
    """The principal themself, or the delegator they stand for."""

    def __str__(self) -> str:
        if self.authority == self.principal:
            return self.principal
        return f"{self.principal} for {self.authority}"


class ApprovalStep(NamedTuple):
    """One requirement, and the people who fill it so far."""

    requirement: Requirement
    seats: tuple[Seat, ...]
    """Who fills a place, sorted."""

    missing: int
    waits_for: tuple[str, ...]
    """Ids of the steps of lower orders that are not complete yet, sorted."""

    @property
    def people(self) -> tuple[str, ...]:
        """Principals who fill a place, sorted."""
        return tuple(one.principal for one in self.seats)


def ballots_of(
    required: Sequence[Requirement],
    name: str,
    voter: Voter,
    approved: tuple[Moment, ...],
    excluded: Mapping[int, str],
    moment: datetime,
) -> tuple[Ballot, ...]:
    """Returns the ways in which a person's approval may be used, their own first."""
    ballots = [Ballot(name, _may_fill(required, name, voter.teams), approved)]
    lent: dict[str, set[Moment]] = {}
    teams: dict[str, frozenset[str]] = {}
    for authority in voter.stands_for:
        delegation = authority.delegation
        if delegation.delegate != name or _unlent(authority, approved, excluded, moment):
            continue
        held = {one for one in approved if delegation.holds(one[0])}
        lent.setdefault(delegation.delegator, set()).update(held)
        teams[delegation.delegator] = authority.teams
    ballots.extend(
        Ballot(delegator, _may_fill(required, delegator, teams[delegator]), tuple(sorted(held)))
        for delegator, held in sorted(lent.items())
        if delegator != name
    )
    return tuple(ballots)


def steps_of(
    required: Sequence[Requirement], places: Mapping[str, Place]
) -> tuple[ApprovalStep, ...]:
    """Returns how far each of *required* is filled, in the order required."""
    seats = [
        tuple(Seat(name, place.authority) for name, place in places.items() if place.step == index)
        for index in range(len(required))
    ]
    missing = [one.count - len(sitting) for one, sitting in zip(required, seats, strict=True)]
    return tuple(
        ApprovalStep(
            requirement,
            seats[index],
            missing[index],
            tuple(
                sorted(
                    {
                        lower.id
                        for lower, lacking in zip(required, missing, strict=True)
                        if lacking and lower.order < requirement.order
                    }
                )
            ),
        )
        for index, requirement in enumerate(required)
    )


def too_early(
    steps: Sequence[ApprovalStep],
    places: Mapping[str, Place],
    ballots: Mapping[str, Sequence[Ballot]],
) -> dict[str, str]:
    """Returns why the approval of some fills no place although their step has one: it came
    before the steps of lower orders were complete."""
    taken = {place.authority for place in places.values()}
    complete = {
        index: max(place.moment for place in places.values() if place.step == index)
        for index, step in enumerate(steps)
        if not step.missing
    }
    early = {}
    for name, ways in ballots.items():
        if name in places:
            continue
        before: set[int] = set()
        for ballot in ways:
            if ballot.authority in taken:
                continue
            for index in ballot.steps:
                before |= {
                    lower
                    for lower, step in enumerate(steps)
                    if steps[index].missing
                    and step.requirement.order < steps[index].requirement.order
                    and (lower not in complete or complete[lower] >= ballot.moments[-1])
                }
        if before:
            names = sorted({steps[lower].requirement.id for lower in before})
            wait = "" if before <= complete.keys() else " once that is so"
            early[name] = (
                f"approved before {'steps' if len(names) > 1 else 'step'} {listed(names)} "
                f"{'were' if len(names) > 1 else 'was'} complete; approve again{wait}"
            )
    return early


def notes_on(
    people: Mapping[str, Voter],
    approved: Mapping[str, Sequence[Moment]],
    excluded: Mapping[int, str],
    moment: datetime,
    seating: Seating,
) -> Iterator[str]:
    """Returns notes on delegations to those who fill no place."""
    taken = {place.authority: name for name, place in seating.places.items()}
    for name, voter in people.items():
        if name in seating.places:
            continue
        for authority in voter.stands_for:
            delegator = authority.delegation.delegator
            why = _unlent(authority, approved[name], excluded, moment)
            if not why and delegator in taken:
                why = f"{taken[delegator]} fills that place"
            if why:
                yield f"{name} does not count for {delegator}: {why}"
    for name, delegator in seating.ignored:
        yield f"{name} was not considered for {delegator}: too many people stand for others"
    if seating.cut_short:
        yield "there are too many ways to fill the steps, not all were tried; ask on a new request"


def _unlent(
    authority: Authority,
    approved: Sequence[Moment],
    excluded: Mapping[int, str],
    moment: datetime,
) -> str:
    """Why a delegation gives nothing here; empty if it does."""
    delegation = authority.delegation
    if authority.bar:
        return authority.bar
    if authority.account is None:
        return f"{delegation.delegator} has no GitHub account"
    if authority.account in excluded:
        return f"{delegation.delegator} {excluded[authority.account]}"
    if not delegation.holds(moment):
        return f"{delegation.name} {'has ended' if moment >= delegation.end else 'is to come'}"
    if not any(delegation.holds(time) for time, _ in approved):
        return f"the approval is older than {delegation.name}; approve again"
    return ""


def _may_fill(required: Sequence[Requirement], name: str, teams: frozenset[str]) -> frozenset[int]:
    return frozenset(
        index
        for index, one in enumerate(required)
        if name in one.people or not teams.isdisjoint(one.teams)
    )


def listed(names: Sequence[str]) -> str:
    """Returns *names* as people list them: `a, b and c`."""
    return " and ".join([*([", ".join(names[:-1])] if names[:-1] else []), *names[-1:]])
