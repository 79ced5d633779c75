"""What the stand-in remembers: accounts, apps, teams, repositories and what hangs on them.

Plain mutable records; every rule about them lives with its topic. All times are aware UTC.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

from pipeline.sandbox.clock import Clock
from pipeline.sandbox.github.gitstore import GitStore
from pipeline.sandbox.github.wire import Json

ROLES = ("none", "read", "triage", "write", "maintain", "admin")


@dataclass(kw_only=True, slots=True, eq=False)
class Account:
    """A user, an organization, or the bot of an App."""

    id: int
    login: str
    type: str
    created_at: datetime
    deleted: bool = False

    @property
    def email(self) -> str:
        """The private address that GitHub gives everyone."""
        return f"{self.id}+{self.login}@users.noreply.github.com"


@dataclass(kw_only=True, slots=True, eq=False)
class App:
    """A GitHub App. Its id is the *integration id* that required checks are pinned to."""

    id: int
    slug: str
    bot: Account
    permissions: dict[str, str]
    owner: Account
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Viewer:
    """Who a token speaks for. With an App, *permissions* bound what it may do."""

    account: Account
    app: App | None = None
    permissions: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True, slots=True, eq=False)
class HostedTeam:
    """A team of an organization; members by account id with state `active` or `pending`."""

    id: int
    org: Account
    slug: str
    created_at: datetime
    members: dict[int, str] = field(default_factory=dict)
    parent: HostedTeam | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RequiredCheck:
    """A check that must succeed before a merge, and the App that must have posted it."""

    context: str
    integration_id: int | None = None


@dataclass(kw_only=True, slots=True, eq=False)
class Ruleset:
    """Rules for branches matching *patterns* (`main`, `daypass/*`)."""

    id: int
    name: str
    patterns: tuple[str, ...]
    created_at: datetime
    deletion: bool = True
    non_fast_forward: bool = True
    checks: tuple[RequiredCheck, ...] = ()
    pull_request: bool = False
    """Whether every change has to come through a pull request (rule `pull_request`).

    https://docs.github.com/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets/available-rules-for-rulesets
    """

    updater: int | None = None
    """Id of the only account that may update (rule `update`, which it bypasses); None for any."""

    allow_direct_push: bool = False
    """True leaves a hole on purpose: pushes that should need the checks are let through."""

    def covers(self, branch: str) -> bool:
        """Whether the rules hold for a branch."""
        return any(fnmatchcase(branch, pattern) for pattern in self.patterns)


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity:
    """One change of one ref, by the account that really made it."""

    id: int
    ref: str
    before: str
    after: str
    actor: Account
    activity_type: str
    timestamp: datetime


@dataclass(kw_only=True, slots=True, eq=False)
class StoredReview:
    """One review, bound to the commit that was looked at."""

    id: int
    author: Account
    state: str
    body: str
    commit_id: str
    submitted_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PullEvent:
    """Something that happened to a pull request, as its timeline keeps it."""

    id: int
    kind: str
    actor: Account
    at: datetime
    dismissed: Json | None = None
    """Of a dismissed review: its former state, id and the message."""


@dataclass(kw_only=True, slots=True, eq=False)
class StoredComment:
    """A comment on an issue or a pull request."""

    id: int
    issue: int
    author: Account
    app: App | None
    body: str
    created_at: datetime
    updated_at: datetime


@dataclass(kw_only=True, slots=True, eq=False)
class Pull:
    """A pull request within one repository."""

    id: int
    number: int
    author: Account
    title: str
    body: str | None
    head_ref: str
    head_sha: str
    base_ref: str
    base_sha: str
    created_at: datetime
    updated_at: datetime
    draft: bool = False
    state: str = "open"
    closed_at: datetime | None = None
    merged_at: datetime | None = None
    merged_by: Account | None = None
    merge_commit_sha: str | None = None
    maintainer_can_modify: bool = False
    reviews: list[StoredReview] = field(default_factory=list)
    events: list[PullEvent] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    known_heads: set[str] = field(default_factory=set)
    landed: set[str] = field(default_factory=set)
    """Commits that merging put on the base branch."""

    tested: tuple[str, str, str | None] | None = None
    """Base, head and the test merge commit last made for them."""


@dataclass(kw_only=True, slots=True, eq=False)
class StoredCheckRun:
    """A check run. *output* holds title, summary and text; annotations add up."""

    id: int
    suite: int
    app: App
    name: str
    head_sha: str
    status: str
    conclusion: str | None
    started_at: datetime | None
    completed_at: datetime | None
    details_url: str | None
    external_id: str
    output: dict[str, str | None]
    annotations: list[Json] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitStatus:
    """A commit status and who posted it."""

    id: int
    sha: str
    context: str
    state: str
    description: str | None
    target_url: str | None
    creator: Account
    app: App | None
    created_at: datetime


@dataclass(kw_only=True, slots=True, eq=False)
class HostedRepository:
    """One repository: its git store and everything GitHub keeps beside it."""

    id: int
    owner: Account
    name: str
    private: bool
    default_branch: str
    git: GitStore
    created_at: datetime
    pushed_at: datetime
    collaborators: dict[int, str] = field(default_factory=dict)
    rulesets: list[Ruleset] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    pulls: dict[int, Pull] = field(default_factory=dict)
    comments: dict[int, StoredComment] = field(default_factory=dict)
    check_runs: dict[int, StoredCheckRun] = field(default_factory=dict)
    suites: dict[tuple[int, str], int] = field(default_factory=dict)
    statuses: list[CommitStatus] = field(default_factory=list)
    signed: dict[str, datetime] = field(default_factory=dict)
    """Commits that GitHub itself made and signed, with the moment of it."""

    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def full_name(self) -> str:
        """Owner and name."""
        return f"{self.owner.login}/{self.name}"

    def rules_for(self, branch: str) -> list[Ruleset]:
        """Returns the rulesets that hold for a branch."""
        return [rules for rules in self.rulesets if rules.covers(branch)]


class GitHubState:
    """All state of one stand-in."""

    def __init__(self, clock: Clock, root: Path, lag: timedelta) -> None:
        self.clock = clock
        self.lag = lag
        """How long the activity log and the list of a commit's pull requests stay behind.

        Who pushed is not told right after the push (palantir/policy-bot#78), nor who brought a
        commit right after the merge (release-drafter/release-drafter#871), while the list of pull
        requests shows it at once.
        """

        self.root = root
        self.ids = itertools.count(1001)
        self.accounts: dict[str, Account] = {}
        self.apps: dict[str, App] = {}
        self.teams: dict[tuple[str, str], HostedTeam] = {}
        self.members: dict[str, set[int]] = {}
        self.repositories: dict[str, HostedRepository] = {}
        self.tokens: dict[str, Viewer] = {}
        # The two accounts GitHub itself acts as; their ids are GitHub's.
        self.ghost = self._system(10137, "ghost")
        self.web_flow = self._system(19864447, "web-flow")

    def _system(self, number: int, login: str) -> Account:
        account = Account(id=number, login=login, type="User", created_at=self.clock.now())
        self.accounts[login] = account
        return account

    def next_id(self) -> int:
        """Returns a number never used before, those given to accounts by hand included."""
        taken = {account.id for account in self.accounts.values()}
        return next(number for number in self.ids if number not in taken)

    def account(self, login: str) -> Account | None:
        """Returns the account with this login; logins know no case."""
        found = self.accounts.get(login.lower())
        return found if found is not None and not found.deleted else None

    def account_by_id(self, number: int) -> Account:
        """Returns the account with this id; raises `KeyError` where there never was one."""
        for account in self.accounts.values():
            if account.id == number:
                return account
        raise KeyError(number)

    def repository(self, owner: str, name: str) -> HostedRepository | None:
        """Returns a repository by owner and name, of any case."""
        return self.repositories.get(f"{owner}/{name}".lower())

    def team(self, org: str, slug: str) -> HostedTeam | None:
        """Returns a team by organization and slug."""
        return self.teams.get((org.lower(), slug.lower()))

    def role(self, repository: HostedRepository, account: Account) -> str:
        """Returns what an account may do in a repository; one of `ROLES`."""
        granted = repository.collaborators.get(account.id, "none")
        if granted == "none" and not repository.private:
            return "read"
        return granted

    def author_of(self, email: str) -> Account | None:
        """Returns the account that GitHub links to a commit's e-mail address."""
        if email == "noreply@github.com":
            return self.web_flow
        for account in self.accounts.values():
            if account.email == email and not account.deleted:
                return account
        return None
