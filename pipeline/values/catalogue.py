"""Principals, targets and roles, and all else that the catalogue holds at one commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pipeline.values.ids import Cloud, GrantId, RoleId, TargetId
from pipeline.values.timetable import Calendar, Rotation


class Risk(StrEnum):
    """The harm that a role can do; decides who must approve."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class PrincipalKind(StrEnum):
    """People may approve; workloads may not."""

    PERSON = "person"
    WORKLOAD = "workload"


class Mfa(StrEnum):
    """The party that proves a second factor for an identity."""

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
    """A person or workload that may get access: `access/principals/<name>.yaml`."""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Team:
    """A GitHub team that owners and settings may name: an entry of `access/teams.yaml`."""

    slug: str
    id: int
    """Slugs can be taken over; ids cannot. Membership counts only in the team with this id."""

    title: str


class Expiry(StrEnum):
    """The party that ends a binding: the cloud by itself, or only this pipeline."""

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
    """Slugs of declared teams that approve for it."""

    tags: tuple[tuple[str, str], ...] = ()
    """Name and value as text, sorted."""

    expiry: Expiry = Expiry.CLOUD


class AwsMechanism(StrEnum):
    """The mechanisms by which AWS access is given."""

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


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class StandingAccess:
    """Access that a principal is known to hold without a grant: `access/standing/`."""

    target: TargetId
    role: RoleId


class ReviewFinding(StrEnum):
    """The finding of the review of an emergency."""

    JUSTIFIED = "justified"
    MISUSED = "misused"


@dataclass(frozen=True, kw_only=True, slots=True)
class EmergencyReview:
    """The review of one use of emergency access: `access/reviews/<subject>/<name>.yaml`."""

    path: str
    subject: str
    grant: GrantId
    commit: str
    """The commit that added the grant: a path may be used again, each use is reviewed."""

    finding: ReviewFinding
    notes: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalogue:
    """All principals, targets and roles that exist at one commit, and what belongs to them."""

    principals: Mapping[str, Principal]
    targets: Mapping[TargetId, Target]
    roles: Mapping[RoleId, Role]
    teams: Mapping[str, Team] = field(default_factory=dict)
    """The declared teams by slug; nobody is in any other."""

    delegations: tuple[Delegation, ...] = ()
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    rotations: Mapping[str, Rotation] = field(default_factory=dict)
    standing: Mapping[str, tuple[StandingAccess, ...]] = field(default_factory=dict)
    """By name of the principal, sorted."""

    reviews: tuple[EmergencyReview, ...] = ()

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
