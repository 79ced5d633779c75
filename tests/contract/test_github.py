"""The GitHub stand-in, asked raw and through PyGithub, held to GitHub's own description.

What it answers is judged by `OpenApiObserver`; how it behaves is judged in
`tests/unit/test_sandbox_github_*.py`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from github import Auth, Github, GithubException, InputGitTreeElement

from pipeline.sandbox.github import ApiRequest, Response
from pipeline.sandbox.github.service import ROUTES
from tests.contract.support_github import OpenApiObserver
from tests.unit.support_sandbox_github import REPO, Scene

pytestmark = pytest.mark.node

NOTE = {
    "path": "README.md",
    "start_line": 1,
    "end_line": 1,
    "annotation_level": "failure",
    "message": "m",
}
OUTPUT = {"title": "t", "summary": "s", "annotations": [NOTE]}


@pytest.fixture
def observer() -> OpenApiObserver:
    return OpenApiObserver()


@pytest.fixture
def scene(tmp_path: Path, observer: OpenApiObserver) -> Iterator[Scene]:
    made = Scene(tmp_path)
    made.tokens["root"] = made.sandbox.create_app(
        "root",
        dict.fromkeys(
            ("actions", "checks", "contents", "issues", "members", "pull_requests", "statuses"),
            "write",
        ),
    )
    made.sandbox.create_team("acme", "leads", {"alice": "active", "carol": "pending"})
    made.sandbox.create_team("acme", "leads-eu", ["bob"], parent="leads")
    made.sandbox.observe(observer)
    yield made
    made.close()


def ask(
    scene: Scene, status: int, who: str | None, method: str, path: str, *rest: Any, **query: Any
) -> Any:
    got = scene.api(who, method, path, *rest, **query)
    assert got.status == status, (method, path, got.body)
    return got.body


IN_REPOSITORY = (
    "", "branches", "rulesets", "rules/branches/main", "commits", "compare/main...main",
    "contents/README.md", "contents", "git/ref/heads/main", "git/matching-refs/heads", "activity",
    "actions/oidc/customization/sub", "collaborators/alice/permission",
)  # fmt: skip
BY_COMMIT = ("commits", "git/commits", "git/trees")
ELSEWHERE = (
    "/rate_limit", "/meta", "/users/alice", "/users/checker[bot]", "/apps/checker",
    "/installation/repositories", "/orgs/acme", "/orgs/acme/teams", "/orgs/acme/teams/leads-eu",
    "/orgs/acme/teams/leads/members", "/orgs/acme/teams/leads/memberships/bob",
    "/orgs/acme/teams/leads/memberships/carol",
)  # fmt: skip


def tour(scene: Scene) -> None:
    """Calls every operation so that it succeeds."""
    main = ask(scene, 200, "root", "GET", "branches/main")["commit"]["sha"]
    for path in (*IN_REPOSITORY, *(f"{kind}/{main}" for kind in BY_COMMIT)):
        ask(scene, 200, "root", "GET", path)
    ruleset = ask(scene, 200, "root", "GET", "rulesets")[0]["id"]
    ask(scene, 200, "root", "GET", f"rulesets/{ruleset}")
    for path in ELSEWHERE:
        ask(scene, 200, "root", "GET", path)
    me = ask(scene, 200, "alice", "GET", "/user")["id"]
    ask(scene, 200, "alice", "GET", f"/user/{me}")
    head = _branch(scene, main)
    number = _pull(scene, head)
    _checks(scene, head)
    ask(scene, 404, "root", "GET", f"pulls/{number}/merge")
    body = {"sha": head, "merge_method": "squash", "commit_title": "t", "commit_message": "m"}
    made = ask(scene, 200, "root", "PUT", f"pulls/{number}/merge", body)["sha"]
    ask(scene, 204, "root", "GET", f"pulls/{number}/merge")
    for path in (f"commits/{made}/pulls", f"commits/{made}", f"pulls/{number}"):
        ask(scene, 200, "root", "GET", path)
    ask(scene, 204, "root", "DELETE", "git/refs/heads/made")


def _branch(scene: Scene, main: str) -> str:
    body: dict[str, Any] = {"content": base64.b64encode(b"x\0").decode(), "encoding": "base64"}
    blob = ask(scene, 201, "root", "POST", "git/blobs", body)["sha"]
    ask(scene, 200, "root", "GET", f"git/blobs/{blob}")
    row = {"path": "d/a", "mode": "100644", "type": "blob", "sha": blob}
    gone = {"path": "README.md", "mode": "100644", "type": "blob", "sha": None}
    body = {"base_tree": main, "tree": [row, gone]}
    tree = ask(scene, 201, "root", "POST", "git/trees", body)["sha"]
    ask(scene, 200, "root", "GET", f"git/trees/{tree}", recursive="1")
    body = {"message": "m", "tree": tree, "parents": [main]}
    first = ask(scene, 201, "root", "POST", "git/commits", body)["sha"]
    ask(scene, 201, "root", "POST", "git/refs", {"ref": "refs/heads/made", "sha": first})
    body |= {"parents": [first], "author": {"name": "A", "email": "a@example.com"}}
    head = ask(scene, 201, "root", "POST", "git/commits", body)["sha"]
    body = {"sha": head, "force": False}
    ask(scene, 200, "root", "PATCH", "git/refs/heads/made", body)
    ask(scene, 200, "root", "GET", "contents/d", ref="made")
    ask(scene, 200, "root", "GET", "compare/main...made")
    ask(scene, 200, "root", "GET", f"commits/{head}")
    return str(head)


def _pull(scene: Scene, head: str) -> int:
    body: dict[str, Any] = {"title": "t", "body": "b", "head": "made", "base": "main"}
    number = ask(scene, 201, "root", "POST", "pulls", body)["number"]
    pull = f"pulls/{number}"
    ask(scene, 200, "root", "PATCH", pull, {"title": "new", "state": "closed"})
    ask(scene, 200, "root", "PATCH", pull, {"state": "open", "body": None} | {"body": "b"})
    for path in (pull, f"{pull}/files", f"{pull}/commits", f"commits/{head}/pulls"):
        ask(scene, 200, "root", "GET", path)
    ask(scene, 200, "root", "GET", "pulls", state="all", head="acme:made", base="main", per_page=5)
    body = {"event": "APPROVE", "commit_id": head, "body": ""}
    review = ask(scene, 200, "bob", "POST", f"{pull}/reviews", body)["id"]
    ask(scene, 200, "carol", "POST", f"{pull}/reviews", {})
    ask(scene, 200, "root", "GET", f"{pull}/reviews")
    ask(scene, 200, "root", "GET", f"{pull}/reviews/{review}")
    body = {"message": "stale", "event": "DISMISS"}
    ask(scene, 200, "root", "PUT", f"{pull}/reviews/{review}/dismissals", body)
    issue = f"issues/{number}"
    made = ask(scene, 200, "root", "GET", "git/ref/heads/main")["object"]["sha"]
    ask(scene, 201, "root", "POST", "git/refs", {"ref": "refs/heads/other", "sha": made})
    ask(scene, 200, "root", "PATCH", pull, {"base": "other"})
    ask(scene, 200, "root", "PATCH", pull, {"base": "main"})
    comment = ask(scene, 201, "root", "POST", f"{issue}/comments", {"body": "c"})["id"]
    ask(scene, 200, "root", "GET", f"{issue}/comments", since="2026-01-01T00:00:00Z")
    ask(scene, 200, "root", "GET", f"issues/comments/{comment}")
    ask(scene, 200, "root", "GET", f"{issue}/timeline", per_page=10)
    ask(scene, 200, "root", "PATCH", f"issues/comments/{comment}", {"body": "d"})
    ask(scene, 204, "root", "DELETE", f"issues/comments/{comment}")
    ask(scene, 200, "root", "POST", f"{issue}/labels", {"labels": ["access", {"name": "low"}]})
    ask(scene, 200, "root", "GET", f"{issue}/labels")
    ask(scene, 200, "root", "GET", "pulls")
    return int(number)


def _checks(scene: Scene, head: str) -> None:
    body: dict[str, Any] = {"name": "daypass", "head_sha": head, "status": "in_progress"}
    run = ask(scene, 201, "checker", "POST", "check-runs", {**body, "output": OUTPUT})["id"]
    body = {"status": "completed", "conclusion": "success", "output": OUTPUT}
    ask(scene, 200, "checker", "PATCH", f"check-runs/{run}", body)
    for path in (f"check-runs/{run}", f"check-runs/{run}/annotations"):
        ask(scene, 200, "checker", "GET", path)
    body = {"state": "pending", "context": "lint", "description": "d", "target_url": None}
    ask(scene, 201, "checker", "POST", f"statuses/{head}", body)
    for path in ("statuses", "status"):
        ask(scene, 200, "root", "GET", f"commits/{head}/{path}")
    ask(scene, 200, "root", "GET", f"commits/{head}/check-runs", check_name="daypass")


def test_every_operation_succeeds_as_described(scene: Scene, observer: OpenApiObserver) -> None:
    tour(scene)
    observer.assert_faithful()
    served = {route.operation for route in ROUTES}
    assert served == {name for name, status in observer.seen if status < 300}


REFUSALS: tuple[tuple[int, str | None, str, str, Any], ...] = (
    (401, "wrong", "GET", "", None),
    (404, None, "GET", "", None),
    (404, "mallory", "GET", "pulls", None),
    (403, "root", "GET", "/user", None),
    (404, "alice", "GET", "/users/nobody", None),
    (404, "alice", "GET", "/apps/nobody", None),
    (404, "alice", "GET", "/orgs/nobody", None),
    (403, "alice", "GET", "/installation/repositories", None),
    (403, "checker", "GET", "/orgs/acme/teams", None),
    (404, "alice", "GET", "/orgs/acme/teams/none", None),
    (404, "alice", "GET", "/orgs/acme/teams/leads/memberships/eve", None),
    (404, "alice", "GET", "collaborators/nobody/permission", None),
    (404, "alice", "GET", "branches/none", None),
    (404, "alice", "GET", "rulesets/1", None),
    (404, "alice", "GET", "commits?sha=none", None),
    (422, "alice", "GET", "commits/none", None),
    (404, "alice", "GET", "compare/main...none", None),
    (404, "alice", "GET", "contents/none", None),
    (422, "alice", "GET", "activity?after=x", None),
    (404, "alice", "GET", "git/ref/heads/none", None),
    (404, "alice", "GET", "git/blobs/" + "0" * 40, None),
    (404, "alice", "GET", "git/trees/none", None),
    (404, "alice", "GET", "git/commits/" + "0" * 40, None),
    (403, "checker", "POST", "git/blobs", {"content": "x"}),
    (422, "alice", "POST", "git/blobs", {"content": 1}),
    (422, "alice", "POST", "git/trees", {"tree": [{"path": "../x", "mode": "100644"}]}),
    (422, "alice", "POST", "git/trees", {"tree": [{"path": "x", "mode": "1"}]}),
    (404, "alice", "POST", "git/trees", {"base_tree": "0" * 40, "tree": []}),
    (422, "alice", "POST", "git/commits", {"message": "m", "tree": "0" * 40}),
    (422, "alice", "POST", "git/refs", {"ref": "main", "sha": "0" * 40}),
    (422, "alice", "POST", "git/refs", {"ref": "refs/heads/x", "sha": "0" * 40}),
    (422, "alice", "PATCH", "git/refs/heads/none", {"sha": "0" * 40}),
    (422, "alice", "DELETE", "git/refs/heads/main", None),
    (422, "alice", "POST", "pulls", {"title": "t", "head": "none", "base": "main"}),
    (404, "alice", "GET", "pulls/99", None),
    (404, "alice", "GET", "pulls/1/reviews/1", None),
    (422, "alice", "POST", "pulls/1/reviews", {"event": "APPROVE"}),
    (422, "bob", "POST", "pulls/1/reviews", {"event": "REQUEST_CHANGES"}),
    (404, "bob", "PUT", "pulls/1/reviews/1/dismissals", {"message": "m"}),
    (404, "bob", "GET", "pulls/1/merge", None),
    (405, "bob", "PUT", "pulls/1/merge", {}),
    (409, "bob", "PUT", "pulls/1/merge", {"sha": "0" * 40}),
    (403, "eve", "PUT", "pulls/1/merge", {}),
    (422, "bob", "PUT", "pulls/1/merge", {"merge_method": "octopus"}),
    (403, "bob", "POST", "check-runs", {"name": "n", "head_sha": "0" * 40}),
    (422, "checker", "POST", "check-runs", {"name": "n", "head_sha": "0" * 40}),
    (404, "checker", "PATCH", "check-runs/1", {"name": "n"}),
    (404, "checker", "GET", "check-runs/1", None),
    (422, "bob", "POST", "statuses/" + "0" * 40, {"state": "success"}),
    (404, "bob", "POST", "issues/99/comments", {"body": "x"}),
    (422, "bob", "POST", "issues/1/comments", {"body": " "}),
    (422, "bob", "POST", "issues/1/comments", {"body": "x" * 65_537}),
    (404, "bob", "PATCH", "issues/comments/1", {"body": "x"}),
    (404, "bob", "GET", "issues/99/labels", None),
    (422, "bob", "POST", "issues/1/labels", {"labels": [1]}),
)  # fmt: skip


def test_every_refusal_is_as_described(scene: Scene, observer: OpenApiObserver) -> None:
    scene.open()
    for status, who, method, path, body in REFUSALS:
        ask(scene, status, who, method, path, body)
    observer.assert_faithful()


def connect(scene: Scene, who: str) -> Github:
    return Github(
        auth=Auth.Token(scene.tokens[who]),
        base_url=scene.sandbox.url,
        seconds_between_requests=0,
        seconds_between_writes=0,
    )


def test_pygithub_writes_a_branch_and_opens_a_pull_request(
    scene: Scene, observer: OpenApiObserver
) -> None:
    with connect(scene, "keeper") as hub:
        repo = hub.get_repo(REPO)
        base = repo.get_branch("main").commit
        blob = repo.create_git_blob("x", "utf-8")
        tree = repo.create_git_tree(
            [
                InputGitTreeElement("a", "100644", "blob", sha=blob.sha),
                InputGitTreeElement("README.md", "100644", "blob", sha=None),
            ],
            repo.get_git_tree(base.sha),
        )
        commit = repo.create_git_commit("m", tree, [repo.get_git_commit(base.sha)])
        ref = repo.create_git_ref("refs/heads/revert/1", commit.sha)
        pull = repo.create_pull(base="main", head="revert/1", title="t", body="b")
        pull.add_to_labels("revert", "access")
        assert [label.name for label in pull.get_labels()] == ["revert", "access"]
        assert {file.filename: file.status for file in pull.get_files()} == {
            "a": "added",
            "README.md": "removed",
        }
        assert [row.sha for row in pull.get_commits()] == [commit.sha]
        assert commit.committer.name == "keeper[bot]"
        assert repo.get_git_ref("heads/revert/1").object.sha == commit.sha
        pull.edit(title="new", state="closed")
        ref.delete()
    observer.assert_faithful()


def test_pygithub_reviews_checks_and_merges(scene: Scene, observer: OpenApiObserver) -> None:
    number, head = scene.open()
    with connect(scene, "bob") as hub:
        pull = hub.get_repo(REPO).get_pull(number)
        review = pull.create_review(event="APPROVE", body="fine")
        assert (review.state, review.commit_id, review.user.login) == ("APPROVED", head, "bob")
        assert review.submitted_at == scene.clock.now()
        assert hub.get_user().login == "bob"
    with connect(scene, "checker") as hub:
        repo = hub.get_repo(REPO)
        run = repo.create_check_run("daypass", head, status="in_progress")
        run.edit(status="completed", conclusion="success", output=OUTPUT)
        assert [note.message for note in run.get_annotations()] == ["m"]
        repo.get_commit(head).create_status("success", description="d", context="lint")
        comment = repo.get_pull(number).create_issue_comment("one")
        comment.edit("two")
        bodies = [(row.user.login, row.body) for row in repo.get_pull(number).get_issue_comments()]
        assert bodies == [("checker[bot]", "two")]
        assert [row.name for row in repo.get_commit(head).get_check_runs()] == ["daypass"]
        assert repo.get_commit(head).get_combined_status().state == "success"
    with connect(scene, "keeper") as hub:
        repo = hub.get_repo(REPO)
        pull = repo.get_pull(number)
        with pytest.raises(GithubException) as stale:
            pull.merge(sha="0" * 40)
        assert stale.value.status == 409
        scene.clock.advance(timedelta(minutes=3))
        merged = pull.merge(sha=head, merge_method="squash")
        pull.update()
        assert pull.merged
        assert pull.merge_commit_sha == merged.sha
        assert pull.merged_at == scene.clock.now()
        assert [row.number for row in repo.get_commit(merged.sha).get_pulls()] == [number]
        assert repo.get_collaborator_permission("bob") == "write"
        assert (
            hub.get_organization("acme").get_team_by_slug("leads").get_team_membership("bob").state
            == "active"
        )
        _, rows = repo.requester.requestJsonAndCheck(
            "GET", f"{repo.url}/activity", parameters={"ref": "main", "per_page": 1}
        )
        assert [row["activity_type"] for row in rows] == ["pr_merge"]
    observer.assert_faithful()


def test_pygithub_pages_through_long_lists(scene: Scene, observer: OpenApiObserver) -> None:
    scene.change("work", {f"d/{n:03}": str(n) for n in range(205)})
    with connect(scene, "alice") as hub:
        repo = hub.get_repo(REPO)
        pull = repo.create_pull(base="main", head="work", title="t")
        assert len(list(pull.get_files())) == 205
    assert scene.sandbox.count("pulls/list-files") == 7
    observer.assert_faithful()


def _judge(
    observer: OpenApiObserver, method: str, path: str, status: int, body: Any, **more: Any
) -> str:
    request = ApiRequest(
        method=method, path=path, query=more.get("query", {}), headers={},
        body=json.dumps(more["sent"]).encode() if "sent" in more else b"",
    )  # fmt: skip
    answer = Response(status=status, body=json.dumps(body).encode() if body is not None else b"")
    observer(more.get("operation"), request, answer)
    return "\n".join(observer.problems)


LABEL = {
    "id": 1, "node_id": "x", "url": "http://h/l", "name": "n", "description": None,
    "color": "fff", "default": False,
}  # fmt: skip
LABELS = f"/repos/{REPO}/issues/1/labels"


@pytest.mark.parametrize(
    "said, status, body, more",
    [
        ("is not of type 'string'", 200, [{**LABEL, "name": 1}], {}),
        ("'name' is a required property", 200, [{k: LABEL[k] for k in LABEL if k != "name"}], {}),
        ("extra is not described", 200, [{**LABEL, "extra": 1}], {}),
        ("is not a 'uri'", 200, [{**LABEL, "url": "x"}], {}),
        ("no such status", 418, {}, {}),
        ("query colour is not described", 200, [LABEL], {"query": {"colour": "red"}}),
        ("is not of type 'integer'", 200, [LABEL], {"query": {"page": "one"}}),
        ("a request body where none", 200, [LABEL], {"sent": {}}),
        ("served as issues/list", 200, [LABEL], {"operation": "issues/list"}),
    ],
)
def test_the_observer_finds_fault(said: str, status: int, body: Any, more: dict[str, Any]) -> None:
    observer = OpenApiObserver()
    more = {"operation": "issues/list-labels-on-issue", **more}
    assert said in _judge(observer, "GET", LABELS, status, body, **more)
    with pytest.raises(AssertionError):
        observer.assert_faithful()


def test_the_observer_knows_no_made_up_operation() -> None:
    assert "no such operation" in _judge(OpenApiObserver(), "GET", "/made/up", 404, {})


def test_the_observer_refuses_unknown_fields_in_requests() -> None:
    more = {"operation": "issues/create-comment", "sent": {"body": "b", "colour": "red"}}
    path = f"/repos/{REPO}/issues/1/comments"
    assert "/colour is not described" in _judge(OpenApiObserver(), "POST", path, 404, {}, **more)


def test_an_observer_that_saw_nothing_vouches_for_nothing() -> None:
    with pytest.raises(AssertionError, match="no request"):
        OpenApiObserver().assert_faithful()
