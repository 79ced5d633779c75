"""The first-parent line of the default branch: which tips continue it."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from pipeline.history.branch_line import BranchLine, branch_line

# First parents and second ones of a small history; A is trusted, C a revocation.
PARENTS = {
    "A": (),
    "B": ("A",),
    "C": ("B",),
    "x": ("A",),
    "H": ("x", "C"),
    "M": ("C", "H"),
    "D": ("H",),
    "E": ("C",),
}


def line_of(sha: str, parents: Mapping[str, tuple[str, ...]]) -> list[str]:
    found = [sha]
    while parents.get(found[-1]):
        found.append(parents[found[-1]][0])
    return found


def before(sha: str) -> set[str]:
    """*sha* and every commit that it contains."""
    return {sha}.union(*(before(parent) for parent in PARENTS.get(sha, ())))


def the_line(*pushed: str, recorded: str | None = None, anchor: str = "A") -> BranchLine:
    return branch_line(
        branch="main",
        anchor=anchor,
        recorded=recorded,
        pushed=pushed,
        tip=pushed[-1],
        continues=lambda later, earlier: earlier in line_of(later, PARENTS),
        trusted=lambda sha: sha in before(anchor),
    )


def test_every_merge_continues_the_line() -> None:
    found = the_line("B", "C", "E")
    assert (found.accepted, found.dispute) == ("E", "")


def test_a_tip_with_the_old_one_on_its_second_parent_is_disputed() -> None:
    found = the_line("B", "C", "H")
    assert found.accepted == "C"
    assert "main is at H" in found.dispute
    assert "nothing is added" in found.dispute


def test_what_is_merged_onto_a_disputed_tip_is_disputed_too() -> None:
    assert the_line("B", "C", "H", "D").accepted == "C"


def test_a_commit_that_continues_the_old_tip_ends_the_dispute() -> None:
    found = the_line("B", "C", "H", "M")
    assert (found.accepted, found.dispute) == ("M", "")


def test_the_record_counts_where_github_lists_nothing() -> None:
    found = the_line("H", recorded="C")
    assert found.accepted == "C"
    assert the_line("M", recorded="C").dispute == ""


def test_a_tip_that_was_recorded_though_it_was_wrong_stays_in_dispute_until_it_is_trusted() -> None:
    assert the_line("M", recorded="H").accepted == "H"
    assert the_line("M", recorded="C", anchor="M").dispute == ""


def test_a_recorded_tip_that_git_lost_leaves_the_trusted_commit() -> None:
    found = the_line("B", "C", recorded="gone")
    assert found.accepted == "A"
    assert found.dispute


A_TIP, ANOTHER = "a" * 40, "b" * 40


def test_a_dispute_names_both_tips_and_the_commit_that_ends_it() -> None:
    line = BranchLine(branch="main", tip=A_TIP, accepted=ANOTHER)
    assert line.dispute == (
        "main is at aaaaaaaaaaaa, which has the earlier tip bbbbbbbbbbbb not on its first-parent "
        "line: nothing is added"
    )
    assert line.way_out == (
        "an administrator pushes a commit that continues bbbbbbbbbbbb: git push origin "
        f"\"$(git commit-tree '{A_TIP}^{{tree}}' -p {ANOTHER} -p {A_TIP} -m 'Continue "
        "bbbbbbbbbbbb')\":refs/heads/main; what aaaaaaaaaaaa brought stays unproven until it is "
        "asked for by pull request"
    )


def test_a_lost_tip_is_named_with_both_ways_out() -> None:
    line = BranchLine(branch="main", tip=A_TIP, accepted=A_TIP, lost=ANOTHER)
    assert line.dispute == (
        "main is at aaaaaaaaaaaa, and bbbbbbbbbbbb, which a run recorded, is gone: nothing is added"
    )
    assert line.way_out == (
        f"an administrator restores it, git push origin {ANOTHER}:refs/heads/main, or trusts "
        "another commit: DAYPASS_ANCHOR"
    )


def test_a_recorded_tip_that_the_trusted_commit_contains_is_settled() -> None:
    assert the_line("M", recorded="H", anchor="M").dispute == ""


@st.composite
def histories(draw: st.DrawFn) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """A history, and its pushes: each tip has any earlier commit as its first parent."""
    parents: dict[str, tuple[str, ...]] = {"0": ()}
    for number in range(1, draw(st.integers(1, 8))):
        first = draw(st.sampled_from(sorted(parents)))
        parents[str(number)] = (first,)
    pushed = draw(st.lists(st.sampled_from(sorted(parents)), min_size=1, max_size=8))
    return parents, pushed


@given(histories(), st.booleans())
def test_whatever_is_pushed_the_accepted_tip_continues_the_trusted_one_and_no_earlier_is_lost(
    history: tuple[dict[str, tuple[str, ...]], list[str]], remembered: bool
) -> None:
    parents, pushed = history

    def found(tips: list[str], recorded: str | None) -> BranchLine:
        return branch_line(
            branch="main",
            anchor="0",
            recorded=recorded,
            pushed=tips,
            tip=tips[-1],
            continues=lambda later, earlier: earlier in line_of(later, parents),
            trusted=lambda sha: sha == "0",
        )

    recorded: str | None = None
    for end in range(1, len(pushed) + 1):
        line = found(pushed[:end], recorded)
        assert "0" in line_of(line.accepted, parents)
        if recorded is not None:
            # What one run has accepted stays on the line of what every later one accepts.
            assert recorded in line_of(line.accepted, parents)
        assert (line.dispute == "") == (line.accepted == line.tip)
        if remembered:
            recorded = line.accepted
