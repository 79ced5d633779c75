"""Pull requests: opened, read, changed, and what they would change."""

from __future__ import annotations

from pipeline.sandbox.github import issues, moves, shapes
from pipeline.sandbox.github.commits import commit_json, file_json
from pipeline.sandbox.github.gitvalues import FileChange, Ident
from pipeline.sandbox.github.routing import REPO, GitHubCall, Route
from pipeline.sandbox.github.rules import unmet
from pipeline.sandbox.github.state import Account, GitHubState, HostedRepository, Pull
from pipeline.sandbox.github.wire import (
    Body,
    Json,
    Response,
    as_json,
    invalid,
    node_id,
    not_found,
    page,
    refused,
)
from pipeline.values.canonical import timestamp

FILES_CAP = 3000
COMMITS_CAP = 250


def find(call: GitHubCall) -> Pull:
    """Returns the pull request of the path; raises a 404."""
    pull = call.repository.pulls.get(call.number("pull_number"))
    if pull is None:
        raise not_found()
    return pull


def base_of(repository: HostedRepository, pull: Pull) -> str:
    """Returns the commit that a pull request is compared with: while open, its base's tip."""
    tip = repository.git.head(pull.base_ref)
    return tip if pull.state == "open" and tip is not None else pull.base_sha


def commits_of(repository: HostedRepository, pull: Pull) -> list[str]:
    """Returns the commits that a pull request would bring, oldest first."""
    return repository.git.walk(pull.head_sha, without=base_of(repository, pull))[::-1]


def files_of(repository: HostedRepository, pull: Pull) -> list[FileChange]:
    """Returns what the head changed since it left the base."""
    base = base_of(repository, pull)
    common = repository.git.merge_base(base, pull.head_sha) or base
    return repository.git.changes(common, pull.head_sha)


def test_merge(world: GitHubState, repository: HostedRepository, pull: Pull) -> str | None:
    """Makes (once per base and head) the test merge commit; None where they conflict.

    `refs/pull/N/merge` names it, and `merge_commit_sha` of an open pull request is this
    commit, not one on any branch.
    """
    base = base_of(repository, pull)
    if pull.tested is not None and pull.tested[:2] == (base, pull.head_sha):
        return pull.tested[2]
    ref = f"refs/pull/{pull.number}/merge"
    tree = repository.git.merge(base, pull.head_sha)
    made = None
    if tree is not None:
        who = Ident(name="GitHub", email="noreply@github.com", date=world.clock.now())
        message = f"Merge {pull.head_sha} into {base}"
        made = repository.git.write_commit(
            tree=tree, parents=(base, pull.head_sha), author=who, committer=who, message=message
        )
        repository.git.set_refs({ref: made})
    elif ref in repository.git.refs():
        repository.git.set_refs({ref: None})
    pull.tested = (base, pull.head_sha, made)
    return made


def _side(call: GitHubCall, ref: str, sha: str, repo: Json, owner: Json) -> Json:
    label = f"{call.repository.owner.login}:{ref}"
    return {"label": label, "ref": ref, "sha": sha, "user": owner, "repo": repo}


def simple_json(call: GitHubCall, pull: Pull, *, nullable: bool = True) -> Json:
    """*pull-request-simple*."""
    repository = call.repository
    url, html = call.repo_url("pulls", pull.number), call.page_url("pull", pull.number)
    issue = call.repo_url("issues", pull.number)
    repo, owner = shapes.repository(call, repository), shapes.user(call, repository.owner)
    merge = pull.merge_commit_sha
    if pull.state == "open" and pull.tested is not None:
        merge = pull.tested[2]
    addresses = {
        "comments": f"{issue}/comments",
        "commits": f"{url}/commits",
        "statuses": call.repo_url("statuses", pull.head_sha),
        "html": html,
        "issue": issue,
        "review_comments": f"{url}/comments",
        "review_comment": f"{call.repo_url('pulls', 'comments')}{{/number}}",
        "self": url,
    }
    show = shapes.user_or_null if nullable else shapes.user
    return {
        "url": url,
        "id": pull.id,
        "node_id": node_id("PullRequest", pull.id),
        "html_url": html,
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        "issue_url": issue,
        "commits_url": addresses["commits"],
        "review_comments_url": addresses["review_comments"],
        "review_comment_url": addresses["review_comment"],
        "comments_url": addresses["comments"],
        "statuses_url": addresses["statuses"],
        "number": pull.number,
        "state": pull.state,
        "locked": False,
        "title": pull.title,
        "user": show(call, pull.author),
        "body": pull.body,
        "labels": [issues.label_json(call, name) for name in pull.labels],
        "milestone": None,
        "active_lock_reason": None,
        "created_at": timestamp(pull.created_at),
        "updated_at": timestamp(pull.updated_at),
        "closed_at": timestamp(pull.closed_at) if pull.closed_at else None,
        "merged_at": timestamp(pull.merged_at) if pull.merged_at else None,
        "merge_commit_sha": merge,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "head": _side(call, pull.head_ref, pull.head_sha, repo, owner),
        "base": _side(call, pull.base_ref, base_of(repository, pull), repo, owner),
        "_links": {name: {"href": address} for name, address in addresses.items()},
        "author_association": shapes.association(call, pull.author),
        "auto_merge": None,
        "draft": pull.draft,
    }


def full_json(call: GitHubCall, pull: Pull) -> Json:
    """*pull-request*."""
    repository = call.repository
    mergeable: bool | None = None
    state = "unknown"
    if pull.state == "open":
        mergeable = test_merge(call.world, repository, pull) is not None
        if not mergeable:
            state = "dirty"
        elif pull.draft:
            state = "draft"
        else:
            state = "blocked" if unmet(repository, pull.base_ref, pull.head_sha) else "clean"
    files = files_of(repository, pull)
    comments = sum(c.issue == pull.number for c in repository.comments.values())
    return {
        **simple_json(call, pull, nullable=False),
        "merged": pull.merged_at is not None,
        "mergeable": mergeable,
        "rebaseable": mergeable,
        "mergeable_state": state,
        "merged_by": shapes.user_or_null(call, pull.merged_by),
        "comments": comments,
        "review_comments": 0,
        "maintainer_can_modify": pull.maintainer_can_modify,
        "commits": len(commits_of(repository, pull)),
        "additions": sum(change.additions for change in files),
        "deletions": sum(change.deletions for change in files),
        "changed_files": len(files),
    }


def list_pulls(call: GitHubCall) -> Response:
    """Pull requests, newest first, by *state*, *head* (`owner:branch`) and *base*."""
    query = call.request.query
    state, head, base = query.get("state", "open"), query.get("head", ""), query.get("base")
    owner, colon, branch = head.partition(":")
    rows = [
        pull
        for pull in call.repository.pulls.values()
        if state in ("all", pull.state)
        and (not base or pull.base_ref == base)
        # GitHub ignores a head without an owner.
        and (
            not colon
            or (pull.head_ref == branch and owner.lower() == call.repository.owner.login.lower())
        )
    ]
    by_update = query.get("sort") == "updated"
    rows.sort(key=lambda p: (p.updated_at if by_update else p.created_at, p.number))
    if query.get("direction", "desc") == "desc":
        rows.reverse()
    shown, links = page(call.here, call.request, rows, lambda pull: simple_json(call, pull))
    return as_json(shown, headers=links)


def get_pull(call: GitHubCall) -> Response:
    """One pull request in full."""
    return as_json(full_json(call, find(call)))


def create_pull(call: GitHubCall) -> Response:
    """Opens a pull request between two branches of the repository."""
    body = Body(call.request, "PullRequest")
    repository = call.repository
    owner, colon, branch = body.text("head").rpartition(":")
    base = body.text("base")
    title = body.text("title")
    if colon and owner.lower() != repository.owner.login.lower():
        raise invalid("PullRequest", "head", "invalid")
    head_sha, base_sha = repository.git.head(branch), repository.git.head(base)
    if head_sha is None:
        raise invalid("PullRequest", "head", "invalid")
    if base_sha is None:
        raise invalid("PullRequest", "base", "invalid")
    if not title.strip():
        raise invalid("PullRequest", "title", "missing_field")
    if any(
        (pull.state, pull.head_ref, pull.base_ref) == ("open", branch, base)
        for pull in repository.pulls.values()
    ):
        label = f"{repository.owner.login}:{branch}"
        raise refused("PullRequest", f"A pull request already exists for {label}.")
    if not repository.git.walk(head_sha, without=base_sha):
        raise refused("PullRequest", f"No commits between {base} and {branch}")
    pull = Pull(
        id=call.world.next_id(),
        number=next(repository.numbers),
        author=call.actor,
        title=title,
        body=body.optional("body"),
        head_ref=branch,
        head_sha=head_sha,
        base_ref=base,
        base_sha=base_sha,
        created_at=call.now,
        updated_at=call.now,
        draft=body.flag("draft"),
        maintainer_can_modify=False,
    )
    repository.pulls[pull.number] = pull
    moves.follow_head(pull, head_sha, base_sha)
    repository.git.set_refs({f"refs/pull/{pull.number}/head": head_sha})
    return as_json(full_json(call, pull), 201, {"Location": call.repo_url("pulls", pull.number)})


def may_edit(call: GitHubCall, author: Account) -> bool:
    """Whether the asker may change what *author* wrote: their own, or with write access."""
    viewer = call.viewer
    if viewer is None:
        return False
    if viewer.app is not None or viewer.account is author:
        return True
    return call.world.role(call.repository, viewer.account) in ("write", "maintain", "admin")


def update_pull(call: GitHubCall) -> Response:
    """Changes title, body, state or base."""
    pull = find(call)
    body = Body(call.request, "PullRequest")
    if not may_edit(call, pull.author):
        raise not_found()
    repository = call.repository
    state = body.choice("state", ("open", "closed"), pull.state)
    base = body.text("base", pull.base_ref)
    if base != pull.base_ref and repository.git.head(base) is None:
        raise invalid("PullRequest", "base", "invalid")
    if state != pull.state:
        if pull.merged_at is not None:
            raise refused("PullRequest", "state cannot be changed. The pull request is merged.")
        if state == "open":
            _reopen(repository, pull)
        else:
            pull.base_sha = base_of(repository, pull)
        pull.state = state
        pull.closed_at = None if state == "open" else call.now
        issues.note(call, pull, "reopened" if state == "open" else "closed")
    pull.title = body.text("title", pull.title)
    if "body" in body:
        pull.body = body.optional("body")
    if base != pull.base_ref:
        issues.note(call, pull, "base_ref_changed")
        pull.base_ref, pull.base_sha = base, repository.git.head(base) or pull.base_sha
    pull.updated_at = call.now
    return as_json(full_json(call, pull))


def _reopen(repository: HostedRepository, pull: Pull) -> None:
    head = repository.git.head(pull.head_ref)
    if head is None:
        raise refused("PullRequest", f"state cannot be changed. {pull.head_ref} was deleted.")
    moves.follow_head(pull, head, repository.git.head(pull.base_ref))
    repository.git.set_refs({f"refs/pull/{pull.number}/head": head})


def list_files(call: GitHubCall) -> Response:
    """The files that change; GitHub stops at 3,000."""
    pull = find(call)
    rows = files_of(call.repository, pull)[:FILES_CAP]
    shown, links = page(
        call.here, call.request, rows, lambda change: file_json(call, change, pull.head_sha)
    )
    return as_json(shown, headers=links)


def list_commits(call: GitHubCall) -> Response:
    """The commits, oldest first; GitHub stops at 250."""
    rows = commits_of(call.repository, find(call))[:COMMITS_CAP]
    shown, links = page(call.here, call.request, rows, lambda sha: commit_json(call, sha))
    return as_json(shown, headers=links)


def _shows_merge(call: GitHubCall, pull: Pull) -> bool:
    """Whether *pull* was merged, and long enough ago for the lists of commits to show it."""
    return pull.merged_at is not None and pull.merged_at <= call.now - call.world.lag


def pulls_of_commit(call: GitHubCall) -> Response:
    """The merged pull request that brought a commit to the default branch.

    For a commit that is not on it: every open or merged one that holds the commit.
    """
    repository = call.repository
    git, sha = repository.git, call.args["commit_sha"]
    if not git.has(sha, "commit"):
        raise not_found()
    main = git.head(repository.default_branch)
    landed = main is not None and git.is_ancestor(sha, main)
    rows = [
        pull
        for pull in repository.pulls.values()
        if (_shows_merge(call, pull) or (pull.state == "open" and not landed))
        and (sha in pull.landed or sha in commits_of(repository, pull))
    ]
    shown, links = page(call.here, call.request, rows, lambda pull: simple_json(call, pull))
    return as_json(shown, headers=links)


_PULL = f"{REPO}/pulls/{{pull_number}}"
_APP = ("pull_requests",)

ROUTES = (
    Route(method="GET", template=f"{REPO}/pulls", operation="pulls/list",
          handler=list_pulls, app=_APP),
    Route(method="POST", template=f"{REPO}/pulls", operation="pulls/create",
          handler=create_pull, app=_APP, level="write"),
    Route(method="GET", template=_PULL, operation="pulls/get", handler=get_pull, app=_APP),
    Route(method="PATCH", template=_PULL, operation="pulls/update",
          handler=update_pull, app=_APP, level="write"),
    Route(method="GET", template=f"{_PULL}/files", operation="pulls/list-files",
          handler=list_files, app=_APP),
    Route(method="GET", template=f"{_PULL}/commits", operation="pulls/list-commits",
          handler=list_commits, app=_APP),
    Route(method="GET", template=f"{REPO}/commits/{{commit_sha}}/pulls",
          operation="repos/list-pull-requests-associated-with-commit",
          handler=pulls_of_commit, app=_APP),
)  # fmt: skip
