"""What holds of every count: with steps in order, people who stand for others, exclusions."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.approvals.tally import Approvals, Authority, Requirement, Voter, tally
from pipeline.values.catalogue import Delegation
from pipeline.values.pull_request import Actor, Review
from tests.unit.support_reviews import HEAD, LONG_AGO, NOW, OLD, review

TEAMS = ("red", "green")
VOTERS = range(1, 5)
ABSENT = range(5, 7)
"""Who lends without ever reviewing."""


def actor(number: int) -> Actor:
    return Actor(id=number, login=f"u{number}", type="User")


def number_of(name: str) -> int:
    return int(name[1:])


@dataclass(frozen=True, kw_only=True)
class Case:
    """All that a count depends on. Ids and principals agree: account 3 is u3."""

    reviews: tuple[Review, ...]
    required: tuple[Requirement, ...]
    teams: Mapping[int, frozenset[str]]
    writers: frozenset[int]
    delegations: tuple[Delegation, ...]
    excluded: frozenset[int]

    def electorate(self) -> dict[int, Voter]:
        return {
            number: Voter(
                principal=f"u{number}",
                teams=self.teams[number],
                can_write=number in self.writers,
                stands_for=tuple(
                    Authority(
                        delegation=one,
                        account=number_of(one.delegator),
                        teams=self.teams[number_of(one.delegator)],
                    )
                    for one in self.delegations
                    if one.delegate == f"u{number}"
                ),
            )
            for number in VOTERS
        }

    def count(self) -> Approvals:
        return tally(
            self.reviews,
            head=HEAD,
            required=self.required,
            electorate=self.electorate(),
            excluded=dict.fromkeys(self.excluded, "pushed"),
            at=NOW,
            on_show=[(LONG_AGO, None)],
        )


_everyone = st.sampled_from([*VOTERS, *ABSENT])
_teams = st.fixed_dictionaries(
    {
        number: st.sampled_from([frozenset({"red"}), frozenset({"green"}), frozenset(TEAMS)])
        if number in ABSENT
        else st.frozensets(st.sampled_from(TEAMS))
        for number in (*VOTERS, *ABSENT)
    }
)
_required = st.lists(
    st.tuples(
        st.sampled_from([("red",), ("green",), ("red", "green"), ()]),
        st.lists(_everyone, min_size=1, max_size=2),
        st.sampled_from([1, 1, 1, 2]),
        st.integers(min_value=1, max_value=3),
    ),
    min_size=2,
    max_size=3,
).map(
    lambda rows: tuple(
        Requirement(
            id=f"s{index}",
            teams=tuple(teams),
            people=tuple(f"u{one}" for one in people),
            count=count,
            because="so",
            order=order,
        )
        for index, (teams, people, count, order) in enumerate(rows)
    )
)
_delegations = st.lists(
    st.tuples(
        _everyone,
        st.sampled_from(VOTERS),
        st.sampled_from([60, 60, 60, 15, 5]),
        st.sampled_from([60, 60, 60, -2]),
    ),
    max_size=4,
).map(
    lambda rows: tuple(
        Delegation(
            name=f"d{index}",
            delegator=f"u{delegator}",
            delegate=f"u{delegate}",
            start=NOW - timedelta(minutes=before),
            end=NOW + timedelta(minutes=after),
            reason="away",
        )
        for index, (delegator, delegate, before, after) in enumerate(rows)
    )
)


def _reviews(
    states: Sequence[str], commits: Sequence[str]
) -> st.SearchStrategy[tuple[Review, ...]]:
    return st.lists(
        st.tuples(
            st.sampled_from(VOTERS),
            st.sampled_from(states),
            st.sampled_from(commits),
            # Few minutes, so that reviews share one; some more than a day ago.
            st.sampled_from([*range(1, 12), 25 * 60]),
        ),
        min_size=3,
        max_size=8,
    ).map(
        lambda rows: tuple(
            review(actor(who), state, id=index, commit=commit, minutes_ago=ago)
            for index, (who, state, commit, ago) in enumerate(rows)
        )
    )


def _cases(
    reviews: st.SearchStrategy[tuple[Review, ...]],
    delegations: st.SearchStrategy[tuple[Delegation, ...]] = _delegations,
) -> st.SearchStrategy[Case]:
    return st.builds(
        Case,
        reviews=reviews,
        required=_required,
        teams=_teams,
        writers=st.sampled_from([frozenset(VOTERS)] * 3 + [frozenset({1, 2, 3})]),
        delegations=delegations,
        excluded=st.frozensets(_everyone, max_size=1),
    )


_any = _cases(
    _reviews(["APPROVED"] * 7 + ["CHANGES_REQUESTED", "COMMENTED", "DISMISSED"], [HEAD] * 7 + [OLD])
)
_agreed = _cases(_reviews(["APPROVED"], [HEAD]))
# One person lends to many, so that nearly every count has to choose between delegates.
_crowded = _cases(
    _reviews(["APPROVED"], [HEAD]),
    st.tuples(st.sampled_from(ABSENT), st.frozensets(st.sampled_from(VOTERS), min_size=2)).map(
        lambda lent: tuple(
            Delegation(
                name=f"d{delegate}",
                delegator=f"u{lent[0]}",
                delegate=f"u{delegate}",
                start=NOW - timedelta(hours=1),
                end=NOW + timedelta(hours=1),
                reason="away",
            )
            for delegate in sorted(lent[1])
        )
    ),
)


def _ways(case: Case, voters: Sequence[int]) -> Iterator[list[tuple[int, str, int]]]:
    """Every way to give each of *voters* an authority and a step, or nothing."""
    options: list[list[tuple[int, str, int] | None]] = []
    for number in voters:
        names = {f"u{number}"} | {
            one.delegator
            for one in case.delegations
            if one.delegate == f"u{number}"
            and one.holds(NOW)
            and number_of(one.delegator) not in case.excluded
        }
        options.append(
            [
                None,
                *(
                    (number, name, step)
                    for name in sorted(names)
                    for step, one in enumerate(case.required)
                    if name in one.people or case.teams[number_of(name)] & set(one.teams)
                ),
            ]
        )
    for way in itertools.product(*options):
        yield [one for one in way if one is not None]


def _fits(case: Case, way: Sequence[tuple[int, str, int]]) -> bool:
    """Whether this fills all steps, each authority once, in order: by trying every approval."""
    authorities = [name for _, name, _ in way]
    if len(set(authorities)) < len(authorities):
        return False
    for index, one in enumerate(case.required):
        if sum(step == index for _, _, step in way) != one.count:
            return False
    given = []
    for number, name, step in way:
        moments = [
            (one.submitted_at, one.id)
            for one in case.reviews
            if one.author == actor(number)
            and (
                name == f"u{number}"
                or any(
                    d.delegator == name
                    and d.delegate == f"u{number}"
                    and d.holds(one.submitted_at)
                    and d.holds(NOW)
                    for d in case.delegations
                )
            )
        ]
        given.append([(moment, case.required[step].order) for moment in moments])
    return any(
        all(
            one[0] > other[0]
            for one, other in itertools.permutations(choice, 2)
            if one[1] > other[1]
        )
        for choice in itertools.product(*given)
    )


@settings(max_examples=2 * settings().max_examples)
@given(_agreed | _crowded)
def test_it_is_complete_exactly_where_some_way_fills_all_steps(case: Case) -> None:
    latest = {
        one.author.id: one.submitted_at
        for one in sorted(case.reviews, key=lambda one: one.submitted_at)
        if one.author
    }
    voters = [
        number
        for number in VOTERS
        if number in latest
        and latest[number] > NOW - timedelta(hours=24)
        and number in case.writers - case.excluded
    ]
    expected = any(_fits(case, way) for way in _ways(case, voters))
    assert case.count().complete is expected


@given(_any, st.sampled_from(VOTERS), st.integers(min_value=-4, max_value=25))
def test_one_more_approval_never_makes_it_incomplete(case: Case, who: int, ago: int) -> None:
    before = case.count()
    more = review(actor(who), id=77, minutes_ago=ago)
    after = replace(case, reviews=(*case.reviews, more)).count()
    assert after.complete or not before.complete


@given(_agreed, st.sampled_from(VOTERS), st.integers(min_value=-4, max_value=25))
def test_approvals_alone_only_get_further(case: Case, who: int, ago: int) -> None:
    """Lowest order first: as many complete, and as many places of the next one filled."""

    def progress(approvals: Approvals) -> list[int]:
        orders = sorted({step.requirement.order for step in approvals.steps})
        return [
            -sum(step.missing for step in approvals.steps if step.requirement.order == order)
            for order in orders
        ]

    more = review(actor(who), id=77, minutes_ago=ago)
    after = replace(case, reviews=(*case.reviews, more)).count()
    assert progress(after) >= progress(case.count())


@given(_any | _crowded)
def test_person_and_authority_fill_one_place_each(case: Case) -> None:
    approvals = case.count()
    seats = [one for step in approvals.steps for one in step.seats]
    people = [one.principal for one in seats]
    authorities = [one.authority for one in seats]
    assert len(set(people)) == len(people)
    assert len(set(authorities)) == len(authorities)
    assert set(people) <= {one.principal for one in approvals.counted}
    barred = {f"u{number}" for number in case.excluded}
    assert barred.isdisjoint([*people, *authorities])
    lent = {(one.delegate, one.delegator) for one in case.delegations if one.holds(NOW)}
    assert all((one.principal, one.authority) in lent for one in seats if one[0] != one[1])


@given(_any)
def test_no_place_is_filled_before_the_lower_orders_are_complete(case: Case) -> None:
    approvals = case.count()
    for step in approvals.steps:
        if step.waits_for:
            assert step.seats == ()
            assert step.missing == step.requirement.count


@given(_any, st.randoms(use_true_random=False))
def test_the_order_of_the_reviews_is_irrelevant(case: Case, chance: random.Random) -> None:
    shuffled = list(case.reviews)
    chance.shuffle(shuffled)
    assert replace(case, reviews=tuple(shuffled)).count() == case.count()


@given(_any, _everyone)
def test_leaving_every_team_never_completes(case: Case, who: int) -> None:
    without = replace(case, teams={**case.teams, who: frozenset()})
    assert case.count().complete or not without.count().complete


@given(_agreed, _everyone)
def test_being_party_to_the_request_never_completes(case: Case, who: int) -> None:
    # Among approvals only: the objection of somebody who may not approve blocks nothing.
    without = replace(case, excluded=case.excluded | {who})
    assert case.count().complete or not without.count().complete


@given(_any, _delegations)
def test_lending_more_never_makes_it_incomplete(case: Case, more: tuple[Delegation, ...]) -> None:
    after = replace(case, delegations=case.delegations + more).count()
    assert after.complete or not case.count().complete


@given(_any)
def test_what_is_missing_is_said_exactly_while_it_is_incomplete(case: Case) -> None:
    approvals = case.count()
    assert bool(approvals.missing) is not approvals.complete
    assert not (approvals.complete and approvals.notes)
