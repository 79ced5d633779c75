"""`daypass policy test` and `opa test` give the same verdicts."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from pipeline.policy.bundle import load_bundle
from pipeline.policy.engine import PolicyBundle
from pipeline.policy_tools.run_tests import try_tests
from tests.unit.support_policies import POLICIES, policy_files

pytestmark = pytest.mark.opa
Verdicts = dict[str, bool]

MODULE = """package moon

full if input.phase == "full"

matches if regex.match(input.pattern, "a")

double(x) := x * 2

default dark := true

dark := false if full
"""
TESTS = """package moon_test

import data.moon

test_true if moon.full with input as {"phase": "full"}

test_part_of_the_input if moon.full with input.phase as "full"

test_data if data.settings.moon.half with data.settings.moon.half as true

test_function if moon.double(2) == 5 with moon.double as five

test_built_in if count([]) == 5 with count as five

test_rule_replaced if not moon.dark with moon.dark as false

test_several if {
	every phase in ["full"] {
		moon.full with input as {"phase": phase}
	}
	not moon.full with input as {"phase": "new"}
}

test_patched if {
	change := {"op": "replace", "path": "/phase", "value": "full"}
	moon.full with input as json.patch({"phase": "new"}, [change])
}

test_value := true

test_else := false if {
	moon.full
} else := true

test_defined_twice if moon.full with input.phase as "full"

test_defined_twice if moon.full

test_false := false

test_undefined if moon.full

test_nothing_known if moon.full with input as {}

test_number := 1

test_text := "true"

test_error if moon.matches with input.pattern as "("

test_division if 1 / 0 == 1

test_of_another_kind if startswith(input.pattern, "a") with input.pattern as 1

helper := false

five(_) := 5
"""


def ours(files: dict[str, str]) -> Verdicts:
    modules = {path: text for path, text in files.items() if path.endswith(".rego")}
    bundle = PolicyBundle(modules=modules, data=load_bundle(files).data)
    return {
        f"data.{one.name}": not one.why
        for one in try_tests(bundle, wanted=lambda _: True, coverage=False)
    }


def theirs(binary: Path, folder: Path) -> Verdicts:
    done = subprocess.run(
        [binary, "test", "--format=json", folder], capture_output=True, text=True, check=False
    )
    verdicts: Verdicts = {}
    for one in json.loads(done.stdout):
        # A rule defined twice is two tests to OPA, the second with #01 behind its name.
        name = f"{one['package']}.{one['name'].partition('#')[0]}"
        passed = not (one.get("fail") or one.get("error"))
        verdicts[name] = passed and verdicts.get(name, True)
    return verdicts


def test_the_pack_s_tests_have_the_same_verdicts(opa_binary: Path) -> None:
    verdicts = ours(policy_files())
    assert verdicts == theirs(opa_binary, POLICIES)
    assert len(verdicts) > 150


def test_each_way_to_pass_or_fail_has_the_same_verdict(opa_binary: Path, tmp_path: Path) -> None:
    files = {
        "moon/moon.rego": MODULE,
        "moon/moon_test.rego": TESTS,
        "settings/moon/data.yaml": "half: false\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    verdicts = ours(files)
    assert verdicts == theirs(opa_binary, tmp_path)
    assert set(verdicts.values()) == {True, False}
    assert len(verdicts) == TESTS.count("\ntest_") - 1


def test_an_error_that_opa_test_takes_for_undefined_fails_here(
    opa_binary: Path, tmp_path: Path
) -> None:
    # A decision fails on both engines then: OPA is asked for strict errors there.
    text = 'package moon_test\n\ntest_error if not regex.match("(", "a")\n'
    (tmp_path / "moon_test.rego").write_text(text, "utf-8")
    files = {"moon_test.rego": text, "moon.rego": "package moon\n\nx := 1\n"}
    assert theirs(opa_binary, tmp_path) == {"data.moon_test.test_error": True}
    assert ours(files) == {"data.moon_test.test_error": False}
