"""Git data, checks, comments, teams and tokens on the GitHub stand-in."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.support_sandbox_github import REPO, Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.close()


def tip(scene: Scene, branch: str = "main") -> str:
    return str(scene.api("alice", "GET", f"branches/{branch}").body["commit"]["sha"])


def commit(scene: Scene, who: str, files: dict[str, Any], parent: str, **fields: Any) -> Any:
    rows = [
        {"path": path, "mode": "100644", "type": "blob"}
        | ({"sha": None} if text is None else {"content": text})
        for path, text in files.items()
    ]
    tree = scene.api(who, "POST", "git/trees", {"base_tree": parent, "tree": rows})
    assert tree.status == 201, tree.body
    made = scene.api(
        who,
        "POST",
        "git/commits",
        {"message": "x", "tree": tree.body["sha"], "parents": [parent], **fields},
    )
    assert made.status == 201, made.body
    return made.body


def test_an_apps_commit_carries_its_name_the_clocks_time_and_a_signature(scene: Scene) -> None:
    scene.clock.advance(timedelta(hours=1))
    made = commit(scene, "keeper", {"a": "1"}, tip(scene))
    assert made["author"]["name"] == "keeper[bot]"
    assert made["committer"]["date"] == "2026-11-20T13:00:00Z"
    assert made["verification"]["verified"] is True


def test_a_commit_with_a_made_up_author_or_by_a_person_is_not_signed(scene: Scene) -> None:
    who = {"name": "Bob", "email": "bob@example.com"}
    forged = commit(scene, "keeper", {"a": "1"}, tip(scene), author=who)
    assert forged["author"]["name"] == "Bob"
    assert forged["verification"]["verified"] is False
    own = commit(scene, "alice", {"a": "2"}, tip(scene))
    assert own["verification"]["reason"] == "unsigned"


def test_a_tree_adds_changes_and_deletes(scene: Scene) -> None:
    one = commit(scene, "keeper", {"d/a": "1", "d/b": "2", "e/f/g": "3"}, tip(scene))
    two = commit(scene, "keeper", {"d/a": "one", "e/f/g": None}, one["sha"])
    rows = scene.api("alice", "GET", f"git/trees/{two['sha']}", recursive=1).body["tree"]
    assert [(row["path"], row["type"]) for row in rows] == [
        ("README.md", "blob"),
        ("d", "tree"),
        ("d/a", "blob"),
        ("d/b", "blob"),
    ]
    assert scene.api("alice", "GET", f"git/trees/{two['sha']}").body["truncated"] is False
    missing = [{"path": "none", "mode": "100644", "type": "blob", "sha": None}]
    body = {"base_tree": two["tree"]["sha"], "tree": missing}
    assert scene.api("keeper", "POST", "git/trees", body).status == 422


def test_trees_written_here_are_those_that_git_writes(scene: Scene) -> None:
    files = {"a.b": "1", "a/b": "2", "a0": "3", "a-b/c/d": "4", "ü": "5"}
    made = commit(scene, "keeper", files, tip(scene))
    body = {"ref": "refs/heads/made", "sha": made["sha"]}
    assert scene.api("keeper", "POST", "git/refs", body).status == 201
    clone = scene.clone("alice")
    scene.git("checkout", "--quiet", "made", at=clone)
    scene.git("fsck", "--strict", at=clone)
    scene.git("read-tree", "--empty", at=clone)
    scene.git("add", ".", at=clone)
    assert scene.git("write-tree", at=clone).stdout.strip() == made["tree"]["sha"]


def test_a_ref_moves_forward_only_unless_forced(scene: Scene) -> None:
    start = tip(scene)
    one = commit(scene, "keeper", {"a": "1"}, start)["sha"]
    other = commit(scene, "keeper", {"a": "2"}, start)["sha"]
    ref = {"ref": "refs/heads/log", "sha": one}
    assert scene.api("keeper", "POST", "git/refs", ref).status == 201
    assert scene.api("keeper", "POST", "git/refs", ref).status == 422
    path = "git/refs/heads/log"
    assert scene.api("keeper", "PATCH", path, {"sha": other, "force": False}).status == 422
    assert tip(scene, "log") == one
    assert scene.api("keeper", "PATCH", path, {"sha": other, "force": True}).status == 200
    rows = scene.api("alice", "GET", "activity", ref="log").body
    assert [row["activity_type"] for row in rows] == ["force_push", "branch_creation"]
    assert {row["actor"]["login"] for row in rows} == {"keeper[bot]"}


def test_of_two_racing_forward_moves_one_wins(scene: Scene) -> None:
    start = tip(scene)
    scene.api("keeper", "POST", "git/refs", {"ref": "refs/heads/log", "sha": start})
    heads = [commit(scene, "keeper", {"a": str(n)}, start)["sha"] for n in range(4)]

    def push(sha: str) -> int:
        return scene.api("keeper", "PATCH", "git/refs/heads/log", {"sha": sha}).status

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(push, heads)) == [200, 422, 422, 422]


def test_a_protected_ref_is_neither_forced_nor_deleted_through_the_api(scene: Scene) -> None:
    scene.sandbox.protect(REPO, "daypass/audit")
    start = tip(scene)
    one = commit(scene, "keeper", {"a": "1"}, start)["sha"]
    other = commit(scene, "keeper", {"a": "2"}, start)["sha"]
    scene.api("keeper", "POST", "git/refs", {"ref": "refs/heads/daypass/audit", "sha": one})
    path = "git/refs/heads/daypass/audit"
    assert scene.api("keeper", "PATCH", path, {"sha": other, "force": True}).status == 422
    assert scene.api("keeper", "DELETE", path).status == 422
    assert tip(scene, "daypass/audit") == one
    rules = scene.api("alice", "GET", "rules/branches/daypass/audit").body
    assert {rule["type"] for rule in rules} == {"deletion", "non_fast_forward"}


def test_a_branch_of_one_account_is_updated_by_no_other(scene: Scene) -> None:
    start = tip(scene)
    scene.api("alice", "POST", "git/refs", {"ref": "refs/heads/daypass/audit", "sha": start})
    scene.sandbox.protect(
        REPO, "daypass/audit", deletion=False, non_fast_forward=False, updater="keeper[bot]"
    )
    path = "git/refs/heads/daypass/audit"
    theirs = commit(scene, "alice", {"a": "1"}, start)["sha"]
    refused = scene.api("alice", "PATCH", path, {"sha": theirs})
    assert (refused.status, tip(scene, "daypass/audit")) == (422, start)
    assert "Cannot update this protected ref" in refused.body["message"]
    ours = commit(scene, "keeper", {"a": "2"}, start)["sha"]
    assert scene.api("keeper", "PATCH", path, {"sha": ours}).status == 200
    rules = scene.api("alice", "GET", "rules/branches/daypass/audit").body
    assert [rule["type"] for rule in rules] == ["update"]


def test_the_default_branch_needs_the_check_through_the_api_too(scene: Scene) -> None:
    made = commit(scene, "alice", {"a": "1"}, tip(scene))["sha"]
    assert scene.api("alice", "PATCH", "git/refs/heads/main", {"sha": made}).status == 422
    scene.check(made)
    assert scene.api("alice", "PATCH", "git/refs/heads/main", {"sha": made}).status == 200


def test_pull_refs_are_not_for_users_to_move(scene: Scene) -> None:
    number, head = scene.open()
    path = f"git/refs/pull/{number}/head"
    assert scene.api("keeper", "PATCH", path, {"sha": tip(scene), "force": True}).status == 422
    assert scene.api("keeper", "DELETE", path).status == 422
    body = {"ref": "refs/pull/99/head", "sha": head}
    assert scene.api("keeper", "POST", "git/refs", body).status == 422


def test_blobs_come_back_as_they_were(scene: Scene) -> None:
    data = bytes(range(256))
    body = {"content": base64.b64encode(data).decode(), "encoding": "base64"}
    sha = scene.api("keeper", "POST", "git/blobs", body).body["sha"]
    got = scene.api("alice", "GET", f"git/blobs/{sha}").body
    assert base64.b64decode(got["content"]) == data
    assert scene.api("alice", "GET", f"git/blobs/{'0' * 40}").status == 404


def test_contents_show_files_and_folders_at_a_ref(scene: Scene) -> None:
    scene.change("work", {"d/a": "1", "d/b": "22"})
    rows = scene.api("alice", "GET", "contents/d", ref="work").body
    assert [(row["name"], row["size"]) for row in rows] == [("a", 1), ("b", 2)]
    file = scene.api("alice", "GET", "contents/d/b", ref="work").body
    assert base64.b64decode(file["content"]) == b"22"
    assert scene.api("alice", "GET", "contents/d/b").status == 404


def test_commits_can_be_listed_by_path_and_ref(scene: Scene) -> None:
    one = scene.change("work", {"d/a": "1"})
    two = scene.change("work", {"other": "1"})
    listed = scene.api("alice", "GET", "commits", sha="work").body
    assert [row["sha"] for row in listed] == [two, one, tip(scene)]
    listed = scene.api("alice", "GET", "commits", sha="work", path="d").body
    assert [row["sha"] for row in listed] == [one]
    got = scene.api("alice", "GET", "compare/main...work").body
    assert (got["status"], got["ahead_by"], got["behind_by"]) == ("ahead", 2, 0)


def test_only_apps_post_check_runs(scene: Scene) -> None:
    head = tip(scene)
    assert scene.check(head, who="alice").status == 403
    assert scene.check(head, who="keeper").status == 403
    run = scene.check(head).body
    other = scene.sandbox.create_app("other", {"checks": "write"})
    path = f"check-runs/{run['id']}"
    assert scene.api(other, "PATCH", path, {"conclusion": "failure"}).status == 403
    got = scene.api("checker", "PATCH", path, {"conclusion": "failure"})
    assert got.body["conclusion"] == "failure"


def test_check_runs_take_fifty_annotations_at_a_time(scene: Scene) -> None:
    note = {
        "path": "a",
        "start_line": 1,
        "end_line": 1,
        "annotation_level": "failure",
        "message": "m",
    }
    body = {"name": "x", "head_sha": tip(scene), "output": {"title": "t", "summary": "s"}}
    body["output"] |= {"annotations": [note] * 51}
    assert scene.api("checker", "POST", "check-runs", body).status == 422
    body["output"] |= {"annotations": [note] * 50}
    run = scene.api("checker", "POST", "check-runs", body).body
    more = {"output": {"title": "t", "summary": "s", "annotations": [note] * 10}}
    got = scene.api("checker", "PATCH", f"check-runs/{run['id']}", more).body
    assert got["output"]["annotations_count"] == 60
    path = f"check-runs/{run['id']}/annotations"
    assert len(scene.api("checker", "GET", path, per_page=100).body) == 60


def test_the_latest_run_of_each_name_is_listed(scene: Scene) -> None:
    head = tip(scene)
    scene.check(head, "failure")
    scene.check(head)
    path = f"commits/{head}/check-runs"
    got = scene.api("checker", "GET", path).body
    assert [run["conclusion"] for run in got["check_runs"]] == ["success"]
    assert scene.api("checker", "GET", path, filter="all").body["total_count"] == 2


def test_comments_are_edited_in_place_and_bounded(scene: Scene) -> None:
    number, _ = scene.open()
    path = f"issues/{number}/comments"
    made = scene.api("checker", "POST", path, {"body": "x" * 65_536})
    assert made.status == 201
    assert made.body["user"]["login"] == "checker[bot]"
    assert scene.api("checker", "POST", path, {"body": "x" * 65_537}).status == 422
    scene.clock.advance(timedelta(minutes=1))
    one = f"issues/comments/{made.body['id']}"
    assert scene.api("eve", "PATCH", one, {"body": "mine"}).status == 403
    assert scene.api("checker", "PATCH", one, {"body": "new"}).status == 200
    (got,) = scene.api("alice", "GET", path).body
    assert (got["body"], got["updated_at"]) == ("new", "2026-11-20T12:01:00Z")


def membership(scene: Scene, team: str, who: str, asker: str = "keeper") -> Any:
    got = scene.api(asker, "GET", f"/orgs/acme/teams/{team}/memberships/{who}")
    return got.body["state"] if got.status == 200 else got.status


def test_members_of_child_teams_are_members(scene: Scene) -> None:
    scene.sandbox.create_team("acme", "leads", {"alice": "active", "carol": "pending"})
    scene.sandbox.create_team("acme", "leads-eu", ["bob"], parent="leads")
    scene.sandbox.create_team("acme", "leads-eu-south", ["eve"], parent="leads-eu")
    assert membership(scene, "leads", "alice") == "active"
    assert membership(scene, "leads", "carol") == "pending"
    assert membership(scene, "leads", "bob") == "active"
    assert membership(scene, "leads", "eve") == "active"
    assert membership(scene, "leads-eu", "alice") == 404
    scene.sandbox.set_membership("acme", "leads-eu", "bob", None)
    assert membership(scene, "leads", "bob") == 404
    rows = scene.api("keeper", "GET", "/orgs/acme/teams/leads/members").body
    assert {row["login"] for row in rows} == {"alice", "eve"}


def test_a_team_is_invisible_to_strangers_and_to_apps_without_members(scene: Scene) -> None:
    scene.sandbox.create_team("acme", "leads", ["alice"])
    assert membership(scene, "leads", "alice", "alice") == "active"
    assert membership(scene, "leads", "alice", "mallory") == 404
    assert membership(scene, "leads", "alice", "checker") == 403


def test_an_app_may_do_what_its_token_was_given(scene: Scene) -> None:
    number, _ = scene.open()
    few = scene.sandbox.create_installation_token("checker", {"pull_requests": "read"})
    path = f"issues/{number}/comments"
    assert scene.api("checker", "POST", path, {"body": "x"}).status == 201
    got = scene.api(few, "POST", path, {"body": "x"})
    assert (got.status, got.body["message"]) == (403, "Resource not accessible by integration")
    assert scene.api(few, "GET", f"pulls/{number}/files").status == 200
    assert scene.api(few, "GET", "git/ref/heads/main").status == 403
    with pytest.raises(ValueError, match="does not hold"):
        scene.sandbox.create_installation_token("checker", {"members": "read"})


@pytest.mark.parametrize("who, status", [(None, 404), ("nonsense", 401), ("mallory", 404)])
def test_a_private_repository_shows_itself_to_its_own(
    scene: Scene, who: str | None, status: int
) -> None:
    for path in ("", "pulls", "git/ref/heads/main"):
        assert scene.api(who, "GET", path).status == status


def test_readers_read_and_do_not_write(scene: Scene) -> None:
    assert scene.api("eve", "GET", "git/ref/heads/main").status == 200
    body = {"ref": "refs/heads/x", "sha": tip(scene)}
    assert scene.api("eve", "POST", "git/refs", body).status == 403
    assert scene.api("alice", "POST", "git/refs", body).status == 201
    for who, level in (("eve", "read"), ("alice", "write"), ("mallory", "none")):
        got = scene.api("keeper", "GET", f"collaborators/{who}/permission").body
        assert got["permission"] == level


def test_a_reclaimed_login_has_another_id(scene: Scene) -> None:
    old = scene.api("alice", "GET", "/users/bob").body["id"]
    scene.sandbox.rename_user("bob", "robert")
    scene.sandbox.create_user("bob")
    assert scene.api("alice", "GET", "/users/robert").body["id"] == old
    assert scene.api("alice", "GET", "/users/bob").body["id"] != old
    assert scene.api("alice", "GET", f"/user/{old}").body["login"] == "robert"


def test_failures_can_be_injected_before_and_after_the_effect(scene: Scene) -> None:
    number, _ = scene.open()
    path = f"issues/{number}/comments"
    scene.sandbox.fail_next("issues/create-comment", 502)
    assert scene.api("checker", "POST", path, {"body": "lost before"}).status == 502
    scene.sandbox.fail_next(rf"/issues/{number}/", 500, after=True)
    assert scene.api("checker", "POST", path, {"body": "lost after"}).status == 500
    scene.sandbox.fail_next("pulls/get", 503, times=2)
    assert [scene.api("alice", "GET", f"pulls/{number}").status for _ in range(3)] == [
        503,
        503,
        200,
    ]
    rows = scene.api("alice", "GET", path).body
    assert [row["body"] for row in rows] == ["lost after"]


def test_addresses_carry_the_host_that_was_asked(scene: Scene) -> None:
    body = scene.api("alice", "GET", "").body
    assert body["url"].startswith(f"{scene.sandbox.url}/repos/")
    enterprise = scene.api("alice", "GET", f"/api/v3/repos/{REPO}").body
    assert enterprise["url"] == f"{scene.sandbox.url}/api/v3/repos/{REPO}"
    assert enterprise["html_url"] == f"{scene.sandbox.url}/{REPO}"


def test_unreadable_json_is_refused(scene: Scene) -> None:
    with scene.session.post(
        f"{scene.sandbox.url}/repos/{REPO}/pulls",
        data=b"{",
        headers={"Authorization": f"Bearer {scene.tokens['alice']}"},
        timeout=10,
    ) as got:
        assert got.status_code == 400
