"""Judging green checks again: what is wrong with one pull request stops no other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.errors import Denied, ForgeError, PipelineError, UsageError
from pipeline.judge.assessment import Assessment
from pipeline.run import check_again
from pipeline.values.pull_request import CheckRun, PullRequest
from tests.unit.support_branch import NOON

PULLS = [
    PullRequest(
        number=number,
        author=None,
        state="open",
        base_ref="main",
        head_ref=f"request-{number}",
        head_sha=f"{number}" * 40,
        same_repository=True,
    )
    for number in (1, 2, 3, 4)
]


@pytest.mark.parametrize(
    "error", [UsageError("#1 is closed"), ForgeError("502"), Denied("too much")], ids=str
)
def test_one_that_cannot_be_judged_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, error: PipelineError
) -> None:
    def runs(sha: str, **_: Any) -> tuple[CheckRun, ...]:
        number = sha[0]
        if number == "2":
            raise Denied("too many check runs")
        # The third one's last run is red.
        ends = ["success", "failure"] if number == "3" else ["success"]
        return tuple(
            CheckRun(id=place, conclusion=end, external_id=f"{number}:a", completed_at=NOON)
            for place, end in enumerate(ends)
        )

    said: list[str] = []
    workspace: Any = SimpleNamespace(
        reader=SimpleNamespace(open_pulls=lambda base: PULLS, check_runs=runs),
        settings=SimpleNamespace(default_branch="main"),
        checker_app=77,
        progress=lambda text: None,
        warn=said.append,
    )
    stale: Any = SimpleNamespace(decision=SimpleNamespace(allowed=False))
    posted: list[object] = []

    def judge(_: Any, number: int, **more: Any) -> Assessment:
        assert more == {"reported": ()}
        if number == 1:
            raise error
        assert number == 4
        found: Assessment = stale
        return found

    monkeypatch.setattr(check_again, "judge_pull", judge)
    monkeypatch.setattr(check_again, "post_check", lambda _, found: posted.append(found))
    found = check_again.judge_again(workspace, post=True)
    assert (found.stale, found.waiting, found.merged, found.whole) == ((stale,), (), {}, False)
    assert posted == [stale]
    assert any(one.startswith("#1 could not be judged again") for one in said)
    assert any("#2" in one for one in said)


@pytest.mark.parametrize("merge", [False, True])
def test_what_the_app_merges_and_a_lost_run_left_open_is_merged_when_that_is_asked(
    monkeypatch: pytest.MonkeyPatch, merge: bool
) -> None:
    def decided(number: int) -> Any:
        # The fourth one is merged by people.
        return SimpleNamespace(
            pull=PULLS[number - 1],
            decision=SimpleNamespace(allowed=True, keeper_merges=number != 4),
        )

    def runs(sha: str, **_: Any) -> tuple[CheckRun, ...]:
        name = f"{sha[0]}:a"
        return (CheckRun(id=1, conclusion="success", external_id=name, completed_at=NOON),)

    said: list[str] = []
    workspace: Any = SimpleNamespace(
        reader=SimpleNamespace(open_pulls=lambda base: PULLS, check_runs=runs),
        settings=SimpleNamespace(default_branch="main"),
        checker_app=77,
        progress=lambda text: None,
        warn=said.append,
    )

    def merged(_: Any, found: Any) -> str:
        if found.pull.number == 2:
            raise ForgeError("its head moved")
        return "c" * 40

    monkeypatch.setattr(check_again, "judge_pull", lambda _, number, **more: decided(number))
    monkeypatch.setattr(check_again, "merge_allowed", merged)
    found = check_again.judge_again(workspace, merge=merge)
    assert found.stale == ()
    if merge:
        assert found.merged == {1: "c" * 40, 3: "c" * 40}
        assert not found.whole
        assert said == ["#2 could not be judged again: its head moved"]
    else:
        assert [one.pull.number for one in found.waiting] == [1, 2, 3]
        assert (found.merged, found.whole) == ({}, True)
