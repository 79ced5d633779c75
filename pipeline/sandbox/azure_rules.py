"""The rules of Privileged Identity Management for Azure resources, over plain JSON.

State and rules only; `pipeline.sandbox.azure` serves them over HTTP. Each rule names its source:
- SPEC: Microsoft.Authorization 2020-10-01, RoleAssignmentSchedule*.json of the REST
  specification (azure-rest-api-specs), descriptions included;
- SAMPLE: Microsoft Learn, "Use Azure PIM to manage active access with the REST API";
- ERRORS: Microsoft Learn, "Privileged role common errors" (rest/api/authorization/includes);
- GOVERNANCE: Microsoft Learn, "Create governanceRoleAssignmentRequest", error codes;
- ASSIGN: Microsoft Learn, "Assign Azure resource roles in Privileged Identity Management";
- RBAC: Microsoft Learn, "Troubleshoot Azure RBAC";
- ARM: Microsoft Learn, "Common Azure deployment errors";
- PROVIDER: hashicorp/terraform-provider-azurerm, pim_active_role_assignment_resource.go, which
  works with the real service.
Where a source documents a refusal but no code, the code is ours and says so.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pipeline.sandbox.azure_words import (
    ArmError,
    does_not_exist,
    policy_failed,
    read_duration,
    read_time,
    too_short,
    write_time,
)

Json = dict[str, Any]

PROVIDER = "/providers/Microsoft.Authorization"
FIVE_MINUTES = timedelta(minutes=5)
LONGEST = timedelta(days=180)
"""Longest active assignment under the default role settings (ASSIGN: six months)."""

ADVANCED = timedelta(seconds=9)
"""How much later than asked the end of a request is echoed."""

REQUEST_TYPES = ("AdminAssign", "AdminRemove", "AdminUpdate", "AdminExtend", "AdminRenew",
                 "SelfActivate", "SelfDeactivate", "SelfExtend", "SelfRenew")  # fmt: skip

_NAMESPACE = uuid.UUID("5d0c1b7e-2a44-5c55-9c2c-0a6f6b1d9e33")


@dataclass(kw_only=True, slots=True)
class StoredSchedule:
    """One active assignment, with the windows that it had."""

    name: str
    scope: str
    principal: str
    role: str
    """GUID of the role definition."""

    start: datetime
    end: datetime | None
    created: datetime
    updated: datetime
    visible: datetime
    """From when on lists show it."""

    request: str
    """Name of the request that made it."""

    assignment: str
    """`Assigned`, or `Activated` from an eligibility."""

    eligibility: str | None = None
    condition: str | None = None
    condition_version: str | None = None
    removed: datetime | None = None

    def standing(self, now: datetime) -> bool:
        """Whether it is active at *now* or will be."""
        return self.removed is None and (self.end is None or now < self.end)

    def active(self, at: datetime) -> bool:
        """Whether it gives access at that moment: from its start on, up to but without its end."""
        if self.removed is not None and at >= self.removed:
            return False
        return self.start <= at and (self.end is None or at < self.end)


@dataclass(kw_only=True, slots=True)
class Pim:
    """The state of one tenant, and what its rules make of requests."""

    subscriptions: tuple[str, ...]
    principals: Mapping[str, str]
    """Object id to `User`, `Group`, `ServicePrincipal`, …"""

    role_definitions: Mapping[str, str]
    """GUID to display name."""

    eligibilities: frozenset[tuple[str, str, str, str]] = frozenset()
    """Subscription, principal, role and eligibility schedule that may be self-activated."""

    visibility_delay: timedelta = timedelta(0)
    linger: timedelta = timedelta(0)
    """How long a list of schedules still shows what is over. Instances never do."""

    removes_early: bool = False
    """Whether AdminRemove takes away what has not begun, which then cannot be cancelled. PROVIDER
    cancels it instead; what the service answers otherwise is not known."""

    echoes_exactly: bool = False
    """Whether a request reads back as it was sent. PROVIDER expects otherwise: the end advances
    while a request is processed, the scope may have its provider in front, tickets may be
    missing."""

    longest: timedelta = LONGEST
    schedules: list[StoredSchedule] = field(default_factory=list)
    requests: dict[tuple[str, str], Json] = field(default_factory=dict)
    """Scope and name to the request as answered."""

    def put(
        self, scope: str, name: str, body: Json, *, requestor: str, now: datetime, keep: bool = True
    ) -> Json:
        """Returns the request as answered; carries it out and keeps it only with *keep*.

        Raises `ArmError` for what a rule refuses.
        """
        subscription = self._subscription(scope)
        if not _is_guid(name):
            # SPEC: "A GUID for the role assignment to create". The code is ours.
            raise ArmError(400, "InvalidRoleAssignmentScheduleRequestName", "name is not a GUID")
        if (scope, name.lower()) in self.requests:
            # SPEC: "The name must be unique and different for each". The code is ours.
            raise ArmError(409, "RoleAssignmentScheduleRequestExists", "the name is in use")
        wanted = body.get("properties") or {}
        for required in ("roleDefinitionId", "principalId", "requestType"):
            if not wanted.get(required):
                # SPEC: required properties. The code is ARM's general one.
                raise ArmError(400, "InvalidRequestContent", f"{required} is missing")
        kind = wanted["requestType"]
        if kind not in REQUEST_TYPES:
            raise ArmError(400, "InvalidRequestContent", f"requestType {kind} is unknown")  # SPEC
        principal = str(wanted["principalId"]).lower()
        if principal not in self.principals:
            # RBAC: "Principal <id> does not exist in the directory <tenant>".
            raise ArmError(400, "PrincipalNotFound", f"Principal {principal} does not exist.")
        role = _role_in(wanted["roleDefinitionId"], subscription)
        if role not in self.role_definitions:
            # RBAC: RoleDefinitionDoesNotExist.
            raise ArmError(
                400, "RoleDefinitionDoesNotExist", f"The role definition {role} does not exist."
            )
        answer = self._answer(scope, name, wanted, principal, role, requestor, now)
        standing = self._standing(scope, principal, role, now)
        match kind:
            case "AdminAssign" | "SelfActivate":
                self._assign(answer, standing, subscription, now, keep=keep)
            case "AdminUpdate" | "AdminExtend":
                self._update(answer, standing, now, keep=keep)
            case "AdminRemove" | "SelfDeactivate":
                self._remove(answer, standing, now, keep=keep)
            case _:
                # Renewing is for assignments that ended, and self-extension asks an approver
                # (SPEC names the kinds only): not offered here.
                raise ArmError(400, "UnsupportedRequestType", f"{kind} is not offered")
        if keep:
            self.requests[(scope, name.lower())] = answer
        return self.shown(answer, now)

    def get(self, scope: str, name: str, now: datetime) -> Json:
        """Returns one request. Raises `ArmError` where there is none."""
        self._subscription(scope)
        found = self.requests.get((scope, name.lower()))
        if found is None:
            # SPEC: error for a missing request; the code is ARM's general one.
            raise ArmError(404, "ResourceNotFound", f"request {name} was not found")
        return self.shown(found, now)

    def cancel(self, scope: str, name: str, now: datetime) -> None:
        """Cancels a pending request and what it would have made (SPEC: Cancel)."""
        self.get(scope, name, now)
        kept = self.requests[(scope, name.lower())]
        pending = self.shown(kept, now)["properties"]["status"].startswith("Pending")
        if not pending or self.removes_early:
            # The code is ours.
            raise ArmError(400, "RoleAssignmentScheduleRequestNotPending", "it is not pending")
        kept["properties"]["status"] = "Canceled"
        for schedule in self.schedules:
            if schedule.request == name.lower() and schedule.scope == scope:
                schedule.removed = now

    def shown(self, request: Json, now: datetime) -> Json:
        """Returns a request as it reads at *now*: what waited for its start no longer waits."""
        properties = dict(request["properties"])
        if properties["status"] == "PendingScheduleCreation":
            started = any(
                schedule.request == request["name"] and schedule.start <= now
                for schedule in self.schedules
            )
            properties["status"] = "Provisioned" if started else "PendingScheduleCreation"
        return {
            **request,
            "properties": properties if self.echoes_exactly else _otherwise(properties),
        }

    def listed(self, scope: str, now: datetime) -> Iterator[StoredSchedule]:
        """Yields the schedules that a list shows: active ones and those to come (SAMPLE)."""
        self._subscription(scope)
        for schedule in self.schedules:
            over = schedule.end is not None and schedule.end + self.linger <= now
            shown = schedule.removed is None and schedule.visible <= now and not over
            if shown and schedule.scope == scope:
                yield schedule

    def active(self, scope: str, at: datetime) -> Iterator[StoredSchedule]:
        """Yields what gives access at that moment: instances are active ones only (SAMPLE)."""
        self._subscription(scope)
        for schedule in self.schedules:
            if schedule.scope == scope and schedule.active(at):
                yield schedule

    def _assign(
        self,
        answer: Json,
        standing: StoredSchedule | None,
        subscription: str,
        now: datetime,
        *,
        keep: bool,
    ) -> None:
        properties = answer["properties"]
        activated = properties["requestType"] == "SelfActivate"
        eligibility = properties["linkedRoleEligibilityScheduleId"]
        principal, role = properties["principalId"], _last(properties["roleDefinitionId"])
        if activated and (subscription, principal, role, eligibility) not in self.eligibilities:
            raise policy_failed("EligibilityRule")  # ERRORS
        if standing is not None:
            # ERRORS: "The Role assignment already exists."
            raise ArmError(400, "RoleAssignmentExists", "The Role assignment already exists.")
        if not activated and not properties["justification"]:
            # ERRORS; ASSIGN: role settings ask for a justification on active assignment.
            raise policy_failed("JustificationRule")
        start, end = self._window(properties, now)
        self._check(start, end)
        future = start > now
        schedule = StoredSchedule(
            name=_derived("schedule", answer["name"]),
            scope=properties["scope"],
            principal=principal,
            role=role,
            # SPEC, examples: a start in the past is recorded as the moment of provisioning.
            start=start,
            end=end,
            created=now,
            updated=now,
            visible=now + self.visibility_delay,
            request=answer["name"],
            assignment="Activated" if activated else "Assigned",
            eligibility=eligibility,
            condition=properties["condition"],
            condition_version=properties["conditionVersion"],
        )
        properties["targetRoleAssignmentScheduleId"] = schedule.name
        properties["status"] = "PendingScheduleCreation" if future else "Provisioned"
        if keep:
            self.schedules.append(schedule)

    def _update(
        self, answer: Json, standing: StoredSchedule | None, now: datetime, *, keep: bool
    ) -> None:
        properties = answer["properties"]
        if standing is None:
            # GOVERNANCE: "requested to be updated/extended does not exist in the system".
            raise does_not_exist()
        start, end = self._window(properties, now)
        if standing.start <= now and start <= now:
            start = standing.start  # in place: what is active stays active
        self._check(start, end)
        longer = end is None or (standing.end is not None and end > standing.end)
        if properties["requestType"] == "AdminExtend" and not longer:
            raise policy_failed("ExpirationRule")  # ERRORS; an extension ends later
        properties["targetRoleAssignmentScheduleId"] = standing.name
        properties["status"] = "Provisioned"
        if keep:
            standing.start, standing.end, standing.updated = start, end, now

    def _remove(
        self, answer: Json, standing: StoredSchedule | None, now: datetime, *, keep: bool
    ) -> None:
        if standing is None:
            raise does_not_exist()  # GOVERNANCE
        if standing.start > now and not self.removes_early:
            # PROVIDER: what has not begun is cancelled. The code is GOVERNANCE's for what
            # AdminRemove does not find.
            raise does_not_exist()
        if now - standing.created < FIVE_MINUTES:
            # ASSIGN: "You can't remove an assignment within five minutes of it being assigned".
            raise too_short()
        answer["properties"]["targetRoleAssignmentScheduleId"] = standing.name
        answer["properties"]["status"] = "Revoked"
        if keep:
            standing.removed = now

    def _check(self, start: datetime, end: datetime | None) -> None:
        if end is None:
            return
        if end <= start:
            raise policy_failed("ExpirationRule")  # ERRORS; nothing would remain
        if end - start < FIVE_MINUTES:
            # ASSIGN: "An assignment can't have a duration of less than five minutes".
            raise too_short()
        if end - start > self.longest:
            raise policy_failed("ExpirationRule")  # ERRORS: "exceeds the maximum allowed duration"

    def _window(self, properties: Json, now: datetime) -> tuple[datetime, datetime | None]:
        info = properties["scheduleInfo"] or {}
        expiration = info.get("expiration") or {}
        asked = read_time(info["startDateTime"]) if info.get("startDateTime") else now
        start = max(asked, now)
        match expiration.get("type"):
            case "AfterDateTime" if expiration.get("endDateTime"):
                return start, read_time(expiration["endDateTime"])
            case "AfterDuration" if expiration.get("duration"):
                return start, start + read_duration(expiration["duration"])
            case "NoExpiration":
                return start, None
            case _:
                # SPEC: type is one of three, each with its own value. The code is ARM's.
                raise ArmError(400, "InvalidRequestContent", "scheduleInfo.expiration is wrong")

    def _standing(
        self, scope: str, principal: str, role: str, now: datetime
    ) -> StoredSchedule | None:
        for schedule in self.schedules:
            place = (schedule.scope, schedule.principal, schedule.role)
            if place == (scope, principal, role) and schedule.standing(now):
                return schedule
        return None

    def _answer(
        self,
        scope: str,
        name: str,
        wanted: Json,
        principal: str,
        role: str,
        requestor: str,
        now: datetime,
    ) -> Json:
        info = wanted.get("scheduleInfo")
        if info is not None:
            expiration = info.get("expiration") or {}
            info = {
                "startDateTime": info.get("startDateTime"),
                "expiration": {
                    "type": expiration.get("type"),
                    "endDateTime": expiration.get("endDateTime"),
                    "duration": expiration.get("duration"),
                },
            }
        ticket = wanted.get("ticketInfo") or {}
        return {
            "properties": {
                # SPEC, examples: absent optionals come back as null.
                "targetRoleAssignmentScheduleId": None,
                "targetRoleAssignmentScheduleInstanceId": None,
                "scope": scope,
                "roleDefinitionId": f"{scope}{PROVIDER}/roleDefinitions/{role}",
                "principalId": principal,
                "principalType": self.principals[principal],  # SPEC: read-only
                "requestType": wanted["requestType"],
                "status": "Accepted",
                "approvalId": None,
                "scheduleInfo": info,
                "linkedRoleEligibilityScheduleId": wanted.get("linkedRoleEligibilityScheduleId"),
                "ticketInfo": {
                    "ticketNumber": ticket.get("ticketNumber"),
                    "ticketSystem": ticket.get("ticketSystem"),
                },
                "justification": wanted.get("justification"),
                "requestorId": requestor,
                "createdOn": write_time(now),
                "condition": wanted.get("condition"),
                "conditionVersion": wanted.get("conditionVersion"),
                "expandedProperties": self.expanded(scope, principal, role),
            },
            "name": name.lower(),
            "id": f"{scope}{PROVIDER}/RoleAssignmentScheduleRequests/{name.lower()}",
            "type": "Microsoft.Authorization/RoleAssignmentScheduleRequests",
        }

    def expanded(self, scope: str, principal: str, role: str) -> Json:
        """Returns the names behind the ids (SPEC: ExpandedProperties)."""
        return {
            "scope": {"id": scope, "displayName": "Sandbox", "type": "subscription"},
            "roleDefinition": {
                "id": f"{scope}{PROVIDER}/roleDefinitions/{role}",
                "displayName": self.role_definitions[role],
                "type": "BuiltInRole",
            },
            "principal": {
                "id": principal,
                "displayName": principal,
                "email": None,
                "type": self.principals[principal],
            },
        }

    def _subscription(self, scope: str) -> str:
        subscription = _last(scope)
        if subscription not in self.subscriptions:
            # ARM: SubscriptionNotFound.
            raise ArmError(
                404, "SubscriptionNotFound", f"The subscription {subscription} was not found."
            )
        return subscription


def _role_in(role_definition_id: str, subscription: str) -> str:
    path = str(role_definition_id).lower()
    for start in ("", f"/subscriptions/{subscription}"):
        prefix = f"{start}{PROVIDER.lower()}/roledefinitions/"
        if path.startswith(prefix):
            return path.removeprefix(prefix)
    # RBAC: a role definition is named by its full id. The code is ARM's.
    raise ArmError(400, "InvalidRequestContent", f"{role_definition_id} is no role definition id")


def _last(path: str) -> str:
    return path.rpartition("/")[2].lower()


def _derived(what: str, name: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{what}|{name}"))


def _is_guid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _otherwise(properties: Json) -> Json:
    """Returns what a request says, as the service may echo it."""
    info = properties["scheduleInfo"]
    if info and info["expiration"]["endDateTime"]:
        end = write_time(read_time(info["expiration"]["endDateTime"]) + ADVANCED)
        info = {**info, "expiration": {**info["expiration"], "endDateTime": end}}
    return {
        **properties,
        "scope": f"/providers/Microsoft.Subscription{properties['scope']}",
        "scheduleInfo": info,
        "ticketInfo": {"ticketNumber": None, "ticketSystem": None},
    }
