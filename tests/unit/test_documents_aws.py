"""AWS documents: who may assume a role, what it allows, and when."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clouds.aws.binding import binding, role_arn, role_name, session_seconds
from pipeline.clouds.aws.observed import observed
from pipeline.clouds.renewed import renewed
from pipeline.clouds.shortened import shortened
from pipeline.errors import Denied, PipelineError, UsageError
from pipeline.values.binding import Binding
from pipeline.values.catalogue import (
    AwsIdentity,
    AwsPermissions,
    Entitlement,
    GcpPermissions,
    Mfa,
    PrincipalKind,
)
from pipeline.values.grant import Window
from pipeline.values.ids import Cloud, GrantId, TargetId
from tests.contract.support_aws import (
    ACCOUNT,
    ALICE,
    BOB_ARN,
    END,
    ENTITLEMENT,
    HOME_ACCOUNT,
    IDENTITY,
    INSTANCE,
    PAYMENTS,
    START,
    TERMINATE,
    WINDOW,
    extended,
    for_bob,
    with_identity,
)


def document(entitlement: Entitlement = ENTITLEMENT, window: Window = WINDOW) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(binding(entitlement, window=window).document)
    return parsed


def conditions(entitlement: Entitlement) -> dict[str, Any]:
    (statement,) = document(entitlement)["trust"]["Statement"]
    condition: dict[str, Any] = statement["Condition"]
    return condition


def with_permissions(**fields: Any) -> Entitlement:
    permissions = AwsPermissions(
        actions=fields.get("actions", ("ec2:StopInstances",)),
        resources=fields.get("resources", ("*",)),
    )
    return replace(ENTITLEMENT, role=replace(TERMINATE, permissions=permissions))


def read(source: Binding, **changes: Any) -> Binding | str:
    parsed = json.loads(source.document)
    fields = {
        "account": source.locator,
        "targets": [source.target],
        "name": source.key,
        "path": parsed["path"],
        "trust": parsed["trust"],
        "inline": parsed["inline"],
        "attached": parsed["attached"],
        "tags": parsed["tags"],
        "handle": role_arn(source.locator, source.key),
    }
    return observed(**(fields | changes))


def test_an_sso_person_is_pinned_by_session_name_and_home_account() -> None:
    (statement,) = document()["trust"]["Statement"]
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{HOME_ACCOUNT}:root"}
    assert statement["Condition"] == {
        "ArnLike": {
            "aws:PrincipalArn": f"arn:aws:iam::{HOME_ACCOUNT}:role/aws-reserved/sso.amazonaws.com/*"
        },
        "StringLike": {"aws:userid": "*:alice@example.com"},
        "DateGreaterThanEquals": {"aws:CurrentTime": "2026-11-20T16:00:00Z"},
        "DateLessThan": {"aws:CurrentTime": "2026-11-20T18:00:00Z"},
    }


def test_an_iam_user_is_named_and_shows_aws_its_second_factor() -> None:
    (statement,) = document(for_bob())["trust"]["Statement"]
    assert statement["Principal"] == {"AWS": BOB_ARN}
    assert statement["Condition"]["Bool"] == {"aws:MultiFactorAuthPresent": "true"}
    assert statement["Condition"]["NumericLessThan"] == {"aws:MultiFactorAuthAge": "3600"}


def test_no_second_factor_is_asked_for_where_the_role_requires_none() -> None:
    relaxed = replace(for_bob(), role=replace(TERMINATE, mfa_required=False))
    assert set(conditions(relaxed)) == {"DateGreaterThanEquals", "DateLessThan"}


def test_the_permission_policy_is_dated_and_denies_everything_outside() -> None:
    allow, before, after, guard = document()["inline"]["daypass"]["Statement"]
    assert allow["Resource"] == [f"arn:aws:ec2:*:{ACCOUNT}:instance/{INSTANCE}"]
    assert allow["Condition"] == {
        "DateGreaterThanEquals": {"aws:CurrentTime": "2026-11-20T16:00:00Z"},
        "DateLessThan": {"aws:CurrentTime": "2026-11-20T18:00:00Z"},
    }
    for statement in (before, after):
        assert (statement["Effect"], statement["Action"], statement["Resource"]) == (
            "Deny",
            "*",
            "*",
        )
    assert before["Condition"] == {"DateLessThan": {"aws:CurrentTime": "2026-11-20T16:00:00Z"}}
    assert after["Condition"] == {
        "DateGreaterThanEquals": {"aws:CurrentTime": "2026-11-20T18:00:00Z"}
    }

    assert guard == {
        "Sid": "DaypassGuard",
        "Effect": "Deny",
        "NotAction": ["iam:Get*", "iam:List*"],
        "Resource": "arn:aws:iam::*:role/daypass/*",
    }


def without_guard(made: Binding) -> Binding:
    """Returns *made* as earlier releases wrote it."""
    document = json.loads(made.document)
    document["inline"]["daypass"]["Statement"].pop()
    got = read(made, inline=document["inline"])
    assert isinstance(got, Binding)
    return got


def test_a_role_of_an_earlier_release_is_read_with_its_window_and_gets_the_guard() -> None:
    made = binding(ENTITLEMENT, window=WINDOW)
    earlier = without_guard(made)
    assert earlier.window == WINDOW
    assert earlier.document != made.document
    assert renewed(earlier) == made.document == renewed(made)
    ends = WINDOW.start + timedelta(hours=1)
    cut = shortened(earlier, ends)
    assert cut is not None
    assert renewed(cut) == binding(ENTITLEMENT, window=replace(WINDOW, end=ends)).document


def test_what_somebody_altered_is_not_taken_for_an_earlier_release() -> None:
    made = without_guard(binding(ENTITLEMENT, window=WINDOW))
    widened = replace(made, document=made.document.replace("TerminateInstances", "*"))
    assert renewed(widened) != binding(ENTITLEMENT, window=WINDOW).document
    undated = replace(made, window=None)
    assert renewed(undated) == undated.document


def test_the_name_survives_an_extension_and_tells_lines_apart() -> None:
    names = {binding(ENTITLEMENT, window=window).key for window in (WINDOW, extended())}
    assert len(names) == 1
    other = replace(ENTITLEMENT, parameters=(("resource", "i-00000000"),))
    elsewhere = replace(ENTITLEMENT, target=replace(PAYMENTS, id=TargetId("aws/other")))
    renamed = replace(ENTITLEMENT, role=replace(TERMINATE, name="other"))
    for different in (other, elsewhere, renamed):
        names.add(binding(different, window=WINDOW).key)
    assert len(names) == 4


@given(st.from_regex(r"[a-zA-Z0-9]{1,30}/[a-zA-Z0-9_.-]{1,90}", fullmatch=True))
def test_names_fit_into_iam(grant: str) -> None:
    name = binding(replace(ENTITLEMENT, grant=GrantId(grant)), window=WINDOW).key
    assert len(name) <= 64
    assert name == name.lower()
    assert all(sign.isalnum() or sign in ".@-" for sign in name)


def test_part_seconds_are_left_out_of_a_window() -> None:
    half = timedelta(milliseconds=500)
    made = binding(ENTITLEMENT, window=Window(start=START - half, end=END + half))
    assert made.window == WINDOW
    with pytest.raises(UsageError):
        binding(ENTITLEMENT, window=Window(start=START, end=START + half))


@pytest.mark.parametrize(
    "fields",
    [
        {"session_name": "*", "home": "identity-prod"},
        {"session_name": "a*", "home": "identity-prod"},
        {"session_name": "alic?", "home": "identity-prod"},
        {"session_name": "${aws:username}", "home": "identity-prod"},
        {"session_name": "x:alice", "home": "identity-prod"},
        {"session_name": "alice\n", "home": "identity-prod"},
        {"session_name": "", "home": "identity-prod"},
        {"session_name": "ａlice", "home": "identity-prod"},
        {"arn": "*"},
        {"arn": f"arn:aws:iam::{ACCOUNT}:root"},
        {"arn": f"arn:aws:iam::{ACCOUNT}:user/*"},
        {"arn": f"arn:aws:iam::{ACCOUNT}:user/bob\n"},
        {"arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/x/y"},
        {"arn": f"arn:aws:iam::{ACCOUNT}:role/shared"},
        {"arn": BOB_ARN, "session_name": "bob"},
        {},
    ],
)
def test_an_identity_that_could_mean_others_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(PipelineError):
        binding(with_identity(ENTITLEMENT, mfa=Mfa.IDENTITY_PROVIDER, **fields), window=WINDOW)


def test_a_workload_may_be_a_role_but_never_one_of_people() -> None:
    worker = replace(ALICE, kind=PrincipalKind.WORKLOAD)
    base = replace(
        ENTITLEMENT, principal=worker, role=replace(TERMINATE, mfa_required=False), home=None
    )
    arn = f"arn:aws:iam::{ACCOUNT}:role/ci/deployer"
    (statement,) = document(with_identity(base, arn=arn))["trust"]["Statement"]
    assert statement["Principal"] == {"AWS": arn}
    people = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_x"
    with pytest.raises(Denied):
        binding(with_identity(base, arn=people), window=WINDOW)


@pytest.mark.parametrize(
    "identity",
    [
        AwsIdentity(session_name="alice@example.com", home="identity-prod"),
        AwsIdentity(session_name="alice@example.com", home="identity-prod", mfa=Mfa.AWS),
        AwsIdentity(arn=BOB_ARN),
        None,
    ],
)
def test_a_second_factor_that_nobody_proves_is_denied(identity: AwsIdentity | None) -> None:
    with pytest.raises(Denied):
        binding(replace(ENTITLEMENT, principal=replace(ALICE, aws=identity)), window=WINDOW)


def test_a_home_that_is_not_an_aws_target_is_denied() -> None:
    for home in (None, replace(IDENTITY, cloud=Cloud.GCP)):
        with pytest.raises(Denied):
            binding(replace(ENTITLEMENT, home=home), window=WINDOW)


@pytest.mark.parametrize(
    "parameters",
    [
        (),
        (("resource", "i-0*"),),
        (("resource", "i-0abc1234def567890/../*"),),
        (("resource", "i-0abc1234\n"),),
        (("resource", INSTANCE), ("more", "x")),
        (("other", INSTANCE),),
        (("resource", INSTANCE), ("resource", INSTANCE)),
    ],
)
def test_parameters_must_be_those_of_the_role_and_match(
    parameters: tuple[tuple[str, str], ...],
) -> None:
    with pytest.raises(UsageError):
        binding(replace(ENTITLEMENT, parameters=parameters), window=WINDOW)


@pytest.mark.parametrize("value", ["*", "i-?", "${aws:username}", "{account}", 'x"', "a b", "é"])
def test_wildcards_and_variables_are_refused_even_where_the_pattern_lets_them(value: str) -> None:
    role = replace(TERMINATE, parameters=(("resource", ".*"),))
    with pytest.raises(UsageError):
        binding(replace(ENTITLEMENT, role=role, parameters=(("resource", value),)), window=WINDOW)


@pytest.mark.parametrize(
    "entitlement",
    [
        with_permissions(resources=("arn:aws:s3:::${aws:username}",)),
        with_permissions(resources=("arn:aws:s3:::{unknown}",)),
        with_permissions(resources=("bucket",)),
        with_permissions(resources=()),
        with_permissions(actions=("terminate",)),
        with_permissions(actions=()),
        with_permissions(actions=tuple(f"ec2:{'X' * 100}{n}" for n in range(100))),
        replace(ENTITLEMENT, role=replace(TERMINATE, permissions=GcpPermissions(role="roles/x"))),
        replace(ENTITLEMENT, role=replace(TERMINATE, cloud=Cloud.GCP)),
        replace(ENTITLEMENT, target=replace(PAYMENTS, cloud=Cloud.GCP)),
        replace(ENTITLEMENT, target=replace(PAYMENTS, locator="1111")),
        replace(ENTITLEMENT, target=replace(PAYMENTS, locator="11112222333*")),
        replace(ENTITLEMENT, home=replace(IDENTITY, locator="*")),
        replace(ENTITLEMENT, grant=GrantId("alice/" + "x" * 300)),
        replace(ENTITLEMENT, grant=GrantId("alice/*")),
    ],
)
def test_what_cannot_be_said_safely_in_a_policy_is_refused(entitlement: Entitlement) -> None:
    with pytest.raises(UsageError):
        binding(entitlement, window=WINDOW)


def test_a_parameter_called_account_is_refused() -> None:
    role = replace(TERMINATE, parameters=(("account", ".*"),))
    shadow = replace(ENTITLEMENT, role=role, parameters=(("account", "999999999999"),))
    with pytest.raises(UsageError):
        binding(shadow, window=WINDOW)


@pytest.mark.parametrize(
    "hours, seconds", [(0.5, 3600), (1, 3600), (2, 7200), (12, 43200), (72, 43200)]
)
def test_sessions_stay_within_what_iam_takes(hours: float, seconds: int) -> None:
    assert session_seconds(Window(start=START, end=START + timedelta(hours=hours))) == seconds


def test_what_was_written_reads_back_as_the_same_binding() -> None:
    made = binding(ENTITLEMENT, window=WINDOW)
    assert read(made) == made


def test_url_encoded_policies_read_back_alike() -> None:
    made = binding(ENTITLEMENT, window=WINDOW)
    encoded = json.dumps(json.loads(made.document)["trust"]).replace('"', "%22")
    assert read(made, trust=encoded) == made


def test_tags_that_aws_adds_do_not_count() -> None:
    made = binding(ENTITLEMENT, window=WINDOW)
    tags = json.loads(made.document)["tags"]
    assert read(made, tags=tags | {"aws:cloudformation:stack-name": "x"}) == made


def test_a_foreign_target_name_falls_back_to_one_of_the_account() -> None:
    made = binding(ENTITLEMENT, window=WINDOW)
    got = read(made, targets=[TargetId("aws/renamed")])
    assert isinstance(got, Binding)
    assert got.target == "aws/renamed"
    assert got.identity == made.identity


@pytest.mark.parametrize(
    "change, why",
    [
        ({"tags": {}}, "no mark"),
        ({"tags": {"team": "x"}}, "no mark"),
        ({"tags": {"daypass:grant": "alice/x"}}, "mark lacks principal, role, target, parameters"),
        ({"name": "other"}, "mark does not agree with the role's name"),
        ({"path": "/daypass/deeper/"}, "path is /daypass/deeper/"),
    ],
)
def test_a_role_without_an_agreeing_mark_is_not_ours(change: dict[str, Any], why: str) -> None:
    assert read(binding(ENTITLEMENT, window=WINDOW), **change) == why


def test_a_mark_cannot_be_moved_to_another_grant() -> None:
    made = binding(ENTITLEMENT, window=WINDOW)
    tags = json.loads(made.document)["tags"] | {"daypass:grant": "mallory/x"}
    assert role_name(tags) != made.key
    assert isinstance(read(made, tags=tags), str)


def test_every_alteration_shows() -> None:
    made = binding(ENTITLEMENT, window=WINDOW)
    parsed = json.loads(made.document)
    inline = parsed["inline"]
    longer = json.loads(made.document.replace("18:00:00", "19:00:00"))
    loose = json.loads(made.document)["inline"]
    loose["daypass"]["Statement"] = loose["daypass"]["Statement"][:1]
    changes: list[dict[str, Any]] = [
        {"trust": longer["trust"]},
        {"trust": json.loads(json.dumps(parsed["trust"]).replace(f"{HOME_ACCOUNT}:root", "x"))},
        {"trust": "{"},
        {"trust": None},
        {"inline": longer["inline"]},
        {"inline": loose},
        {"inline": inline | {"more": inline["daypass"]}},
        {"inline": {}},
        {"attached": ["arn:aws:iam::aws:policy/AdministratorAccess"]},
        {"tags": parsed["tags"] | {"team": "payments"}},
        {"tags": parsed["tags"] | {"daypass:principal": "mallory"}},
        {"wrong_boundary": ""},
    ]
    for change in changes:
        got = read(made, **change)
        assert isinstance(got, Binding)
        assert got.identity == made.identity
        assert got.document != made.document


def test_a_window_is_read_only_where_every_statement_is_of_our_form() -> None:
    made = binding(ENTITLEMENT, window=WINDOW)
    parsed = json.loads(made.document)
    longer = json.loads(made.document.replace("18:00:00", "19:00:00"))
    policy = parsed["inline"]["daypass"]

    def window(**change: Any) -> Window | None:
        got = read(made, **change)
        assert isinstance(got, Binding)
        return got.window

    def policy_with(index: int, **fields: Any) -> dict[str, Any]:
        statements = [dict(statement) for statement in policy["Statement"]]
        statements[index] |= fields
        return {"inline": {"daypass": policy | {"Statement": statements}}}

    assert window() == WINDOW
    assert window(inline={}) == WINDOW
    # The permission policy ends open sessions, so it says when access ends.
    assert window(inline=longer["inline"]) == extended()
    assert window(trust=longer["trust"]) == WINDOW
    assert window(inline={"other": policy}) is None
    assert window(inline={"daypass": {"Statement": policy["Statement"][:2]}}) is None
    assert window(attached=["arn:aws:iam::aws:policy/ReadOnlyAccess"]) is None
    assert window(trust={"Statement": []}) is None
    assert window(trust={"Statement": [{"Condition": {}}]}) is None
    assert window(**policy_with(0, Condition={})) is None
    assert window(**policy_with(2, Effect="Allow")) is None
    assert window(**policy_with(1, NotAction="x")) is None
    # It lies after the last year that there is, once the offset is taken off.
    last = made.document.replace("2026-11-20T18:00:00Z", "9999-12-31T23:59:59-01:00")
    assert window(trust=json.loads(last)["trust"], inline={}) is None


_ANY = st.text(max_size=12)


@given(session=_ANY, value=_ANY, arn=_ANY, account=_ANY)
def test_no_text_from_a_file_brings_a_wildcard_or_variable_into_a_policy(
    session: str, value: str, arn: str, account: str
) -> None:
    role = replace(
        TERMINATE,
        parameters=(("resource", "(?s:.*)"),),
        permissions=AwsPermissions(
            actions=("ec2:StopInstances",),
            resources=("arn:aws:ec2:eu-west-1:{account}:instance/{resource}",),
        ),
    )
    base = replace(
        ENTITLEMENT,
        role=role,
        target=replace(PAYMENTS, locator=account),
        parameters=(("resource", value),),
    )
    for entitlement in (
        with_identity(base, session_name=session, home="x", mfa=Mfa.IDENTITY_PROVIDER),
        with_identity(base, arn=arn, mfa=Mfa.IDENTITY_PROVIDER),
        with_identity(
            replace(base, target=PAYMENTS),
            session_name="alice",
            home="x",
            mfa=Mfa.IDENTITY_PROVIDER,
        ),
        with_identity(
            replace(base, target=PAYMENTS, parameters=(("resource", "i-1"),)),
            session_name=session,
            home="x",
            mfa=Mfa.IDENTITY_PROVIDER,
        ),
    ):
        try:
            made = json.loads(binding(entitlement, window=WINDOW).document)
        except PipelineError:
            continue
        (assume,) = made["trust"]["Statement"]
        allow = made["inline"]["daypass"]["Statement"][0]
        named = assume["Condition"]["StringLike"]["aws:userid"].removeprefix("*:")
        for text in (named, *allow["Resource"]):
            assert not set(text) & set("*?${}")
