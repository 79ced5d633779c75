"""The Google Cloud object for one line of a grant: an IAM binding whose condition ends it.

Sources: Resource Manager v3 `Policy`, `Binding` and `Expr`; "Overview of IAM Conditions"
(cloud.google.com/iam/docs/conditions-overview); "Manage access to projects" for members.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from pipeline.errors import UsageError
from pipeline.values.binding import Binding
from pipeline.values.canonical import canonical, digest, timestamp
from pipeline.values.catalogue import Entitlement, GcpPermissions, Mfa
from pipeline.values.grant import Window
from pipeline.values.ids import Cloud, GrantId, TargetId

PREFIX = "daypass-"
"""Every condition title of ours starts with it."""

MAX_DESCRIPTION = 256
"""Characters of a condition's description."""

LEGACY_ROLES = frozenset({"roles/owner", "roles/editor", "roles/viewer"})
"""Roles that cannot carry a condition (IAM Conditions, "Limits on conditional role bindings")."""

_TITLE = re.compile(r"daypass-([0-9a-f]{24})-([0-9a-f]{24})")
_MEMBER = re.compile(r"(?:user|serviceAccount):[a-z0-9._%+'-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_ROLE = re.compile(
    r"(?:(?:projects/[a-z][a-z0-9-]{4,28}[a-z0-9]|organizations/[0-9]+)/)?roles/[A-Za-z0-9_.]{1,64}"
)
_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
_MOMENT = r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)"
_EXPRESSION = re.compile(
    rf'request\.time >= timestamp\("{_MOMENT}"\) && request\.time < timestamp\("{_MOMENT}"\)'
)


class NotGrantable(UsageError):
    """Raised when Google Cloud cannot hold an entitlement with an end of its own."""


def binding(entitlement: Entitlement, *, window: Window) -> Binding:
    """Returns the project binding that holds *entitlement* during *window* and not after.

    The window is narrowed to whole seconds, never widened. The key does not depend on it.

    Raises `NotGrantable` for roles that carry no condition, for members other than lower-case
    `user:` and `serviceAccount:`, for a second factor that nobody proves, and for ids that
    Google would refuse.
    """
    where = f"grant {entitlement.grant}, target {entitlement.target.id}"
    role = _role(entitlement, where=where)
    member = _member(entitlement, where=where)
    if entitlement.target.cloud is not Cloud.GCP:
        raise NotGrantable(f"{where}: the target is not a Google Cloud project")
    project = entitlement.target.locator
    if _PROJECT.fullmatch(project) is None:
        raise NotGrantable(
            f"{where}: {project!r} is not a project id",
            hint="6 to 30 lower-case letters, digits and hyphens, starting with a letter",
        )
    if len(entitlement.grant) > MAX_DESCRIPTION:
        raise NotGrantable(
            f"{where}: the grant id has {len(entitlement.grant)} characters, a condition's "
            f"description holds {MAX_DESCRIPTION}",
            hint="give the grant file a shorter name",
        )
    narrowed = _whole_seconds(window, where=where)
    title = _title(entitlement, role=role, member=member)
    return Binding(
        cloud=Cloud.GCP,
        target=entitlement.target.id,
        locator=project,
        key=title,
        grants=(entitlement.grant,),
        principal=entitlement.principal.name,
        role=entitlement.role.name,
        window=narrowed,
        parameters=entitlement.parameters,
        document=canonical(
            {
                "role": role,
                "member": member,
                "condition": {
                    "title": title,
                    "description": entitlement.grant,
                    "expression": expression(narrowed),
                },
            }
        ),
    )


def until(held: Binding, window: Window) -> str | None:
    """Returns the document of a project binding that is *held*, with another *window*; None where
    it is not one entry for one member."""
    document = json.loads(held.document)
    if "member" not in document:
        return None
    document["condition"]["expression"] = expression(window)
    return canonical(document)


def expression(window: Window) -> str:
    """Returns the condition in CEL that is true inside *window* only; whole seconds."""
    return (
        f'request.time >= timestamp("{timestamp(window.start)}") && '
        f'request.time < timestamp("{timestamp(window.end)}")'
    )


def window_in(text: str) -> Window | None:
    """Returns the window that an expression of ours states; None for any other expression."""
    match = _EXPRESSION.fullmatch(text)
    if match is None:
        return None
    try:
        start, end = (datetime.fromisoformat(moment) for moment in match.groups())
        return Window(start=start, end=end)
    except ValueError:
        return None


def claims_to_be_ours(title: str) -> bool:
    """Whether a condition's *title* starts like ours, in any case of letters."""
    return title.lower().startswith(PREFIX)


@lru_cache(maxsize=4096)
def owner(title: str, description: str) -> GrantId | None:
    """Returns the grant whose mark this is; None when title and description disagree.

    The mark is a well-formed title whose first half is the digest of the description. It
    holds whatever else was edited by hand, so an altered binding of ours stays ours.
    """
    match = _TITLE.fullmatch(title)
    if match is None or not description or match.group(1) != _short(description):
        return None
    return GrantId(description)


def observed(
    entries: list[Mapping[str, Any]], *, target: TargetId, locator: str, title: str
) -> Binding:
    """Returns what the project holds under one *title* of ours, as one binding.

    *entries* are the policy's bindings (Resource Manager v3 JSON) with that title. More than
    one, or more than one member, gives a document that no grant asks for, so that the next
    plan repairs it. The window is None unless every entry states one; then it is the widest.
    """
    grant = entries[0]["condition"]["description"]
    windows = [window_in(entry["condition"].get("expression", "")) for entry in entries]
    stated = [window for window in windows if window is not None]
    documents = [_document(entry) for entry in entries]
    return Binding(
        cloud=Cloud.GCP,
        target=target,
        locator=locator,
        key=title,
        grants=(GrantId(grant),),
        # Only the cloud's own names lie in the policy; the folder of a grant is its subject.
        principal=grant.partition("/")[0],
        role=entries[0].get("role", ""),
        window=(
            Window(start=min(w.start for w in stated), end=max(w.end for w in stated))
            if len(stated) == len(entries)
            else None
        ),
        document=canonical(documents[0] if len(documents) == 1 else {"bindings": documents}),
        handle=f"projects/{locator} {entries[0].get('role', '')} {title}",
    )


def same_account(member: str) -> str:
    """Returns *member* with its account in lower case; the type before the colon as it is.

    Google answers with the case in which an account was created, whatever was written
    (hashicorp/terraform-provider-google#4276, #5107).
    """
    kind, colon, account = member.partition(":")
    return f"{kind}{colon}{account.lower()}"


def _document(entry: Mapping[str, Any]) -> dict[str, Any]:
    members = [same_account(member) for member in entry.get("members", ())]
    held: dict[str, Any] = {"role": entry.get("role", ""), "condition": dict(entry["condition"])}
    if len(members) == 1:
        held["member"] = members[0]
    else:
        held["members"] = members
    return held


def _role(entitlement: Entitlement, *, where: str) -> str:
    permissions = entitlement.role.permissions
    if not isinstance(permissions, GcpPermissions):
        raise NotGrantable(f"{where}: role {entitlement.role.id} is not a Google Cloud role")
    if permissions.role in LEGACY_ROLES:
        raise NotGrantable(
            f"{where}: {permissions.role} cannot carry a condition, so Google would never end it",
            hint="name predefined or custom roles that hold what is needed",
        )
    if _ROLE.fullmatch(permissions.role) is None:
        raise NotGrantable(
            f"{where}: {permissions.role!r} is not the name of a Google role",
            hint="write roles/…, projects/<id>/roles/… or organizations/<number>/roles/…",
        )
    return permissions.role


def _member(entitlement: Entitlement, *, where: str) -> str:
    principal = entitlement.principal
    if principal.gcp is None:
        raise NotGrantable(
            f"{where}: {principal.name} has no Google identity",
            hint=f"add identities.gcp to access/principals/{principal.name}.yaml",
        )
    member = principal.gcp.member
    if _MEMBER.fullmatch(member) is None:
        raise NotGrantable(
            f"{where}: {member!r} is not a person or a service account",
            hint="write user:<e-mail> or serviceAccount:<e-mail>, the e-mail in lower case",
        )
    # A condition cannot ask for a second factor, so somebody else has to vouch for it.
    if entitlement.role.mfa_required and principal.gcp.mfa is not Mfa.IDENTITY_PROVIDER:
        raise NotGrantable(
            f"{where}: role {entitlement.role.id} requires a second factor and {principal.name}'s "
            "Google identity does not say who proves it",
            hint="declare mfa: identity-provider where the identity provider enforces it",
        )
    return member


def _title(entitlement: Entitlement, *, role: str, member: str) -> str:
    access = {
        "grant": entitlement.grant,
        "target": entitlement.target.id,
        "entry": entitlement.role.id,
        "parameters": entitlement.parameters,
        "role": role,
        "member": member,
    }
    return f"{PREFIX}{_short(entitlement.grant)}-{_short(access)}"


def _short(value: Any) -> str:
    return digest(value)[:24]


def _whole_seconds(window: Window, *, where: str) -> Window:
    start, end = window.start.astimezone(UTC), window.end.astimezone(UTC)
    if start.microsecond:
        start = start.replace(microsecond=0) + timedelta(seconds=1)
    end = end.replace(microsecond=0)
    if start >= end:
        raise NotGrantable(f"{where}: the window holds no whole second")
    return Window(start=start, end=end)
