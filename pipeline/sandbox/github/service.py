"""The HTTP side: each request is authenticated, answered, logged and shown to the observer."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from werkzeug.wrappers import Request as WsgiRequest

from pipeline.sandbox.github import (
    checks,
    commits,
    directory,
    gitdata,
    issues,
    merges,
    moves,
    pulls,
    reviews,
    rules,
    smart_http,
)
from pipeline.sandbox.github.gitvalues import GitError
from pipeline.sandbox.github.routing import GitHubCall, Router, authenticate, authorize
from pipeline.sandbox.github.state import GitHubState, Viewer
from pipeline.sandbox.github.wire import ApiError, ApiRequest, Observer, Response, not_found

_PREFIX = "/api/v3"
_BY_ID = re.compile(r"/organizations/(\d+)/team/(\d+)(?=/|$)")
_TOPICS = (checks, commits, directory, gitdata, issues, merges, moves, pulls, reviews, rules)

ROUTES = tuple(route for topic in _TOPICS for route in topic.ROUTES)
"""Every operation that is served."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedRequest:
    """One request as it was answered."""

    method: str
    path: str
    operation: str | None
    """`pulls/merge`, `git/receive-pack`; None where nothing is served."""

    actor: str | None
    """Login of the token's account."""

    status: int


@dataclass(kw_only=True, slots=True, eq=False)
class GitHubFault:
    """A failure to come. *after* lets the request take effect and loses its answer."""

    pattern: re.Pattern[str]
    status: int
    times: int
    after: bool


class Service:
    """The stand-in as a WSGI application. One request at a time changes anything."""

    def __init__(self, world: GitHubState) -> None:
        self.world = world
        self.observer: Observer | None = None
        self.log: list[LoggedRequest] = []
        self.faults: list[GitHubFault] = []
        self.lock = threading.RLock()
        self._router = Router(ROUTES)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Serves one WSGI request."""
        wsgi = WsgiRequest(environ)
        prefix = _PREFIX if wsgi.path.startswith(f"{_PREFIX}/") else ""
        request = ApiRequest(
            method=wsgi.method,
            path=self._by_slug(wsgi.path.removeprefix(prefix)),
            query=wsgi.args.to_dict(),
            headers={name.lower(): value for name, value in wsgi.headers.items()},
            body=wsgi.get_data(),
        )
        site = wsgi.host_url.rstrip("/")
        response = self.serve(request, site=site, base=site + prefix)
        line = f"{response.status} {HTTPStatus(response.status).phrase}"
        headers = {**response.headers, "Content-Length": str(len(response.body))}
        if response.status == HTTPStatus.NO_CONTENT:
            del headers["Content-Length"]
        start_response(line, list(headers.items()))
        return [response.body]

    def _by_slug(self, path: str) -> str:
        """Returns the documented path for `/organizations/{org_id}/team/{team_id}`.

        GitHub writes teams' addresses by id and says in words that both forms are the same.
        """
        match = _BY_ID.match(path)
        if match is None:
            return path
        for team in self.world.teams.values():
            if (str(team.org.id), str(team.id)) == match.groups():
                return f"/orgs/{team.org.login}/teams/{team.slug}{path[match.end() :]}"
        return path

    def serve(self, request: ApiRequest, *, site: str, base: str) -> Response:
        """Answers one request."""
        viewer: Viewer | None = None
        git = smart_http.operation(request)
        found = None if git else self._router.find(request.method, request.path)
        operation = found[0].operation if found else None
        if git:
            operation = f"git/{git[2]}" if request.method == "POST" else "git/advertise"
        fault = self._fault(operation, request)
        try:
            viewer = authenticate(self.world, request.headers.get("authorization"))
            if fault is not None and not fault.after:
                raise _failure(fault)
            if git:
                response = self._git(request, viewer, git)
            elif found is None:
                raise not_found()
            else:
                route, args = found
                repo = None
                if "repo" in args:
                    repo = self.world.repository(args["owner"], args["repo"])
                    if repo is None:
                        raise not_found()
                call = GitHubCall(
                    world=self.world, request=request, viewer=viewer, base=base, site=site,
                    args=args, repo=repo,
                )  # fmt: skip
                with self.lock:
                    authorize(call, route)
                    response = route.handler(call)
            if fault is not None:
                raise _failure(fault)
        except ApiError as error:
            response = error.response()
        except GitError as error:
            response = ApiError(422, str(error)).response()
        self.log.append(
            LoggedRequest(
                method=request.method,
                path=request.path,
                operation=operation,
                actor=viewer.account.login if viewer else None,
                status=response.status,
            )
        )
        if git:
            return response
        response = replace(response, headers={**response.headers, **self._limits()})
        if self.observer is not None and fault is None:
            self.observer(operation, request, response)
        return response

    def _limits(self) -> dict[str, str]:
        reset = int(self.world.clock.now().timestamp()) + 3600
        return {
            "X-RateLimit-Limit": str(directory.RATE_LIMIT),
            "X-RateLimit-Remaining": str(directory.RATE_LIMIT),
            "X-RateLimit-Reset": str(reset),
            "X-GitHub-Request-Id": f"{len(self.log):08X}",
        }

    def _fault(self, operation: str | None, request: ApiRequest) -> GitHubFault | None:
        for fault in self.faults:
            subject = operation or ""
            if fault.pattern.fullmatch(subject) or fault.pattern.search(request.path):
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
                return fault
        return None

    def _git(
        self, request: ApiRequest, viewer: Viewer | None, asked: tuple[str, str, str]
    ) -> Response:
        owner, name, service = asked
        repository = self.world.repository(owner, name)
        refusal = smart_http.refuse_access(self.world, viewer, repository, service)
        if refusal is not None:
            return refusal
        if repository is None or service not in ("upload-pack", "receive-pack"):
            raise not_found()
        if service == "receive-pack" and request.method == "POST" and viewer is not None:
            with self.lock:
                return smart_http.receive(self.world, viewer, repository, request)
        return smart_http.serve(repository, request)


def _failure(fault: GitHubFault) -> ApiError:
    return ApiError(fault.status, HTTPStatus(fault.status).phrase)
