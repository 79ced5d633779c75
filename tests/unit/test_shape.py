"""Whether a pull request has a form that can be judged at all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.judge.shape import shape_problems
from pipeline.values.commits import TreeChange
from pipeline.values.problem import Problem
from pipeline.values.pull_request import Actor, PullRequest
from tests.unit.support_values import change

PULL = PullRequest(
    number=7,
    author=Actor(id=1, login="alice", type="User"),
    state="open",
    base_ref="main",
    head_ref="request-7",
    head_sha="c" * 40,
    same_repository=True,
)
X = "access/grants/alice/x.yaml"
Y = "access/grants/bob/y.yaml"
TARGETS = "access/targets/gcp.yaml"


def problems(*changes: TreeChange, pull: PullRequest = PULL) -> list[Problem]:
    return shape_problems(pull, changes, default_branch="main")


def codes(*changes: TreeChange, pull: PullRequest = PULL) -> list[str]:
    return [one.code for one in problems(*changes, pull=pull)]


@pytest.mark.parametrize("status", ["A", "M", "D", "T"])
def test_one_grant_is_well_shaped_however_it_changes(status: str) -> None:
    assert problems(change(X, status)) == []


def test_files_that_are_no_grants_may_come_together() -> None:
    assert problems(change(TARGETS, "M"), change("policies/a.rego"), change("README.md", "D")) == []


def test_a_pull_request_goes_to_the_default_branch() -> None:
    (one,) = problems(change(X), pull=replace(PULL, base_ref="next"))
    assert (one.path, one.line, one.column, one.code) == ("access", 1, 1, "base")
    assert one.message == "#7 goes to next; open it against main"


def test_the_default_branch_may_have_any_name() -> None:
    trunk = replace(PULL, base_ref="trunk")
    assert shape_problems(trunk, [change(X)], default_branch="trunk") == []


def test_a_pull_request_comes_from_no_fork() -> None:
    (one,) = problems(change(X), pull=replace(PULL, same_repository=False))
    assert (one.path, one.code) == ("access", "fork")
    assert "push the branch to this repository" in one.message


def test_a_pull_request_that_changes_nothing_cannot_be_judged() -> None:
    (one,) = problems()
    assert (one.path, one.code, one.message) == ("access", "empty", "#7 changes nothing")


def test_grants_come_apart_from_everything_else() -> None:
    (one,) = problems(change(X), change(TARGETS, "M"), change("README.md", "M"))
    assert (one.path, one.code) == (TARGETS, "mixed")
    assert codes(change(X, "D"), change("README.md", "M")) == ["mixed"]


def test_one_pull_request_asks_for_one_grant() -> None:
    (one,) = problems(change(X), change(Y))
    assert (one.path, one.code) == (Y, "several")
    assert "changes 2 grants" in one.message


def test_deletions_may_come_together() -> None:
    assert problems(change(X, "D"), change(Y, "D")) == []


@pytest.mark.parametrize("status", ["A", "M", "T"])
def test_a_deletion_comes_apart_from_what_is_asked_for(status: str) -> None:
    assert codes(change(X, "D"), change(Y, status)) == ["several"]
    assert codes(change(X, status), change(Y, "D")) == ["several"]


@pytest.mark.parametrize("name", ["alice/x.yml", "alice/notes.md", "x", "alice/x.yaml.bak"])
def test_only_grants_lie_where_grants_lie(name: str) -> None:
    path = f"access/grants/{name}"
    (one,) = problems(change(path))
    assert (one.path, one.code) == (path, "place")
    assert problems(change(path, "D")) == []


def test_everything_that_is_wrong_is_said_at_once() -> None:
    pull = replace(PULL, base_ref="next", same_repository=False)
    found = codes(change(X), change("access/grants/bob/y.txt"), change(TARGETS), pull=pull)
    assert found == ["base", "fork", "mixed", "several", "place"]


changes = st.lists(
    st.builds(change, st.sampled_from([X, Y, TARGETS, "README.md"]), st.sampled_from("AMDT")),
    max_size=4,
    unique_by=lambda one: one.path,
)


@given(changes)
def test_well_shaped_is_one_grant_or_only_deletions_or_no_grant(found: list[TreeChange]) -> None:
    grants = [one for one in found if one.path in (X, Y)]
    others = len(found) - len(grants)
    one_grant = len(found) == 1 and len(grants) == 1
    deletions = bool(grants) and not others and all(one.status == "D" for one in grants)
    no_grant = bool(others) and not grants
    assert (problems(*found) == []) == (one_grant or deletions or no_grant)
