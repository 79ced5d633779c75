"""Steps in order, and people who stand for others: who fills what, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from pipeline.approvals import seating
from pipeline.approvals.tally import Approvals, Authority, Requirement, Voter, tally
from pipeline.approvals.voters import gather
from pipeline.values.catalogue import Catalogue, Delegation, PrincipalKind
from pipeline.values.pull_request import Actor, PullRequest, Review
from tests.unit.support_reviews import (
    ALICE,
    BOB,
    CAROL,
    CHECKER,
    HEAD,
    LONG_AGO,
    NOW,
    OLD,
    Desk,
    declared,
    person,
    review,
)

DAVE = Actor(id=4, login="dave", type="User")
ERIN = Actor(id=5, login="erin", type="User")
OWNERS = Requirement(id="owners", teams=("leads",), count=1, because="medium risk")
SECURITY = Requirement(id="security", teams=("security",), count=1, because="high risk", order=2)
BOBS = Requirement(id="named", people=("bob",), count=1, because="named")
AUDIT = Requirement(id="audit", people=("erin",), count=1, because="critical risk", order=3)


def voter(name: str, *teams: str, stands_for: Sequence[Authority] = ()) -> Voter:
    return Voter(
        principal=name, teams=frozenset(teams), can_write=True, stands_for=tuple(stands_for)
    )


VOTERS = {
    2: voter("bob", "leads"),
    3: voter("carol", "security"),
    4: voter("dave", "leads", "security"),
    5: voter("erin"),
}


def count(
    *reviews: Review,
    required: Sequence[Requirement] = (OWNERS, SECURITY),
    voters: Mapping[int, Voter] = VOTERS,
    excluded: Mapping[int, str] | None = None,
    at: datetime = NOW,
    merged_at: datetime | None = None,
) -> Approvals:
    return tally(
        reviews,
        head=HEAD,
        required=required,
        electorate=voters,
        excluded=excluded or {1: "opened the pull request"},
        at=at,
        on_show=[(LONG_AGO, None)],
        merged_at=merged_at,
    )


def whys(approvals: Approvals) -> list[str]:
    return [one.why for one in approvals.rejected]


def seats(approvals: Approvals) -> list[list[str]]:
    return [[str(one) for one in step.seats] for step in approvals.steps]


def test_only_what_can_be_given_now_is_missing() -> None:
    assert count(required=(OWNERS, SECURITY, AUDIT)).missing == (
        "1 more of leads must approve: medium risk",
        "security after owners: high risk",
        "audit after owners and security: critical risk",
    )


def test_steps_in_order_are_complete() -> None:
    approvals = count(review(BOB, id=1, minutes_ago=9), review(CAROL, id=2, minutes_ago=8))
    assert approvals.complete
    assert approvals.missing == ()
    assert seats(approvals) == [["bob"], ["carol"]]


def test_the_order_of_the_list_is_not_the_order_of_the_steps() -> None:
    late = Requirement(id="owners", teams=("leads",), count=1, because="x", order=7)
    first = Requirement(id="security", teams=("security",), count=1, because="x", order=3)
    approvals = count(
        review(CAROL, id=1, minutes_ago=9),
        review(BOB, id=2, minutes_ago=8),
        required=(late, first),
    )
    assert approvals.complete
    assert seats(approvals) == [["bob"], ["carol"]]


def test_an_approval_before_its_turn_is_rejected_until_given_again() -> None:
    early = [review(CAROL, id=1, minutes_ago=9)]
    before = count(*early)
    assert whys(before) == [
        "carol approved before step owners was complete; approve again once that is so"
    ]
    assert before.counted == ()
    early.append(review(BOB, id=2, minutes_ago=8))
    then = count(*early)
    assert not then.complete
    assert whys(then) == ["carol approved before step owners was complete; approve again"]
    assert then.missing == ("1 more of security must approve: high risk",)
    assert [one.principal for one in then.counted] == ["bob"]
    assert count(*early, review(CAROL, id=3, minutes_ago=7)).complete


def test_too_early_names_every_step_that_was_open() -> None:
    second = Requirement(id="risk", teams=("leads",), count=1, because="x")
    approvals = count(
        review(CAROL, id=1, minutes_ago=9),
        review(BOB, id=2, minutes_ago=8),
        review(DAVE, id=3, minutes_ago=7),
        required=(OWNERS, second, SECURITY),
    )
    assert whys(approvals) == [
        "carol approved before steps owners and risk were complete; approve again"
    ]


def test_who_is_not_needed_any_more_was_not_too_early() -> None:
    approvals = count(
        review(CAROL, id=1, minutes_ago=9),
        review(BOB, id=2, minutes_ago=8),
        review(DAVE, id=3, minutes_ago=7),
    )
    assert approvals.complete
    assert whys(approvals) == []
    assert seats(approvals) == [["bob"], ["dave"]]


def test_approving_again_takes_nothing_away() -> None:
    reviews = [review(BOB, id=1, minutes_ago=9), review(CAROL, id=2, minutes_ago=8)]
    reviews.append(review(BOB, id=3, minutes_ago=7))
    approvals = count(*reviews)
    assert approvals.complete
    assert [one.review.id for one in approvals.counted] == [3, 2]


def test_an_interruption_starts_anew() -> None:
    reviews = [
        review(BOB, id=1, minutes_ago=9),
        review(CAROL, id=2, minutes_ago=8),
        review(BOB, "CHANGES_REQUESTED", id=3, minutes_ago=7),
        review(BOB, id=4, minutes_ago=6),
    ]
    approvals = count(*reviews)
    assert not approvals.complete
    assert whys(approvals) == ["carol approved before step owners was complete; approve again"]
    for interruption in (
        review(BOB, "DISMISSED", id=3, minutes_ago=7),
        review(BOB, id=3, minutes_ago=7, commit=OLD),
    ):
        assert not count(*reviews[:2], interruption, reviews[3]).complete
    comment = review(BOB, "COMMENTED", id=3, minutes_ago=7)
    assert count(*reviews[:2], comment, reviews[3]).complete


def test_in_the_same_second_the_later_review_is_the_one_with_the_higher_id() -> None:
    assert count(review(BOB, id=1), review(CAROL, id=2)).complete
    assert not count(review(BOB, id=2), review(CAROL, id=1)).complete


def test_age_is_judged_by_the_latest_approval() -> None:
    old = review(BOB, id=1, minutes_ago=25 * 60)
    first = review(CAROL, id=2, minutes_ago=30)
    assert not count(old, first).complete
    assert count(old, first, review(BOB, id=3, minutes_ago=20)).complete


def test_whoever_can_fill_two_steps_fills_the_one_that_completes() -> None:
    # dave came first, and is needed as owner; bob's approval would end that order later.
    approvals = count(
        review(DAVE, id=1, minutes_ago=9),
        review(CAROL, id=2, minutes_ago=8),
        review(BOB, id=3, minutes_ago=7),
    )
    assert approvals.complete
    assert seats(approvals) == [["dave"], ["carol"]]


def test_approving_early_and_late_leaves_the_choice() -> None:
    # Only dave can fill security after bob; only bob is left to be the owner.
    approvals = count(
        review(DAVE, id=1, minutes_ago=9),
        review(BOB, id=2, minutes_ago=8),
        review(DAVE, id=3, minutes_ago=7),
    )
    assert approvals.complete
    assert seats(approvals) == [["bob"], ["dave"]]


def test_a_step_waits_for_all_of_a_lower_order() -> None:
    two = Requirement(id="owners", teams=("leads",), count=2, because="critical risk")
    reviews = [review(BOB, id=1, minutes_ago=9), review(CAROL, id=2, minutes_ago=8)]
    approvals = count(*reviews, required=(two, SECURITY))
    assert [step.missing for step in approvals.steps] == [1, 1]
    assert [step.waits_for for step in approvals.steps] == [(), ("owners",)]
    assert whys(approvals) == [
        "carol approved before step owners was complete; approve again once that is so"
    ]


def test_after_the_merge_nobody_completes_a_step_of_a_higher_order() -> None:
    reviews = [review(BOB, id=1, minutes_ago=9), review(CAROL, id=2, minutes_ago=7)]
    assert count(*reviews, merged_at=NOW - timedelta(minutes=7)).complete
    assert not count(*reviews, merged_at=NOW - timedelta(minutes=8)).complete


def test_five_orders_can_be_counted_and_six_cannot() -> None:
    def steps(number: int) -> list[Requirement]:
        return [
            Requirement(id=f"s{i}", people=(f"p{i}",), count=1, because="x", order=i + 1)
            for i in range(number)
        ]

    people = {10 + i: voter(f"p{i}") for i in range(5)}
    reviews = [
        review(Actor(id=10 + i, login=f"p{i}", type="User"), id=i, minutes_ago=50 - i)
        for i in range(5)
    ]
    assert count(*reviews, required=steps(5), voters=people).complete
    with pytest.raises(ValueError, match="6 orders of approval, at most 5"):
        count(*reviews, required=steps(6), voters=people)


HOUR = timedelta(hours=1)
AWAY = Delegation(
    name="bobs-leave",
    delegator="bob",
    delegate="carol",
    start=NOW - HOUR,
    end=NOW + HOUR,
    reason="on leave",
)


def lent(delegation: Delegation = AWAY, *teams: str, bar: str = "", account: int = 2) -> Authority:
    return Authority(
        delegation=delegation, account=account, teams=frozenset(teams or ("leads",)), bar=bar
    )


def standing(*authorities: Authority, own: Sequence[str] = ("security",)) -> dict[int, Voter]:
    return {**VOTERS, 3: voter("carol", *own, stands_for=authorities or (lent(),))}


def during(start: timedelta, end: timedelta) -> Authority:
    return lent(
        Delegation(
            name="bobs-leave",
            delegator="bob",
            delegate="carol",
            start=NOW + start,
            end=NOW + end,
            reason="on leave",
        )
    )


def test_a_delegate_fills_the_place_of_the_delegator_and_it_says_so() -> None:
    approvals = count(review(CAROL), required=(OWNERS,), voters=standing())
    assert approvals.complete
    assert seats(approvals) == [["carol for bob"]]
    assert approvals.steps[0].people == ("carol",)


def test_a_delegate_may_be_named_by_the_delegators_name() -> None:
    named = Requirement(id="named", people=("bob",), count=1, because="named")
    assert count(review(CAROL), required=(named,), voters=standing()).complete
    assert not count(review(CAROL), required=(named,)).complete


def test_a_delegate_speaks_for_themself_where_that_is_enough() -> None:
    both = standing(own=("leads",))
    assert seats(count(review(CAROL), required=(OWNERS,), voters=both)) == [["carol"]]


def test_delegator_and_delegate_never_fill_two_places_on_one_authority() -> None:
    two = Requirement(id="owners", teams=("leads",), count=2, because="critical risk")
    approvals = count(review(BOB, id=1), review(CAROL, id=2), required=(two,), voters=standing())
    assert not approvals.complete
    assert seats(approvals) == [["bob"]]
    assert approvals.notes == ("carol does not count for bob: bob fills that place",)


def test_two_delegates_of_one_delegator_fill_one_place() -> None:
    two = Requirement(id="owners", teams=("leads",), count=2, because="critical risk")
    other = Delegation(
        name="again",
        delegator="bob",
        delegate="erin",
        start=AWAY.start,
        end=AWAY.end,
        reason="on leave",
    )
    voters = {**standing(), 5: voter("erin", stands_for=[lent(other)])}
    approvals = count(review(CAROL, id=1), review(ERIN, id=2), required=(two,), voters=voters)
    assert sum(map(len, seats(approvals))) == 1


def test_the_delegators_own_approval_never_takes_away() -> None:
    # bob is owner only; carol for bob may be the owner, and then dave is security.
    first = [review(CAROL, id=1, minutes_ago=9), review(DAVE, id=2, minutes_ago=8)]
    assert count(*first, voters=standing()).complete
    again = count(*first, review(BOB, id=3, minutes_ago=7), voters=standing())
    assert again.complete
    assert seats(again) == [["carol for bob"], ["dave"]]


def test_a_person_with_two_authorities_fills_one_place() -> None:
    approvals = count(
        review(CAROL, id=1, minutes_ago=9), review(CAROL, id=2, minutes_ago=8), voters=standing()
    )
    assert not approvals.complete
    assert [step.missing for step in approvals.steps] == [0, 1]


def test_it_is_not_transitive() -> None:
    onward = Delegation(
        name="onward",
        delegator="carol",
        delegate="erin",
        start=AWAY.start,
        end=AWAY.end,
        reason="on leave",
    )
    voters = {**standing(), 5: voter("erin", stands_for=[lent(onward, "security", account=3)])}
    assert not count(review(ERIN), required=(OWNERS,), voters=voters).complete


def test_somebody_elses_delegation_is_of_no_use() -> None:
    voters = {**VOTERS, 5: voter("erin", stands_for=[lent()])}
    assert not count(review(ERIN), required=(OWNERS,), voters=voters).complete


@pytest.mark.parametrize(
    "start, end, holds, why",
    [
        (-timedelta(minutes=10), timedelta(seconds=1), True, ""),
        (-timedelta(minutes=10), timedelta(0), False, "bobs-leave has ended"),
        (
            timedelta(seconds=1) - timedelta(minutes=10),
            HOUR,
            False,
            "the approval is older than bobs-leave; approve again",
        ),
        (timedelta(seconds=1), HOUR, False, "bobs-leave is to come"),
    ],
)
def test_it_must_hold_when_approved_and_when_judged(
    start: timedelta, end: timedelta, holds: bool, why: str
) -> None:
    approvals = count(
        review(CAROL, minutes_ago=10), required=(OWNERS,), voters=standing(during(start, end))
    )
    assert approvals.complete is holds
    assert approvals.notes == ((f"carol does not count for bob: {why}",) if why else ())


def test_after_the_merge_it_must_have_held_at_the_merge() -> None:
    ended = standing(during(-HOUR, -timedelta(minutes=5)))
    merged_at = NOW - timedelta(minutes=6)
    assert count(review(CAROL), required=(OWNERS,), voters=ended, merged_at=merged_at).complete
    assert not count(review(CAROL), required=(OWNERS,), voters=ended).complete


def test_two_delegations_with_a_gap_do_not_make_one() -> None:
    gap = standing(during(-HOUR, -timedelta(minutes=5)), during(-timedelta(minutes=5), HOUR))
    approvals = count(review(CAROL), required=(OWNERS,), voters=gap)
    assert not approvals.complete
    again = review(CAROL, id=2, minutes_ago=5)
    assert count(review(CAROL), again, required=(OWNERS,), voters=gap).complete


def test_only_approvals_while_it_holds_complete_an_order() -> None:
    # carol approved twice, for bob only the second time, when dave had approved already.
    voters = standing(during(-timedelta(minutes=8), HOUR), own=())
    reviews = [
        review(CAROL, id=1, minutes_ago=9),
        review(DAVE, id=2, minutes_ago=7),
        review(CAROL, id=3, minutes_ago=6),
    ]
    assert not count(*reviews, required=(BOBS, SECURITY), voters=voters).complete
    again = review(DAVE, id=4, minutes_ago=5)
    assert count(*reviews, again, required=(BOBS, SECURITY), voters=voters).complete


@pytest.mark.parametrize("why", ["opened the pull request", "would get the access", "pushed"])
def test_an_excluded_delegator_passes_nothing_on(why: str) -> None:
    approvals = count(review(CAROL), required=(OWNERS,), voters=standing(), excluded={2: why})
    assert not approvals.complete
    assert approvals.notes == (f"carol does not count for bob: bob {why}",)


def test_an_excluded_delegate_counts_for_nobody() -> None:
    approvals = count(review(CAROL), required=(OWNERS,), voters=standing(), excluded={3: "pushed"})
    assert not approvals.complete
    assert approvals.counted == ()


def test_a_delegator_who_could_not_approve_passes_nothing_on() -> None:
    voters = standing(lent(bar="bob has no write permission on the repository"))
    approvals = count(review(CAROL), required=(OWNERS,), voters=voters)
    assert not approvals.complete
    assert approvals.notes == (
        "carol does not count for bob: bob has no write permission on the repository",
    )


def test_an_approval_for_somebody_keeps_the_order_too() -> None:
    early = Delegation(
        name="carols-leave",
        delegator="carol",
        delegate="erin",
        start=AWAY.start,
        end=AWAY.end,
        reason="on leave",
    )
    voters = {**VOTERS, 5: voter("erin", stands_for=[lent(early, "security", account=3)])}
    reviews = [review(ERIN, id=1, minutes_ago=9), review(BOB, id=2, minutes_ago=8)]
    approvals = count(*reviews, voters=voters)
    assert whys(approvals) == ["erin approved before step owners was complete; approve again"]
    done = count(*reviews, review(ERIN, id=3, minutes_ago=7), voters=voters)
    assert seats(done) == [["bob"], ["erin for carol"]]


def _crowd(number: int) -> tuple[dict[int, Voter], list[Review]]:
    """People each of whom stands for somebody else, who may fill the only step."""
    voters = {}
    reviews = []
    for i in range(number):
        delegation = Delegation(
            name=f"d{i}",
            delegator=f"lead{i}",
            delegate=f"p{i}",
            start=AWAY.start,
            end=AWAY.end,
            reason="on leave",
        )
        voters[100 + i] = voter(f"p{i}", stands_for=[lent(delegation, account=500 + i)])
        reviews.append(
            review(Actor(id=100 + i, login=f"p{i}", type="User"), id=i, minutes_ago=40 - i)
        )
    return voters, reviews


def test_too_many_who_stand_for_others_are_considered_by_time_and_it_says_so() -> None:
    all_of_them = Requirement(id="all", teams=("leads",), count=9, because="x")
    voters, reviews = _crowd(9)
    approvals = count(*reviews, required=(all_of_them,), voters=voters)
    assert approvals.steps[0].people == tuple(f"p{i}" for i in range(7))
    assert approvals.notes == tuple(
        f"p{i} was not considered for lead{i}: too many people stand for others" for i in (7, 8)
    )


def test_a_search_without_end_is_cut_short_and_denies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seating, "MOST_TRIES", 3)
    again = [review(BOB, id=1, minutes_ago=9), review(DAVE, id=2, minutes_ago=8)]
    again += [review(BOB, id=3, minutes_ago=7), review(DAVE, id=4, minutes_ago=6)]
    # Nobody can give the last step, so every moment of the first would be tried.
    approvals = count(*again, required=(OWNERS, AUDIT))
    assert not approvals.complete
    assert approvals.notes == (
        "there are too many ways to fill the steps, not all were tried; ask on a new request",
    )


PEOPLE = Catalogue(
    principals={
        "alice": person("alice", 1),
        "bob": person("bob", 2),
        "carol": person("carol", 3),
        "dave": person("dave", 4, disabled=True),
        "robot": person("robot", 6, kind=PrincipalKind.WORKLOAD),
        "ghost": person("ghost", 7),
        "nobody": person("nobody", 8, github=None, github_id=None),
    },
    targets={},
    roles={},
    teams=declared("leads"),
    delegations=(AWAY,),
)
PULL = PullRequest(
    number=7,
    author=ALICE,
    state="open",
    base_ref="main",
    head_ref="alice/request",
    head_sha=HEAD,
    same_repository=True,
)


def _from(delegator: str, start: datetime = AWAY.start) -> Catalogue:
    delegation = Delegation(
        name="d", delegator=delegator, delegate="carol", start=start, end=AWAY.end, reason="x"
    )
    return replace(PEOPLE, delegations=(delegation,))


def test_the_delegators_teams_are_asked_by_the_account_of_their_id() -> None:
    # bob renamed his account; whoever took his login is somebody else.
    renamed = Actor(id=2, login="robert", type="User")
    desk = Desk([review(CAROL)], members={"leads": {2}}, accounts=[renamed])
    gathered = gather(desk, PULL, PEOPLE, [OWNERS], checker=CHECKER)
    assert desk.asked == [
        "carol writes",
        "carol in leads",
        "who 2 is",
        "robert writes",
        "robert in leads",
    ]
    assert gathered.electorate[3].stands_for == (lent(AWAY, "leads"),)


def test_a_team_that_nobody_can_be_in_is_not_lent_either() -> None:
    desk = Desk([review(CAROL)], members={"leads": {2}}, accounts=[BOB], hidden=["leads"])
    gathered = gather(desk, PULL, PEOPLE, [OWNERS], checker=CHECKER)
    assert gathered.electorate[3].stands_for == (replace(lent(AWAY), teams=frozenset()),)
    assert not any(one.endswith("in leads") for one in desk.asked)


@pytest.mark.parametrize(
    "reviews",
    [
        [review(CAROL, "CHANGES_REQUESTED")],
        [review(CAROL, commit=OLD)],
        [review(CAROL, minutes_ago=61)],
        [review(BOB)],
    ],
)
def test_nothing_is_asked_about_the_delegators_of_those_who_did_not_approve(
    reviews: list[Review],
) -> None:
    desk = Desk(reviews, accounts=[BOB])
    gather(desk, PULL, PEOPLE, [OWNERS], checker=CHECKER)
    assert not any(one.startswith("who") for one in desk.asked)


@pytest.mark.parametrize(
    "delegator, accounts, writers, bar",
    [
        ("dave", [DAVE], {3, 4}, "dave is no enabled person in access/principals"),
        ("gone", [], {3}, "gone is no enabled person in access/principals"),
        ("robot", [], {3, 6}, "robot is no enabled person in access/principals"),
        ("ghost", [], {3, 7}, "ghost's GitHub account is gone or no person's"),
        (
            "ghost",
            [Actor(id=7, login="ghost", type="Bot")],
            {3, 7},
            "ghost's GitHub account is gone or no person's",
        ),
        ("bob", [BOB], {3}, "bob has no write permission on the repository"),
        ("nobody", [], {3}, "nobody has no GitHub account"),
        ("alice", [ALICE], {1, 3}, "alice opened the pull request"),
    ],
)
def test_who_could_not_approve_here_passes_nothing_on(
    delegator: str, accounts: list[Actor], writers: set[int], bar: str
) -> None:
    desk = Desk(
        [review(CAROL)],
        members={"leads": {1, 2, 4, 6, 7}},
        writers=writers,
        accounts=accounts,
    )
    gathered = gather(desk, PULL, _from(delegator), [OWNERS], checker=CHECKER)
    approvals = tally(
        gathered.reviews,
        head=HEAD,
        required=[OWNERS],
        electorate=gathered.electorate,
        excluded=gathered.excluded,
        at=NOW,
        on_show=[(LONG_AGO, None)],
    )
    assert not approvals.complete
    assert approvals.notes == (f"carol does not count for {delegator}: {bar}",)
    assert not any(one.startswith(f"{delegator} in") for one in desk.asked)


def test_the_owner_of_a_workload_passes_nothing_on() -> None:
    desk = Desk([review(CAROL)], members={"leads": {2}}, accounts=[BOB])
    gathered = gather(
        desk, PULL, PEOPLE, [OWNERS], interested={2: "is party to the request"}, checker=CHECKER
    )
    assert gathered.electorate[3].stands_for[0].teams == frozenset()
    assert "who 2 is" not in desk.asked


def test_nobody_stands_for_themself() -> None:
    gathered = gather(
        Desk([review(CAROL)], accounts=[CAROL]), PULL, _from("carol"), [OWNERS], checker=CHECKER
    )
    assert gathered.electorate[3].stands_for == ()


def test_members_are_asked_again_at_the_merge() -> None:
    # Two runs, two readers: who left the team in between counts no more.
    reviews = [review(BOB)]

    def complete(members: set[int], pull: PullRequest) -> bool:
        gathered = gather(
            Desk(reviews, members={"leads": members}), pull, PEOPLE, [OWNERS], checker=CHECKER
        )
        return tally(
            gathered.reviews,
            head=HEAD,
            required=[OWNERS],
            electorate=gathered.electorate,
            excluded=gathered.excluded,
            at=NOW,
            on_show=[(LONG_AGO, None)],
            merged_at=pull.merged_at,
        ).complete

    assert complete({2}, PULL)
    assert not complete(set(), PULL)
