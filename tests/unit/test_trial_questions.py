"""The questions that new policies are tried with, and what is made of the answers."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import pytest

from pipeline.grants.catalogue import load_catalogue
from pipeline.judge.rule_trial import try_governance, try_grants
from pipeline.judge.trial_questions import governance_questions, grant_questions
from pipeline.policy.answer import Requester, evaluate
from pipeline.policy.bundle import load_bundle
from pipeline.policy.engine import PolicyBundle
from pipeline.values.catalogue import Catalogue, Risk
from pipeline.values.ids import Cloud
from pipeline.values.problem import Problem
from tests.unit.support_branch import engine
from tests.unit.support_policies import embedded, own_rules, own_settings
from tests.unit.support_tiny_rules import RULES, START

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
KINDS = ("create", "extend", "narrow", "delete", "emergency")
NOBODY = Requester(actor=None, principal=None)
# The values of `note` contradict each other where the condition holds: no engine answers there.
CRASH = """
excluded contains name if {{
	{condition}
	name := note
}}

note := "one" if input.kind

note := "two" if input.kind
"""


def catalogue(**more: str) -> Catalogue:
    files = {path: text for path, text in START.items() if path.startswith("access/")} | more
    found, problems = load_catalogue({path: text.encode() for path, text in files.items()})
    assert not problems
    return found


def policies(condition: str = "", **changes: tuple[str, str]) -> PolicyBundle:
    """Returns the tiny rules, which crash where *condition* holds."""
    files = {
        path.removeprefix("policies/"): text
        for path, text in START.items()
        if path.startswith("policies/")
    }
    if condition:
        files["access/decision/decision.rego"] += CRASH.format(condition=condition)
    for old, new in changes.values():
        rules = files[RULES.removeprefix("policies/")]
        assert old in rules
        files[RULES.removeprefix("policies/")] = rules.replace(old, new)
    return load_bundle(files)


def tried(bundle: PolicyBundle, among: Catalogue | None = None) -> tuple[Problem, ...]:
    among = among or catalogue()
    return (
        *try_governance(bundle, among, engine(bundle), NOW),
        *try_grants(bundle, among, engine(bundle), NOW),
    )


def test_one_question_of_each_kind_is_asked_for_each_cloud_and_risk() -> None:
    asked = list(grant_questions(catalogue(), {}, NOW))
    found = [
        (
            one.kind,
            one.document["bindings"][0]["target"]["cloud"],
            one.document["bindings"][0]["role"]["risk"],
        )
        for one in asked
    ]
    assert sorted(found) == sorted(product(KINDS, map(str, Cloud), map(str, Risk)))
    assert [one.kind for one in governance_questions(NOBODY, NOW)] == ["governance", "review"]


def test_the_project_s_own_policies_answer_each_and_deny_none_by_mistake() -> None:
    settings = own_settings()
    ask = embedded(settings)
    denied = {
        (question.kind, violation.code)
        for question in (
            *grant_questions(catalogue(), settings, NOW),
            *governance_questions(NOBODY, NOW),
        )
        for violation in evaluate(question.document, [ask], own_rules()).violations
    }
    # A role that nobody listed is no emergency's, as it should be.
    assert {kind for kind, _ in denied} <= {"emergency"}


@pytest.mark.parametrize("risk", Risk)
def test_a_crash_is_found_wherever_it_is(risk: Risk) -> None:
    assert tried(policies()) == ()
    changes = {"create": "create", "extend": "widen", "narrow": "narrow", "delete": "delete"}
    for kind, cloud in product(KINDS, Cloud):
        change = changes.get(kind, "create")
        emergency = "true" if kind == "emergency" else "false"
        condition = (
            f'input.change == "{change}"\n\tinput.grant.emergency == {emergency}'
            f'\n\tinput.bindings[0].target.cloud == "{cloud}"'
            f'\n\tinput.bindings[0].role.risk == "{risk}"'
        )
        (problem,) = tried(policies(condition))
        assert problem.code == "policies-broken", condition
    reviews = 'input.kind == "governance"\n\tcount(input.reviews) == 1'
    assert [one.code for one in tried(policies(reviews))] == ["policies-broken"]


def test_less_access_is_not_held_up() -> None:
    never = policies(rule=("\tadds\n\tnot input.grant.duration", "\tless\n\tnot 99 * input.now"))
    (problem,) = tried(never)
    assert problem.code == "no-way-out"
    assert problem.message.startswith("shortening a grant (a role of low risk in aws) would be")


def test_an_approval_that_nobody_could_give_is_told_once_with_its_names() -> None:
    (problem,) = tried(
        policies(rule=('step(["leads"], "risk-medium")', 'step(["laeds"], "risk-medium")'))
    )
    assert problem.message == (
        "a new grant (a role of medium risk in aws) would wait for ever: laeds is in neither "
        "access/teams.yaml nor access/principals; correct the name or declare it"
    )
    people = ('"people": [],', '"people": ["bob"],')
    assert tried(policies(rule=people, more=('step(["leads"]', 'step(["laeds"]'))) == ()
    # Who is disabled approves nothing.
    gone = "github: bob\ngithub_id: 2\nkind: person\ndisabled: true\n"
    without = catalogue(**{"access/principals/bob.yaml": gone})
    found = tried(policies(rule=people, more=('step(["leads"]', 'step(["laeds"]')), without)
    assert {one.code for one in found} == {"no-way-out"}


def test_without_targets_and_teams_nothing_is_made_up_that_could_be_given() -> None:
    empty = Catalogue(principals={}, targets={}, roles={})
    asked = list(grant_questions(empty, {}, NOW))
    assert {tuple(one.document["bindings"][0]["target"]["owners"]) for one in asked} == {()}
