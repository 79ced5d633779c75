"""Pull requests as plain values, and the questions that a forge must answer about them.

Everything here is read from GitHub's API or from git objects, never from text that a
requester wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pipeline.values.catalogue import Team


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Actor:
    """A GitHub account. Ids are for ever; logins can be renamed and taken over."""

    id: int
    login: str
    type: str
    """`User`, `Bot`, `Organization` or `Mannequin`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PullRequest:
    """One pull request as the API tells it."""

    number: int
    author: Actor | None
    """None where the account was deleted."""

    state: str
    """`open` or `closed`."""

    base_ref: str
    head_ref: str
    head_sha: str
    same_repository: bool
    """Whether the head lies in the base's own repository: pushers of forks are unknowable."""

    draft: bool = False
    merged_at: datetime | None = None
    merge_commit_sha: str | None = None
    """Meaningful only once merged."""

    merged_by: Actor | None = None
    """None where it is not merged, or was listed among many."""

    conflicts: bool = False
    """Whether GitHub says that it cannot be merged into its base; False where that is not known
    (yet)."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class PullFile:
    """A file that a pull request changes."""

    path: str
    status: str
    """`added`, `modified`, `removed`, `renamed`, `copied`, `changed` or `unchanged`."""

    blob: str
    """Blob SHA at the head; for a removed file, at the base."""

    previous: str | None = None
    """Path before a rename."""

    @property
    def paths(self) -> frozenset[str]:
        """Every path that it changes: of a rename the former one too."""
        former = self.previous if self.status == "renamed" else None
        return frozenset(path for path in (self.path, former) if path)


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """One submitted review."""

    id: int
    author: Actor | None
    state: str
    """`APPROVED`, `CHANGES_REQUESTED`, `COMMENTED` or `DISMISSED`."""

    commit: str | None
    """The head that was reviewed; None where GitHub no longer knows it."""

    submitted_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Dismissal:
    """One time that a review was dismissed, by whoever may write."""

    review: int
    """The review's id."""

    at: datetime
    state: str
    """The review's state before: `APPROVED` or `CHANGES_REQUESTED`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PullTurn:
    """One time that a pull request was closed, opened again, made a draft or made ready."""

    kind: str
    """`closed`, `reopened`, `convert_to_draft` or `ready_for_review`."""

    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class PullEvents:
    """The events of a pull request that bear on what its reviews are about."""

    base_changes: tuple[datetime, ...] = ()
    """When its base branch was changed, oldest first."""

    dismissals: tuple[Dismissal, ...] = ()
    turns: tuple[PullTurn, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Checker:
    """The App that shows people what a pull request would give."""

    name: str
    """Of its check runs."""

    app: int
    """Its id as an App, which its check runs carry."""

    account: int | None = None
    """Its id as an account, which its comments carry; None where that is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckRun:
    """A finished check run on one commit."""

    id: int
    conclusion: str
    """GitHub's: `success`, `failure`, `action_required`, …"""

    external_id: str
    """What the App that posted it wrote there; only that App can."""

    completed_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Comment:
    """A comment on a pull request."""

    id: int
    author: Actor | None
    body: str
    updated_at: datetime
    """When it was written or changed last, by whomever."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Push:
    """One time that a branch was set to a commit: a push, or a merge by GitHub."""

    sha: str
    at: datetime
    by: Actor | None
    """None where the account is gone, or was not listed."""

    before: str | None = None
    """The commit that the branch was at; None where it was made, or that was not asked for."""

    former: bool = False
    """Whether the branch was deleted since: a name may be used again."""


class ForgeReader(Protocol):
    """Questions to GitHub. Raises `ForgeError` on failure, and `Denied` for what stays so."""

    def pull(self, number: int) -> PullRequest:
        """Returns the pull request with this number."""

    def pulls_of_commit(self, sha: str) -> tuple[PullRequest, ...]:
        """Returns the pull requests whose merge made the commit *sha*, on whatever branch.

        Of more than a few, `merged_by` is left out. Raises `Denied` where GitHub associates more
        pull requests with the commit than are read.
        """

    def files(self, number: int) -> tuple[PullFile, ...]:
        """Returns every file changed. Raises `Denied` at 3,000, where GitHub stops listing."""

    def reviews(self, number: int) -> tuple[Review, ...]:
        """Returns every submitted review, oldest first. Raises `Denied` where there are too
        many to be read."""

    def events(self, number: int) -> PullEvents:
        """Returns what became of the pull request, its base and its reviews. Raises `Denied`
        where there are too many events to be read."""

    def pushes_to(
        self, branch: str, *, until: datetime | None = None, head: str | None = None
    ) -> tuple[Push, ...]:
        """Returns each time that somebody pushed to, created or force-pushed *branch*, oldest
        first (activity API).

        *until* leaves out what came after a merge: a branch name may be used again. *head* is a
        commit that somebody must have set it to. Raises `Denied` where there are too many pushes
        to be read.
        """

    def check_runs(self, sha: str, *, name: str, app: int) -> tuple[CheckRun, ...]:
        """Returns the finished check runs called *name* that the App with id *app* posted on
        a commit, oldest first. Raises `Denied` where there are too many to be read."""

    def comments(self, number: int) -> tuple[Comment, ...]:
        """Returns the comments on a pull request's conversation, oldest first. Raises `Denied`
        where there are too many to be read."""

    def account(self, number: int) -> Actor | None:
        """Returns the account with this id under its present login; None where it is gone."""

    def shows_team(self, team: Team) -> bool:
        """Whether the organisation shows a team under this slug, and with this id."""

    def in_team(self, team: Team, actor: Actor) -> bool:
        """Whether membership is active, child teams included. Nobody is in a team that
        `shows_team` does not find: a slug can be taken over, and then names others."""

    def can_write(self, actor: Actor) -> bool:
        """Whether the account has write, maintain or admin permission on the repository."""


def runs_of(reader: ForgeReader, checker: Checker, sha: str) -> tuple[CheckRun, ...]:
    """Returns the finished check runs of *checker* on the commit *sha*; see
    `ForgeReader.check_runs`."""
    return reader.check_runs(sha, name=checker.name, app=checker.app)
