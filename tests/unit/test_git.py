"""What git says about history, over real repositories with fixed dates and hostile content."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.errors import Denied, ForgeError
from pipeline.forge.git import Repository
from pipeline.forge.plumbing import read_diff, read_log, refspec, remote_url
from pipeline.values.commits import TreeChange
from tests.unit.support_git import NOON, Work

HOSTILE = 'access/grants/al"ice\n:100644 100644/ñ\udcff\t- x.yaml'


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work.begin(tmp_path / "work")


@pytest.fixture(scope="module")
def written_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Work, dict[str, str]]:
    """A root, a side branch merged with a merge commit, and a removal after it; to be copied."""
    work = Work.begin(tmp_path_factory.mktemp("story") / "work")
    work.write("access/grants/alice/a.yaml", "one\n")
    shas = {"root": work.commit("root")}
    work.git("checkout", "--quiet", "-b", "side")
    work.write("access/grants/bob/b.yaml", "two\n")
    shas["side1"] = work.commit("side 1")
    work.write("access/grants/bob/b.yaml", "three\n")
    work.write("policies/p.rego", "package p\n")
    shas["side2"] = work.commit("side 2")
    work.git("checkout", "--quiet", "main")
    work.write("README.md", "hello\n")
    shas["readme"] = work.commit("readme")
    work.ticks += 1
    work.git("merge", "--quiet", "--no-ff", "--message", "merge", "side")
    shas["merge"] = work.git("rev-parse", "HEAD")
    (work.path / "access/grants/alice/a.yaml").unlink()
    shas["removal"] = work.commit("remove")
    return work, shas


@pytest.fixture
def story(work: Work, written_once: tuple[Work, dict[str, str]]) -> dict[str, str]:
    """The commits of `written_once` by name, in *work*."""
    there, shas = written_once
    shutil.copytree(there.path, work.path, dirs_exist_ok=True)
    work.ticks = there.ticks
    return dict(shas)


def test_the_mainline_is_first_parent_and_oldest_first(work: Work, story: dict[str, str]) -> None:
    commits = work.repository.mainline(story["removal"])
    assert [story[name] for name in ("root", "readme", "merge", "removal")] == [
        commit.sha for commit in commits
    ]
    assert commits[0].parents == ()
    assert (story["readme"], story["side2"]) == commits[2].parents
    assert datetime(2026, 11, 20, 12, 1, tzinfo=UTC) == commits[0].committed_at


def test_a_merge_carries_all_that_it_brought_to_its_first_parent(
    work: Work, story: dict[str, str]
) -> None:
    merge = work.repository.mainline(story["removal"])[2]
    assert [(c.path, c.status, c.old_mode, c.new_mode) for c in merge.changes] == [
        ("access/grants/bob/b.yaml", "A", "000000", "100644"),
        ("policies/p.rego", "A", "000000", "100644"),
    ]
    assert merge.changes == work.repository.diff(story["readme"], story["merge"])


def test_no_configuration_but_the_repository_s_own_is_read(
    work: Work, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    everyones = tmp_path / "gitconfig"
    everyones.write_text("[github]\n\tuser = mallory\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(everyones))
    repository = Repository(work.path, environment={"GIT_CONFIG_GLOBAL": str(everyones)})
    assert repository.configured("github.user") is None
    work.git("config", "github.user", "alice")
    assert repository.configured("github.user") == "alice"
    with pytest.raises(ForgeError, match="no name of a setting"):
        repository.configured("--list")


def test_a_root_is_compared_with_the_empty_tree_whatever_is_configured(
    work: Work, story: dict[str, str]
) -> None:
    work.git("config", "log.showRoot", "false")
    root = work.repository.mainline(story["root"])[0]
    blob = work.git("rev-parse", f"{story['root']}:access/grants/alice/a.yaml")
    assert (
        TreeChange(
            path="access/grants/alice/a.yaml",
            status="A",
            old_mode="000000",
            new_mode="100644",
            old_blob=None,
            new_blob=blob,
        ),
    ) == root.changes


def test_a_removal_has_no_new_blob(work: Work, story: dict[str, str]) -> None:
    (change,) = work.repository.mainline(story["removal"])[-1].changes
    assert (change.status, change.new_mode, change.new_blob) == ("D", "000000", None)


def test_paths_choose_commits_but_never_hide_their_other_changes(
    work: Work, story: dict[str, str]
) -> None:
    commits = work.repository.mainline(story["removal"], paths=["policies"])
    assert [story["merge"]] == [commit.sha for commit in commits]
    assert (story["readme"], story["side2"]) == commits[0].parents
    assert [c.path for c in commits[0].changes] == ["access/grants/bob/b.yaml", "policies/p.rego"]


def test_one_file_as_path_is_not_followed_through_renames(work: Work) -> None:
    work.git("config", "log.follow", "true")
    work.write("a.yaml", "same content\n")
    work.commit("a")
    work.git("mv", "a.yaml", "b.yaml")
    moved = work.commit("b")
    commits = work.repository.mainline(moved, paths=["b.yaml"])
    assert [[(change.path, change.status) for change in commit.changes] for commit in commits] == [
        [("a.yaml", "D"), ("b.yaml", "A")]
    ]


def test_a_star_in_a_path_is_a_star(work: Work) -> None:
    work.write("a.yaml", "x\n")
    tip = work.commit("a")
    assert work.repository.mainline(tip, paths=["*.yaml"]) == ()
    assert work.repository.tree(tip, "*") == ()


def test_since_leaves_out_what_was_already_seen(work: Work, story: dict[str, str]) -> None:
    commits = work.repository.mainline(story["removal"], since=story["readme"])
    assert [story["merge"], story["removal"]] == [commit.sha for commit in commits]
    assert work.repository.mainline(story["merge"], since=story["merge"]) == ()


@pytest.mark.parametrize("since", ["side1", "side2"])
def test_since_on_a_merged_side_branch_is_refused(
    work: Work, story: dict[str, str], since: str
) -> None:
    with pytest.raises(ForgeError, match="not on the first-parent line"):
        work.repository.mainline(story["removal"], since=story[since])


def test_a_rewritten_branch_is_refused(work: Work, story: dict[str, str]) -> None:
    work.git("reset", "--quiet", "--hard", story["root"])
    work.write("other", "x")
    rewritten = work.commit("rewritten")
    with pytest.raises(ForgeError, match="not on the first-parent line"):
        work.repository.mainline(rewritten, since=story["readme"])
    with pytest.raises(ForgeError, match="not on the first-parent line"):
        work.repository.mainline(story["root"], since=story["readme"])


def test_a_branch_merged_the_wrong_way_round_is_refused(work: Work, story: dict[str, str]) -> None:
    # main merged into a feature, and the result pushed as main: the old tip is reachable,
    # but no longer on the first-parent line.
    work.git("checkout", "--quiet", "-b", "feature", story["root"])
    work.write("evil", "x")
    work.commit("evil")
    work.git("merge", "--quiet", "--no-ff", "--message", "foxtrot", story["removal"])
    tip = work.git("rev-parse", "HEAD")
    assert work.repository.is_ancestor(story["removal"], tip)
    with pytest.raises(ForgeError, match="not on the first-parent line"):
        work.repository.mainline(tip, since=story["removal"])


def test_names_with_newlines_quotes_and_broken_utf_8_stay_one_path(work: Work) -> None:
    work.write(HOSTILE, "x\n")
    work.write("\n:000000 100644 x", "y\n")
    tip = work.commit("hostile")
    names = {HOSTILE, "\n:000000 100644 x"}
    (commit,) = work.repository.mainline(tip)
    assert names == {change.path for change in commit.changes}
    assert names == {entry.path for entry in work.repository.tree(tip)}
    assert work.repository.read((tip, HOSTILE), limit=10) == b"x\n"
    assert [tip] == [c.sha for c in work.repository.mainline(tip, paths=[HOSTILE])]


def test_symlinks_and_executables_show_in_modes(work: Work) -> None:
    work.write("plain", "x")
    first = work.commit("plain")
    (work.path / "plain").unlink()
    (work.path / "plain").symlink_to("/etc/passwd")
    work.write("run", "x")
    (work.path / "run").chmod(0o755)
    second = work.commit("types")
    changes = {change.path: change for change in work.repository.diff(first, second)}
    assert (
        changes["plain"].status,
        changes["plain"].old_mode,
        changes["plain"].new_mode,
    ) == ("T", "100644", "120000")
    assert changes["run"].new_mode == "100755"
    with pytest.raises(ForgeError, match="no regular file"):
        work.repository.read((second, "plain"), limit=100)


def test_a_submodule_shows_even_where_gitmodules_says_ignore(work: Work) -> None:
    work.write(".gitmodules", '[submodule "m"]\n\tpath = access/m\n\turl = /x\n\tignore = all\n')
    first = work.commit("modules")
    work.git("config", "diff.ignoreSubmodules", "all")
    work.git("update-index", "--add", "--cacheinfo", f"160000,{first},access/m")
    work.git("commit", "--quiet", "--allow-empty", "--message", "gitlink")
    tip = work.git("rev-parse", "HEAD")
    (change,) = work.repository.mainline(tip, since=first)[0].changes
    assert ("access/m", "160000", first) == (change.path, change.new_mode, change.new_blob)
    assert (change,) == work.repository.diff(first, tip)
    (entry,) = work.repository.tree(tip, "access")
    assert (entry.mode, entry.kind, entry.size) == ("160000", "commit", None)


def test_a_replace_ref_changes_nothing(work: Work, story: dict[str, str]) -> None:
    before = work.repository.mainline(story["removal"])
    blob = work.git("rev-parse", f"{story['root']}:access/grants/alice/a.yaml")
    forged = work.git("hash-object", "-w", "--stdin", stdin=b"forged\n")
    work.git("replace", blob, forged)
    work.git("replace", story["merge"], story["root"])
    assert before == work.repository.mainline(story["removal"])
    assert work.repository.read(blob, limit=100) == b"one\n"


def test_a_graft_changes_nothing(work: Work, story: dict[str, str]) -> None:
    before = work.repository.mainline(story["removal"])
    grafts = work.path / ".git/info/grafts"
    grafts.parent.mkdir(exist_ok=True)
    grafts.write_text(f"{story['removal']} {story['root']}\n")
    assert before == work.repository.mainline(story["removal"])


def test_a_forged_author_and_its_message_reach_nothing(work: Work, story: dict[str, str]) -> None:
    forged = {
        "GIT_AUTHOR_NAME": f"{story['root']} 0",
        "GIT_AUTHOR_EMAIL": "security@example.com",
        "GIT_COMMITTER_NAME": f":100644 100644 {story['root']}",
    }
    tip = work.commit(f"{story['root']} 1\0:100644".replace("\0", "\n"), extra=forged)
    (commit,) = work.repository.mainline(tip, since=story["removal"])
    assert (tip, (story["removal"],), ()) == (commit.sha, commit.parents, commit.changes)


@pytest.mark.parametrize(
    "committer, moment",
    [
        ("nobody", datetime(1970, 1, 1, tzinfo=UTC)),
        ("A <a@b> -5 +0000", datetime(1970, 1, 1, tzinfo=UTC)),
        ("A <a@b> 9999999999999 +0000", datetime(9000, 1, 1, tzinfo=UTC)),
        (f"A <a@b> {'9' * 5000} +0000", datetime(9000, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_forged_date_does_not_stop_the_reading(
    work: Work, story: dict[str, str], committer: str, moment: datetime
) -> None:
    tip = work.raw_commit(committer, story["removal"])
    assert moment == work.repository.mainline(tip)[-1].committed_at
    assert len(work.repository.mainline(tip)) == 5


@pytest.mark.parametrize(
    "ref",
    [
        "main",
        "--upload-pack=touch /tmp/x",
        "-h",
        "HEAD~1",
        "refs/heads/a..b",
        "refs/heads/a b",
        "refs/heads/a\nb",
        "refs/heads/*",
        "refs/heads/main^{tree}",
        "refs/heads/x.lock",
        "refs/heads//x",
        "refs/heads/",
        "0" * 40,
        "abcdef",
        "",
    ],
)
def test_a_ref_that_is_no_full_name_is_refused(work: Work, story: dict[str, str], ref: str) -> None:
    with pytest.raises(ForgeError):
        work.repository.resolve(ref)


def test_a_branch_that_looks_like_an_option_is_only_a_name(
    work: Work, story: dict[str, str]
) -> None:
    for name in ("--upload-pack=x", "-d", "--end-of-options", "ünï"):
        work.git("update-ref", f"refs/heads/{name}", story["side1"])
        assert story["side1"] == work.repository.resolve(f"refs/heads/{name}")


def test_a_tag_cannot_stand_in_for_a_branch(work: Work, story: dict[str, str]) -> None:
    work.git("update-ref", "refs/tags/refs/heads/release", story["side1"])
    work.git("update-ref", "refs/tags/main", story["side1"])
    assert story["removal"] == work.repository.resolve("refs/heads/main")
    with pytest.raises(ForgeError, match="show-ref failed"):
        work.repository.resolve("refs/heads/release")


def test_an_annotated_tag_resolves_to_its_commit(work: Work, story: dict[str, str]) -> None:
    work.git("tag", "--annotate", "--message", "v", "v1", story["readme"])
    assert story["readme"] == work.repository.resolve("refs/tags/v1")
    assert story["removal"] == work.repository.resolve("HEAD")
    assert story["root"] == work.repository.resolve(story["root"])


def test_ancestry_and_merge_base(work: Work, story: dict[str, str]) -> None:
    repository = work.repository
    assert repository.is_ancestor(story["side1"], story["merge"])
    assert not repository.is_ancestor(story["merge"], story["side1"])
    assert repository.is_ancestor(story["root"], story["root"])
    assert story["root"] == repository.merge_base(story["readme"], story["side2"])
    work.git("checkout", "--quiet", "--orphan", "lonely")
    lonely = work.commit("lonely")
    with pytest.raises(Denied, match="0 merge bases"):
        repository.merge_base(lonely, story["root"])
    with pytest.raises(ForgeError):
        repository.is_ancestor("1" * 40, story["root"])


def test_a_shallow_clone_proves_nothing(work: Work, story: dict[str, str], tmp_path: Path) -> None:
    assert not work.repository.is_shallow()
    shallow = tmp_path / "shallow"
    work.git("clone", "--quiet", "--depth=1", f"file://{work.path}", str(shallow))
    repository = Repository(shallow)
    assert repository.is_shallow()
    calls: tuple[Callable[[], object], ...] = (
        lambda: repository.mainline(story["removal"]),
        lambda: repository.is_ancestor(story["root"], story["removal"]),
        lambda: repository.merge_base(story["root"], story["removal"]),
    )
    for call in calls:
        with pytest.raises(ForgeError, match="shallow clone"):
            call()


def test_a_tree_lists_leaves_below_a_folder_only(work: Work) -> None:
    work.write("access/grants/alice/a.yaml", "12345")
    work.write("access/grants/alice2/b.yaml", "x")
    tip = work.commit("two")
    (entry,) = work.repository.tree(tip, "access/grants/alice/")
    assert (
        entry.path,
        entry.mode,
        entry.kind,
        entry.size,
    ) == ("access/grants/alice/a.yaml", "100644", "blob", 5)
    assert len(work.repository.tree(tip)) == 2
    assert work.repository.tree(tip, "access/grants/nobody") == ()
    folders = ("access/grants/alice2/", "access/grants/nobody", "access/grants/alice/")
    assert work.repository.tree(tip, *folders) == work.repository.tree(tip)
    assert work.repository.tree(tip, "--help") == ()


@pytest.mark.parametrize("path", ["", "/", "../x", "a/../b", "a//b", "./a", "a\0b"])
def test_a_path_that_leaves_the_repository_is_refused(
    work: Work, story: dict[str, str], path: str
) -> None:
    with pytest.raises(ForgeError, match="no path inside"):
        work.repository.mainline(story["root"], paths=[path])
    with pytest.raises(ForgeError):
        work.repository.read((story["root"], path), limit=10)


def test_reading_is_capped_and_of_blobs_only(work: Work, story: dict[str, str]) -> None:
    repository = work.repository
    blob = work.git("rev-parse", f"{story['root']}:access/grants/alice/a.yaml")
    assert repository.read(blob, limit=4) == b"one\n"
    with pytest.raises(ForgeError, match="has 4 bytes, the limit is 3"):
        repository.read(blob, limit=3)
    with pytest.raises(ForgeError, match="is commit, not a blob"):
        repository.read(story["root"], limit=1000)
    with pytest.raises(ForgeError, match="is missing, not a blob"):
        repository.read("1" * 40, limit=1000)
    with pytest.raises(ForgeError, match="no full object id"):
        repository.read("HEAD:README.md", limit=1000)
    with pytest.raises(ForgeError, match="no regular file"):
        repository.read((story["root"], "access"), limit=1000)


def test_many_blobs_are_read_at_once_whatever_they_hold(work: Work) -> None:
    texts = ["", "\n", "a\nb", "deadbeef blob 3\nxyz", "\0\0"]
    for index, text in enumerate(texts):
        work.write(f"f{index}", text)
    tip = work.commit("many")
    entries = work.repository.tree(tip)
    read = work.repository.read_many([e.blob for e in entries] * 2, limit=100)
    assert [text.encode() for text in texts] == [read[entry.blob] for entry in entries]
    assert work.repository.read_many([], limit=1) == {}


def test_a_blob_with_other_bytes_than_its_id_is_refused(work: Work, story: dict[str, str]) -> None:
    blob = work.git("rev-parse", f"{story['root']}:access/grants/alice/a.yaml")
    other = work.git("hash-object", "-w", "--stdin", stdin=b"two!")
    objects = work.path / ".git/objects"
    target = objects / blob[:2] / blob[2:]
    target.chmod(0o644)
    target.write_bytes((objects / other[:2] / other[2:]).read_bytes())
    with pytest.raises(ForgeError):
        work.repository.read(blob, limit=100)


def test_a_folder_that_is_no_repository_is_refused(work: Work) -> None:
    inside = work.path / "inside"
    inside.mkdir()
    with pytest.raises(ForgeError, match="rev-parse failed"):
        Repository(inside).resolve("HEAD")
    with pytest.raises(ForgeError):
        Repository(work.path / "nowhere").resolve("HEAD")


def test_hooks_and_the_callers_environment_stay_out(
    work: Work, story: dict[str, str], tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    hook = work.path / ".git/hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {trace}\n")
    hook.chmod(0o755)
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "GIT_DIR": str(tmp_path),
        "GIT_TRACE": str(trace),
        "GIT_EXTERNAL_DIFF": "false",
    }
    repository = Repository(work.path, environment=environment)
    repository.fetch(str(work.path), [f"{story['root']}:refs/daypass/root"])
    assert story["root"] == repository.resolve("refs/daypass/root")
    assert not trace.exists()


def test_a_pull_requests_head_is_fetched_without_tags(work: Work, tmp_path: Path) -> None:
    work.write("x", "x")
    tip = work.commit("x")
    work.git("update-ref", "refs/pull/7/head", tip)
    work.git("tag", "v1")
    local = Work(tmp_path / "local")
    local.path.mkdir()
    local.git("init", "--quiet", "--bare")
    local.repository.fetch(
        str(work.path),
        ["+refs/pull/7/head:refs/daypass/pull/7", "+refs/heads/*:refs/remotes/origin/*"],
    )
    assert tip == local.repository.resolve("refs/daypass/pull/7")
    assert tip == local.repository.resolve("refs/remotes/origin/main")
    with pytest.raises(ForgeError):
        local.repository.resolve("refs/tags/v1")


@pytest.mark.parametrize(
    "spec",
    [
        "main:refs/heads/x",
        "refs/heads/x",
        "--upload-pack=x:refs/heads/x",
        "refs/heads/*:refs/x/y",
        "refs/heads/*/*:refs/x/*/*",
        ":refs/heads/x",
        "refs/heads/x:x",
        "^refs/heads/x:refs/heads/x",
    ],
)
def test_a_loose_refspec_is_refused(spec: str) -> None:
    with pytest.raises(ForgeError):
        refspec(spec)


@pytest.mark.parametrize(
    "remote",
    [
        "origin",
        "--upload-pack=x",
        "ext::sh -c x",
        "git@github.com:o/r.git",
        "ssh://github.com/o/r",
        "http://github.com/o/r.git",
        "https://user:secret@github.com/o/r.git",
        "https:///o/r",
        "relative/path",
    ],
)
def test_a_remote_that_is_not_https_is_refused_unshown(remote: str) -> None:
    with pytest.raises(ForgeError) as caught:
        remote_url(remote)
    assert "secret" not in str(caught.value)


def test_a_token_is_in_no_error_and_no_argument(work: Work, story: dict[str, str]) -> None:
    token = "ghs_0123456789abcdef"
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    with pytest.raises(ForgeError) as caught:
        # Port 1 is closed: connection refused.
        work.repository.fetch(
            f"http://127.0.0.1:1/{token}/{basic}.git",
            ["refs/heads/main:refs/daypass/main"],
            token=token,
        )
    assert token not in str(caught.value)
    assert basic not in str(caught.value)
    assert "[redacted]" in str(caught.value)


@pytest.mark.parametrize("token", ["", "a b", "a\nb"])
def test_a_token_that_could_split_a_header_is_refused(work: Work, token: str) -> None:
    with pytest.raises(ForgeError, match="white space"):
        work.repository.fetch("https://x.invalid/r.git", ["refs/heads/a:refs/heads/a"], token=token)


def test_git_missing_slow_or_cut_off_is_an_error(work: Work, story: dict[str, str]) -> None:
    with pytest.raises(ForgeError, match="git was not found"):
        Repository(work.path, environment={"PATH": "/nonexistent"}).resolve("HEAD")
    with pytest.raises(ForgeError, match="longer than"):
        Repository(work.path, timeout=0).resolve("HEAD")
    for output in (b"no end", b":100644 100644 a b M\0"):
        with pytest.raises(ForgeError, match="git's answer"):
            read_diff(output)
        with pytest.raises(ForgeError, match="git's answer"):
            list(read_log(output))


class Counting(Repository):
    """A repository that counts the processes that it starts."""

    runs = 0

    def _run(self, *arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
        self.runs += 1
        return super()._run(*arguments, **options)  # type: ignore[arg-type]


def test_what_ids_name_is_asked_for_once(work: Work, story: dict[str, str]) -> None:
    repository, root, tip = Counting(work.path), story["root"], story["removal"]

    def ask() -> tuple[object, ...]:
        entries = repository.tree(tip, "access")
        return (
            entries,
            repository.mainline(tip, since=root),
            repository.is_ancestor(root, tip),
            repository.is_ancestor(tip, root),
        )

    answers = ask()
    asked = repository.runs
    assert asked == 5  # and whether the clone is shallow
    assert ask() == answers
    assert repository.runs == asked
    # Sizes are known from the tree: one process reads the contents.
    blobs = [entry.blob for entry in repository.tree(tip, "access")]
    assert set(repository.read_many(blobs, limit=100)) == set(blobs)
    assert repository.runs == asked + 1
    with pytest.raises(ForgeError, match="the limit is 1"):
        repository.read_many(blobs, limit=1)
    assert repository.runs == asked + 1


def test_thousands_of_commits_take_few_processes(work: Work) -> None:
    lines = [
        f"commit refs/heads/big\ncommitter A <a@b> {NOON + index} +0000\ndata 1\nx\n"
        f"M 100644 inline access/grants/u{index % 100}/g{index}.yaml\ndata 1\nx\n"
        for index in range(2_000)
    ]
    work.git("fast-import", "--quiet", stdin="".join(lines).encode())
    repository = Counting(work.path)
    commits = repository.mainline(repository.resolve("refs/heads/big"))
    assert len(commits) == 2_000
    assert all(len(commit.changes) == 1 for commit in commits)
    assert repository.runs <= 4
