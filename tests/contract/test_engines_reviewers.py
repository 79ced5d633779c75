"""Steps of approval that name people and have an order, on both engines."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.values.catalogue import Risk
from tests.contract.support_rules import ROLE, Ask, Case, check, codes
from tests.unit.support_policies import Keys, own_settings, put, request

MEDIUM: Keys = ("reviewers", "by_risk", "medium")
LOW: Keys = ("reviewers", "by_risk", "low")
UNREAD = {"reviewers-unknown", "setting-invalid"}


def odd(name: str, step: object) -> Case:
    return Case(name, UNREAD, setting=LOW, to=[step])


CASES = [
    odd("step of nobody", {"count": 1}),
    odd("step that is null", None),
    odd("step of null", {"teams": None, "people": None, "count": 1}),
    odd("step of no teams", {"teams": [], "count": 1}),
    odd("step of unnamed people", {"people": [""], "count": 1}),
    odd("step of owners and others", {"from": "owners", "teams": ["ops"], "count": 1}),
    odd("step from null", {"from": None, "teams": ["ops"], "count": 1}),
    odd("step without a count", {"from": "owners"}),
    odd("step of no people", {"from": "owners", "count": 0}),
    odd("step of order 0", {"from": "owners", "count": 1, "order": 0}),
    odd("step of order 10", {"from": "owners", "count": 1, "order": 10}),
    odd("step of order 1.5", {"from": "owners", "count": 1, "order": 1.5}),
    odd("step of order null", {"from": "owners", "count": 1, "order": None}),
    odd("step with a slip of the pen", {"from": "owners", "count": 1, "sequence": 2}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_rule_at_its_limits(ask: Ask, case: Case) -> None:
    check(ask, case)


def test_steps_name_people_and_have_an_order(ask: Ask) -> None:
    settings = put(
        own_settings(),
        MEDIUM,
        [
            {"from": "owners", "count": 1},
            {"from": "owners", "count": 2},
            {"from": "owners", "count": 1, "order": 2},
            {"from": "security", "count": 1, "order": 3},
            {"teams": ["ops", "desk"], "people": ["erin"], "count": 1, "order": 9},
            {"people": ["erin"], "count": 1},
        ],
    )
    evaluation = ask(request(Risk.MEDIUM), settings)
    assert codes(evaluation) == set()
    assert [
        (step.id, step.teams, step.people, step.count, step.order) for step in evaluation.approvals
    ] == [
        ("named::erin", (), ("erin",), 1, 1),
        ("named:desk,ops:erin@9", ("desk", "ops"), ("erin",), 1, 9),
        ("owners:payments-leads", ("payments-leads",), (), 2, 1),
        ("owners:payments-leads@2", ("payments-leads",), (), 1, 2),
        ("security@3", ("security",), (), 1, 3),
    ]


def test_reviewers_do_not_depend_on_the_duration(ask: Ask) -> None:
    def steps(seconds: int) -> list[Any]:
        document = put(request(Risk.HIGH), ("grant", "duration"), seconds)
        end = document["window"]["start"] + seconds
        return list(ask(put(document, ("window", "end"), end), own_settings()).approvals)

    assert steps(300) == steps(7200) == steps(14400) != []


def test_what_has_no_risk_is_approved_by_nobody(ask: Ask) -> None:
    evaluation = ask(put(request(), (*ROLE, "risk"), None), own_settings())
    assert not evaluation.merges_by_itself
    assert codes(evaluation) >= {"request-unreadable", "reviewers-unknown"}
