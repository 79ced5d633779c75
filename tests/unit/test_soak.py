"""scripts/soak: properties tried for long, from a seed that is printed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SOAK = Path(__file__).parents[2] / "scripts" / "soak"


def soak(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SOAK, *arguments], capture_output=True, text=True, check=False)


def test_help_says_what_runs_and_how_to_repeat_it() -> None:
    told = soak("--help")
    assert told.returncode == 0
    for part in ("every property", "every mutant", "--seed 7", "Exit codes"):
        assert part in told.stdout


@pytest.mark.parametrize("arguments", [("--seed",), ("--seed", "x"), ("--long",)], ids=" ".join)
def test_wrong_arguments_run_nothing(arguments: tuple[str, ...]) -> None:
    told = soak(*arguments)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr.startswith("usage: ")


@given(number=st.integers())
@settings(max_examples=1)
def test_a_property_is_selected(number: int) -> None:
    assert "property" in marks_of(test_a_property_is_selected.__name__)


def test_a_test_of_one_example_is_not_selected() -> None:
    assert "property" not in marks_of(test_a_test_of_one_example_is_not_selected.__name__)


MARKS: dict[str, set[str]] = {}


@pytest.fixture(autouse=True, scope="module")
def noted(request: pytest.FixtureRequest) -> None:
    """Notes the marks of every test here."""
    for item in request.session.items:
        if item.path == Path(__file__):
            MARKS[item.name] = {mark.name for mark in item.iter_markers()}


def marks_of(name: str) -> set[str]:
    return MARKS[name]
