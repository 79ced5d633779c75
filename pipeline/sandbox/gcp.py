"""Google Cloud's Resource Manager v3 for projects' IAM policies, as a local stand-in.

It serves `projects/{project}` and its `:getIamPolicy`, `:setIamPolicy` and
`:testIamPermissions`; what it accepts is in `gcp_rules`. It never changes a policy by itself:
access ends because the stored condition says so (`cel.allowed`), not because a timer runs.
"""

from __future__ import annotations

import base64
import copy
import json
import re
import socket
import threading
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from pipeline.sandbox.clock import Clock
from pipeline.sandbox.gcp_rules import Aborted, InvalidArgument, accepted, shown
from pipeline.sandbox.server import Server

LOST = 0
"""As a status for `fail_next`: the connection breaks instead of an answer."""

_PATH = re.compile(r"/v3/projects/([^/:]+)(?::(getIamPolicy|setIamPolicy|testIamPermissions))?")
_STATUS_NAMES = {  # google.rpc.Code and its HTTP mapping, google/rpc/code.proto
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_PERMISSIONS = frozenset(
    f"resourcemanager.projects.{verb}" for verb in ("get", "getIamPolicy", "setIamPolicy")
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """One request and its answer, as they went over the wire."""

    method: str
    """`get`, `getIamPolicy`, `setIamPolicy` or `testIamPermissions`; empty for other paths."""

    project: str
    verb: str
    path: str
    query: Mapping[str, str]
    request: Any
    status: int
    """`LOST` when the connection broke instead."""

    response: Any


@dataclass(slots=True)
class _Project:
    id: str
    number: int
    bindings: list[dict[str, Any]]
    generation: int = 1

    @property
    def etag(self) -> str:
        return base64.b64encode(b"\x07" + self.generation.to_bytes(7, "big")).decode()


@dataclass(slots=True)
class _GcpFault:
    method: str
    status: int
    times: int
    takes_effect: bool


class _Answer(Exception):
    """Raised to answer with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class GcpSandbox:
    """Projects with IAM policies, served on loopback until stopped.

    *members* are the accounts that exist (`user:Alice@example.com`); their case is how Google
    spells them. With *tokens*, only these bearer tokens are let in. *observer* is told every
    exchange after it was answered.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        projects: Iterable[str],
        members: Iterable[str] = (),
        tokens: Collection[str] | None = None,
        permissions: Collection[str] = _PERMISSIONS,
        observer: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._created = clock.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._projects = {
            name: _Project(id=name, number=10**11 + zlib.crc32(name.encode()), bindings=[])
            for name in projects
        }
        self._members = {member.lower(): member for member in members}
        self._tokens = None if tokens is None else frozenset(tokens)
        self._permissions = frozenset(permissions)
        self._observer = observer
        self._faults: list[_GcpFault] = []
        self._before: list[tuple[str, Callable[[], None]]] = []
        self.exchanges: list[Exchange] = []
        self._server = Server(self._serve)
        self.url = self._server.url

    def stop(self) -> None:
        """Stops listening; the policies stay readable here."""
        self._server.stop()

    def __enter__(self) -> GcpSandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def observe(self, observer: Callable[[Exchange], None] | None) -> None:
        """Tells *observer* every exchange from now on."""
        self._observer = observer

    def policy(self, project: str) -> dict[str, Any]:
        """Returns the stored policy in full, as version 3 JSON: what an evaluator reads."""
        with self._lock:
            found = self._projects[project]
            return shown(found.bindings, etag=found.etag, requested=3)

    def set_policy(self, project: str, bindings: Sequence[Mapping[str, Any]]) -> None:
        """Puts *bindings* in the place of all, as somebody else would; nothing is checked."""
        with self._lock:
            found = self._projects[project]
            found.bindings = [dict(copy.deepcopy(binding)) for binding in bindings]
            found.generation += 1

    def add_member(self, member: str) -> None:
        """Makes an account exist."""
        with self._lock:
            self._members[member.lower()] = member

    def delete_member(self, member: str, *, uid: str) -> None:
        """Deletes an account; policies then show `deleted:…?uid=…` (v3 `Binding.members`)."""
        with self._lock:
            spelled = self._members.pop(member.lower())
            for project in self._projects.values():
                for binding in project.bindings:
                    binding["members"] = [
                        f"deleted:{one}?uid={uid}" if one == spelled else one
                        for one in binding.get("members", ())
                    ]
                project.generation += 1

    def fail_next(
        self, method: str, status: int, *, times: int = 1, takes_effect: bool = False
    ) -> None:
        """Lets the next *times* calls of *method* fail with *status*, or `LOST`.

        With *takes_effect* the call is carried out first and only its answer is lost.
        """
        with self._lock:
            self._faults.append(_GcpFault(method, status, times, takes_effect))

    def before_next(self, method: str, action: Callable[[], None]) -> None:
        """Runs *action* once, right before the next call of *method* is carried out."""
        with self._lock:
            self._before.append((method, action))

    def count(self, method: str, *, project: str | None = None) -> int:
        """Returns how many calls of *method* arrived."""
        with self._lock:
            return sum(
                1
                for one in self.exchanges
                if one.method == method and project in (None, one.project)
            )

    def _serve(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        raw = environ["wsgi.input"].read(length) if length else b""
        path = environ["PATH_INFO"]
        match = _PATH.fullmatch(path)
        project = match.group(1) if match else ""
        method = (match.group(2) or "get") if match else ""
        status, answer, request = self._answer(environ, raw, project=project, method=method)
        exchange = Exchange(
            method=method,
            project=project,
            verb=environ["REQUEST_METHOD"],
            path=path,
            query=dict(parse_qsl(environ.get("QUERY_STRING", ""))),
            request=request,
            status=status,
            response=answer,
        )
        with self._lock:
            self.exchanges.append(exchange)
        if self._observer is not None:
            self._observer(exchange)
        if status == LOST:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return []
        body = json.dumps(answer).encode()
        start_response(
            f"{status} {HTTPStatus(status).phrase}",
            [
                ("Content-Type", "application/json; charset=UTF-8"),
                ("Content-Length", str(len(body))),
            ],
        )
        return [body]

    def _answer(
        self, environ: Mapping[str, Any], raw: bytes, *, project: str, method: str
    ) -> tuple[int, Any, Any]:
        request: Any = None
        try:
            if not method:
                raise _Answer(404, f"The requested URL {environ['PATH_INFO']} was not found.")
            if raw:
                request = _parsed(raw)
            self._check_token(environ.get("HTTP_AUTHORIZATION", ""))
            with self._lock:
                self._run_before(method)
                fault = self._fault(method)
                if fault is not None and not fault.takes_effect:
                    raise _Answer(fault.status, "This call was chosen to fail.")
                answer = self._carry_out(project, method, environ["REQUEST_METHOD"], request)
                if fault is not None:
                    raise _Answer(fault.status, "This call took effect; its answer is lost.")
            return 200, answer, request
        except InvalidArgument as error:
            return 400, _error(400, str(error)), request
        except Aborted as error:
            return 409, _error(409, str(error)), request
        except _Answer as error:
            return error.status, _error(error.status, error.message), request

    def _check_token(self, header: str) -> None:
        scheme, _, token = header.partition(" ")
        if self._tokens is not None and (scheme != "Bearer" or token not in self._tokens):
            raise _Answer(401, "Request had invalid authentication credentials.")

    def _run_before(self, method: str) -> None:
        for index, (waiting, action) in enumerate(self._before):
            if waiting == method:
                del self._before[index]
                action()
                return

    def _fault(self, method: str) -> _GcpFault | None:
        for fault in self._faults:
            if fault.method == method and fault.times:
                fault.times -= 1
                return fault
        return None

    def _carry_out(self, name: str, method: str, verb: str, request: Any) -> dict[str, Any]:
        if verb != ("GET" if method == "get" else "POST"):
            raise _Answer(404, f"The method {verb} is not served here.")
        project = self._found(name)
        body = request or {}
        match method:
            case "getIamPolicy":
                version = (body.get("options") or {}).get("requestedPolicyVersion", 0)
                return shown(project.bindings, etag=project.etag, requested=version)
            case "setIamPolicy":
                return self._set(project, body)
            case "testIamPermissions":
                asked = body.get("permissions", [])
                if any("*" in one for one in asked):
                    raise InvalidArgument("Permissions with wildcards are not allowed.")
                held = [one for one in asked if one in self._permissions]
                return {"permissions": held} if held else {}
            case _:
                return {
                    "name": f"projects/{project.number}",
                    "projectId": project.id,
                    "state": "ACTIVE",
                    "displayName": project.id,
                    "createTime": self._created,
                    "updateTime": self._created,
                    "etag": project.etag,
                }

    def _found(self, name: str) -> _Project:
        for project in self._projects.values():
            if name in (project.id, str(project.number)):
                return project
        # v3 projects.getIamPolicy: denied, not "not found", where there is none.
        raise _Answer(403, "The caller does not have permission")

    def _set(self, project: _Project, body: Mapping[str, Any]) -> dict[str, Any]:
        mask = body.get("updateMask") or "bindings,etag"
        if not isinstance(body.get("policy"), dict) or "bindings" not in mask:
            raise InvalidArgument("The request must hold a policy with bindings.")
        project.bindings = accepted(
            body["policy"],
            stored=project.bindings,
            etag=project.etag,
            account=lambda member: self._members.get(member.lower()),
        )
        project.generation += 1
        return shown(project.bindings, etag=project.etag, requested=3)


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        request = json.loads(raw)
    except ValueError as error:
        raise InvalidArgument("Invalid JSON payload received.") from error
    if not isinstance(request, dict):
        raise InvalidArgument("Invalid JSON payload received.")
    return request


def _error(status: int, message: str) -> dict[str, Any]:
    """Returns Google's JSON error body (google.aip.dev/193)."""
    name = _STATUS_NAMES.get(status, "UNKNOWN")
    return {"error": {"code": status, "message": message, "status": name}}
