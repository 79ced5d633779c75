"""The AWS adapter against the stand-in, through real boto3 clients over loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest

from pipeline.clouds.aws.adapter import Accounts, AwsReader, AwsWriter
from pipeline.clouds.interface import Status
from pipeline.sandbox.aws import AwsSandbox
from pipeline.sandbox.clock import Clock
from pipeline.values.binding import BindingChange, ChangeKind
from pipeline.values.ids import GrantId
from tests.contract.support_aws import (
    ACCOUNT,
    BOB_ARN,
    END,
    ENTITLEMENT,
    HOME_ACCOUNT,
    IDENTITY,
    NOW,
    PATIENCE,
    PAYMENTS,
    Estate,
    extended,
    for_bob,
    wanted,
)

TRUST_ANY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
ALLOW_ALL = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)


@pytest.fixture
def estate() -> Iterator[Estate]:
    estate = Estate.open()
    yield estate
    estate.sandbox.stop()
    assert estate.sandbox.violations == []


def roles(estate: Estate) -> dict[str, Any]:
    """Every role of the account but those of the set-up, as stored."""
    return {
        role["RoleName"]: role
        for role in estate.sandbox.authorization_details(ACCOUNT)
        if role["RoleName"] not in ("daypass-pipeline", "daypass-runner")
    }


def test_a_binding_is_created_read_back_and_deleted(estate: Estate) -> None:
    made = wanted()
    assert estate.write(ChangeKind.CREATE, made).status is Status.DONE
    seen = estate.observe()
    assert seen.bindings == (made,)
    assert seen.bindings[0].handle == f"arn:aws:iam::{ACCOUNT}:role/daypass/{made.key}"
    assert (seen.foreign, seen.unreachable) == ((), ())
    assert estate.write(ChangeKind.DELETE, seen.bindings[0]).status is Status.DONE
    assert estate.observe().bindings == ()
    assert roles(estate) == {}


def test_every_change_may_be_carried_out_twice(estate: Estate) -> None:
    made, longer = wanted(), wanted(window=extended())
    for kind, binding in (
        (ChangeKind.CREATE, made),
        (ChangeKind.CREATE, made),
        (ChangeKind.UPDATE, longer),
        (ChangeKind.UPDATE, longer),
    ):
        assert estate.write(kind, binding).status is Status.DONE
        assert estate.observe().bindings == (binding,)
    for _ in range(2):
        assert estate.write(ChangeKind.DELETE, longer).status is Status.DONE
        assert estate.observe().bindings == ()


def test_an_extension_writes_permissions_before_trust_and_keeps_the_role(estate: Estate) -> None:
    estate.write(ChangeKind.CREATE, wanted())
    before = roles(estate)[wanted().key]["RoleId"]
    estate.sandbox.log.clear()
    assert estate.write(ChangeKind.UPDATE, wanted(window=extended())).status is Status.DONE
    written = [call.action for call in estate.sandbox.log if not call.action.startswith("L")]
    assert written == ["GetRole", "PutRolePolicy", "UpdateAssumeRolePolicy", "UpdateRole"]
    assert roles(estate)[wanted().key]["RoleId"] == before
    assert estate.admin().get_role(RoleName=wanted().key)["Role"]["MaxSessionDuration"] == 3 * 3600


def test_an_update_of_what_somebody_deleted_creates_it(estate: Estate) -> None:
    assert estate.write(ChangeKind.UPDATE, wanted()).status is Status.DONE
    assert estate.observe().bindings == (wanted(),)


def test_an_update_that_only_takes_away_makes_nothing_anew(estate: Estate) -> None:
    longer, shorter = wanted(window=extended()), wanted()
    less = BindingChange(kind=ChangeKind.UPDATE, binding=shorter, before=longer)
    (result,) = estate.writer.write([less], clock=estate.clock.now)
    assert result.status is Status.FAILED
    assert "it went since it was listed" in result.message
    assert roles(estate) == {}
    estate.write(ChangeKind.CREATE, longer)
    (result,) = estate.writer.write([less], clock=estate.clock.now)
    assert result.status is Status.DONE
    assert estate.observe().bindings == (shorter,)


def test_accounts_are_listed_once_whatever_the_number_of_bindings(estate: Estate) -> None:
    made = [wanted(replace(ENTITLEMENT, grant=GrantId(f"alice/{n}"))) for n in range(3)]
    made.append(wanted(replace(for_bob(), target=IDENTITY)))
    for binding in made:
        assert estate.write(ChangeKind.CREATE, binding).status is Status.DONE
    estate.sandbox.log.clear()
    again = replace(PAYMENTS, id=PAYMENTS.id + "-again")
    seen = estate.reader.observe([PAYMENTS, again, IDENTITY], now=NOW)
    assert {binding.identity for binding in seen.bindings} == {b.identity for b in made}
    assert [binding.identity for binding in seen.bindings] == sorted(b.identity for b in made)
    assert estate.sandbox.counts() == {"GetAccountAuthorizationDetails": 2}


@pytest.mark.parametrize("code, status", [("Throttling", 400), ("ServiceFailure", 500)])
@pytest.mark.parametrize("action", ["CreateRole", "PutRolePolicy"])
@pytest.mark.parametrize("after", [False, True])
def test_a_create_that_stopped_halfway_is_completed_by_the_next_run(
    estate: Estate, action: str, code: str, status: int, after: bool
) -> None:
    made = wanted()
    estate.sandbox.fail_next(action, code, status=status, after=after)
    result = estate.write(ChangeKind.CREATE, made)
    assert result.status is Status.FAILED
    assert code in result.message
    assert ACCOUNT in result.message
    (seen,) = estate.observe().bindings or (None,)
    complete = action == "PutRolePolicy" and after
    assert (seen == made) is complete
    kind = ChangeKind.UPDATE if seen else ChangeKind.CREATE
    assert estate.write(kind, made).status is Status.DONE
    assert estate.observe().bindings == (made,)


def test_a_role_without_its_policy_is_seen_as_different(estate: Estate) -> None:
    made = wanted()
    estate.sandbox.fail_next("PutRolePolicy", "Throttling")
    estate.write(ChangeKind.CREATE, made)
    (seen,) = estate.observe().bindings
    assert seen.identity == made.identity
    assert seen.window == made.window
    assert seen.document != made.document


@pytest.mark.parametrize(
    "action", ["PutRolePolicy", "UpdateAssumeRolePolicy", "UpdateRole", "ListRolePolicies"]
)
def test_an_update_that_stopped_halfway_is_completed_by_the_next_run(
    estate: Estate, action: str
) -> None:
    longer = wanted(window=extended())
    estate.write(ChangeKind.CREATE, wanted())
    estate.sandbox.fail_next(action, "Throttling")
    assert estate.write(ChangeKind.UPDATE, longer).status is Status.FAILED
    assert estate.write(ChangeKind.UPDATE, longer).status is Status.DONE
    assert estate.observe().bindings == (longer,)


@pytest.mark.parametrize("action", ["DeleteRolePolicy", "DeleteRole"])
@pytest.mark.parametrize("after", [False, True])
def test_a_delete_that_stopped_halfway_is_completed_by_the_next_run(
    estate: Estate, action: str, after: bool
) -> None:
    estate.write(ChangeKind.CREATE, wanted())
    estate.sandbox.fail_next(action, "ServiceFailure", status=500, after=after)
    assert estate.write(ChangeKind.DELETE, wanted()).status is Status.FAILED
    assert estate.write(ChangeKind.DELETE, wanted()).status is Status.DONE
    assert roles(estate) == {}


def test_a_window_that_has_ended_is_never_written(estate: Estate) -> None:
    estate.clock.advance(END - NOW)
    for kind in (ChangeKind.CREATE, ChangeKind.UPDATE):
        result = estate.write(kind, wanted())
        assert result.status is Status.FAILED
        assert "window has ended" in result.message
    assert estate.write(ChangeKind.CREATE, replace(wanted(), window=None)).status is Status.FAILED
    assert roles(estate) == {}


def test_a_document_that_does_not_carry_its_window_is_never_written(estate: Estate) -> None:
    made = wanted()
    document = json.loads(made.document)
    for inline in ({}, {"daypass": json.loads(ALLOW_ALL)}):
        loose = replace(made, document=json.dumps(document | {"inline": inline}))
        assert estate.write(ChangeKind.CREATE, loose).status is Status.FAILED
    assert estate.write(ChangeKind.CREATE, replace(made, window=extended())).status is Status.FAILED
    assert roles(estate) == {}


def test_results_come_one_per_change_in_the_order_given(estate: Estate) -> None:
    made = [wanted(replace(ENTITLEMENT, grant=GrantId(f"alice/{n}"))) for n in range(3)]
    estate.sandbox.fail_next("CreateRole", "LimitExceeded", status=409)
    changes = [BindingChange(kind=ChangeKind.CREATE, binding=binding) for binding in made]
    results = estate.writer.write(changes, clock=estate.clock.now)
    assert [result.change for result in results] == changes
    assert [result.status for result in results] == [Status.FAILED, Status.DONE, Status.DONE]


def test_foreign_roles_are_reported_and_left_as_they_are(estate: Estate) -> None:
    made = wanted()
    tags = json.loads(made.document)["tags"]
    admin = estate.admin()
    for name, path, mark in (
        ("theirs", "/daypass/", {}),
        ("half", "/daypass/", {"daypass:grant": "alice/x"}),
        ("copied", "/daypass/", tags),
        ("elsewhere", "/", tags),
    ):
        admin.create_role(
            RoleName=name,
            Path=path,
            AssumeRolePolicyDocument=TRUST_ANY,
            Tags=[{"Key": key, "Value": value} for key, value in mark.items()],
        )
        admin.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=ALLOW_ALL)
    before = roles(estate)
    seen = estate.observe()
    assert seen.bindings == ()
    assert [(one.handle.rpartition("/")[2], one.why) for one in seen.foreign] == [
        ("copied", "mark does not agree with the role's name"),
        ("half", "mark lacks principal, role, target, parameters"),
        ("theirs", "no mark"),
    ]
    for name in before:
        for kind in (ChangeKind.DELETE, ChangeKind.UPDATE, ChangeKind.CREATE):
            result = estate.write(kind, replace(made, key=name))
            assert result.status is Status.FAILED
    assert roles(estate) == before


@pytest.mark.parametrize("path", ["/", "/daypass/"])
def test_a_role_that_sits_on_our_name_is_never_taken_over(estate: Estate, path: str) -> None:
    made = wanted()
    estate.admin().create_role(RoleName=made.key, Path=path, AssumeRolePolicyDocument=TRUST_ANY)
    before = roles(estate)
    for kind in ChangeKind:
        result = estate.write(kind, made)
        assert result.status is Status.FAILED
        assert "left alone" in result.message
    assert roles(estate) == before


def test_what_a_hand_changed_is_seen_as_different_and_put_right(estate: Estate) -> None:
    made, admin = wanted(), estate.admin()
    name = made.key
    estate.write(ChangeKind.CREATE, made)
    managed = admin.create_policy(PolicyName="wide", PolicyDocument=ALLOW_ALL)["Policy"]["Arn"]
    longer = json.loads(wanted(window=extended()).document)
    alterations = [
        lambda: admin.put_role_policy(
            RoleName=name, PolicyName="daypass", PolicyDocument=ALLOW_ALL
        ),
        lambda: admin.put_role_policy(RoleName=name, PolicyName="more", PolicyDocument=ALLOW_ALL),
        lambda: admin.delete_role_policy(RoleName=name, PolicyName="daypass"),
        lambda: admin.update_assume_role_policy(RoleName=name, PolicyDocument=TRUST_ANY),
        lambda: admin.update_assume_role_policy(
            RoleName=name, PolicyDocument=json.dumps(longer["trust"])
        ),
        lambda: admin.attach_role_policy(RoleName=name, PolicyArn=managed),
        lambda: admin.tag_role(RoleName=name, Tags=[{"Key": "team", "Value": "payments"}]),
        lambda: admin.tag_role(
            RoleName=name, Tags=[{"Key": "daypass:principal", "Value": "mallory"}]
        ),
    ]
    for alter in alterations:
        alter()
        (seen,) = estate.observe().bindings
        assert seen.identity == made.identity
        assert seen.document != made.document
        assert estate.write(ChangeKind.UPDATE, made).status is Status.DONE
        assert estate.observe().bindings == (made,)


def test_a_role_that_a_hand_overgrew_is_deleted_all_the_same(estate: Estate) -> None:
    made, admin = wanted(), estate.admin()
    estate.write(ChangeKind.CREATE, made)
    managed = admin.create_policy(PolicyName="wide", PolicyDocument=ALLOW_ALL)["Policy"]["Arn"]
    admin.attach_role_policy(RoleName=made.key, PolicyArn=managed)
    admin.put_role_policy(RoleName=made.key, PolicyName="more", PolicyDocument=ALLOW_ALL)
    admin.create_instance_profile(InstanceProfileName="box")
    admin.add_role_to_instance_profile(InstanceProfileName="box", RoleName=made.key)
    assert estate.write(ChangeKind.DELETE, made).status is Status.DONE
    assert roles(estate) == {}


@pytest.mark.parametrize("action", ["ListInstanceProfilesForRole", "DetachRolePolicy"])
def test_what_vanishes_during_a_delete_does_not_stop_it(estate: Estate, action: str) -> None:
    made, admin = wanted(), estate.admin()
    estate.write(ChangeKind.CREATE, made)
    managed = admin.create_policy(PolicyName="wide", PolicyDocument=ALLOW_ALL)["Policy"]["Arn"]
    admin.attach_role_policy(RoleName=made.key, PolicyArn=managed)
    estate.sandbox.fail_next(action, "NoSuchEntity", status=404, after=True)
    first = estate.write(ChangeKind.DELETE, made)
    assert estate.write(ChangeKind.DELETE, made).status is Status.DONE
    assert roles(estate) == {}
    assert first.status is Status.DONE


def test_a_user_who_was_deleted_and_made_anew_does_not_inherit_access(estate: Estate) -> None:
    made = wanted(for_bob())
    assert estate.write(ChangeKind.CREATE, made).status is Status.DONE
    assert estate.observe().bindings == (made,)
    admin = estate.admin(HOME_ACCOUNT)
    admin.delete_user(UserName="bob")
    admin.create_user(UserName="bob", Path="/ops/")
    (seen,) = estate.observe().bindings
    assert seen.identity == made.identity
    assert seen.document != made.document


def test_a_principal_that_does_not_exist_fails_its_own_change_only(estate: Estate) -> None:
    estate.admin(HOME_ACCOUNT).delete_user(UserName="bob")
    result = estate.write(ChangeKind.CREATE, wanted(for_bob()))
    assert result.status is Status.FAILED
    assert BOB_ARN in result.message
    assert estate.write(ChangeKind.CREATE, wanted()).status is Status.DONE


@pytest.mark.parametrize("code, status", [("Throttling", 400), ("AccessDenied", 403)])
@pytest.mark.parametrize("action", ["GetAccountAuthorizationDetails", "AssumeRole"])
def test_an_account_that_cannot_be_listed_is_unreachable_alone(
    estate: Estate, action: str, code: str, status: int
) -> None:
    made = wanted(replace(for_bob(), target=IDENTITY))
    assert estate.write(ChangeKind.CREATE, made).status is Status.DONE
    reader = AwsReader(
        Accounts(endpoint=estate.sandbox.url, credentials=estate.sandbox.runner(), **PATIENCE)
    )
    estate.sandbox.fail_next(action, code, account=ACCOUNT, status=status)
    seen = reader.observe([PAYMENTS, IDENTITY], now=NOW)
    assert seen.bindings == (made,)
    ((target, why),) = seen.unreachable
    assert target == PAYMENTS.id
    assert code in why
    refused = code == "AccessDenied"
    assert seen.refused == ({PAYMENTS.id} if refused else frozenset())
    assert ("closed for good" in why) == refused
    assert reader.observe([PAYMENTS], now=NOW).unreachable == ()


def test_an_account_that_does_not_let_us_in_fails_its_changes(estate: Estate) -> None:
    estate.sandbox.fail_next("AssumeRole", "AccessDenied", status=403)
    result = estate.write(ChangeKind.CREATE, wanted())
    assert result.status is Status.FAILED
    assert "cannot work in AWS account" in result.message


def test_a_cloud_that_does_not_answer_is_a_failed_result() -> None:
    sandbox = AwsSandbox(Clock(NOW), accounts={ACCOUNT})
    sandbox.stop()
    accounts = Accounts(endpoint=sandbox.url, credentials=sandbox.runner(), timeout=1, **PATIENCE)
    change = BindingChange(kind=ChangeKind.CREATE, binding=wanted())
    (result,) = AwsWriter(accounts).write([change], clock=lambda: NOW)
    assert result.status is Status.FAILED
    assert AwsReader(accounts).observe([PAYMENTS], now=NOW).unreachable


def test_the_pipeline_cannot_write_outside_its_path(estate: Estate) -> None:
    outside = replace(wanted(), document=wanted().document.replace('"/daypass/"', '"/"'))
    result = estate.write(ChangeKind.CREATE, outside)
    assert result.status is Status.FAILED
    assert "AccessDenied" in result.message


def test_a_boundary_is_set_required_and_restored(estate: Estate) -> None:
    made, admin = wanted(), estate.admin()
    edge = admin.create_policy(PolicyName="edge", PolicyDocument=ALLOW_ALL)["Policy"]["Arn"]
    writer = AwsWriter(estate.accounts, boundary="edge")
    reader = AwsReader(estate.accounts, boundary="edge")

    def write(kind: ChangeKind) -> Status:
        (result,) = writer.write([BindingChange(kind=kind, binding=made)], clock=estate.clock.now)
        return result.status

    assert write(ChangeKind.CREATE) is Status.DONE
    assert reader.observe([PAYMENTS], now=NOW).bindings == (made,)
    held = admin.get_role(RoleName=made.key)["Role"]["PermissionsBoundary"]
    assert held["PermissionsBoundaryArn"] == edge
    admin.delete_role_permissions_boundary(RoleName=made.key)
    (seen,) = reader.observe([PAYMENTS], now=NOW).bindings
    assert seen.document != made.document
    assert write(ChangeKind.UPDATE) is Status.DONE
    assert reader.observe([PAYMENTS], now=NOW).bindings == (made,)


def test_real_use_has_aws_endpoints_adaptive_retries_and_time_limits(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", estate.sandbox.url)
    opened: list[Any] = []
    monkeypatch.setattr(boto3.Session, "client", _Client.recorder(opened))
    Accounts(credentials=estate.sandbox.runner()).iam(ACCOUNT)
    assert [client.meta.endpoint_url for client in opened] == [
        "https://sts.us-east-1.amazonaws.com",
        "https://iam.amazonaws.com",
    ]
    for client in opened:
        config = client.meta.config
        assert config.retries == {"mode": "adaptive", "total_max_attempts": 8}
        assert (config.connect_timeout, config.read_timeout) == (20, 20)
    assert opened[0].asked == {
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/daypass-pipeline",
        "RoleSessionName": "daypass",
        "DurationSeconds": 3600,
    }


class _Client:
    """A real client that is never called but for `assume_role`, which answers."""

    def __init__(self, client: Any) -> None:
        self.meta = client.meta
        self.asked: dict[str, Any] = {}

    def assume_role(self, **asked: Any) -> dict[str, Any]:
        self.asked = asked
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        return {"Credentials": dict.fromkeys(names, "x")}

    @classmethod
    def recorder(cls, opened: list[Any]) -> Any:
        create = boto3.Session.client

        def client(session: Any, service: str, **arguments: Any) -> _Client:
            opened.append(cls(create(session, service, **arguments)))
            return opened[-1]

        return client
