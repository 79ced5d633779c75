"""Compares two evaluations of one request: with the policies as they are, and changed.

And what came of it for many requests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from pipeline.policy.answer import Evaluation
from pipeline.values.grant import Grant
from pipeline.values.problem import Problem
from pipeline.values.requirement import Requirement


class Turn(StrEnum):
    """One way in which an answer can differ."""

    DENIED = "denied"
    """It was not denied and is now."""

    ALLOWED = "allowed"
    """It was denied and is no more."""

    BY_ITSELF = "merges-by-itself"
    """People had to approve, and nobody has to."""

    WAITS = "waits-for-people"
    """It merged by itself, and people have to approve."""

    MORE = "more-reviewers"
    FEWER = "fewer-reviewers"
    OTHER = "other-reviewers"
    """Neither more nor fewer of the same: other teams or people, another order, or others
    who may not approve."""

    CODES = "codes"
    """Rules speak that were silent, or are silent that spoke."""


class RuleFinding(NamedTuple):
    """A rule that spoke, without its words."""

    code: str
    binding: int
    """Index into the grant's access, or -1 for the grant as a whole."""

    warning: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Flip:
    """The difference between two answers to one request."""

    turns: tuple[Turn, ...]
    """At least one, in the order of `Turn`."""

    appeared: tuple[RuleFinding, ...]
    disappeared: tuple[RuleFinding, ...]


def compare(before: Evaluation, after: Evaluation) -> Flip | None:
    """Returns how *after* differs from *before*, two answers to one request; None if in nothing
    that counts.

    What counts is in `Turn`. Words and values do not: a limit that moved counts where it
    changes what somebody gets. Of what is denied both times, reviewers are compared too:
    what denies it may be about to go.
    """
    turns: set[Turn] = set()
    was_denied, is_denied = bool(before.violations), bool(after.violations)
    if was_denied != is_denied:
        turns.add(Turn.DENIED if is_denied else Turn.ALLOWED)
    elif before.merges_by_itself != after.merges_by_itself:
        turns.add(Turn.BY_ITSELF if after.merges_by_itself else Turn.WAITS)
    turns |= _reviewers(before.approvals, after.approvals)
    if before.excluded != after.excluded:
        turns.add(Turn.OTHER)
    said, says = _findings(before), _findings(after)
    if said != says:
        turns.add(Turn.CODES)
    if not turns:
        return None
    return Flip(
        turns=tuple(turn for turn in Turn if turn in turns),
        appeared=tuple(sorted(says - said)),
        disappeared=tuple(sorted(said - says)),
    )


def _reviewers(before: Sequence[Requirement], after: Sequence[Requirement]) -> set[Turn]:
    """Returns the people of each kind that have to approve; names and reasons of steps aside."""
    had, has = _people(before), _people(after)
    if had == has:
        return set()
    if had <= has:
        return {Turn.MORE}
    return {Turn.FEWER} if has <= had else {Turn.OTHER}


def _people(steps: Sequence[Requirement]) -> Counter[tuple[int, tuple[str, ...], tuple[str, ...]]]:
    found: Counter[tuple[int, tuple[str, ...], tuple[str, ...]]] = Counter()
    for step in steps:
        found[step.order, step.teams, step.people] += step.count
    return found


def _findings(evaluation: Evaluation) -> set[RuleFinding]:
    return {
        RuleFinding(code=one.code, binding=one.binding, warning=warning)
        for ones, warning in ((evaluation.violations, False), (evaluation.warnings, True))
        for one in ones
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayedQuestion:
    """A request that can be put to any policies."""

    commit: str | None
    """The one that brought this version; None for what lies in the working tree."""

    at: datetime
    """The moment it is judged as of."""

    grant: Grant
    document: Mapping[str, Any]
    """See `question.input_document`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unasked:
    """A grant about which no question can be put."""

    commit: str | None
    path: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NoDecision:
    """A question on which policies gave no decision."""

    commit: str | None
    path: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A question that both policies answered."""

    question: ReplayedQuestion
    before: Evaluation
    after: Evaluation
    flip: Flip | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Simulation:
    """The results for all requests, in their order."""

    results: tuple[Judged | Unasked | NoDecision, ...]

    @property
    def judged(self) -> tuple[Judged, ...]:
        """The requests that both sets of policies answered."""
        return tuple(one for one in self.results if isinstance(one, Judged))

    @property
    def flips(self) -> tuple[tuple[Judged, Flip], ...]:
        """The requests that they answered differently."""
        return tuple((one, one.flip) for one in self.judged if one.flip is not None)

    @property
    def not_judged(self) -> tuple[Unasked | NoDecision, ...]:
        """Everything else."""
        return tuple(one for one in self.results if not isinstance(one, Judged))

    @property
    def unsure(self) -> bool:
        """Whether no conclusion may be drawn: policies gave no decision on something, or
        nothing could be judged of all that there is, or of the history that there is."""
        if any(isinstance(one, NoDecision) for one in self.not_judged):
            return True
        lost = any(one.commit for one in self.not_judged)
        known = any(one.question.commit for one in self.judged)
        return bool(self.not_judged) and (not self.judged or (lost and not known))


def first_told(problems: Sequence[Problem]) -> str:
    """Returns the first problem, and how many more there are."""
    first, *more = problems
    return f"{first} (and {len(more)} more)" if more else str(first)
