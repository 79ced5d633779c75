"""How a commit came to the default branch, compared with the pull request that brought it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from pipeline.errors import Denied, ForgeError
from pipeline.history.lives import CLOCK_TOLERANCE
from pipeline.history.sources import Sources
from pipeline.judge.assessment import Assessment
from pipeline.judge.offer import EDITED, first_shown, on_show
from pipeline.proof.merge_checks import altered, misshapen, shown_by
from pipeline.values.commits import EXECUTABLE_MODE, SUBMODULE_MODE, SYMLINK_MODE, MainlineCommit
from pipeline.values.pull_request import Checker, CheckRun, PullFile, PullRequest
from tests.unit.support_branch import CHECKER, MINUTE, NOON, PAYOUTS, REPORTS, Branch
from tests.unit.support_memory import File
from tests.unit.support_tiny_rules import ALICE, ROLES, START, grant
from tests.unit.test_shown import ALICE_FILE, asking, organisation

HEAD, TIP, OTHER = "d" * 40, "b" * 40, "c" * 40
SECOND = timedelta(seconds=1)
PULL = PullRequest(
    number=7,
    author=ALICE,
    state="closed",
    base_ref="main",
    head_ref="request-7",
    head_sha=HEAD,
    same_repository=True,
    merged_at=NOON,
    merge_commit_sha="e" * 40,
)
MERGE = MainlineCommit(sha="e" * 40, parents=(TIP, HEAD), committed_at=NOON, changes=())


# The shape of the merge


def test_a_merge_of_the_head_and_a_squash_of_it_have_the_right_shape() -> None:
    assert misshapen(MERGE, PULL, "main") == []
    assert misshapen(replace(MERGE, parents=(TIP,)), PULL, "main") == []


def test_a_merge_into_another_branch_is_refused() -> None:
    assert misshapen(MERGE, replace(PULL, base_ref="next"), "main") == ["#7 was merged into next"]
    assert misshapen(MERGE, PULL, "trunk") == ["#7 was merged into main"]


def test_a_merge_from_a_fork_is_refused() -> None:
    (reason,) = misshapen(MERGE, replace(PULL, same_repository=False), "main")
    assert reason == "#7 came from a fork: who pushed to it is unknowable"


@pytest.mark.parametrize(
    "parents,reason",
    [
        pytest.param((), "it has 0 parents", id="root"),
        pytest.param((TIP, HEAD, OTHER), "it has 3 parents", id="octopus"),
        pytest.param(
            (TIP, OTHER), "its second parent is ccccccc, #7 ends at ddddddd", id="other-head"
        ),
        pytest.param(
            (HEAD, TIP), "its second parent is bbbbbbb, #7 ends at ddddddd", id="wrong-way-round"
        ),
    ],
)
def test_a_commit_with_other_parents_is_refused(parents: tuple[str, ...], reason: str) -> None:
    assert misshapen(replace(MERGE, parents=parents), PULL, "main") == [reason]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_committer_date_may_lie_five_minutes_from_the_merge_and_no_second_more(
    sign: int,
) -> None:
    assert timedelta(minutes=5) == CLOCK_TOLERANCE
    edge = replace(MERGE, committed_at=NOON + sign * 5 * MINUTE)
    assert misshapen(edge, PULL, "main") == []
    beyond = replace(MERGE, committed_at=NOON + sign * (5 * MINUTE + SECOND))
    (reason,) = misshapen(beyond, PULL, "main")
    assert reason.startswith(f"its committer date {beyond.committed_at.isoformat()} is more than")


def test_a_pull_request_that_was_never_merged_has_no_moment_to_be_near() -> None:
    (reason,) = misshapen(MERGE, replace(PULL, merged_at=None), "main")
    assert "more than five minutes from the merge" in reason


def test_everything_wrong_with_the_shape_is_reported_at_once() -> None:
    odd = replace(MERGE, parents=(), committed_at=NOON + 6 * MINUTE)
    pull = replace(PULL, base_ref="next", same_repository=False)
    assert len(misshapen(odd, pull, "main")) == 4


# What arrived


def differences(branch: Branch, number: int) -> list[str]:
    """Returns what differs between the last commit of main and the pull request's head."""
    (*_, commit) = branch.git.mainline(branch.tip, since=branch.anchor)
    return altered(Sources(branch.git), branch.forge, commit, branch.forge.pulls[number])


@pytest.mark.parametrize("method", ["merge", "squash"])
def test_what_arrives_as_approved_is_not_altered(method: str) -> None:
    branch = Branch({REPORTS: grant(), "README.md": "old\n"})
    number = branch.propose({PAYOUTS: grant(), REPORTS: None, "README.md": "new\n"})
    branch.merge(number, method)  # type: ignore[arg-type]
    assert differences(branch, number) == []


@pytest.mark.parametrize("method", ["merge", "squash"])
@pytest.mark.parametrize(
    "arrived",
    [
        pytest.param(grant(duration="8h"), id="content"),
        pytest.param(File(grant().encode(), EXECUTABLE_MODE), id="mode"),
        pytest.param(File(grant().encode(), SYMLINK_MODE), id="symlink"),
        pytest.param(File(b"a" * 40, SUBMODULE_MODE), id="submodule"),
    ],
)
def test_a_file_that_arrives_with_another_content_or_mode_is_altered(
    method: str, arrived: str | File
) -> None:
    branch = Branch()
    number = branch.propose({PAYOUTS: grant()})
    branch.merge(number, method, instead={PAYOUTS: arrived})  # type: ignore[arg-type]
    head = branch.forge.pulls[number].head_sha[:7]
    assert differences(branch, number) == [f"{PAYOUTS} is not what was approved at {head}"]


def test_a_file_that_was_not_in_the_pull_request_is_altered() -> None:
    branch = Branch()
    number = branch.propose({PAYOUTS: grant()})
    branch.merge(number, instead={REPORTS: grant()})
    only, unlike = differences(branch, number)
    assert only == f"{REPORTS} is changed in the commit only"
    assert unlike.startswith(f"{REPORTS} is not what was approved at ")


def test_a_file_of_the_pull_request_that_did_not_arrive_is_altered() -> None:
    branch = Branch()
    number = branch.propose({PAYOUTS: grant(), REPORTS: grant()})
    branch.merge(number, instead={REPORTS: None})
    assert differences(branch, number) == [f"{REPORTS} is changed in #1 only"]


def test_a_file_may_be_deleted_only_where_the_head_lacks_it() -> None:
    branch = Branch({PAYOUTS: grant()})
    number = branch.propose({PAYOUTS: grant(duration="1h")})
    branch.merge(number, instead={PAYOUTS: None})
    (reason,) = differences(branch, number)
    assert reason.startswith(f"{PAYOUTS} is not what was approved at ")


def test_a_file_that_was_to_be_deleted_may_not_be_changed_instead() -> None:
    branch = Branch({PAYOUTS: grant()})
    number = branch.propose({PAYOUTS: None})
    branch.merge(number, instead={PAYOUTS: grant(duration="1h")})
    (reason,) = differences(branch, number)
    assert reason.startswith(f"{PAYOUTS} is not what was approved at ")


def test_a_folder_at_the_head_is_no_file_of_that_name() -> None:
    branch = Branch()
    number = branch.propose({f"{PAYOUTS}/inner.yaml": grant()})
    branch.merge(number, instead={f"{PAYOUTS}/inner.yaml": None, PAYOUTS: grant()})
    assert any(f"{PAYOUTS} is not what was approved" in one for one in differences(branch, number))


@pytest.mark.parametrize(
    "status,reasons",
    [("renamed", []), ("copied", [f"{PAYOUTS} is changed in the commit only"])],
)
def test_a_rename_changes_both_paths_and_a_copy_only_its_own(
    status: str, reasons: list[str]
) -> None:
    branch = Branch({PAYOUTS: grant()})
    number = branch.propose({PAYOUTS: None, REPORTS: grant()})
    branch.forge.listed[number] = (
        PullFile(path=REPORTS, status=status, blob="1" * 40, previous=PAYOUTS),
    )
    branch.merge(number)
    assert differences(branch, number) == reasons


@pytest.mark.parametrize("error", [ForgeError("away"), Denied("3,000 files")])
def test_files_that_github_does_not_list_are_no_answer(error: ForgeError | Denied) -> None:
    branch = Branch()
    number = branch.propose({PAYOUTS: grant()})
    branch.merge(number)
    branch.forge.failures["files"] = error
    with pytest.raises(type(error)):
        differences(branch, number)


# What was shown


NAME, APP = CHECKER.name, CHECKER.app


@pytest.fixture
def shown() -> Branch:
    """A branch with one open pull request that no check ran on yet."""
    branch = Branch()
    branch.propose({PAYOUTS: grant()})
    return branch


def missing(branch: Branch) -> str:
    """Returns why what the pull request would do, if merged now, was not shown."""
    return why(branch, branch.assess(1), merged_at=branch.now)


def why(branch: Branch, assessment: Assessment, *, merged_at: datetime) -> str:
    found = shown_by(branch.forge, assessment, checker=CHECKER, merged_at=merged_at)
    if isinstance(found, str):
        return found
    assert found.external_id == assessment.external_id
    return ""


def test_a_check_run_with_the_very_offer_shows_it(shown: Branch) -> None:
    shown.show(1)
    assert missing(shown) == ""


def test_a_check_run_shows_its_offer_whatever_it_concluded(shown: Branch) -> None:
    # It fails while approvals are missing, and nobody runs it again for the last of them.
    shown.show(1)
    *where, run = shown.forge.posted.pop()
    shown.forge.posted.append((*where, replace(run, conclusion="failure")))  # type: ignore[arg-type]
    assert missing(shown) == ""


@pytest.mark.parametrize(
    "checker",
    [
        pytest.param(None, id="none"),
        pytest.param(Checker(name=NAME, app=APP + 1), id="another-app"),
        pytest.param(Checker(name="daypass ", app=APP), id="another-name"),
    ],
)
def test_without_a_check_run_of_ours_nothing_was_shown(
    shown: Branch, checker: Checker | None
) -> None:
    if checker:
        shown.show(1, checker=checker)
    head = shown.forge.pulls[1].head_sha[:7]
    assert missing(shown) == f"no check of ours ran on {head} for #1 before the merge: " + (
        "nobody saw what it gives"
    )


def test_a_check_run_on_an_earlier_head_shows_nothing_of_this_one(shown: Branch) -> None:
    shown.show(1)
    shown.push_to(1, {"README.md": "more\n", PAYOUTS: grant()}, by=ALICE)
    assert missing(shown).startswith("no check of ours ran on ")


def test_a_check_run_counts_up_to_the_second_of_the_merge(shown: Branch) -> None:
    shown.show(1, at=NOON)
    assessment = shown.assess(1)
    at_once = why(shown, assessment, merged_at=NOON)
    too_late = why(shown, assessment, merged_at=NOON - SECOND)
    assert at_once == ""
    assert too_late.startswith("no check of ours ran on ")


def test_another_offer_is_not_what_was_shown(shown: Branch) -> None:
    shown.show(1, offer="0" * 64)
    head = shown.forge.pulls[1].head_sha[:7]
    assert missing(shown) == f"what the check showed on {head} is not what it would give: ask again"


def test_the_last_check_run_before_the_merge_is_the_one_that_counts(shown: Branch) -> None:
    shown.show(1, offer="0" * 64)
    shown.show(1)
    assert missing(shown) == ""
    shown.show(1, offer="0" * 64)
    assert missing(shown).endswith("ask again")


def test_a_check_run_after_the_merge_changes_nothing(shown: Branch) -> None:
    shown.show(1)
    merged_at = shown.now
    assessment = shown.assess(1)
    shown.show(1, offer="0" * 64)
    assert why(shown, assessment, merged_at=merged_at) == ""


@pytest.mark.parametrize("error", [ForgeError("away"), Denied("too many check runs")])
def test_check_runs_that_cannot_be_read_are_no_answer(
    shown: Branch, error: ForgeError | Denied
) -> None:
    shown.show(1)
    shown.forge.failures["check_runs"] = error
    with pytest.raises(type(error)):
        missing(shown)


def test_a_check_run_of_another_pull_request_on_the_same_commit_shows_nothing(
    shown: Branch,
) -> None:
    head = shown.forge.pulls[1].head_sha
    offer = shown.show(1)
    assert missing(shown) == ""
    (posted,) = shown.forge.posted
    for other in (2, 11):
        run = replace(posted[-1], external_id=f"{other}:{offer}")
        shown.forge.posted[:] = [(*posted[:-1], run)]
        assert missing(shown).startswith(f"no check of ours ran on {head[:7]} for #1")
    # Nor does a later one of another hide what this one showed.
    shown.forge.posted[:] = [posted, (*posted[:-1], run)]
    assert missing(shown) == ""


# What an offer is


@pytest.mark.parametrize(
    "change", [{"number": 2}, {"base_ref": "scratch"}, {"head_sha": "f" * 40}], ids=str
)
def test_an_offer_is_another_for_another_pull_request_base_or_head(change: dict[str, Any]) -> None:
    branch = Branch()
    found = branch.assess(branch.propose({PAYOUTS: grant()}))
    other = replace(found, pull=replace(found.pull, **change))
    assert other.offer != found.offer


def test_an_offer_is_another_for_another_content_of_the_same_meaning() -> None:
    branch = Branch()
    found = branch.assess(branch.propose({PAYOUTS: grant()}))
    (one,) = found.changes
    assert replace(found, changes=(replace(one, new_blob="e" * 40),)).offer != found.offer
    assert replace(found, changes=(replace(one, new_mode="100755"),)).offer != found.offer
    assert replace(found, changes=()).offer != found.offer


@pytest.mark.parametrize(
    "before, after", [("user:alice@", "user:alice.other@"), ("user/alice", "user/alice.other")]
)
def test_an_offer_is_another_for_another_account_in_its_cloud(before: str, after: str) -> None:
    """Who gets it is named by the catalogue, not by the file of the grant."""
    branch = organisation(2)
    number = branch.propose({PAYOUTS: asking(1)})
    first = branch.assess(number)
    assert not first.problems
    text = branch.git.files(branch.tip)[ALICE_FILE].content.decode()
    assert before in text
    branch.govern({ALICE_FILE: text.replace(before, after)})
    assert branch.assess(number).offer != first.offer


@pytest.mark.parametrize(
    "times, until, expected",
    [
        ([], None, None),
        ([2, 1, 3], None, 1),
        ([2, 3], 1, None),
        ([2, 3], 2, 2),
    ],
)
def test_an_offer_was_shown_when_the_first_run_that_names_it_was_finished(
    times: list[int], until: int | None, expected: int | None
) -> None:
    def at(minutes: int | None) -> datetime | None:
        return None if minutes is None else NOON + minutes * MINUTE

    def run(name: str, minutes: int) -> CheckRun:
        completed = NOON + minutes * MINUTE
        return CheckRun(id=1, conclusion="failure", external_id=name, completed_at=completed)

    others = [run("1:b", 0), run("11:a", 0), run("2:a", 0), run("1:a ", 0)]
    runs = [*others, *(run("1:a", minutes) for minutes in times)]
    found = first_shown(runs, 1, "a", until=at(until))
    assert (found.completed_at if found else None) == at(expected)


@pytest.mark.parametrize(
    "shown, expected",
    [
        ("", []),
        ("b", []),
        ("a", [(0, None)]),
        ("aaa", [(0, None)]),
        ("baa", [(1, None)]),
        ("ab", [(0, 1)]),
        ("aabba", [(0, 2), (4, None)]),
        # Of another pull request: it changes nothing.
        ("a.a", [(0, None)]),
        # The comment was edited since the run before.
        ("aaxa", [(0, 1), (3, None)]),
        ("axa", [(0, 0), (2, None)]),
        ("xa", [(1, None)]),
        ("bxa", [(2, None)]),
        ("ax", [(0, 0)]),
    ],
)
def test_an_offer_is_on_show_until_another_one_of_its_pull_request_is(
    shown: str, expected: list[tuple[int, int | None]]
) -> None:
    def run(name: str, minutes: int) -> CheckRun:
        at = NOON + minutes * MINUTE
        return CheckRun(id=minutes, conclusion="failure", external_id=name, completed_at=at)

    names = {"a": "1:a", "b": "1:b", ".": "2:a", "x": f"1:{EDITED}"}
    runs = [run(names[one], minutes) for minutes, one in enumerate(shown)]
    found = [
        ((one.since - NOON) // MINUTE, one.until and (one.until - NOON) // MINUTE)
        for one in on_show([*reversed(runs), run("1:a", 99)], 1, "a", until=NOON + 50 * MINUTE)
    ]
    assert found == expected


def test_an_offer_says_nothing_of_the_order_of_actions_and_of_what_a_deletion_held() -> None:
    branch = Branch()
    branch.bring({PAYOUTS: grant()})
    number = branch.propose({PAYOUTS: None})
    first = branch.assess(number).offer
    branch.govern({ROLES: START[ROLES].replace("logging.viewer", "logging.admin")})
    assert branch.assess(number).offer == first


def test_an_extension_of_another_life_is_another_offer() -> None:
    branch = Branch()
    branch.bring({PAYOUTS: grant()})
    number = branch.propose({PAYOUTS: grant(duration="3h")})
    first = branch.assess(number).offer
    branch.bring({PAYOUTS: None})
    branch.bring({PAYOUTS: grant()})
    assert branch.assess(number).offer != first


def test_an_offer_is_the_same_at_every_moment_and_another_for_another_duration() -> None:
    branch = Branch()
    number = branch.propose({PAYOUTS: grant()})
    first = branch.assess(number).offer
    branch.now += 60 * MINUTE
    assert branch.assess(number).offer == first
    branch.push_to(number, {PAYOUTS: grant(duration="3h")}, by=ALICE)
    assert branch.assess(number).offer != first
