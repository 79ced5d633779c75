"""The questions that policies are tried with before they merge: one of each kind, per cloud and
risk.

Nobody is judged by the answers. What matters is that there is one, and that it leaves a way out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pipeline.judge.circumstances import circumstances
from pipeline.judge.requesters import teams_named
from pipeline.policy.question import Previous, Requester, governance_document, input_document
from pipeline.values.catalogue import (
    AwsIdentity,
    AwsPermissions,
    AzureIdentity,
    AzurePermissions,
    Catalogue,
    Entitlement,
    GcpIdentity,
    GcpPermissions,
    Mfa,
    Principal,
    PrincipalKind,
    Risk,
    Role,
    Target,
)
from pipeline.values.grant import Access, Grant, window_of
from pipeline.values.grant_change import LESS, GrantChange
from pipeline.values.ids import Cloud, GrantId, RoleId, TargetId

_LOCATORS = {
    Cloud.AWS: "111122223333",
    Cloud.AZURE: "0a11aaaa-0000-4000-8000-000000000001",
    Cloud.GCP: "daypass-trial",
}
_PERMISSIONS: Mapping[Cloud, AwsPermissions | AzurePermissions | GcpPermissions] = {
    Cloud.AWS: AwsPermissions(actions=("s3:GetObject",), resources=("arn:aws:s3:::trial/*",)),
    Cloud.AZURE: AzurePermissions(role_definition_id="acdd72a7-3385-48ef-bd42-f606fba81ae7"),
    Cloud.GCP: GcpPermissions(role="roles/logging.viewer"),
}
_SUBJECT = Principal(
    name="daypass-trial",
    kind=PrincipalKind.PERSON,
    github=None,
    github_id=None,
    aws=AwsIdentity(session_name="trial@example.com", home="trial", mfa=Mfa.IDENTITY_PROVIDER),
    azure=AzureIdentity(
        object_id="6f1c0000-0000-4000-8000-000000000001", type="User", mfa=Mfa.IDENTITY_PROVIDER
    ),
    gcp=GcpIdentity(member="user:trial@example.com", mfa=Mfa.IDENTITY_PROVIDER),
)
_DURATION = timedelta(minutes=30)
_KINDS: Mapping[str, GrantChange] = {
    "create": "create",
    "extend": "widen",
    "narrow": "narrow",
    "delete": "delete",
    "emergency": "create",
}


class TrialQuestion(NamedTuple):
    """One question about nobody in particular."""

    kind: str
    """`create`, `extend`, `narrow`, `delete`, `emergency`, `governance` or `review`."""

    about: str
    """Cloud and risk in words, empty for what has none."""

    document: Mapping[str, Any]

    @property
    def takes_away(self) -> bool:
        """Whether nothing may hold it up."""
        return self.kind in LESS


def grant_questions(catalogue: Catalogue, settings: Any, now: datetime) -> Iterator[TrialQuestion]:
    """Yields a question of each kind that is about a grant, for each cloud and risk.

    Each is about a role made up, on a target of *catalogue* where the cloud has one. It is asked
    by the subject, a member of every team that *settings* name.
    """
    teams = teams_named(settings)
    for cloud in Cloud:
        target = _target(catalogue, cloud)
        for risk in Risk:
            for kind, change in _KINDS.items():
                document = _document(catalogue, target, risk, kind, change, teams, now)
                yield TrialQuestion(kind, f"a role of {risk} risk in {cloud}", document)


def governance_questions(requester: Requester, now: datetime) -> Iterator[TrialQuestion]:
    """Yields the question about a repair of the settings, and one about the review of an
    emergency."""
    for kind, path, reviews in (
        ("governance", "policies/settings/limits/data.yaml", ()),
        ("review", f"access/reviews/{_SUBJECT.name}/trial.yaml", (_SUBJECT.name,)),
    ):
        document = governance_document(paths=[path], reviews=reviews, now=now, requester=requester)
        yield TrialQuestion(kind, "", document)


def _target(catalogue: Catalogue, cloud: Cloud) -> Target:
    """Returns the first target of *cloud*, or one made up that the first team owns."""
    for _, target in sorted(catalogue.targets.items()):
        if target.cloud is cloud:
            return target
    return Target(
        id=TargetId(f"{cloud}/daypass-trial"),
        cloud=cloud,
        name="daypass-trial",
        locator=_LOCATORS[cloud],
        environment="prod",
        owners=tuple(sorted(catalogue.teams)[:1]),
    )


def _document(
    catalogue: Catalogue,
    target: Target,
    risk: Risk,
    kind: str,
    change: GrantChange,
    teams: frozenset[str],
    now: datetime,
) -> dict[str, Any]:
    role = Role(
        id=RoleId(f"{target.cloud}/daypass-trial"),
        cloud=target.cloud,
        name="daypass-trial",
        title="Tried before the merge",
        risk=risk,
        max_duration=round(4 * _DURATION.total_seconds()),
        permissions=_PERMISSIONS[target.cloud],
        mfa_required=True,
    )
    grant = Grant(
        id=GrantId(f"{_SUBJECT.name}/trial"),
        path=f"access/grants/{_SUBJECT.name}/trial.yaml",
        subject=_SUBJECT.name,
        reason="Would somebody who asks for this be given an answer?",
        ticket="TRIAL-1",
        duration=round(_DURATION.total_seconds()),
        access=(Access(target=target.id, role=role.name),),
        emergency=kind == "emergency",
    )
    line = Entitlement(grant=grant.id, principal=_SUBJECT, target=target, role=role)
    before = None
    if change != "create":
        longer = 2 if kind == "narrow" else 1
        earlier = replace(grant, duration=longer * grant.duration)
        grant = replace(grant, duration=2 * grant.duration) if kind == "extend" else grant
        before = Previous(
            grant=earlier,
            window=window_of(earlier, merged_at=now),
            requester=_SUBJECT.name,
            first_duration=earlier.duration,
        )
    window = None if kind == "delete" else window_of(grant, merged_at=now)
    known: dict[str, Any] = {}
    if change not in LESS:
        known = {
            "subject_teams": teams,
            **circumstances(catalogue, _SUBJECT.name, window=window, now=now),
        }
    return input_document(
        change=change,
        grant=grant,
        entitlements=(line,),
        window=window,
        now=now,
        requester=Requester(actor=None, principal=_SUBJECT.name, teams=teams),
        subject=_SUBJECT,
        previous=before,
        **known,
    )
