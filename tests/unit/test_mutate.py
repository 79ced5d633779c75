"""`scripts/mutation/mutate.py`: what it changes, and what it exits with."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "mutation" / "mutate.py"
NAME = "mutation_mutate"

MODULE = """package moon

full if {
	some name
	some phase in data.phases[name]
	not phase < 4
	every night in input.nights {
		night == phase
	}
}

names := {name |
	some name, other
	data.phases[name] == data.phases[other]
}
"""


@pytest.fixture(scope="module")
def mutate() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location(NAME, SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where dataclasses look for the annotations of their fields.
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[NAME]


def mutant(mutate: ModuleType, kind: str) -> Any:
    return mutate.Mutant(path="moon.rego", line=1, kind=kind, before="a", after="b", text="")


def test_each_place_of_a_module_is_changed_by_itself(mutate: ModuleType) -> None:
    found = [(one.kind, one.line, one.after) for one in mutate._of_module("moon.rego", MODULE)]
    assert sorted(found) == [
        ("comparison", 6, "not phase <= 4"),
        ("comparison", 8, "night != phase"),
        ("comparison", 14, "data.phases[name] != data.phases[other]"),
        ("condition", 5, "true"),
        ("condition", 6, "true"),
        ("condition", 7, "true"),
        ("condition", 8, "true"),
        ("condition", 14, "true"),
        ("integer", 6, "not phase < 3"),
        ("integer", 6, "not phase < 5"),
        ("not", 6, "phase < 4"),
    ]


def test_a_change_leaves_the_rest_of_the_file(mutate: ModuleType) -> None:
    (negated,) = [one for one in mutate._of_module("moon.rego", MODULE) if one.kind == "not"]
    assert negated.text == MODULE.replace("not phase", "phase")


@pytest.mark.parametrize("kind", ["comparison", "integer", "not", "condition", "setting"])
def test_whatever_goes_unnoticed_fails(mutate: ModuleType, kind: str) -> None:
    one = mutant(mutate, kind)
    assert mutate._report([one], [one], as_json=True) == 1
    assert mutate._report([one], [], as_json=True) == 0


def test_no_mutants_prove_nothing(mutate: ModuleType) -> None:
    assert mutate._report([], [], as_json=True) == 1


def test_what_nobody_can_notice_is_told_apart(
    mutate: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = mutant(mutate, "condition")
    monkeypatch.setitem(mutate.EQUIVALENT, ("moon.rego", "a", "b"), "the moon is always full")
    assert mutate._report([one], [one], as_json=False) == 0
    assert "1 mutants: 0 noticed, 0 not, 1 equivalent" in capsys.readouterr().out
    assert mutate._report([one], [], as_json=False) == 1
    assert "policies/moon.rego:1: not equivalent: b" in capsys.readouterr().err
