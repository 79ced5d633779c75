"""Branches on GitHub: what they were set to, by whom, and who signed what is on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from pipeline.forge.answers import actor_of, moment_at, number_at, text_at, value_at
from pipeline.forge.github_api import Api, Endless, tip_of
from pipeline.forge.plumbing import is_object_id, object_id, ref_name
from pipeline.record.vouch import Signature
from pipeline.values.pull_request import PullRequest, Push

PUSHES = frozenset({"push", "force_push", "branch_creation", "pr_merge", "merge_queue_merge"})
"""Types of activity that set a branch to a commit."""

BRANCH_DELETION = "branch_deletion"
_NOTHING = "0" * 40

_MOST_PAGES_OF_A_BRANCH = 10_000


class BranchReader:
    """Reads what became of the branches of one repository."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._root = api.root
        self._closed: list[Any] | None = None

    def default_branch(self) -> str:
        """Returns the name of the default branch."""
        return text_at(self._api.get(self._root), "default_branch")

    def tip(self, branch: str) -> str | None:
        """Returns the commit that *branch* is at; None where there is no such branch."""
        return tip_of(self._api, branch)

    def pushes(self, branch: str, *, merged_since: datetime) -> tuple[Push, ...]:
        """Returns every commit that *branch* was set to within the last month, oldest first.

        https://docs.github.com/rest/repos/repos#list-repository-activities
        The activity log can lack what came a moment ago; of that, merges since *merged_since* are
        found among the pull requests that were closed lately. Older ones are not looked for: the
        log has them, in their order.
        """
        ref = ref_name(f"refs/heads/{branch}")
        # The whole organisation makes this list long, and nothing makes it shorter.
        items = self._api.items(
            f"{self._root}/activity",
            {"ref": ref, "time_period": "month"},
            most_pages=_MOST_PAGES_OF_A_BRANCH,
        )
        found = [
            push_of(item)
            # GitHub lists the latest first, unless it is asked otherwise.
            for item in reversed(list(items))
            if text_at(item, "ref") == ref and text_at(item, "activity_type") in PUSHES
        ]
        listed = {push.sha for push in found}
        merged = [
            Push(sha=pull.merge_commit_sha, at=pull.merged_at, by=None)
            for pull in map(pull_of, self.closed_lately())
            if pull.merged_at is not None
            and pull.merged_at >= merged_since
            and pull.merge_commit_sha is not None
            # A pull request counts as merged, too, when its head comes with another one.
            and pull.merge_commit_sha != pull.head_sha
            and pull.base_ref == branch
            and pull.merge_commit_sha not in listed
        ]
        # Of one second, what the log lacks comes first: a push must not cover it up.
        return tuple(sorted([*merged, *found], key=lambda push: push.at))

    def signatures(self, head: str) -> Iterator[Signature]:
        """Yields what GitHub says of the commit *head* and all before it, newest first; pages
        are asked for as they are needed.

        https://docs.github.com/rest/commits/commits#list-commits
        """
        query = {"sha": object_id(head)}
        for item in self._api.items(
            f"{self._root}/commits", query, most_pages=_MOST_PAGES_OF_A_BRANCH
        ):
            author, committer = actor_of(item.get("author")), actor_of(item.get("committer"))
            yield Signature(
                sha=object_id(text_at(item, "sha")),
                parents=tuple(text_at(one, "sha") for one in value_at(item, "parents")),
                author=author.id if author else None,
                committer=committer.id if committer else None,
                signed=value_at(item, "commit", "verification", "verified") is True,
                message=text_at(item, "commit", "message"),
            )

    def merge_made(self, sha: str) -> bool:
        """Whether merging a pull request made the commit *sha*, on whatever branch.

        Where there are more pull requests than are read, one of them may have.
        """
        listed = self._api.items(f"{self._root}/commits/{object_id(sha)}/pulls")
        try:
            if any(merged_as(item, sha) for item in listed):
                return True
        except Endless:
            return True
        return any(merged_as(item, sha) for item in self.closed_lately())

    def closed_lately(self) -> list[Any]:
        """Returns a page of the pull requests that were closed or changed last, once per instance.

        A merge shows here at once, while the list of a commit's pull requests can lack it for
        some seconds: release-drafter/release-drafter#871.
        https://docs.github.com/rest/pulls/pulls#list-pull-requests
        """
        if self._closed is None:
            query = {"state": "closed", "sort": "updated", "direction": "desc"}
            self._closed = []
            with suppress(Endless):
                for item in self._api.items(f"{self._root}/pulls", query, most_pages=1):
                    self._closed.append(item)
        return self._closed


def pull_of(data: Any) -> PullRequest:
    """Returns the pull request that GitHub wrote as *data*, in full or in a list."""
    head_repository = value_at(data, "head", "repo")
    merged_at = moment_at(data, "merged_at") if data.get("merged_at") is not None else None
    merge_sha = data.get("merge_commit_sha")
    return PullRequest(
        number=number_at(data, "number"),
        author=actor_of(data.get("user")),
        state=text_at(data, "state"),
        base_ref=text_at(data, "base", "ref"),
        head_ref=text_at(data, "head", "ref"),
        head_sha=object_id(text_at(data, "head", "sha")),
        # A fork that was deleted has no repository.
        same_repository=head_repository is not None
        and number_at(head_repository, "id") == number_at(data, "base", "repo", "id"),
        draft=data.get("draft") is True,
        merged_at=merged_at,
        merge_commit_sha=merge_sha
        if merged_at and isinstance(merge_sha, str) and is_object_id(merge_sha)
        else None,
        merged_by=actor_of(data.get("merged_by")),
        conflicts=data.get("mergeable") is False,
    )


def push_of(item: Any, *, former: bool = False) -> Push:
    """Returns the push that GitHub wrote as *item* of the activity log."""
    before = text_at(item, "before")
    return Push(
        sha=object_id(text_at(item, "after")),
        at=moment_at(item, "timestamp"),
        by=actor_of(item.get("actor")),
        before=None if before == _NOTHING else object_id(before),
        former=former,
    )


def merged_as(item: Any, sha: str) -> bool:
    """Whether merging the pull request *item* of a list made the commit *sha*."""
    return item.get("merged_at") is not None and item.get("merge_commit_sha") == sha
