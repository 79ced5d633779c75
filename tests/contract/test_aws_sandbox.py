"""The AWS stand-in refuses what AWS refuses, and keeps to AWS's own description."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline.sandbox.aws import AwsSandbox
from pipeline.sandbox.aws_check import UnknownForm, acts, allowed, assumable
from pipeline.sandbox.aws_contract import (
    ContractRefused,
    ContractViolation,
    error_body,
    read_request,
    read_response,
    success_body,
)
from pipeline.sandbox.clock import Clock
from pipeline.values.binding import ChangeKind
from tests.contract.support_aws import (
    ACCOUNT,
    ACTION,
    BOB_ARN,
    END,
    HOME_ACCOUNT,
    INSTANCE_ARN,
    NOW,
    Estate,
    for_bob,
    wanted,
)

ROOT = f"arn:aws:iam::{ACCOUNT}:root"


@pytest.fixture
def estate() -> Iterator[Estate]:
    estate = Estate.open()
    yield estate
    estate.sandbox.stop()
    assert estate.sandbox.violations == []


def trust(principal: Any = ROOT, **fields: Any) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": "sts:AssumeRole",
    } | fields
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def policy(**fields: Any) -> str:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"} | fields
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)


def code(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    answer: str = error.value.response["Error"]["Code"]
    return answer


@pytest.mark.parametrize(
    "arguments",
    [
        {"RoleName": "x" * 65},
        {"RoleName": "a/b"},
        {"RoleName": "é"},
        {"Path": "daypass"},
        {"MaxSessionDuration": 43201},
        {"Tags": [{"Key": "a", "Value": "*"}]},
        {"Tags": [{"Key": "a", "Value": "x" * 257}]},
        {"Tags": [{"Key": "a", "Value": "x"}] * 51},
    ],
)
def test_names_sizes_and_ranges_are_those_of_botocore(
    estate: Estate, arguments: dict[str, Any]
) -> None:
    given = {"RoleName": "x", "AssumeRolePolicyDocument": trust()} | arguments
    assert code(estate.admin().create_role, **given) == "ValidationError"


@pytest.mark.parametrize(
    "document",
    [
        "{",
        "[]",
        '{"Version": "2012-10-17"}',
        trust("garbage"),
        trust("arn:aws:iam::999999999999:root"),
        trust(f"arn:aws:iam::{ACCOUNT}:user/nobody"),
        trust(f"arn:aws:iam::{HOME_ACCOUNT}:user/bob"),
        trust(Principal={}),
        trust(Resource="*"),
        trust(Effect="Maybe"),
        trust(Condition={"DateLessThan": {"aws:CurrentTime": "garbage"}}),
        trust(Condition={"DateLessThan": {"aws:CurrentTime": "${aws:TokenIssueTime}"}}),
        trust(Condition={"NumericLessThan": {"aws:MultiFactorAuthAge": "soon"}}),
        trust(Condition={"DateLessThan": {}}),
    ],
)
def test_a_malformed_trust_policy_is_refused(estate: Estate, document: str) -> None:
    admin = estate.admin()
    given = {"RoleName": "x", "AssumeRolePolicyDocument": document}
    assert code(admin.create_role, **given) == "MalformedPolicyDocument"
    admin.create_role(RoleName="x", AssumeRolePolicyDocument=trust())
    given = {"RoleName": "x", "PolicyDocument": document}
    assert code(admin.update_assume_role_policy, **given) == "MalformedPolicyDocument"


def test_principals_that_exist_are_accepted(estate: Estate) -> None:
    pipeline = f"arn:aws:iam::{HOME_ACCOUNT}:role/daypass-pipeline"
    estate.admin().create_role(
        RoleName="x", AssumeRolePolicyDocument=trust([ROOT, BOB_ARN, pipeline, "*"])
    )


@pytest.mark.parametrize(
    "document",
    [
        policy(Action="nothing"),
        policy(Principal="*"),
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*"}]}',
        policy(Condition={"DateGreaterThan": {"aws:CurrentTime": "2026-13-45"}}),
        policy(Condition="x"),
    ],
)
def test_a_malformed_permission_policy_is_refused(estate: Estate, document: str) -> None:
    admin = estate.admin()
    admin.create_role(RoleName="x", AssumeRolePolicyDocument=trust())
    given = {"RoleName": "x", "PolicyName": "p", "PolicyDocument": document}
    assert code(admin.put_role_policy, **given) == "MalformedPolicyDocument"


def test_policy_sizes_are_limited_without_their_white_space(estate: Estate) -> None:
    admin = estate.admin()
    long = trust(Condition={"StringLike": {"aws:userid": "x" * 2048}})
    given = {"RoleName": "x", "AssumeRolePolicyDocument": long}
    assert code(admin.create_role, **given) == "LimitExceeded"
    padded = trust() + " " * 4000
    admin.create_role(RoleName="x", AssumeRolePolicyDocument=padded)
    half = policy(Resource=f"arn:aws:s3:::{'x' * 6000}")
    for _ in range(2):
        admin.put_role_policy(RoleName="x", PolicyName="a", PolicyDocument=half)
    given = {"RoleName": "x", "PolicyName": "b", "PolicyDocument": half}
    assert code(admin.put_role_policy, **given) == "LimitExceeded"


def test_a_role_is_assumed_inside_its_window_only(estate: Estate) -> None:
    made = wanted()
    estate.write(ChangeKind.CREATE, made)
    arn = f"arn:aws:iam::{ACCOUNT}:role/daypass/{made.key}"
    alice = estate.client("sts", estate.sandbox.person("alice@example.com", home=HOME_ACCOUNT))
    mallory = estate.client("sts", estate.sandbox.person("mallory@example.com", home=HOME_ACCOUNT))
    given = {"RoleArn": arn, "RoleSessionName": "alice"}
    taken = alice.assume_role(**given)["Credentials"]
    assert taken["Expiration"] == NOW + timedelta(hours=1)
    assert code(mallory.assume_role, **given) == "AccessDenied"
    # A chained session lasts an hour at most, whatever the role says.
    assert code(alice.assume_role, **given, DurationSeconds=7200) == "ValidationError"
    estate.clock.advance(END - NOW - timedelta(seconds=1))
    alice.assume_role(**given)
    estate.clock.advance(timedelta(seconds=1))
    assert code(alice.assume_role, **given) == "AccessDenied"
    session = estate.client(
        "sts",
        {
            "aws_access_key_id": taken["AccessKeyId"],
            "aws_secret_access_key": taken["SecretAccessKey"],
            "aws_session_token": taken["SessionToken"],
        },
    )
    assert code(session.get_caller_identity) == "ExpiredToken"


def test_a_second_factor_is_asked_for_and_may_not_be_old(estate: Estate) -> None:
    made = wanted(for_bob())
    estate.write(ChangeKind.CREATE, made)
    given = {
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/daypass/{made.key}",
        "RoleSessionName": "bob",
        "DurationSeconds": 7200,
    }
    for age in (None, 3600):
        bob = estate.client("sts", estate.sandbox.user(BOB_ARN, mfa_age=age))
        assert code(bob.assume_role, **given) == "AccessDenied"
    bob = estate.client("sts", estate.sandbox.user(BOB_ARN, mfa_age=3599))
    assert bob.get_caller_identity()["Arn"] == BOB_ARN
    assert bob.assume_role(**given)["Credentials"]
    given["DurationSeconds"] = 7201
    assert code(bob.assume_role, **given) == "ValidationError"


def test_only_known_roles_of_known_accounts_are_assumed(estate: Estate) -> None:
    runner = estate.client("sts", estate.sandbox.runner())
    estate.admin().create_role(RoleName="other", AssumeRolePolicyDocument=trust())
    for arn in (
        f"arn:aws:iam::{ACCOUNT}:role/missing",
        f"arn:aws:iam::{ACCOUNT}:role/other",
        f"arn:aws:iam::{ACCOUNT}:role/wrong-path/daypass-pipeline",
        "arn:aws:iam::999999999999:role/daypass-pipeline",
        "garbage-that-is-long-enough",
    ):
        given = {"RoleArn": arn, "RoleSessionName": "run"}
        assert code(runner.assume_role, **given) == "AccessDenied"


def test_a_trust_that_cannot_be_read_is_not_assumed(estate: Estate) -> None:
    strange = trust(Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}})
    estate.admin().create_role(
        RoleName="strange", Path="/daypass/", AssumeRolePolicyDocument=strange
    )
    alice = estate.client("sts", estate.sandbox.person("alice@example.com", home=ACCOUNT))
    given = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/daypass/strange", "RoleSessionName": "xx"}
    assert code(alice.assume_role, **given) == "AccessDenied"


def test_people_and_strangers_may_not_touch_iam(estate: Estate) -> None:
    person = estate.sandbox.person("alice@example.com", home=ACCOUNT)
    assert code(estate.client("iam", person).list_roles) == "AccessDenied"
    stranger = person | {"aws_access_key_id": "ASIA0000000000000000"}
    assert code(estate.client("iam", stranger).list_roles) == "InvalidClientTokenId"
    tampered = person | {"aws_session_token": "x"}
    assert code(estate.client("iam", tampered).list_roles) == "InvalidClientTokenId"


def test_two_stand_ins_do_not_see_each_other(estate: Estate) -> None:
    estate.write(ChangeKind.CREATE, wanted())
    other = AwsSandbox(Clock(NOW), accounts={ACCOUNT, HOME_ACCOUNT}, users=[BOB_ARN])
    try:
        names = {role["RoleName"] for role in other.authorization_details(ACCOUNT)}
        assert wanted().key not in names
        assert estate.stored(wanted())
    finally:
        other.stop()


def test_calls_are_logged_with_caller_and_outcome(estate: Estate) -> None:
    estate.sandbox.fail_next("CreateRole", "Throttling", times=2)
    for _ in range(3):
        estate.write(ChangeKind.CREATE, wanted())
    calls = [(call.action, call.code, call.account) for call in estate.sandbox.log]
    assert calls == [
        ("AssumeRole", "", ACCOUNT),
        ("CreateRole", "Throttling", ACCOUNT),
        ("CreateRole", "Throttling", ACCOUNT),
        ("CreateRole", "", ACCOUNT),
        ("PutRolePolicy", "", ACCOUNT),
    ]
    assert estate.sandbox.log[1].caller.endswith(":assumed-role/daypass-pipeline/daypass")
    assert estate.sandbox.counts(HOME_ACCOUNT) == {}


def test_accounts_and_users_must_belong_together(estate: Estate) -> None:
    with pytest.raises(ValueError, match="no IAM user in the accounts"):
        AwsSandbox(Clock(NOW), accounts={ACCOUNT}, users=[BOB_ARN])
    with pytest.raises(ValueError, match="no IAM user"):
        estate.sandbox.user(ROOT)


@pytest.mark.parametrize(
    "form, message",
    [
        ({"Action": "Nothing"}, "could not find operation"),
        ({"Action": "GetRole", "Version": "2000-01-01"}, "no version"),
        ({"Action": "GetRole", "RoleNames": "x"}, "unknown parameters: RoleNames"),
        ({"Action": "GetRole"}, ".RoleName must not be null"),
        ({"Action": "ListRoles", "MaxItems": "many"}, "no integer"),
        ({"Action": "ListRoles", "MaxItems": "0"}, "at least 1"),
        ({"Action": "GetAccountAuthorizationDetails", "Filter.member.1": "All"}, "one of User"),
    ],
)
def test_requests_are_held_to_the_service_model(form: dict[str, str], message: str) -> None:
    with pytest.raises(ContractRefused, match=f"(?i){message}"):
        read_request("iam", {"Version": "2010-05-08"} | form)


def test_answers_are_held_to_the_service_model() -> None:
    arn = "arn:aws:sts::111122223333:assumed-role/x/yyyyy"
    good = success_body("sts", "GetCallerIdentity", {"Arn": arn})
    assert read_response("sts", "GetCallerIdentity", 200, good) == {"Arn": arn}
    assert read_response(
        "iam", "GetRole", 404, error_body("iam", ContractRefused("NoSuchEntity", "x"))
    )
    for action, status, body in (
        ("GetCallerIdentity", 200, success_body("sts", "GetCallerIdentity", {"Arn": "x"})),
        ("GetCallerIdentity", 200, success_body("sts", "GetCallerIdentity", {"Name": "x"})),
        ("GetCallerIdentity", 400, error_body("sts", ContractRefused("Nonsense", "x"))),
        ("AssumeRole", 200, good),
    ):
        with pytest.raises(ContractViolation):
            read_response("sts", action, status, body)


def test_the_evaluator_refuses_what_it_does_not_know(estate: Estate) -> None:
    made = wanted()
    estate.write(ChangeKind.CREATE, made)
    role = estate.stored(made)
    caller = estate.sandbox.caller(estate.sandbox.person("alice@example.com", home=HOME_ACCOUNT))
    question = {"caller": caller, "action": ACTION, "resource": INSTANCE_ARN, "at": NOW}
    assert allowed(role, **question)
    (inline,) = role["RolePolicyList"]
    statement = inline["PolicyDocument"]["Statement"][0]

    def acting(**fields: Any) -> dict[str, Any]:
        document = inline["PolicyDocument"] | {"Statement": [statement | fields]}
        return role | {"RolePolicyList": [inline | {"PolicyDocument": document}]}

    def trusting(**fields: Any) -> dict[str, Any]:
        document = role["AssumeRolePolicyDocument"]
        first = document["Statement"][0] | fields
        return role | {"AssumeRolePolicyDocument": document | {"Statement": [first]}}

    for strange in (
        acting(NotAction="*"),
        acting(Effect="Perhaps"),
        acting(Resource="${aws:username}"),
        acting(Condition={"DateLessThanIfExists": {"aws:CurrentTime": "2026-11-20T18:00:00Z"}}),
        acting(Condition={"DateLessThan": {"aws:CurrentTime": ["2026-11-20T18:00:00Z"]}}),
        acting(Condition={"DateLessThan": {"aws:CurrentTime": "soon"}}),
        role | {"AttachedManagedPolicies": [{"PolicyArn": "x"}]},
        role | {"PermissionsBoundary": {"PermissionsBoundaryArn": "x"}},
        role | {"RolePolicyList": [{"PolicyDocument": {"Statement": []}}]},
    ):
        with pytest.raises(UnknownForm):
            acts(strange, action=ACTION, resource=INSTANCE_ARN, at=NOW)
    for strange in (trusting(Principal="*"), trusting(Principal={"AWS": "*"})):
        with pytest.raises(UnknownForm):
            assumable(strange, caller=caller, at=NOW)
    assert not acts(role | {"RolePolicyList": []}, action=ACTION, resource=INSTANCE_ARN, at=NOW)
