"""Azure: role assignments of Privileged Identity Management at the scope of subscriptions.

What is ours is decided in `pipeline.clouds.azure.observed`; the calls themselves are
in `azure_api`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline.clouds.azure import binding as documents
from pipeline.clouds.azure.api import (
    CLOSED_CODES,
    PUBLIC,
    AzureRefused,
    Connection,
    ScheduleRequestDraft,
    StaticToken,
    Subscription,
    translated,
)
from pipeline.clouds.azure.mark import AzureMark, mark, request_name, ticket_number
from pipeline.clouds.azure.observed import (
    ASSIGN,
    PENDING,
    REMOVE,
    SCHEDULED,
    UPDATE,
    Held,
    ScheduleRequest,
    State,
)
from pipeline.clouds.interface import WENT, Foreign, Observation, Result, Status
from pipeline.errors import CloudError
from pipeline.values.binding import Binding, BindingChange, ChangeKind
from pipeline.values.canonical import timestamp
from pipeline.values.catalogue import Target
from pipeline.values.grant import Window
from pipeline.values.ids import Cloud, TargetId

__all__ = ["AzureReader", "AzureWriter", "StaticToken"]

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.pipeline.policies import SansIOHTTPPolicy

CONCURRENCY = 4
"""Subscriptions listed at the same time."""

_DONE = frozenset({"Provisioned", "Granted", "ScheduleCreated", "AdminApproved", "Revoked"})


class AzureReader:
    """Lists our assignments, two calls and their pages per subscription.

    *credential*: an `azure.core` token credential. *endpoint*: https, or plain http on
    loopback. *authentication_policy* replaces the SDK's own. *requestor*: the object id of the
    pipeline's writing identity; where given, only its requests count as ours. *pause* waits
    that many seconds between attempts.
    """

    cloud = Cloud.AZURE

    def __init__(
        self,
        credential: TokenCredential,
        *,
        endpoint: str = PUBLIC,
        authentication_policy: SansIOHTTPPolicy[Any, Any] | None = None,
        requestor: str | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = Connection(
            credential=credential,
            endpoint=endpoint,
            authentication_policy=authentication_policy,
            requestor=requestor,
            pause=pause,
        )

    def observe(self, targets: Sequence[Target], *, now: datetime) -> Observation:
        """See `CloudReader.observe`."""
        bindings: list[Binding] = []
        foreign: list[Foreign] = []
        unreachable: list[tuple[TargetId, str]] = []
        refused: set[TargetId] = set()
        with ThreadPoolExecutor(max_workers=CONCURRENCY) as pool:
            for target, found in zip(targets, pool.map(self._read, targets), strict=True):
                if isinstance(found, CloudError):
                    unreachable.append((target.id, str(found)))
                    if isinstance(found, AzureRefused) and found.code in CLOSED_CODES:
                        refused.add(target.id)
                    continue
                bindings.extend(found.bindings(target, now=now))
                foreign.extend(
                    Foreign(target=target.id, handle=one.schedule.handle, why=one.doubt)
                    for one in found.foreign()
                )
        return Observation(
            cloud=Cloud.AZURE,
            bindings=tuple(sorted(bindings, key=lambda one: one.identity)),
            foreign=tuple(sorted(foreign, key=lambda one: (one.target, one.handle))),
            unreachable=tuple(unreachable),
            refused=frozenset(refused),
        )

    def _read(self, target: Target) -> State | CloudError:
        try:
            with translated(), self._connection.open(target.locator) as subscription:
                return subscription.state()
        except CloudError as error:
            return error


class AzureWriter:
    """Carries out changes. Looks again before it writes, once per subscription.

    What stands in a binding's place and is not ours is never changed: the change fails and
    says so. An answer that is lost is looked up under the request's own name. Arguments as
    for `AzureReader`.
    """

    cloud = Cloud.AZURE

    def __init__(
        self,
        credential: TokenCredential,
        *,
        endpoint: str = PUBLIC,
        authentication_policy: SansIOHTTPPolicy[Any, Any] | None = None,
        requestor: str | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = Connection(
            credential=credential,
            endpoint=endpoint,
            authentication_policy=authentication_policy,
            requestor=requestor,
            pause=pause,
        )

    def write(
        self, changes: Sequence[BindingChange], *, clock: Callable[[], datetime]
    ) -> tuple[Result, ...]:
        """See `CloudWriter.write`."""
        results: dict[int, Result] = {}
        for locator in dict.fromkeys(change.binding.locator for change in changes):
            mine = [i for i, change in enumerate(changes) if change.binding.locator == locator]
            try:
                with translated(), self._connection.open(locator) as subscription:
                    assigner = _Assigner(azure=subscription)
                    assigner.refresh()
                    for i in mine:
                        results[i] = assigner.carry_out(changes[i], clock())
            except CloudError as error:
                for i in mine:
                    if i not in results:
                        results[i] = _failed(changes[i], error.message)
        return tuple(results[i] for i in range(len(changes)))


@dataclass(kw_only=True, slots=True)
class _Assigner:
    """Decides, for one subscription, what a change takes, and does it."""

    azure: Subscription
    known: State | None = None
    numbers: list[str] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)

    def refresh(self) -> State:
        """Lists again and remembers it."""
        self.known = self.azure.state()
        self.numbers.extend(one.number for one in self.known.requests)
        return self.known

    def carry_out(self, change: BindingChange, now: datetime) -> Result:
        """Does one change; refusals and outages become its result."""
        try:
            with translated():
                if change.binding.key in self.touched:
                    self.refresh()
                self.touched.add(change.binding.key)
                if change.kind is ChangeKind.DELETE:
                    return self.remove(change, now)
                window = change.binding.window
                if window is None or window.ended(now):
                    return _failed(change, "its window has ended; nothing was written")
                return self.hold(change, now)
        except CloudError as error:
            return _failed(change, str(error))

    def hold(self, change: BindingChange, now: datetime) -> Result:
        """Makes the assignment as desired, from whatever stands there."""
        state = self.known or self.refresh()
        held = state.current(change.binding.key, now=now)
        gives = not change.narrows(now=now)
        if held is not None:
            return self.adjust(change, state, held, now, renew=gives)
        return self.assign(change, now) if gives else _failed(change, WENT)

    def adjust(
        self, change: BindingChange, state: State, held: Held, now: datetime, *, renew: bool = True
    ) -> Result:
        """Changes what stands in place, unless it is alike already or not ours.

        What Azure then finds gone is assigned anew, with *renew*.
        """
        if held.doubt:
            return _failed(change, _occupied(held))
        if state.document(held, now=now) == change.binding.document:
            return _done(change, "it is there already")
        declared = _declared(change.binding).principal_type
        if held.schedule.principal_type != declared:
            return _failed(change, _other_type(held.schedule.principal_type, declared))
        try:
            answer = self.azure.send(self.draft(change.binding, UPDATE, now, held))
        except AzureRefused as refusal:
            if refusal.code == "RoleAssignmentDoesNotExist" and renew:
                return self.assign(change, now)
            return _failed(change, str(refusal))
        return _outcome(change, answer)

    def assign(self, change: BindingChange, now: datetime) -> Result:
        """Makes a new assignment."""
        binding = change.binding
        if binding.window is None or not documents.assignable(binding.window, now=now):
            return _failed(
                change,
                "fewer than five minutes of it remain, and Azure assigns nothing shorter "
                "(ActiveDurationTooShort); extend the grant",
            )
        declared = _declared(binding).principal_type
        draft = self.draft(binding, ASSIGN, now, None)
        try:
            expected = self.azure.rehearse(draft)
            if expected is not None and expected != declared:
                return _failed(change, _other_type(expected, declared))
            answer = self.azure.send(draft)
        except AzureRefused as refusal:
            if refusal.code == "RoleAssignmentExists":
                return self.converge(change, now)
            return _failed(change, str(refusal))
        why = answer.doubt(self.azure.requestor)
        if why:
            why = f"it does not read back as ours ({why})"
        elif answer.principal_type not in (None, declared):
            why = _other_type(answer.principal_type, declared)
        if why:
            # What no later run would know again must not stay.
            taken = self.take_back(binding, answer, now)
            return _failed(change, f"{why}; taking it back: {taken.status} {taken.message}")
        return _outcome(change, answer)

    def converge(self, change: BindingChange, now: datetime) -> Result:
        """Decides about an assignment that was not there a moment ago."""
        state = self.refresh()
        held = state.current(change.binding.key, now=now)
        if held is not None:
            # Azure just said that it exists: if it now says the opposite, the next run decides.
            return self.adjust(change, state, held, now, renew=False)
        ours = state.believed(change.binding.key, now=now)
        window = change.binding.window
        if ours is not None and window is not None and ours.asked_end == window.end:
            return _done(change, "it is assigned, but not listed yet")
        return _failed(
            change,
            "Azure says that an assignment for this principal, role and scope exists, but does "
            "not list it as ours; the next run looks again",
        )

    def take_back(self, binding: Binding, answer: ScheduleRequest, now: datetime) -> Result:
        """Takes away what the request *answer* assigned, whoever Azure says that made it."""
        change = BindingChange(kind=ChangeKind.DELETE, binding=binding)
        if answer.status in PENDING and self.azure.cancel(answer.name):
            return _done(change, "cancelled before it began")
        return self.send_removal(change, now, None)

    def remove(self, change: BindingChange, now: datetime) -> Result:
        """Takes the assignment away, unless what stands there is not ours."""
        state = self.known or self.refresh()
        places = [one for one in state.held if one.key == change.binding.key]
        held = min(places, key=lambda one: (bool(one.doubt), one.ended(now)), default=None)
        if held is not None and held.doubt:
            return _done(change, f"ours is gone; {held.schedule.handle} in its place is not ours")
        believed = state.believed(change.binding.key, now=now)
        if held is None and believed is None:
            return _done(change, "it was gone already")
        if waiting := state.pending(change.binding.key, now=now):
            # What has not begun is cancelled; AdminRemove may not find it.
            for one in waiting:
                self.azure.cancel(one.name)
            if not self.left(change, now):
                return _done(change, "cancelled before it began")
        return self.send_removal(change, now, held)

    def send_removal(self, change: BindingChange, now: datetime, held: Held | None) -> Result:
        """Asks Azure to remove the assignment; what it says does not exist must not be listed."""
        try:
            answer = self.azure.send(self.draft(change.binding, REMOVE, now, held))
        except AzureRefused as refusal:
            if refusal.code == "RoleAssignmentDoesNotExist":
                if not self.left(change, now):
                    return _done(change, "it was gone already")
                return _failed(change, f"{refusal}; yet it is listed: the next run tries it again")
            if refusal.code == "ActiveDurationTooShort":
                return Result(change=change, status=Status.PENDING, message=_too_early(change))
            return _failed(change, str(refusal))
        return _outcome(change, answer)

    def left(self, change: BindingChange, now: datetime) -> bool:
        """Whether a fresh listing shows the assignment, or a request of ours that would make it."""
        state, key = self.refresh(), change.binding.key
        held = state.current(key, now=now)
        return (held is not None and not held.doubt) or bool(state.pending(key, now=now))

    def draft(
        self, binding: Binding, kind: str, now: datetime, held: Held | None
    ) -> ScheduleRequestDraft:
        """Returns the request of *kind* for *binding*, named after its contents."""
        declared = _declared(binding)
        number = ticket_number(now, self.numbers)
        self.numbers.append(number)
        # What is taken away may have lost its reasons; what is given never lacks one.
        reasons = (
            AzureMark(principal=binding.principal, role=binding.role, grants=())
            if kind == REMOVE and not binding.grants
            else mark(principal=binding.principal, role=binding.role, grants=binding.grants)
        )
        window = None if kind == REMOVE else binding.window
        end = window.end if window else None
        justification = replace(reasons, end=end, number=number).justification
        return ScheduleRequestDraft(
            name=request_name(
                scope=self.azure.scope,
                principal_id=declared.principal_id,
                role_definition=declared.role,
                kind=kind,
                justification=justification,
            ),
            kind=kind,
            principal_id=declared.principal_id,
            role_definition_id=documents.role_definition(self.azure.locator, declared.role),
            start=_start(window, held, now) if window else None,
            end=end,
            justification=justification,
            ticket_number=number,
            schedule=held.schedule.name if held else None,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Declared:
    """Returns principal and role as a binding's document names them."""

    principal_id: str
    principal_type: str
    role: str


def _declared(binding: Binding) -> _Declared:
    content = json.loads(binding.document)
    return _Declared(
        principal_id=content["principalId"],
        principal_type=content.get("principalType", ""),
        role=_last(content["roleDefinitionId"]),
    )


def _start(window: Window, held: Held | None, now: datetime) -> datetime:
    if window.start > now:
        return window.start
    since = held.schedule.start if held else None
    # What runs keeps its start, so that an extension in place leaves no gap.
    return since if since is not None and since <= now else now


def _outcome(change: BindingChange, answer: ScheduleRequest) -> Result:
    if answer.status in _DONE:
        return _done(change, "")
    if answer.status in SCHEDULED and change.kind is not ChangeKind.DELETE:
        return _done(change, "scheduled")
    if answer.status in PENDING:
        return Result(
            change=change,
            status=Status.PENDING,
            message=f"Azure accepted request {answer.name} and says {answer.status}",
        )
    return _failed(change, f"Azure says {answer.status or 'nothing'} of request {answer.name}")


def _done(change: BindingChange, message: str) -> Result:
    return Result(change=change, status=Status.DONE, message=message)


def _failed(change: BindingChange, message: str) -> Result:
    return Result(change=change, status=Status.FAILED, message=message)


def _occupied(held: Held) -> str:
    end = f"until {timestamp(held.schedule.end)}" if held.schedule.end else "without an end"
    return (
        f"{held.schedule.handle} gives this principal the same role {end} and is not ours "
        f"({held.doubt}); Azure holds one assignment per principal, role and scope: "
        "remove it there, or wait until it ends"
    )


def _other_type(found: str | None, declared: str) -> str:
    return (
        f"Entra says that the principal is a {found or 'principal of unknown type'}, the "
        f"catalogue says {declared}; correct `identities.azure` in the principal's file"
    )


def _too_early(change: BindingChange) -> str:
    window = (change.before or change.binding).window
    stands = f"until {timestamp(window.end)}" if window else "until its own end"
    return (
        "Azure removes nothing within five minutes of its assignment (ActiveDurationTooShort); "
        f"it stands {stands} at the latest, and the next run tries again"
    )


def _last(path: str | None) -> str:
    return (path or "").rstrip("/").rpartition("/")[2].lower()
