"""Whose approval counts for a proof, as of the merge, and what reviewers must have been shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline.errors import Denied
from pipeline.values.pull_request import Actor, Push
from tests.unit.support_branch import (
    CHECKER,
    DAY,
    HOUR,
    KEEPER,
    MINUTE,
    PAYOUTS,
    Branch,
    live,
    quarantined,
)
from tests.unit.support_tiny_rules import (
    ALICE,
    BOB,
    CAROL,
    DAN,
    MALLORY,
    ROLES,
    START,
    TABLES,
    grant,
)

SECOND = timedelta(seconds=1)
MISSING = "1 more of leads must approve: a role of medium risk"


@pytest.fixture
def branch() -> Branch:
    return Branch()


def requested(branch: Branch, shown_before: timedelta = -MINUTE, **fields: Any) -> int:
    """Proposes and shows a grant that needs an approval; returns the pull request's number."""
    number = branch.propose({PAYOUTS: TABLES}, **fields)
    branch.show(number, at=branch.now - shown_before)
    return number


def test_what_was_approved_before_a_check_showed_it_is_not_proven(branch: Branch) -> None:
    number = branch.propose({PAYOUTS: TABLES})
    branch.review(number, BOB)
    branch.show(number)
    branch.merge(number)
    assert branch.refusal() == MISSING


@pytest.mark.parametrize("again", [False, True], ids=["approved once", "approved again"])
def test_a_role_that_grew_since_the_approval_is_not_given_by_it(
    branch: Branch, again: bool
) -> None:
    number = requested(branch)
    branch.review(number, BOB)
    larger = START[ROLES].replace("dataViewer", "dataOwner")
    assert larger != START[ROLES]
    branch.govern({ROLES: larger})
    # The check is asked again, and shows the larger role.
    branch.show(number)
    if again:
        branch.review(number, BOB)
    branch.merge(number)
    found = branch.stand()
    assert live(found) == (["alice/payouts"] if again else [])
    assert again or quarantined(found)[PAYOUTS] == MISSING


def test_an_approval_of_the_smaller_role_is_none_of_the_larger_one_that_was_shown_before(
    branch: Branch,
) -> None:
    larger = {ROLES: START[ROLES].replace("dataViewer", "dataOwner")}
    branch.govern(larger)
    number = requested(branch)
    branch.govern({ROLES: START[ROLES]})
    branch.show(number)
    branch.review(number, BOB)
    branch.govern(larger)
    branch.show(number)
    branch.merge(number)
    assert quarantined(branch.stand())[PAYOUTS] == MISSING


def test_a_check_of_another_pull_request_shows_nothing_to_those_of_this_one(
    branch: Branch,
) -> None:
    """They have the same head; the other one is not what was approved here."""
    number = branch.propose({PAYOUTS: TABLES})
    twin = branch.propose({}, author=MALLORY)
    branch.set_head(twin, branch.forge.pulls[number].head_sha, by=MALLORY)
    branch.show(twin)
    branch.review(number, BOB)
    branch.show(number)
    branch.merge(number)
    assert f"#{number}: {MISSING}" in quarantined(branch.stand())[PAYOUTS]


def test_nobody_s_approval_is_not_enough_where_policy_asks_for_one(branch: Branch) -> None:
    branch.merge(requested(branch))
    assert branch.refusal() == MISSING


@pytest.mark.parametrize("late,counts", [(0 * MINUTE, True), (SECOND, False)])
def test_an_approval_counts_up_to_the_second_of_the_merge(
    branch: Branch, late: timedelta, counts: bool
) -> None:
    number = requested(branch)
    # The review takes a minute, and the merge another.
    branch.review(number, BOB, at=branch.now + 2 * MINUTE + late)
    branch.merge(number)
    assert live(branch.stand()) == (["alice/payouts"] if counts else [])


@pytest.mark.parametrize("old,counts", [(DAY, True), (DAY + SECOND, False)])
def test_an_approval_counts_for_a_day(branch: Branch, old: timedelta, counts: bool) -> None:
    number = requested(branch, shown_before=2 * DAY)
    branch.review(number, BOB, at=branch.now + 2 * MINUTE - old)
    branch.merge(number)
    assert live(branch.stand()) == (["alice/payouts"] if counts else [])


def test_an_approval_is_as_old_as_it_was_at_the_merge_and_grows_no_older(branch: Branch) -> None:
    number = requested(branch, shown_before=DAY)
    branch.review(number, BOB, at=branch.now - 23 * HOUR)
    branch.merge(number)
    branch.now += 119 * MINUTE
    assert live(branch.stand()) == ["alice/payouts"]


def test_an_approval_of_an_earlier_head_does_not_count(branch: Branch) -> None:
    number = requested(branch)
    branch.review(number, BOB)
    branch.push_to(number, {PAYOUTS: TABLES.replace("2h", "3h")}, by=ALICE)
    branch.show(number)
    branch.merge(number)
    assert branch.refusal() == MISSING


@pytest.mark.parametrize("state", ["DISMISSED", "CHANGES_REQUESTED"])
def test_an_approval_counts_until_the_same_person_says_otherwise(
    branch: Branch, state: str
) -> None:
    number = requested(branch)
    branch.review(number, BOB)
    branch.review(number, BOB, "COMMENTED")
    branch.review(number, BOB, state)
    branch.merge(number)
    assert MISSING in branch.refusal()


@pytest.mark.parametrize(
    "reviewer",
    [
        pytest.param(DAN, id="no-lead"),
        pytest.param(MALLORY, id="no-principal"),
        pytest.param(Actor(id=BOB.id, login="bob", type="Bot"), id="no-person"),
    ],
)
def test_only_the_people_whom_policy_names_approve(branch: Branch, reviewer: Actor) -> None:
    branch.forge.teams["leads"].add(MALLORY.id)
    number = requested(branch)
    branch.review(number, reviewer)
    branch.merge(number)
    assert branch.refusal() == MISSING


def test_neither_author_nor_pusher_nor_subject_approves(branch: Branch) -> None:
    branch.forge.teams["leads"] |= {ALICE.id}
    number = requested(branch, author=BOB)
    branch.push_to(number, {PAYOUTS: TABLES.replace("2h", "3h")}, by=CAROL)
    branch.show(number)
    for one in (ALICE, BOB, CAROL):
        branch.review(number, one)
    branch.merge(number)
    assert branch.refusal() == MISSING


def test_who_pushed_to_the_branch_after_the_merge_has_no_part_in_it(branch: Branch) -> None:
    number = requested(branch)
    branch.review(number, BOB)
    branch.merge(number)
    head = branch.forge.pulls[number].head_ref
    branch.forge.pushed[head].append(Push(sha="e" * 40, at=branch.now + SECOND, by=BOB))
    assert live(branch.stand()) == ["alice/payouts"]


def test_a_low_risk_that_somebody_else_pushed_does_not_merge_by_itself(branch: Branch) -> None:
    number = branch.propose({PAYOUTS: grant()})
    branch.push_to(number, {PAYOUTS: grant(duration="3h")}, by=MALLORY)
    branch.show(number)
    branch.merge(number)
    assert "a role of low risk that may not merge by itself" in branch.refusal()


def test_the_app_is_judged_together_with_whoever_else_pushed(branch: Branch) -> None:
    number = branch.propose({PAYOUTS: grant()}, author=KEEPER)
    branch.show(number)
    branch.merge(number)
    assert live(branch.stand()) == ["alice/payouts"]
    branch.lost.add("e" * 40)
    branch.forge.pushed["request-1"].append(Push(sha="e" * 40, at=branch.now, by=CAROL))
    assert "a role of low risk that may not merge by itself" in branch.refusal()


ACTIONS = Actor(id=41898282, login="github-actions[bot]", type="Bot")


def test_what_a_workflow_pushed_is_not_approved_by_whoever_may_have_written_it(
    branch: Branch,
) -> None:
    number = requested(branch)
    branch.push_to(number, {PAYOUTS: TABLES.replace("2h", "3h")}, by=ACTIONS)
    branch.show(number)
    branch.review(number, BOB)
    branch.merge(number)
    assert branch.refusal().startswith("github-actions[bot], a bot, pushed to request-1")


@pytest.mark.parametrize("who", [BOB, ACTIONS])
def test_who_brings_a_request_up_to_date_with_main_wrote_nothing_of_it(
    branch: Branch, who: Actor
) -> None:
    number = requested(branch)
    branch.push({"README.md": "main moves on\n"})
    branch.update(number, by=who)
    branch.show(number)
    branch.review(number, BOB)
    branch.merge(number)
    assert live(branch.stand()) == ["alice/payouts"]


def test_who_changes_a_request_while_bringing_it_up_to_date_does_not_approve_it(
    branch: Branch,
) -> None:
    number = requested(branch)
    branch.push({"README.md": "main moves on\n"})
    branch.update(number, by=BOB, more={PAYOUTS: TABLES.replace("2h", "3h")})
    branch.show(number)
    branch.review(number, BOB)
    branch.merge(number)
    assert branch.refusal() == MISSING


def test_what_a_bot_pushed_to_a_low_risk_request_does_not_merge_by_itself(branch: Branch) -> None:
    number = branch.propose({PAYOUTS: grant()})
    branch.push_to(number, {PAYOUTS: grant(duration="3h")}, by=ACTIONS)
    (reason,) = branch.assess(number).decision.reasons
    assert reason.startswith("github-actions[bot], a bot, pushed to request-1")
    assert "open it again from a branch of your own" in reason
    branch.show(number)
    branch.merge(number)
    assert live(branch.stand()) == []


def test_an_account_that_is_gone_proves_nothing_where_its_author_matters(branch: Branch) -> None:
    number = requested(branch)
    branch.review(number, BOB)
    branch.merge(number)
    branch.forge.pulls[number] = replace(branch.forge.pulls[number], author=None)
    assert "was opened by an account that is gone" in branch.refusal()


def test_what_a_rule_forbids_no_approval_makes_right(branch: Branch) -> None:
    branch.bring({PAYOUTS: TABLES.replace("2h", "9h")}, approved_by=[BOB])
    assert branch.refusal() == "it would last 9h, 8h is allowed; shorten the duration"


def test_what_is_no_grant_is_unproven_with_its_problems(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant(duration="soon")})
    assert f"{PAYOUTS}:3:" in branch.refusal()


def test_what_was_not_shown_before_the_merge_is_unproven(branch: Branch) -> None:
    number = branch.propose({PAYOUTS: grant()})
    branch.merge(number)
    assert "nobody saw what it gives" in branch.refusal()


@pytest.mark.parametrize("other", [{"name": "another"}, {"app": CHECKER.app + 1}])
def test_what_another_check_showed_is_unproven(branch: Branch, other: dict[str, Any]) -> None:
    number = branch.propose({PAYOUTS: grant()})
    branch.show(number, checker=replace(CHECKER, **other))
    branch.merge(number)
    assert "nobody saw what it gives" in branch.refusal()


@pytest.mark.parametrize(
    "edited, counts",
    [(None, True), (-1 * SECOND, True), (0 * SECOND, True), (SECOND, False), (HOUR, False)],
)
def test_an_approval_after_the_last_check_counts_unless_the_comment_was_edited_since(
    branch: Branch, edited: timedelta | None, counts: bool
) -> None:
    """Somebody merged past the check that would have noticed. An edit after the merge may hide one
    before it."""
    number = requested(branch)
    last = branch.now
    branch.review(number, BOB)
    branch.merge(number)
    if edited is not None:
        branch.comment(number, at=last + edited)
    branch.comment(number, by=MALLORY)
    assert (live(branch.stand()) == ["alice/payouts"]) == counts
    if not counts:
        assert MISSING in branch.refusal()


def test_what_a_check_followed_counts_whatever_became_of_the_comment_later(
    branch: Branch,
) -> None:
    number = requested(branch)
    branch.review(number, BOB)
    branch.show(number)
    branch.merge(number)
    branch.comment(number, at=branch.now + HOUR)
    branch.forge.asked.clear()
    assert live(branch.stand()) == ["alice/payouts"]
    assert "comments" not in branch.forge.asked


def test_comments_without_end_may_hide_an_edited_one(branch: Branch) -> None:
    number = requested(branch)
    branch.review(number, BOB)
    branch.merge(number)
    branch.forge.failures["comments"] = Denied("more comments than are read")
    assert MISSING in branch.refusal()


def test_another_offer_than_the_one_that_was_shown_is_unproven(branch: Branch) -> None:
    number = branch.propose({PAYOUTS: grant()})
    branch.show(number, offer="0" * 64)
    branch.merge(number)
    assert branch.refusal().endswith("is not what it would give: ask again")
