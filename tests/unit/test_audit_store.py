"""The record on GitHub: what was read or appended is not read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.errors import ForgeError, RefMoved
from pipeline.run import audit_store
from pipeline.run.audit_store import BranchStore
from pipeline.values.commits import FILE_MODE, SUBMODULE_MODE, MainlineCommit, TreeChange
from tests.unit.support_values import NOON

ONE, TWO = (f"events/2026/11/0000000{number}.jsonl" for number in (1, 2))


class Branch:
    """The audit branch, as GitHub and git show it."""

    def __init__(self) -> None:
        self.head: str | None = None
        self.commits: dict[str, dict[str, bytes]] = {}
        self.changes: dict[str, list[TreeChange]] = {}
        self.blobs: dict[str, bytes] = {}
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

    def mainline(self, tip: str) -> tuple[MainlineCommit, ...]:
        numbers = range(1, int(tip, 16) + 1)
        return tuple(
            MainlineCommit(
                sha=f"{number:040x}",
                parents=(),
                committed_at=NOON,
                changes=tuple(self.changes.get(f"{number:040x}", ())),
            )
            for number in numbers
        )

    def read_many(
        self, blobs: Sequence[str], *, limit: int, leave_out_larger: bool
    ) -> dict[str, bytes]:
        assert leave_out_larger
        return {one: self.blobs[one] for one in blobs if len(self.blobs[one]) <= limit}

    def change(self, path: str, status: str = "A", mode: str = FILE_MODE, text: bytes = b"") -> str:
        """Adds a commit that changes one path; returns it."""
        self.head = f"{len(self.commits) + 1:040x}"
        blob = f"{len(self.blobs)}".zfill(40)
        self.blobs[blob] = text
        self.commits[self.head] = {}
        self.changes[self.head] = [
            TreeChange(
                path=path,
                status=status,
                old_mode=mode,
                new_mode=mode,
                old_blob=None,
                new_blob=None if status == "D" else blob,
            )
        ]
        return self.head

    def append(
        self, name: str, files: Mapping[str, str], message: str, *, parent: str | None
    ) -> str:
        if parent != self.head:
            raise RefMoved("the branch moved")
        ((path, text),) = files.items()
        return self.change(path, text=text.encode())


@pytest.fixture
def branch() -> Branch:
    return Branch()


def store_of(branch: Branch) -> BranchStore:
    parts: Any = SimpleNamespace(
        tip=branch.tip,
        resolve=branch.resolve,
        mainline=branch.mainline,
        read_many=branch.read_many,
        append=branch.append,
    )
    return BranchStore(reader=parts, repository=parts, fetch=branch.fetch, writer=lambda: parts)


def test_what_one_run_appends_it_need_not_read_again(branch: Branch) -> None:
    store = store_of(branch)
    assert store.load() == (None, {})
    first = store.append({ONE: "a\n"}, "One", parent=None)
    second = store.append({TWO: "é\n"}, "Two", parent=first)
    assert store.load() == (second, {ONE: b"a\n", TWO: "é\n".encode()})
    assert branch.fetched == 0
    assert store_of(branch).load() == store.load()
    assert branch.fetched == 1


def test_what_an_earlier_run_fetched_into_this_clone_is_not_fetched_again(branch: Branch) -> None:
    first = store_of(branch).append({ONE: "a\n"}, "One", parent=None)
    assert store_of(branch).load() == (first, {ONE: b"a\n"})
    assert store_of(branch).load() == (first, {ONE: b"a\n"})
    assert branch.fetched == 1
    second = store_of(branch).append({TWO: "b\n"}, "Two", parent=first)
    assert store_of(branch).load() == (second, {ONE: b"a\n", TWO: b"b\n"})
    assert branch.fetched == 2


def test_what_another_run_appended_is_read(branch: Branch) -> None:
    store = store_of(branch)
    first = store.append({ONE: "a\n"}, "One", parent=None)
    other = store_of(branch).append({TWO: "b\n"}, "Two", parent=first)
    assert store.load() == (other, {ONE: b"a\n", TWO: b"b\n"})
    assert branch.fetched == 1
    with pytest.raises(RefMoved):
        store.append({"3.jsonl": "c\n"}, "Three", parent=first)
    assert store.load()[0] == other


def test_after_an_append_to_what_was_not_read_everything_is_read(branch: Branch) -> None:
    first = store_of(branch).append({ONE: "a\n"}, "One", parent=None)
    store = store_of(branch)
    second = store.append({TWO: "b\n"}, "Two", parent=first)
    assert store.load() == (second, {ONE: b"a\n", TWO: b"b\n"})
    assert branch.fetched == 1


def test_files_come_as_they_were_added_and_what_changes_one_later_is_an_entry_of_its_own(
    branch: Branch,
) -> None:
    branch.change(TWO, text=b"first\n")
    branch.change(ONE, text=b"second\n")
    changed = branch.change(TWO, status="M", text=b"forged\n")
    gone = branch.change(ONE, status="D")
    branch.change(ONE, text=b"again\n")
    _, files = store_of(branch).load()
    assert list(files.items())[:2] == [(TWO, b"first\n"), (ONE, b"second\n")]
    assert list(files)[2:4] == [f"{TWO} (M by {changed[:12]})", f"{ONE} (D by {gone[:12]})"]
    assert set(list(files.values())[2:]) == {b""}


def test_what_is_no_plain_file_or_too_large_to_be_ours_is_empty(
    branch: Branch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_store, "_FILE_LIMIT", 10)
    branch.change(ONE, mode=SUBMODULE_MODE)
    branch.change(TWO, text=b"more than ten bytes\n")
    branch.change("README.md", text=b"hello\n")
    assert set(store_of(branch).load()[1].values()) == {b""}
