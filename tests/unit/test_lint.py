"""Each check of the policies finds its bad example, and passes over the good one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.cli.main import run
from pipeline.policy_tools.lint import lint_files
from tests.unit.support_policies import POLICIES, policy_files

RULE = "access/rules/moon/moon.rego"
TEST = "access/rules/moon/moon_test.rego"
SETTINGS = "settings/moon/data.yaml"
REQUEST = "lib/request/request.rego"
GOOD = {
    RULE: """# METADATA
# title: The moon
# description: Wolves.
package access.rules.moon

import data.lib.read
import data.lib.request
import data.lib.result
import data.lib.settings

# METADATA
# description: Every code of this package.
codes := {"moon-not-full", "moon-far"}

# METADATA
# title: Full moon only
# description: Wolves.
# custom:
#   code: moon-not-full
#   message: it is {phase} and not {limit:duration}
#   solution: wait until {phase}
deny contains result.binding("moon-not-full", index, {
\t"phase": read.at(binding, ["phase"]),
\t"limit": limit,
}) if {
\trequest.adds_access
\tsome index, binding in request.bindings
\tlimit := settings.at(["moon", "limit"])
\tnot _full(binding, limit)
}

_full(binding, limit) if {
\tis_number(binding.phase) # not } "
\tbinding.phase >= limit
}

# METADATA
# title: Not too far
# description: Wolves.
# custom:
#   code: moon-far
#   message: it is {far}
#   solution: wait
warn contains result.whole("moon-far", _shown) if {
\trequest.adds_access
\tnot input.far == false
}

_shown := {"far": _far}

_far := far if {
\tfar := input.far
} else := null
""",
    TEST: """package access.rules.moon_test

test_codes if count({"moon-not-full", "moon-far"}) == 2
""",
    SETTINGS: "# Seconds.\nlimit: 60\n",
    "access/rules/settings/settings.rego": """package access.rules.settings

_valid contains "moon.limit" if true

codes := _valid
""",
    "access/rules/settings/settings_test.rego": "package access.rules.settings_test\n",
    "lib/read/read.rego": """package lib.read

at(value, path) := found if {
\tfound := object.get(value, path, null)
} else := null
""",
    REQUEST: """package lib.request

import data.lib.read

at(path) := read.at(input, path)

adds_access if input.kind == "grant"

default bindings := []

bindings := input.bindings if is_array(input.bindings)
""",
    "lib/result/result.rego": """package lib.result

whole(code, values) := {"code": code, "binding": -1, "values": values}

binding(code, index, values) := {"code": code, "binding": index, "values": values}
""",
    "lib/settings/settings.rego": """package lib.settings

import data.lib.read

default _all := {}

_all := data.settings if is_object(data.settings)

at(path) := read.at(_all, path)

positive(path) := value if {
\tvalue := at(path)
\tvalue > 0
}
""",
}


MORE: dict[str, str | None] = {SETTINGS: "limit: 1\nother: 2\n"}
OTHER = "access/other/moon.rego"
UNFOUND = f"unreachable policies/{RULE}:22:1"
# Parts of the rule that examples replace.
FULL = "not _full(binding, limit)"
PHASE = 'read.at(binding, ["phase"])'
LIMIT = 'settings.at(["moon", "limit"])'
NUMBER = "is_number(binding.phase)"
COMPARED = "binding.phase >= limit"
FAMILIES = {"form": "positive-form", "value": "undefined-value"}
GUARD = "request.adds_access\n\tsome"
WARN = 'warn contains result.whole("moon-far", _shown)'


def found(changes: dict[str, str | None]) -> list[str]:
    """Problems as `code path:line:column`, with the changed files."""
    files = {path: text for path, text in {**GOOD, **changes}.items() if text is not None}
    return [f"{one.code} {one.path}:{one.line}:{one.column}" for one in lint_files(files)]


def changed(old: str, new: str, path: str = RULE) -> dict[str, str | None]:
    assert old in GOOD[path]
    return {path: GOOD[path].replace(old, new)}


def test_good_policies_have_no_problem() -> None:
    assert found({}) == []


def test_the_pack_has_no_problem() -> None:
    assert [str(problem) for problem in lint_files(policy_files())] == []


@pytest.mark.parametrize(
    "old, new, expected",
    [
        # Words.
        ("#   solution: wait\n", "", "annotation {rule}:43:1"),
        ("far\n# description: Wolves.\n", "far\n", "annotation {rule}:43:1"),
        ("#   code: moon-far", "#   code: moon-not-full", "rule-code {rule}:44:1"),
        ('codes := {"moon-not-full", "moon-far"}', "codes := {}", "rule-code {rule}:22:1"),
        ("{limit:duration}", "{limits:duration}", "placeholder {rule}:22:1"),
        ("{limit:duration}", "{limit:days}", "placeholder {rule}:22:1"),
        ("wait until {phase}", "wait until {Phase}", "placeholder {rule}:22:1"),
        ("it is {far}", "it is {near}", "placeholder {rule}:44:1"),
        # Head.
        ('result.whole("moon-far", _shown)', '{"code": "moon-far"}', "rule-head {rule}:44:1"),
        (WARN, 'warn := "moon-far"', "rule-head {rule}:44:1"),
        # What may be undefined.
        (PHASE, "binding.phase", "value {rule}:23:11"),
        (PHASE, "input.phase", "value {rule}:23:11"),
        (PHASE, 'input["phase"]', "value {rule}:23:11"),
        (PHASE, "_full(binding, limit)", "value {rule}:23:11"),
        (LIMIT, 'settings.positive(["moon", "limit"])', "value {rule}:28:11"),
        ("in request.bindings", "in input.bindings", "value {rule}:27:25"),
        ("} else := null", "}", "value {rule}:44:40"),
        ("_shown := {", "alone contains input.x if true\n\n_shown := {", "value {rule}:49:16"),
        # The positive form.
        (FULL, "binding.phase < limit", "form {rule}:29:2"),
        (FULL, "input.phase", "form {rule}:29:2"),
        (FULL, "not input.phase > 3", "form {rule}:29:2"),
        (FULL, "not input.phase", "form {rule}:29:2"),
        (FULL, "not binding.phase in input.phases", "form {rule}:29:2"),
        (FULL, "not is_number(binding.phase)", "form {rule}:29:2"),
        (FULL, f"{FULL}\n\tnot input.x == 1", "form {rule}:30:2"),
        ("\tnot _full(binding, limit)\n", "", "form {rule}:22:1"),
        (GUARD, "input.kind == 1\n\tsome", "form {rule}:26:2"),
        (GUARD, "count(input.x) > 1; _full(1, 2)\n\tsome", "form {rule}:26:2"),
        # Built-ins.
        (NUMBER, "io.jwt.decode(binding.phase)", "built-in {rule}:33:2"),
        (NUMBER, "time.now_ns() > 1", "built-in {rule}:33:2"),
        (COMPARED, "binding.phase / 2 >= limit", "built-in {rule}:34:16"),
        # Settings.
        (COMPARED, "binding.phase >= data.settings.moon.limit", "settings-direct {rule}:34:19"),
        ('["moon", "limit"]', '["moon", "limits"]', "setting-unknown {rule}:28:11"),
        # Helpers.
        ("_shown := {", "_unused := 1\n\n_shown := {", "unused {rule}:49:1"),
    ],
)  # fmt: skip
def test_a_rule_that_is_not_as_it_should_be_is_found(old: str, new: str, expected: str) -> None:
    code, _, place = expected.partition(" ")
    expected = f"{FAMILIES.get(code, code)} {place}"
    problems = found(changed(old, new))
    assert expected.format(rule=f"policies/{RULE}") in problems


@pytest.mark.parametrize(
    "old, new",
    [
        (FULL, "not binding.phase == 3"),
        (FULL, 'not input.phase == "full"'),
        (FULL, "some one in _ones\n\tnot one in _ones"),
        (FULL, "not request.good"),
        ("not input.far == false", "not input.far == null"),
        (GUARD, "not request.adds_access\n\tsome"),
        (PHASE, "count([x | some x in input.phases])"),
        (PHASE, "_ones"),
        (PHASE, "index"),
        (NUMBER, "is_number(binding.phase) # / count io.jwt.decode(x)"),
        (NUMBER, 'binding.phase != "io.jwt.decode(x) / % { # "'),
        (NUMBER, 'binding.phase != `{\n# "`'),
    ],
)
def test_a_rule_of_the_same_form_is_not_found(old: str, new: str) -> None:
    changes = changed(old, new)
    changes[RULE] = (
        f"{changes[RULE]}\n_ones contains 1\n\n_more := _ones\n\nuse := [_more, _full(1, 1)]\n"
    )
    changes[REQUEST] = f"{GOOD[REQUEST]}\ngood if input.good\n"
    assert found(changes) == []


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({RULE: None, OTHER: GOOD[RULE]}, f"unreachable policies/{OTHER}:22:1"),
        (changed("access.rules.moon\n", "access.rules.moon.new\n"), UNFOUND),
        (changed("access.rules.moon\n", "access.moon\n"), UNFOUND),
        ({TEST: None}, "untested policies/{rule}:1:1"),
        (changed(', "moon-far"}', "} # moon-far", TEST), "untested policies/{rule}:44:28"),
        (MORE, "setting-unread policies/settings/moon/data.yaml:2:1"),
        (MORE, "setting-unchecked policies/settings/moon/data.yaml:2:1"),
        ({SETTINGS: "limit: 1.5\n"}, "ambiguous policies/settings/moon/data.yaml:1:8"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_together_are_found(
    changes: dict[str, str | None], expected: str
) -> None:
    assert expected.format(rule=RULE) in found(changes)


@pytest.mark.parametrize("path", [SETTINGS, "settings/data.yaml"])
def test_settings_that_cannot_be_read_are_told_alone(path: str) -> None:
    changes: dict[str, str | None] = {SETTINGS: None, path: "moon: [\n"}
    (told,) = found(changes)
    assert told.endswith(f" policies/{path}:2:1")


def test_a_setting_is_missed_beside_another_topic_that_cannot_be_read() -> None:
    told = found({SETTINGS: None, "settings/sun/data.yaml": "limit: [\n"})
    assert f"setting-unknown policies/{RULE}:28:11" in told


def test_tests_and_checks_may_call_whatever_they_like() -> None:
    text = "package checks.x\n\ndeny contains 1 if time.now_ns() / 2 > data.settings.x\n"
    more = f"{GOOD[TEST]}\ntest_x if time.now_ns() / 2 > data.settings.x\n"
    assert found({"checks/x.rego": text, TEST: more}) == []


def test_a_text_that_is_never_closed_is_survived() -> None:
    assert found({RULE: GOOD[RULE] + '_x := "'})
    assert found({RULE: "package access.rules.moon\n\ndeny contains ((("})
    assert found({RULE: ""})
    assert [one.code for one in lint_files({})] == ["no-policies", "no-rules"]


def test_the_command_tells_each_problem_at_its_place(
    lint_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    code, out, err = lint_run(GOOD)
    assert (code, out) == (0, f"{len(GOOD)} files: nothing to find fault with\n")
    assert "no OPA was found" in err
    bad = GOOD[RULE].replace(COMPARED, "binding.phase / 2 >= limit")
    code, out, _ = lint_run({RULE: bad})
    assert code == 1
    assert out.startswith(f"policies/{RULE}:34:16: division is not answered alike")
    code, out, _ = lint_run({}, "--json")
    told = json.loads(out)
    assert (code, told["opa"], [one["code"] for one in told["problems"]]) == (
        1,
        False,
        ["built-in"],
    )


def test_a_folder_without_policies_is_wrong_usage(lint_run: Any) -> None:
    assert lint_run(GOOD, "--dir", "elsewhere")[0] == 2


@pytest.mark.opa
def test_opa_is_asked_where_it_is_found(lint_run: Any) -> None:
    unformatted = GOOD[RULE].replace('_shown := {"far": _far}', '_shown :=   {"far": _far}')
    code, out, _ = lint_run({**GOOD, RULE: unformatted})
    assert code == 1
    assert f"policies/{RULE}:1:1: opa fmt would write this file differently" in out
    unused = GOOD[RULE].replace(
        "import data.lib.read\n", "import data.lib.read\nimport data.lib.x\n"
    )
    code, out, _ = lint_run({RULE: unused})
    assert code == 1
    assert f"policies/{RULE}:7:1: opa check --strict: import data.lib.x unused" in out
    code, out, _ = lint_run({RULE: GOOD[RULE] + "\nx := {\n"})
    assert code == 1
    assert "opa check --strict: " in out


@pytest.mark.opa
def test_the_pack_passes_opa_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(POLICIES.parent), "policy", "lint", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"opa": True, "problems": []}
