"""From problems, violations and approvals to one decision: only a complete yes allows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.approvals.steps import ApprovalStep
from pipeline.approvals.tally import Approvals, Rejected
from pipeline.judge.decide import Verdict, decide
from pipeline.policy.answer import Evaluation, Violation
from pipeline.values.problem import Problem
from pipeline.values.requirement import Requirement
from tests.unit.support_reviews import review

OWNER = Requirement(id="owner", teams=("leads",), count=1, because="a role of medium risk")
SECURITY = Requirement(
    id="security", teams=("security",), count=2, because="a role of high risk", order=2
)
TYPO = Problem(path="access/x.yaml", line=3, column=1, code="unknown-key", message="durration")
TORN = Problem(path="access/a.yaml", line=1, column=1, code="yaml", message="not YAML")


def violation(code: str = "too-long", message: str = "10h are too long") -> Violation:
    return Violation(
        code=code, message=message, solution="ask for 8h", binding=-1, field="duration", values={}
    )


def evaluation(
    *violations: Violation, required: tuple[Requirement, ...] = (), by_itself: bool = False
) -> Evaluation:
    return Evaluation(
        violations=violations,
        warnings=(),
        approvals=required,
        excluded=("alice",),
        merges_by_itself=by_itself,
        why="",
        evaluated=("r1",),
        digest="0" * 64,
        engines=("regorus",),
    )


ALONE = evaluation(by_itself=True)
ASKING = evaluation(required=(OWNER,))
SILENT = evaluation()


def count(*steps: ApprovalStep, complete: bool, blocking: tuple[Rejected, ...] = ()) -> Approvals:
    return Approvals(
        counted=(), rejected=blocking, blocking=blocking, steps=steps, complete=complete
    )


def missing(requirement: Requirement = OWNER, *waits_for: str) -> ApprovalStep:
    return ApprovalStep(requirement, seats=(), missing=requirement.count, waits_for=waits_for)


FILLED = count(ApprovalStep(OWNER, seats=(), missing=0, waits_for=()), complete=True)


def test_what_is_malformed_is_not_judged_and_says_where() -> None:
    decision = decide([TYPO], [ALONE], FILLED)
    assert decision.verdict is Verdict.INVALID
    assert decision.reasons == ("access/x.yaml:3:1: durration",)
    assert not decision.allowed


def test_problems_come_before_violations_and_missing_approvals() -> None:
    decision = decide([TYPO], [evaluation(violation(), required=(OWNER,))], None)
    assert decision.verdict is Verdict.INVALID
    assert decision.reasons == (str(TYPO),)


def test_every_problem_is_said_once_and_sorted() -> None:
    assert decide([TYPO, TORN, TYPO], [], None).reasons == (str(TORN), str(TYPO))


def test_without_an_evaluation_nothing_is_allowed() -> None:
    decision = decide([], [], FILLED)
    assert (decision.verdict, decision.reasons) == (Verdict.DENIED, ("no policy was evaluated",))


def test_a_violation_denies_whatever_was_approved() -> None:
    decision = decide([], [evaluation(violation(), required=(OWNER,))], FILLED)
    assert decision.verdict is Verdict.DENIED
    assert decision.reasons == ("10h are too long; ask for 8h",)


def test_one_grant_that_is_denied_denies_the_whole_pull_request() -> None:
    decision = decide([], [ALONE, evaluation(violation()), ASKING], FILLED)
    assert decision.verdict is Verdict.DENIED


def test_the_violations_of_all_grants_are_said_once_and_sorted() -> None:
    late, long = violation("late", "9 days ahead is late"), violation()
    decision = decide([], [evaluation(late, long), evaluation(long)], None)
    assert decision.reasons == ("10h are too long; ask for 8h", "9 days ahead is late; ask for 8h")


def test_what_nobody_must_approve_and_nothing_lets_merge_is_denied() -> None:
    decision = decide([], [SILENT], FILLED)
    assert decision.verdict is Verdict.DENIED
    assert decision.reasons == ("policy requires no approval and does not let it merge by itself",)


def test_what_policy_lets_merge_by_itself_is_allowed_without_a_count() -> None:
    decision = decide([], [ALONE], None)
    assert decision.allowed
    assert (decision.reasons, decision.merges_by_itself) == ((), True)


def test_one_grant_of_several_that_may_not_merge_by_itself_holds_up_all() -> None:
    assert decide([], [ALONE, SILENT], None).verdict is Verdict.DENIED
    decision = decide([], [ALONE, ASKING], None)
    assert (decision.verdict, decision.merges_by_itself) == (Verdict.WAITING, False)


def test_approvals_that_were_not_counted_are_missing() -> None:
    decision = decide([], [ASKING], None)
    assert decision.verdict is Verdict.WAITING
    assert decision.reasons == ("approvals were not counted",)


def test_a_count_that_is_incomplete_waits_and_says_who_is_missing() -> None:
    found = count(missing(), missing(SECURITY, "owner"), complete=False)
    decision = decide([], [ASKING], found)
    assert decision.verdict is Verdict.WAITING
    assert decision.reasons == (
        "1 more of leads must approve: a role of medium risk",
        "security after owner: a role of high risk",
    )


def test_a_request_for_changes_holds_up_what_is_filled() -> None:
    no = Rejected(review(state="CHANGES_REQUESTED"), "bob asks for changes")
    decision = decide([], [ASKING], count(*FILLED.steps, complete=False, blocking=(no, no)))
    assert decision.verdict is Verdict.WAITING
    assert decision.reasons == ("bob asks for changes",)


def test_a_complete_count_allows_and_a_person_merges() -> None:
    decision = decide([], [ASKING], FILLED)
    assert decision.allowed
    assert (decision.reasons, decision.merges_by_itself) == ((), False)


APPS = replace(ASKING, merges_when_approved=True)


@pytest.mark.parametrize(
    "evaluations, complete, merged",
    [
        ([APPS], True, True),
        ([APPS], False, False),
        ([ASKING], True, False),
        # One grant of several that people merge is merged by people with the others.
        ([APPS, ASKING], True, False),
        ([APPS, APPS], True, True),
        ([replace(APPS, violations=(violation(),))], True, False),
    ],
)
def test_the_app_merges_what_policy_says_once_the_count_is_complete(
    evaluations: list[Evaluation], complete: bool, merged: bool
) -> None:
    found = decide([], evaluations, FILLED if complete else count(missing(), complete=False))
    assert found.keeper_merges is merged
    assert not found.merges_by_itself


def test_what_has_approvals_to_give_never_merges_by_itself() -> None:
    decision = decide([], [evaluation(required=(OWNER,), by_itself=True)], FILLED)
    assert decision.allowed
    assert not decision.merges_by_itself


@pytest.mark.parametrize("verdict", [one for one in Verdict if one is not Verdict.ALLOWED])
def test_no_other_verdict_gives_access(verdict: Verdict) -> None:
    assert not replace(decide([], [ALONE], None), verdict=verdict).allowed


evaluations = st.builds(
    lambda said, required, by_itself: evaluation(*said, required=required, by_itself=by_itself),
    st.lists(st.builds(violation, st.just("c"), st.sampled_from("mn")), max_size=2),
    st.sampled_from([(), (OWNER,), (OWNER, SECURITY)]),
    st.booleans(),
)


@given(
    st.lists(st.sampled_from([TYPO, TORN]), max_size=2),
    st.lists(evaluations, max_size=3),
    st.sampled_from([None, FILLED, count(missing(), complete=False), count(complete=False)]),
)
def test_only_a_complete_yes_to_every_part_allows(
    problems: list[Problem], asked: list[Evaluation], approvals: Approvals | None
) -> None:
    decision = decide(problems, asked, approvals)
    required = any(one.approvals for one in asked)
    answered = approvals is not None and approvals.complete if required else True
    # A part that asks for nobody and may not merge alone never comes here: `evaluate` raises.
    agreed = all(one.merges_by_itself for one in asked) or required
    positive = bool(asked) and agreed and not any(one.violations for one in asked)
    assert decision.allowed == (not problems and positive and answered)
    assert decision.allowed == (not decision.reasons)
    assert list(decision.reasons) == sorted(set(decision.reasons))
    assert not decision.merges_by_itself or decision.allowed
