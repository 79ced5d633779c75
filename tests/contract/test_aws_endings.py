"""AWS ends access by itself: judged from the stored policies by an evaluator not ours.

Each question goes to `@cloud-copilot/iam-simulate`. Our own reading (`sandbox/aws_check`),
which the demo shows, has to give the same answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sandbox import aws_check
from pipeline.sandbox.aws_check import Caller
from pipeline.values.binding import ChangeKind
from pipeline.values.catalogue import AwsIdentity, AwsPermissions, Mfa
from tests.contract.support_aws import (
    ACCOUNT,
    ACTION,
    ALICE,
    BOB_ARN,
    END,
    ENTITLEMENT,
    HOME_ACCOUNT,
    INSTANCE_ARN,
    START,
    TERMINATE,
    Estate,
    extended,
    for_bob,
    wanted,
)
from tests.oracles.aws import IamSimulate

pytestmark = pytest.mark.node

SECOND = timedelta(seconds=1)
BEFORE, OPEN, LAST, OVER = START - SECOND, START, END - SECOND, END
TABLE = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:ledger-AbCdEf"
DATES = ("DateLessThan", "DateGreaterThanEquals")
WRITES = (
    *("PutRolePolicy", "DeleteRolePolicy", "AttachRolePolicy", "UpdateAssumeRolePolicy"),
    *("TagRole", "UntagRole", "UpdateRole", "PutRolePermissionsBoundary", "DeleteRole"),
    "DeleteRolePermissionsBoundary",
)
"""https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html"""


@pytest.fixture(scope="module")
def oracle() -> Iterator[IamSimulate]:
    with IamSimulate() as oracle:
        yield oracle


@pytest.fixture(scope="module")
def estate() -> Iterator[Estate]:
    estate = Estate.open()
    for entitlement in (ENTITLEMENT, for_bob()):
        estate.write(ChangeKind.CREATE, wanted(entitlement))
    yield estate
    estate.sandbox.stop()
    assert estate.sandbox.violations == []


@pytest.fixture(scope="module")
def role(estate: Estate) -> dict[str, Any]:
    """What the stand-in stores for Alice."""
    return estate.stored(wanted())


@pytest.fixture(scope="module")
def bobs(estate: Estate) -> dict[str, Any]:
    """What the stand-in stores for Bob, an IAM user with a second factor."""
    return estate.stored(wanted(for_bob()))


@pytest.fixture(scope="module")
def admin(estate: Estate) -> dict[str, Any]:
    """What the stand-in stores for somebody who may do anything in the account."""
    everything = AwsPermissions(actions=("*",), resources=("*",))
    role = replace(TERMINATE, name="admin", permissions=everything, parameters=())
    binding = wanted(replace(ENTITLEMENT, role=role, parameters=()))
    estate.write(ChangeKind.CREATE, binding)
    return estate.stored(binding)


@pytest.fixture(scope="module")
def alice(estate: Estate) -> Caller:
    return estate.sandbox.caller(estate.sandbox.person("alice@example.com", home=HOME_ACCOUNT))


def bob(estate: Estate, age: int | None) -> Caller:
    return estate.sandbox.caller(estate.sandbox.user(BOB_ARN, mfa_age=age))


def undated(role: dict[str, Any]) -> dict[str, Any]:
    """The same role without its dates: the negative control."""
    copy: dict[str, Any] = json.loads(json.dumps(role, default=str))
    for policy in (
        copy["AssumeRolePolicyDocument"],
        *(inline["PolicyDocument"] for inline in copy["RolePolicyList"]),
    ):
        policy["Statement"] = [one for one in policy["Statement"] if one["Effect"] == "Allow"]
        for statement in policy["Statement"]:
            for operator in DATES:
                statement["Condition"].pop(operator)
    return copy


MOMENTS = [(BEFORE, False), (OPEN, True), (LAST, True), (OVER, False)]


@pytest.mark.parametrize("at, answer", MOMENTS)
def test_a_role_is_assumable_inside_its_window_only(
    oracle: IamSimulate, role: dict[str, Any], alice: Caller, at: Any, answer: bool
) -> None:
    assert oracle.assumable(role, caller=alice, at=at) is answer
    assert aws_check.assumable(role, caller=alice, at=at) is answer


@pytest.mark.parametrize("at, answer", MOMENTS)
def test_open_sessions_act_inside_the_window_only(
    oracle: IamSimulate, role: dict[str, Any], at: Any, answer: bool
) -> None:
    question = {"action": ACTION, "resource": INSTANCE_ARN, "at": at}
    assert oracle.acts(role, **question) is answer
    assert aws_check.acts(role, **question) is answer


@pytest.mark.parametrize("at, answer", MOMENTS)
def test_a_resource_policy_that_names_the_role_gives_nothing_outside_the_window(
    oracle: IamSimulate, role: dict[str, Any], at: Any, answer: bool
) -> None:
    names = {"AWS": [role["Arn"]]}
    statement = {
        "Effect": "Allow",
        "Principal": names,
        "Action": "secretsmanager:GetSecretValue",
        "Resource": "*",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    question = {
        "action": "secretsmanager:GetSecretValue",
        "resource": TABLE,
        "at": at,
        "resource_policy": policy,
    }
    assert oracle.acts(role, **question) is answer
    # What the Deny is for: without it, the resource policy alone would go on allowing.
    (inline,) = role["RolePolicyList"]
    first = inline["PolicyDocument"] | {"Statement": inline["PolicyDocument"]["Statement"][:1]}
    assert oracle.acts(role | {"RolePolicyList": [{"PolicyDocument": first}]}, **question)


@pytest.mark.parametrize("at", [BEFORE, OPEN, OVER])
def test_without_its_dates_the_same_role_would_go_on(
    oracle: IamSimulate, role: dict[str, Any], alice: Caller, at: Any
) -> None:
    assert oracle.assumable(undated(role), caller=alice, at=at)
    assert oracle.acts(undated(role), action=ACTION, resource=INSTANCE_ARN, at=at)


@pytest.mark.parametrize(
    "change",
    [
        {"userid": "AROAEXAMPLE:mallory@example.com"},
        {"userid": "AROAEXAMPLE:xalice@example.com"},
        {"userid": "AROAEXAMPLE:alice@example.com.evil.org"},
        {"arn": f"arn:aws:iam::{HOME_ACCOUNT}:role/AWSReservedSSO_Engineer_0"},
        {"arn": f"arn:aws:iam::{HOME_ACCOUNT}:role/x/aws-reserved/sso.amazonaws.com/y"},
        {
            "arn": f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_x",
            "account": ACCOUNT,
        },
    ],
)
def test_nobody_else_can_assume_the_role(
    oracle: IamSimulate, role: dict[str, Any], alice: Caller, change: dict[str, str]
) -> None:
    other = replace(alice, **change)
    assert not oracle.assumable(role, caller=other, at=OPEN)
    assert not aws_check.assumable(role, caller=other, at=OPEN)


def test_a_region_in_the_path_of_an_sso_role_is_accepted(
    oracle: IamSimulate, role: dict[str, Any], alice: Caller
) -> None:
    regional = f"arn:aws:iam::{HOME_ACCOUNT}:role/aws-reserved/sso.amazonaws.com/eu-west-1/R_0"
    caller = replace(alice, arn=regional)
    assert oracle.assumable(role, caller=caller, at=OPEN)
    assert aws_check.assumable(role, caller=caller, at=OPEN)


@pytest.mark.parametrize("age, answer", [(None, False), (0, True), (3599, True), (3600, False)])
def test_a_second_factor_must_be_there_and_recent(
    oracle: IamSimulate, estate: Estate, bobs: dict[str, Any], age: int | None, answer: bool
) -> None:
    caller = bob(estate, age)
    assert oracle.assumable(bobs, caller=caller, at=OPEN) is answer
    assert aws_check.assumable(bobs, caller=caller, at=OPEN) is answer


def test_a_false_second_factor_is_none(
    oracle: IamSimulate, estate: Estate, bobs: dict[str, Any]
) -> None:
    caller = bob(estate, None)
    context = caller.context(OPEN) | {"aws:MultiFactorAuthPresent": "false"}
    asked = {
        "request": {
            "principal": BOB_ARN,
            "action": "sts:AssumeRole",
            "resource": {"resource": bobs["Arn"], "accountId": ACCOUNT},
            "contextVariables": context,
        },
        "identityPolicies": [],
        "serviceControlPolicies": [],
        "resourceControlPolicies": [],
        "resourcePolicy": bobs["AssumeRolePolicyDocument"],
    }
    assert not oracle.ask(asked)


def test_an_sso_session_needs_no_factor_that_it_cannot_show(
    oracle: IamSimulate, role: dict[str, Any], alice: Caller
) -> None:
    assert alice.mfa_age is None
    assert TERMINATE.mfa_required
    assert oracle.assumable(role, caller=alice, at=OPEN)


@pytest.mark.parametrize(
    "action, resource",
    [
        ("ec2:StopInstances", INSTANCE_ARN),
        (ACTION, INSTANCE_ARN[:-1] + "1"),
        (ACTION, INSTANCE_ARN.replace(ACCOUNT, HOME_ACCOUNT)),
    ],
)
def test_only_the_action_on_the_resource_is_allowed(
    oracle: IamSimulate, role: dict[str, Any], action: str, resource: str
) -> None:
    assert not oracle.acts(role, action=action, resource=resource, at=OPEN)
    assert not aws_check.acts(role, action=action, resource=resource, at=OPEN)


OWN, OTHER = "itself", "arn:aws:iam::111122223333:role/theirs"
MARKED = "arn:aws:iam::111122223333:role/daypass/another-grants"


@pytest.mark.parametrize(
    "action, resource, answer",
    [
        *((f"iam:{write}", OWN, False) for write in WRITES),
        ("iam:PutRolePolicy", MARKED, False),
        ("iam:CreateRole", MARKED, False),
        ("sts:AssumeRole", MARKED, False),
        ("iam:GetRole", OWN, True),
        ("iam:ListRolePolicies", OWN, True),
        # What such a role can do all the same.
        ("iam:PutRolePolicy", OTHER, True),
        ("iam:CreateUser", "arn:aws:iam::111122223333:user/theirs", True),
    ],
)
def test_a_role_that_may_write_iam_changes_none_of_ours(
    oracle: IamSimulate, admin: dict[str, Any], action: str, resource: str, answer: bool
) -> None:
    question = {"action": action, "resource": admin["Arn"] if resource == OWN else resource}
    assert oracle.acts(admin, **question, at=OPEN) is answer
    assert aws_check.acts(admin, **question, at=OPEN) is answer
    # Without the guard it could, in its window.
    (inline,) = admin["RolePolicyList"]
    policy = inline["PolicyDocument"]
    bare = policy | {"Statement": [s for s in policy["Statement"] if s["Sid"] != "DaypassGuard"]}
    assert oracle.acts(admin | {"RolePolicyList": [{"PolicyDocument": bare}]}, **question, at=OPEN)


def test_an_extended_window_ends_later_for_open_sessions_too(
    oracle: IamSimulate, alice: Caller
) -> None:
    estate = Estate.open()
    try:
        estate.write(ChangeKind.CREATE, wanted())
        estate.write(ChangeKind.UPDATE, wanted(window=extended()))
        role = estate.stored(wanted())
    finally:
        estate.sandbox.stop()
    question = {"action": ACTION, "resource": INSTANCE_ARN}
    assert oracle.acts(role, **question, at=END)
    assert oracle.assumable(role, caller=alice, at=END)
    assert not oracle.acts(role, **question, at=extended().end)
    assert not oracle.assumable(role, caller=alice, at=extended().end)


@pytest.mark.parametrize("action", ["PutRolePolicy", "UpdateAssumeRolePolicy"])
def test_an_extension_that_stopped_halfway_still_ends(
    oracle: IamSimulate, alice: Caller, action: str
) -> None:
    estate = Estate.open()
    try:
        estate.write(ChangeKind.CREATE, wanted())
        estate.sandbox.fail_next(action, "Throttling")
        estate.write(ChangeKind.UPDATE, wanted(window=extended()))
        role = estate.stored(wanted())
    finally:
        estate.sandbox.stop()
    assert not oracle.assumable(role, caller=alice, at=END)
    question = {"action": ACTION, "resource": INSTANCE_ARN}
    assert oracle.acts(role, **question, at=LAST)
    assert not oracle.acts(role, **question, at=extended().end)


ACTIONS = ["ec2:TerminateInstances", "ec2:StopInstances", "ec2:DescribeInstances"]
PATTERNS = ["ec2:TerminateInstances", "ec2:*", "ec2:Stop*", "ec2:terminateinstance?", "*"]
INSTANCES = [INSTANCE_ARN, INSTANCE_ARN[:-1] + "1", INSTANCE_ARN.replace("eu-", "us-")]
RESOURCES = [
    "*",
    "arn:aws:ec2:*:{account}:instance/*",
    "arn:aws:ec2:eu-west-1:{account}:instance/i-0abc1234def56789?",
    "arn:aws:ec2:eu-*:{account}:instance/i-0abc1234def567890",
]
IDENTITIES = [
    ALICE.aws,
    AwsIdentity(session_name="al", home="identity-prod", mfa=Mfa.IDENTITY_PROVIDER),
    AwsIdentity(arn=BOB_ARN, mfa=Mfa.AWS),
]
SSO = "role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Engineer_0123456789abcdef"
CALLERS = [
    Caller(account=account, arn=f"arn:aws:iam::{account}:{name}", userid=userid, mfa_age=age)
    for account in (HOME_ACCOUNT, ACCOUNT)
    for name, userid, ages in (
        (SSO, "AROAEXAMPLE:alice@example.com", (None,)),
        (SSO, "AROAEXAMPLE:al", (None,)),
        ("role/Engineer", "AROAEXAMPLE:alice@example.com", (None,)),
        ("user/ops/bob", "AIDAEXAMPLE", (None, 0, 3599, 3600)),
        ("user/bob", "AIDAEXAMPLE", (10,)),
    )
    for age in ages
]


@settings(max_examples=300, deadline=None)
@given(
    identity=st.sampled_from(IDENTITIES),
    caller=st.sampled_from(CALLERS),
    patterns=st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2),
    resources=st.lists(st.sampled_from(RESOURCES), min_size=1, max_size=2),
    action=st.sampled_from(ACTIONS),
    instance=st.sampled_from(INSTANCES),
    dated=st.booleans(),
    offset=st.one_of(
        st.sampled_from([-1, 0, 1, 7199, 7200, 7201]),
        st.integers(min_value=-86400, max_value=86400),
    ),
)
def test_our_own_reading_agrees_with_the_evaluator(
    oracle: IamSimulate,
    identity: AwsIdentity,
    caller: Caller,
    patterns: list[str],
    resources: list[str],
    action: str,
    instance: str,
    dated: bool,
    offset: int,
) -> None:
    entitlement = replace(
        ENTITLEMENT,
        principal=replace(ALICE, aws=identity),
        role=replace(
            TERMINATE,
            permissions=AwsPermissions(actions=tuple(patterns), resources=tuple(resources)),
        ),
    )
    made = wanted(entitlement)
    document = json.loads(made.document)
    if not dated:
        # Only the Deny is left to say no outside the window.
        del document["inline"]["daypass"]["Statement"][0]["Condition"]
    role = {
        "Arn": f"arn:aws:iam::{ACCOUNT}:role/daypass/{made.key}",
        "RoleName": made.key,
        "AssumeRolePolicyDocument": document["trust"],
        "RolePolicyList": [{"PolicyDocument": document["inline"]["daypass"]}],
    }
    at = START + timedelta(seconds=offset)
    # Describe is no action on single resources: it is asked about all of them.
    resource = "*" if action == "ec2:DescribeInstances" else instance
    assert aws_check.assumable(role, caller=caller, at=at) is oracle.assumable(
        role, caller=caller, at=at
    )
    question = {"action": action, "resource": resource, "at": at}
    assert aws_check.acts(role, **question) is oracle.acts(role, **question)
