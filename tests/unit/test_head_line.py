"""Pushes to a branch that put something of what its pull request brings there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.judge.head_line import MOST_FETCHED, HeadLine
from pipeline.values.pull_request import Actor, Push
from tests.unit.support_memory import File, Files, Git
from tests.unit.support_tiny_rules import ALICE, BOB, CAROL

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
GRANT = "access/grants/alice/x.yaml"


@dataclass
class Pushed:
    """A branch of alice's beside main, with each push to it."""

    git: Git = field(default_factory=Git)
    main: str = ""
    pushes: list[Push] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    fetched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.main = self.git.commit({"README.md": "one"}, at=NOON)

    @property
    def head(self) -> str:
        return self.pushes[-1].sha

    def commit(self, files: Files, *parents: str, onto: str | None = None) -> str:
        return self.git.commit(files, *parents, at=NOON, onto=onto)

    def push(self, by: Actor | None, sha: str) -> str:
        before = self.pushes[-1].sha if self.pushes and not self.pushes[-1].former else None
        at = NOON + timedelta(minutes=len(self.pushes))
        self.pushes.append(Push(sha=sha, at=at, by=by, before=before))
        return sha

    def delete(self) -> None:
        """Deletes the branch: what was pushed before belongs to a former one."""
        self.pushes = [
            Push(sha=one.sha, at=one.at, by=one.by, before=one.before, former=True)
            for one in self.pushes
        ]

    def moves_main(self, files: Files) -> str:
        self.main = self.commit(files, self.main)
        return self.main

    def contributors(self, author: Actor | None = ALICE) -> list[Actor | None]:
        """Returns who put something of the head there, push by push."""

        def fetch(sha: str) -> bool:
            self.fetched.append(sha)
            return sha not in self.lost

        line = HeadLine(self.git, base=self.main, head=self.head, fetch=fetch)
        return [one.by for one in line.contributed(self.pushes, author=author)]


@pytest.fixture
def branch() -> Pushed:
    """A branch that alice made with her request, since when main has moved."""
    found = Pushed()
    found.push(ALICE, found.commit({GRANT: "2h"}, found.main))
    found.moves_main({"README.md": "two", "other": "new"})
    return found


def merged(branch: Pushed, files: Files | None = None) -> str:
    """Returns a commit that merges main into the branch, with *files* changed by the way."""
    mine = {GRANT: branch.git.files(branch.head)[GRANT]}
    return branch.commit({**mine, **(files or {})}, branch.head, branch.main, onto=branch.main)


def test_who_brings_a_branch_up_to_date_puts_nothing_there(branch: Pushed) -> None:
    branch.push(BOB, merged(branch))
    assert branch.contributors() == [ALICE]


@pytest.mark.parametrize(
    "more",
    [
        {GRANT: "9h"},
        {"access/grants/alice/y.yaml": "2h"},
        {GRANT: File(b"2h", "100755")},
        {GRANT: None},
        {"other": None},
    ],
)
def test_who_changes_anything_by_the_way_puts_it_there(branch: Pushed, more: Files) -> None:
    branch.push(BOB, merged(branch, more))
    assert branch.contributors() == [ALICE, BOB]


def test_a_merge_that_keeps_our_side_takes_back_what_main_got(branch: Pushed) -> None:
    """`git merge -s ours main` changes no file of the branch, and the pull request now reverts
    main."""
    branch.push(BOB, branch.commit({}, branch.head, branch.main))
    assert branch.contributors() == [ALICE, BOB]


def test_a_file_that_main_changed_meanwhile_is_another_change_of_it(branch: Pushed) -> None:
    branch.moves_main({GRANT: "1h"})
    branch.push(BOB, merged(branch))
    assert branch.contributors() == [ALICE, BOB]


def test_one_harmless_push_makes_none_of_the_others_harmless(branch: Pushed) -> None:
    branch.push(BOB, branch.commit({GRANT: "3h"}, branch.head))
    branch.push(BOB, merged(branch))
    assert branch.contributors() == [ALICE, BOB]


def test_a_branch_made_where_main_is_holds_nothing_yet(branch: Pushed) -> None:
    branch.delete()
    branch.push(BOB, branch.main)
    branch.push(ALICE, branch.commit({GRANT: "2h"}, branch.main))
    # What alice had pushed to the former branch by that name is not there.
    assert branch.contributors(author=CAROL) == [ALICE]


def test_what_was_forced_away_may_have_been_kept_in_another_commit(branch: Pushed) -> None:
    branch.push(BOB, branch.commit({GRANT: "9h"}, branch.head))
    branch.push(ALICE, branch.commit({GRANT: "9h"}, branch.main))
    assert branch.contributors() == [ALICE, BOB, ALICE]


def test_a_rebase_that_leaves_the_changes_as_they_were_puts_nothing_there(branch: Pushed) -> None:
    branch.push(BOB, branch.commit({GRANT: "2h"}, branch.main))
    assert branch.contributors() == [ALICE]


def test_a_branch_name_used_before_shuts_out_nobody(branch: Pushed) -> None:
    branch.pushes.clear()
    branch.push(BOB, branch.commit({"bobs": "work"}, branch.main))
    branch.delete()
    branch.push(ALICE, branch.commit({GRANT: "2h"}, branch.main))
    assert branch.contributors() == [ALICE]


def test_restoring_a_branch_forgets_nobody(branch: Pushed) -> None:
    bobs = branch.push(BOB, branch.commit({GRANT: "9h"}, branch.head))
    branch.delete()
    branch.push(CAROL, bobs)
    assert branch.contributors() == [ALICE, BOB, CAROL]


def test_a_commit_in_the_middle_of_a_former_push_is_found(branch: Pushed) -> None:
    branch.pushes.clear()
    first = branch.commit({GRANT: "9h"}, branch.main)
    branch.push(BOB, branch.commit({"more": "work"}, first))
    branch.delete()
    branch.push(ALICE, first)
    assert branch.contributors() == [BOB, ALICE]


def test_what_github_no_longer_gives_counts(branch: Pushed) -> None:
    branch.pushes.clear()
    branch.lost = {branch.push(BOB, branch.commit({"bobs": "work"}, branch.main))}
    branch.delete()
    branch.push(ALICE, branch.commit({GRANT: "2h"}, branch.main))
    assert branch.contributors() == [BOB, ALICE]


def test_an_update_of_what_github_no_longer_gives_counts(branch: Pushed) -> None:
    branch.lost = {branch.head}
    branch.push(BOB, merged(branch))
    assert branch.contributors() == [ALICE, BOB]


def test_a_push_that_the_log_lacks_may_have_come_before_an_update(branch: Pushed) -> None:
    secret = branch.commit({GRANT: "9h"}, branch.head)
    update = branch.commit({GRANT: "9h"}, secret, branch.main, onto=branch.main)
    branch.pushes.append(Push(sha=update, at=NOON, by=BOB, before=secret))
    assert branch.contributors() == [ALICE, BOB]


def test_an_account_that_is_gone_counts_where_it_put_something_there(branch: Pushed) -> None:
    branch.push(None, merged(branch))
    assert branch.contributors() == [ALICE]
    branch.push(None, branch.commit({GRANT: "3h"}, branch.head))
    assert branch.contributors() == [ALICE, None]


def test_nothing_is_fetched_for_the_authors_own_pushes(branch: Pushed) -> None:
    branch.push(ALICE, merged(branch))
    assert branch.contributors() == [ALICE, ALICE]
    assert branch.fetched == []


def test_only_so_many_commits_are_fetched_and_what_is_beyond_counts(branch: Pushed) -> None:
    for number in range(MOST_FETCHED + 2):
        branch.moves_main({"README.md": str(number)})
        branch.push(BOB, merged(branch))
    found = branch.contributors()
    assert found == [ALICE, BOB, BOB, BOB]
    assert len(branch.fetched) == MOST_FETCHED
