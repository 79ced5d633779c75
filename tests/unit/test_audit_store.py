"""The record on GitHub: what was read or appended is not read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.errors import ForgeError, RefMoved
from pipeline.run.audit_store import BranchStore
from pipeline.values.commits import FILE_MODE, TreeEntry


class Branch:
    """The audit branch, as GitHub and git show it."""

    def __init__(self) -> None:
        self.head: str | None = None
        self.commits: dict[str, dict[str, bytes]] = {}
        self.fetched = 0
        self.in_clone: set[str] = set()

    def tip(self, name: str) -> str | None:
        assert name == "daypass/audit"
        return self.head

    def fetch(self, refspecs: Sequence[str]) -> None:
        assert list(refspecs) == ["+refs/heads/daypass/audit:refs/daypass/record"]
        self.fetched += 1
        self.in_clone.update(self.commits)

    def resolve(self, commit: str) -> str:
        if commit not in self.in_clone:
            raise ForgeError("unknown revision")
        return commit

    def tree(self, commit: str) -> tuple[TreeEntry, ...]:
        return tuple(
            TreeEntry(path=path, mode=FILE_MODE, kind="blob", blob=path, size=len(content))
            for path, content in self.commits[commit].items()
        )

    def read_many(self, blobs: Sequence[str], *, limit: int) -> dict[str, bytes]:
        assert self.head is not None
        return {blob: self.commits[self.head][blob] for blob in blobs}

    def append(
        self, name: str, files: Mapping[str, str], message: str, *, parent: str | None
    ) -> str:
        if parent != self.head:
            raise RefMoved("the branch moved")
        before = self.commits[parent] if parent else {}
        self.head = f"{len(self.commits) + 1:040x}"
        self.commits[self.head] = {**before, **{k: v.encode() for k, v in files.items()}}
        return self.head


@pytest.fixture
def branch() -> Branch:
    return Branch()


def store_of(branch: Branch) -> BranchStore:
    parts: Any = SimpleNamespace(
        tip=branch.tip,
        resolve=branch.resolve,
        tree=branch.tree,
        read_many=branch.read_many,
        append=branch.append,
    )
    return BranchStore(reader=parts, repository=parts, fetch=branch.fetch, writer=lambda: parts)


def test_what_one_run_appends_it_need_not_read_again(branch: Branch) -> None:
    store = store_of(branch)
    assert store.load() == (None, {})
    first = store.append({"1.jsonl": "a\n"}, "One", parent=None)
    second = store.append({"2.jsonl": "é\n"}, "Two", parent=first)
    assert store.load() == (second, {"1.jsonl": b"a\n", "2.jsonl": "é\n".encode()})
    assert branch.fetched == 0
    assert store_of(branch).load() == store.load()
    assert branch.fetched == 1


def test_what_an_earlier_run_fetched_into_this_clone_is_not_fetched_again(branch: Branch) -> None:
    first = store_of(branch).append({"1.jsonl": "a\n"}, "One", parent=None)
    assert store_of(branch).load() == (first, {"1.jsonl": b"a\n"})
    assert store_of(branch).load() == (first, {"1.jsonl": b"a\n"})
    assert branch.fetched == 1
    second = store_of(branch).append({"2.jsonl": "b\n"}, "Two", parent=first)
    assert store_of(branch).load() == (second, {"1.jsonl": b"a\n", "2.jsonl": b"b\n"})
    assert branch.fetched == 2


def test_what_another_run_appended_is_read(branch: Branch) -> None:
    store = store_of(branch)
    first = store.append({"1.jsonl": "a\n"}, "One", parent=None)
    other = store_of(branch).append({"2.jsonl": "b\n"}, "Two", parent=first)
    assert store.load() == (other, {"1.jsonl": b"a\n", "2.jsonl": b"b\n"})
    assert branch.fetched == 1
    with pytest.raises(RefMoved):
        store.append({"3.jsonl": "c\n"}, "Three", parent=first)
    assert store.load()[0] == other


def test_after_an_append_to_what_was_not_read_everything_is_read(branch: Branch) -> None:
    first = store_of(branch).append({"1.jsonl": "a\n"}, "One", parent=None)
    store = store_of(branch)
    second = store.append({"2.jsonl": "b\n"}, "Two", parent=first)
    assert store.load() == (second, {"1.jsonl": b"a\n", "2.jsonl": b"b\n"})
    assert branch.fetched == 1
