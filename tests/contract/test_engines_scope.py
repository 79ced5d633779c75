"""How much a role may do, on both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.grants.catalogue import entitlements, load_catalogue
from pipeline.values.catalogue import Catalogue, Risk
from pipeline.values.grant import Access
from pipeline.values.ids import RoleId, TargetId
from tests.contract.support_rules import MISSING, ROLE, TARGET, Ask, Case, check, codes
from tests.unit.support_policies import Keys, grant, own_settings, put, request

ACTIONS: Keys = (*ROLE, "permissions", "actions")
RESOURCES: Keys = (*ROLE, "permissions", "resources")
VERBS: Keys = ("roles", "wildcard_verbs")
BROAD, WILD = "scope-broad", "scope-wildcard-action"
UNREADABLE = "request-unreadable"
EVERYWHERE, SENSITIVE = "scope-wildcard-resource", "scope-sensitive"
ALL = {BROAD, WILD, EVERYWHERE, SENSITIVE}
DATABASE = "arn:aws:rds:*:{account}:db:ledger"
INSTANCE = "arn:aws:ec2:*:{account}:instance/{instance}"


def role(
    *actions: Any, resources: Any = (DATABASE,), parameters: Any = (), risk: Risk = Risk.LOW
) -> dict[str, Any]:
    asked = put(request(risk), ACTIONS, list(actions))
    asked = put(asked, (*ROLE, "parameters"), list(parameters))
    return put(asked, RESOURCES, list(resources))


def shown(value: Any) -> str:
    return "missing" if value is MISSING else repr(value)


def terminate(**changes: Any) -> dict[str, Any]:
    """A role for one action on one instance."""
    values = {"resources": [INSTANCE], "parameters": ["instance"], **changes}
    return role("ec2:TerminateInstances", **values)


def elsewhere(cloud: str, **permissions: str) -> dict[str, Any]:
    asked = put(request(), (*TARGET, "cloud"), cloud)
    return put(asked, (*ROLE, "permissions"), permissions)


CASES = [
    # broad
    Case("everything", {BROAD, WILD, SENSITIVE}, document=role("rds:List*", "*:*")),
    Case("every IAM action", {BROAD, WILD, SENSITIVE}, document=role("IAM:*")),
    Case("no actions", ALL - {EVERYWHERE}, document=role()),
    Case("actions not said", ALL, ACTIONS, MISSING),
    Case("actions that are none", ALL, ACTIONS, None),
    Case("actions that are no text", ALL - {EVERYWHERE}, document=role(1)),
    Case("a cloud that is not said", ALL, (*TARGET, "cloud"), MISSING),
    Case("a cloud that is not known", ALL, (*TARGET, "cloud"), "moon"),
    Case(
        "a Google role that is not listed",
        set(),
        document=elsewhere("gcp", role="roles/logging.viewer"),
    ),
    *(
        Case(f"{name} in Google", {BROAD}, document=elsewhere("gcp", role=name))
        for name in ("roles/iam.serviceAccountTokenCreator", "roles/compute.networkAdmin")
    ),
    Case("no Google role", {BROAD}, document=elsewhere("gcp")),
    Case(
        "an Azure role that is not listed",
        set(),
        document=elsewhere("azure", role_definition_id="acdd72a7-3385-48ef-bd42-f606fba81ae7"),
    ),
    *(
        Case(f"{name} in Azure", {BROAD}, document=elsewhere("azure", role_definition_id=guid))
        for name, guid in {
            "Key Vault Administrator": "00482A5A-887F-4FB3-B363-3B7FE8E74483",
            "Network Contributor": "4d97b98b-1d4f-4787-a291-c67834d212e7",
        }.items()
    ),
    Case("no Azure role", {BROAD}, document=elsewhere("azure")),
    *(
        Case(
            f"nothing listed for {cloud}",
            {BROAD, "setting-invalid"},
            document=document,
            setting=("roles", "critical_only", cloud),
            to=MISSING,
        )
        for cloud, document in {
            "aws": request(),
            "azure": elsewhere("azure", role_definition_id="acdd72a7"),
            "gcp": elsewhere("gcp", role="roles/logging.viewer"),
        }.items()
    ),
    # wildcards in actions
    Case("after a verb", set(), document=role("rds:Describe*", "RDS:listTags?orResource")),
    *(
        Case(f"{action} as action", {WILD, SENSITIVE}, document=role("rds:ListX", action))
        for action in ("rds:*", "rds:Descri*", "s3:Get*", "*:Describe*", "rds:?escribe", "rds", "")
    ),
    Case(
        "after a verb that is not listed",
        {WILD, SENSITIVE},
        document=role("rds:Describe*"),
        setting=VERBS,
        to=["List"],
    ),
    Case("a wildcard without verbs", {WILD, SENSITIVE, EVERYWHERE}, setting=VERBS, to=[]),
    Case("no wildcard without verbs", set(), document=role("rds:DescribeX"), setting=VERBS, to=[]),
    *(
        Case(
            f"verbs as {shown(value)}",
            {WILD, EVERYWHERE, SENSITIVE, "setting-invalid"},
            setting=VERBS,
            to=value,
        )
        for value in (MISSING, "Describe", [1], ["Describe|"], {"a": 1})
    ),
    # wildcards as resources
    *(
        Case(f"{resource} for verbs", set(), document=role("rds:List*", resources=[resource]))
        for resource in ("*", "arn:aws:rds:*:*:*")
    ),
    *(
        Case(
            f"{resource} as resource",
            {EVERYWHERE},
            document=role("rds:ListX", "s3:GetObject", resources=[DATABASE, resource]),
        )
        for resource in ("*", "?", "arn:aws:s3:::*", "arn:aws:s3:::*/*", "", 1)
    ),
    Case(
        "a resource of a name",
        set(),
        document=role("s3:GetObject", resources=["arn:aws:s3:::logs-{account}/*"]),
    ),
    Case("no resources", {EVERYWHERE}, document=role("s3:GetObject", resources=[])),
    Case("resources not said", {EVERYWHERE}, RESOURCES, MISSING, document=role("s3:GetObject")),
    Case("resources not said of what knows none", {EVERYWHERE}, RESOURCES, MISSING),
    Case("resources that are none", {EVERYWHERE}, RESOURCES, None, document=role("s3:GetObject")),
    # sensitive
    *(
        Case(f"{action} among others", {SENSITIVE}, document=role("rds:ListX", action))
        for action in (
            "ec2:TerminateInstances",
            "EC2:terminateinstances",
            "s3:DeleteObject",
            "iam:PassRole",
            "STS:AssumeRole",
            "sts:GetSessionToken",
            "kms:Decrypt",
            "ec2:AuthorizeSecurityGroupIngress",
            "EC2:authorizesecuritygroupingress",
        )
    ),
    Case(
        "what only looks sensitive",
        set(),
        document=role("iam:GetRole", "kms:Describe*", "kmsx:Decrypt", "ec2:CreateRouteTable"),
    ),
    Case("an action role", set(), document=terminate()),
    Case("another action", {SENSITIVE}, ACTIONS, ["s3:DeleteX", "s3:GetX"], document=terminate()),
    Case("a wildcard", {SENSITIVE, WILD}, ACTIONS, ["ec2:Terminate*"], document=terminate()),
    Case("no parameter", {SENSITIVE}, document=terminate(parameters=[])),
    Case("another parameter", {SENSITIVE}, document=terminate(parameters=["name"])),
    Case("the account as parameter", {SENSITIVE}, document=terminate(parameters=["account"])),
    Case(
        "no parameters", {SENSITIVE, UNREADABLE}, (*ROLE, "parameters"), None, document=terminate()
    ),
    Case(
        "parameters not said",
        {SENSITIVE, UNREADABLE},
        (*ROLE, "parameters"),
        MISSING,
        document=terminate(),
    ),
    Case(
        "a resource without the parameter",
        {SENSITIVE},
        document=terminate(resources=[INSTANCE, DATABASE]),
    ),
    Case("on nothing", {SENSITIVE, EVERYWHERE}, document=terminate(resources=[])),
    *(
        Case(
            f"sensitive {part} as {shown(value)}",
            {SENSITIVE, "setting-invalid"},
            setting=("roles", "sensitive", part),
            to=value,
        )
        for part in ("verbs", "services", "actions")
        for value in (MISSING, "Delete", [1], None)
    ),
    Case(
        "nothing said to be sensitive",
        {SENSITIVE, "setting-invalid"},
        setting=("roles", "sensitive"),
        to=MISSING,
    ),
    Case(
        "a wildcard over what is sensitive",
        {"setting-invalid"},
        document=role("rds:ListX"),
        setting=VERBS,
        to=["List", "Del"],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_scope(ask: Ask, case: Case) -> None:
    check(ask, case)


@pytest.mark.parametrize("action", ["*", "iam:*", "ec2:TerminateInstances", "rds:*"])
def test_a_critical_role_may_do_everything_everywhere(ask: Ask, action: str) -> None:
    document = role(action, resources=["*"], risk=Risk.CRITICAL)
    assert codes(ask(document, own_settings())) == set()


ACME = Path(__file__).parent.parent.parent / "pipeline" / "sandbox" / "acme"


def acme() -> Catalogue:
    files = {path.relative_to(ACME).as_posix(): path.read_bytes() for path in ACME.rglob("*.yaml")}
    catalogue, problems = load_catalogue(files)
    assert not problems
    return catalogue


@pytest.mark.parametrize("name", sorted(acme().roles))
def test_every_role_of_the_sandbox_may_be_asked_for(ask: Ask, name: RoleId) -> None:
    catalogue = acme()
    role = catalogue.roles[name]
    line = Access(
        target=TargetId(f"{role.cloud.value}/payments-prod"),
        role=role.name,
        parameters=tuple((key, "i-0abc1234def567890") for key, _ in role.parameters),
    )
    asked = grant(access=(line,), duration=3600)
    document = request(
        grant=asked,
        entitlements=entitlements(asked, catalogue),
        subject=catalogue.principals["alice"],
    )
    assert codes(ask(document, own_settings())) == set()


def test_a_wildcard_is_told_where_it_may_stand(ask: Ask) -> None:
    found = {v.code: v.message for v in ask(role("s3:Get*"), own_settings()).violations}
    assert found[WILD] == (
        "aws/rds-reader holds actions with a wildcard, which stands only after Describe, List "
        "(settings/roles)"
    )
