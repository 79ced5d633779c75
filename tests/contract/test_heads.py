"""Heads of pull requests that are hard to fetch, over real repositories."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.errors import Denied, ForgeError, Incomplete
from pipeline.forge.fetching import HEAD, LARGEST_BLOB, MEBIBYTE
from pipeline.forge.git import Repository
from pipeline.forge.git_process import Bounds
from pipeline.forge.heads import HeadFetcher
from tests.unit.support_git import Work, odd_commit, odd_tree

GRANT = "access/grants/alice/a.yaml"
ATTRIBUTES = f"*.yaml {'a' * 3_000}\n"
SMALL = Bounds(seconds=60, size=MEBIBYTE)
AT_ONCE = Bounds(seconds=0.2, size=MEBIBYTE)


class Scene:
    """A server with the branches main and request, and a clone of main alone."""

    def __init__(self, folder: Path) -> None:
        self.server = Work.begin(folder / "server")
        self.server.git("config", "uploadpack.allowFilter", "true")
        self.server.write("README.md", "hello\n")
        self.main = self.server.commit("start")
        self.server.git("checkout", "--quiet", "-b", "request")
        local = Work(folder / "local")
        local.path.mkdir()
        local.git("init", "--quiet", "--bare", "--template=")
        self.clone = local.repository
        self.url = f"file://{self.server.path}"
        self.answers()

    def answers(self) -> None:
        self.clone.fetch(self.url, ["+refs/heads/main:refs/daypass/main"])

    def asks(self, head: str | None = None) -> str:
        """Opens pull request 7 of *head*, by default of what is checked out."""
        found = head or self.server.head()
        self.server.git("update-ref", "refs/pull/7/head", found)
        return found

    def heads(
        self,
        *,
        bounds: Bounds = HEAD,
        url: str | None = None,
        answers: Callable[[], object] | None = None,
    ) -> HeadFetcher:
        return HeadFetcher(
            self.clone, url or self.url, token=None, answers=answers or self.answers, bounds=bounds
        )


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def refuse() -> None:
    raise ForgeError("GitHub is away")


def paths(repository: Repository, commit: str) -> list[str]:
    return [entry.path for entry in repository.tree(commit)]


# Objects that git refuses


def bad_file(server: Work) -> None:
    server.write(".gitattributes", ATTRIBUTES)
    server.commit("attributes")
    (server.path / ".gitattributes").unlink()


def bad_date(server: Work) -> None:
    server.git("reset", "--quiet", "--hard", odd_commit(server, server.head()))


def bad_folder(server: Work) -> None:
    server.git("reset", "--quiet", "--soft", odd_tree(server, server.head()))


EARLIER = pytest.mark.parametrize("fault", [bad_file, bad_date, bad_folder])


@EARLIER
def test_an_earlier_commit_of_a_squashed_head_does_not_matter(
    scene: Scene, fault: Callable[[Work], None]
) -> None:
    fault(scene.server)
    scene.server.write(GRANT, "subject: alice\n")
    scene.server.commit("ask")
    head = scene.asks()
    scene.server.git("checkout", "--quiet", "main")
    scene.server.git("branch", "--quiet", "-D", "request")
    with pytest.raises(Denied):
        scene.clone.fetch(scene.url, ["+refs/pull/7/head:refs/daypass/whole"])
    scene.heads().newest(7, head)
    assert GRANT in paths(scene.clone, head)
    assert scene.clone.read((head, GRANT), limit=100) == b"subject: alice\n"
    assert [change.path for change in scene.clone.diff(scene.main, head)] == [GRANT]
    # What was cut off beside the clone cuts nothing off there.
    assert not scene.clone.is_shallow()
    assert [commit.sha for commit in scene.clone.mainline(scene.main)] == [scene.main]


@pytest.mark.parametrize("fault", [bad_file, bad_folder])
def test_of_an_open_request_an_earlier_file_or_folder_does_not_matter(
    scene: Scene, fault: Callable[[Work], None]
) -> None:
    fault(scene.server)
    scene.server.write(GRANT, "subject: alice\n")
    scene.server.commit("ask")
    head = scene.asks()
    heads = scene.heads()
    heads.commits(7, head)
    heads.newest(7, head)
    assert scene.clone.merge_base(scene.main, head) == scene.main
    assert [change.path for change in scene.clone.diff(scene.main, head)] == [GRANT]


def test_of_an_open_request_every_commit_counts(scene: Scene) -> None:
    bad_date(scene.server)
    scene.server.write(GRANT, "subject: alice\n")
    scene.server.commit("ask")
    with pytest.raises(Denied, match=r"#7 is not fetched: .*zeroPaddedDate; bring the change as"):
        scene.heads().commits(7, scene.asks())


def test_what_the_clone_holds_by_some_other_way_is_checked_all_the_same(scene: Scene) -> None:
    bad_date(scene.server)
    scene.server.write(GRANT, "subject: alice\n")
    scene.server.commit("ask")
    head = scene.asks()
    scene.clone.fetch(scene.url, ["+refs/pull/7/head:refs/heads/request"], check="none")
    with pytest.raises(Denied, match="zeroPaddedDate"):
        scene.heads().commits(7, head)


@pytest.mark.parametrize(
    "make, named",
    [(odd_commit, "zeroPaddedDate"), (odd_tree, "zeroPaddedFilemode")],
)
def test_a_head_that_git_refuses_is_a_no(
    scene: Scene, make: Callable[[Work, str], str], named: str
) -> None:
    scene.server.write(GRANT, "subject: alice\n")
    head = scene.asks(make(scene.server, scene.server.commit("ask")))
    for _ in range(2):
        with pytest.raises(Denied, match=named) as caught:
            # No outage is looked for: it is refused on every try.
            scene.heads(answers=refuse).newest(7, head)
        assert caught.value.exit_code == 1


def test_a_file_that_git_refuses_is_a_no_until_the_default_branch_holds_it(scene: Scene) -> None:
    scene.server.write(".gitattributes", ATTRIBUTES)
    head = scene.asks(scene.server.commit("attributes"))
    with pytest.raises(Denied, match="gitattributesLineLength"):
        scene.heads().newest(7, head)
    scene.server.git("checkout", "--quiet", "main")
    scene.server.git("merge", "--quiet", "--squash", "request")
    scene.server.commit("attributes")
    scene.clone.fetch(scene.url, ["+refs/heads/main:refs/daypass/main"], check="lenient")
    scene.heads().newest(7, head)
    assert ".gitattributes" in paths(scene.clone, head)


def test_a_server_without_filters_is_asked_for_all_within_the_bound(scene: Scene) -> None:
    scene.server.git("config", "uploadpackfilter.allow", "false")
    bad_file(scene.server)
    scene.server.write(GRANT, "subject: alice\n")
    scene.server.commit("ask")
    head = scene.asks()
    heads = scene.heads()
    heads.newest(7, head)
    assert paths(scene.clone, head) == ["README.md", GRANT]
    with pytest.raises(Denied, match="gitattributesLineLength"):
        heads.commits(7, head)


# Too much, and too slow


def noise(seed: int) -> str:
    """Returns text of 200 kB and more, however it is compressed."""
    return random.Random(seed).randbytes(200_000).decode("latin-1")  # noqa: S311 - no secrets


def test_gigabytes_behind_a_squash_do_not_matter(scene: Scene) -> None:
    for number in range(7):
        scene.server.write(f"data/{number}", noise(number))
    scene.server.commit("data")
    scene.server.git("rm", "--quiet", "-r", "data")
    scene.server.write(GRANT, "subject: alice\n")
    head = scene.asks(scene.server.commit("ask"))
    heads = scene.heads(bounds=SMALL)
    heads.commits(7, head)
    heads.newest(7, head)
    assert paths(scene.clone, head) == ["README.md", GRANT]


def test_more_than_the_bound_is_a_no(scene: Scene) -> None:
    for number in range(7):
        scene.server.write(f"data/{number}", noise(number))
    head = scene.asks(scene.server.commit("data"))
    for _ in range(2):
        with pytest.raises(Denied, match="#7 is not fetched: it brings more than 1024 KiB"):
            scene.heads(bounds=SMALL, answers=refuse).newest(7, head)


def test_a_file_larger_than_any_that_is_read_is_left_out(scene: Scene) -> None:
    scene.server.write("large", "x" * (LARGEST_BLOB + 1))
    scene.server.write("fits", "y" * LARGEST_BLOB)
    head = scene.asks(scene.server.commit("large"))
    scene.heads().newest(7, head)
    sizes = {entry.path: entry.size for entry in scene.clone.tree(head)}
    assert sizes == {"README.md": 6, "fits": LARGEST_BLOB, "large": LARGEST_BLOB + 1}
    assert len(scene.clone.read((head, "fits"), limit=LARGEST_BLOB)) == LARGEST_BLOB
    with pytest.raises(ForgeError, match="the limit is"):
        scene.clone.read((head, "large"), limit=LARGEST_BLOB)


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes calls and never answers, by its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/acme/access.git"


def test_a_server_that_never_answers_for_this_head_alone_is_a_no(scene: Scene, silent: str) -> None:
    with pytest.raises(Denied, match=r"#7 is not fetched: git fetch took longer than 0.2 s"):
        scene.heads(url=silent, bounds=AT_ONCE).newest(7, scene.asks())


def test_a_server_that_never_answers_at_all_is_an_outage(scene: Scene, silent: str) -> None:
    heads = scene.heads(url=silent, bounds=AT_ONCE, answers=refuse)
    with pytest.raises(ForgeError, match="GitHub is away") as caught:
        heads.newest(7, scene.asks())
    assert caught.value.exit_code == 3


# Gone, moved, or away


def test_a_ref_that_is_gone_may_only_lag_behind(scene: Scene) -> None:
    with pytest.raises(Incomplete, match="the default branch can be fetched and #7 cannot"):
        scene.heads().newest(7, scene.main)
    with pytest.raises(Incomplete):
        scene.heads().commits(7, scene.main)


def test_what_failed_by_chance_is_tried_again(scene: Scene) -> None:
    scene.server.write(GRANT, "subject: alice\n")
    head = scene.server.commit("ask")
    scene.heads(answers=lambda: scene.asks(head)).newest(7, head)
    assert GRANT in paths(scene.clone, head)


def test_while_the_default_branch_cannot_be_fetched_it_is_an_outage(scene: Scene) -> None:
    head = scene.asks()
    # Port 1 is closed.
    heads = scene.heads(url="http://127.0.0.1:1/acme/access.git", answers=refuse)
    for fetch in (heads.newest, heads.commits):
        with pytest.raises(ForgeError, match="GitHub is away") as caught:
            fetch(7, head)
        assert not isinstance(caught.value, Incomplete)


def test_a_head_that_moved_is_another_one(scene: Scene) -> None:
    scene.asks()
    with pytest.raises(Incomplete, match=r"#7 is at \w{7} in git and at aaaaaaa in the API"):
        scene.heads().newest(7, "a" * 40)


# Commits of any branch


def test_a_commit_that_no_branch_holds_any_more_comes_with_what_is_before_it(scene: Scene) -> None:
    scene.server.git("config", "uploadpack.allowAnySHA1InWant", "true")
    scene.server.write(GRANT, "duration: 2h\n")
    gone = scene.server.commit("forced away")
    scene.server.git("reset", "--quiet", "--hard", scene.main)
    assert scene.heads().commit(gone)
    assert scene.clone.commits_ahead(gone, scene.main) == {gone}
    assert [one.path for one in scene.clone.diff(scene.main, gone)] == [GRANT]


@pytest.mark.parametrize("given", [True, False])
def test_a_commit_that_the_server_does_not_give_is_not_there(scene: Scene, given: bool) -> None:
    if given:
        scene.server.git("config", "uploadpack.allowAnySHA1InWant", "true")
    assert not scene.heads().commit("e" * 40)


def test_a_commit_that_git_refuses_is_not_there(scene: Scene) -> None:
    scene.server.git("config", "uploadpack.allowAnySHA1InWant", "true")
    bad_folder(scene.server)
    assert not scene.heads().commit(scene.server.head())


def test_while_the_default_branch_cannot_be_fetched_a_commit_is_an_outage(scene: Scene) -> None:
    with pytest.raises(ForgeError, match="GitHub is away"):
        scene.heads(answers=refuse).commit("e" * 40)
