"""Which approvals count: every rule alone, then properties over generated reviews."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.approvals.membership import Membership
from pipeline.approvals.pushers import DEPENDABOT
from pipeline.approvals.tally import Approvals, Requirement, Voter, tally
from pipeline.approvals.voters import as_of_merge, gather
from pipeline.errors import Denied
from pipeline.values.catalogue import Catalogue, PrincipalKind, Team
from pipeline.values.pull_request import Actor, Dismissal, PullEvents, PullRequest, Review
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

OWNER = Requirement(id="owners", teams=("payments-leads",), count=1, because="medium risk")
SECURITY = Requirement(id="security", teams=("security",), count=1, because="high risk")
ELECTORATE = {
    2: Voter(principal="bob", teams=frozenset({"payments-leads"}), can_write=True),
    3: Voter(principal="carol", teams=frozenset({"security"}), can_write=True),
}


def count(
    *reviews: Review,
    required: Sequence[Requirement] = (OWNER,),
    electorate: Mapping[int, Voter] = ELECTORATE,
    excluded: Mapping[int, str] | None = None,
    merged_at: datetime | None = None,
    on_show: Sequence[tuple[datetime, datetime | None]] = ((LONG_AGO, None),),
    base_changed: datetime | None = None,
    none_required: bool = False,
) -> Approvals:
    return tally(
        reviews,
        head=HEAD,
        required=required,
        electorate=electorate,
        excluded={1: "opened the pull request"} if excluded is None else excluded,
        at=NOW,
        merged_at=merged_at,
        on_show=on_show,
        base_changed=base_changed,
        none_required=none_required,
    )


def test_an_owners_approval_of_the_head_completes() -> None:
    approvals = count(review())
    assert approvals.complete
    assert approvals.missing == ()
    assert [(step.people, step.missing) for step in approvals.steps] == [(("bob",), 0)]
    assert [(one.principal, one.review.id) for one in approvals.counted] == [("bob", 1)]


def test_nobody_yet_says_who_is_missing() -> None:
    approvals = count()
    assert not approvals.complete
    assert approvals.missing == ("1 more of payments-leads must approve: medium risk",)


@pytest.mark.parametrize(
    "bad, why",
    [
        (review(commit=OLD), "bob approved abc1234, head is def5678"),
        (review(commit=None), "bob approved a commit that is gone, head is def5678"),
        (review(commit=HEAD.upper()), "bob approved DEF5678, head is def5678"),
        (review(state="DISMISSED"), "bob's last review says dismissed"),
        (review(state="SOMETHING_NEW"), "bob's last review says something new"),
        (review(state="approved"), "bob's last review says approved"),
        (review(minutes_ago=24 * 60 + 1), "bob approved more than 24 hours ago"),
        (review(minutes_ago=-6), "bob's approval is dated in the future"),
        (review(None), "the reviewer's account is gone"),
        (review(Actor(id=2, login="bob", type="Bot")), "bob is a Bot, not a person"),
        (review(Actor(id=2, login="bob", type="Mannequin")), "bob is a Mannequin, not a person"),
        (
            review(ALICE),
            "alice opened the pull request, and nobody approves their own request",
        ),
        (review(Actor(id=9, login="zed", type="User")), "nothing is known of zed"),
    ],
)
def test_what_does_not_count_says_why(bad: Review, why: str) -> None:
    approvals = count(bad)
    assert not approvals.complete
    assert approvals.counted == ()
    assert [one.why for one in approvals.rejected] == [why]


@pytest.mark.parametrize(
    "voter, why",
    [
        (
            Voter(principal=None, teams=frozenset({"payments-leads"}), can_write=True),
            "bob is no enabled person in access/principals",
        ),
        (
            Voter(principal="bob", teams=frozenset({"payments-leads"}), can_write=False),
            "bob has no write permission on the repository",
        ),
    ],
)
def test_a_reviewer_must_be_a_person_who_can_write(voter: Voter, why: str) -> None:
    approvals = count(review(), electorate={2: voter})
    assert not approvals.complete
    assert [one.why for one in approvals.rejected] == [why]


def test_an_eligible_approval_by_someone_not_asked_fills_nothing() -> None:
    approvals = count(review(CAROL))
    assert [one.principal for one in approvals.counted] == ["carol"]
    assert approvals.steps[0].missing == 1
    assert not approvals.complete


@pytest.mark.parametrize("minutes", [0, 24 * 60, -5])
def test_the_limits_of_age_belong_to_it(minutes: float) -> None:
    assert count(review(minutes_ago=minutes)).complete


@pytest.mark.parametrize("reason", ["is the subject", "pushed to its branch", "asked for it"])
def test_parties_to_the_request_never_count(reason: str) -> None:
    approvals = count(review(), excluded={2: reason})
    assert not approvals.complete
    assert reason in approvals.rejected[0].why


def test_a_later_comment_leaves_the_approval_standing() -> None:
    assert count(
        review(id=1, minutes_ago=10),
        review(state="COMMENTED", id=2, minutes_ago=5),
        review(state="PENDING", id=3, minutes_ago=4),
    ).complete


@pytest.mark.parametrize("minutes,counts", [(11, True), (10, False), (9, False)])
def test_an_approval_counts_only_after_the_last_change_of_the_base(
    minutes: float, counts: bool
) -> None:
    approvals = count(review(), base_changed=NOW - timedelta(minutes=minutes))
    assert approvals.complete is counts
    if not counts:
        (why,) = [one.why for one in approvals.rejected]
        assert why == (
            "bob approved before the pull request got another base branch: approve again"
        )


def test_an_approval_before_a_change_of_the_base_fills_no_place_in_an_order() -> None:
    later = replace(SECURITY, order=2)
    early, again = review(minutes_ago=30), review(id=3, minutes_ago=5)
    middle = review(CAROL, id=2, minutes_ago=10)
    changed = NOW - timedelta(minutes=20)
    required = (OWNER, later)
    assert count(early, middle, again, required=required).complete
    moved = count(early, middle, again, required=required, base_changed=changed)
    assert not moved.complete


@pytest.mark.parametrize(
    "on_show, why",
    [
        # Reviewed ten minutes ago.
        ([(11, None)], None),
        ([(11, 9)], None),
        ([(60, 50), (11, 9), (5, None)], None),
        ([(10, None)], "while the check did not show what this would give now"),
        ([(9, None)], "while the check did not show what this would give now"),
        ([(11, 10)], "while the check did not show what this would give now"),
        ([(60, 50), (9, None)], "while the check did not show what this would give now"),
        ([], "what no check had shown"),
    ],
)
def test_an_approval_counts_only_while_the_check_shows_what_is_given(
    on_show: list[tuple[float, float | None]], why: str | None
) -> None:
    def ago(minutes: float) -> datetime:
        return NOW - timedelta(minutes=minutes)

    times = [(ago(one), None if other is None else ago(other)) for one, other in on_show]
    approvals = count(review(), on_show=times)
    assert approvals.complete is (why is None)
    said = [one.why.partition(": approve again")[0] for one in approvals.rejected]
    assert said == ([] if why is None else [f"bob approved {why}"])


def test_an_approval_of_what_was_not_shown_fills_no_place_in_an_order() -> None:
    early, again = review(minutes_ago=30), review(id=3, minutes_ago=5)
    middle = review(CAROL, id=2, minutes_ago=10)
    required = (OWNER, replace(SECURITY, order=2))
    assert count(early, middle, again, required=required).complete
    shown = NOW - timedelta(minutes=20)
    assert not count(early, middle, again, required=required, on_show=[(shown, None)]).complete


def test_check_runs_are_asked_for_where_somebody_reviewed() -> None:
    desk = Desk([review()])
    desk.show("7:x")
    assert gather(desk, PULL, PEOPLE, [OWNER], checker=CHECKER).runs == desk.runs
    desk = Desk([])
    desk.show("7:x")
    assert gather(desk, PULL, PEOPLE, [OWNER], checker=CHECKER).runs == ()


def test_a_request_for_changes_outlives_a_change_of_the_base() -> None:
    objection = review(CAROL, "CHANGES_REQUESTED", id=2, minutes_ago=20)
    assert not count(objection, review(), base_changed=NOW - timedelta(minutes=15)).complete


APP = Actor(id=500, login="keeper[bot]", type="Bot")
DEPENDABOTS = Actor(id=DEPENDABOT, login="dependabot[bot]", type="Bot")
ACTIONS = Actor(id=41898282, login="github-actions[bot]", type="Bot")


@pytest.mark.parametrize(
    "author, pushers, refused",
    [
        (ALICE, [ALICE], None),
        (ALICE, [ALICE, BOB], None),
        (ALICE, [ACTIONS], ACTIONS),
        (ALICE, [ALICE, ACTIONS], ACTIONS),
        (ACTIONS, [ACTIONS], ACTIONS),
        (ACTIONS, [ALICE], None),
        (APP, [APP], None),
        (APP, [APP, BOB], None),
        (APP, [APP, ACTIONS], ACTIONS),
        (ALICE, [APP], APP),
        (DEPENDABOTS, [DEPENDABOTS], None),
        (DEPENDABOTS, [DEPENDABOTS, ALICE], DEPENDABOTS),
        (ALICE, [DEPENDABOTS], DEPENDABOTS),
        (
            replace(DEPENDABOTS, id=DEPENDABOT + 1),
            [replace(DEPENDABOTS, id=DEPENDABOT + 1)],
            DEPENDABOTS,
        ),
        (ALICE, [ALICE, replace(BOB, type="Mannequin")], BOB),
    ],
)
def test_nobody_approves_what_a_bot_pushed_which_anybody_may_have_written(
    author: Actor, pushers: list[Actor], refused: Actor | None
) -> None:
    desk = Desk([review()], pushers=pushers)
    pull = replace(PULL, author=author)
    if refused is None:
        gather(desk, pull, PEOPLE, [OWNER], checker=CHECKER, app_id=APP.id)
        return
    with pytest.raises(Denied, match=f"^{re.escape(refused.login)}, a bot, pushed to ") as said:
        gather(desk, pull, PEOPLE, [OWNER], checker=CHECKER, app_id=APP.id)
    assert "a branch of your own" in str(said.value)


@pytest.mark.parametrize("minutes,state", [(-1, "DISMISSED"), (0, "DISMISSED"), (1, "APPROVED")])
def test_a_dismissal_after_the_merge_takes_nothing_away(minutes: float, state: str) -> None:
    dismissed = Dismissal(review=1, at=NOW + timedelta(minutes=minutes), state="APPROVED")
    gone, other = review(state="DISMISSED"), review(CAROL, "DISMISSED", id=2)
    found = as_of_merge([gone, other], [dismissed], merged_at=NOW)
    assert [one.state for one in found] == [state, "DISMISSED"]


def test_what_happened_to_a_pull_request_is_asked_where_somebody_reviewed_it() -> None:
    changed = NOW - timedelta(minutes=15)
    events = PullEvents(base_changes=(changed - timedelta(hours=1), changed))
    assert (
        gather(Desk([review()], events=events), PULL, PEOPLE, [OWNER], checker=CHECKER).base_changed
        == changed
    )
    assert (
        gather(Desk([], events=events), PULL, PEOPLE, [OWNER], checker=CHECKER).base_changed is None
    )


def test_reviews_of_an_open_pull_request_are_as_they_are_now() -> None:
    late = Dismissal(review=1, at=NOW + timedelta(minutes=1), state="APPROVED")
    desk = Desk([review(state="DISMISSED")], events=PullEvents(dismissals=(late,)))
    (found,) = gather(desk, PULL, PEOPLE, [OWNER], checker=CHECKER).reviews
    assert found.state == "DISMISSED"
    merged = replace(PULL, merged_at=NOW)
    (found,) = gather(desk, merged, PEOPLE, [OWNER], checker=CHECKER).reviews
    assert found.state == "APPROVED"


@pytest.mark.parametrize("state", ["CHANGES_REQUESTED", "DISMISSED"])
def test_a_later_objection_voids_the_approval(state: str) -> None:
    approvals = count(review(id=1, minutes_ago=10), review(state=state, id=2, minutes_ago=5))
    assert not approvals.complete
    assert approvals.counted == ()


def test_a_later_approval_of_an_old_commit_voids_the_one_of_the_head() -> None:
    # A force-push back and forth: only the last word counts.
    approvals = count(review(id=1, minutes_ago=10), review(id=2, commit=OLD, minutes_ago=5))
    assert not approvals.complete


def test_of_two_reviews_in_the_same_second_the_higher_id_is_the_later() -> None:
    objection = review(state="CHANGES_REQUESTED", id=2)
    assert not count(objection, review(id=1)).complete
    assert count(objection, review(id=3)).complete


def test_a_standing_objection_blocks_although_everyone_needed_approved() -> None:
    approvals = count(review(), review(CAROL, "CHANGES_REQUESTED", id=2, commit=OLD))
    assert [step.missing for step in approvals.steps] == [0]
    assert not approvals.complete
    assert approvals.missing == ("carol asks for changes",)


def test_an_objection_of_someone_unknown_blocks() -> None:
    unknown = Actor(id=9, login="zed", type="User")
    assert not count(review(), review(unknown, "CHANGES_REQUESTED", id=2)).complete


@pytest.mark.parametrize(
    "author, voter",
    [
        (ALICE, None),
        (Actor(id=9, login="zed", type="User"), Voter(principal=None)),
        (Actor(id=9, login="zed", type="User"), Voter(principal="zed", can_write=False)),
    ],
)
def test_an_objection_of_someone_who_could_not_approve_does_not_block(
    author: Actor, voter: Voter | None
) -> None:
    electorate = {**ELECTORATE, **({author.id: voter} if voter else {})}
    assert count(
        review(), review(author, "CHANGES_REQUESTED", id=2), electorate=electorate
    ).complete


def test_a_review_after_the_merge_is_as_if_it_were_not_there() -> None:
    merged_at = NOW - timedelta(minutes=8)
    late = count(review(minutes_ago=7), merged_at=merged_at)
    assert not late.complete
    assert late.rejected[0].why == "bob reviewed after the merge: it came too late"
    withdrawn = count(
        review(id=1, minutes_ago=9),
        review(state="CHANGES_REQUESTED", id=2, minutes_ago=7),
        merged_at=merged_at,
    )
    assert withdrawn.complete
    assert count(review(minutes_ago=8), merged_at=merged_at).complete


def test_age_is_measured_at_the_merge() -> None:
    merged_at = NOW - timedelta(days=30)
    fresh = review(minutes_ago=30 * 24 * 60 + 23 * 60)
    stale = review(minutes_ago=30 * 24 * 60 + 25 * 60)
    assert count(fresh, merged_at=merged_at).complete
    assert not count(stale, merged_at=merged_at).complete


def test_one_person_fills_one_place_across_all_steps() -> None:
    both = Voter(principal="bob", teams=frozenset({"payments-leads", "security"}), can_write=True)
    approvals = count(review(), required=(OWNER, SECURITY), electorate={2: both})
    assert [step.missing for step in approvals.steps] == [0, 1]
    assert not approvals.complete


def test_a_step_of_two_needs_two_people() -> None:
    two = Requirement(id="two", teams=("security",), count=2, because="critical")
    approvals = count(review(CAROL), required=(two,))
    assert approvals.missing == ("1 more of security must approve: critical",)


def test_two_accounts_of_one_principal_are_one_person() -> None:
    two = Requirement(id="two", people=("bob",), count=2, because="critical")
    electorate = {number: Voter(principal="bob", can_write=True) for number in (BOB.id, CAROL.id)}
    approvals = count(review(), review(CAROL, id=2), required=(two,), electorate=electorate)
    assert approvals.steps[0].people == ("bob",)
    assert not approvals.complete
    assert [one.why for one in approvals.rejected] == [
        "carol is bob, who has approved with another account"
    ]
    # Whichever of them spoke first counts, by the last word of each.
    late = review(id=3, minutes_ago=1)
    again = count(review(), late, review(CAROL, id=2), required=(two,), electorate=electorate)
    assert [one.review.author for one in again.counted] == [CAROL]


def test_each_request_for_changes_is_told_once() -> None:
    objections = [review(who, "CHANGES_REQUESTED", id=who.id) for who in (BOB, CAROL)]
    approvals = count(*objections)
    whys = ["bob asks for changes", "carol asks for changes"]
    assert [one.why for one in approvals.rejected] == whys
    assert [one.why for one in approvals.blocking] == whys


def test_a_scarce_reviewer_is_seated_where_needed() -> None:
    # bob could fill either step, dave only the first: taking bob first would strand dave.
    dave = Actor(id=4, login="dave", type="User")
    electorate = {
        2: Voter(principal="bob", teams=frozenset({"payments-leads", "security"}), can_write=True),
        4: Voter(principal="dave", teams=frozenset({"payments-leads"}), can_write=True),
    }
    approvals = count(
        review(), review(dave, id=2), required=(OWNER, SECURITY), electorate=electorate
    )
    assert approvals.complete
    assert [step.people for step in approvals.steps] == [("dave",), ("bob",)]


def test_people_are_named_by_principal() -> None:
    named = Requirement(id="named", people=("carol",), count=1, because="named")
    assert count(review(CAROL), required=(named,)).complete
    assert not count(review(BOB), required=(named,)).complete


def test_nothing_required_is_complete_only_if_said_so() -> None:
    assert not count(required=()).complete
    assert count(required=()).missing == ("no approval is required, which nothing says is right",)
    assert count(required=(), none_required=True).complete
    objection = review(state="CHANGES_REQUESTED")
    assert not count(objection, required=(), none_required=True).complete
    assert not count(required=(OWNER,), none_required=True).complete


def test_a_step_that_nobody_can_fill_stays_open() -> None:
    nobody = Requirement(id="nobody", count=1, because="a target without owners")
    approvals = count(review(), review(CAROL, id=2), required=(nobody,))
    assert approvals.missing == (
        "1 more of nobody in particular must approve: a target without owners",
    )


@pytest.mark.parametrize("number", [0, -1])
def test_a_step_of_nobody_cannot_be_asked_for(number: int) -> None:
    with pytest.raises(ValueError, match="asks for"):
        Requirement(id="none", teams=("x",), count=number, because="x")


def test_a_huge_count_is_only_a_large_number_missing() -> None:
    huge = Requirement(id="huge", teams=("payments-leads",), count=10**9, because="x")
    assert count(review(), required=(huge,)).steps[0].missing == 10**9 - 1


@pytest.mark.parametrize(
    "at,merged_at",
    [
        (NOW.replace(tzinfo=None), None),
        (NOW.replace(tzinfo=None), NOW),
        (NOW, NOW.replace(tzinfo=None)),
    ],
)
def test_naive_times_are_refused(at: datetime, merged_at: datetime | None) -> None:
    with pytest.raises(ValueError, match="offset"):
        tally(
            [],
            head=HEAD,
            required=[],
            electorate={},
            excluded={},
            at=at,
            on_show=[],
            merged_at=merged_at,
        )


TEAMS = ("red", "green", "blue")
_people = st.integers(min_value=1, max_value=6)
_reviews = st.lists(
    st.builds(
        lambda who, state, commit, ago, type: (who, state, commit, ago, type),
        _people | st.none(),
        st.sampled_from(["APPROVED"] * 4 + ["CHANGES_REQUESTED", "COMMENTED", "DISMISSED"]),
        st.sampled_from([HEAD, HEAD, HEAD, OLD, None]),
        st.integers(min_value=-10, max_value=2000),
        st.sampled_from(["User", "User", "User", "Bot"]),
    ),
    max_size=10,
).map(
    lambda rows: [
        review(
            None if who is None else Actor(id=who, login=f"u{who}", type=type),
            state,
            id=index,
            commit=commit,
            minutes_ago=ago,
        )
        for index, (who, state, commit, ago, type) in enumerate(rows)
    ]
)
_electorate = st.dictionaries(
    _people,
    st.builds(
        Voter,
        principal=st.sampled_from(["a", "b", "c", "d", "e", None]),
        teams=st.frozensets(st.sampled_from(TEAMS)),
        can_write=st.sampled_from([True, True, True, False]),
    ),
)
_required = st.lists(
    st.builds(
        Requirement,
        id=st.just("r"),
        teams=st.lists(st.sampled_from(TEAMS), max_size=2).map(tuple),
        people=st.lists(st.sampled_from("abcde"), max_size=2).map(tuple),
        count=st.integers(min_value=1, max_value=3),
        because=st.just("so"),
    ),
    max_size=4,
)
_excluded = st.dictionaries(_people, st.just("pushed"), max_size=2)


def _case(
    reviews: Sequence[Review],
    electorate: Mapping[int, Voter],
    required: Sequence[Requirement],
    excluded: Mapping[int, str],
) -> Approvals:
    return count(*reviews, electorate=electorate, required=required, excluded=excluded)


@given(_reviews, _electorate, _required, _excluded, st.randoms(use_true_random=False))
def test_the_order_of_reviews_is_irrelevant(
    reviews: list[Review],
    electorate: dict[int, Voter],
    required: list[Requirement],
    excluded: dict[int, str],
    chance: random.Random,
) -> None:
    before = _case(reviews, electorate, required, excluded)
    shuffled = list(reviews)
    chance.shuffle(shuffled)
    assert _case(shuffled, electorate, required, excluded) == before


@given(_reviews, _electorate, _required, _excluded)
def test_nobody_is_counted_twice(
    reviews: list[Review],
    electorate: dict[int, Voter],
    required: list[Requirement],
    excluded: dict[int, str],
) -> None:
    approvals = _case(reviews, electorate, required, excluded)
    seated = [name for step in approvals.steps for name in step.people]
    principals = [one.principal for one in approvals.counted]
    assert len(seated) == len(set(seated))
    assert set(seated) <= set(principals)
    assert len(principals) == len(set(principals))
    for one in approvals.counted:
        assert one.review.author is not None
        assert one.review.author.id not in excluded


@given(_reviews, _electorate, _required, _excluded, st.frozensets(st.sampled_from(TEAMS)))
def test_one_more_eligible_approval_never_breaks_completeness(
    reviews: list[Review],
    electorate: dict[int, Voter],
    required: list[Requirement],
    excluded: dict[int, str],
    teams: frozenset[str],
) -> None:
    before = _case(reviews, electorate, required, excluded)
    added = Actor(id=77, login="new", type="User")
    voters = {**electorate, 77: Voter(principal="new", teams=teams, can_write=True)}
    after = _case([*reviews, review(added, id=77)], voters, required, excluded)
    assert after.complete or not before.complete
    assert sum(s.missing for s in after.steps) <= sum(s.missing for s in before.steps)


@given(_reviews, _electorate, _required, _excluded)
def test_taking_back_an_approval_never_completes(
    reviews: list[Review],
    electorate: dict[int, Voter],
    required: list[Requirement],
    excluded: dict[int, str],
) -> None:
    # Of one who said more than one thing, an earlier word would speak instead: take them all.
    before = _case(reviews, electorate, required, excluded)
    for one in before.counted:
        others = [r for r in reviews if r.author != one.review.author]
        after = _case(others, electorate, required, excluded)
        assert before.complete or not after.complete


@given(_reviews, _electorate, _required, _excluded)
def test_as_many_places_are_filled_as_can_be(
    reviews: list[Review],
    electorate: dict[int, Voter],
    required: list[Requirement],
    excluded: dict[int, str],
) -> None:
    approvals = _case(reviews, electorate, required, excluded)
    voters = {
        one.principal: electorate[one.review.author.id]
        for one in approvals.counted
        if one.review.author is not None
    }
    places = [need for need in required for _ in range(min(need.count, len(voters)))]
    best = 0
    names = sorted(voters)
    for chosen in itertools.permutations([*places, *[None] * len(names)], len(names)):
        seats = sum(
            1
            for name, need in zip(names, chosen, strict=True)
            if need and (name in need.people or voters[name].teams & set(need.teams))
        )
        best = max(best, seats)
        if best == min(len(places), len(names)):
            break
    assert sum(len(step.people) for step in approvals.steps) == best


PEOPLE = Catalogue(
    principals={
        "alice": person("alice", 1),
        "bob": person("bob", 2),
        "carol": person("carol", 3, disabled=True),
        "robot": person("robot", 4, kind=PrincipalKind.WORKLOAD),
    },
    targets={},
    roles={},
    teams=declared("payments-leads", "security", "night", "engineering"),
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


def test_facts_are_gathered_of_those_who_could_count_and_of_nobody_else() -> None:
    robot = Actor(id=4, login="robot", type="User")
    desk = Desk(
        [
            review(ALICE, id=1),
            review(BOB, id=2),
            review(CAROL, id=3),
            review(robot, id=4),
            review(Actor(id=8, login="talk", type="User"), "COMMENTED", id=5),
            review(None, id=6),
        ],
        members={"payments-leads": {1, 2, 3, 4}},
    )
    gathered = gather(desk, PULL, PEOPLE, [OWNER, SECURITY], checker=CHECKER)
    assert desk.asked == ["bob writes", "bob in payments-leads", "bob in security"]
    assert gathered.electorate == {
        2: Voter(principal="bob", teams=frozenset({"payments-leads"}), can_write=True),
        3: Voter(principal=None),
        4: Voter(principal=None),
    }
    assert gathered.excluded == {1: "opened the pull request"}


def test_a_reviewer_without_write_permission_is_in_no_team() -> None:
    desk = Desk([review(BOB)], members={"payments-leads": {2}}, writers=set())
    gathered = gather(desk, PULL, PEOPLE, [OWNER], checker=CHECKER)
    assert gathered.electorate == {2: Voter(principal="bob")}


@pytest.mark.parametrize(
    "teams, hidden, said",
    [
        (
            declared("payments-lead"),
            (),
            'nobody is in team "payments-leads": it is not in access/teams.yaml; did you mean '
            '"payments-lead"?',
        ),
        (
            {},
            (),
            'nobody is in team "payments-leads": it is not in access/teams.yaml; declare it there '
            "with its GitHub id",
        ),
        (
            declared("payments-leads"),
            ("payments-leads",),
            'nobody is in team "payments-leads": GitHub does not show it with the id 4711; '
            "correct access/teams.yaml",
        ),
    ],
    ids=["mistyped", "undeclared", "another-id"],
)
def test_nobody_is_in_a_team_that_is_not_declared_or_not_shown(
    teams: Mapping[str, Team], hidden: tuple[str, ...], said: str
) -> None:
    # Both are members by GitHub's word on the slug alone.
    desk = Desk([review(BOB)], members={"payments-leads": {2}}, hidden=hidden)
    membership = Membership(desk, teams)
    gathered = gather(
        desk, PULL, replace(PEOPLE, teams=teams), [OWNER], membership=membership, checker=CHECKER
    )
    assert gathered.electorate == {2: Voter(principal="bob", can_write=True)}
    assert membership.empty == (said,)
    assert not any(one.startswith("bob in") for one in desk.asked)


def test_a_team_that_nobody_can_be_in_is_told_before_anybody_reviews() -> None:
    desk = Desk([], hidden=["security"])
    membership = Membership(desk, PEOPLE.teams)
    gather(desk, PULL, PEOPLE, [OWNER, SECURITY], membership=membership, checker=CHECKER)
    assert [one.partition(":")[0] for one in membership.empty] == ['nobody is in team "security"']


def test_pushers_author_and_parties_are_excluded_each_with_a_reason() -> None:
    gathered = gather(
        Desk([], pushers=(ALICE, BOB)),
        PULL,
        PEOPLE,
        [OWNER],
        interested={3: "is the subject"},
        checker=CHECKER,
    )
    assert gathered.excluded == {
        1: "opened the pull request",
        2: "pushed to its branch",
        3: "is the subject",
    }


def test_a_second_pusher_cannot_approve_what_they_pushed() -> None:
    # A forged commit author would hide bob; the push does not.
    desk = Desk([review(BOB)], pushers=(ALICE, BOB), members={"payments-leads": {2}})
    gathered = gather(desk, PULL, PEOPLE, [OWNER], checker=CHECKER)
    approvals = tally(
        gathered.reviews,
        head=HEAD,
        required=[OWNER],
        electorate=gathered.electorate,
        excluded=gathered.excluded,
        at=NOW,
        on_show=[(LONG_AGO, None)],
    )
    assert not approvals.complete
    assert approvals.rejected[0].why.startswith("bob pushed to its branch")


@pytest.mark.parametrize("change", [{"author": None}, {"same_repository": False}])
def test_an_unknowable_author_or_pusher_denies(change: dict[str, object]) -> None:
    values = {
        name: getattr(PULL, name)
        for name in (
            "number",
            "author",
            "state",
            "base_ref",
            "head_ref",
            "head_sha",
            "same_repository",
        )
    }
    with pytest.raises(Denied):
        gather(Desk([]), PullRequest(**{**values, **change}), PEOPLE, [OWNER], checker=CHECKER)
