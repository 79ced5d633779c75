"""What it takes to prove one commit, and what becomes of one that is not proven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline.errors import Denied, EngineError, ForgeError, Incomplete, Unanswerable, Undecided
from pipeline.proof.commit_prover import MOST_OUTAGES, PATIENCE
from pipeline.values.commits import EXECUTABLE_MODE
from pipeline.values.grant import Window
from pipeline.values.pull_request import PullFile
from tests.unit.support_branch import (
    HOUR,
    MINUTE,
    NOON,
    PAYOUTS,
    REPORTS,
    Branch,
    live,
    quarantined,
)
from tests.unit.support_memory import File, Files
from tests.unit.support_tiny_rules import BOB, LIMITS, MALLORY, RULES, START, TABLES, grant

SECOND = timedelta(seconds=1)


@pytest.fixture
def branch() -> Branch:
    return Branch()


# One proven grant


def test_what_was_proposed_shown_approved_and_merged_is_live_from_its_merge(
    branch: Branch,
) -> None:
    merged = branch.bring({PAYOUTS: TABLES}, approved_by=[BOB])
    found = branch.stand()
    assert (found.tip, found.quarantined, found.ungoverned) == (merged, (), ())
    (one,) = found.live
    assert one.window == Window(start=branch.now, end=branch.now + 2 * HOUR)
    assert [line.role.name for line in one.entitlements] == ["table-reader"]
    (proof,) = found.fresh
    pull = branch.forge.pulls[1]
    assert found.proofs == {one.grant.id: (proof,)}
    assert (proof.commit, proof.pull, proof.head) == (merged, 1, pull.head_sha)
    assert (proof.merged_at, proof.requester, proof.previous) == (branch.now, "alice", None)
    assert proof.approvers == ("bob",)
    assert list(found.lives) == [one.grant.id]


def test_the_decision_of_a_proof_is_the_one_that_the_check_came_to(branch: Branch) -> None:
    number = branch.propose({PAYOUTS: grant()})
    branch.show(number)
    checked = branch.assess(number)
    branch.merge(number)
    (proof,) = branch.stand().fresh
    assert proof.decision == checked.digest


def test_the_window_begins_with_the_merge_and_not_with_the_committer_date(
    branch: Branch,
) -> None:
    number = branch.propose({PAYOUTS: grant()})
    branch.show(number)
    branch.merge(number, committed_at=branch.now - 3 * MINUTE)
    (one,) = branch.stand().live
    assert one.window.start == branch.now


def test_a_commit_is_judged_as_of_its_merge_however_late_it_is_proven() -> None:
    noon = int(NOON.timestamp())
    by_day = START[RULES].replace(
        'alone contains "low-risk" if {',
        f'alone contains "low-risk" if {{\n\tinput.now < {noon + 600}',
    )
    branch = Branch({RULES: by_day})
    branch.bring({PAYOUTS: grant()})
    first = branch.stand().fresh
    branch.now += HOUR
    assert branch.stand().fresh == first != ()
    branch.bring({REPORTS: grant()})
    assert live(branch.stand()) == ["alice/payouts"]


def test_a_squash_is_proven_as_a_merge_commit_is(branch: Branch) -> None:
    number = branch.propose({PAYOUTS: grant()})
    branch.show(number)
    branch.merge(number, "squash")
    assert live(branch.stand()) == ["alice/payouts"]


def test_only_the_head_that_was_merged_is_fetched(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.heads_fetched.clear()
    branch.stand()
    assert branch.heads_fetched == [(1, branch.forge.pulls[1].head_sha)]


def test_who_asked_is_recorded_by_principal_and_a_stranger_as_nobody(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()}, author=MALLORY, approved_by=[BOB])
    (proof,) = branch.stand().fresh
    assert (proof.requester, proof.approvers) == (None, ("bob",))


# Pull requests


def test_a_commit_pushed_without_a_pull_request_is_quarantined_alone(branch: Branch) -> None:
    branch.bring({REPORTS: grant()})
    pushed = branch.push({PAYOUTS: grant()})
    found = branch.stand()
    assert live(found) == ["alice/reports"]
    (one,) = found.quarantined
    assert (one.path, one.commit) == (PAYOUTS, pushed)
    assert one.reasons == ("0 merged pull requests brought it, expected one",)


def twins(branch: Branch, files: Files, *, approved: bool) -> tuple[int, int]:
    """Merges a pull request, and lets GitHub call another one merged by the same commit; the
    numbers of both. It is the first that may have its approval."""
    number = branch.propose(files)
    head = branch.forge.pulls[number].head_sha
    twin = branch.propose(files, author=MALLORY)
    branch.show(number)
    if approved:
        branch.review(number, BOB)
    merged = branch.merge(number, method="squash")
    pull = branch.forge.pulls[twin]
    branch.forge.pulls[twin] = replace(
        pull, head_sha=head, state="closed", merged_at=branch.now, merge_commit_sha=merged
    )
    return number, twin


@pytest.mark.parametrize("order", [1, -1])
def test_a_twin_of_a_pull_request_holds_up_nothing(branch: Branch, order: int) -> None:
    number, twin = twins(branch, {PAYOUTS: TABLES}, approved=True)
    pulls = branch.forge.pulls
    if order < 0:
        first, second = pulls[number], pulls[twin]
        pulls[number], pulls[twin] = replace(second, number=number), replace(first, number=twin)
        for kept in (branch.forge.submitted, branch.forge.listed):
            kept[number], kept[twin] = kept.get(twin, ()), kept.get(number, ())  # type: ignore
        # Shown, too, is now the other one.
        (posted,) = branch.forge.posted
        assert posted[-1].external_id.startswith(f"{number}:")
        offer = branch.assess(twin).external_id
        branch.forge.posted[:] = [(*posted[:-1], replace(posted[-1], external_id=offer))]
    found = branch.stand()
    assert live(found) == ["alice/payouts"]
    assert found.fresh[0].pull == (number if order > 0 else twin)


def test_twins_that_nobody_approved_prove_nothing(branch: Branch) -> None:
    number, twin = twins(branch, {PAYOUTS: TABLES}, approved=False)
    refusal = branch.refusal()
    assert f"#{number}: " in refusal
    assert f"#{twin}: " in refusal


def test_a_twin_about_which_github_does_not_answer_holds_up_nothing(branch: Branch) -> None:
    _, twin = twins(branch, {PAYOUTS: TABLES}, approved=True)
    branch.unfetchable[twin] = ForgeError("502")
    assert live(branch.stand()) == ["alice/payouts"]
    branch.forge.submitted.clear()
    assert undecided(branch).endswith("502")


def test_more_twins_than_are_looked_at_prove_nothing(branch: Branch) -> None:
    number, twin = twins(branch, {PAYOUTS: TABLES}, approved=True)
    for more in range(100, 109):
        branch.forge.pulls[more] = replace(branch.forge.pulls[twin], number=more)
    assert branch.refusal() == "11 merged pull requests brought it, at most 10 are looked at"
    assert number


def test_a_twin_that_was_merged_into_another_branch_is_no_twin(branch: Branch) -> None:
    number, twin = twins(branch, {PAYOUTS: TABLES}, approved=True)
    pulls = branch.forge.pulls
    pulls[twin] = replace(pulls[twin], base_ref="mine")
    assert live(branch.stand()) == ["alice/payouts"]
    assert branch.stand().fresh[0].pull == number


def test_a_commit_that_was_merged_into_another_branch_only_is_unproven(branch: Branch) -> None:
    number = branch.propose({PAYOUTS: grant()})
    branch.show(number)
    branch.merge(number)
    branch.forge.pulls[number] = replace(branch.forge.pulls[number], base_ref="next")
    assert branch.refusal() == "#1 was merged into next"


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"merged_at": None}, id="closed-unmerged"),
        pytest.param({"merge_commit_sha": "1" * 40}, id="merged-by-another-commit"),
        pytest.param({"merge_commit_sha": None}, id="merged-by-none"),
    ],
)
def test_a_pull_request_that_is_only_listed_for_a_commit_did_not_bring_it(
    branch: Branch, fields: Mapping[str, Any]
) -> None:
    number = branch.propose({PAYOUTS: grant()})
    branch.show(number)
    merged = branch.merge(number)
    other = branch.propose({"README.md": "more\n"})
    branch.forge.pulls[other] = replace(
        branch.forge.pulls[other], merged_at=branch.now, merge_commit_sha="2" * 40
    )
    branch.forge.associated[merged] = (number, other)
    assert live(branch.stand()) == ["alice/payouts"]
    branch.forge.pulls[number] = replace(branch.forge.pulls[number], **fields)
    assert branch.refusal() == "0 merged pull requests brought it, expected one"


def test_a_pull_request_from_a_fork_proves_nothing(branch: Branch) -> None:
    number = branch.propose({PAYOUTS: grant()}, same_repository=False)
    branch.show(number)
    branch.merge(number)
    assert branch.refusal() == "#1 came from a fork: who pushed to it is unknowable"


def test_a_merge_of_something_else_than_the_head_is_unproven(branch: Branch) -> None:
    number = branch.propose({PAYOUTS: grant()})
    branch.show(number)
    branch.merge(number, parents=[branch.tip, branch.anchor])
    assert branch.refusal().startswith(f"its second parent is {branch.anchor[:7]}, #1 ends at ")


def test_a_committer_date_over_five_minutes_from_the_merge_is_unproven(branch: Branch) -> None:
    number = branch.propose({PAYOUTS: grant()})
    branch.show(number)
    # The merge comes a minute after now.
    branch.merge(number, committed_at=branch.now + 6 * MINUTE + SECOND)
    assert "more than five minutes from the merge" in branch.refusal()


@pytest.mark.parametrize(
    "arrived", [grant(duration="3h"), File(grant().encode(), EXECUTABLE_MODE)], ids=["blob", "mode"]
)
def test_a_file_that_differs_from_the_approved_head_is_unproven(
    branch: Branch, arrived: str | File
) -> None:
    number = branch.propose({PAYOUTS: grant()})
    branch.show(number)
    branch.merge(number, instead={PAYOUTS: arrived})
    head = branch.forge.pulls[number].head_sha[:7]
    assert branch.refusal() == f"{PAYOUTS} is not what was approved at {head}"


def test_a_second_grant_that_slips_in_with_the_merge_takes_both_down(branch: Branch) -> None:
    number = branch.propose({PAYOUTS: grant()})
    branch.show(number)
    branch.merge(number, instead={REPORTS: grant()})
    found = branch.stand()
    assert live(found) == []
    assert quarantined(found).keys() == {PAYOUTS, REPORTS}
    assert f"{REPORTS} is changed in the commit only" in quarantined(found)[REPORTS]


def test_files_that_only_the_pull_request_names_are_unproven(branch: Branch) -> None:
    number = branch.propose({PAYOUTS: grant()})
    branch.show(number)
    branch.merge(number)
    branch.forge.listed[number] += (PullFile(path="README.md", status="added", blob="1" * 40),)
    assert branch.refusal() == "README.md is changed in #1 only"


def test_the_reasons_of_one_commit_are_sorted(branch: Branch) -> None:
    number = branch.propose({PAYOUTS: grant()}, same_repository=False, base_ref="next")
    branch.merge(number)
    (one,) = branch.stand().quarantined
    assert one.reasons == (
        "#1 came from a fork: who pushed to it is unknowable",
        "#1 was merged into next",
    )


def test_a_path_that_would_command_a_terminal_is_reported_printable(branch: Branch) -> None:
    branch.push({"access/grants/alice/a\x1b[2J.yaml": grant()})
    (one,) = branch.stand().quarantined
    assert "\x1b" not in one.path


# Outages, and answers that stay a no


def undecided(branch: Branch) -> str:
    """Returns why nothing is decided about the one grant on the branch."""
    found = branch.stand()
    assert (live(found), found.fresh) == ([], ())
    (reason,) = found.undecided.values()
    return reason


ASKED = ["pulls_of_commit", "files", "pushes_to", "reviews", "can_write", "check_runs"]
ASKED += ["shows_team", "in_team"]


@pytest.mark.parametrize("what", ASKED)
def test_an_outage_of_the_forge_is_no_verdict(branch: Branch, what: str) -> None:
    branch.bring({PAYOUTS: TABLES}, approved_by=[BOB])
    branch.forge.failures[what] = ForgeError("GitHub is away")
    # However old the merge is.
    for later in (0 * HOUR, PATIENCE):
        branch.now += later
        assert undecided(branch) == "nothing is decided about it yet: GitHub is away"
    del branch.forge.failures[what]
    assert live(branch.stand()) == ["alice/payouts"]


NEVER = ["pulls_of_commit", "files", "pushes_to", "reviews", "check_runs"]


@pytest.mark.parametrize("what", NEVER)
def test_what_github_will_never_list_is_a_no(branch: Branch, what: str) -> None:
    branch.bring({PAYOUTS: TABLES}, approved_by=[BOB])
    branch.forge.failures[what] = Denied("there are too many")
    assert branch.refusal() == "there are too many"


def test_pushers_that_cannot_be_known_are_a_no_where_it_would_merge_by_itself(
    branch: Branch,
) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.forge.failures["pushes_to"] = Denied("too many pushes")
    assert branch.refusal() == "too many pushes"


@pytest.mark.parametrize("what", NEVER)
def test_a_list_may_lag_for_an_hour_and_what_it_lacks_then_stays_lacking(
    branch: Branch, what: str
) -> None:
    branch.bring({PAYOUTS: TABLES}, approved_by=[BOB])
    branch.forge.failures[what] = Incomplete("GitHub contradicts itself")
    branch.now += HOUR - SECOND
    assert undecided(branch).endswith("GitHub contradicts itself")
    branch.now += SECOND
    assert branch.refusal() == "GitHub contradicts itself"
    assert branch.stand().undecided == {}


def test_clocks_may_differ_by_five_minutes(branch: Branch) -> None:
    number = branch.propose({PAYOUTS: grant()})
    branch.show(number)
    # The commit says that it came five minutes after what this run calls now.
    branch.merge(number, committed_at=branch.now + 6 * MINUTE)
    branch.forge.failures["pulls_of_commit"] = Incomplete("GitHub contradicts itself")
    assert undecided(branch).endswith("GitHub contradicts itself")


@pytest.mark.parametrize("ahead", [6 * MINUTE, 1000 * HOUR])
def test_a_commit_that_claims_to_come_from_the_future_gives_no_list_more_time(
    branch: Branch, ahead: timedelta
) -> None:
    branch.bring({REPORTS: grant()})
    known = {proof.commit: proof for proof in branch.stand().fresh}
    number = branch.propose({PAYOUTS: grant()})
    branch.show(number)
    branch.merge(number, committed_at=branch.now + MINUTE + ahead)
    branch.forge.failures["pulls_of_commit"] = Incomplete("GitHub contradicts itself")
    found = branch.stand(known)
    assert live(found) == ["alice/reports"]
    assert quarantined(found) == {PAYOUTS: "GitHub contradicts itself"}


# Heads that cannot be fetched


def test_a_head_that_is_never_fetched_is_a_no_for_its_own_grant(branch: Branch) -> None:
    branch.bring({REPORTS: grant()})
    branch.bring({PAYOUTS: grant()})
    branch.unfetchable[2] = Denied("#2 is not fetched", hint="bring it as a new commit")
    found = branch.stand()
    assert live(found) == ["alice/reports"]
    assert quarantined(found) == {PAYOUTS: "#2 is not fetched; bring it as a new commit"}
    # The check of the pull request that deletes it.
    number = branch.propose({PAYOUTS: None})
    assert branch.assess(number).decision.allowed
    del branch.unfetchable[2]
    assert live(branch.stand()) == ["alice/payouts", "alice/reports"]


def test_a_head_that_alone_is_missing_is_a_no_after_an_hour(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.unfetchable[1] = Incomplete("main can be fetched and #1 cannot")
    branch.now += HOUR - SECOND
    assert undecided(branch).endswith("main can be fetched and #1 cannot")
    branch.now += SECOND
    assert branch.refusal() == "main can be fetched and #1 cannot"


def test_an_outage_of_git_is_no_verdict(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.unfetchable[1] = ForgeError("git fetch failed")
    for later in (0 * HOUR, PATIENCE):
        branch.now += later
        assert undecided(branch) == "nothing is decided about it yet: git fetch failed"


def test_what_is_undecided_about_one_commit_holds_up_no_other(branch: Branch) -> None:
    first = branch.bring({PAYOUTS: grant()})
    branch.bring({REPORTS: grant()})
    branch.unfetchable[1] = ForgeError("git fetch failed")
    found = branch.stand()
    assert live(found) == ["alice/reports"]
    assert [(one.commit, one.undecided) for one in found.quarantined] == [(first, True)]
    with pytest.raises(Undecided, match="git fetch failed"):
        branch.last_proven()


@pytest.mark.parametrize("asked,left", [("3h", 2), ("1h", 1)])
def test_an_edit_that_is_undecided_gives_nothing_beyond_the_version_before(
    branch: Branch, asked: str, left: int
) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.bring({PAYOUTS: grant(duration=asked)})
    branch.unfetchable[2] = ForgeError("git fetch failed")
    found = branch.stand()
    assert [one.grant.duration for one in found.live] == [left * 3600]
    assert found.undecided.keys() == {"alice/payouts"}


def test_an_outage_about_two_commits_is_theirs_alone(branch: Branch) -> None:
    for number in range(2):
        branch.bring({f"access/grants/alice/x{number}.yaml": grant()})
        branch.unfetchable[number + 1] = ForgeError("git fetch failed")
    branch.bring({REPORTS: grant()})
    found = branch.stand()
    assert (live(found), len(found.undecided)) == (["alice/reports"], 2)


def test_an_outage_about_several_commits_is_one_for_all(branch: Branch) -> None:
    assert MOST_OUTAGES == 3
    for number in range(MOST_OUTAGES):
        branch.bring({f"access/grants/alice/x{number}.yaml": grant()})
        branch.unfetchable[number + 1] = ForgeError("git fetch failed")
    with pytest.raises(ForgeError, match="git fetch failed"):
        branch.stand()
    for number in range(MOST_OUTAGES):
        branch.unfetchable[number + 1] = Incomplete("it may lag")
    assert len(branch.stand().undecided) == MOST_OUTAGES


def test_while_a_change_of_the_rules_is_undecided_nothing_is_added_or_taken(
    branch: Branch,
) -> None:
    branch.bring({REPORTS: grant()})
    known = {proof.commit: proof for proof in branch.stand().fresh}
    branch.govern({LIMITS: "max_duration: 7200\n"})
    branch.bring({PAYOUTS: grant()})
    branch.unfetchable[2] = ForgeError("git fetch failed")
    found = branch.stand(known)
    assert live(found) == ["alice/reports"]
    assert found.undecided.keys() == {"alice/payouts"}
    assert [(one.path, one.undecided) for one in found.ungoverned] == [(LIMITS, True)]


class Failing:
    """An engine that fails in one way."""

    name = "failing"

    def __init__(self, error: EngineError) -> None:
        self._error = error

    def decide(self, document: Mapping[str, Any]) -> object:
        raise self._error


def test_an_outage_of_the_engine_is_no_verdict_and_an_unusable_answer_is_a_no(
    branch: Branch,
) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.engines = [Failing(EngineError("OPA is away"))]
    with pytest.raises(EngineError, match="OPA is away"):
        branch.stand()
    branch.engines = [Failing(Unanswerable("two values"))]
    assert "they give no decision: two values" in branch.refusal()
