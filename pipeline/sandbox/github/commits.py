"""Commits, branches, comparisons and file contents, read."""

from __future__ import annotations

import base64
from urllib.parse import quote

from pipeline.sandbox.github import shapes
from pipeline.sandbox.github.gitstore import GitStore
from pipeline.sandbox.github.gitvalues import EMPTY_TREE, CommitObject, Entry, FileChange, Ident
from pipeline.sandbox.github.routing import REPO, GitHubCall, Route
from pipeline.sandbox.github.state import HostedRepository
from pipeline.sandbox.github.wire import ApiError, Json, Response, as_json, node_id, not_found, page
from pipeline.values.canonical import timestamp

INLINE_LIMIT = 1_000_000
"""Largest file, in bytes, whose content the contents API carries."""


def resolve(repository: HostedRepository, name: str) -> str:
    """Returns the commit that a branch, tag, full ref or object id names; raises a 404."""
    refs = repository.git.refs()
    for ref in (f"refs/heads/{name}", f"refs/tags/{name}", name, f"refs/{name}"):
        if ref in refs:
            return peel(repository.git, refs[ref])
    if repository.git.has(name, "commit"):
        return name
    raise not_found()


def peel(git: GitStore, sha: str) -> str:
    """Follows annotated tags to the commit."""
    kind, content = git.read(sha)
    while kind == "tag":
        sha = content.split(b"\n", 1)[0].removeprefix(b"object ").decode()
        kind, content = git.read(sha)
    return sha


def ident(who: Ident) -> Json:
    """Name, address and moment as JSON."""
    return {"name": who.name, "email": who.email, "date": timestamp(who.date)}


def verification(repository: HostedRepository, commit: CommitObject) -> Json:
    """GitHub's word on a signature: only commits that GitHub made itself verify here."""
    signed = repository.signed.get(commit.sha)
    if signed is None:
        return {
            "verified": False,
            "reason": "unsigned",
            "signature": None,
            "payload": None,
            "verified_at": None,
        }
    # The stand-in holds no key: it vouches for what it wrote, without armour to show.
    payload = repository.git.read(commit.sha)[1].decode(errors="replace")
    return {
        "verified": True,
        "reason": "valid",
        "signature": None,
        "payload": payload,
        "verified_at": timestamp(signed),
    }


def commit_json(call: GitHubCall, sha: str) -> Json:
    """*commit*, without files."""
    git = call.repository.git
    commit = git.commit(sha)
    url = call.repo_url("commits", sha)
    return {
        "sha": sha,
        "node_id": node_id("Commit", sha),
        "url": url,
        "html_url": call.page_url("commit", sha),
        "comments_url": f"{url}/comments",
        "commit": {
            "url": call.repo_url("git", "commits", sha),
            "author": ident(commit.author),
            "committer": ident(commit.committer),
            "message": commit.message,
            "comment_count": 0,
            "tree": {"sha": commit.tree, "url": call.repo_url("git", "trees", commit.tree)},
            "verification": verification(call.repository, commit),
        },
        "author": shapes.user_or_null(call, call.world.author_of(commit.author.email)),
        "committer": shapes.user_or_null(call, call.world.author_of(commit.committer.email)),
        "parents": [
            {
                "sha": parent,
                "url": call.repo_url("commits", parent),
                "html_url": call.page_url("commit", parent),
            }
            for parent in commit.parents
        ],
    }


def file_json(call: GitHubCall, change: FileChange, at: str) -> Json:
    """*diff-entry*; *at* is the commit that addresses point to."""
    path = quote(change.path, errors="surrogateescape")
    row: Json = {
        "sha": change.sha,
        "filename": change.path,
        "status": change.status,
        "additions": change.additions,
        "deletions": change.deletions,
        "changes": change.additions + change.deletions,
        "blob_url": f"{call.page_url('blob', at)}/{path}",
        "raw_url": f"{call.page_url('raw', at)}/{path}",
        "contents_url": f"{call.repo_url('contents')}/{path}?ref={at}",
    }
    if change.previous is not None:
        row["previous_filename"] = change.previous
    return row


def list_commits(call: GitHubCall) -> Response:
    """Commits from *sha* (default branch), newest first, optionally of one *path*."""
    query = call.request.query
    start = query.get("sha") or call.repository.default_branch
    if not call.repository.git.refs():
        raise ApiError(409, "Git Repository is empty.")
    tip = resolve(call.repository, start)
    rows = call.repository.git.walk(tip, path=query.get("path", ""))
    shown, links = page(call.here, call.request, rows, lambda sha: commit_json(call, sha))
    return as_json(shown, headers=links)


def get_commit(call: GitHubCall) -> Response:
    """One commit with its files, compared with its first parent."""
    git = call.repository.git
    try:
        sha = resolve(call.repository, call.args["ref"])
    except ApiError:
        if not git.refs():
            raise ApiError(409, "Git Repository is empty.") from None
        raise ApiError(422, f"No commit found for SHA: {call.args['ref']}") from None
    changes = git.changes(*_sides(git.commit(sha)))
    shown, links = page(call.here, call.request, changes, lambda c: file_json(call, c, sha))
    added = sum(change.additions for change in changes)
    removed = sum(change.deletions for change in changes)
    body = {
        **commit_json(call, sha),
        "stats": {"total": added + removed, "additions": added, "deletions": removed},
        "files": shown,
    }
    return as_json(body, headers=links)


def _sides(commit: CommitObject) -> tuple[str, str]:
    return (commit.parents[0] if commit.parents else EMPTY_TREE), commit.sha


def compare(call: GitHubCall) -> Response:
    """`base...head`: how far apart, the commits of head alone, and the files they change."""
    git = call.repository.git
    left, dots, right = call.args["basehead"].partition("...")
    if not dots:
        raise not_found()
    base, head = resolve(call.repository, left), resolve(call.repository, right)
    common = git.merge_base(base, head)
    if common is None:
        raise ApiError(404, f"No common ancestor between {left} and {right}.")
    ahead, behind = git.walk(head, without=base), git.walk(base, without=head)
    status = {(True, True): "diverged", (True, False): "ahead", (False, True): "behind"}.get(
        (bool(ahead), bool(behind)), "identical"
    )
    shown, links = page(call.here, call.request, ahead[::-1], lambda sha: commit_json(call, sha))
    url, site = call.here, call.page_url("compare", call.args["basehead"])
    body = {
        "url": url,
        "html_url": site,
        "permalink_url": site,
        "diff_url": f"{site}.diff",
        "patch_url": f"{site}.patch",
        "base_commit": commit_json(call, base),
        "merge_base_commit": commit_json(call, common),
        "status": status,
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "total_commits": len(ahead),
        "commits": shown,
        "files": [file_json(call, change, head) for change in git.changes(common, head)[:300]],
    }
    return as_json(body, headers=links)


def _content(call: GitHubCall, entry: Entry, ref: str, *, inline: bool) -> Json:
    kind = {"tree": "dir", "commit": "submodule"}.get(entry.type, "file")
    data = call.repository.git.blob(entry.sha) if entry.type == "blob" else b""
    path = quote(entry.path)
    url = f"{call.repo_url('contents')}/{path}?ref={quote(ref)}"
    git_url = call.repo_url("git", "trees" if kind == "dir" else "blobs", entry.sha)
    html = f"{call.page_url('tree' if kind == 'dir' else 'blob', ref)}/{path}"
    row: Json = {
        "type": kind,
        "size": len(data),
        "name": entry.path.rpartition("/")[2],
        "path": entry.path,
        "sha": entry.sha,
        "url": url,
        "git_url": git_url,
        "html_url": html,
        "download_url": f"{call.page_url('raw', ref)}/{path}" if kind == "file" else None,
        "_links": {"self": url, "git": git_url, "html": html},
    }
    if inline:
        small = len(data) <= INLINE_LIMIT
        row["encoding"] = "base64" if small else "none"
        row["content"] = base64.encodebytes(data).decode() if small else ""
    return row


def get_content(call: GitHubCall) -> Response:
    """A file, base64 up to 1 MB, or the list of a folder."""
    git = call.repository.git
    ref = call.request.query.get("ref") or call.repository.default_branch
    tree = git.commit(resolve(call.repository, ref)).tree
    path = call.args.get("path", "").strip("/")
    if not path:
        return as_json([_content(call, row, ref, inline=False) for row in git.tree(tree)])
    entry = git.entry(tree, path)
    if entry is None:
        raise not_found()
    if entry.type == "tree":
        rows = git.tree(entry.sha, prefix=f"{path}/")
        return as_json([_content(call, row, ref, inline=False) for row in rows])
    return as_json(_content(call, entry, ref, inline=True))


def list_branches(call: GitHubCall) -> Response:
    """Every branch with its tip."""
    heads = sorted(
        (ref.removeprefix("refs/heads/"), sha)
        for ref, sha in call.repository.git.refs().items()
        if ref.startswith("refs/heads/")
    )
    wanted = call.request.query.get("protected")
    if wanted in ("true", "false"):
        heads = [h for h in heads if bool(call.repository.rules_for(h[0])) == (wanted == "true")]

    def short(head: tuple[str, str]) -> Json:
        name, sha = head
        return {
            "name": name,
            "commit": {"sha": sha, "url": call.repo_url("commits", sha)},
            "protected": bool(call.repository.rules_for(name)),
        }

    shown, links = page(call.here, call.request, heads, short)
    return as_json(shown, headers=links)


def get_branch(call: GitHubCall) -> Response:
    """One branch with its tip in full."""
    name = call.args["branch"]
    sha = call.repository.git.head(name)
    if sha is None:
        raise ApiError(404, "Branch not found")
    protected = bool(call.repository.rules_for(name))
    return as_json(
        {
            "name": name,
            "commit": commit_json(call, sha),
            "_links": {"self": call.here, "html": call.page_url("tree", name)},
            "protected": protected,
            # Classic protection is another thing than rulesets, which are not listed here.
            "protection": {"enabled": False},
            "protection_url": f"{call.here}/protection",
        }
    )


ROUTES = (
    Route(method="GET", template=f"{REPO}/commits", operation="repos/list-commits",
          handler=list_commits, app=("contents",)),
    Route(method="GET", template=f"{REPO}/commits/{{ref}}", operation="repos/get-commit",
          handler=get_commit, app=("contents",)),
    Route(method="GET", template=f"{REPO}/compare/{{basehead}}",
          operation="repos/compare-commits-with-basehead", handler=compare, app=("contents",)),
    Route(method="GET", template=f"{REPO}/contents/{{path}}", operation="repos/get-content",
          handler=get_content, app=("contents",)),
    Route(method="GET", template=f"{REPO}/contents/", operation="repos/get-content",
          handler=get_content, app=("contents",)),
    Route(method="GET", template=f"{REPO}/contents", operation="repos/get-content",
          handler=get_content, app=("contents",)),
    Route(method="GET", template=f"{REPO}/branches", operation="repos/list-branches",
          handler=list_branches, app=("contents",)),
    Route(method="GET", template=f"{REPO}/branches/{{branch}}", operation="repos/get-branch",
          handler=get_branch, app=("contents",)),
)  # fmt: skip
