"""Asks the forge what must be known of a pull request's reviewers before they are counted.

Whom they may stand for is asked too: who lends a right must have it now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from pipeline.approvals.membership import Membership
from pipeline.approvals.pushers import Contributed, every_push, pushers_of, refuse_bots
from pipeline.approvals.tally import Authority, Requirement, Voter
from pipeline.errors import Denied
from pipeline.values.catalogue import Catalogue, Delegation, PrincipalKind
from pipeline.values.pull_request import (
    Actor,
    Checker,
    CheckRun,
    Dismissal,
    ForgeReader,
    PullEvents,
    PullRequest,
    Review,
    runs_of,
)

_DECISIVE = frozenset({"APPROVED", "CHANGES_REQUESTED", "DISMISSED"})


class Gathered(NamedTuple):
    """The reviews, the reviewers and those shut out, as `tally` needs them."""

    reviews: tuple[Review, ...]
    electorate: Mapping[int, Voter]
    excluded: Mapping[int, str]
    base_changed: datetime | None = None
    """When the pull request's base was changed last; None where it never was."""

    runs: tuple[CheckRun, ...] = ()
    """The finished check runs of the head; empty where nobody reviewed."""


def gather(
    reader: ForgeReader,
    pull: PullRequest,
    catalogue: Catalogue,
    required: Sequence[Requirement],
    *,
    checker: Checker,
    app_id: int | None = None,
    membership: Membership | None = None,
    interested: Mapping[int, str] | None = None,
    contributed: Contributed = every_push,
) -> Gathered:
    """Returns the reviews of *pull*, what is known of those who wrote them, and who may not
    approve it.

    *app_id* is the account of the App that may push to branches of its own. A required team that
    nobody can be in is noted by *membership*, which is made anew where none is given. *interested*
    says by GitHub id why someone is party to the request ("is the subject", "asked for it"); the
    author and everyone who pushed what *contributed* leaves of the pushes to the branch are added
    here.

    Raises `Denied` where the author or the pushers cannot be known (a deleted account, a fork, a
    bot), `ForgeError` where the forge did not answer in full.
    """
    if pull.author is None:
        raise Denied(
            f"#{pull.number} was opened by an account that is gone, so nobody can be told "
            f"from its author",
            hint="open it again",
        )
    if not pull.same_repository:
        raise Denied(
            f"#{pull.number} comes from a fork: who pushed to it is unknowable",
            hint="push the branch to this repository",
        )
    excluded = dict(interested or {})
    excluded.setdefault(pull.author.id, "opened the pull request")
    pushers = pushers_of(reader, pull, contributed)
    refuse_bots(pull, pushers, app_id=app_id)
    for actor in pushers:
        excluded.setdefault(actor.id, "pushed to its branch")
    reviews = reader.reviews(pull.number)
    # Nothing that happened changes what nobody said.
    events = reader.events(pull.number) if reviews else PullEvents()
    runs = runs_of(reader, checker, pull.head_sha) if reviews else ()
    if pull.merged_at is not None:
        reviews = as_of_merge(reviews, events.dismissals, merged_at=pull.merged_at)
    if membership is None:
        membership = Membership(reader, catalogue.teams)
    named = {team for requirement in required for team in requirement.teams}
    teams = [team.slug for team in membership.usable(named)]
    authors = {
        review.author.id: review.author
        for review in reviews
        if review.author is not None and review.state in _DECISIVE
    }
    approved: dict[int, list[datetime]] = {}
    for review in reviews:
        if review.author and review.state == "APPROVED" and review.commit == pull.head_sha:
            approved.setdefault(review.author.id, []).append(review.submitted_at)
    electorate = {
        number: _voter(
            reader, membership, actor, catalogue, teams, approved.get(number, ()), excluded
        )
        for number, actor in sorted(authors.items())
        if number not in excluded
    }
    base_changed = max(events.base_changes, default=None)
    return Gathered(reviews, electorate, excluded, base_changed, runs)


def as_of_merge(
    reviews: Sequence[Review], dismissals: Sequence[Dismissal], *, merged_at: datetime
) -> tuple[Review, ...]:
    """Returns *reviews* as they stood at the merge: what was dismissed later had counted."""
    later = {one.review: one.state for one in dismissals if one.at > merged_at}
    return tuple(
        replace(one, state=later[one.id]) if one.state == "DISMISSED" and one.id in later else one
        for one in reviews
    )


def _voter(
    reader: ForgeReader,
    membership: Membership,
    actor: Actor,
    catalogue: Catalogue,
    teams: Sequence[str],
    approved: Sequence[datetime],
    excluded: Mapping[int, str],
) -> Voter:
    person = catalogue.person(actor.id)
    if person is None or actor.type != "User" or not reader.can_write(actor):
        # Nothing more is asked of GitHub about someone who cannot count.
        return Voter(principal=person.name if person else None)
    return Voter(
        principal=person.name,
        teams=membership.teams_of(actor, teams),
        can_write=True,
        stands_for=tuple(
            _authority(reader, membership, one, catalogue, teams, approved, excluded)
            for one in catalogue.delegations
            if approved and one.delegate == person.name and one.delegator != person.name
        ),
    )


def _authority(
    reader: ForgeReader,
    membership: Membership,
    delegation: Delegation,
    catalogue: Catalogue,
    teams: Sequence[str],
    approved: Sequence[datetime],
    excluded: Mapping[int, str],
) -> Authority:
    """Returns the authority that *delegation* passes on now; asks nothing where it is useless."""
    name = delegation.delegator
    delegator = catalogue.principals.get(name)
    number = delegator.github_id if delegator else None
    if delegator is None or delegator.kind is not PrincipalKind.PERSON or delegator.disabled:
        bar = f"{name} is no enabled person in access/principals"
        return Authority(delegation=delegation, account=number, bar=bar)
    if number is None or number in excluded or not any(map(delegation.holds, approved)):
        return Authority(delegation=delegation, account=number)
    # A login that changed hands must not bring its new owner's teams along.
    account = reader.account(number)
    if account is None or account.type != "User":
        bar = f"{name}'s GitHub account is gone or no person's"
        return Authority(delegation=delegation, account=number, bar=bar)
    if not reader.can_write(account):
        bar = f"{name} has no write permission on the repository"
        return Authority(delegation=delegation, account=number, bar=bar)
    return Authority(
        delegation=delegation,
        account=number,
        teams=membership.teams_of(account, teams),
    )
