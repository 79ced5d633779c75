"""Pull requests with one head: which of them may prove what was merged."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.errors import ForgeError
from pipeline.proof.twins import not_open_at, shown_pulls
from pipeline.values.pull_request import CheckRun, PullEvents, PullRequest, PullTurn, Push
from tests.unit.support_branch import NOON, PAYOUTS, Branch, live, quarantined
from tests.unit.support_tiny_rules import ALICE, BOB, MALLORY, TABLES

SECOND = timedelta(seconds=1)
HEAD = "d" * 40
PULL = PullRequest(
    number=1,
    author=ALICE,
    state="open",
    base_ref="main",
    head_ref="request-1",
    head_sha=HEAD,
    same_repository=True,
)
PUSHES = (Push(sha=HEAD, at=NOON - SECOND, by=ALICE),)
MISSING = "1 more of leads must approve: a role of medium risk"


def turn(kind: str, seconds: int) -> PullTurn:
    return PullTurn(kind=kind, at=NOON + seconds * SECOND)


@pytest.mark.parametrize(
    "now, turns, why",
    [
        ({}, [], ""),
        ({"head_sha": "e" * 40}, [], "its head is eeeeeee"),
        ({"base_ref": "next"}, [], "it is not known to have been based on main"),
        # Closed later, or before.
        ({"state": "closed"}, [turn("closed", 1)], ""),
        ({"state": "closed"}, [turn("closed", -1)], "it was not open"),
        ({"state": "closed"}, [], "it was not open"),
        # Within that very second nobody knows which came first.
        ({"state": "closed"}, [turn("closed", 0)], "it was not open"),
        ({}, [turn("reopened", 0)], "it was not open"),
        ({}, [turn("closed", -2), turn("reopened", 1)], "it was not open"),
        ({}, [turn("closed", -2), turn("reopened", -1)], ""),
        ({}, [turn("closed", 1), turn("reopened", 2)], ""),
        ({"state": "closed"}, [turn("reopened", 1), turn("closed", 2)], "it was not open"),
        # GitHub calls it merged, as its head came with the other one.
        ({"state": "closed", "merged_at": NOON}, [turn("closed", 0)], ""),
        ({"state": "closed", "merged_at": NOON - SECOND}, [turn("closed", -1)], "it was not open"),
        (
            {"state": "closed", "merged_at": NOON + 2 * SECOND},
            [turn("closed", -1), turn("reopened", 1), turn("closed", 2)],
            "it was not open",
        ),
        ({"draft": True}, [], "it was a draft"),
        ({"draft": True}, [turn("convert_to_draft", 1)], ""),
        ({"draft": True}, [turn("convert_to_draft", 0)], "it was a draft"),
        ({}, [turn("ready_for_review", 1)], "it was a draft"),
        ({}, [turn("ready_for_review", 0)], "it was a draft"),
        ({}, [turn("ready_for_review", -1)], ""),
    ],
)
def test_a_pull_request_was_open_and_ready_only_where_that_is_certain(
    now: dict[str, object], turns: list[PullTurn], why: str
) -> None:
    pull = replace(PULL, **now)  # type: ignore[arg-type]
    events = PullEvents(turns=tuple(turns))
    assert not_open_at(pull, events, PUSHES, NOON, head=HEAD, default_branch="main") == why


@pytest.mark.parametrize("seconds, why", [(-1, ""), (0, "base"), (1, "base")])
def test_a_base_that_was_changed_since_is_not_known(seconds: int, why: str) -> None:
    events = PullEvents(base_changes=(NOON + seconds * SECOND,))
    found = not_open_at(PULL, events, PUSHES, NOON, head=HEAD, default_branch="main")
    assert why in found
    assert bool(why) == bool(found)


@pytest.mark.parametrize(
    "pushes, known",
    [
        (PUSHES, True),
        ((Push(sha=HEAD, at=NOON, by=ALICE),), False),
        ((*PUSHES, Push(sha="e" * 40, at=NOON - SECOND, by=ALICE)), False),
        ((Push(sha=HEAD, at=NOON - SECOND, by=ALICE, former=True),), False),
        ((), False),
    ],
)
def test_the_branch_of_a_twin_was_at_that_head_only_where_the_last_push_says_so(
    pushes: tuple[Push, ...], known: bool
) -> None:
    found = not_open_at(PULL, PullEvents(), pushes, NOON, head=HEAD, default_branch="main")
    assert found == ("" if known else "its branch is not known to have been at ddddddd")


def test_pull_requests_are_those_that_our_runs_name_the_green_ones_first() -> None:
    def run(name: str, conclusion: str, seconds: int, number: int = 1) -> CheckRun:
        return CheckRun(
            id=number,
            conclusion=conclusion,
            external_id=name,
            completed_at=NOON + seconds * SECOND,
        )

    runs = [
        run("1:a", "failure", -5),
        run("2:a", "success", -5),
        run("2:b", "failure", -4),
        run("3:a", "failure", -5),
        run("3:a", "success", -5, number=2),
        run("4:a", "success", 1),
        run("5:a", "success", 0),
        run("x:a", "success", -5),
        run("6", "success", -5),
        run("", "success", -5),
    ]
    assert shown_pulls(runs, until=NOON) == (3, 5, 1, 2)


# Borrowed greens


def borrowed(branch: Branch, *, approved: bool = True) -> tuple[int, int]:
    """Merges alice's request through another pull request with its head, which mallory opened;
    the numbers of both. Hers stays open."""
    number = branch.propose({PAYOUTS: TABLES})
    branch.show(number)
    if approved:
        branch.review(number, BOB)
        branch.show(number)
    head = branch.forge.pulls[number].head_sha
    twin = branch.propose({PAYOUTS: TABLES}, author=MALLORY)
    branch.set_head(twin, head, by=MALLORY)
    branch.forge.pulls[twin] = replace(branch.forge.pulls[twin], merged_by=MALLORY)
    branch.merge(twin, "squash")
    return number, twin


def test_one_that_was_pushed_to_and_set_back_after_the_merge_proves_nothing(
    branch: Branch,
) -> None:
    """Alice took her request back by a push. Mallory merges what she took back, and sets her
    branch to it again."""
    number = branch.propose({PAYOUTS: TABLES})
    branch.show(number)
    branch.review(number, BOB)
    branch.show(number)
    before = branch.forge.pulls[number]
    twin = branch.propose({PAYOUTS: TABLES}, author=MALLORY)
    branch.set_head(twin, before.head_sha, by=MALLORY)
    branch.push_to(number, {PAYOUTS: None}, by=ALICE)
    branch.merge(twin, "squash")
    branch.set_head(number, before.head_sha, by=MALLORY)
    found = branch.stand()
    assert (live(found), found.proofs) == ([], {})


def test_what_was_approved_is_proven_by_its_own_pull_request_whoever_merged_another(
    branch: Branch,
) -> None:
    number, twin = borrowed(branch)
    found = branch.stand()
    assert live(found) == ["alice/payouts"]
    (proof,) = found.fresh
    assert (proof.pull, proof.through, proof.merger) == (number, twin, MALLORY.login)
    assert (proof.requester, proof.approvers) == ("alice", ("bob",))


def test_what_nobody_approved_is_proven_by_neither(branch: Branch) -> None:
    number, twin = borrowed(branch, approved=False)
    why = quarantined(branch.stand())[PAYOUTS]
    assert f"#{number}: {MISSING}" in why
    assert f"#{twin}: " in why


def test_what_was_withdrawn_is_not_proven_by_its_approvals(branch: Branch) -> None:
    number, _ = borrowed(branch)
    branch.forge.pulls[number] = replace(branch.forge.pulls[number], state="closed")
    assert branch.refusal() == MISSING


def test_a_draft_that_github_calls_merged_with_another_one_proves_nothing(branch: Branch) -> None:
    number, twin = borrowed(branch)
    merged = branch.forge.pulls[twin]
    branch.forge.pulls[number] = replace(
        branch.forge.pulls[number],
        draft=True,
        state="closed",
        merged_at=merged.merged_at,
        merge_commit_sha=merged.merge_commit_sha,
    )
    assert f"#{number}: #{number} was a draft" in branch.refusal()


def test_one_that_became_a_draft_later_still_proves(branch: Branch) -> None:
    number, _ = borrowed(branch)
    branch.forge.pulls[number] = replace(branch.forge.pulls[number], draft=True)
    later = PullTurn(kind="convert_to_draft", at=branch.now + SECOND)
    branch.forge.happened[number] = PullEvents(turns=(later,))
    assert live(branch.stand()) == ["alice/payouts"]


def test_one_that_github_no_longer_shows_is_no_outage_after_an_hour(
    branch: Branch, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, _ = borrowed(branch, approved=False)
    real, at = branch.forge.pull, branch.now

    def pull(asked: int) -> PullRequest:
        if asked == number:
            raise ForgeError("404")
        return real(asked)

    monkeypatch.setattr(branch.forge, "pull", pull)
    assert any(one.undecided for one in branch.stand(at=at).quarantined)
    branch.now += timedelta(hours=2)
    assert not any(one.undecided for one in branch.stand(at=at).quarantined)


def test_an_approval_after_the_merge_of_another_one_comes_too_late(branch: Branch) -> None:
    number, _ = borrowed(branch, approved=False)
    branch.review(number, BOB)
    branch.show(number)
    assert live(branch.stand()) == []


@pytest.fixture
def branch() -> Branch:
    return Branch()
