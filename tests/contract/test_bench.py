"""The benchmark of policies, not timed: it asks what it says, and its engines agree."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench" / "policies.py"
GRANTS = 20


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_policies", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def told_by(*arguments: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def report(*arguments: str) -> dict[str, Any]:
    return told_by("--json", "--repeats", "1", *arguments)


@pytest.fixture(scope="module")
def on_two_processes() -> dict[str, Any]:
    return report("--sizes", str(GRANTS), "--engines", "regorus", "--processes", "2")


def test_the_embedded_engine_is_asked_about_every_grant_and_denies_some(
    on_two_processes: dict[str, Any],
) -> None:
    told = on_two_processes
    assert {"processes", "left_out", "results", "broken"} == told.keys()
    assert told["broken"] == []
    (result,) = told["results"]
    assert {"grants", "engines", "codes", "differ"} == result.keys()
    run = result["engines"]["regorus"]
    assert {
        "seconds",
        "cpu_seconds",
        "ratio",
        "cpu_ratio",
        "files",
        "evaluations",
        "denied",
    } == run.keys()
    assert GRANTS == run["files"] == run["evaluations"]
    assert 0 < run["denied"] < GRANTS
    assert run["denied"] <= sum(result["codes"].values())


def test_how_many_processes_there_are_changes_no_answer(
    bench: ModuleType, tmp_path: Path, on_two_processes: dict[str, Any]
) -> None:
    bench.make_tree(tmp_path, GRANTS)
    alone = told_by("--judge", "regorus", str(tmp_path), "1")
    (shared,) = on_two_processes["results"]
    assert alone["files"] == shared["engines"]["regorus"]["files"]
    assert len(alone["denied"]) == shared["engines"]["regorus"]["denied"]
    assert Counter(code for codes in alone["denied"].values() for code in codes) == shared["codes"]


@pytest.mark.opa
def test_both_engines_deny_the_same_grants_for_the_same_codes() -> None:
    told = report("--sizes", str(GRANTS), "--engines", "opa", "--processes", "1")
    (result,) = told["results"]
    assert {"regorus", "opa"} == result["engines"].keys()
    assert result["differ"] == []
    assert result["engines"]["opa"]["denied"] == result["engines"]["regorus"]["denied"]


def test_the_same_tree_is_made_every_time(bench: ModuleType, tmp_path: Path) -> None:
    trees = []
    for name in ("one", "two"):
        bench.make_tree(tmp_path / name, GRANTS)
        files = sorted((tmp_path / name).rglob("*.yaml"))
        trees.append([(file.relative_to(tmp_path / name), file.read_bytes()) for file in files])
    assert trees[0] == trees[1]


def test_an_engine_that_answers_otherwise_and_one_that_is_slow_are_told(bench: ModuleType) -> None:
    result = {
        "grants": GRANTS,
        "engines": {"regorus": {"ratio": 1.2, "denied": 3}},
        "differ": ["opa"],
    }
    assert bench.broken_promises([result]) == [
        "20 grants: opa and regorus deny differently",
        "20 grants: embedded takes 1.2 times what conftest takes",
    ]


@pytest.mark.parametrize("denied", [0, GRANTS])
def test_a_tree_that_compares_nothing_is_told(bench: ModuleType, denied: int) -> None:
    result = {
        "grants": GRANTS,
        "engines": {"regorus": {"ratio": None, "denied": denied}},
        "differ": [],
    }
    (told,) = bench.broken_promises([result])
    assert "nothing is compared" in told
