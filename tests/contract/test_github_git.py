"""Histories, refs and `ls-refs` of the GitHub stand-in, held to git's own answers."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest

from pipeline.sandbox.github import ls_refs
from pipeline.sandbox.github.gitstore import GitStore, git_environment
from pipeline.sandbox.github.gitvalues import GitError, Ident
from pipeline.sandbox.github.ref_files import plain, read_refs

MAIN = "refs/heads/main"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[GitStore]:
    made = GitStore(tmp_path / "a" / "b.git", default_branch="main")
    yield made
    made.close()


def git(store: GitStore, *arguments: str, feed: bytes = b"", **environment: str) -> bytes:
    return subprocess.run(
        ["git", *arguments],
        cwd=store.path,
        env={**git_environment(store.path), **environment},
        input=feed,
        capture_output=True,
        check=False,
    ).stdout


def commit(store: GitStore, *parents: str, number: int = 0) -> str:
    who = Ident(
        name="a", email="a@x", date=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
    )
    tree = store.edit_tree(
        "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        {"n": ("100644", store.write("blob", str(number).encode()))},
    )
    return store.write_commit(tree=tree, parents=parents, author=who, committer=who, message="m")


@pytest.mark.parametrize("seed", range(3))
def test_histories_are_followed_as_git_follows_them(store: GitStore, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - shapes, no secrets
    made: list[str] = []
    for number in range(8):
        # Mostly a line, with merges and with roots of their own.
        count = chance.choice((0, 1, 1, 1, 2)) if made else 0
        parents = chance.sample(made[-4:], min(count, len(made[-4:])))
        made.append(commit(store, *parents, number=chance.randrange(8) + 10 * number))
    for one, other in product(made, made):
        bases = git(store, "merge-base", "--all", one, other).decode().split()
        assert store.merge_base(one, other) == (bases[0] if bases else None)
        assert store.is_ancestor(one, other) == (one in bases)
        asked = ("rev-list", "--topo-order", other, f"^{one}")
        assert store.walk(other, without=one) == git(store, *asked).decode().split()


def listed(store: GitStore) -> dict[str, str]:
    lines = git(store, "for-each-ref", "--format=%(refname) %(objectname)").decode().splitlines()
    return dict(line.split(" ") for line in lines)


def test_refs_lie_where_git_looks_for_them(store: GitStore) -> None:
    one = commit(store)
    two = commit(store, one, number=1)
    steps: tuple[Mapping[str, str | None], ...] = (
        {MAIN: one, "refs/heads/a/b": one, "refs/pull/1/head": one},
        {MAIN: two, "refs/heads/a/b": None},
        # The folder that is empty now makes room for a branch.
        {"refs/heads/a": two, "refs/heads/v1.2-x": one, "refs/tags/é": one},
        {"refs/tags/é": None, "refs/pull/1/head": None},
    )
    for changes in steps:
        store.set_refs(changes)
        assert store.refs() == listed(store)
        store.forget_refs()
        assert store.refs() == listed(store)
    git(store, "pack-refs", "--all")
    store.forget_refs()
    assert read_refs(store.path) is None
    store.set_refs({"refs/heads/a": one, "refs/heads/v1.2-x": None})
    assert store.refs() == listed(store) == {MAIN: two, "refs/heads/a": one}


@pytest.mark.parametrize(
    "changes",
    [
        {f"{MAIN}/below": "first"},
        {"refs/heads": "first"},
        {"refs/heads/new": "tree"},
        {"refs/heads/new.lock": "first"},
        {"refs/heads/one": "first", "refs/heads/one/two": "first"},
    ],
)
def test_refs_that_git_refuses_do_not_move(store: GitStore, changes: dict[str, str]) -> None:
    first = commit(store)
    store.set_refs({MAIN: first})
    ids = {"first": first, "tree": store.commit(first).tree}
    with pytest.raises(GitError):
        store.set_refs({ref: ids[name] for ref, name in changes.items()})
    assert store.refs() == listed(store) == {MAIN: first}


@pytest.mark.parametrize(
    "ref",
    ["refs/heads/a", "refs/heads/a/b.c", "refs/heads/.a", "refs/heads/a..b", "refs/heads/a.",
     "refs/heads/a.lock", "refs/heads/a.lock/b", "refs/heads/a b", "refs/heads/-a", "refs/heads/a~",
     "refs/heads/@{", "refs/heads//a", "refs/heads/a/", "refs/heads/\u00e9", "refs/heads/@"],
)  # fmt: skip
def test_what_passes_for_a_plain_name_is_one_for_git(store: GitStore, ref: str) -> None:
    with_status = ["git", "check-ref-format", ref]
    fine = subprocess.run(with_status, cwd=store.path, check=False).returncode == 0
    assert store.valid_ref(ref) is fine
    assert fine or not plain(ref)


def line(text: str) -> bytes:
    return f"{len(text) + 5:04x}{text}\n".encode()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("peel", "symrefs"),
        ("symrefs", "ref-prefix HEAD", "ref-prefix refs/heads/"),
        ("peel", "symrefs", "unborn", "ref-prefix refs/pull/1"),
        ("ref-prefix refs/heads/mai", "ref-prefix nothing"),
    ],
)
def test_refs_are_listed_for_a_fetch_as_git_lists_them(
    store: GitStore, arguments: tuple[str, ...]
) -> None:
    first = commit(store)
    names = (MAIN, "refs/heads/main2", "refs/pull/1/head", "refs/pull/12/head", "refs/tags/t")
    store.set_refs(dict.fromkeys(names, first))
    body = b"".join(
        [line("command=ls-refs"), line("object-format=sha1"), b"0001", *map(line, arguments)]
    )
    asked = ls_refs.arguments(body + b"0000")
    assert asked == list(arguments)
    said = git(store, "upload-pack", "--stateless-rpc", ".", feed=body + b"0000",
               GIT_PROTOCOL="version=2")  # fmt: skip
    assert said == ls_refs.answer(asked, store.refs(), head=MAIN)


@pytest.mark.parametrize(
    "body",
    [
        line("command=fetch") + b"0001" + line("done") + b"0000",
        line("command=ls-refs") + b"0000",
        line("command=ls-refs") + b"0001",
        b"0003",
        b"nonsense",
        b"",
    ],
)
def test_every_other_request_is_left_to_git(body: bytes) -> None:
    assert ls_refs.arguments(body) is None


def test_an_unborn_head_and_unknown_arguments_are_left_to_git(store: GitStore) -> None:
    refs = {"refs/heads/other": commit(store)}
    assert ls_refs.answer([], refs, head=MAIN) is None
    assert ls_refs.answer(["new"], {MAIN: commit(store)}, head=MAIN) is None
