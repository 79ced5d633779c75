"""One suite for both policy engines: every rule at its limits, with identical decisions."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest

from pipeline.errors import EngineError
from pipeline.policy.answer import Requester, evaluate, governance_document
from pipeline.policy.engine import PolicyBundle
from pipeline.policy.opa import OpaEngine
from pipeline.policy.rego import RegorusEngine
from pipeline.values.catalogue import Risk
from pipeline.values.grant import Window
from tests.contract.support_rules import (
    BOT,
    MISSING,
    ROLE,
    START,
    STRANGER,
    TARGET,
    Ask,
    Case,
    beside,
    check,
    codes,
    extended,
    lasting,
    starting,
)
from tests.unit.support_policies import (
    ALICE,
    NOW,
    POLICIES,
    Keys,
    drop,
    grant,
    keys,
    own_rules,
    own_settings,
    proven,
    put,
    request,
)

OVER = {
    "duration-over-role",
    "duration-over-risk",
    "duration-over-environment",
    "duration-over-settings",
}
TOO_MANY = {"too-many-live", "too-many-requests"}
CASES = [
    Case("as it is", set()),
    # duration
    Case("at the role's maximum", set(), (*ROLE, "max_duration"), 7200),
    Case("over the role's maximum", {"duration-over-role"}, (*ROLE, "max_duration"), 7199),
    Case("role without maximum", {"duration-over-role"}, (*ROLE, "max_duration"), MISSING),
    Case("role's maximum as text", {"duration-over-role"}, (*ROLE, "max_duration"), "28800"),
    Case("at the environment's maximum", set(), document=lasting(14400)),
    Case("over the environment's maximum", {"duration-over-environment"}, document=lasting(14460)),
    Case(
        "unknown environment",
        {"duration-over-environment", "not-eligible"},
        (*TARGET, "environment"),
        "lab",
    ),
    Case(
        "environment without maximum",
        {"duration-over-environment"},
        setting=("limits", "max_duration_by_environment", "prod"),
        to=MISSING,
    ),
    Case("at the settings' maximum", set(), setting=("limits", "max_duration"), to=7200),
    Case(
        "over the settings' maximum",
        {"duration-over-settings"},
        setting=("limits", "max_duration"),
        to=7199,
    ),
    Case(
        "no maximum in the settings",
        {"duration-over-settings", "setting-invalid"},
        setting=("limits", "max_duration"),
        to=MISSING,
    ),
    Case(
        "maximum as text",
        {"duration-over-settings", "setting-invalid"},
        setting=("limits", "max_duration"),
        to="43200",
    ),
    Case("duration as text", {*OVER, "window-length"}, ("grant", "duration"), "7200"),
    Case(
        "no lives",
        {*OVER, *TOO_MANY, "request-unreadable", "toxic-combination"},
        ("lives",),
        MISSING,
    ),
    Case("sum at the limit", set(), document=beside(("alice/a", -3, -1))),
    Case(
        "sum over the limit",
        {"duration-over-environment"},
        document=beside(("alice/a", -3.5, -1)),
    ),
    Case("a day apart", set(), document=beside(("alice/a", -28, -24))),
    Case(
        "a second less than a day apart",
        {"duration-over-environment"},
        document=beside(("alice/a", -28, -24 + 1 / 3600)),
    ),
    # window
    Case("starting now", set(), document=starting(0)),
    Case("started a second ago", {"window-start"}, document=starting(-1)),
    Case("starting in seven days", set(), document=starting(7 * 86400)),
    Case("starting a second later", {"window-start"}, document=starting(7 * 86400 + 1)),
    Case("extended at its last second", set(), document=extended(7199)),
    Case("extended at its end", {"window-start"}, document=extended(7200)),
    Case("no now", {"request-unreadable", "window-start", *TOO_MANY}, ("now",), MISSING),
    Case("ends a second late", {"window-length"}, ("window", "end"), START + 7201),
    Case(
        "no limit to starting",
        {"window-start", "setting-invalid"},
        setting=("limits", "start_within"),
        to=MISSING,
    ),
    # justification
    Case("reason long enough", set(), ("grant", "reason_length"), 15),
    Case("reason too short", {"reason-short"}, ("grant", "reason_length"), 14),
    Case("reason without length", {"reason-short"}, ("grant", "reason_length"), MISSING),
    Case(
        "a phrase",
        {"reason-boilerplate"},
        document=request(grant=grant(reason=" Production  ACCESS required. ")),
    ),
    Case("no ticket in production", {"ticket-missing"}, ("grant", "ticket"), None),
    Case(
        "no ticket elsewhere",
        set(),
        document=put(request(grant=grant(ticket=None)), (*TARGET, "environment"), "dev"),
    ),
    Case("ticket not said", {"ticket-missing", "ticket-malformed"}, ("grant", "ticket"), MISSING),
    Case("ticket's digits at the limit", set(), ("grant", "ticket"), "PAY-1234567"),
    Case("one digit more", {"ticket-malformed"}, ("grant", "ticket"), "PAY-12345678"),
    Case("digits of another script", {"ticket-malformed"}, ("grant", "ticket"), "PAY-١٢"),
    Case("a line more", {"ticket-malformed"}, ("grant", "ticket"), "PAY-1\n"),
    Case(
        "no ticket pattern",
        {"ticket-malformed", "setting-invalid"},
        setting=("justification", "ticket_pattern"),
        to=MISSING,
    ),
    # subject
    Case("disabled subject", {"subject-disabled"}, ("subject", "disabled"), True),
    Case("subject not said to be enabled", {"subject-disabled"}, ("subject", "disabled"), MISSING),
    Case(
        "subject without a file",
        {"subject-disabled", "workload-unowned", "not-eligible"},
        document=request(subject=None),
    ),
    # expiry
    Case(
        "ended by the pipeline",
        {"expiry-pipeline", "duration-over-pipeline"},
        (*TARGET, "expiry"),
        "pipeline",
    ),
    Case(
        "ended by nobody knows",
        {"expiry-pipeline", "duration-over-pipeline"},
        (*TARGET, "expiry"),
        MISSING,
    ),
    # who
    Case("unknown requester", {"requester-unknown"}, ("requester", "principal"), None),
    Case("in another's name", {"requested-by-unproven"}, ("grant", "requested_by"), "bob"),
    Case("own approval", {"self-approval"}, ("approvals",), [{"principal": "alice"}]),
    Case("no approvals known", {"self-approval"}, ("approvals",), MISSING),
    # concurrency
    Case(
        "as many as allowed",
        set(),
        document=put(
            beside(*((f"alice/{n}", 0, 1) for n in range(9))), (*TARGET, "id"), "aws/other"
        ),
    ),
    Case(
        "one more than allowed",
        {"too-many-live"},
        document=put(
            beside(*((f"alice/{n}", 0, 1) for n in range(10))), (*TARGET, "id"), "aws/other"
        ),
    ),
    # reviewers
    Case("no owners", {"owners-missing"}, (*TARGET, "owners"), []),
    Case("owners not said", {"owners-missing"}, (*TARGET, "owners"), MISSING),
    Case(
        "no risk",
        {"request-unreadable", "reviewers-unknown", "duration-over-risk"},
        (*ROLE, "risk"),
        MISSING,
    ),
    Case("unknown risk", {"reviewers-unknown", "duration-over-risk"}, (*ROLE, "risk"), "none"),
    Case(
        "no security team",
        {"security-missing", "setting-invalid"},
        setting=("reviewers", "security_teams"),
        to=[],
    ),
    Case(
        "reviewers of a risk not said",
        {"reviewers-unknown", "setting-invalid"},
        setting=("reviewers", "by_risk", "low"),
        to=MISSING,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_rule_at_its_limits(ask: Ask, case: Case) -> None:
    check(ask, case)


def test_every_rule_has_a_case() -> None:
    elsewhere = {
        "emergency-changed",
        "emergency-unreviewed",
        "governance-unreviewed",
        "judge-missing",
        "narrowing-unproven",
        "pipeline-enforced",
    }
    assert set(own_rules()) == elsewhere.union(*(case.denied for case in _all_cases()))


def _all_cases() -> list[Case]:
    """Returns the cases of this file and of its neighbours of one topic each."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("test_engines_*.py"))
    modules = [import_module(f"tests.contract.{name}") for name in names]
    return [case for module in modules for case in module.CASES] + CASES


# What people read, and what these rules do not look at in a new low-risk request.
TOLD_ONLY = {
    "now_text",
    "path",
    "reason",
    "start_text",
    "end_text",
    "index",
    "name",
    "locator",
    "title",
    "mechanism",
    "home",
    "owner",
    "identities",
    "aws",
    "azure",
    "gcp",
    "mfa",
    "login",
    "pull",
}


def _judged_keys() -> list[Keys]:
    kept = []
    for path in keys(request()):
        told = path[-1] in TOLD_ONLY and path != ("subject", "name")
        # A requester's teams give a say in less access, and only there.
        read_elsewhere = {("requester", "id"), ("requester", "teams"), ("grant", "start")}
        if not told and path not in read_elsewhere:
            kept.append(path)
    return kept


@pytest.mark.parametrize("path", _judged_keys(), ids=lambda path: ".".join(map(str, path)))
def test_no_missing_fact_allows(ask: Ask, path: Keys) -> None:
    document = request()
    try:
        evaluation = ask(drop(document, path), own_settings())
    except (EngineError, KeyError):
        return  # the question itself is unusable: nothing follows from it
    assert evaluation.violations
    assert not evaluation.merges_by_itself


@pytest.mark.parametrize("path", keys(own_settings()), ids=lambda path: ".".join(map(str, path)))
def test_no_missing_setting_asks_for_less(ask: Ask, path: Keys) -> None:
    document = request(Risk.CRITICAL)
    full = ask(document, own_settings())
    try:
        evaluation = ask(document, drop(own_settings(), path))
    except EngineError:
        return
    fewer = sum(step.count for step in evaluation.approvals) < sum(
        step.count for step in full.approvals
    )
    # A list's entry is its owner's to remove: what is left must still be a full list.
    assert not fewer or evaluation.violations or path[:2] == ("reviewers", "by_risk")
    assert not evaluation.merges_by_itself


@pytest.mark.parametrize(
    "risk, steps",
    [
        (Risk.LOW, {}),
        (Risk.MEDIUM, {"owners:payments-leads": 1}),
        (Risk.HIGH, {"owners:payments-leads": 1, "security": 1}),
        (Risk.CRITICAL, {"owners:payments-leads": 1, "security": 2}),
    ],
)
def test_reviewers_follow_risk(ask: Ask, risk: Risk, steps: dict[str, int]) -> None:
    evaluation = ask(request(risk), own_settings())
    assert steps == {step.id: step.count for step in evaluation.approvals}
    assert evaluation.violations == ()
    assert evaluation.merges_by_itself is (risk is Risk.LOW)
    assert evaluation.excluded == ("alice",)


def test_every_action_is_allowed_to_a_critical_role(ask: Ask) -> None:
    document = put(request(Risk.CRITICAL), (*ROLE, "permissions", "actions"), ["*"])
    assert codes(ask(document, own_settings())) == set()


def test_a_request_by_the_app_for_a_person_never_merges_by_itself(ask: Ask) -> None:
    document = request(grant=grant(requested_by="carol"), requester=BOT)
    evaluation = ask(document, own_settings())
    assert codes(evaluation) == set()
    assert [step.id for step in evaluation.approvals] == ["owners:payments-leads"]
    assert evaluation.excluded == ("alice", "carol")


def test_a_request_by_the_app_for_nobody_is_denied(ask: Ask) -> None:
    evaluation = ask(request(requester=BOT), own_settings())
    assert codes(evaluation) == {"requested-by-unproven", "requester-unknown"}


LESS = {
    "delete": request(change="delete", window=None, previous=proven()),
    "narrow": request(
        change="narrow",
        grant=grant(duration=3600),
        window=Window(start=NOW, end=NOW + timedelta(hours=1)),
        previous=proven(),
        now=NOW + timedelta(minutes=30),
    ),
}


@pytest.mark.parametrize("change", LESS)
@pytest.mark.parametrize(
    "requester, alone",
    [
        (Requester(actor=ALICE, principal="alice"), True),
        (BOT, True),
        (replace(STRANGER, teams=frozenset({"payments-leads"})), True),
        (replace(STRANGER, teams=frozenset({"security"})), True),
        (replace(STRANGER, teams=frozenset({"developers"})), False),
        (STRANGER, False),
    ],
)
def test_less_access_waits_for_nobody_with_a_say(
    ask: Ask, change: str, requester: Requester, alone: bool
) -> None:
    asking = request(requester=requester)["requester"]
    evaluation = ask(put(LESS[change], ("requester",), asking), own_settings())
    assert evaluation.violations == ()
    assert evaluation.merges_by_itself is alone
    assert bool(evaluation.approvals) is not alone


def test_less_access_waits_for_no_setting(ask: Ask) -> None:
    assert ask(LESS["delete"], {}).merges_by_itself


def test_a_stranger_takes_nothing_away_where_nobody_can_be_asked(ask: Ask) -> None:
    document = request(
        change="delete", requester=STRANGER, entitlements=(), window=None, subject=None
    )
    evaluation = ask(document, {})
    assert codes(evaluation) == {"judge-missing"}


def test_narrowing_of_what_was_never_proven_is_denied(ask: Ask) -> None:
    document = put(LESS["narrow"], ("previous",), None)
    assert codes(ask(document, own_settings())) == {"narrowing-unproven"}


def test_the_rules_are_changed_by_security_only(ask: Ask) -> None:
    document = governance_document(
        paths=["policies/settings/limits/data.yaml"],
        now=NOW,
        requester=Requester(actor=ALICE, principal="alice", teams=frozenset({"security"})),
    )
    evaluation = ask(document, own_settings())
    assert evaluation.violations == ()
    assert [(step.teams, step.count) for step in evaluation.approvals] == [(("security",), 1)]
    assert not evaluation.merges_by_itself
    assert evaluation.excluded == ("alice",)


@pytest.mark.parametrize("setting", ["governance", "security_teams"])
def test_the_rules_are_not_changed_where_nobody_is_named(ask: Ask, setting: str) -> None:
    document = governance_document(
        paths=["policies"], now=NOW, requester=Requester(actor=ALICE, principal="alice")
    )
    evaluation = ask(document, drop(own_settings(), ("reviewers", setting)))
    assert codes(evaluation) == {"governance-unreviewed", "setting-invalid"}


def test_access_that_only_the_pipeline_ends_is_labelled(ask: Ask) -> None:
    settings = put(own_settings(), ("targets", "pipeline_enforced"), ["aws/payments-prod"])
    document = put(lasting(3600), (*TARGET, "expiry"), "pipeline")
    evaluation = ask(document, settings)
    assert evaluation.violations == ()
    assert [warning.code for warning in evaluation.warnings] == ["pipeline-enforced"]
    over = put(lasting(3660), (*TARGET, "expiry"), "pipeline")
    assert codes(ask(over, settings)) == {"duration-over-pipeline"}


# What engines do with policies that are broken.

DOCUMENT = request()
BROKEN = {
    "no such package": {"x.rego": "package x\n\nr := 1\n"},
    "undefined": {"x.rego": "package access.decision\n\nresult := 1 if input.nothing\n"},
    "no Rego": {"x.rego": "packag access.decision"},
    "a built-in fails": {
        "x.rego": "package access.decision\n\nresult := to_number(input.now_text)\n"
    },
    "two answers": {
        "x.rego": "package access.decision\n\nresult := 1 if input.now\n\n"
        "result := 2 if input.grant\n"
    },
    "recursion": {"x.rego": "package access.decision\n\nresult := a\n\na := b\n\nb := a\n"},
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_policies_decide_nothing_embedded(name: str) -> None:
    bundle = PolicyBundle(modules=BROKEN[name], data={})
    with pytest.raises(EngineError):
        evaluate(DOCUMENT, [RegorusEngine(bundle)], own_rules())


@pytest.mark.parametrize("name", BROKEN)
def test_broken_policies_decide_nothing_in_opa(name: str, opa_binary: Path) -> None:
    bundle = PolicyBundle(modules=BROKEN[name], data={})

    def decided() -> object:
        with OpaEngine.serve(bundle, binary=opa_binary) as engine:
            return engine.decide(DOCUMENT)

    with pytest.raises(EngineError):
        decided()


def test_rules_are_documents(opa_binary: Path) -> None:
    inspected = subprocess.run(
        [opa_binary, "inspect", "-a", "-f", "json", str(POLICIES)], capture_output=True, check=True
    )
    checked = subprocess.run(
        [
            opa_binary,
            "eval",
            "--stdin-input",
            "--data",
            str(POLICIES / "checks"),
            "--format=raw",
            "data.checks.annotations.deny",
        ],
        input=inspected.stdout,
        capture_output=True,
        check=True,
    )
    assert json.loads(checked.stdout) == []
