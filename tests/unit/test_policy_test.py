"""`daypass policy test`: what passes, what fails and where, and which lines ran."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import run

RULE = """package access.rules.moon

full if input.phase == "full"

half if {
\tinput.phase == "half"
\tdata.settings.moon.half
}
"""
TESTS = """package access.rules.moon_test

import data.access.rules.moon

test_full if moon.full with input.phase as "full"

test_not_new if not moon.full with input as {"phase": "new"}

test_half if moon.half with input.phase as "half"

helper := false
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "access/rules/moon/moon.rego": RULE,
        "access/rules/moon/moon_test.rego": TESTS,
        "settings/moon/data.yaml": "half: true\n",
    }
    for path, text in files.items():
        file = tmp_path / "policies" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return tmp_path / "policies"


@pytest.fixture
def tests_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["-C", str(folder.parent), "policy", "test", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def add(folder: Path, body: str) -> None:
    file = folder / "access" / "rules" / "moon" / "moon_test.rego"
    file.write_text(f"{TESTS}\n{body}\n", "utf-8")


def test_tests_that_are_true_pass_with_the_data_beside_them(tests_run: Any) -> None:
    assert tests_run() == (0, "3 tests: all passed\n", "")


@pytest.mark.parametrize(
    "body, why",
    [
        ("test_x := false", "it is false instead of true"),
        ("test_x if false", "it is undefined"),
        ("test_x if input.nothing", "it is undefined"),
        ("test_x := 1", "it is 1 instead of true"),
        ('test_x := "true"', 'it is "true" instead of true'),
        ("test_x := true\n\ntest_x if false", "it is defined more than once"),
        ("test_x contains 1", "it is [1] instead of true"),
        ('test_x if regex.match("(", "a")', "at policies/access/rules/moon/moon_test.rego:13:"),
        ("test_x if 1 / 0 == 1", "at policies/access/rules/moon/moon_test.rego:13:"),
        ('test_x if not to_number("a")', "at policies/access/rules/moon/moon_test.rego:13:"),
        ("test_x if moon.full with input.phase as 1 / 0", "moon_test.rego:13:"),
    ],
)
def test_whatever_is_not_exactly_true_fails_at_its_place(
    folder: Path, tests_run: Any, body: str, why: str
) -> None:
    add(folder, body)
    code, out, _ = tests_run()
    assert code == 1
    first, last = out.splitlines()
    assert first.startswith(
        "policies/access/rules/moon/moon_test.rego:13:1: access.rules.moon_test.test_x failed: "
    )
    assert why in first
    assert last == "4 tests: 1 failed"


UNMET = """test_x if {
\tphase := "full"
\tmoon.full with input.phase as phase
\tnot moon.half with
\t\tinput.phase as "half"
\tphase == "new"
}"""


@pytest.mark.parametrize(
    "body, line, column, text",
    [
        (UNMET, 16, 2, 'not moon.half with input.phase as "half"'),
        ("test_x if false", 13, 11, "false"),
        ("test_x if input.nothing", 13, 11, "input.nothing"),
        ("test_x if {\n\ttrue; 1 == 2; false\n}", 14, 8, "1 == 2"),
        ("test_x if {\n\tsome x in [1, 2]\n\tx > 1\n\tx > 2\n}", 16, 2, "x > 2"),
        ("test_x if {\n\tevery x in [1, 2] {\n\t\tx > 1\n\t}\n}", 14, 2, None),
    ],
)
def test_the_first_condition_that_does_not_hold_is_named(
    folder: Path, tests_run: Any, body: str, line: int, column: int, text: str | None
) -> None:
    add(folder, body)
    text = text or "every x in [1, 2] { x > 1 }"
    path = "policies/access/rules/moon/moon_test.rego"
    assert f"it is undefined; {path}:{line}:{column} does not hold: {text}\n" in tests_run()[1]
    told = {one["name"]: one for one in json.loads(tests_run("--json")[1])["tests"]}
    failed = told.pop("access.rules.moon_test.test_x")
    assert failed["unmet"] == {"line": line, "column": column, "text": text}
    assert (failed["path"], failed["line"]) == (path, 13)
    assert all(one["unmet"] is None for one in told.values())


@pytest.mark.parametrize(
    "body",
    [
        "test_x := false",
        "test_x := false if true",
        "test_x if {\n\tcount(x) == 1\n\tx = [1]\n\tfalse\n}",
        "test_x if {\n\tsome x\n\tcount(x) == 1\n\tx = [1]\n\tfalse\n}",
        "test_x if 1 / 0 == 1",
        "test_x if false\n\ntest_x if false",
        "test_x if { false } else if { false }",
    ],
)
def test_where_it_cannot_be_told_no_condition_is_named(
    folder: Path, tests_run: Any, body: str
) -> None:
    add(folder, body)
    assert "does not hold" not in tests_run()[1]
    told = json.loads(tests_run("--json")[1])
    assert (told["failed"], [one["unmet"] for one in told["tests"]]) == (1, [None] * 4)


def test_a_long_condition_is_cut_in_text_and_whole_in_json(folder: Path, tests_run: Any) -> None:
    long = f'"{"x" * 200}" == ""'
    add(folder, f"test_x if {long}")
    (first, _) = tests_run()[1].splitlines()
    assert first.endswith("x…")
    assert json.loads(tests_run("--json")[1])["tests"][-1]["unmet"]["text"] == long


def test_an_error_in_one_test_fails_no_other(folder: Path, tests_run: Any) -> None:
    other = folder / "lib" / "walk_test.rego"
    other.parent.mkdir()
    other.write_text(
        "package lib.walk_test\n\n"
        "test_all if count([1 | some topic; data.access.rules[topic].nothing]) == 0\n"
    )
    add(folder, 'test_x if regex.match("(", "a")')
    _, out, _ = tests_run("--json")
    failed = [one["name"] for one in json.loads(out)["tests"] if not one["passed"]]
    assert failed == ["access.rules.moon_test.test_x"]


def test_tests_share_what_other_files_of_tests_hold(folder: Path, tests_run: Any) -> None:
    shared = folder / "lib" / "fixtures_test.rego"
    shared.parent.mkdir()
    shared.write_text('package lib.fixtures_test\n\nphase := "full"\n', "utf-8")
    add(folder, "test_x if moon.full with input.phase as data.lib.fixtures_test.phase")
    assert tests_run()[0] == 0


def test_tests_are_chosen_by_a_pattern(tests_run: Any) -> None:
    assert tests_run("-k", "full$")[1] == "1 test: all passed\n"
    assert tests_run("-k", "moon_test")[1] == "3 tests: all passed\n"


def test_no_test_at_all_is_a_failure(folder: Path, tests_run: Any) -> None:
    assert tests_run("-k", "nobody")[0] == 1
    (folder / "access" / "rules" / "moon" / "moon_test.rego").unlink()
    code, out, _ = tests_run()
    assert (code, out) == (1, "no test was found, so nothing is proven\n")


@pytest.mark.parametrize("arguments", [("-k", "("), ("--dir", "nowhere"), ("--threshold", "101")])
def test_wrong_usage_exits_2(tests_run: Any, arguments: tuple[str, ...]) -> None:
    code, out, err = tests_run(*arguments)
    assert (code, out) == (2, "")
    assert err


@pytest.mark.parametrize("name", ["moon.rego", "other_test.rego"])
def test_what_is_no_rego_is_named_with_its_place(folder: Path, tests_run: Any, name: str) -> None:
    (folder / "access" / "rules" / "moon" / name).write_text("package a\n\nx := ", "utf-8")
    code, _, err = tests_run()
    assert code == 2
    assert f"policies/access/rules/moon/{name}:3:" in err


def test_coverage_names_the_lines_that_did_not_run(tests_run: Any) -> None:
    code, out, _ = tests_run("--coverage", "-k", "full")
    assert code == 0
    assert "policies/access/rules/moon/moon.rego" in out
    assert "66.6 %   7" in out
    covered = json.loads(tests_run("--coverage", "--json")[1])["coverage"]
    assert covered["percent"] == 100
    (file,) = covered["files"]
    assert (file["path"], file["not_covered"]) == ("policies/access/rules/moon/moon.rego", [])


def test_a_file_that_nothing_ran_of_counts(folder: Path, tests_run: Any) -> None:
    (folder / "sun.rego").write_text("package sun\n\nup if {\n\tinput.day\n}\n", "utf-8")
    _, out, _ = tests_run("--coverage", "--json")
    files = {one["path"]: one for one in json.loads(out)["coverage"]["files"]}
    assert files["policies/sun.rego"]["not_covered"] == [3, 4]
    assert files["policies/sun.rego"]["percent"] == 0


def test_too_little_coverage_fails(tests_run: Any) -> None:
    assert tests_run("--threshold", "100")[0] == 0
    code, _, err = tests_run("--threshold", "80", "-k", "full")
    assert code == 1
    assert "80 % are needed" in err
