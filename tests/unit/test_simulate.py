"""Two answers to one request compared, and what follows from many."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.approvals.tally import Requirement
from pipeline.policy.answer import Evaluation, Violation
from pipeline.policy_tools.simulate import (
    Flip,
    Judged,
    NoDecision,
    ReplayedQuestion,
    RuleFinding,
    Simulation,
    Turn,
    Unasked,
    compare,
    first_told,
)
from pipeline.values.problem import Problem
from tests.unit.support_policies import grant


def said(code: str, binding: int = -1, **changes: Any) -> Violation:
    values: dict[str, Any] = {"message": "no", "solution": "ask", "field": "", "values": {}}
    return Violation(code=code, binding=binding, **{**values, **changes})


def step(team: str = "leads", count: int = 1, **changes: Any) -> Requirement:
    values: dict[str, Any] = {"id": team, "teams": (team,), "count": count, "because": "risk"}
    return Requirement(**{**values, **changes})


def answer(*violations: Violation, **changes: Any) -> Evaluation:
    approvals = changes.get("approvals", ())
    values: dict[str, Any] = {
        "violations": violations,
        "warnings": (),
        "approvals": (),
        "excluded": ("alice",),
        "merges_by_itself": not violations and not approvals,
        "why": "",
        "evaluated": (),
        "digest": "",
        "engines": ("regorus",),
    }
    return Evaluation(**{**values, **changes})


BY_ITSELF = answer()
DENIED = answer(said("too-long"))
ONE = answer(approvals=(step(),))
TWO = answer(approvals=(step(count=2),))


@pytest.mark.parametrize(
    "before, after, turns",
    [
        (BY_ITSELF, DENIED, [Turn.DENIED, Turn.CODES]),
        (DENIED, BY_ITSELF, [Turn.ALLOWED, Turn.CODES]),
        (BY_ITSELF, ONE, [Turn.WAITS, Turn.MORE]),
        (ONE, BY_ITSELF, [Turn.BY_ITSELF, Turn.FEWER]),
        (ONE, TWO, [Turn.MORE]),
        (TWO, ONE, [Turn.FEWER]),
        (ONE, answer(approvals=(step(), step("security"))), [Turn.MORE]),
        (ONE, answer(approvals=(step("security"),)), [Turn.OTHER]),
        (ONE, answer(approvals=(step(order=2),)), [Turn.OTHER]),
        (TWO, answer(approvals=(step(), step("security"))), [Turn.OTHER]),
        (ONE, answer(approvals=(step(),), excluded=("alice", "bob")), [Turn.OTHER]),
        (DENIED, answer(said("too-broad")), [Turn.CODES]),
        (DENIED, answer(said("too-long", 1)), [Turn.CODES]),
        (ONE, answer(approvals=(step(),), warnings=(said("odd"),)), [Turn.CODES]),
        (DENIED, answer(said("too-long"), approvals=(step(),)), [Turn.MORE]),
    ],
)
def test_what_counts_is_a_flip(before: Evaluation, after: Evaluation, turns: list[Turn]) -> None:
    found = compare(before, after)
    assert found is not None
    assert list(found.turns) == turns


@pytest.mark.parametrize(
    "before, after",
    [
        (ONE, ONE),
        (DENIED, answer(said("too-long", message="more", values={"limit": 3}))),
        (ONE, answer(approvals=(step(id="other", because="governance"),), why="other")),
        (TWO, answer(approvals=(step(id="a"), step(id="b")))),
        (ONE, answer(approvals=(step(),), digest="other", evaluated=("new-rule",))),
    ],
)
def test_words_values_and_names_of_steps_are_no_flip(before: Evaluation, after: Evaluation) -> None:
    assert compare(before, after) is None


def test_a_flip_names_what_appeared_and_what_disappeared() -> None:
    before = answer(said("too-long"), said("too-broad", 0))
    after = answer(said("too-long"), said("too-late"), warnings=(said("too-broad", 0),))
    assert compare(before, after) == Flip(
        turns=(Turn.CODES,),
        appeared=(RuleFinding("too-broad", 0, True), RuleFinding("too-late", -1, False)),
        disappeared=(RuleFinding("too-broad", 0, False),),
    )


def judged(commit: str | None, before: Evaluation = ONE, after: Evaluation = ONE) -> Judged:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    return Judged(
        question=ReplayedQuestion(
            commit=commit, at=at, grant=grant(), document={"change": "create"}
        ),
        before=before,
        after=after,
        flip=compare(before, after),
    )


LOST = Unasked(commit="a" * 40, path="access/grants/a/b.yaml", reason="no grant")
LOST_HERE = Unasked(commit=None, path="access/grants/a/b.yaml", reason="no grant")
SILENT = NoDecision(commit="a" * 40, path="access/grants/a/b.yaml", reason="no decision")


@pytest.mark.parametrize(
    "results, unsure",
    [
        ((), False),
        ((judged("a" * 40), LOST, LOST_HERE), False),
        ((judged(None), LOST_HERE), False),
        ((judged(None), LOST), True),
        ((LOST,), True),
        ((LOST_HERE,), True),
        ((judged("a" * 40), SILENT), True),
    ],
)
def test_nothing_is_concluded_from_a_history_that_could_not_be_judged(
    results: tuple[Judged | Unasked | NoDecision, ...], unsure: bool
) -> None:
    assert Simulation(results=results).unsure is unsure


def test_an_outcome_tells_flips_from_the_rest() -> None:
    same, flipped = judged(None), judged("a" * 40, ONE, DENIED)
    outcome = Simulation(results=(same, LOST, flipped, SILENT))
    assert outcome.judged == (same, flipped)
    assert [one for one, _ in outcome.flips] == [flipped]
    assert outcome.not_judged == (LOST, SILENT)


def test_of_many_problems_the_first_is_told_with_their_number() -> None:
    one = Problem(path="a.yaml", line=1, column=2, code="x", message="bad")
    assert first_told([one]) == "a.yaml:1:2: bad"
    assert first_told([one, one, one]) == "a.yaml:1:2: bad (and 2 more)"
