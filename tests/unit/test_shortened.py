"""Windows that are shortened from what a cloud lists alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clouds.desired import render_bindings
from pipeline.clouds.shortened import shortened
from pipeline.values.binding import Binding, BindingChange, ChangeKind
from pipeline.values.canonical import canonical
from pipeline.values.ids import Cloud
from tests.unit.support_estate import a_grant
from tests.unit.support_values import HOUR, NOON, window

CLOUDS = [cloud.value for cloud in Cloud]


def held(cloud: str, start: float = 0, end: float = 4) -> Binding:
    (found,) = render_bindings(a_grant("x", f"{cloud}/prod", held=window(start, end)), now=NOON)
    return found


@given(st.sampled_from(CLOUDS), st.integers(1, 86_399), st.integers(-7200, 7200))
def test_what_is_shortened_is_what_a_shorter_grant_would_make(
    cloud: str, seconds: int, before: int
) -> None:
    start = before / 3600
    long, short = held(cloud, start, start + 24), held(cloud, start, start + seconds / 3600)
    assert short.window is not None
    found = shortened(long, short.window.end)
    assert found == short
    assert BindingChange(kind=ChangeKind.UPDATE, binding=found, before=long).narrows(now=NOON)


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("hours", [-1, 0, 4, 5])
def test_nothing_is_shortened_to_an_end_outside_the_window(cloud: str, hours: int) -> None:
    assert shortened(held(cloud), NOON + hours * HOUR) is None


@pytest.mark.parametrize("cloud", CLOUDS)
def test_nothing_is_shortened_that_states_no_end(cloud: str) -> None:
    assert shortened(replace(held(cloud), window=None), NOON + HOUR) is None


def altered(cloud: str, edit: Any) -> Binding:
    one = held(cloud)
    document = json.loads(one.document)
    edit(document)
    return replace(one, document=canonical(document))


def sooner(document: dict[str, Any]) -> None:
    (statement,) = document["trust"]["Statement"]
    statement["Condition"]["DateLessThan"]["aws:CurrentTime"] = "2026-11-20T13:00:00Z"


@pytest.mark.parametrize(
    "cloud, edit",
    [
        ("aws", lambda document: document["inline"].clear()),
        ("aws", lambda document: document["inline"].update(more={})),
        ("aws", sooner),
        ("gcp", lambda document: document.update(members=[document.pop("member")] * 2)),
    ],
    ids=["no policy yet", "another policy", "trusted for less", "two members"],
)
def test_what_somebody_altered_by_hand_is_left_to_the_plan(cloud: str, edit: Any) -> None:
    assert shortened(altered(cloud, edit), NOON + 3 * HOUR) is None


def test_a_value_that_looks_like_the_end_is_left_alone() -> None:
    def edit(document: dict[str, Any]) -> None:
        allow = document["inline"]["daypass"]["Statement"][0]
        allow["Resource"] = ["arn:aws:s3:::logs/2026-11-20T16:00:00Z"]

    found = shortened(altered("aws", edit), NOON + timedelta(hours=3))
    assert found is not None
    assert found.document.count("2026-11-20T16:00:00Z") == 1
