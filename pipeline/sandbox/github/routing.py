"""From a request to the function that answers it, past the gates of token and permission."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from pipeline.sandbox.github.state import ROLES, Account, GitHubState, HostedRepository, Viewer
from pipeline.sandbox.github.wire import ApiError, ApiRequest, Response, forbidden, not_found
from pipeline.values.canonical import timestamp

REPO = "/repos/{owner}/{repo}"
"""Where a repository's operations begin."""

# What may hold slashes: branch names, paths and refs.
_DEEP = frozenset({"path", "ref", "branch", "basehead"})


@dataclass(frozen=True, kw_only=True, slots=True)
class GitHubCall:
    """One request on its way: who asks, for what, and where the answer's links lead."""

    world: GitHubState
    request: ApiRequest
    viewer: Viewer | None
    base: str
    """Root of API addresses, as the client wrote it."""

    site: str
    """Root of the pages for people."""

    args: dict[str, str] = field(default_factory=dict)
    repo: HostedRepository | None = None

    @property
    def repository(self) -> HostedRepository:
        """The repository of the path."""
        if self.repo is None:
            raise not_found()
        return self.repo

    @property
    def actor(self) -> Account:
        """The account that the token speaks for."""
        if self.viewer is None:
            raise ApiError(401, "Requires authentication")
        return self.viewer.account

    @property
    def now(self) -> datetime:
        """The clock's moment."""
        return self.world.clock.now()

    @property
    def stamp(self) -> str:
        """The clock's moment, as GitHub writes times."""
        return timestamp(self.now)

    @property
    def here(self) -> str:
        """Address of this request without its query."""
        return self.base + quote(self.request.path)

    def number(self, name: str) -> int:
        """Returns a numeric part of the path; anything else does not exist."""
        text = self.args[name]
        if not text.isdecimal():
            raise not_found()
        return int(text)

    def repo_url(self, *parts: object) -> str:
        """Returns the API address of something in the path's repository."""
        tail = "".join(f"/{quote(str(part))}" for part in parts)
        return f"{self.base}/repos/{self.repository.full_name}{tail}"

    def page_url(self, *parts: object) -> str:
        """Returns the address for people of something in the path's repository."""
        tail = "".join(f"/{quote(str(part))}" for part in parts)
        return f"{self.site}/{self.repository.full_name}{tail}"


Handler = Callable[[GitHubCall], Response]


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """One operation of GitHub's description and what it takes to call it."""

    method: str
    template: str
    operation: str
    """`operationId` in GitHub's OpenAPI description."""

    handler: Handler
    app: tuple[str, ...] = ("metadata",)
    """App permissions, any of which suffices at *level*."""

    level: str = "read"
    role: str = "read"
    """Repository role that a person needs."""

    @property
    def pattern(self) -> re.Pattern[str]:
        """The template as an expression."""
        parts = re.split(r"\{(\w+)\}", self.template)
        text = "".join(
            re.escape(part) if at % 2 == 0 else f"(?P<{part}>{'.+' if part in _DEEP else '[^/]+'})"
            for at, part in enumerate(parts)
        )
        return re.compile(text)


class Router:
    """Finds the operation for a request."""

    def __init__(self, routes: Iterable[Route]) -> None:
        # Literal parts win over placeholders: `/commits/{ref}/pulls` before `/commits/{ref}`.
        ordered = sorted(
            routes, key=lambda r: (-r.template.count("/"), r.template.count("{"), r.template)
        )
        self._routes = [(route.method, route.pattern, route) for route in ordered]

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Returns the operation and the parts of its path; None where nothing is served."""
        for served, pattern, route in self._routes:
            if served == method and (match := pattern.fullmatch(path)):
                return route, match.groupdict()
        return None


def authenticate(world: GitHubState, header: str | None) -> Viewer | None:
    """Returns whose token an Authorization header carries, None without a header.

    Accepts `token X`, `Bearer X` and Basic with the token as password. Raises a 401.
    """
    if header is None:
        return None
    scheme, _, value = header.partition(" ")
    token = value.strip()
    if scheme.lower() == "basic":
        try:
            user, _, token = base64.b64decode(token).decode().partition(":")
        except ValueError:
            raise ApiError(401, "Bad credentials") from None
        token = token or user
    elif scheme.lower() not in ("token", "bearer"):
        raise ApiError(401, "Bad credentials")
    viewer = world.tokens.get(token)
    if viewer is None or viewer.account.deleted:
        raise ApiError(401, "Bad credentials")
    return viewer


def may(
    world: GitHubState, viewer: Viewer | None, repository: HostedRepository, role: str, *app: str
) -> bool:
    """Whether a token may act in a repository at *role*: by App permission or by the person's."""
    if viewer is None:
        return role == "read" and not repository.private
    if viewer.app is not None:
        level = "read" if role == "read" else "write"
        return viewer.app.owner is repository.owner and allowed(viewer, level, *app)
    return ROLES.index(world.role(repository, viewer.account)) >= ROLES.index(role)


def allowed(viewer: Viewer, level: str, *app: str) -> bool:
    """Whether an App's token holds one of these permissions. Everybody may read metadata."""
    if "metadata" in app and level == "read":
        return True
    return any(viewer.permissions.get(name) in (level, "write") for name in app)


def authorize(call: GitHubCall, route: Route) -> None:
    """Raises the 404 or 403 that GitHub answers where the token does not suffice."""
    viewer = call.viewer
    if call.repo is not None:
        if not may(call.world, viewer, call.repo, "read", "metadata"):
            raise not_found()
        if viewer is not None and viewer.app is not None:
            if not allowed(viewer, route.level, *route.app):
                raise forbidden()
        elif viewer is None:
            if route.level != "read":
                raise ApiError(401, "Requires authentication")
        elif not may(call.world, viewer, call.repo, route.role):
            raise forbidden(f"Must have {_WORD.get(route.role, route.role)} access to Repository.")
    elif (
        viewer is not None
        and viewer.app is not None
        and not allowed(viewer, route.level, *route.app)
    ):
        raise forbidden()


_WORD = {"read": "pull", "write": "push"}
