"""The Azure object for grants: one active role assignment schedule per principal and role.

Privileged Identity Management (Microsoft.Authorization 2020-10-01) keeps one active
assignment per principal, role definition and scope, with its own start and end, and ends it
by itself. Grants for the same access therefore share one assignment.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from pipeline.clouds.azure.mark import AzureMark, mark
from pipeline.errors import UsageError
from pipeline.values.binding import Binding
from pipeline.values.canonical import canonical, timestamp
from pipeline.values.catalogue import AzurePermissions, Entitlement, Expiry, Mfa
from pipeline.values.grant import Window
from pipeline.values.ids import Cloud, GrantId

MINIMUM = timedelta(minutes=5)
"""Nothing shorter is assigned (`ActiveDurationTooShort`), and nothing is removed earlier.

Microsoft Learn, "Assign Azure resource roles in Privileged Identity Management".
"""

LONGEST = timedelta(days=30)
"""Requests, which say whose an assignment is, age out of Azure's lists after 30 to 45 days
(hashicorp/terraform-provider-azurerm, pim_active_role_assignment_resource.go: 45)."""

PRINCIPAL_TYPES = ("User", "ServicePrincipal")
"""Groups are refused: who is in one is decided outside git."""

_NAMESPACE = uuid.UUID("0b8f4a52-3d5e-5b7e-8f0c-7c1f2a9d4e10")


def binding(
    entitlement: Entitlement, *, grants: tuple[GrantId, ...], window: Window, now: datetime
) -> Binding:
    """Returns the assignment that holds *entitlement* for *grants* during *window*.

    *window* is the grants' `union`. The document names the start only while it lies after
    *now*: PIM records the moment of provisioning for a start in the past. It names the grants,
    as far as the request has room for them, so that a grant which no longer counts is taken
    out of the assignment's reasons even where another one still needs it.

    Raises `UsageError` when the catalogue's entry cannot be held by such an assignment.
    """
    where = f"{entitlement.grant} on {entitlement.target.id}"
    identity = entitlement.principal.azure
    permissions = entitlement.role.permissions
    if entitlement.target.cloud is not Cloud.AZURE or not isinstance(permissions, AzurePermissions):
        raise UsageError(f"{where}: {entitlement.role.id} is not an Azure role on an Azure target")
    if entitlement.target.expiry is Expiry.PIPELINE:
        raise UsageError(
            f"{where}: the target says `expiry: pipeline`, and Azure assignments that only this "
            "pipeline would end are not made",
            hint="remove `expiry: pipeline`; time-bound assignments need Entra ID P2 there",
        )
    if identity is None:
        raise UsageError(
            f"{where}: {entitlement.principal.name} has no Azure identity",
            hint="add `identities.azure` with the Entra object id to the principal's file",
        )
    if identity.type not in PRINCIPAL_TYPES:
        raise UsageError(
            f"{where}: {entitlement.principal.name} is a {identity.type} in Entra; "
            f"allowed are {' and '.join(PRINCIPAL_TYPES)}"
        )
    if entitlement.parameters:
        raise UsageError(f"{where}: Azure roles take no parameters; a role definition is fixed")
    if entitlement.role.mfa_required and identity.mfa is not Mfa.IDENTITY_PROVIDER:
        raise UsageError(
            f"{where}: {entitlement.role.id} requires MFA, which an Azure assignment cannot test",
            hint="declare `mfa: identity-provider` for the identity if Entra enforces it",
        )
    # Of several that follow each other the later ones bring requests of their own.
    if len(set(grants)) == 1 and window.end - window.start > LONGEST:
        raise UsageError(
            f"{where}: it would last longer than {LONGEST.days} days, and Azure forgets whose an "
            "assignment is",
            hint=f"ask for at most {LONGEST.days} days, and again before they are over",
        )
    locator = _guid(entitlement.target.locator, f"{where}: subscription id")
    principal_id = _guid(identity.object_id, f"{where}: Entra object id")
    role = _guid(permissions.role_definition_id, f"{where}: role definition id")
    reasons = mark(principal=entitlement.principal.name, role=entitlement.role.name, grants=grants)
    return Binding(
        cloud=Cloud.AZURE,
        target=entitlement.target.id,
        locator=entitlement.target.locator,
        key=key(locator, principal_id, role),
        grants=tuple(sorted(set(grants))),
        principal=entitlement.principal.name,
        role=entitlement.role.name,
        window=window,
        parameters=entitlement.parameters,
        document=document(
            locator=locator,
            principal_id=principal_id,
            principal_type=identity.type,
            role=role,
            start=window.start,
            end=window.end,
            reasons=reasons,
            now=now,
        ),
    )


def until(held: Binding, end: datetime) -> str:
    """Returns the document of an assignment that is *held*, with another end."""
    return canonical(json.loads(held.document) | {"endDateTime": _moment(end)})


def document(
    *,
    locator: str,
    principal_id: str,
    principal_type: str | None,
    role: str,
    start: datetime | None,
    end: datetime | None,
    reasons: AzureMark | None,
    now: datetime,
) -> str:
    """Returns the canonical document of an assignment, desired or observed.

    *role* is the role definition's GUID. What an observed assignment lacks is left out.
    """
    content: dict[str, object] = {
        "scope": scope(locator),
        "principalId": principal_id.lower(),
        "roleDefinitionId": role_definition(locator, role),
    }
    if principal_type is not None:
        content["principalType"] = principal_type
    if start is not None and start > now:
        content["startDateTime"] = _moment(start)
    if end is not None:
        content["endDateTime"] = _moment(end)
    if reasons is not None:
        content["grants"] = list(reasons.grants)
        if reasons.unlisted:
            content["unlisted"] = reasons.unlisted
    return canonical(content)


def union(windows: Iterable[Window], *, now: datetime) -> Window | None:
    """Returns the one window to hold at *now* for grants of the same access, or None.

    It starts with the earliest window that has not ended and grows by those that touch it,
    one after the other. A gap is never bridged: what lies behind one has to wait until its
    time comes.
    """
    live = sorted(window for window in windows if not window.ended(now))
    if not live:
        return None
    held = live[0]
    for window in live[1:]:
        if not held.touches(window):
            break
        held = held.union(window)
    return held


def assignable(window: Window, *, now: datetime) -> bool:
    """Whether Azure would take a new assignment for *window* at *now*: five minutes remain."""
    return window.end - max(window.start, now) >= MINIMUM


def scope(locator: str) -> str:
    """Returns the scope of the subscription *locator*."""
    return f"/subscriptions/{locator.lower()}"


def role_definition(locator: str, role: str) -> str:
    """Returns the full id of the role definition with the GUID *role* in a subscription."""
    return f"{scope(locator)}/providers/Microsoft.Authorization/roleDefinitions/{role.lower()}"


def key(locator: str, principal_id: str, role: str) -> str:
    """Returns the binding key of a principal's assignment of the role GUID *role*."""
    return str(uuid.uuid5(_NAMESPACE, f"{role_definition(locator, role)}|{principal_id.lower()}"))


def _moment(moment: datetime) -> str:
    # A hand-edited end may carry a fraction; hiding it would make unlike ends look alike.
    if moment.microsecond:
        return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return timestamp(moment)


def _guid(text: str, what: str) -> str:
    try:
        plain = str(uuid.UUID(text)) == text.lower()
    except ValueError:
        plain = False
    if not plain:
        raise UsageError(f"{what} {text!r} is not a GUID")
    return text.lower()
