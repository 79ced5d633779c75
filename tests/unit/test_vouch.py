"""Who wrote the record: every commit is asked about once, and a stranger's is never passed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.record import vouch
from pipeline.record.vouch import Signature, vouching

APP, STRANGER, GITHUB = 99, 7, 19864447


def authentic(
    history: Iterator[Signature],
    head: str,
    *,
    author: int,
    squashed: Sequence[str] = (),
    since: str | None = None,
) -> bool:
    return vouch.authentic(
        history, head, author=author, brought=lambda one: one in squashed, since=since
    )


def sha(number: int) -> str:
    return f"{number:040x}"


def commit(number: int, vouched: int | None = None, *, author: int = APP) -> Signature:
    """Commit *number* of a line that begins with 1, vouching for another."""
    return Signature(
        sha=sha(number),
        parents=(sha(number - 1),) if number > 1 else (),
        author=author,
        committer=author,
        signed=True,
        message=vouching("Record one thing", sha(vouched) if vouched else None),
    )


def line(*commits: Signature) -> Iterator[Signature]:
    return iter(sorted(commits, key=lambda one: one.sha, reverse=True))


def test_every_commit_up_to_the_head_is_the_app_s() -> None:
    assert authentic(line(commit(1), commit(2), commit(3)), sha(3), author=APP)


@pytest.mark.parametrize("since, answer", [(2, True), (3, True), (1, False), (None, False)])
def test_a_stranger_s_commit_counts_unless_it_came_no_later_than_a_given_one(
    since: int | None, answer: bool
) -> None:
    history = line(commit(1), commit(2, author=STRANGER), commit(3), commit(4))
    given_one = sha(since) if since else None
    assert authentic(history, sha(4), author=APP, since=given_one) is answer


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize(
    "change",
    [
        {"author": STRANGER},
        {"author": None},
        {"signed": False},
        # GitHub holds a signature against the committer: with a key of their own, anybody's
        # commit in the App's name is signed.
        {"committer": STRANGER},
        {"committer": None},
    ],
)
def test_one_that_is_not_is_found_wherever_it_is(number: int, change: dict[str, object]) -> None:
    commits = [commit(1), commit(2), commit(3)]
    commits[number - 1] = replace(commits[number - 1], **change)  # type: ignore[arg-type]
    assert not authentic(line(*commits), sha(3), author=APP)


def test_github_commits_for_the_app() -> None:
    signed = replace(commit(2), committer=GITHUB)
    assert authentic(line(commit(1), signed), sha(2), author=APP)
    assert not authentic(line(commit(1), replace(signed, author=GITHUB)), sha(2), author=APP)


def test_what_merging_a_pull_request_made_is_a_stranger_s_whatever_it_vouches_for() -> None:
    for squashed in (commit(3), commit(3, 2)):
        made = (commit(1), commit(2), squashed, commit(4))
        assert authentic(line(*made), sha(4), author=APP)
        assert not authentic(line(*made), sha(4), author=APP, squashed=[sha(3)])
    # Once a run has seen the whole line, nothing of it is asked about again.
    later = commit(5, 4)
    assert authentic(line(*made, later), sha(5), author=APP, squashed=[sha(3)])


def test_what_is_vouched_for_is_not_asked_about_again() -> None:
    asked: list[str] = []

    def history() -> Iterator[Signature]:
        for one in line(*(commit(number) for number in range(1, 90)), commit(90, 88)):
            asked.append(one.sha)
            yield one

    assert authentic(history(), sha(90), author=APP)
    assert asked == [sha(90), sha(89), sha(88)]


def test_a_stranger_s_commit_vouches_for_nothing() -> None:
    stranger = replace(commit(3, 2), signed=False)
    assert not authentic(line(commit(1), commit(2), stranger), sha(3), author=APP)
    # Nor for itself, from below one of the App's.
    stranger = commit(3, 3, author=STRANGER)
    assert not authentic(line(commit(1), commit(2), stranger, commit(4)), sha(4), author=APP)


def test_a_vouch_does_not_reach_over_a_stranger_s_commit_that_came_after_it() -> None:
    # The run saw all up to 2; somebody pushed 3 before it appended 4.
    stranger = commit(3, author=STRANGER)
    assert not authentic(line(commit(1), commit(2), stranger, commit(4, 2)), sha(4), author=APP)
    assert authentic(line(commit(1), stranger, commit(4, 3)), sha(4), author=APP)


@pytest.mark.parametrize(
    "message",
    [
        f"Vouched: {sha(2)}",
        f"Record\n\nVouched: {sha(2)[1:]}",
        f"Record\n\nVouched: {sha(2).replace('0', 'A')}",
        f"Record\n\nSaid by somebody\n\nVouched: {sha(2)}",
        f"Record\n\nVouched: {sha(2)}\nand more",
    ],
)
def test_only_what_the_app_writes_is_read_as_a_vouch(message: str) -> None:
    stranger = commit(2, author=STRANGER)
    head = replace(commit(3), message=message)
    assert not authentic(line(commit(1), stranger, head), sha(3), author=APP)


def test_a_gap_a_merge_another_head_or_a_cut_is_no() -> None:
    one, two, three = commit(1), commit(2), commit(3)
    assert not authentic(line(one, three), sha(3), author=APP)
    merge = replace(three, parents=(two.sha, one.sha))
    assert not authentic(line(one, two, merge), sha(3), author=APP)
    assert not authentic(line(one, two, three), sha(2), author=APP)
    assert not authentic(line(two, three), sha(3), author=APP)
    assert not authentic(iter(()), sha(1), author=APP)


@given(
    strangers=st.lists(st.booleans(), min_size=1, max_size=12),
    runs=st.data(),
)
def test_vouches_of_honest_runs_change_no_answer(
    strangers: Sequence[bool], runs: st.DataObject
) -> None:
    made: list[Signature] = []
    for number, strange in enumerate(strangers, start=1):
        vouched = None
        if not strange and number > 1 and runs.draw(st.booleans()):
            # A run read the branch at any commit before, and vouches if all was the App's.
            seen = runs.draw(st.integers(1, number - 1))
            if not any(strangers[:seen]):
                vouched = seen
        made.append(commit(number, vouched, author=STRANGER if strange else APP))
    answer = authentic(line(*made), sha(len(made)), author=APP)
    assert answer == (not any(strangers))
