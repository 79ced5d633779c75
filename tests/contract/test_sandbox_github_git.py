"""Clone and push against the GitHub stand-in, with real git and per-user tokens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.support_sandbox_github import REPO, Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.close()


def activity(scene: Scene, branch: str) -> list[tuple[str, str, str, str]]:
    rows = scene.api("alice", "GET", "activity", ref=branch, direction="asc").body
    return [(r["actor"]["login"], r["activity_type"], r["before"], r["after"]) for r in rows]


def test_a_push_is_recorded_for_the_token_not_for_the_commit_author(scene: Scene) -> None:
    clone = scene.clone("bob")
    scene.git("checkout", "--quiet", "-b", "work", at=clone)
    (clone / "a").write_text("1")
    scene.git("add", ".", at=clone)
    author = scene.sandbox.account("alice")
    scene.git("commit", "--quiet", "-m", "x", f"--author=alice <{author.email}>", at=clone)
    scene.git("push", "--quiet", "origin", "work", at=clone)
    head = scene.git("rev-parse", "HEAD", at=clone).stdout.strip()
    assert activity(scene, "work") == [("bob", "branch_creation", "0" * 40, head)]
    commit = scene.api("alice", "GET", f"commits/{head}").body
    assert commit["author"]["login"] == "alice"


def test_every_kind_of_push_is_told_apart(scene: Scene) -> None:
    clone = scene.clone("bob")
    scene.git("checkout", "--quiet", "-b", "work", at=clone)
    one = scene.commit(clone, "a", "1")
    scene.git("push", "--quiet", "origin", "work", at=clone)
    scene.clock.advance(timedelta(minutes=5))
    two = scene.commit(clone, "a", "2")
    scene.git("push", "--quiet", "origin", "work", at=clone)
    scene.git("reset", "--quiet", "--hard", "HEAD~2", at=clone)
    three = scene.commit(clone, "b", "3")
    scene.git("push", "--quiet", "--force", "origin", "work", at=clone)
    scene.git("push", "--quiet", "origin", ":work", at=clone)
    zero = "0" * 40
    assert activity(scene, "work") == [
        ("bob", "branch_creation", zero, one),
        ("bob", "push", one, two),
        ("bob", "force_push", two, three),
        ("bob", "branch_deletion", three, zero),
    ]
    rows = scene.api("alice", "GET", "activity", ref="refs/heads/work", direction="asc").body
    assert [row["timestamp"] for row in rows[:2]] == [
        "2026-11-20T12:00:00Z",
        "2026-11-20T12:05:00Z",
    ]


def test_a_wrong_token_cannot_clone(scene: Scene) -> None:
    done = scene.git("clone", scene.sandbox.clone_url(REPO, "wrong"), "x", ok=False)
    assert done.returncode != 0


def test_a_stranger_sees_no_private_repository(scene: Scene) -> None:
    url = scene.sandbox.clone_url(REPO, scene.tokens["mallory"])
    done = scene.git("clone", url, "x", ok=False)
    assert "not found" in done.stderr.lower()


def test_a_reader_clones_but_does_not_push(scene: Scene) -> None:
    clone = scene.clone("eve")
    scene.commit(clone, "a", "1")
    done = scene.git("push", "origin", "HEAD:work", at=clone, ok=False)
    assert "403" in done.stderr
    assert activity(scene, "work") == []


def test_an_app_needs_contents_write_to_push(scene: Scene) -> None:
    clone = scene.clone("checker")
    scene.commit(clone, "a", "1")
    done = scene.git("push", "origin", "HEAD:work", at=clone, ok=False)
    assert "403" in done.stderr
    scene.git("push", "--quiet", scene.sandbox.clone_url(REPO, scene.tokens["keeper"]),
              "HEAD:refs/heads/work", at=clone)  # fmt: skip
    assert [row[0] for row in activity(scene, "work")] == ["keeper[bot]"]


def test_pull_refs_can_be_fetched_but_not_pushed(scene: Scene) -> None:
    number, head = scene.open()
    clone = scene.clone("bob")
    scene.git("fetch", "--quiet", "origin", f"refs/pull/{number}/head", at=clone)
    assert scene.git("rev-parse", "FETCH_HEAD", at=clone).stdout.strip() == head
    done = scene.git("push", "origin", f"HEAD:refs/pull/{number}/head", at=clone, ok=False)
    assert "hidden ref" in done.stderr


def test_a_push_moves_the_pull_request_and_its_ref(scene: Scene) -> None:
    number, _ = scene.open("work")
    clone = scene.clone("bob")
    scene.git("checkout", "--quiet", "work", at=clone)
    head = scene.commit(clone, "b", "2")
    scene.git("push", "--quiet", "origin", "work", at=clone)
    assert scene.api("bob", "GET", f"pulls/{number}").body["head"]["sha"] == head
    ref = scene.api("bob", "GET", f"git/ref/pull/{number}/head").body
    assert ref["object"]["sha"] == head


def test_deleting_a_branch_closes_its_pull_request(scene: Scene) -> None:
    number, _ = scene.open("work")
    scene.git("push", "--quiet", "origin", ":work", at=scene.clone("bob"))
    pull = scene.api("bob", "GET", f"pulls/{number}").body
    assert (pull["state"], pull["merged"]) == ("closed", False)


def test_the_default_branch_refuses_pushes_without_the_check(scene: Scene) -> None:
    clone = scene.clone("carol")
    head = scene.commit(clone, "a", "1")
    done = scene.git("push", "origin", "HEAD:main", at=clone, ok=False)
    assert "GH013" in done.stderr
    assert 'Required status check "daypass" is expected.' in done.stderr
    scene.git("push", "--quiet", "origin", "HEAD:work", at=clone)
    scene.check(head)
    scene.git("push", "--quiet", "origin", "HEAD:main", at=clone)


def test_a_hole_in_the_ruleset_lets_a_direct_push_through(scene: Scene) -> None:
    scene.sandbox.repository(REPO).rulesets[0].allow_direct_push = True
    clone = scene.clone("carol")
    head = scene.commit(clone, "a", "1")
    scene.git("push", "--quiet", "origin", "HEAD:main", at=clone)
    assert activity(scene, "main")[-1][:2] == ("carol", "push")
    assert scene.api("carol", "GET", f"commits/{head}/pulls").body == []


@pytest.mark.parametrize("arguments", [("--force",), ()])
def test_a_protected_branch_is_neither_rewritten_nor_deleted(
    scene: Scene, arguments: tuple[str, ...]
) -> None:
    scene.sandbox.protect(REPO, "daypass/*")
    clone = scene.clone("keeper")
    head = scene.commit(clone, "log", "1")
    scene.git("push", "--quiet", "origin", "HEAD:daypass/audit", at=clone)
    scene.git("commit", "--quiet", "--amend", "-m", "rewritten", at=clone)
    source = "HEAD:daypass/audit" if arguments else ":daypass/audit"
    done = scene.git("push", *arguments, "origin", source, at=clone, ok=False)
    assert done.returncode != 0
    assert "GH013" in done.stderr
    assert scene.api("keeper", "GET", "branches/daypass/audit").body["commit"]["sha"] == head


def test_a_protected_branch_still_moves_forward(scene: Scene) -> None:
    scene.sandbox.protect(REPO, "daypass/*")
    clone = scene.clone("keeper")
    for text in ("1", "2"):
        scene.commit(clone, "log", text)
        scene.git("push", "--quiet", "origin", "HEAD:daypass/audit", at=clone)
    assert [row[1] for row in activity(scene, "daypass/audit")] == ["branch_creation", "push"]


def test_activity_pages_by_cursor(scene: Scene) -> None:
    for count in range(5):
        scene.change("work", {"a": str(count)})
    got = scene.api("alice", "GET", "activity", ref="work", per_page=2)
    seen = [row["id"] for row in got.body]
    assert set(got.links) == {"next"}
    while "next" in got.links:
        path = got.links["next"].removeprefix(scene.sandbox.url)
        got = scene.api("alice", "GET", path)
        assert len(got.body) <= 2
        seen += [row["id"] for row in got.body]
    assert len(seen) == 5
    assert seen == sorted(seen, reverse=True)
    back = scene.api("alice", "GET", got.links["prev"].removeprefix(scene.sandbox.url))
    assert [row["id"] for row in back.body] == seen[2:4]


def test_activity_can_be_narrowed(scene: Scene) -> None:
    scene.change("work", {"a": "1"})
    scene.change("work", {"a": "2"}, "bob")
    for query, expected in (
        ({"actor": "bob"}, ["push"]),
        ({"activity_type": "branch_creation", "ref": "work"}, ["branch_creation"]),
        ({"ref": "work", "time_period": "day"}, ["push", "branch_creation"]),
        ({"ref": "other"}, []),
    ):
        rows = scene.api("alice", "GET", "activity", **query).body
        assert [row["activity_type"] for row in rows] == expected
    assert scene.api("alice", "GET", "activity", after="nonsense").status == 422


def test_requests_are_logged_with_their_actor(scene: Scene) -> None:
    scene.clone("bob")
    git = [row for row in scene.sandbox.requests if (row.operation or "").startswith("git/")]
    assert {row.actor for row in git if row.status == 200} == {"bob"}
    assert scene.sandbox.count("git/upload-pack") >= 1


def test_stopping_twice_is_harmless(scene: Scene) -> None:
    scene.sandbox.stop()
    scene.sandbox.stop()
