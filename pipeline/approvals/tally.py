"""Which reviews count for which commit, and who is still missing. Pure: facts come in.

GitHub lets anyone who can read approve, keeps approvals across pushes, and counts machine
accounts as users. Here an approval counts only if every condition is known to hold; what
is not known counts against it. Who sits where is found in `seating.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from pipeline.approvals.seating import MOST_ORDERS, Ask, Moment, seat
from pipeline.approvals.steps import (
    ApprovalStep,
    Authority,
    Seat,
    Voter,
    ballots_of,
    listed,
    notes_on,
    steps_of,
    too_early,
)
from pipeline.values.requirement import Requirement

if TYPE_CHECKING:
    from pipeline.values.pull_request import Review

__all__ = [
    "CLOCK_SKEW",
    "MAX_AGE",
    "MOST_ORDERS",
    "Approvals",
    "Authority",
    "Counted",
    "Rejected",
    "Requirement",
    "Seat",
    "ApprovalStep",
    "Voter",
    "tally",
]

MAX_AGE = timedelta(hours=24)
"""An approval older than this, at the merge or now, does not count."""

CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead of our clock GitHub's may run."""

_SILENT = frozenset({"COMMENTED", "PENDING"})


class Counted(NamedTuple):
    """A review that counts, and whose it is."""

    review: Review
    principal: str


class Rejected(NamedTuple):
    """A review that does not count, and why, for people."""

    review: Review
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Approvals:
    """The count."""

    counted: tuple[Counted, ...]
    """By principal. Who counts may still fill no place: nobody asked for them."""

    rejected: tuple[Rejected, ...]
    """The last word of everyone else, by time."""

    blocking: tuple[Rejected, ...]
    """Standing requests for changes; also in *rejected*."""

    steps: tuple[ApprovalStep, ...]
    """In the order required."""

    complete: bool
    notes: tuple[str, ...] = ()
    """Why delegations were of no use, for people; empty once it is complete."""

    @property
    def given(self) -> tuple[str, ...]:
        """The people who fill a place, sorted and in words: `bob`, `carol for dave`."""
        return tuple(sorted({str(seat) for step in self.steps for seat in step.seats}))

    @property
    def spare(self) -> tuple[str, ...]:
        """Principals who count and fill no place, sorted."""
        seated = {name for step in self.steps for name in step.people}
        return tuple(sorted({one.principal for one in self.counted} - seated))

    @property
    def missing(self) -> tuple[str, ...]:
        """The approvals that are still missing, in words; empty if complete.

        First what can be given now, then what comes after it.
        """
        lines = [
            f"{step.missing} more of {_who(step.requirement)} must approve: "
            f"{step.requirement.because}"
            for step in self.steps
            if step.missing and not step.waits_for
        ]
        lines.extend(
            f"{step.requirement.id} after {listed(step.waits_for)}: {step.requirement.because}"
            for step in self.steps
            if step.waits_for
        )
        lines.extend(why for _, why in self.blocking)
        if not lines and not self.complete:
            lines.append("no approval is required, which nothing says is right")
        return tuple(lines)


def tally(
    reviews: Iterable[Review],
    *,
    head: str,
    required: Sequence[Requirement],
    electorate: Mapping[int, Voter],
    excluded: Mapping[int, str],
    at: datetime,
    on_show: Sequence[tuple[datetime, datetime | None]],
    merged_at: datetime | None = None,
    max_age: timedelta = MAX_AGE,
    base_changed: datetime | None = None,
    none_required: bool = False,
) -> Approvals:
    """Returns which *reviews* count for the commit *head* and what is missing.

    *electorate* is by GitHub id: a reviewer without an entry is unknown and does not count.
    *excluded* says by GitHub id why someone may not approve here ("opened the pull
    request"). *on_show* are the times during which what would be given now was what the last check
    showed: each after one moment and before another, or until now. *base_changed* is when the pull
    request was last given another base branch. Only what was approved during one of these times,
    and after that second, counts. Of each person only the last review that is not a
    comment speaks. After the merge, the count is as of *merged_at*: later reviews are as if they
    were not there.
    One person fills one place in one step, and so does one authority: somebody who stands
    for another leaves no place to them. A place of a higher order is filled by an approval
    given after all steps of lower orders were complete; approving again takes nothing
    away, as every approval of an unbroken run may fill the place. A standing request for
    changes, on whatever commit, by someone eligible or unknown keeps it incomplete. With
    nothing required it is complete only if the caller says so by *none_required*.

    Raises `ValueError` for naive times and for more than `MOST_ORDERS` distinct orders.
    """
    moment = at if merged_at is None else merged_at
    if at.tzinfo is None or moment.tzinfo is None:
        raise ValueError("counting approvals needs times with an offset")
    since = _Since(tuple(on_show), base_changed)
    rejected: list[Rejected] = []
    counted: dict[str, Counted] = {}
    approved: dict[str, tuple[Moment, ...]] = {}
    blocking: list[Rejected] = []
    spoken, ignored = _spoken(reviews, merged_at)
    rejected.extend(ignored)
    for words in spoken:
        review = words[-1]
        bar = _bar(review, electorate, excluded)
        if review.state == "CHANGES_REQUESTED" and (
            bar is None or _is_unknown(review, electorate, excluded)
        ):
            blocking.append(Rejected(review, f"{_name(review)} asks for changes"))
            rejected.append(blocking[-1])
            continue
        why = bar or _fault(review, head, moment, max_age, since)
        principal = _principal(review, electorate)
        if why is None and principal in counted:
            why = f"{_name(review)} is {principal}, who has approved with another account"
        if why is not None or principal is None:
            rejected.append(Rejected(review, why or f"{_name(review)} is unknown"))
            continue
        counted[principal] = Counted(review, principal)
        approved[principal] = _unbroken(words, head, since)
    people = {
        name: electorate[one.review.author.id]
        for name, one in sorted(counted.items())
        if one.review.author is not None
    }
    ballots = {
        name: ballots_of(required, name, voter, approved[name], excluded, moment)
        for name, voter in people.items()
    }
    seating = seat([Ask(one.order, one.count) for one in required], ballots)
    steps = steps_of(required, seating.places)
    filled = bool(steps) and not any(step.missing for step in steps)
    early = too_early(steps, seating.places, ballots)
    rejected.extend(
        Rejected(counted[name].review, f"{_name(counted[name].review)} {why}")
        for name, why in early.items()
    )
    return Approvals(
        counted=tuple(counted[name] for name in people if name not in early),
        rejected=tuple(sorted(rejected, key=lambda one: _order(one.review))),
        blocking=tuple(blocking),
        steps=steps,
        complete=(filled or (none_required and not steps)) and not blocking,
        notes=() if filled else tuple(notes_on(people, approved, excluded, moment, seating)),
    )


def _spoken(
    reviews: Iterable[Review], merged_at: datetime | None
) -> tuple[list[list[Review]], list[Rejected]]:
    """Returns each account's reviews that say something, by the last of them, and those that
    cannot speak."""
    spoken: dict[int, list[Review]] = {}
    ignored: list[Rejected] = []
    for review in sorted(reviews, key=_order):
        if review.state in _SILENT:
            continue
        if review.author is None:
            ignored.append(Rejected(review, "the reviewer's account is gone"))
        elif merged_at is not None and review.submitted_at > merged_at:
            ignored.append(
                Rejected(review, f"{_name(review)} reviewed after the merge: it came too late")
            )
        else:
            spoken.setdefault(review.author.id, []).append(review)
    return sorted(spoken.values(), key=lambda words: _order(words[-1])), ignored


class _Since(NamedTuple):
    """The moments between and after which an approval must have come."""

    on_show: tuple[tuple[datetime, datetime | None], ...]
    base_changed: datetime | None

    def fault(self, review: Review) -> str | None:
        """Why *review* came too early."""
        # GitHub's times are whole seconds: within one, nobody knows which came first.
        if self.base_changed is not None and review.submitted_at <= self.base_changed:
            return "before the pull request got another base branch: approve again"
        if not self.on_show:
            return "what no check had shown: approve again once the check has finished"
        at = review.submitted_at
        if not any(since < at and (until is None or at < until) for since, until in self.on_show):
            return "while the check did not show what this would give now: approve again"
        return None


def _unbroken(words: Sequence[Review], head: str, since: _Since) -> tuple[Moment, ...]:
    """When this account approved *head* and what it was shown to give, since the last time that it
    said anything else."""
    run = takewhile(
        lambda one: one.state == "APPROVED" and one.commit == head and not since.fault(one),
        reversed(words),
    )
    return tuple(sorted(_order(one) for one in run))


def _bar(
    review: Review, electorate: Mapping[int, Voter], excluded: Mapping[int, str]
) -> str | None:
    """Why this person may not approve here, whatever they say."""
    author = review.author
    if author is None:
        return "the reviewer's account is gone"
    if author.type != "User":
        return f"{author.login} is a {author.type}, not a person"
    if author.id in excluded:
        return f"{author.login} {excluded[author.id]}, and nobody approves their own request"
    voter = electorate.get(author.id)
    if voter is None:
        return f"nothing is known of {author.login}"
    if voter.principal is None:
        return f"{author.login} is no enabled person in access/principals"
    if not voter.can_write:
        return f"{author.login} has no write permission on the repository"
    return None


def _is_unknown(
    review: Review, electorate: Mapping[int, Voter], excluded: Mapping[int, str]
) -> bool:
    # Facts that were not asked for must not silence an objection.
    author = review.author
    return author is not None and author.id not in electorate and author.id not in excluded


def _fault(
    review: Review,
    head: str,
    moment: datetime,
    max_age: timedelta,
    since: _Since,
) -> str | None:
    """Why this review is no approval of *head* and what it was shown to give."""
    name = _name(review)
    if review.state != "APPROVED":
        return f"{name}'s last review says {review.state.lower().replace('_', ' ')}"
    if review.commit != head:
        seen = review.commit[:7] if review.commit else "a commit that is gone"
        return f"{name} approved {seen}, head is {head[:7]}"
    if early := since.fault(review):
        return f"{name} approved {early}"
    if moment - review.submitted_at > max_age:
        hours = max_age / timedelta(hours=1)
        return f"{name} approved more than {hours:g} hours ago"
    if review.submitted_at - moment > CLOCK_SKEW:
        return f"{name}'s approval is dated in the future"
    return None


def _principal(review: Review, electorate: Mapping[int, Voter]) -> str | None:
    voter = electorate.get(review.author.id) if review.author else None
    return voter.principal if voter else None


def _order(review: Review) -> tuple[datetime, int]:
    # Ids grow, and times are whole seconds.
    return (review.submitted_at, review.id)


def _name(review: Review) -> str:
    return review.author.login if review.author else "someone"


def _who(requirement: Requirement) -> str:
    return " or ".join([*requirement.teams, *requirement.people]) or "nobody in particular"
