"""The check of an open pull request that nobody can look into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.errors import Denied, ForgeError, Incomplete, PipelineError, UsageError
from pipeline.forge.github_write import Annotation
from pipeline.judge.decide import Verdict
from pipeline.run.check_pull import hold_back, judge_pull, merge_allowed, post_check
from pipeline.values.commits import FILE_MODE, TreeChange
from pipeline.values.pull_request import Actor, PullFile, PullRequest
from tests.unit.support_branch import PAYOUTS, Branch
from tests.unit.support_tiny_rules import grant

BASE, HEAD = "b" * 40, "d" * 40
PATH = "access/grants/alice/x.yaml"
PULL = PullRequest(
    number=7,
    author=Actor(id=1, login="alice", type="User"),
    state="open",
    base_ref="main",
    head_ref="request",
    head_sha=HEAD,
    same_repository=True,
)
CHANGE = TreeChange(
    path=PATH,
    status="A",
    old_mode="000000",
    new_mode=FILE_MODE,
    old_blob=None,
    new_blob="e" * 40,
)


class Surroundings:
    """A run in which one question fails."""

    def __init__(self, failing: str = "", error: PipelineError | None = None) -> None:
        self.listed: Sequence[str] = (PATH,)
        self.posted: list[dict[str, Any]] = []
        self.comments: list[str] = []
        self.pull = PULL
        self.others: Sequence[PullRequest] = ()
        """Other open pull requests with the same head."""

        def asked(name: str, answer: Any) -> Any:
            if name == failing and error is not None:
                raise error
            return answer

        self.workspace: Any = SimpleNamespace(
            now=lambda: datetime(2026, 11, 20, 12, tzinfo=UTC),
            progress=lambda text: None,
            fetch_main=lambda: BASE,
            fetch_open=lambda number, sha: asked("fetch_open", None),
            repository=SimpleNamespace(
                merge_base=lambda one, other: asked("merge_base", BASE),
                diff=lambda one, other: (CHANGE,),
            ),
            reader=SimpleNamespace(
                pull=lambda number: self.pull,
                files=self._files,
                open_with_head=lambda sha, base: asked("open_with_head", (self.pull, *self.others)),
            ),
            settings=SimpleNamespace(checker_id=9, default_branch="main"),
            writer=lambda who: SimpleNamespace(check_run=self._check_run, comment=self._comment),
        )
        self._asked = asked

    def _files(self, number: int) -> tuple[PullFile, ...]:
        found = tuple(PullFile(path=one, status="added", blob="e" * 40) for one in self.listed)
        answer: tuple[PullFile, ...] = self._asked("files", found)
        return answer

    def _check_run(self, sha: str, *, annotations: Sequence[Annotation], **fields: Any) -> None:
        assert (sha, list(annotations)) == (HEAD, [])
        self.posted.append(fields)

    def _comment(self, number: int, *, body: str, **_: Any) -> None:
        self.comments.append(body)


@pytest.mark.parametrize("failing", ["fetch_open", "merge_base", "files", "open_with_head"])
def test_what_cannot_be_looked_into_on_any_try_is_denied_and_told(failing: str) -> None:
    there = Surroundings(failing, Denied("it brings more than 1 MiB", hint="split it"))
    found = judge_pull(there.workspace, 7)
    assert found.decision.verdict is Verdict.DENIED
    assert found.decision.reasons == ("it brings more than 1 MiB; split it",)
    assert (found.pull, found.base, found.items) == (PULL, BASE, ())
    post_check(there.workspace, found)
    (posted,) = there.posted
    assert (posted["conclusion"], posted["title"]) == (
        "failure",
        "it brings more than 1 MiB; split it",
    )
    assert "it brings more than 1 MiB; split it" in there.comments[0]
    assert "``" not in there.comments[0]
    assert merge_allowed(there.workspace, found) is None


def test_other_files_than_github_names_are_denied() -> None:
    there = Surroundings()
    there.listed = (PATH, "README.md")
    (reason,) = judge_pull(there.workspace, 7).decision.reasons
    assert reason.startswith("#7: GitHub and git name different files; rebase the branch")


@pytest.mark.parametrize("error", [Incomplete("it may lag"), ForgeError("GitHub is away")])
@pytest.mark.parametrize("failing", ["fetch_open", "files"])
def test_what_may_pass_is_no_verdict(failing: str, error: PipelineError) -> None:
    there = Surroundings(failing, error)
    with pytest.raises(type(error)):
        judge_pull(there.workspace, 7)
    assert there.posted == []


@pytest.mark.parametrize(
    "draft, other, other_draft, first",
    [
        (False, 3, False, 3),
        (False, 9, False, None),
        (False, 3, True, None),
        (True, 9, False, 9),
        (True, 3, False, 3),
        (True, 9, True, None),
    ],
)
def test_of_two_with_one_head_the_first_that_is_ready_is_judged(
    draft: bool, other: int, other_draft: bool, first: int | None
) -> None:
    there = Surroundings("files", Denied("it was judged"))
    there.pull = replace(PULL, draft=draft)
    there.others = (replace(PULL, number=other, draft=other_draft),)
    found = judge_pull(there.workspace, 7)
    post_check(there.workspace, found)
    (reason,) = found.decision.reasons
    assert reason in there.comments[0].replace("\\", "").replace("&#8203;", "")
    if first is None:
        assert (reason, len(there.posted)) == ("it was judged", 1)
    else:
        assert reason.startswith(f"#{first} has the same head")
        assert there.posted == []


@pytest.mark.parametrize(
    "fields, other, posted",
    [
        ({"base_ref": "alice/other"}, None, True),
        ({"base_ref": "alice/other"}, {"number": 9}, False),
        ({"base_ref": "alice/other"}, {"number": 9, "draft": True}, False),
        ({"base_ref": "alice/other"}, {"number": 9, "same_repository": False}, True),
        ({"same_repository": False}, {"number": 9}, False),
    ],
)
def test_what_can_never_be_allowed_is_told_and_turns_no_other_one_red(
    fields: dict[str, Any], other: dict[str, Any] | None, posted: bool
) -> None:
    there = Surroundings()
    there.pull = replace(PULL, **fields)
    there.others = (replace(PULL, **other),) if other else ()
    found = judge_pull(there.workspace, 7)
    post_check(there.workspace, found)
    (reason,) = found.decision.reasons
    stacked = "#7 goes to alice/other, and access comes from main alone: change its base to main"
    assert reason.startswith(stacked if "base_ref" in fields else "#9 has the same head")
    assert (len(there.comments), len(there.posted)) == (1, int(posted))


def test_one_that_conflicts_waits_for_its_branch_to_be_brought_up_to_date() -> None:
    branch = Branch()
    number = branch.propose({PAYOUTS: grant()})
    found = branch.assess(number)
    assert found.decision.allowed
    pull = replace(found.pull, conflicts=True)
    found = replace(found, pull=pull)
    held = hold_back(found, disputed=(), tainted=())
    assert held.decision.verdict is Verdict.WAITING
    (reason,) = held.decision.reasons
    assert reason.startswith(f"#{number} conflicts with main, so nobody can merge it")
    # What is denied says why, and not that it conflicts as well.
    denied = replace(found, decision=replace(found.decision, verdict=Verdict.DENIED))
    assert hold_back(denied, disputed=(), tainted=()) == denied
    draft = replace(found, pull=replace(pull, draft=True))
    (reason,) = hold_back(draft, disputed=(), tainted=()).decision.reasons
    assert "is a draft" in reason


def test_a_closed_pull_request_is_not_judged() -> None:
    there = Surroundings()
    there.pull = PullRequest(
        number=7,
        author=None,
        state="closed",
        base_ref="main",
        head_ref="request",
        head_sha=HEAD,
        same_repository=True,
    )
    with pytest.raises(UsageError, match="#7 is closed"):
        judge_pull(there.workspace, 7)
