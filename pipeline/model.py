"""The values that travel through the pipeline: frozen, complete, without behaviour of services.

Names follow one word per thing: a *grant* is the reviewed file, a *binding* what a cloud
holds because of it, a *window* its start and end, a *target* an account, subscription or
project, a *principal* who gets access.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NewType

from pipeline.timetable import Calendar, Rotation

if TYPE_CHECKING:
    from pipeline.evidence import Review, Standing

GrantId = NewType("GrantId", str)
"""Path below `access/grants/`, without its suffix: `alice/2026-11-20-stuck-payouts`."""

TargetId = NewType("TargetId", str)
"""Cloud and name: `aws/payments-prod`."""

RoleId = NewType("RoleId", str)
"""Cloud and name: `aws/rds-reader`."""


class Cloud(StrEnum):
    """The clouds Daypass provisions in."""

    AWS = "aws"
    AZURE = "azure"
    GCP = "gcp"


class Risk(StrEnum):
    """How much harm a role can do; decides who must approve."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


def canonical(value: Any) -> str:
    """Returns *value* as canonical JSON: sorted keys, no white space, UTF-8 as is.

    Raises `ValueError` for NaN and infinities, `TypeError` for what JSON does not know.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(value: Any) -> str:
    """Returns the SHA-256, in hex, of *value*'s canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def timestamp(moment: datetime) -> str:
    """Returns *moment* as clouds read it: UTC, whole seconds, `2026-11-20T18:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Problem:
    """Malformed or inconsistent data, at its place."""

    path: str
    """Repository path of the file."""

    line: int
    """One-based."""

    column: int
    """One-based, in characters."""

    code: str
    """Stable, lower-case, dashed: `unknown-key`."""

    message: str
    """What is wrong, which limit, and the way out."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.message}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """Where a field stands in its file; one-based."""

    line: int
    column: int


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Window:
    """When access holds: from *start* on, up to but without *end*; aware, UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a window needs times with an offset")
        if self.start >= self.end:
            raise ValueError("a window ends after it starts")

    def contains(self, moment: datetime) -> bool:
        """Whether access holds at *moment*."""
        return self.start <= moment < self.end

    def ended(self, moment: datetime) -> bool:
        """Whether access is over at *moment*."""
        return moment >= self.end

    def touches(self, other: Window) -> bool:
        """Whether both together leave no gap."""
        return self.start <= other.end and other.start <= self.end

    def union(self, other: Window) -> Window:
        """Returns the window that covers both.

        Raises `ValueError` where they leave a gap: a gap is never bridged.
        """
        if not self.touches(other):
            raise ValueError("windows with a gap between them have no union")
        return Window(start=min(self.start, other.start), end=max(self.end, other.end))


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """One line of a grant's `access`: a role on a target, with the role's parameters."""

    target: TargetId
    role: str
    parameters: tuple[tuple[str, str], ...] = ()
    """Name and value, sorted by name: `(("resource", "i-0abc1234def567890"),)`."""

    @property
    def role_id(self) -> RoleId:
        """The role's full name: it is one of the target's cloud."""
        return RoleId(f"{self.target.partition('/')[0]}/{self.role}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """The reviewed file, parsed. Its window is derived from git, never stored."""

    id: GrantId
    path: str
    """Repository path: `access/grants/alice/2026-11-20-stuck-payouts.yaml`."""

    subject: str
    reason: str
    duration: int
    """Seconds; whole minutes, at least five."""

    access: tuple[Access, ...]
    ticket: str | None = None
    start: datetime | None = None
    """Aware, UTC; None starts the clock at the merge."""

    emergency: bool = False
    requested_by: str | None = None
    marks: Mapping[str, Mark] = field(default_factory=dict, compare=False, repr=False)
    """Where each field stands: `duration`, `access.0.role`, `access.0.parameters.resource`."""


class PrincipalKind(StrEnum):
    """People may approve; workloads may not."""

    PERSON = "person"
    WORKLOAD = "workload"


class Mfa(StrEnum):
    """Who proves a second factor for an identity."""

    AWS = "aws"
    IDENTITY_PROVIDER = "identity-provider"


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsIdentity:
    """An SSO session (*session_name* and *home*) or an IAM user or role (*arn*)."""

    session_name: str | None = None
    home: str | None = None
    """Name of the AWS target whose account holds the SSO permission-set roles."""

    arn: str | None = None
    mfa: Mfa | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureIdentity:
    """An Entra object."""

    object_id: str
    type: str
    """`User` or `ServicePrincipal`."""

    mfa: Mfa | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpIdentity:
    """A Google account: lower-case `user:` or `serviceAccount:` member."""

    member: str
    mfa: Mfa | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """Who gets access: `access/principals/<name>.yaml`."""

    name: str
    kind: PrincipalKind
    github: str | None
    github_id: int | None
    """Logins can be taken over; ids cannot. Approvals are matched by id."""

    owner: str | None = None
    """The owning person of a workload."""

    disabled: bool = False
    aws: AwsIdentity | None = None
    azure: AzureIdentity | None = None
    gcp: GcpIdentity | None = None


class Expiry(StrEnum):
    """What ends a binding: the cloud by itself, or only this pipeline."""

    CLOUD = "cloud"
    PIPELINE = "pipeline"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """An account, subscription or project: an entry of `access/targets/<cloud>.yaml`."""

    id: TargetId
    cloud: Cloud
    name: str
    locator: str
    """AWS account number, Azure subscription id, Google project id."""

    environment: str
    owners: tuple[str, ...] = ()
    """GitHub team slugs that approve for it."""

    tags: tuple[tuple[str, str], ...] = ()
    """Name and value as text, sorted."""

    expiry: Expiry = Expiry.CLOUD


class AwsMechanism(StrEnum):
    """How AWS access is given."""

    ROLE = "role"


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsPermissions:
    """Actions on resources; `{account}` and the role's parameters are filled in."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    mechanism: AwsMechanism = AwsMechanism.ROLE


@dataclass(frozen=True, kw_only=True, slots=True)
class AzurePermissions:
    """An Azure role definition."""

    role_definition_id: str
    """The GUID, without scope."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpPermissions:
    """A Google role: `roles/logging.viewer`, or a custom one of project or organisation."""

    role: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Role:
    """An entry of `access/roles/<cloud>.yaml`."""

    id: RoleId
    cloud: Cloud
    name: str
    title: str
    risk: Risk
    max_duration: int
    """Seconds."""

    permissions: AwsPermissions | AzurePermissions | GcpPermissions
    mfa_required: bool = False
    interactive: bool = False
    """Whether it opens a session for a person (console, shell): never for workloads."""

    parameters: tuple[tuple[str, str], ...] = ()
    """Name and the regular expression that a value must match in full, sorted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Delegation:
    """While it holds, the delegate may approve where the delegator could:
    `access/delegations/<name>.yaml`.
    """

    name: str
    delegator: str
    """Name of the principal whose authority it is."""

    delegate: str
    """Name of the principal who may use it."""

    start: datetime
    """Aware."""

    end: datetime
    """Aware; the first moment at which it no longer holds."""

    reason: str

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a delegation needs times with an offset")

    def holds(self, moment: datetime) -> bool:
        """Whether the delegate may stand for the delegator at *moment*."""
        return self.start <= moment < self.end


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalogue:
    """Who and what exists, at one commit."""

    principals: Mapping[str, Principal]
    targets: Mapping[TargetId, Target]
    roles: Mapping[RoleId, Role]
    delegations: tuple[Delegation, ...] = ()
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    rotations: Mapping[str, Rotation] = field(default_factory=dict)
    standing: Mapping[str, tuple[Standing, ...]] = field(default_factory=dict)
    """By name of the principal, sorted."""

    reviews: tuple[Review, ...] = ()

    def person(self, github_id: int) -> Principal | None:
        """Returns the enabled person with this GitHub id."""
        for principal in self.principals.values():
            if (
                principal.github_id == github_id
                and principal.kind is PrincipalKind.PERSON
                and not principal.disabled
            ):
                return principal
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Entitlement:
    """One line of a grant with all that the catalogue says of it."""

    grant: GrantId
    principal: Principal
    target: Target
    role: Role
    parameters: tuple[tuple[str, str], ...] = ()
    home: Target | None = None
    """The AWS target named by the principal's `home`, where there is one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Binding:
    """What a cloud holds, or should hold, because of grants.

    Two bindings are the same one when cloud, locator and *key* agree; they are alike when
    their *document* agrees too.
    """

    cloud: Cloud
    target: TargetId
    locator: str
    """Account number, subscription id or project id of the target."""

    key: str
    """Name of the cloud object, derived from the grant: stable when a window changes."""

    grants: tuple[GrantId, ...]
    """Sorted. More than one only where a cloud holds one object for several (Azure)."""

    principal: str
    role: str
    window: Window | None
    """None only as observed: the object carries no end that could be read."""

    document: str
    """Canonical JSON of what the cloud object says, without what the cloud itself adds."""

    handle: str = field(default="", compare=False)
    """As observed: how its cloud names it (ARN, schedule id), for people and deletes."""

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes two bindings the same one."""
        return (self.cloud, self.locator, self.key)
