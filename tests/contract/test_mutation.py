"""Each integer of the pack's settings, changed by one unit, decides something otherwise."""

from __future__ import annotations

import pytest

from tests.contract.support_boundaries import BOUNDARIES, changed, integers
from tests.unit.support_policies import Keys, own_settings

LEASTS: set[Keys] = {("justification", "min_length"), ("limits", "sum_within")}
"""Limits that allow more when they are smaller."""


def parameters(paths: list[Keys]) -> list[object]:
    return [pytest.param(path, id=".".join(map(str, path))) for path in paths]


@pytest.mark.parametrize(
    "path", parameters([path for path, one in BOUNDARIES.items() if one.beyond is not None])
)
def test_one_unit_of_each_limit_lies_between_allowed_and_denied(path: Keys) -> None:
    boundary = BOUNDARIES[path]
    within, denied = boundary.expected
    assert boundary.answers(own_settings()) == [within, denied]
    looser = -1 if path in LEASTS else 1
    assert boundary.answers(changed(path, looser)) == [within, within]
    assert boundary.answers(changed(path, -looser)) == [denied, denied]


@pytest.mark.parametrize(
    "path", parameters([path for path, one in BOUNDARIES.items() if one.beyond is None])
)
def test_one_person_more_or_less_of_each_number_is_another_decision(path: Keys) -> None:
    boundary = BOUNDARIES[path]
    assert boundary.answers(own_settings()) == boundary.expected
    for by in (-1, 1):
        assert boundary.answers(changed(path, by)) != boundary.expected, f"{by:+} changes nothing"


def test_every_integer_of_the_settings_has_its_boundary() -> None:
    assert set(integers(own_settings())) == set(BOUNDARIES)
