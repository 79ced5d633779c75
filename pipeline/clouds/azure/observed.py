"""Which of a subscription's role assignment schedules are ours, from what Azure lists.

Azure has no place for a mark on a schedule. A schedule names the request that made it, and a
request names the schedule that it made or changed; the request carries our mark.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipeline.clouds.azure import binding as azure
from pipeline.clouds.azure.mark import (
    SYSTEM,
    AzureMark,
    former_request_name,
    read_mark,
    request_name,
)
from pipeline.values.binding import Binding
from pipeline.values.catalogue import Target
from pipeline.values.grant import Window
from pipeline.values.ids import Cloud

ASSIGN = "AdminAssign"
UPDATE = "AdminUpdate"
REMOVE = "AdminRemove"

_SETTING = (ASSIGN, UPDATE, "AdminExtend", "AdminRenew")
"""Kinds of request that give a schedule its window."""

_VOID = frozenset({"Denied", "Canceled", "Failed", "AdminDenied", "TimedOut", "Invalid",
                   "FailedAsResourceIsLocked"})  # fmt: skip
"""States of a request that changed nothing."""

ADVANCE = timedelta(minutes=1)
"""So much later than asked may an end be listed: it advances while Azure processes a request
(hashicorp/terraform-provider-azurerm, pim_active_role_assignment_resource.go)."""

SCHEDULED = frozenset({"PendingScheduleCreation"})
"""State of a request whose assignment begins later."""

PENDING = SCHEDULED | {"Accepted", "PendingEvaluation", "PendingProvisioning",
                       "ProvisioningStarted", "PendingExternalProvisioning", "PendingRevocation",
                       "PendingApproval", "PendingApprovalProvisioning",
                       "PendingAdminDecision"}  # fmt: skip
"""States of a request that has not taken effect.

https://learn.microsoft.com/rest/api/authorization/role-assignment-schedule-requests/get (Status)
"""

_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleRequest:
    """One role assignment schedule request; ids in lower case."""

    name: str
    kind: str
    status: str
    scope: str
    principal_id: str
    principal_type: str | None
    role: str
    """GUID of the role definition."""

    end: datetime | None
    justification: str
    ticket_system: str
    ticket_number: str
    requestor: str | None
    """Object id of who made it, as Azure recorded it."""

    schedule: str | None
    """Name of the schedule that it made or changed, where Azure says so."""

    created: datetime | None

    @property
    def number(self) -> str:
        """Its ticket number, which orders our requests, wherever Azure kept it."""
        reasons = read_mark(self.justification)
        return (reasons.number if reasons else "") or self.ticket_number

    @property
    def asked_end(self) -> datetime | None:
        """The end that we asked for; as Azure echoes it in requests of others."""
        reasons = read_mark(self.justification)
        return reasons.end if reasons and reasons.number else self.end

    def doubt(self, requestor: str | None) -> str:
        """Returns why this request is not ours, or nothing where it is.

        *requestor* is the pipeline's own object id, where known.
        """
        reasons = read_mark(self.justification)
        if reasons is None:
            if self.ticket_system != SYSTEM:
                return "no mark"
            return f"its request {self.name} says {SYSTEM}, but gives no reasons as ours do"
        contents = {
            "scope": self.scope,
            "principal_id": self.principal_id,
            "role_definition": self.role,
            "kind": self.kind,
            "justification": self.justification,
        }
        if reasons.number:
            expected = request_name(**contents)
        elif self.ticket_system == SYSTEM:
            expected = former_request_name(
                **contents, end=self.end, ticket_number=self.ticket_number
            )
        else:
            return "no mark"
        if self.name != expected:
            return f"its request {self.name} says {SYSTEM}, but its name does not fit its contents"
        if requestor is not None and self.requestor != requestor.lower():
            return f"its request {self.name} says {SYSTEM}, but was made by {self.requestor}"
        return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class AssignmentSchedule:
    """One direct role assignment schedule at the subscription's own scope."""

    name: str
    handle: str
    """Full id, as Azure writes it."""

    principal_id: str
    principal_type: str | None
    role: str
    start: datetime | None
    end: datetime | None
    request: str | None
    """Name of the request that made it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """A schedule and whose it is."""

    schedule: AssignmentSchedule
    key: str
    doubt: str
    """Why it is not ours; empty where it is."""

    reasons: AzureMark | None = None
    """What our latest request about it says."""

    @property
    def end(self) -> datetime | None:
        """When it ends: what we asked for, where Azure lists that or a moment later."""
        listed, asked = self.schedule.end, self.reasons.end if self.reasons else None
        late = listed - asked if listed and asked else None
        return asked if late is not None and timedelta(0) <= late <= ADVANCE else listed

    def ended(self, now: datetime) -> bool:
        """Whether it is listed, but over."""
        return self.schedule.end is not None and self.schedule.end <= now


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """The schedules that one subscription holds at its own scope."""

    locator: str
    held: tuple[Held, ...]
    requests: tuple[ScheduleRequest, ...]
    ours: frozenset[str]
    """Names of the requests that are ours."""

    def current(self, key: str, *, now: datetime) -> Held | None:
        """Returns the listed assignment that stands or is to come under *key*; ours first."""
        standing = [one for one in self.held if one.key == key and not one.ended(now)]
        return min(standing, key=lambda one: bool(one.doubt), default=None)

    def believed(self, key: str, *, now: datetime) -> ScheduleRequest | None:
        """Returns our latest request that should have left an assignment standing.

        A new assignment may take minutes to be listed; until then this is all that is known.
        """
        mine = [
            one
            for one in self.requests
            if one.name in self.ours
            and one.status not in _VOID
            and azure.key(self.locator, one.principal_id, one.role) == key
        ]
        if not mine:
            return None
        latest = max(mine, key=_age)
        end = latest.asked_end
        standing = latest.kind in _SETTING and (end is None or end > now)
        return latest if standing else None

    def pending(self, key: str, *, now: datetime) -> tuple[ScheduleRequest, ...]:
        """Returns our requests under *key* that have not taken effect yet, latest first: what they
        ask for has not begun."""
        mine = [
            one
            for one in self.requests
            if one.name in self.ours
            and one.kind in _SETTING
            and one.status in PENDING
            and (one.asked_end is None or one.asked_end > now)
            and azure.key(self.locator, one.principal_id, one.role) == key
        ]
        return tuple(sorted(mine, key=_age, reverse=True))

    def document(self, held: Held, *, now: datetime) -> str:
        """Returns the document of what is held."""
        return azure.document(
            locator=self.locator,
            principal_id=held.schedule.principal_id,
            principal_type=held.schedule.principal_type,
            role=held.schedule.role,
            start=held.schedule.start,
            end=held.end,
            reasons=held.reasons,
            now=now,
        )

    def bindings(self, target: Target, *, now: datetime) -> tuple[Binding, ...]:
        """Returns ours, one per key: what is over counts only where nothing else stands."""
        chosen: dict[str, Held] = {}
        for one in self.held:
            if not one.doubt and (one.key not in chosen or not one.ended(now)):
                chosen[one.key] = one
        return tuple(
            Binding(
                cloud=Cloud.AZURE,
                target=target.id,
                locator=target.locator,
                key=key,
                grants=one.reasons.grants if one.reasons else (),
                principal=one.reasons.principal if one.reasons else one.schedule.principal_id,
                role=one.reasons.role if one.reasons else one.schedule.role,
                window=_window(one.schedule.start, one.end),
                document=self.document(one, now=now),
                unlisted=one.reasons.unlisted if one.reasons else 0,
                handle=one.schedule.handle,
            )
            for key, one in sorted(chosen.items())
        )

    def foreign(self) -> tuple[Held, ...]:
        """Returns what is not ours and claims to be, or stands where we have assigned."""
        places = {
            azure.key(self.locator, one.principal_id, one.role)
            for one in self.requests
            if one.name in self.ours
        }
        return tuple(
            one for one in self.held if one.doubt and (one.doubt != "no mark" or one.key in places)
        )


def read_state(
    locator: str,
    schedules: Iterable[AssignmentSchedule],
    requests: Iterable[ScheduleRequest],
    *,
    requestor: str | None,
) -> State:
    """Returns whose the *schedules* are.

    A schedule is ours when the request that assigned it is. One whose request is not listed
    is not: what cannot be proven ours is left alone. A stranger's update of an assignment of
    ours leaves it ours, with a document that shows the difference.
    """
    known = tuple(requests)
    doubts = {one.name: one.doubt(requestor) for one in known}
    by_name = {one.name: one for one in known}
    held = []
    for schedule in schedules:
        about = [one for one in known if _is_about(one, schedule) and one.status not in _VOID]
        assigned = [one for one in about if one.kind == ASSIGN]
        mine = [one for one in about if not doubts[one.name] and one.kind in _SETTING]
        latest = max(mine, key=_age, default=None)
        # The request that assigned it ages out; we alter none that others assigned.
        named = by_name.get(schedule.request or "", latest)
        maker = max(assigned, key=_age, default=named)
        held.append(
            Held(
                schedule=schedule,
                key=azure.key(locator, schedule.principal_id, schedule.role),
                doubt=_doubt(schedule, maker, doubts),
                reasons=read_mark(latest.justification) if latest else None,
            )
        )
    return State(
        locator=locator,
        held=tuple(held),
        requests=known,
        ours=frozenset(name for name, doubt in doubts.items() if not doubt),
    )


def _doubt(
    schedule: AssignmentSchedule, maker: ScheduleRequest | None, doubts: dict[str, str]
) -> str:
    if maker is None:
        return "no mark"
    if doubts[maker.name]:
        return doubts[maker.name]
    if (maker.principal_id, maker.role) != (schedule.principal_id, schedule.role):
        return f"its request {maker.name} is ours, but for another principal or role"
    return ""


def _is_about(request: ScheduleRequest, schedule: AssignmentSchedule) -> bool:
    return request.schedule == schedule.name or request.name == schedule.request


def _age(request: ScheduleRequest) -> tuple[datetime, int]:
    # Several requests of ours may carry one moment; the number after the dot orders them.
    ordinal = request.number.rpartition(".")[2]
    return (request.created or _LONG_AGO, int(ordinal) if ordinal.isdecimal() else 0)


def _window(start: datetime | None, end: datetime | None) -> Window | None:
    return Window(start=start, end=end) if start and end and start < end else None
