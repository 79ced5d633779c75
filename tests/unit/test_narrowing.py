"""What takes access away, by meaning."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.values.grant import Access, Grant
from pipeline.values.grant_change import classify
from pipeline.values.ids import TargetId
from pipeline.values.problem import Mark
from tests.unit.support_policies import NOW, grant

LINES = tuple(
    Access(target=TargetId(f"aws/{target}"), role=role, parameters=parameters)
    for target in ("a", "b")
    for role in ("reader", "writer")
    for parameters in ((), (("resource", "i-1"),))
)
accesses = st.lists(st.sampled_from(LINES), min_size=1, max_size=4).map(tuple)
durations = st.integers(min_value=5, max_value=600).map(lambda minutes: minutes * 60)
grants = st.builds(
    lambda duration, access: grant(duration=duration, access=access), durations, accesses
)
OTHERS: list[dict[str, Any]] = [
    {"subject": "bob"},
    {"reason": "Something else entirely"},
    {"ticket": None},
    {"start": NOW},
    {"start": NOW + timedelta(hours=1)},
    {"emergency": True},
    {"requested_by": "carol"},
    {"id": "alice/other"},
    {"path": "access/grants/alice/other.yaml"},
]


@given(grants)
def test_without_a_proven_version_everything_is_new(new: Grant) -> None:
    assert classify(None, new) == "create"


@given(st.none() | grants)
def test_without_a_file_everything_is_deleted(before: Grant | None) -> None:
    assert classify(before, None) == "delete"


@given(grants)
def test_the_same_in_another_order_is_the_same(before: Grant) -> None:
    turned = replace(
        before, access=before.access[::-1] + before.access[:1], marks={"x": Mark(line=1, column=1)}
    )
    assert classify(before, turned) == "same"


@given(grants, grants)
def test_narrowing_gives_nothing_that_was_not_there(before: Grant, after: Grant) -> None:
    smaller = after.duration <= before.duration and set(after.access) <= set(before.access)
    equal = after.duration == before.duration and set(after.access) == set(before.access)
    expected = "same" if equal else "narrow" if smaller else "widen"
    assert classify(before, after) == expected


@given(grants, grants)
def test_there_and_back_is_never_narrowing_twice(one: Grant, other: Grant) -> None:
    assert [classify(one, other), classify(other, one)].count("narrow") <= 1


@given(grants, st.sampled_from(OTHERS), st.booleans())
def test_any_other_edit_is_a_new_request(
    before: Grant, edit: dict[str, Any], shorter: bool
) -> None:
    after = replace(before, **edit, duration=300 if shorter else before.duration)
    assert classify(before, after) == "widen"


@pytest.mark.parametrize("duration", [0, -60])
def test_no_time_at_all_is_not_narrowing(duration: int) -> None:
    assert classify(grant(), grant(duration=duration)) == "widen"


def test_no_access_at_all_is_not_narrowing() -> None:
    assert classify(grant(), grant(access=())) == "widen"


def test_another_parameter_is_not_narrowing() -> None:
    line = Access(target=TargetId("aws/a"), role="stop", parameters=(("resource", "i-1"),))
    other = replace(line, parameters=(("resource", "i-2"),))
    assert classify(grant(access=(line,)), grant(access=(other,))) == "widen"
    assert classify(grant(access=(line, other)), grant(access=(other,))) == "narrow"
