"""The default branch, the record and merged heads in a run's clone, over real repositories."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.config import Settings
from pipeline.errors import Denied, ForgeError, Incomplete
from pipeline.forge import fetching
from pipeline.forge.git_process import Bounds, GitFailed
from pipeline.run.audit_store import BranchStore
from pipeline.run.workspace import Workspace
from tests.unit.support_git import Work, doubled_tree, odd_commit, odd_tree


class Here(Workspace):
    """A run over a clone of *server*, which stands for GitHub."""

    def __init__(self, server: Work, folder: Path) -> None:
        local = Work(folder / "local")
        local.path.mkdir()
        local.git("init", "--quiet", "--template=")
        super().__init__(
            root=local.path, sandbox_file=None, clock=lambda: datetime(2026, 11, 20, tzinfo=UTC)
        )
        vars(self)["settings"] = Settings(repository="acme/access")
        self.server = server
        self.told: list[str] = []

    @property
    def remote(self) -> str:
        return f"file://{self.server.path}"

    def warn(self, text: str) -> None:
        self.told.append(text)


@pytest.fixture
def server(tmp_path: Path) -> Work:
    made = Work.begin(tmp_path / "server")
    made.git("config", "uploadpack.allowFilter", "true")
    made.write("README.md", "hello\n")
    made.commit("start")
    return made


@pytest.fixture
def here(server: Work, tmp_path: Path) -> Here:
    return Here(server, tmp_path)


# The default branch


@pytest.mark.parametrize("make", [odd_commit, odd_tree])
def test_what_misleads_no_reader_is_fetched_with_the_default_branch(
    here: Here, server: Work, make: Any
) -> None:
    start = server.head()
    server.git("reset", "--quiet", "--hard", make(server, start))
    server.write("README.md", "hello again\n")
    tip = server.commit("more")
    assert here.fetch_main() == tip
    assert here.told == []
    (_, change) = here.repository.mainline(tip, since=start)
    assert [one.path for one in change.changes] == ["README.md"]


def test_a_file_that_git_refuses_is_fetched_with_the_default_branch(
    here: Here, server: Work
) -> None:
    server.write(".gitattributes", f"*.yaml {'a' * 3_000}\n")
    tip = server.commit("attributes")
    assert here.fetch_main() == tip
    assert here.told == []


def test_what_git_refuses_on_the_default_branch_is_told_and_stops_nothing(
    here: Here, server: Work
) -> None:
    server.git("update-ref", "refs/heads/main", doubled_tree(server, server.head()))
    for _ in range(2):
        assert here.fetch_main() == server.git("rev-parse", "refs/heads/main")
    (told,) = here.told
    assert "duplicateEntries" in told
    assert "refs/heads/main" in told


def test_more_than_is_taken_of_the_default_branch_is_no_outage(here: Here, server: Work) -> None:
    server.write("noise", random.Random(0).randbytes(200_000).decode("latin-1"))  # noqa: S311
    server.commit("noise")
    spec = ["+refs/heads/main:refs/daypass/main"]
    tight = Bounds(seconds=60, size=100_000)
    with pytest.raises(Denied, match="it brings more than 97 KiB"):
        here.repository.fetch(here.remote, spec, bounds=tight)


# The record


def test_a_record_with_an_object_that_git_refuses_is_read(here: Here, server: Work) -> None:
    head = doubled_tree(server, server.head())
    server.git("checkout", "--quiet", "--detach", server.head())
    server.git("reset", "--quiet", "--soft", head)
    server.write("events/2026/11/00000001.jsonl", "a\n")
    head = server.commit("record")
    server.git("update-ref", "refs/heads/daypass/audit", head)
    reader: Any = SimpleNamespace(tip=lambda branch: head)
    writer: Any = None
    store = BranchStore(reader=reader, repository=here.repository, fetch=here.fetch, writer=writer)
    found, files = store.load()
    assert (found, files["events/2026/11/00000001.jsonl"]) == (head, b"a\n")
    assert "duplicateEntries" in here.told[0]


# Heads of merged pull requests


def merged(server: Work, method: str) -> str:
    """Merges a branch, which is deleted then, and returns its head; pull request 7 keeps it."""
    server.git("checkout", "--quiet", "-b", "request")
    server.write("a.yaml", "x\n")
    head = server.commit("ask")
    server.git("update-ref", "refs/pull/7/head", head)
    server.git("checkout", "--quiet", "main")
    server.git("merge", "--quiet", f"--{method}", "-m", "ask", "request")
    if method == "squash":
        server.commit("ask")
    server.git("branch", "--quiet", "-D", "request")
    return head


def test_the_head_of_a_merge_commit_came_with_the_default_branch(here: Here, server: Work) -> None:
    head = merged(server, "no-ff")
    server.git("update-ref", "-d", "refs/pull/7/head")
    here.fetch_main()
    here.fetch_head(7, head)
    assert [entry.path for entry in here.repository.tree(head)] == ["README.md", "a.yaml"]


def test_the_head_of_a_squash_is_fetched_although_its_branch_is_gone(
    here: Here, server: Work
) -> None:
    head = merged(server, "squash")
    here.fetch_main()
    with pytest.raises(ForgeError):
        here.repository.tree(head)
    here.fetch_head(7, head)
    assert [entry.path for entry in here.repository.tree(head)] == ["README.md", "a.yaml"]


def test_the_head_of_a_squash_whose_ref_is_gone_may_only_lag_behind(
    here: Here, server: Work
) -> None:
    head = merged(server, "squash")
    server.git("update-ref", "-d", "refs/pull/7/head")
    here.fetch_main()
    with pytest.raises(Incomplete, match="the default branch can be fetched"):
        here.fetch_head(7, head)


def test_a_head_is_an_outage_while_github_is_away(here: Here, server: Work) -> None:
    head = merged(server, "squash")
    here.fetch_main()
    server.path.rename(server.path.with_name("away"))
    with pytest.raises(ForgeError) as caught:
        here.fetch_head(7, head)
    assert not isinstance(caught.value, Incomplete)
    assert caught.value.exit_code == 3


def test_an_open_pull_request_is_compared_with_where_it_left_the_default_branch(
    here: Here, server: Work
) -> None:
    left = server.head()
    server.git("checkout", "--quiet", "-b", "request")
    server.write("a.yaml", "x\n")
    server.commit("ask")
    server.write("a.yaml", "y\n")
    head = server.commit("ask for less")
    server.git("update-ref", "refs/pull/7/head", head)
    server.git("checkout", "--quiet", "main")
    server.write("README.md", "hello again\n")
    server.commit("more")
    main = here.fetch_main()
    here.fetch_open(7, head)
    assert here.repository.merge_base(main, head) == left
    assert [change.path for change in here.repository.diff(left, head)] == ["a.yaml"]
    assert here.repository.read((head, "a.yaml"), limit=10) == b"y\n"


# What a failure of git says


@pytest.mark.parametrize(
    "said, largest, found",
    [
        ("fatal: couldn't find remote ref refs/pull/7/head", 0, None),
        ("fatal: unable to access 'https://github.com/': 503", 0, None),
        # A server's words are no evidence of what came from it.
        ("remote: fatal: fsck error in packed object", 0, None),
        ("fatal: fsck error in packed object", 0, "git refuses what it holds"),
        ("fatal: fsck error in pack objects", 0, "git refuses what it holds"),
        (
            f"error: object {'a' * 40}: badDate: \x1b[2J\nfatal: fsck error in packed object",
            0,
            f"git refuses object {'a' * 40}: badDate",
        ),
        ("fatal: index-pack failed", 64 * fetching.MEBIBYTE - 1, None),
        ("fatal: index-pack failed", 64 * fetching.MEBIBYTE, "it brings more than 65536 KiB"),
    ],
)
def test_a_refusal_is_told_from_an_outage_by_what_there_is(
    said: str, largest: int, found: str | None
) -> None:
    refused = fetching.refusal(
        GitFailed("git fetch failed", said=said), largest=largest, bounds=fetching.HEAD
    )
    assert (refused.message if refused else None) == found
