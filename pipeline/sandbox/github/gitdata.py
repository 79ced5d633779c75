"""The git database: refs, blobs, trees and commits."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any

from pipeline.sandbox.github import moves, rules
from pipeline.sandbox.github.commits import ident, resolve, verification
from pipeline.sandbox.github.gitvalues import EMPTY_TREE, Entry, GitError, Ident
from pipeline.sandbox.github.routing import REPO, GitHubCall, Route
from pipeline.sandbox.github.wire import (
    ApiError,
    Body,
    Json,
    Response,
    as_json,
    invalid,
    node_id,
    not_found,
)

TREE_LIMIT = 100_000
"""Rows of a recursive tree before it is cut off and says `truncated`."""

_MODES = ("100644", "100755", "040000", "160000", "120000")


def _ref_json(call: GitHubCall, ref: str, sha: str) -> Json:
    kind = call.repository.git.read(sha)[0]
    return {
        "ref": ref,
        "node_id": node_id("Ref", f"{call.repository.id}:{ref}"),
        "url": call.repo_url("git", ref),
        "object": {"sha": sha, "type": kind, "url": call.repo_url("git", f"{kind}s", sha)},
    }


def get_ref(call: GitHubCall) -> Response:
    """One ref, named in full after `refs/`."""
    ref = f"refs/{call.args['ref']}"
    refs = call.repository.git.refs()
    if ref not in refs:
        raise not_found()
    return as_json(_ref_json(call, ref, refs[ref]))


def matching_refs(call: GitHubCall) -> Response:
    """Every ref that starts with a text."""
    prefix = f"refs/{call.args.get('ref', '')}"
    refs = call.repository.git.refs()
    return as_json([_ref_json(call, r, s) for r, s in sorted(refs.items()) if r.startswith(prefix)])


def create_ref(call: GitHubCall) -> Response:
    """Makes a branch or tag."""
    body = Body(call.request, "Reference")
    git = call.repository.git
    ref, sha = body.text("ref"), body.text("sha")
    if not ref.startswith("refs/") or ref.count("/") < 2 or not git.valid_ref(ref):
        raise ApiError(422, "Reference name must start with 'refs/' and contain two slashes")
    if ref.startswith("refs/pull/"):
        raise ApiError(422, "Reference cannot be created")
    if not git.refs():
        raise ApiError(409, "Git Repository is empty.")
    if ref in git.refs():
        raise ApiError(422, "Reference already exists")
    if not _exists(call, sha):
        raise ApiError(422, "Object does not exist")
    try:
        moves.move(call.world, call.repository, call.actor, {ref: sha})
    except GitError:
        # A branch `a` leaves no room for a branch `a/b`.
        raise ApiError(422, "Reference update failed") from None
    return as_json(_ref_json(call, ref, sha), 201)


def _exists(call: GitHubCall, sha: str) -> bool:
    return call.repository.git.has(sha, "commit") or call.repository.git.has(sha, "tag")


def update_ref(call: GitHubCall) -> Response:
    """Moves a ref; without *force* only forward."""
    body = Body(call.request, "Reference")
    git = call.repository.git
    ref, new, force = f"refs/{call.args['ref']}", body.text("sha"), body.flag("force")
    old = git.refs().get(ref)
    if old is None or ref.startswith("refs/pull/"):
        raise ApiError(422, "Reference does not exist")
    if not _exists(call, new):
        raise ApiError(422, "Object does not exist")
    branch = ref.removeprefix("refs/heads/")
    forward = git.is_ancestor(old, new)
    if not forward and not force:
        raise ApiError(422, "Update is not a fast forward")
    if branch != ref:
        said = rules.refused(call.repository, branch, old, new, call.actor)
        if not forward and rules.wants_fast_forward(call.repository, branch):
            said.append("Cannot force-push to this branch")
        _refuse(said)
    moves.move(call.world, call.repository, call.actor, {ref: new})
    return as_json(_ref_json(call, ref, new))


def delete_ref(call: GitHubCall) -> Response:
    """Deletes a branch or tag."""
    ref = f"refs/{call.args['ref']}"
    git = call.repository.git
    if ref not in git.refs() or ref.startswith("refs/pull/"):
        raise ApiError(422, "Reference does not exist")
    branch = ref.removeprefix("refs/heads/")
    if branch == call.repository.default_branch:
        raise ApiError(422, "Cannot delete the default branch")
    if branch != ref:
        _refuse(rules.refused(call.repository, branch, git.refs()[ref], None, call.actor))
    moves.move(call.world, call.repository, call.actor, {ref: None})
    return Response(status=204)


def _refuse(said: list[str]) -> None:
    if said:
        raise ApiError(422, "Repository rule violations found\n\n" + "\n".join(said))


def get_blob(call: GitHubCall) -> Response:
    """A blob, base64 encoded."""
    sha = call.args["file_sha"]
    if not call.repository.git.has(sha, "blob"):
        raise not_found()
    content = call.repository.git.blob(sha)
    return as_json(
        {
            "sha": sha,
            "node_id": node_id("Blob", sha),
            "size": len(content),
            "url": call.repo_url("git", "blobs", sha),
            "content": base64.encodebytes(content).decode(),
            "encoding": "base64",
        }
    )


def create_blob(call: GitHubCall) -> Response:
    """Stores a blob, given as `utf-8` or `base64`."""
    body = Body(call.request, "Blob")
    content = body.text("content")
    if body.choice("encoding", ("utf-8", "base64"), "utf-8") == "base64":
        try:
            data = base64.b64decode(content)
        except binascii.Error:
            raise invalid("Blob", "content", "invalid") from None
    else:
        data = content.encode()
    sha = call.repository.git.write("blob", data)
    return as_json({"sha": sha, "url": call.repo_url("git", "blobs", sha)}, 201)


def _tree_json(call: GitHubCall, sha: str, rows: list[Entry]) -> Json:
    listed: list[Json] = []
    for row in rows[:TREE_LIMIT]:
        item: Json = {"path": row.path, "mode": row.mode, "type": row.type, "sha": row.sha}
        if row.type == "blob":
            item["size"] = len(call.repository.git.blob(row.sha))
        if row.type != "commit":
            item["url"] = call.repo_url("git", f"{row.type}s", row.sha)
        listed.append(item)
    return {
        "sha": sha,
        "url": call.repo_url("git", "trees", sha),
        "tree": listed,
        "truncated": len(rows) > TREE_LIMIT,
    }


def get_tree(call: GitHubCall) -> Response:
    """A tree by its id, a commit's id or a ref's name; any *recursive* value means yes."""
    git = call.repository.git
    name = call.args["tree_sha"]
    if not git.refs():
        raise ApiError(409, "Git Repository is empty.")
    sha = name
    if name != EMPTY_TREE and not git.has(name, "tree"):
        sha = git.commit(resolve(call.repository, name)).tree
    return as_json(
        _tree_json(call, sha, git.tree(sha, recursive="recursive" in call.request.query))
    )


def create_tree(call: GitHubCall) -> Response:
    """Stores a tree: *base_tree* with paths set, or removed where `sha` is null."""
    body = Body(call.request, "Tree")
    git = call.repository.git
    base = body.optional("base_tree") or EMPTY_TREE
    if git.has(base, "commit"):
        base = git.commit(base).tree
    if base != EMPTY_TREE and not git.has(base, "tree"):
        raise not_found()
    changes: dict[str, tuple[str, str] | None] = {}
    for row in body.rows("tree"):
        path, change = _tree_change(call, row)
        if change is None and git.entry(base, path) is None:
            raise ApiError(422, "GitRPC::BadObjectState")
        changes[path] = change
    sha = git.edit_tree(base, changes)
    if sha == EMPTY_TREE:
        raise ApiError(422, "Invalid tree info")
    return as_json(_tree_json(call, sha, git.tree(sha)), 201)


def _tree_change(call: GitHubCall, row: Any) -> tuple[str, tuple[str, str] | None]:
    git = call.repository.git
    if not isinstance(row, dict) or not isinstance(row.get("path"), str):
        raise invalid("Tree", "tree", "invalid")
    path = row["path"]
    if not path or any(part in ("", ".", "..", ".git") for part in path.split("/")):
        raise ApiError(422, "tree.path contains a malformed path component")
    mode = row.get("mode")
    if mode not in _MODES:
        raise ApiError(422, "Must supply a valid tree.mode")
    if "content" in row:
        if "sha" in row:
            raise ApiError(422, "Must supply either tree.sha or tree.content")
        return path, (mode, git.write("blob", str(row["content"]).encode()))
    if "sha" not in row:
        raise ApiError(422, "Must supply tree.sha or tree.content")
    sha = row["sha"]
    if sha is None:
        return path, None
    kind = Entry(path=path, mode=mode, sha=str(sha)).type
    if kind != "commit" and not git.has(str(sha), kind):
        raise ApiError(422, f"tree.sha {sha} is not a valid {kind}")
    return path, (mode, str(sha))


def git_commit_json(call: GitHubCall, sha: str) -> Json:
    """*git-commit*."""
    commit = call.repository.git.commit(sha)
    return {
        "sha": sha,
        "node_id": node_id("Commit", sha),
        "url": call.repo_url("git", "commits", sha),
        "html_url": call.page_url("commit", sha),
        "author": ident(commit.author),
        "committer": ident(commit.committer),
        "message": commit.message,
        "tree": {"sha": commit.tree, "url": call.repo_url("git", "trees", commit.tree)},
        "parents": [
            {
                "sha": parent,
                "url": call.repo_url("git", "commits", parent),
                "html_url": call.page_url("commit", parent),
            }
            for parent in commit.parents
        ],
        "verification": verification(call.repository, commit),
    }


def get_commit(call: GitHubCall) -> Response:
    """One commit object."""
    sha = call.args["commit_sha"]
    if not call.repository.git.has(sha, "commit"):
        raise not_found()
    return as_json(git_commit_json(call, sha))


def create_commit(call: GitHubCall) -> Response:
    """Stores a commit. Author and committer default to the token's account and the clock.

    GitHub signs what an App makes without naming an author or committer of its own.
    """
    body = Body(call.request, "Commit")
    git = call.repository.git
    tree, parents = body.text("tree"), body.rows("parents", [])
    if tree != EMPTY_TREE and not git.has(tree, "tree"):
        raise ApiError(422, "Tree SHA does not exist")
    for parent in parents:
        if not isinstance(parent, str) or not git.has(parent, "commit"):
            raise ApiError(422, "Parent SHA does not exist or is not a commit object")
    own = Ident(name=call.actor.login, email=call.actor.email, date=call.now)
    author = _who(body, "author", own)
    committer = _who(body, "committer", author)
    sha = git.write_commit(
        tree=tree, parents=parents, author=author, committer=committer, message=body.text("message")
    )
    by_app = call.viewer is not None and call.viewer.app is not None
    if by_app and not any(name in body for name in ("author", "committer", "signature")):
        call.repository.signed.setdefault(sha, call.now)
    return as_json(git_commit_json(call, sha), 201)


def _who(body: Body, name: str, default: Ident) -> Ident:
    given = body.sub(name)
    if given is None:
        return default
    if not isinstance(given.get("name"), str) or not isinstance(given.get("email"), str):
        raise invalid("Commit", name, "missing_field")
    date = default.date
    if given.get("date") is not None:
        try:
            date = datetime.fromisoformat(str(given["date"]))
        except ValueError:
            raise invalid("Commit", f"{name}.date", "invalid") from None
        if date.tzinfo is None:
            raise invalid("Commit", f"{name}.date", "invalid")
    return Ident(name=given["name"], email=given["email"], date=date)


def _route(method: str, template: str, operation: str, handler: Any) -> Route:
    level = "read" if method == "GET" else "write"
    return Route(
        method=method, template=f"{REPO}/git/{template}", operation=f"git/{operation}",
        handler=handler, app=("contents",), level=level, role=level,
    )  # fmt: skip


ROUTES = (
    _route("GET", "ref/{ref}", "get-ref", get_ref),
    _route("GET", "matching-refs/{ref}", "list-matching-refs", matching_refs),
    _route("POST", "refs", "create-ref", create_ref),
    _route("PATCH", "refs/{ref}", "update-ref", update_ref),
    _route("DELETE", "refs/{ref}", "delete-ref", delete_ref),
    _route("GET", "blobs/{file_sha}", "get-blob", get_blob),
    _route("POST", "blobs", "create-blob", create_blob),
    _route("GET", "trees/{tree_sha}", "get-tree", get_tree),
    _route("POST", "trees", "create-tree", create_tree),
    _route("GET", "commits/{commit_sha}", "get-commit", get_commit),
    _route("POST", "commits", "create-commit", create_commit),
)
