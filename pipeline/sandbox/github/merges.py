"""Merging a pull request: bound to the judged head, by merge, squash or rebase."""

from __future__ import annotations

from pipeline.sandbox.github import moves
from pipeline.sandbox.github.gitvalues import Ident
from pipeline.sandbox.github.issues import note
from pipeline.sandbox.github.pulls import base_of, commits_of, find, test_merge
from pipeline.sandbox.github.routing import REPO, GitHubCall, Route
from pipeline.sandbox.github.rules import unmet, withheld
from pipeline.sandbox.github.state import Pull
from pipeline.sandbox.github.wire import ApiError, Body, Response, as_json, not_found


def check_merged(call: GitHubCall) -> Response:
    """204 for a merged pull request, 404 for any other."""
    if find(call).merged_at is None:
        raise not_found()
    return Response(status=204)


def merge(call: GitHubCall) -> Response:
    """Merges, if the head is still *sha*, nothing conflicts and every required check is met."""
    pull = find(call)
    body = Body(call.request, "PullRequest")
    repository = call.repository
    method = body.choice("merge_method", ("merge", "squash", "rebase"), "merge")
    title, message = body.optional("commit_title"), body.optional("commit_message")
    sha = body.optional("sha")
    if pull.state != "open":
        raise ApiError(405, "Pull Request is not mergeable")
    if pull.draft:
        raise ApiError(405, "Pull Request is still a draft")
    if sha is not None and sha != pull.head_sha:
        raise ApiError(409, "Head branch was modified. Review and try the merge again.")
    if test_merge(call.world, repository, pull) is None:
        raise ApiError(405, "Pull Request is not mergeable")
    if missing := (
        *withheld(repository, pull.base_ref, call.actor),
        *unmet(repository, pull.base_ref, pull.head_sha),
    ):
        raise ApiError(405, "Repository rule violations found\n\n" + "\n".join(missing))
    base = base_of(repository, pull)
    if method == "rebase":
        made = _rebase(call, pull, base)
    else:
        made = _commit(call, pull, base, squash=method == "squash", title=title, message=message)
    pull.landed = set(repository.git.walk(made, without=base))
    pull.state, pull.base_sha = "closed", base
    pull.merged_at = pull.closed_at = pull.updated_at = call.now
    pull.merged_by, pull.merge_commit_sha = call.actor, made
    for kind in ("merged", "closed"):
        note(call, pull, kind)
    ref = f"refs/heads/{pull.base_ref}"
    moves.move(call.world, repository, call.actor, {ref: made}, merging=True)
    return as_json({"sha": made, "merged": True, "message": "Pull Request successfully merged"})


def _github(call: GitHubCall) -> Ident:
    return Ident(name="GitHub", email="noreply@github.com", date=call.now)


def _commit(
    call: GitHubCall, pull: Pull, base: str, *, squash: bool, title: str | None, message: str | None
) -> str:
    git = call.repository.git
    tree = git.merge(base, pull.head_sha)
    if tree is None:
        raise ApiError(405, "Pull Request is not mergeable")
    if squash:
        author, parents = pull.author, [base]
        title = title or f"{pull.title} (#{pull.number})"
        if message is None:
            messages = [git.commit(sha).message for sha in commits_of(call.repository, pull)]
            message = "\n\n".join(f"* {text}" for text in messages) if len(messages) > 1 else ""
    else:
        author, parents = call.actor, [base, pull.head_sha]
        label = f"{call.repository.owner.login}/{pull.head_ref}"
        title = title or f"Merge pull request #{pull.number} from {label}"
        message = pull.title if message is None else message
    made = git.write_commit(
        tree=tree,
        parents=parents,
        author=Ident(name=author.login, email=author.email, date=call.now),
        committer=_github(call),
        message=f"{title}\n\n{message}" if message else title,
    )
    call.repository.signed.setdefault(made, call.now)
    return made


def _rebase(call: GitHubCall, pull: Pull, base: str) -> str:
    """Replays every commit on *base*; the committer becomes the merger. GitHub signs none."""
    git = call.repository.git
    tip = base
    for sha in commits_of(call.repository, pull):
        commit = git.commit(sha)
        if len(commit.parents) != 1:
            raise ApiError(405, "This branch can't be rebased")
        # A commit with the tip's tree beside the original makes their merge a cherry-pick.
        beside = git.write_commit(
            tree=git.commit(tip).tree,
            parents=commit.parents,
            author=commit.author,
            committer=commit.committer,
            message="cherry-pick",
        )
        tree = git.merge(beside, sha)
        if tree is None:
            raise ApiError(405, "This branch can't be rebased")
        tip = git.write_commit(
            tree=tree,
            parents=[tip],
            author=commit.author,
            committer=Ident(name=call.actor.login, email=call.actor.email, date=call.now),
            message=commit.message,
        )
    return tip


_MERGE = f"{REPO}/pulls/{{pull_number}}/merge"

ROUTES = (
    Route(method="GET", template=_MERGE, operation="pulls/check-if-merged",
          handler=check_merged, app=("contents",)),
    Route(method="PUT", template=_MERGE, operation="pulls/merge",
          handler=merge, app=("contents",), level="write", role="write"),
)  # fmt: skip
