"""Asks the forge what must be known of a pull request's reviewers before they are counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pipeline.errors import Denied
from pipeline.judge.approvals import Requirement, Voter
from pipeline.judge.pulls import Actor, ForgeReader, PullRequest, Review
from pipeline.model import Catalogue

_DECISIVE = frozenset({"APPROVED", "CHANGES_REQUESTED", "DISMISSED"})


class Gathered(NamedTuple):
    """What `tally` needs, as of now."""

    reviews: tuple[Review, ...]
    electorate: Mapping[int, Voter]
    excluded: Mapping[int, str]


def gather(
    reader: ForgeReader,
    pull: PullRequest,
    catalogue: Catalogue,
    required: Sequence[Requirement],
    *,
    interested: Mapping[int, str] | None = None,
) -> Gathered:
    """Returns the reviews of *pull*, what is known of those who wrote them, and who may not
    approve it.

    *interested* says by GitHub id why someone is party to the request ("is the subject",
    "asked for it"); the author and everyone who pushed to the branch are added here.

    Raises `Denied` where the author or the pushers cannot be known (a deleted account, a
    fork), `ForgeError` where the forge did not answer in full.
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
    for actor in reader.pushers(pull.head_ref, until=pull.merged_at):
        excluded.setdefault(actor.id, "pushed to its branch")
    reviews = reader.reviews(pull.number)
    teams = sorted({team for requirement in required for team in requirement.teams})
    authors = {
        review.author.id: review.author
        for review in reviews
        if review.author is not None and review.state in _DECISIVE
    }
    electorate = {
        number: _voter(reader, actor, catalogue, teams)
        for number, actor in sorted(authors.items())
        if number not in excluded
    }
    return Gathered(reviews, electorate, excluded)


def _voter(reader: ForgeReader, actor: Actor, catalogue: Catalogue, teams: Sequence[str]) -> Voter:
    person = catalogue.person(actor.id)
    if person is None or actor.type != "User" or not reader.can_write(actor):
        # Nothing more is asked of GitHub about someone who cannot count.
        return Voter(principal=person.name if person else None)
    return Voter(
        principal=person.name,
        teams=frozenset(team for team in teams if reader.in_team(team, actor)),
        can_write=True,
    )
