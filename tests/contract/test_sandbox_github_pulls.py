"""Pull requests, reviews and merges on the GitHub stand-in."""

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


def approve(scene: Scene, number: int, who: str, **fields: str) -> int:
    return scene.api(who, "POST", f"pulls/{number}/reviews", {"event": "APPROVE", **fields}).status


def test_a_merge_is_bound_to_the_head(scene: Scene) -> None:
    number, old = scene.open("work")
    new = scene.change("work", {"late": "push"}, "bob")
    scene.check(old)
    scene.check(new)
    assert scene.merge(number, sha=old).status == 409
    assert scene.merge(number, sha=new).status == 200


@pytest.mark.parametrize(
    "conclusion, who", [(None, ""), ("failure", "checker"), ("success", "other")]
)
def test_a_merge_needs_the_check_of_the_pinned_app(
    scene: Scene, conclusion: str | None, who: str
) -> None:
    scene.tokens["other"] = scene.sandbox.create_app("other", {"checks": "write"})
    number, head = scene.open()
    if conclusion:
        assert scene.check(head, conclusion, who).status == 201
    got = scene.merge(number, sha=head)
    assert got.status == 405
    assert 'Required status check "daypass"' in got.body["message"]


def test_a_status_by_a_person_does_not_stand_in_for_the_apps_check(scene: Scene) -> None:
    number, head = scene.open()
    status = {"state": "success", "context": "daypass"}
    assert scene.api("alice", "POST", f"statuses/{head}", status).status == 201
    assert scene.merge(number, who="alice").status == 405


def test_the_latest_word_of_the_check_counts(scene: Scene) -> None:
    number, head = scene.open()
    scene.check(head)
    scene.check(head, "failure")
    assert scene.merge(number).status == 405
    scene.check(head, "neutral")
    assert scene.merge(number).status == 200


def test_a_merge_commit_has_two_parents_and_the_clocks_time(scene: Scene) -> None:
    number, head = scene.open()
    main = scene.api("alice", "GET", "branches/main").body["commit"]["sha"]
    scene.check(head)
    scene.clock.advance(timedelta(minutes=90))
    sha = scene.merge(number, sha=head, merge_method="merge").body["sha"]
    commit = scene.api("alice", "GET", f"git/commits/{sha}").body
    assert [row["sha"] for row in commit["parents"]] == [main, head]
    assert commit["author"]["name"] == "keeper[bot]"
    assert commit["committer"] == {
        "name": "GitHub",
        "email": "noreply@github.com",
        "date": "2026-11-20T13:30:00Z",
    }
    assert commit["verification"]["verified"] is True
    pull = scene.api("alice", "GET", f"pulls/{number}").body
    assert pull["merged_at"] == "2026-11-20T13:30:00Z"
    assert pull["merge_commit_sha"] == sha
    assert pull["merged_by"]["login"] == "keeper[bot]"
    last = scene.api("alice", "GET", "activity", ref="main").body[0]
    assert (last["activity_type"], last["after"]) == ("pr_merge", sha)


def test_a_squash_has_one_parent_and_the_same_tree(scene: Scene) -> None:
    number, _ = scene.open("work")
    head = scene.change("work", {"second": "2"})
    main = scene.api("alice", "GET", "branches/main").body["commit"]["sha"]
    scene.check(head)
    sha = scene.merge(number, sha=head, merge_method="squash").body["sha"]
    commit = scene.api("alice", "GET", f"git/commits/{sha}").body
    assert [row["sha"] for row in commit["parents"]] == [main]
    assert commit["message"].startswith(f"work (#{number})")
    tree = scene.api("alice", "GET", f"git/commits/{head}").body["tree"]["sha"]
    assert commit["tree"]["sha"] == tree


def test_a_rebase_replays_commits_that_nobody_reviewed(scene: Scene) -> None:
    number, first = scene.open("work")
    head = scene.change("work", {"second": "2"})
    scene.check(head)
    scene.clock.advance(timedelta(minutes=1))
    sha = scene.merge(number, sha=head, merge_method="rebase").body["sha"]
    listed = [row["sha"] for row in scene.api("alice", "GET", "commits").body]
    assert listed[0] == sha
    assert len(listed) == 3
    assert not {first, head} & set(listed)
    assert scene.api("alice", "GET", f"git/commits/{sha}").body["verification"]["verified"] is False
    # GitHub links every replayed commit, but only the last is the merge commit.
    for commit in listed[:2]:
        (pull,) = scene.api("alice", "GET", f"commits/{commit}/pulls").body
        assert pull["merge_commit_sha"] == sha


def test_a_conflict_cannot_be_merged(scene: Scene) -> None:
    one, _ = scene.open("one")
    scene.change("one", {"README.md": "one\n"})
    scene.change("two", {"README.md": "two\n"})
    made = scene.api("alice", "POST", "pulls", {"title": "two", "head": "two", "base": "main"}).body
    for number in (one, made["number"]):
        scene.check(scene.api("alice", "GET", f"pulls/{number}").body["head"]["sha"])
    assert scene.merge(one).status == 200
    pull = scene.api("alice", "GET", f"pulls/{made['number']}").body
    assert (pull["mergeable"], pull["mergeable_state"]) == (False, "dirty")
    assert pull["merge_commit_sha"] is None
    assert scene.merge(made["number"]).status == 405


def test_a_draft_or_a_closed_pull_request_cannot_be_merged(scene: Scene) -> None:
    head = scene.change("work", {"a": "1"})
    fields = {"title": "w", "head": "work", "base": "main", "draft": True}
    number = scene.api("alice", "POST", "pulls", fields).body["number"]
    scene.check(head)
    assert scene.merge(number).status == 405
    assert scene.api("alice", "PATCH", f"pulls/{number}", {"state": "closed"}).status == 200
    assert scene.merge(number).status == 405


def test_merging_needs_write_access(scene: Scene) -> None:
    number, head = scene.open()
    scene.check(head)
    assert scene.merge(number, who="eve").status == 403
    assert scene.merge(number, who="checker").status == 403
    assert scene.merge(number, who="mallory").status == 404


def test_an_open_pull_request_names_a_test_merge_on_no_branch(scene: Scene) -> None:
    number, head = scene.open()
    pull = scene.api("alice", "GET", f"pulls/{number}").body
    trial = scene.api("alice", "GET", f"git/commits/{pull['merge_commit_sha']}").body
    assert [row["sha"] for row in trial["parents"]] == [pull["base"]["sha"], head]
    assert pull["mergeable_state"] == "blocked"


def test_an_approval_is_bound_to_the_commit_that_was_seen(scene: Scene) -> None:
    number, old = scene.open("work")
    assert approve(scene, number, "bob") == 200
    new = scene.change("work", {"more": "1"})
    assert approve(scene, number, "carol") == 200
    assert approve(scene, number, "eve", commit_id=old) == 200
    rows = scene.api("alice", "GET", f"pulls/{number}/reviews").body
    assert [(r["user"]["login"], r["state"], r["commit_id"]) for r in rows] == [
        ("bob", "APPROVED", old),
        ("carol", "APPROVED", new),
        ("eve", "APPROVED", old),
    ]
    assert approve(scene, number, "bob", commit_id="0" * 40) == 422


def test_nobody_approves_their_own_pull_request(scene: Scene) -> None:
    number, _ = scene.open()
    got = scene.api("alice", "POST", f"pulls/{number}/reviews", {"event": "APPROVE"})
    assert got.status == 422
    assert got.body["errors"] == ["Can not approve your own pull request"]


def test_a_dismissed_review_says_so(scene: Scene) -> None:
    number, _ = scene.open()
    approve(scene, number, "bob")
    (review,) = scene.api("alice", "GET", f"pulls/{number}/reviews").body
    path = f"pulls/{number}/reviews/{review['id']}/dismissals"
    assert scene.api("eve", "PUT", path, {"message": "no"}).status == 403
    assert scene.api("carol", "PUT", path, {"message": ""}).status == 422
    assert scene.api("carol", "PUT", path, {"message": "stale"}).body["state"] == "DISMISSED"
    assert scene.api("carol", "PUT", path, {"message": "again"}).status == 422


def test_a_pending_review_is_seen_by_its_author_only(scene: Scene) -> None:
    number, _ = scene.open()
    assert scene.api("bob", "POST", f"pulls/{number}/reviews", {"body": "later"}).status == 200
    assert scene.api("alice", "GET", f"pulls/{number}/reviews").body == []
    assert len(scene.api("bob", "GET", f"pulls/{number}/reviews").body) == 1


def test_the_review_of_a_deleted_account_has_no_user(scene: Scene) -> None:
    number, _ = scene.open()
    approve(scene, number, "bob")
    scene.sandbox.delete_user("bob")
    assert scene.api("alice", "GET", f"pulls/{number}/reviews").body[0]["user"] is None
    assert scene.api("bob", "GET", "").status == 401


def test_files_tell_what_happened_to_each(scene: Scene) -> None:
    text = "".join(f"line {n}\n" for n in range(20))
    scene.sandbox.repository(REPO).rulesets.clear()
    scene.change("main", {"keep": "1\n", "gone": "2\n", "old/name": text}, "carol")
    scene.change(
        "work",
        {"keep": "1\n2\n", "gone": None, "old/name": None, "new/name": text, "fresh": "x\n"},
    )
    body = {"title": "w", "head": "work", "base": "main"}
    number = scene.api("alice", "POST", "pulls", body).body["number"]
    rows = scene.api("alice", "GET", f"pulls/{number}/files").body
    assert {(r["filename"], r["status"], r.get("previous_filename")) for r in rows} == {
        ("keep", "modified", None),
        ("gone", "removed", None),
        ("new/name", "renamed", "old/name"),
        ("fresh", "added", None),
    }
    keep = next(row for row in rows if row["filename"] == "keep")
    assert (keep["additions"], keep["deletions"], keep["changes"]) == (1, 0, 1)


def test_files_are_paged_and_stop_at_3000(scene: Scene) -> None:
    scene.change("work", {f"d/{n:04}": "x" for n in range(3010)})
    body = {"title": "w", "head": "work", "base": "main"}
    number = scene.api("alice", "POST", "pulls", body).body["number"]
    got = scene.api("alice", "GET", f"pulls/{number}/files", per_page=200)
    assert len(got.body) == 100
    assert "page=30" in got.links["last"]
    last = scene.api("alice", "GET", f"pulls/{number}/files", per_page=100, page=30)
    assert len(last.body) == 100
    assert "next" not in last.links
    assert scene.api("alice", "GET", f"pulls/{number}").body["changed_files"] == 3010


def test_commits_stop_at_250(scene: Scene) -> None:
    clone = scene.clone("alice")
    scene.git("checkout", "--quiet", "-b", "work", at=clone)
    story = [f"commit refs/heads/work\ncommitter A <a@b> {n} +0000\ndata 0\n" for n in range(255)]
    start = scene.git("rev-parse", "HEAD", at=clone).stdout
    story[0] += f"from {start}"
    scene.git("fast-import", "--quiet", "--force", at=clone, stdin="\n".join(story))
    scene.git("push", "--quiet", "origin", "work", at=clone)
    body = {"title": "w", "head": "work", "base": "main"}
    made = scene.api("alice", "POST", "pulls", body).body
    assert made["commits"] == 255
    path = f"pulls/{made['number']}/commits"
    pages = [scene.api("alice", "GET", path, per_page=100, page=n).body for n in (1, 2, 3)]
    assert [len(rows) for rows in pages] == [100, 100, 50]


def test_pull_requests_are_found_by_head_base_and_state(scene: Scene) -> None:
    one, _ = scene.open("one")
    two, _ = scene.open("two", "bob")
    scene.api("alice", "PATCH", f"pulls/{one}", {"state": "closed"})

    def numbers(**query: str) -> list[int]:
        return [row["number"] for row in scene.api("alice", "GET", "pulls", **query).body]

    assert numbers() == [two]
    assert numbers(state="closed") == [one]
    assert numbers(state="all") == [two, one]
    assert numbers(head="acme:two") == [two]
    assert numbers(head="acme:none") == []
    assert numbers(base="other") == []


def test_a_pull_request_needs_two_branches_that_differ(scene: Scene) -> None:
    scene.open("work")
    for head, base in (
        ("nowhere", "main"),
        ("work", "nowhere"),
        ("main", "main"),
        ("work", "main"),
    ):
        body = {"title": "x", "head": head, "base": base}
        assert scene.api("alice", "POST", "pulls", body).status == 422


def test_a_merged_pull_request_keeps_its_files_and_does_not_reopen(scene: Scene) -> None:
    number, head = scene.open()
    scene.check(head)
    sha = scene.merge(number, merge_method="squash").body["sha"]
    assert len(scene.api("alice", "GET", f"pulls/{number}/files").body) == 1
    assert [c["sha"] for c in scene.api("alice", "GET", f"pulls/{number}/commits").body] == [head]
    assert scene.api("alice", "PATCH", f"pulls/{number}", {"state": "open"}).status == 422
    for commit in (sha, head):
        rows = scene.api("alice", "GET", f"commits/{commit}/pulls").body
        assert [row["number"] for row in rows] == [number]
