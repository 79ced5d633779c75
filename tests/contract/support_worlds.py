"""Random requests and settings that lie close to every limit, for properties of the rules."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from pipeline.policy.answer import OtherLife, Previous, Requester, input_document
from pipeline.policy.question import Calendars, Emergency
from pipeline.values.catalogue import (
    AwsIdentity,
    AwsPermissions,
    AzureIdentity,
    AzurePermissions,
    Entitlement,
    Expiry,
    GcpIdentity,
    GcpPermissions,
    Mfa,
    Principal,
    PrincipalKind,
    Risk,
    Role,
    StandingAccess,
    Target,
)
from pipeline.values.grant import Access, Grant, Window
from pipeline.values.ids import Cloud, GrantId, RoleId, TargetId
from pipeline.values.pull_request import Actor
from tests.unit.support_policies import ALICE, NOW, own_settings

HOUR = timedelta(hours=1)
SECONDS = (-1, 0, 1)
"""Around each limit, so that no off-by-one hides."""

CALENDARS = ("hours", "freeze", "maintenance")
PAYER = StandingAccess(target=TargetId("aws/payments-prod"), role=RoleId("aws/payer"))
TEAMS = ("engineering", "payments-leads", "security")
PEOPLE = ("alice", "bob", "carol")

_durations = st.sampled_from((300, 900, 1800, 3600, 7200, 14400, 28800, 43200)).flatmap(
    lambda limit: st.sampled_from([limit + off for off in SECONDS])
)
_ROLES: dict[Cloud, tuple[str, ...]] = {
    Cloud.AWS: ("rds-reader", "ec2-terminate", "break-glass-admin"),
    Cloud.AZURE: ("reader", "vm-contributor"),
    Cloud.GCP: ("log-viewer", "bigquery-reader"),
}
_ACTIONS = (
    "rds:DescribeDBInstances",
    "rds:Describe*",
    "ec2:TerminateInstances",
    "iam:PassRole",
    "*",
)
_RESOURCES = ("arn:aws:rds:*:{account}:db:*", "arn:aws:ec2:*:{account}:instance/{resource}", "*")


@st.composite
def roles(draw: st.DrawFn, cloud: Cloud) -> Role:
    name = draw(st.sampled_from(_ROLES[cloud]))
    permissions: AwsPermissions | AzurePermissions | GcpPermissions
    match cloud:
        case Cloud.AWS:
            permissions = AwsPermissions(
                actions=tuple(draw(st.lists(st.sampled_from(_ACTIONS), min_size=1, max_size=2))),
                resources=(draw(st.sampled_from(_RESOURCES)),),
            )
        case Cloud.AZURE:
            permissions = AzurePermissions(
                role_definition_id=draw(
                    st.sampled_from(
                        (
                            "acdd72a7-3385-48ef-bd42-f606fba81ae7",
                            "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
                        )
                    )
                )
            )
        case Cloud.GCP:
            permissions = GcpPermissions(
                role=draw(st.sampled_from(("roles/logging.viewer", "roles/iam.securityAdmin")))
            )
    return Role(
        id=RoleId(f"{cloud}/{name}"),
        cloud=cloud,
        name=name,
        title=name,
        risk=draw(st.sampled_from(Risk)),
        max_duration=draw(_durations),
        permissions=permissions,
        mfa_required=draw(st.booleans()),
        interactive=draw(st.booleans()),
        parameters=(("resource", "i-[0-9a-f]{8}"),) if draw(st.booleans()) else (),
    )


@st.composite
def targets(draw: st.DrawFn, cloud: Cloud) -> Target:
    name = draw(st.sampled_from(("payments-prod", "sandbox-dev")))
    tags = draw(st.sampled_from(((), (("project", "payments"),), (("pci", "true"),))))
    return Target(
        id=TargetId(f"{cloud}/{name}"),
        cloud=cloud,
        name=name,
        locator="111122223333",
        environment=draw(st.sampled_from(("prod", "staging", "dev"))),
        owners=tuple(draw(st.lists(st.sampled_from(TEAMS[1:]), max_size=2, unique=True))),
        tags=tags,
        expiry=draw(st.sampled_from((Expiry.CLOUD, Expiry.CLOUD, Expiry.PIPELINE))),
    )


@st.composite
def principals(draw: st.DrawFn) -> Principal:
    workload = draw(st.sampled_from((False, False, False, True)))
    mfa = draw(st.sampled_from((None, Mfa.AWS, Mfa.IDENTITY_PROVIDER)))
    provider = None if mfa is None else Mfa.IDENTITY_PROVIDER
    return Principal(
        name="alice",
        kind=PrincipalKind.WORKLOAD if workload else PrincipalKind.PERSON,
        github=None if workload else "alice-gh",
        github_id=None if workload else ALICE.id,
        owner="bob" if workload else None,
        disabled=draw(st.sampled_from((False, False, False, True))),
        aws=AwsIdentity(arn="arn:aws:iam::111122223333:user/alice", mfa=mfa),
        azure=AzureIdentity(object_id="0" * 8, type="User", mfa=provider),
        gcp=GcpIdentity(member="user:alice@example.com", mfa=provider),
    )


def windows_near() -> st.SearchStrategy[Window]:
    """Windows whose edges lie at, or a second beside, whole hours around now."""
    edge = st.tuples(st.integers(-26, 26), st.sampled_from(SECONDS)).map(
        lambda at: NOW + at[0] * HOUR + timedelta(seconds=at[1])
    )
    return (
        st.tuples(edge, edge)
        .filter(lambda pair: pair[0] != pair[1])
        .map(lambda pair: Window(start=min(pair), end=max(pair)))
    )


@st.composite
def calendars(draw: st.DrawFn) -> Calendars:
    start, end = NOW - 30 * HOUR, NOW + timedelta(days=20)
    opened: dict[str, tuple[Window, ...]] = {}
    for name in draw(st.lists(st.sampled_from(CALENDARS), unique=True)):
        merged: list[Window] = []
        for window in sorted(draw(st.lists(windows_near(), max_size=3))):
            if merged and merged[-1].touches(window):
                merged[-1] = merged[-1].union(window)
            else:
                merged.append(window)
        opened[name] = tuple(merged)
    return Calendars(start=start, end=end, open=opened)


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """The question about a grant, of any kind of change, as the pipeline asks it."""
    principal = draw(principals())
    lines = []
    for _ in range(draw(st.integers(1, 2))):
        cloud = draw(st.sampled_from(Cloud))
        role, target = draw(roles(cloud)), draw(targets(cloud))
        lines.append(
            Entitlement(
                grant=GrantId("alice/x"),
                principal=principal,
                target=target,
                role=role,
                parameters=tuple((name, "i-0abc1234") for name, _ in role.parameters),
            )
        )
    duration = draw(_durations)
    start = draw(st.sampled_from((None, None, NOW, NOW + HOUR, NOW + timedelta(days=7))))
    emergency = draw(st.sampled_from((False, False, True)))
    grant = Grant(
        id=GrantId("alice/x"),
        path="access/grants/alice/x.yaml",
        subject="alice",
        reason=draw(
            st.sampled_from(
                ("Payouts stuck since 14:00", "too short", "Production access required")
            )
        ),
        ticket=draw(st.sampled_from((None, "PAY-1423", "OPS-7", "nonsense"))),
        duration=duration,
        start=start,
        access=tuple(
            Access(target=line.target.id, role=line.role.name, parameters=line.parameters)
            for line in lines
        ),
        emergency=emergency,
        requested_by=draw(st.sampled_from((None, None, None, "carol"))),
    )
    change = draw(st.sampled_from(("create", "create", "widen", "same", "narrow", "delete")))
    begun = NOW - draw(st.sampled_from((0, 600, 3600))) * timedelta(seconds=1)
    previous = None
    if change != "create":
        earlier = draw(_durations)
        previous = Previous(
            grant=Grant(
                id=grant.id,
                path=grant.path,
                subject=grant.subject,
                reason=grant.reason,
                ticket=grant.ticket,
                duration=earlier,
                start=start,
                access=grant.access,
                emergency=draw(st.booleans()),
            ),
            window=Window(start=start or begun, end=(start or begun) + timedelta(seconds=earlier)),
            requester=draw(st.sampled_from((None, *PEOPLE))),
            first_duration=draw(st.sampled_from((None, earlier))),
        )
    opens = previous.window.start if previous else (start or NOW)
    who = draw(st.sampled_from((*PEOPLE, None)))
    requester = Requester(
        actor=Actor(id=1, login="someone", type="User"),
        principal=who,
        teams=frozenset(draw(st.lists(st.sampled_from(TEAMS), max_size=2))),
        is_app=draw(st.sampled_from((False, False, False, True))),
    )
    lives = [
        OtherLife(
            grant=f"alice/{number}",
            target=draw(st.sampled_from([str(line.target.id) for line in lines])),
            role=draw(st.sampled_from([str(line.role.id) for line in lines] + ["aws/payer"])),
            window=draw(windows_near()),
            added=NOW - draw(st.integers(0, 25)) * HOUR,
        )
        for number in range(draw(st.integers(0, 4)))
    ]
    return input_document(
        change=change,
        grant=grant,
        entitlements=lines,
        window=None
        if change == "delete"
        else Window(start=opens, end=opens + timedelta(seconds=duration)),
        now=NOW,
        requester=requester,
        subject=draw(st.sampled_from((principal, principal, principal, None))),
        subject_teams=draw(st.lists(st.sampled_from(TEAMS), max_size=2)),
        previous=previous,
        lives=lives,
        approvals=draw(st.lists(st.sampled_from(PEOPLE), max_size=2)),
        on_call=draw(st.sampled_from(((), ("payments",), ("night",)))),
        standing=draw(
            st.sampled_from(
                (
                    (),
                    (
                        StandingAccess(
                            target=TargetId("aws/payments-prod"), role=RoleId("aws/payer")
                        ),
                    ),
                )
            )
        ),
        emergencies=draw(
            st.sampled_from(
                (
                    (),
                    (Emergency(grant="alice/e", start=NOW - 24 * HOUR, reviewed=False),),
                    (Emergency(grant="alice/e", start=NOW - 23 * HOUR, reviewed=False),),
                    (Emergency(grant="alice/e", start=NOW - 48 * HOUR, reviewed=True),),
                )
            )
        ),
        calendars=draw(calendars()),
        revives=draw(st.sampled_from((False, False, False, True))),
    )


@st.composite
def settings(draw: st.DrawFn) -> dict[str, Any]:
    """The shipped settings, with calendars and combinations that make every rule speak."""
    found = own_settings()
    if draw(st.booleans()):
        found["schedule"] = {
            "hours": draw(st.sampled_from(({}, {"prod": ["hours"]}))),
            "maintenance": draw(
                st.sampled_from(
                    (
                        {},
                        *(
                            {
                                "m": {
                                    "calendar": "maintenance",
                                    "mode": mode,
                                    "environments": ["prod", "dev"],
                                }
                            }
                            for mode in ("permits", "requires")
                        ),
                    )
                )
            ),
            "freezes": draw(
                st.sampled_from(({}, {"f": {"calendar": "freeze", "environments": ["prod"]}}))
            ),
        }
    if draw(st.booleans()):
        found["separation"] = {
            "combinations": {
                "pay": {"one": ["aws/payer", "gcp/log-viewer"], "other": ["aws/rds-reader"]}
            }
        }
    return found
