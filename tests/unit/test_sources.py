"""What is read from git objects at a commit, and what is refused before it is read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.errors import ForgeError, InvalidInput
from pipeline.grants.tables import TABLE_LIMIT
from pipeline.history.sources import Sources
from pipeline.reading.yaml_strict import FILE_LIMIT
from pipeline.values.commits import EXECUTABLE_MODE, SUBMODULE_MODE, SYMLINK_MODE, TreeChange
from tests.unit.support_branch import NOON, PAYOUTS, REPORTS
from tests.unit.support_memory import File, Files, Git
from tests.unit.support_tiny_rules import LIMITS, ROLES, RULES, START, grant

LARGE = grant(more=f"# {'x' * FILE_LIMIT}\n")


def at(files: Files, *parents: str, git: Git | None = None) -> tuple[Sources, Git, str]:
    """Returns sources of a repository with one more commit, and that commit."""
    git = git or Git()
    commit = git.commit(files, *parents, at=NOON)
    return Sources(git), git, commit


def problems(sources: Sources, commit: str, path: str = PAYOUTS) -> list[tuple[str, str]]:
    entry = sources.entry(commit, path)
    assert entry is not None
    return [(one.code, one.message) for one in sources.grant(entry).problems]


def added(path: str, file: File) -> TreeChange:
    return TreeChange(
        path=path,
        status="A",
        old_mode="000000",
        new_mode=file.mode,
        old_blob=None,
        new_blob=file.id,
    )


# Grants


@pytest.mark.parametrize("mode", [EXECUTABLE_MODE, SYMLINK_MODE, SUBMODULE_MODE])
def test_a_grant_is_a_plain_file_and_nothing_else_is_read(mode: str) -> None:
    sources, git, commit = at({PAYOUTS: File(b"a" * 40, mode)})
    expected = ("mode", f"mode {mode} is not that of a plain file (100644)")
    assert problems(sources, commit) == [expected]
    assert git.blobs_read == []


def test_a_grant_that_is_too_large_is_not_read() -> None:
    sources, git, commit = at({PAYOUTS: LARGE})
    ((code, message),) = problems(sources, commit)
    assert code == "too-large"
    assert message.endswith(f"a grant holds at most {FILE_LIMIT}")
    assert git.blobs_read == []


def test_a_grant_is_read_and_parsed_once() -> None:
    sources, git, commit = at({PAYOUTS: grant()})
    entry = sources.entry(commit, PAYOUTS)
    assert entry is not None
    assert sources.grant(entry) is sources.grant(entry)
    assert git.blobs_read == [entry.blob]


def test_the_same_text_at_another_path_is_another_grant() -> None:
    sources, _, commit = at({PAYOUTS: grant(), REPORTS: grant()})
    found = [sources.grant(entry).grant for entry in sources.objects.tree(commit)]
    assert [one.id for one in found if one] == ["alice/payouts", "alice/reports"]


def test_many_grants_are_read_at_once_but_for_those_that_cannot_be() -> None:
    sources, git, commit = at(
        {PAYOUTS: grant(), REPORTS: LARGE, "access/grants/a/b": File(b"a" * 40, SUBMODULE_MODE)}
    )
    sources.prefetch(git.tree(commit))
    assert git.blobs_read == [File(grant().encode()).id]


def test_versions_are_read_at_once_unless_one_of_them_cannot_be() -> None:
    plain, large = File(grant().encode()), File(LARGE.encode())
    sources, git, commit = at({PAYOUTS: plain, REPORTS: large})
    removal = TreeChange(
        path=PAYOUTS, status="D", old_mode="100644", new_mode="000000", old_blob="1" * 40,
        new_blob=None,
    )  # fmt: skip
    sources.prefetch_versions([removal, added(PAYOUTS, plain)])
    assert git.blobs_read == [plain.id]
    # Nobody is stopped by one that is too large: it is refused by itself.
    other = Sources(git)
    git.blobs_read.clear()
    other.prefetch_versions([added(PAYOUTS, plain), added(REPORTS, large)])
    assert git.blobs_read == []
    small, refused = (
        other.grant_after(commit, added(path, one))
        for path, one in ((PAYOUTS, plain), (REPORTS, large))
    )
    assert small is not None
    assert small.grant is not None
    assert refused is not None
    assert [one.code for one in refused.problems] == ["too-large"]


def test_after_a_removal_there_is_no_grant_and_what_git_lacks_is_a_problem() -> None:
    sources, _, commit = at({PAYOUTS: grant()})
    plain = File(grant().encode())
    removal = replace(added(PAYOUTS, plain), status="D", new_mode="000000", new_blob=None)
    assert sources.grant_after(commit, removal) is None
    lacking = sources.grant_after(commit, added(REPORTS, plain))
    assert lacking is not None
    assert [one.code for one in lacking.problems] == ["missing"]


def test_an_entry_is_found_by_its_exact_path() -> None:
    sources, _, commit = at({f"{PAYOUTS}/inner.yaml": grant()})
    assert sources.entry(commit, PAYOUTS) is None
    assert sources.entry(commit, REPORTS) is None


# Catalogue and policies


@pytest.mark.parametrize("mode", [SYMLINK_MODE, SUBMODULE_MODE])
@pytest.mark.parametrize("path", [ROLES, LIMITS])
def test_what_decides_is_no_symlink_and_no_submodule(path: str, mode: str) -> None:
    sources, _, commit = at({**START, path: File(b"a" * 40, mode)})
    read = sources.catalogue if path == ROLES else sources.policies
    with pytest.raises(InvalidInput) as refused:
        read(commit)
    (problem,) = (one for one in refused.value.problems if one.code == "mode")
    assert (problem.path, problem.message) == (path, f"mode {mode} is not that of a plain file")


@pytest.mark.parametrize("path", [ROLES, LIMITS])
def test_what_decides_may_be_executable_and_at_most_a_megabyte(path: str) -> None:
    text = START[path].encode()
    sources, git, commit = at({**START, path: File(text, EXECUTABLE_MODE)})
    read = sources.catalogue if path == ROLES else sources.policies
    assert read(commit) is read(commit)
    padded = text + b"#" * (TABLE_LIMIT + 1 - len(text))
    _, _, larger = at({path: File(padded)}, commit, git=git)
    with pytest.raises(InvalidInput) as refused:
        read(larger)
    assert "too-large" in {one.code for one in refused.value.problems}


def test_policies_that_are_no_text_are_a_problem_and_other_files_are_not_read() -> None:
    sources, git, commit = at({**START, "policies/logo.png": File(b"\xff")})
    bundle = sources.policies(commit)
    assert set(bundle.modules) == {
        RULES.removeprefix("policies/"),
        "access/decision/decision.rego",
    }
    _, _, odd = at({RULES: File(b"package x\xff")}, commit, git=git)
    with pytest.raises(InvalidInput) as refused:
        sources.policies(odd)
    (problem,) = refused.value.problems
    assert (problem.path, problem.code) == (RULES, "encoding")


def test_what_two_commits_share_is_read_once_and_is_the_same() -> None:
    sources, git, first = at(START)
    _, _, second = at({"README.md": "x\n"}, first, git=git)
    _, _, third = at({ROLES: START[ROLES].replace("logging", "browser")}, second, git=git)
    assert sources.catalogue(first) is sources.catalogue(second)
    assert sources.policies(first) is sources.policies(second) is sources.policies(third)
    read = len(git.blobs_read)
    assert sources.catalogue(third) is not sources.catalogue(first)
    assert len(git.blobs_read) == read + 1


def test_a_broken_catalogue_does_not_hide_who_is_offboarded() -> None:
    alice = "access/principals/alice.yaml"
    sources, git, whole = at({**START, ROLES: "log-viewer: [\n"})
    assert not sources.offboarded(whole, "alice")
    _, _, gone = at({alice: None}, whole, git=git)
    _, _, disabled = at({alice: f"{START[alice]}disabled: true\n"}, whole, git=git)
    _, _, unreadable = at({alice: "github: [\n"}, whole, git=git)
    assert sources.offboarded(gone, "alice")
    assert sources.offboarded(disabled, "alice")
    assert not sources.offboarded(unreadable, "alice")


def test_a_commit_that_git_does_not_know_is_an_outage() -> None:
    sources, _, _ = at(START)
    with pytest.raises(ForgeError):
        sources.catalogue("9" * 40)
