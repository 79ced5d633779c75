"""Second factors, workloads and separate duties at their limits, on both engines."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline.errors import EngineError
from pipeline.policy.answer import OtherLife, Requester
from pipeline.policy.question import StandingAccess
from pipeline.values.catalogue import AwsIdentity, Mfa, PrincipalKind, Risk
from pipeline.values.grant import Window
from tests.contract.support_rules import (
    BOT,
    MISSING,
    ROLE,
    STRANGER,
    Ask,
    Case,
    check,
    codes,
)
from tests.unit.support_policies import (
    ALICE,
    NOW,
    Keys,
    entitlement,
    grant,
    own_settings,
    principal,
    put,
    request,
)

MFA: Keys = ("subject", "identities", "aws", "mfa")
AWS_USER = AwsIdentity(arn="arn:aws:iam::111122223333:user/alice", mfa=Mfa.AWS)
BY_AWS = principal(aws=AWS_USER)
WORKLOAD = principal(
    name="ledger-bot",
    kind=PrincipalKind.WORKLOAD,
    owner="alice",
    github=None,
    github_id=None,
    aws=AwsIdentity(arn="arn:aws:iam::111122223333:role/ledger-bot"),
)
COMBINATIONS: Keys = ("separation", "combinations")
PAY = {"pay-and-approve": {"one": ["aws/rds-reader"], "other": ["gcp/payout-approver"]}}


def working(seconds: int = 7200, **changes: Any) -> dict[str, Any]:
    """Access for a workload that alice owns, which alice asks for, and may."""
    values: dict[str, Any] = {
        "grant": grant(subject="ledger-bot", duration=seconds),
        "subject": WORKLOAD,
        "requester": Requester(actor=ALICE, principal="alice"),
    }
    return put(request(**{**values, **changes}), (*ROLE, "id"), "aws/s3-logs-reader")


def approving(start: int, end: int) -> dict[str, Any]:
    """Alice holds the other side of a combination from *start* to *end*, seconds from now."""
    window = Window(start=NOW + timedelta(seconds=start), end=NOW + timedelta(seconds=end))
    life = OtherLife(
        grant="alice/other", target="gcp/lab", role="gcp/payout-approver", window=window
    )
    return request(lives=[life])


def case(name: str, denied: set[str], document: dict[str, Any], **more: Any) -> Case:
    return Case(name, denied, document=document, **more)


CASES = [
    # mfa
    case(
        "the role asks, nothing declared",
        {"mfa-missing"},
        put(request(), (*ROLE, "mfa_required"), True),
        at=MFA,
        value=None,
    ),
    case(
        "the role asks, by the identity provider",
        set(),
        put(request(), (*ROLE, "mfa_required"), True),
    ),
    case("the role asks, AWS checks", set(), put(request(), (*ROLE, "mfa_required"), True),
         at=MFA, value="aws"),
    case("nothing asks, nothing declared", set(), request(), at=MFA, value=None),
    case("nothing asks, AWS declared", set(), request(subject=BY_AWS)),
    case(
        "no identity there",
        {"mfa-missing"},
        put(request(), (*ROLE, "mfa_required"), True),
        at=("subject", "identities", "aws"),
        value=None,
    ),
    case(
        "no identities",
        {"mfa-missing"},
        put(request(), (*ROLE, "mfa_required"), True),
        at=("subject", "identities"),
        value=None,
    ),
    case(
        "the role does not say whether it asks",
        {"mfa-missing", "request-unreadable"},
        put(request(), MFA, None),
        at=(*ROLE, "mfa_required"),
        value=MISSING,
    ),
    case(
        "the role does not say, AWS declared",
        {"mfa-unenforced", "request-unreadable"},
        request(subject=BY_AWS),
        at=(*ROLE, "mfa_required"),
        value=MISSING,
    ),
    case(
        "risks that ask are not said",
        {"mfa-missing", "setting-invalid"},
        put(request(), MFA, None),
        setting=("mfa", "required_by_risk"),
        to=MISSING,
    ),
    case(
        "risks that ask are text",
        {"mfa-unenforced", "setting-invalid"},
        request(subject=BY_AWS),
        setting=("mfa", "required_by_risk"),
        to="high",
    ),
    case(
        "risks that ask are none",
        {"setting-invalid"},
        request(),
        setting=("mfa", "required_by_risk"),
        to=["severe"],
    ),
    case(
        "the risk asks, nothing declared",
        {"mfa-missing"},
        put(request(), MFA, None),
        setting=("mfa", "required_by_risk"),
        to=["low"],
    ),
    case(
        "the risk asks, AWS would not check",
        {"mfa-unenforced"},
        request(subject=BY_AWS),
        setting=("mfa", "required_by_risk"),
        to=["low"],
    ),
    case(
        "the risk asks, by the identity provider",
        set(),
        request(),
        setting=("mfa", "required_by_risk"),
        to=["low"],
    ),
    # workloads
    case("a workload at its limit", set(), working(14400)),
    case(
        "a workload a second over it",
        {"workload-duration", "duration-over-environment"},
        working(14401),
    ),
    case(
        "a workload for longer",
        {"workload-duration"},
        working(),
        setting=("workloads", "max_duration"),
        to=7199,
    ),
    case(
        "a workload's limit is not said",
        {"workload-duration", "setting-invalid"},
        working(),
        setting=("workloads", "max_duration"),
        to=MISSING,
    ),
    case(
        "a workload's limit is text",
        {"workload-duration", "setting-invalid"},
        working(),
        setting=("workloads", "max_duration"),
        to="14400",
    ),
    case(
        "a workload as a person",
        {"workload-interactive"},
        working(),
        at=(*ROLE, "interactive"),
        value=True,
    ),
    case(
        "interactive or not is not said",
        {"workload-interactive", "request-unreadable"},
        working(),
        at=(*ROLE, "interactive"),
        value=MISSING,
    ),
    Case("a person as a person", set(), (*ROLE, "interactive"), True),
    Case(
        "neither person nor workload",
        {"workload-unowned", "not-eligible"},
        ("subject", "kind"),
        "robot",
    ),
    Case("kind not said", {"workload-unowned", "not-eligible"}, ("subject", "kind"), MISSING),
    # separation
    case("both sides, one after the other", set(), approving(7200, 9000), setting=COMBINATIONS,
         to=PAY),
    case(
        "both sides for a second",
        {"toxic-combination"},
        approving(7199, 9000),
        setting=COMBINATIONS,
        to=PAY,
    ),
    case("both sides, one before the other", set(), approving(-3600, 0), setting=COMBINATIONS,
         to=PAY),
    case(
        "both sides for the first second",
        {"toxic-combination"},
        approving(-3600, 1),
        setting=COMBINATIONS,
        to=PAY,
    ),
    case(
        "the other side stands",
        {"toxic-combination"},
        request(standing=[StandingAccess(target="gcp/lab", role="gcp/payout-approver")]),
        setting=COMBINATIONS,
        to=PAY,
    ),
    case(
        "the same side stands",
        set(),
        request(standing=[StandingAccess(target="aws/lab", role="aws/rds-reader")]),
        setting=COMBINATIONS,
        to=PAY,
    ),
    case(
        "standing access of no role",
        {"toxic-combination"},
        request(),
        at=("subject", "standing"),
        value=[{"target": "gcp/lab"}, None],
    ),
    case(
        "standing access not known",
        {"toxic-combination", "request-unreadable"},
        request(),
        at=("subject", "standing"),
        value=None,
    ),
    Case(
        "combinations not said",
        {"toxic-combination", "setting-invalid"},
        setting=COMBINATIONS,
        to=MISSING,
    ),
    Case(
        "combinations of one side",
        {"toxic-combination", "setting-invalid"},
        setting=COMBINATIONS,
        to={"odd": {"one": ["aws/rds-reader"]}},
    ),
    Case(
        "combinations of null",
        {"toxic-combination", "setting-invalid"},
        setting=COMBINATIONS,
        to={"odd": {"one": None, "other": None}},
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_rule_at_its_limits(ask: Ask, case: Case) -> None:
    check(ask, case)


@pytest.mark.parametrize("risk", [Risk.HIGH, Risk.CRITICAL])
@pytest.mark.parametrize(
    "required, by, denied",
    [
        (False, None, {"mfa-missing"}),
        (True, None, {"mfa-missing"}),
        (False, "aws", {"mfa-unenforced"}),
        (True, "aws", set()),
        (False, "identity-provider", set()),
        (True, "identity-provider", set()),
    ],
)
def test_high_risk_needs_a_second_factor_that_somebody_checks(
    ask: Ask, risk: Risk, required: bool, by: str | None, denied: set[str]
) -> None:
    document = put(put(request(risk), MFA, by), (*ROLE, "mfa_required"), required)
    assert denied == codes(ask(document, own_settings()))


def test_the_owner_of_a_workload_asks_for_it_and_never_approves(ask: Ask) -> None:
    alone = ask(working(), own_settings())
    assert alone.merges_by_itself
    assert alone.excluded == ("alice", "ledger-bot")
    document = put(working(requester=STRANGER), ("approvals",), [{"principal": "alice"}])
    asked = ask(document, own_settings())
    assert codes(asked) == {"self-approval"}
    assert asked.excluded == ("alice", "ledger-bot", "mallory")


@pytest.mark.parametrize(
    "requester",
    [
        STRANGER,
        replace(STRANGER, teams=frozenset({"payments-leads"})),
        replace(STRANGER, teams=frozenset({"security"})),
        Requester(actor=None, principal="ledger-bot"),
    ],
)
def test_a_workload_gets_nothing_by_itself_unless_its_owner_asks(
    ask: Ask, requester: Requester
) -> None:
    evaluation = ask(working(requester=requester), own_settings())
    assert evaluation.violations == ()
    assert not evaluation.merges_by_itself
    assert [step.id for step in evaluation.approvals] == ["owners:payments-leads"]


def test_the_app_asking_for_a_workload_waits(ask: Ask) -> None:
    asked = grant(subject="ledger-bot", requested_by="alice")
    evaluation = ask(working(grant=asked, requester=BOT), own_settings())
    assert evaluation.violations == ()
    assert not evaluation.merges_by_itself


def test_a_workload_that_nobody_owns_gets_nothing(ask: Ask) -> None:
    document = put(working(), ("subject", "owner"), None)
    assert codes(ask(document, own_settings())) == {"workload-unowned"}


def test_a_workload_owned_by_no_name_is_not_even_judged(ask: Ask) -> None:
    with pytest.raises(EngineError, match="excluded"):
        ask(put(working(), ("subject", "owner"), ""), own_settings())


def test_both_sides_in_one_grant_are_told_at_both_lines(ask: Ask) -> None:
    line = entitlement()
    document = request(entitlements=(line, line))
    document = put(document, ("bindings", 1, "role", "id"), "gcp/payout-approver")
    evaluation = ask(document, put(own_settings(), COMBINATIONS, PAY))
    assert [(one.code, one.binding) for one in evaluation.violations] == [
        ("toxic-combination", 0),
        ("toxic-combination", 1),
    ]
    assert evaluation.violations[0].message == (
        "aws/rds-reader and gcp/payout-approver (held by alice/payouts) are not for the same "
        "person at the same time: pay-and-approve (settings/separation)"
    )
