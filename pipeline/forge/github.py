"""GitHub's REST API, read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

from pipeline.errors import Denied, ForgeError, Incomplete
from pipeline.forge.answers import actor_of, moment_at, number_at, text_at, value_at
from pipeline.forge.github_api import API_URL, PER_PAGE, Api, comments_of
from pipeline.forge.github_branches import (
    BRANCH_DELETION,
    PUSHES,
    BranchReader,
    merged_as,
    pull_of,
    push_of,
)
from pipeline.forge.plumbing import object_id, ref_name
from pipeline.values.catalogue import Team
from pipeline.values.pull_request import (
    Actor,
    CheckRun,
    Comment,
    Dismissal,
    PullEvents,
    PullFile,
    PullRequest,
    PullTurn,
    Push,
    Review,
)

T = TypeVar("T")

FILES_CAP = 3000
"""https://docs.github.com/rest/pulls/pulls#list-pull-requests-files"""

RUNS_CAP = 1000
"""Check runs of one name that GitHub keeps of a commit."""

_MOST_PAGES_OF_PULLS = 1_000
_MOST_IN_FULL = 10
# https://docs.github.com/rest/using-the-rest-api/issue-event-types: by hand, and by GitHub where
# the base branch was deleted after its own merge.
_BASE_CHANGES = frozenset({"base_ref_changed", "automatic_base_change_succeeded"})
_TURNS = frozenset({"closed", "reopened", "convert_to_draft", "ready_for_review"})
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]*")
_WRITERS = frozenset({"admin", "maintain", "write"})


class GitHubReader(BranchReader):
    """A `ForgeReader` over GitHub's API; it cannot write.

    Accounts, teams, membership and permissions are asked once per instance: make one per run. Token
    permissions: pull requests, contents, metadata and (organisation) members, all read.
    """

    def __init__(
        self,
        repository: str,
        token: str,
        *,
        api_url: str = API_URL,
        timeout: int = 30,
        pace: bool = True,
        wait: Callable[[], bool] = lambda: False,
    ) -> None:
        """*wait* waits for lists that lag behind, and returns False where no time is left."""
        super().__init__(Api(repository, token, api_url=api_url, timeout=timeout, pace=pace))
        self._wait = wait
        self._accounts: dict[int, Actor | None] = {}
        self._teams: dict[str, int | None] = {}
        self._members: dict[tuple[int, int], bool] = {}
        self._writers: dict[int, bool] = {}
        # By when it was merged, too: a branch name may be used again.
        self._heads: dict[tuple[str, datetime | None], set[str]] = {}

    def pull(self, number: int) -> PullRequest:
        """See `ForgeReader.pull`."""
        return self._pull(self._api.get(f"{self._root}/pulls/{number:d}"))

    def open_pulls(
        self, *, head: str | None = None, base: str | None = None
    ) -> tuple[PullRequest, ...]:
        """Returns the open pull requests, optionally from branch *head* and into *base*.

        Raises `Denied` where there are more than are read.
        """
        query: dict[str, Any] = {"state": "open"}
        if head is not None:
            query["head"] = f"{self._api.owner}:{head}"
        if base is not None:
            query["base"] = base
        items = self._api.pages(
            f"{self._root}/pulls",
            query,
            way_out="close pull requests that nobody needs",
            most_pages=_MOST_PAGES_OF_PULLS,
        )
        return tuple(self._pull(item) for item in items)

    def pulls_of_commit(self, sha: str) -> tuple[PullRequest, ...]:
        """See `ForgeReader.pulls_of_commit`.

        https://docs.github.com/rest/commits/commits#list-pull-requests-associated-with-a-commit
        """
        listed = self._api.pages(
            f"{self._root}/commits/{object_id(sha)}/pulls",
            way_out="bring the change as a new commit",
        )

        def merged(items: Iterable[Any]) -> dict[int, Any]:
            return {number_at(item, "number"): item for item in items if merged_as(item, sha)}

        brought = merged(listed) or merged(self.closed_lately())
        if len(brought) > _MOST_IN_FULL:
            return tuple(self._pull(brought[number]) for number in sorted(brought))
        # The list leaves out who merged, so each is read in full.
        return tuple(self.pull(number) for number in sorted(brought))

    def open_with_head(self, sha: str, *, base: str) -> tuple[PullRequest, ...]:
        """Returns the open pull requests into *base* whose head is the commit *sha*, drafts among
        them. Raises `Denied` where GitHub associates more with the commit than are read."""
        items = self._api.pages(
            f"{self._root}/commits/{object_id(sha)}/pulls", way_out="push a commit of your own"
        )
        found = (self._pull(item) for item in items)
        return tuple(
            one for one in found if (one.state, one.head_sha, one.base_ref) == ("open", sha, base)
        )

    def files(self, number: int) -> tuple[PullFile, ...]:
        """See `ForgeReader.files`; also raises when the count is not the pull request's."""
        return self._once_listed(lambda: self._files(number))

    def _files(self, number: int) -> tuple[PullFile, ...]:
        split = "split the pull request"
        items = self._api.pages(f"{self._root}/pulls/{number:d}/files", way_out=split)
        whole = number_at(self._api.get(f"{self._root}/pulls/{number:d}"), "changed_files")
        if max(len(items), whole) >= FILES_CAP:
            raise Denied(
                f"#{number} changes {whole} files, and GitHub stops listing at {FILES_CAP}",
                hint=split,
            )
        if len(items) != whole:
            raise Incomplete(
                f"#{number} changes {whole} files, GitHub lists {len(items)}",
                hint="run it again in a minute",
            )
        return tuple(
            PullFile(
                path=text_at(item, "filename"),
                status=text_at(item, "status"),
                blob=text_at(item, "sha"),
                previous=text_at(item, "previous_filename")
                if "previous_filename" in item
                else None,
            )
            for item in items
        )

    def reviews(self, number: int) -> tuple[Review, ...]:
        """See `ForgeReader.reviews`."""
        items = self._api.pages(
            f"{self._root}/pulls/{number:d}/reviews", way_out="open another pull request"
        )
        found = [
            Review(
                id=number_at(item, "id"),
                author=actor_of(item.get("user")),
                state=text_at(item, "state"),
                commit=text_at(item, "commit_id") if item.get("commit_id") is not None else None,
                submitted_at=moment_at(item, "submitted_at"),
            )
            for item in items
            # One's own draft of a review: not submitted, so it has no time.
            if text_at(item, "state") != "PENDING"
        ]
        return tuple(sorted(found, key=lambda review: (review.submitted_at, review.id)))

    def events(self, number: int) -> PullEvents:
        """See `ForgeReader.events`.

        https://docs.github.com/rest/issues/timeline#list-timeline-events-for-an-issue
        """
        items = self._api.pages(
            f"{self._root}/issues/{number:d}/timeline", way_out="open another pull request"
        )
        return PullEvents(
            base_changes=tuple(
                sorted(
                    moment_at(item, "created_at")
                    for item in items
                    # Not every kind of event says which it is.
                    if item.get("event") in _BASE_CHANGES
                )
            ),
            dismissals=tuple(
                Dismissal(
                    review=number_at(item, "dismissed_review", "review_id"),
                    at=moment_at(item, "created_at"),
                    state=text_at(item, "dismissed_review", "state").upper(),
                )
                for item in items
                if item.get("event") == "review_dismissed"
            ),
            turns=tuple(
                PullTurn(kind=item["event"], at=moment_at(item, "created_at"))
                for item in items
                if item.get("event") in _TURNS
            ),
        )

    def pushes_to(
        self, branch: str, *, until: datetime | None = None, head: str | None = None
    ) -> tuple[Push, ...]:
        """See `ForgeReader.pushes_to`.

        Also raises when the head of a pull request that this reader was asked for, and that
        was merged at *until*, is in no push listed: the list may lag behind, or forget.
        """
        return self._once_listed(lambda: self._pushes_to(branch, until, head))

    def _pushes_to(self, branch: str, until: datetime | None, head: str | None) -> tuple[Push, ...]:
        ref = ref_name(f"refs/heads/{branch}")
        anew = "push the branch under a new name"
        items = [
            item
            for item in self._api.pages(f"{self._root}/activity", {"ref": ref}, way_out=anew)
            if text_at(item, "ref") == ref
            and (until is None or moment_at(item, "timestamp") <= until)
        ]
        found: list[Push] = []
        former = False
        # GitHub lists the latest first, unless it is asked otherwise.
        for item in items:
            kind = text_at(item, "activity_type")
            former = former or kind == BRANCH_DELETION
            if kind in PUSHES:
                found.append(push_of(item, former=former))
        unknown = self._heads.get((branch, until), set()) | ({head} if head else set())
        unknown -= {push.sha for push in found}
        if not found or unknown:
            which = f"{sorted(unknown)[0][:7]} to {branch}" if unknown else branch
            raise Incomplete(
                f"GitHub does not say who pushed {which}",
                hint=f"run it again in a minute; if it stays so, {anew}",
            )
        return tuple(reversed(found))

    def check_runs(self, sha: str, *, name: str, app: int) -> tuple[CheckRun, ...]:
        """See `ForgeReader.check_runs`.

        https://docs.github.com/rest/checks/runs#list-check-runs-for-a-git-reference
        """
        return self._once_listed(lambda: self._check_runs(sha, name, app))

    def _check_runs(self, sha: str, name: str, app: int) -> tuple[CheckRun, ...]:
        items: list[Any] = []
        page, whole = 0, 1
        while len(items) < whole:
            page += 1
            answer = self._api.get(
                f"{self._root}/commits/{object_id(sha)}/check-runs",
                {
                    "check_name": name,
                    "app_id": app,
                    "filter": "all",
                    "per_page": PER_PAGE,
                    "page": page,
                },
            )
            whole, listed = number_at(answer, "total_count"), value_at(answer, "check_runs")
            if whole > RUNS_CAP:
                # Nothing makes them fewer: as an outage it would stop every later run.
                raise Denied(
                    f"{sha[:7]} has {whole} check runs called {name}, at most {RUNS_CAP} are read",
                    hint="push a new commit",
                )
            if not isinstance(listed, list) or not (listed or len(items) == whole):
                raise Incomplete(f"GitHub does not list every check run of {sha[:7]}")
            items.extend(listed)
        found = [
            CheckRun(
                id=number_at(item, "id"),
                conclusion=text_at(item, "conclusion"),
                external_id=item.get("external_id") or "",
                completed_at=moment_at(item, "completed_at"),
            )
            for item in items
            # Asked for already; an answer that ignores the question must not count.
            if text_at(item, "status") == "completed"
            and text_at(item, "name") == name
            and number_at(item, "app", "id") == app
        ]
        return tuple(sorted(found, key=lambda run: (run.completed_at, run.id)))

    def account(self, number: int) -> Actor | None:
        """See `ForgeReader.account`.

        https://docs.github.com/rest/users/users#get-a-user-using-their-id
        """
        if number not in self._accounts:
            found = self._api.find(f"/user/{number:d}")
            actor = None if found is None else actor_of(found)
            if actor is not None and actor.id != number:
                raise ForgeError(f"GitHub answered with account {actor.id} instead of {number}")
            self._accounts[number] = actor
        return self._accounts[number]

    def shows_team(self, team: Team) -> bool:
        """See `ForgeReader.shows_team`; the organisation is the repository's.

        https://docs.github.com/rest/teams/teams#get-a-team-by-name
        """
        if not _SLUG.fullmatch(team.slug):
            return False
        if team.slug not in self._teams:
            found = self._api.find(f"/orgs/{self._api.owner}/teams/{team.slug}")
            self._teams[team.slug] = None if found is None else number_at(found, "id")
        return self._teams[team.slug] == team.id

    def in_team(self, team: Team, actor: Actor) -> bool:
        """See `ForgeReader.in_team`.

        https://docs.github.com/rest/teams/members#get-team-membership-for-a-user
        """
        if not self.shows_team(team):
            return False
        key = (team.id, actor.id)
        if key not in self._members:
            found = self._api.find(
                f"/orgs/{self._api.owner}/teams/{team.slug}/memberships/{_part(actor.login)}"
            )
            self._members[key] = found is not None and text_at(found, "state") == "active"
        return self._members[key]

    def can_write(self, actor: Actor) -> bool:
        """See `ForgeReader.can_write`."""
        if actor.id not in self._writers:
            found = self._api.find(f"{self._root}/collaborators/{_part(actor.login)}/permission")
            self._writers[actor.id] = (
                found is not None
                and text_at(found, "permission") in _WRITERS
                # A login that changed hands since the review was read is someone else.
                and number_at(found, "user", "id") == actor.id
            )
        return self._writers[actor.id]

    def comments(self, number: int) -> tuple[Comment, ...]:
        """See `ForgeReader.comments`."""
        return comments_of(self._api, number)

    def _once_listed(self, read: Callable[[], T]) -> T:
        """Returns what *read* returns, which is tried again while lists that lag may catch up.

        Right after a push GitHub does not always tell who pushed: palantir/policy-bot#78.
        """
        while True:
            try:
                return read()
            except Incomplete:
                if not self._wait():
                    raise

    def _pull(self, data: Any) -> PullRequest:
        pull = pull_of(data)
        if pull.same_repository:
            self._heads.setdefault((pull.head_ref, pull.merged_at), set()).add(pull.head_sha)
        return pull


def _part(login: str) -> str:
    return quote(login, safe="")
