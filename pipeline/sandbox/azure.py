"""A stand-in for Azure Resource Manager's Privileged Identity Management, on loopback.

It speaks Microsoft.Authorization 2020-10-01 (role assignment schedules, their requests and
instances, role management policy assignments) and role definitions of 2022-04-01, at the
scope of whole subscriptions. Its rules, each with its source, are in
`pipeline.sandbox.azure_rules`.
"""

from __future__ import annotations

import json
import re
import socket
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import RLock
from typing import Any

from werkzeug.wrappers import Request, Response

from pipeline.sandbox.azure_rules import PROVIDER, Json, Pim
from pipeline.sandbox.azure_shapes import instance, policy, role, schedule
from pipeline.sandbox.azure_words import ArmError, write_time
from pipeline.sandbox.clock import Clock
from pipeline.sandbox.server import Server

PIM_VERSION = "2020-10-01"
ROLES_VERSION = "2022-04-01"

CREATE = "RoleAssignmentScheduleRequests_Create"
GET = "RoleAssignmentScheduleRequests_Get"
LIST = "RoleAssignmentScheduleRequests_ListForScope"
CANCEL = "RoleAssignmentScheduleRequests_Cancel"
VALIDATE = "RoleAssignmentScheduleRequests_Validate"
SCHEDULES = "RoleAssignmentSchedules_ListForScope"
SCHEDULE = "RoleAssignmentSchedules_Get"
INSTANCES = "RoleAssignmentScheduleInstances_ListForScope"
INSTANCE = "RoleAssignmentScheduleInstances_Get"
POLICIES = "RoleManagementPolicyAssignments_ListForScope"
ROLES = "RoleDefinitions_List"
ROLE = "RoleDefinitions_Get"

_NAMESPACE = uuid.UUID("c0a6b6a2-8d7c-5b8e-8d52-4f4f3a1b7c21")
# Scopes are also written with their provider in front (REST specification, examples).
_PATH = re.compile(
    r"(?:/providers/Microsoft\.Subscription)?(?P<scope>/subscriptions/[^/]+)"
    r"/providers/Microsoft\.Authorization/(?P<kind>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<act>[^/]+))?",
    re.IGNORECASE,
)
_OPERATIONS: dict[tuple[str, str, bool, str], str] = {
    ("PUT", "roleassignmentschedulerequests", True, ""): CREATE,
    ("GET", "roleassignmentschedulerequests", True, ""): GET,
    ("GET", "roleassignmentschedulerequests", False, ""): LIST,
    ("POST", "roleassignmentschedulerequests", True, "cancel"): CANCEL,
    ("POST", "roleassignmentschedulerequests", True, "validate"): VALIDATE,
    ("GET", "roleassignmentschedules", False, ""): SCHEDULES,
    ("GET", "roleassignmentschedules", True, ""): SCHEDULE,
    ("GET", "roleassignmentscheduleinstances", False, ""): INSTANCES,
    ("GET", "roleassignmentscheduleinstances", True, ""): INSTANCE,
    ("GET", "rolemanagementpolicyassignments", False, ""): POLICIES,
    ("GET", "roledefinitions", False, ""): ROLES,
    ("GET", "roledefinitions", True, ""): ROLE,
}
_FILTER = re.compile(
    r"(?P<at>atScope\(\))|principalId eq '?(?P<principal>[0-9a-fA-F-]+)'?"
    r"|assignedTo\('(?P<assigned>[0-9a-fA-F-]+)'\)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureCall:
    """One request that the stand-in answered."""

    operation: str
    method: str
    path: str
    status: int
    """0 where the answer was lost."""

    sent: Json | None
    answered: Json | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _AzureFault:
    code: str
    status: int
    message: str
    after: bool
    """The call takes effect before its answer goes wrong."""

    retry_after: int | None


class AzureSandbox:
    """One tenant with its subscriptions; use as a context manager or call `stop`.

    *principals*: object id to type. *role_definitions*: GUID to name. *eligibilities*: what
    may be self-activated. *visibility_delay*: how long lists do not show a new assignment.
    *linger*: how long the list of schedules still shows what is over. *page_size*: entries
    per page. *callers*: bearer token to object id; without it any token is let in.
    *removes_early*: AdminRemove takes away what has not begun, and cancelling it does not.
    *echoes_exactly*: requests read back as they were sent.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        subscriptions: Sequence[str],
        principals: Mapping[str, str],
        role_definitions: Mapping[str, str],
        eligibilities: Iterable[tuple[str, str, str, str]] = (),
        visibility_delay: timedelta = timedelta(0),
        linger: timedelta = timedelta(0),
        page_size: int = 100,
        callers: Mapping[str, str] | None = None,
        removes_early: bool = False,
        echoes_exactly: bool = False,
    ) -> None:
        self._clock = clock
        self._pim = Pim(
            subscriptions=tuple(one.lower() for one in subscriptions),
            principals={key.lower(): value for key, value in principals.items()},
            role_definitions={key.lower(): value for key, value in role_definitions.items()},
            eligibilities=frozenset(eligibilities),
            visibility_delay=visibility_delay,
            linger=linger,
            removes_early=removes_early,
            echoes_exactly=echoes_exactly,
        )
        self._page_size = page_size
        self._callers = dict(callers) if callers is not None else None
        self._faults: dict[str, list[_AzureFault]] = defaultdict(list)
        self._lock = RLock()
        self.log: list[AzureCall] = []
        """Every request, oldest first."""

        self.counts: Counter[str] = Counter()
        """How often each operation was called."""

        self._server = Server(self._serve)
        self.url = self._server.url

    def stop(self) -> None:
        """Stops listening; safe to call twice."""
        self._server.stop()

    def __enter__(self) -> AzureSandbox:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def requestor(self, token: str) -> str:
        """Returns the object id that requests with this bearer token carry."""
        if self._callers is not None:
            return self._callers[token]
        return str(uuid.uuid5(_NAMESPACE, token))

    def fail_next(
        self,
        operation: str,
        *,
        code: str = "TooManyRequests",
        status: int = 429,
        message: str = "as asked for",
        times: int = 1,
        after: bool = False,
        retry_after: int | None = None,
    ) -> None:
        """Answers the next *times* calls of *operation* with an error; *after* its effect or not.

        *status* 0 drops the connection instead of answering.
        """
        fault = _AzureFault(
            code=code, status=status, message=message, after=after, retry_after=retry_after
        )
        with self._lock:
            self._faults[operation].extend([fault] * times)

    def instances(
        self, subscription: str, principal: str, role: str, at: datetime
    ) -> tuple[str, ...]:
        """Returns the assignments that give *principal* the role GUID *role* at that moment.

        Empty means: not active. No evaluator of Azure's exists outside Azure, so this reads
        the stand-in's own schedules; it is no independent judgement.
        """
        with self._lock:
            return tuple(
                schedule.name
                for schedule in self._pim.active(f"/subscriptions/{subscription.lower()}", at)
                if (schedule.principal, schedule.role) == (principal.lower(), role.lower())
            )

    def assign(
        self,
        subscription: str,
        principal: str,
        role: str,
        *,
        end: datetime | None,
        requestor: str = "00000000-0000-4000-8000-00000000cafe",
        ticket_system: str | None = None,
    ) -> str:
        """Assigns by hand, as an administrator in the portal would; returns the schedule's name.

        Without *end* it never expires.
        """
        now = self._clock.now()
        expiration = (
            {"type": "AfterDateTime", "endDateTime": write_time(end)}
            if end
            else {"type": "NoExpiration"}
        )
        scope = f"/subscriptions/{subscription.lower()}"
        with self._lock:
            name = uuid.uuid5(_NAMESPACE, f"{principal}|{role}|{len(self._pim.requests)}")
            answer = self._pim.put(
                scope,
                str(name),
                {
                    "properties": {
                        "roleDefinitionId": f"{scope}{PROVIDER}/roleDefinitions/{role}",
                        "principalId": principal,
                        "requestType": "AdminAssign",
                        "justification": "by hand",
                        "scheduleInfo": {
                            "startDateTime": write_time(now),
                            "expiration": expiration,
                        },
                        "ticketInfo": {"ticketSystem": ticket_system},
                    }
                },
                requestor=requestor,
                now=now,
            )
        return str(answer["properties"]["targetRoleAssignmentScheduleId"])

    def _serve(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        request = Request(environ)
        sent = request.get_json(silent=True) if request.data else None
        path = request.path
        match = _PATH.fullmatch(path)
        operation = ""
        if match is not None:
            place = (request.method, match["kind"].lower(), bool(match["name"]), match["act"] or "")
            operation = _OPERATIONS.get(place, "")
        with self._lock:
            self.counts[operation or "unknown"] += 1
            fault = self._faults[operation].pop(0) if self._faults[operation] else None
            headers: dict[str, str] = {}
            try:
                if fault is not None and not fault.after:
                    raise ArmError(fault.status, fault.code, fault.message)
                if match is None or not operation:
                    raise ArmError(404, "InvalidResourceType", f"{request.method} {path}")
                status, answered = self._answer(request, operation, match, sent)
                if fault is not None:
                    raise ArmError(fault.status, fault.code, fault.message)
            except ArmError as error:
                status = error.status
                answered = {"error": {"code": error.code, "message": error.message}}
            if fault is not None and fault.retry_after is not None:
                headers["Retry-After"] = str(fault.retry_after)
            self.log.append(
                AzureCall(
                    operation=operation,
                    method=request.method,
                    path=request.full_path,
                    status=status,
                    sent=sent,
                    answered=answered if status else None,
                )
            )
        if not status:
            # The answer is lost: the peer sees the connection end.
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        body = b"" if answered is None else json.dumps(answered).encode()
        response = Response(
            body, status=status or 500, headers=headers, content_type="application/json"
        )
        return response(environ, start_response)

    def _answer(
        self, request: Request, operation: str, match: re.Match[str], sent: Any
    ) -> tuple[int, Json | None]:
        requestor = self._caller(request)
        version = ROLES_VERSION if operation in (ROLES, ROLE) else PIM_VERSION
        _check_version(request, version)
        now = self._clock.now()
        scope = match["scope"].lower()
        name = (match["name"] or "").lower()
        pim = self._pim
        if operation == CREATE:
            return 201, pim.put(scope, name, _object(sent), requestor=requestor, now=now)
        if operation == VALIDATE:
            body = _object(sent)
            return 200, pim.put(scope, name, body, requestor=requestor, now=now, keep=False)
        if operation == GET:
            return 200, pim.get(scope, name, now)
        if operation == CANCEL:
            pim.cancel(scope, name, now)
            return 200, None
        entries = self._entries(operation, scope, now)
        if name:
            for entry in entries:
                if entry["name"] == name:
                    return 200, entry
            # The REST specification answers an error; the code is ARM's general one.
            raise ArmError(404, "ResourceNotFound", f"{name} was not found")
        return 200, self._page(request, _filtered(request, entries))

    def _entries(self, operation: str, scope: str, now: datetime) -> list[Json]:
        pim = self._pim
        if operation == LIST:
            return [pim.shown(one, now) for (at, _), one in pim.requests.items() if at == scope]
        if operation in (SCHEDULES, SCHEDULE):
            return [schedule(self._pim, one) for one in pim.listed(scope, now)]
        if operation in (INSTANCES, INSTANCE):
            listed = {one.name for one in pim.listed(scope, now)}
            return [
                instance(self._pim, one) for one in pim.active(scope, now) if one.name in listed
            ]
        if operation == POLICIES:
            return [policy(scope, guid) for guid in sorted(pim.role_definitions)]
        return [role(scope, guid, title) for guid, title in sorted(pim.role_definitions.items())]

    def _caller(self, request: Request) -> str:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        # ARM: InvalidAuthenticationToken, "Authentication failed".
        if kind != "Bearer" or not token:
            raise ArmError(401, "InvalidAuthenticationToken", "a bearer token is missing")
        if self._callers is not None and token not in self._callers:
            raise ArmError(401, "InvalidAuthenticationToken", "the token is not known")
        return self.requestor(token)

    def _page(self, request: Request, entries: list[Json]) -> Json:
        skip = int(request.args.get("$skiptoken", "0"))
        page: Json = {"value": entries[skip : skip + self._page_size], "nextLink": None}
        if skip + self._page_size < len(entries):
            query = "&".join(
                f"{key}={value}" for key, value in request.args.items() if key != "$skiptoken"
            )
            page["nextLink"] = (
                f"{self.url}{request.path}?{query}&$skiptoken={skip + self._page_size}"
            )
        return page


def _check_version(request: Request, expected: str) -> None:
    version = request.args.get("api-version")
    if version is None:
        # ARM: MissingApiVersionParameter.
        raise ArmError(400, "MissingApiVersionParameter", "api-version is required")
    if version != expected:
        # ARM: NoRegisteredProviderFound names the versions that are offered.
        raise ArmError(
            400, "NoRegisteredProviderFound", f"api-version {version}; offered is {expected}"
        )


def _object(sent: Any) -> Json:
    if not isinstance(sent, dict):
        raise ArmError(400, "InvalidRequestContent", "the body is no JSON object")  # ARM
    return sent


def _filtered(request: Request, entries: list[Json]) -> list[Json]:
    text = request.args.get("$filter")
    if text is None:
        return entries
    match = _FILTER.fullmatch(text)
    if match is None:
        raise ArmError(400, "InvalidFilter", f"$filter {text!r} is not offered")  # code ours
    principal = (match["principal"] or match["assigned"] or "").lower()
    if not principal:
        return entries  # one scope above nothing: at scope is all there is
    return [one for one in entries if one["properties"].get("principalId") == principal]
