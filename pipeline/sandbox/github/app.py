"""The stand-in as tests and the demo set it up and look into it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from types import TracebackType

from pipeline.sandbox.clock import Clock
from pipeline.sandbox.github import moves, rules, smart_http
from pipeline.sandbox.github.gitstore import GitStore
from pipeline.sandbox.github.gitvalues import EMPTY_TREE, Ident
from pipeline.sandbox.github.service import GitHubFault, LoggedRequest, Service
from pipeline.sandbox.github.state import (
    ROLES,
    Account,
    App,
    GitHubState,
    HostedRepository,
    HostedTeam,
    RequiredCheck,
    Ruleset,
    Viewer,
)
from pipeline.sandbox.github.wire import Observer
from pipeline.sandbox.server import Server


class GitHubSandbox:
    """A small GitHub on a loopback port, over real bare repositories below *root*.

    Everything is named as on GitHub: `org/repo`, logins, team slugs. Unknown names raise
    `KeyError`. Time is the clock's; *lag* is how long some lists stay behind, see `GitHubState`.
    """

    def __init__(self, clock: Clock, root: Path, *, lag: timedelta = timedelta(0)) -> None:
        self._world = GitHubState(clock, root, lag)
        self._service = Service(self._world)
        self._server = Server(self._service)
        self.url = self._server.url

    def stop(self) -> None:
        """Stops listening and ends git's reader processes; safe to call twice."""
        self._server.stop()
        for repository in self._world.repositories.values():
            repository.git.close()

    def __enter__(self) -> GitHubSandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # Accounts

    def _account(self, login: str, kind: str, number: int | None = None) -> Account:
        with self._service.lock:
            if login.lower() in self._world.accounts:
                raise ValueError(f"{login} is taken")
            account = Account(
                id=self._world.next_id() if number is None else number,
                login=login,
                type=kind,
                created_at=self._world.clock.now(),
            )
            self._world.accounts[login.lower()] = account
            return account

    def _token(self, prefix: str, viewer: Viewer) -> str:
        # Predictable on purpose: a demo run twice shows the same text.
        seed = f"{viewer.account.login}:{len(self._world.tokens)}"
        token = f"{prefix}_{hashlib.sha256(seed.encode()).hexdigest()[:36]}"
        self._world.tokens[token] = viewer
        return token

    def create_org(self, login: str) -> None:
        """Makes an organization."""
        self._account(login, "Organization")
        self._world.members[login.lower()] = set()

    def create_user(self, login: str, id: int | None = None) -> str:
        """Makes a person's (or machine's) account and returns a token of theirs."""
        return self._token("ghp", Viewer(account=self._account(login, "User", id)))

    def delete_user(self, login: str) -> None:
        """Deletes an account: its tokens stop, what it wrote shows null or `ghost`."""
        self.account(login).deleted = True

    def rename_user(self, login: str, to: str) -> None:
        """Renames an account; the old login is free for anyone."""
        if to.lower() in self._world.accounts:
            raise ValueError(f"{to} is taken")
        account = self._world.accounts.pop(login.lower())
        account.login = to
        self._world.accounts[to.lower()] = account

    def account(self, login: str) -> Account:
        """Returns an account, bots (`slug[bot]`) included."""
        return self._world.accounts[login.lower()]

    def create_team(
        self,
        org: str,
        slug: str,
        members: Iterable[str] | Mapping[str, str] = (),
        parent: str | None = None,
        id: int | None = None,
    ) -> None:
        """Makes a team. Members are `active`, unless a mapping says `pending`."""
        above = self._world.teams[org.lower(), parent.lower()] if parent else None
        team = HostedTeam(
            id=self._world.next_id() if id is None else id,
            org=self.account(org),
            slug=slug,
            created_at=self._world.clock.now(),
            parent=above,
        )
        self._world.teams[org.lower(), slug.lower()] = team
        states = members if isinstance(members, Mapping) else dict.fromkeys(members, "active")
        for login, state in states.items():
            self.set_membership(org, slug, login, state)

    def team_id(self, org: str, slug: str) -> int:
        """Returns a team's id, which no other team ever has."""
        return self._world.teams[org.lower(), slug.lower()].id

    def delete_team(self, org: str, slug: str) -> None:
        """Deletes a team; its slug is free for anyone."""
        del self._world.teams[org.lower(), slug.lower()]

    def rename_team(self, org: str, slug: str, to: str) -> None:
        """Renames a team, which keeps its id and its members; the old slug is free for anyone."""
        team = self._world.teams.pop((org.lower(), slug.lower()))
        team.slug = to
        self._world.teams[org.lower(), to.lower()] = team

    def set_membership(self, org: str, slug: str, login: str, state: str | None) -> None:
        """Sets a membership to `active` or `pending`, or (None) ends it."""
        team = self._world.teams[org.lower(), slug.lower()]
        account = self.account(login)
        if state is None:
            team.members.pop(account.id, None)
            return
        if state not in ("active", "pending"):
            raise ValueError(f"{state} is neither active nor pending")
        team.members[account.id] = state
        if state == "active":
            self._world.members[org.lower()].add(account.id)

    # Apps

    def create_app(
        self, slug: str, permissions: Mapping[str, str], *, org: str | None = None
    ) -> str:
        """Makes an App, installs it on an organization and returns an installation token.

        *permissions* as GitHub names them, each `read` or `write`: `{"checks": "write"}`.
        Without *org* the only one there is.
        """
        if org is None:
            (org,) = self._world.members
        app = App(
            id=self._world.next_id(),
            slug=slug,
            bot=self._account(f"{slug}[bot]", "Bot"),
            permissions=dict(permissions),
            owner=self.account(org),
            created_at=self._world.clock.now(),
        )
        self._world.apps[slug.lower()] = app
        return self.create_installation_token(slug)

    def create_installation_token(
        self, slug: str, permissions: Mapping[str, str] | None = None
    ) -> str:
        """Returns another token of an App, with fewer permissions where *permissions* says so.

        Raises `ValueError` for a permission that the App does not hold.
        """
        app = self._world.apps[slug.lower()]
        wanted = dict(app.permissions if permissions is None else permissions)
        for name, level in wanted.items():
            if app.permissions.get(name) not in (level, "write"):
                raise ValueError(f"{slug} does not hold {name}: {level}")
        return self._token("ghs", Viewer(account=app.bot, app=app, permissions=wanted))

    def integration_id(self, slug: str) -> int:
        """Returns an App's id, which required checks are pinned to."""
        return self._world.apps[slug.lower()].id

    # Repositories

    def create_repository(
        self,
        org: str,
        name: str,
        *,
        default_branch: str = "main",
        collaborators: Mapping[str, str] | None = None,
        private: bool = True,
        required_check: RequiredCheck | None = None,
        allow_direct_push: bool = False,
    ) -> HostedRepository:
        """Makes an empty repository.

        *collaborators* maps logins to `read`, `triage`, `write`, `maintain` or `admin`. With
        *required_check*, the default branch takes no force push and no deletion, and merges
        and pushes need the check on the new head, pushes not with *allow_direct_push*.
        """
        git = GitStore(self._world.root / org / f"{name}.git", default_branch=default_branch)
        smart_http.install_hook(git.path)
        made = HostedRepository(
            id=self._world.next_id(),
            owner=self.account(org),
            name=name,
            private=private,
            default_branch=default_branch,
            git=git,
            created_at=self._world.clock.now(),
            pushed_at=self._world.clock.now(),
        )
        self._world.repositories[made.full_name.lower()] = made
        for login, role in (collaborators or {}).items():
            self.set_collaborator(made.full_name, login, role)
        if required_check is not None:
            self.protect(
                made.full_name,
                default_branch,
                checks=(required_check,),
                allow_direct_push=allow_direct_push,
            )
        return made

    def repository(self, full_name: str) -> HostedRepository:
        """Returns a repository's state, for looking at."""
        return self._world.repositories[full_name.lower()]

    def set_collaborator(self, full_name: str, login: str, role: str) -> None:
        """Sets what an account may do in a repository; `none` ends it."""
        if role not in ROLES:
            raise ValueError(f"{role} is not one of {', '.join(ROLES)}")
        self.repository(full_name).collaborators[self.account(login).id] = role

    def protect(
        self,
        full_name: str,
        pattern: str,
        *,
        checks: tuple[RequiredCheck, ...] = (),
        deletion: bool = True,
        non_fast_forward: bool = True,
        pull_request: bool = False,
        updater: str | None = None,
        allow_direct_push: bool = False,
    ) -> None:
        """Puts a ruleset on the branches that match *pattern*; the flags say what it blocks.

        With *updater*, only that account may update them.
        """
        self.repository(full_name).rulesets.append(
            Ruleset(
                id=self._world.next_id(),
                name=f"protect {pattern}",
                patterns=(pattern,),
                created_at=self._world.clock.now(),
                deletion=deletion,
                non_fast_forward=non_fast_forward,
                checks=checks,
                pull_request=pull_request,
                updater=None if updater is None else self.account(updater).id,
                allow_direct_push=allow_direct_push,
            )
        )

    def clone_url(self, full_name: str, token: str | None = None) -> str:
        """Returns the address for `git clone`, with a token inside where one is given."""
        scheme, _, host = self.url.partition("://")
        login = f"x-access-token:{token}@" if token else ""
        return f"{scheme}://{login}{host}/{full_name}.git"

    def push_files(
        self,
        full_name: str,
        branch: str,
        files: Mapping[str, str | bytes | None],
        *,
        actor: str,
        message: str,
        start: str | None = None,
        author: str | None = None,
    ) -> str:
        """Commits *files* (None deletes) and pushes them as *actor*, without a clone.

        A new branch starts at the branch *start*, or from nothing. *author* is what the
        commit claims; who pushed stays *actor*. Returns the commit's id. Raises
        `PermissionError` where a ruleset refuses the push.
        """
        repository, who = self.repository(full_name), self.account(actor)
        claimed = self.account(author) if author else who
        git = repository.git
        with self._service.lock:
            old = git.head(branch)
            parent = old or (git.head(start) if start else None)
            changes = {
                path: None
                if content is None
                else (
                    "100644",
                    git.write("blob", content.encode() if isinstance(content, str) else content),
                )
                for path, content in files.items()
            }
            ident = Ident(name=claimed.login, email=claimed.email, date=self._world.clock.now())
            made = git.write_commit(
                tree=git.edit_tree(git.commit(parent).tree if parent else EMPTY_TREE, changes),
                parents=[parent] if parent else [],
                author=ident,
                committer=ident,
                message=message,
            )
            if said := rules.refused(repository, branch, old, made, who):
                raise PermissionError("; ".join(said))
            moves.move(self._world, repository, who, {f"refs/heads/{branch}": made})
            return made

    # Watching and disturbing

    @property
    def requests(self) -> tuple[LoggedRequest, ...]:
        """Every request so far, oldest first."""
        return tuple(self._service.log)

    def count(self, operation: str = ".*") -> int:
        """Returns how many requests had an operation (`pulls/merge`, `git/.*`) in full."""
        pattern = re.compile(operation)
        return sum(pattern.fullmatch(row.operation or "") is not None for row in self.requests)

    def observe(self, observer: Observer | None) -> None:
        """Shows every API request and its answer to *observer*, injected failures excepted."""
        self._service.observer = observer

    def fail_next(self, what: str, status: int, times: int = 1, *, after: bool = False) -> None:
        """Fails the next requests whose operation matches *what* in full or whose path holds it.

        With *after* the request takes effect first and only its answer is lost.
        """
        self._service.faults.append(
            GitHubFault(pattern=re.compile(what), status=status, times=times, after=after)
        )
