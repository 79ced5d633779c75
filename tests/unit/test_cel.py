"""The evaluator that answers for Google Cloud can say both yes and no."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.sandbox.cel import allowed, problem

AT = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
ALICE = "user:alice@example.com"
ROLE = "roles/logging.viewer"


def policy(expression: str | None = None, members: tuple[str, ...] = (ALICE,)) -> dict[str, Any]:
    entry: dict[str, Any] = {"role": ROLE, "members": list(members)}
    if expression is not None:
        entry["condition"] = {"title": "t", "expression": expression}
    return {"bindings": [entry]}


def says(held: dict[str, Any], **asked: Any) -> bool:
    return allowed(held, **{"member": ALICE, "role": ROLE, "at": AT, **asked})


def test_a_binding_without_a_condition_always_allows() -> None:
    assert says(policy())


def test_another_member_or_role_is_denied() -> None:
    assert not says(policy(), member="user:bob@example.com")
    assert not says(policy(), role="roles/browser")
    assert not says({})


@pytest.mark.parametrize(
    "member", ["user:Alice@Example.com", "allUsers", "allAuthenticatedUsers", "domain:example.com"]
)
def test_members_that_include_the_account_allow(member: str) -> None:
    assert says(policy(members=(member,)))


def test_a_deleted_account_is_denied() -> None:
    assert not says(policy(members=("deleted:user:alice@example.com?uid=1",)))


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "false",
        "1 + 1",
        '"true"',
        "request.time <",
        'request.time < timestamp("soon")',
        "1 / 0 == 1",
        "api.getAttribute('x', []).hasOnly([])",
    ],
)
def test_what_does_not_yield_true_is_denied(expression: str) -> None:
    assert not says(policy(expression))


def test_one_condition_that_is_met_is_enough() -> None:
    held = {"bindings": policy("false")["bindings"] + policy("true")["bindings"]}
    assert says(held)


def test_a_condition_may_ask_for_the_resource() -> None:
    held = policy('resource.name.startsWith("projects/_/buckets/ledger")')
    assert says(held, resource={"name": "projects/_/buckets/ledger-eu"})
    assert not says(held, resource={"name": "projects/_/buckets/other"})
    assert not says(held)


def test_problems_of_an_expression_are_named() -> None:
    assert problem("request.time < timestamp('2026-01-01T00:00:00Z')") == ""
    assert "Syntax error" in problem("request.time <")
    assert problem("1 + 1") == "it yields INT, not bool"
