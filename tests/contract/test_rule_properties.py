"""What holds for any request and any settings, on both engines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.errors import EngineError
from pipeline.policy.answer import Evaluation, evaluate
from pipeline.policy.engine import PolicyEngine
from pipeline.policy.opa import OpaEngine
from tests.contract import support_worlds as worlds
from tests.unit.support_policies import Keys, drop, embedded, keys, own_bundle, own_rules, put

MANY = settings(max_examples=5 * settings().max_examples)
HELD: list[dict[str, Any]] = []
"""The settings that OPA holds: loading them takes longer than asking."""


@pytest.fixture(scope="module")
def opa(opa_binary: Path) -> Iterator[OpaEngine]:
    with OpaEngine.serve(own_bundle(), binary=opa_binary) as engine:
        yield engine


def ask(document: dict[str, Any], values: Mapping[str, Any], *more: PolicyEngine) -> Evaluation:
    return evaluate(document, [embedded(values), *more], own_rules())


@pytest.mark.opa
@MANY
@given(document=worlds.requests(), values=worlds.settings())
def test_both_engines_decide_every_case_alike(
    opa: OpaEngine, document: dict[str, Any], values: dict[str, Any]
) -> None:
    if [values] != HELD:
        opa._client.update_or_create_data(values, "settings")
        HELD[:] = [values]
    assert len(ask(document, values, opa).engines) == 2


@given(document=worlds.requests(), values=worlds.settings(), data=st.data())
def test_a_shorter_grant_is_never_denied_more_nor_needs_more_reviewers(
    document: dict[str, Any], values: dict[str, Any], data: st.DataObject
) -> None:
    assume(document["change"] == "create")
    duration = document["grant"]["duration"]
    shorter = data.draw(st.integers(300, max(300, duration)))
    assume(shorter <= duration)
    less = put(document, ("grant", "duration"), shorter)
    less = put(less, ("window", "end"), document["window"]["start"] + shorter)
    before, after = ask(document, values), ask(less, values)
    assert {(one.code, one.binding) for one in after.violations} <= {
        (one.code, one.binding) for one in before.violations
    }
    assert needs(after).items() <= needs(before).items() or not after.violations
    assert all(needs(before).get(step, 0) >= count for step, count in needs(after).items())


def needs(evaluation: Evaluation) -> dict[str, int]:
    return {step.id: step.count for step in evaluation.approvals}


# Maps whose entries are the organisation's to add and take away: a name less is a rule less, not
# a rule that cannot be answered.
OPEN = {"tags", "parameters", "entries", "maintenance", "freezes", "combinations", "hours"}
OPEN |= {"ticket_pattern_by_project"}


def closed(document: Mapping[str, Any]) -> list[Keys]:
    """The keys of objects of a known form: entries of lists and of open maps are values."""
    return [
        path
        for path in keys(document)
        if isinstance(path[-1], str)
        and not (len(path) > 1 and path[-2] in OPEN)
        and path[-1] not in ("environments", "targets", "tags", "roles", "principals", "teams")
    ]


@given(document=worlds.requests(), values=worlds.settings(), data=st.data())
def test_taking_any_fact_away_never_allows(
    document: dict[str, Any], values: dict[str, Any], data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(closed(document)))
    never_easier(document, values, drop(document, path), values)


@given(document=worlds.requests(), values=worlds.settings(), data=st.data())
def test_taking_any_setting_away_never_allows(
    document: dict[str, Any], values: dict[str, Any], data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(closed(values)))
    never_easier(document, values, document, drop(values, path))


def never_easier(
    document: dict[str, Any],
    values: dict[str, Any],
    other: dict[str, Any],
    other_values: dict[str, Any],
) -> None:
    before = ask(document, values)
    try:
        after = ask(other, other_values)
    except (EngineError, KeyError):
        return  # nothing follows from it: the request stays denied
    if before.violations:
        assert after.violations
    elif not after.violations:
        assert before.merges_by_itself or not after.merges_by_itself
        assert sum(needs(after).values()) >= sum(needs(before).values())
