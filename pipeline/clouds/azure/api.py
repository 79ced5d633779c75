"""The conversation with Azure Resource Manager through azure-mgmt-authorization 4.

Only role assignment schedules and their requests, Microsoft.Authorization 2020-10-01: the
versioned client is used, so that an SDK update cannot move them to a preview. No SDK type
leaves this file, and every SDK error leaves it as `CloudError`. Error codes: Microsoft Learn,
"Privileged role common errors" (rest/api/authorization) and governanceRoleAssignmentRequest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from pipeline.clouds.azure import binding as documents
from pipeline.clouds.azure.mark import SYSTEM, plain_scope
from pipeline.clouds.azure.observed import AssignmentSchedule, ScheduleRequest, State, read_state
from pipeline.clouds.interface import CLOSED, unforeseen
from pipeline.errors import CloudError, UsageError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.pipeline.policies import SansIOHTTPPolicy

PUBLIC = "https://management.azure.com"
"""Azure Resource Manager of the public cloud."""

CONNECT_TIMEOUT, READ_TIMEOUT = 20, 60
"""Seconds. azure-core would wait 300 for each."""

ATTEMPTS = 4
"""How often a call is made before its failure counts."""

LONGEST_PAUSE = 60.0
"""Seconds; a longer `Retry-After` is cut to it, so that one cloud cannot hold a run."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
# A principal that was made a moment ago is not yet known: to role assignments as
# `PrincipalNotFound`, to Privileged Identity Management as `SubjectNotFound`.
_WORTH_WAITING = frozenset({"PrincipalNotFound", "SubjectNotFound", "PendingRoleAssignmentRequest"})
_NOT_CANCELLED = frozenset({400, 404, 409})
_NO_VALIDATION = frozenset({404, 405, 501})

_OVER = frozenset({"Revoked", "Canceled"})
"""States in which a schedule, should it still be listed, gives nothing any more."""

_ADVICE = {
    "ExpirationRule": "the role's PIM settings allow less time for active assignments",
    "JustificationRule": "the role's PIM settings want a justification in another form",
    "TicketingRule": "the role's PIM settings want a ticket in another form",
    "MfaRule": "the role's PIM settings ask assigners for MFA, which a pipeline cannot give: "
    "turn it off for active assignments",
    "EligibilityRule": "the principal is not eligible",
}

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleRequestDraft:
    """A request that is about to be made."""

    name: str
    kind: str
    principal_id: str
    role_definition_id: str
    start: datetime | None
    end: datetime | None
    justification: str
    ticket_number: str
    schedule: str | None


class StaticToken:
    """A credential that is one bearer token, for stand-ins; `azure-identity` for the rest."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **options: Any) -> Any:
        """Returns the token, never to expire, whatever is asked for."""
        from azure.core.credentials import AccessToken

        return AccessToken(self._token, 2**31 - 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """A connection to Azure Resource Manager; makes one client per use."""

    credential: TokenCredential
    endpoint: str
    authentication_policy: SansIOHTTPPolicy[Any, Any] | None
    requestor: str | None
    pause: Callable[[float], None]

    def __post_init__(self) -> None:
        address = urlsplit(self.endpoint)
        if address.scheme != "https" and address.hostname not in _LOOPBACK:
            raise UsageError(
                f"{self.endpoint} would get a bearer token in the clear",
                hint="use https; plain http is for stand-ins on this machine only",
            )

    @contextmanager
    def open(self, locator: str) -> Iterator[Subscription]:
        """Yields the subscription *locator* and closes its connections."""
        from azure.core.pipeline.policies import HeadersPolicy
        from azure.mgmt.authorization.v2020_10_01 import AuthorizationManagementClient

        options: dict[str, Any] = {
            "retry_total": 0,  # one place retries: `Subscription.attempt`
            "connection_timeout": CONNECT_TIMEOUT,
            "read_timeout": READ_TIMEOUT,
        }
        if self.authentication_policy is not None:
            options["authentication_policy"] = self.authentication_policy
        elif urlsplit(self.endpoint).scheme == "http":
            # The SDK's own policy refuses to send a bearer token over plain http.
            token = self.credential.get_token(f"{PUBLIC}/.default").token
            options["authentication_policy"] = HeadersPolicy(
                base_headers={"Authorization": f"Bearer {token}"}
            )
        with AuthorizationManagementClient(self.credential, self.endpoint, **options) as client:
            yield Subscription(client=client, locator=locator, connection=self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscription:
    """One subscription's schedules and requests. Use within `translated`."""

    client: Any
    locator: str
    connection: Connection

    @property
    def scope(self) -> str:
        return documents.scope(self.locator)

    @property
    def requestor(self) -> str | None:
        """The pipeline's own object id, where that is known."""
        return self.connection.requestor

    def state(self) -> State:
        """Lists what stands at the subscription's own scope, and every request for it."""
        # atScope() also answers what lies above; each entry says its own scope.
        schedules = self.attempt(
            lambda: list(
                self.client.role_assignment_schedules.list_for_scope(self.scope, filter="atScope()")
            )
        )
        requests = self.attempt(
            lambda: list(
                self.client.role_assignment_schedule_requests.list_for_scope(
                    self.scope, filter="atScope()"
                )
            )
        )
        return read_state(
            self.locator,
            [
                _schedule(one)
                for one in schedules
                if _same_scope(one.scope, self.scope)
                and one.member_type in (None, "Direct")
                and one.status not in _OVER
            ],
            [_request(one) for one in requests if _same_scope(one.scope, self.scope)],
            requestor=self.connection.requestor,
        )

    def attempt(self, call: Callable[[], _T]) -> _T:
        """Returns what *call* returns, which is repeatable, after transient failures too."""
        from azure.core.exceptions import AzureError

        for number in range(1, ATTEMPTS):
            try:
                return call()
            except AzureError as error:
                if not _worth_waiting(error):
                    raise
                self.connection.pause(_delay(error, number))
        return call()

    def rehearse(self, draft: ScheduleRequestDraft) -> str | None:
        """Asks Azure whether it would take *draft*; returns the principal's type, if it says so.

        Raises `AzureRefused` as the request itself would. Where Azure offers no rehearsal, the
        request itself has to tell.
        """
        from azure.core.exceptions import HttpResponseError

        operations = self.client.role_assignment_schedule_requests
        try:
            answer = self.attempt(
                lambda: operations.validate(self.scope, draft.name, _model(draft))
            )
        except HttpResponseError as error:
            if error.status_code in _NO_VALIDATION and not _code(error).startswith("Role"):
                return None
            raise _refused(error) from error
        return _request(answer).principal_type

    def send(self, draft: ScheduleRequestDraft) -> ScheduleRequest:
        """Puts *draft* and returns it as Azure keeps it.

        Whether a lost answer came after its effect is read back under the draft's own name.
        Raises `AzureRefused` for what Azure says no to, and what it did not answer in the end.
        """
        from azure.core.exceptions import AzureError

        operations = self.client.role_assignment_schedule_requests
        lost = False
        for number in range(1, ATTEMPTS + 1):
            try:
                return _request(operations.create(self.scope, draft.name, _model(draft)))
            except AzureError as error:
                lost = lost or _may_have_happened(error)
                kept = self.kept(draft) if lost else None
                if kept is not None:
                    return kept
                if number == ATTEMPTS or not _worth_waiting(error):
                    raise _refused(error) from error
                self.connection.pause(_delay(error, number))
        raise AssertionError("the last attempt returns or raises")

    def cancel(self, name: str) -> bool:
        """Cancels the request *name*, and returns whether Azure did: what is no longer pending
        cannot be cancelled. Raises what the SDK does for anything but a no."""
        from azure.core.exceptions import HttpResponseError

        operations = self.client.role_assignment_schedule_requests
        try:
            self.attempt(lambda: operations.cancel(self.scope, name))
        except HttpResponseError as error:
            if error.status_code not in _NOT_CANCELLED:
                raise
            return False
        return True

    def kept(self, draft: ScheduleRequestDraft) -> ScheduleRequest | None:
        """Returns *draft* as Azure keeps it, or None where it never arrived."""
        from azure.core.exceptions import ResourceNotFoundError

        operations = self.client.role_assignment_schedule_requests
        try:
            found = _request(self.attempt(lambda: operations.get(self.scope, draft.name)))
        except ResourceNotFoundError:
            return None
        return None if found.doubt(self.connection.requestor) else found


CLOSED_CODES = frozenset(
    {
        *("AuthorizationFailed", "SubscriptionNotFound", "InvalidSubscriptionId"),
        *("DisabledSubscription", "ReadOnlyDisabledSubscription", "AadPremiumLicenseRequired"),
    }
)
"""Codes with which Azure refuses on every try.

https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
"""


class AzureRefused(CloudError):
    """Raised when Azure said no to a request; *code* is its error code."""

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


@contextmanager
def translated() -> Iterator[None]:
    """Turns what the SDK raises into `CloudError`."""
    from azure.core.exceptions import AzureError, DeserializationError, SerializationError

    try:
        yield
    except AzureError as error:
        raise _refused(error) from error
    except (DeserializationError, SerializationError) as error:
        raise CloudError(f"Azure answered what the SDK cannot read: {error}") from error
    except CloudError:
        raise
    except Exception as error:  # an answer that the SDK lets through and nobody foresaw
        raise CloudError(f"Azure: {unforeseen(error)}") from error


def _refused(error: Any) -> AzureRefused:
    code = _code(error)
    detail = getattr(getattr(error, "error", None), "message", None) or error.message
    said = " ".join(str(detail).split())
    status = getattr(error, "status_code", None)
    text = f"Azure: {code or status or type(error).__name__}: {said}"
    if code == "RoleAssignmentRequestPolicyValidationFailed":
        rules = [rule for rule in _ADVICE if rule in said]
        return AzureRefused(
            code, text, hint="; ".join(f"{rule}: {_ADVICE[rule]}" for rule in rules)
        )
    if code in ("PrincipalNotFound", "SubjectNotFound"):
        return AzureRefused(code, text, hint="check the object id in the principal's file")
    if code == "AadPremiumLicenseRequired":
        return AzureRefused(code, text, hint="time-bound assignments need Entra ID P2 there")
    if code in CLOSED_CODES:
        return AzureRefused(code, text, hint=CLOSED)
    if code == "PendingRoleAssignmentRequest":
        return AzureRefused(
            code, text, hint="another request is under way; the next run tries again"
        )
    return AzureRefused(code, text)


def _code(error: Any) -> str:
    return str(getattr(getattr(error, "error", None), "code", None) or "")


def _transient(error: Any) -> bool:
    from azure.core.exceptions import IncompleteReadError, ServiceRequestError, ServiceResponseError

    if isinstance(error, (ServiceRequestError, ServiceResponseError, IncompleteReadError)):
        return True
    return getattr(error, "status_code", None) in _TRANSIENT


def _worth_waiting(error: Any) -> bool:
    return _transient(error) or _code(error) in _WORTH_WAITING


def _may_have_happened(error: Any) -> bool:
    # 429 is refused before anything is done; every other transient failure proves nothing.
    return _transient(error) and getattr(error, "status_code", None) != 429


def _delay(error: Any, attempt: int) -> float:
    response = getattr(error, "response", None)
    asked = str(response.headers.get("Retry-After", "")) if response is not None else ""
    seconds = float(asked) if asked.isdecimal() else float(2**attempt)
    return min(seconds, LONGEST_PAUSE)


def _schedule(found: Any) -> AssignmentSchedule:
    if not (found.name and found.id and found.principal_id and found.role_definition_id):
        raise CloudError("Azure lists a role assignment schedule without name, principal or role")
    return AssignmentSchedule(
        name=found.name.lower(),
        handle=found.id,
        principal_id=found.principal_id.lower(),
        principal_type=found.principal_type,
        role=_last(found.role_definition_id),
        start=_utc(found.start_date_time),
        end=_utc(found.end_date_time),
        request=_last(found.role_assignment_schedule_request_id) or None,
    )


def _request(found: Any) -> ScheduleRequest:
    if not (found.name and found.principal_id and found.role_definition_id and found.request_type):
        raise CloudError("Azure answers a schedule request without name, principal, role or kind")
    expiration = found.schedule_info.expiration if found.schedule_info else None
    ticket = found.ticket_info
    return ScheduleRequest(
        name=found.name.lower(),
        kind=found.request_type,
        status=found.status or "",
        scope=found.scope or "",
        principal_id=found.principal_id.lower(),
        principal_type=found.principal_type,
        role=_last(found.role_definition_id),
        end=_utc(expiration.end_date_time) if expiration else None,
        justification=found.justification or "",
        ticket_system=(ticket.ticket_system or "") if ticket else "",
        ticket_number=(ticket.ticket_number or "") if ticket else "",
        requestor=found.requestor_id.lower() if found.requestor_id else None,
        schedule=_last(found.target_role_assignment_schedule_id) or None,
        created=_utc(found.created_on),
    )


def _model(draft: ScheduleRequestDraft) -> Any:
    from azure.mgmt.authorization.v2020_10_01 import models

    schedule_info = None
    if draft.end is not None:
        schedule_info = models.RoleAssignmentScheduleRequestPropertiesScheduleInfo(
            start_date_time=draft.start,
            expiration=models.RoleAssignmentScheduleRequestPropertiesScheduleInfoExpiration(
                type="AfterDateTime", end_date_time=draft.end
            ),
        )
    return models.RoleAssignmentScheduleRequest(
        role_definition_id=draft.role_definition_id,
        principal_id=draft.principal_id,
        request_type=draft.kind,
        target_role_assignment_schedule_id=draft.schedule,
        schedule_info=schedule_info,
        justification=draft.justification,
        ticket_info=models.RoleAssignmentScheduleRequestPropertiesTicketInfo(
            ticket_number=draft.ticket_number, ticket_system=SYSTEM
        ),
    )


def _last(path: str | None) -> str:
    return (path or "").rstrip("/").rpartition("/")[2].lower()


def _same_scope(one: str | None, other: str) -> bool:
    return plain_scope(one or "") == plain_scope(other)


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
