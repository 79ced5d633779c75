"""The grant, the project and the accounts that the Google Cloud tests speak of."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.clouds.gcp.binding import binding
from pipeline.clouds.interface import Result, Status
from pipeline.sandbox.cel import allowed
from pipeline.sandbox.gcp import GcpSandbox
from pipeline.values.binding import BindingChange, ChangeKind
from pipeline.values.catalogue import (
    Entitlement,
    GcpIdentity,
    GcpPermissions,
    Principal,
    PrincipalKind,
    Risk,
    Role,
    Target,
)
from pipeline.values.grant import Window
from pipeline.values.ids import Cloud, GrantId, RoleId, TargetId

NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
START = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
END = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
WINDOW = Window(start=START, end=END)
MILLISECOND = timedelta(milliseconds=1)
PROJECT = "acme-payments-prod"
ROLE = "roles/logging.viewer"
ALICE = "user:alice@example.com"
BOT = "serviceAccount:ledger@acme-payments-prod.iam.gserviceaccount.com"
PROJECTS = [PROJECT, "acme-sandbox-dev"]
ACCOUNTS = [ALICE, BOT, "user:Bob.Builder@Example.com", "group:sre@example.com"]
FOREIGN: list[dict[str, Any]] = [
    {"role": "roles/owner", "members": ["user:founder@example.com"]},
    {"role": ROLE, "members": ["group:sre@example.com", "deleted:user:x@example.com?uid=123"]},
    {
        "role": "roles/storage.admin",
        "members": ["user:Zed@Example.com", "user:amy@example.com"],
        "condition": {"title": "office", "expression": "request.time.getHours() < 18"},
    },
]


def target(project: str = PROJECT, name: str = "payments-prod") -> Target:
    """Returns a project as the catalogue names it."""
    return Target(
        id=TargetId(f"gcp/{name}"),
        cloud=Cloud.GCP,
        name=name,
        locator=project,
        environment="prod",
    )


def entitlement(
    grant: str = "alice/ledger", *, member: str = ALICE, role: str = ROLE, to: Target | None = None
) -> Entitlement:
    """Returns one line of a grant, expanded."""
    subject = grant.partition("/")[0]
    return Entitlement(
        grant=GrantId(grant),
        principal=Principal(
            name=subject,
            kind=PrincipalKind.PERSON,
            github=subject,
            github_id=1,
            gcp=GcpIdentity(member=member),
        ),
        target=to or target(),
        role=Role(
            id=RoleId("gcp/log-viewer"),
            cloud=Cloud.GCP,
            name="log-viewer",
            title="Read logs",
            risk=Risk.LOW,
            max_duration=28800,
            permissions=GcpPermissions(role=role),
        ),
    )


def change(
    kind: ChangeKind = ChangeKind.CREATE, *, window: Window = WINDOW, **facts: Any
) -> BindingChange:
    """Returns a change of what that line asks for."""
    return BindingChange(kind=kind, binding=binding(entitlement(**facts), window=window))


def statuses(results: tuple[Result, ...]) -> list[Status]:
    """Returns how each change came out."""
    return [result.status for result in results]


def may(cloud: GcpSandbox, at: datetime, *, member: str = ALICE, role: str = ROLE) -> bool:
    """Returns what the evaluator says of the stored policy."""
    return allowed(cloud.policy(PROJECT), member=member, role=role, at=at)


def held(cloud: GcpSandbox) -> list[dict[str, Any]]:
    """Returns the stored bindings."""
    bindings: list[dict[str, Any]] = cloud.policy(PROJECT).get("bindings", [])
    return bindings


def altered(edit: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Returns our binding as somebody's *edit* left it."""
    said = json.loads(change().binding.document)
    entry = {"role": said["role"], "members": [said["member"]], "condition": said["condition"]}
    edit(entry)
    return entry
