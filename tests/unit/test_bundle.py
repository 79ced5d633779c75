"""From files to policies and their rules."""

from __future__ import annotations

import re

import pytest

from pipeline.errors import InvalidInput
from pipeline.policy.builtins import BUILT_INS
from pipeline.policy.bundle import load_bundle, load_rules
from pipeline.policy.engine import PolicyBundle
from pipeline.policy.rego_text import read_module, references
from tests.unit.support_policies import own_bundle, own_rules, policy_files

MODULE = "package access.decision\n\nresult := {}\n"
RULE = """package access.rules.moon

codes := {"moon-not-full"}

# METADATA
# title: Full moon only
# description: Wolves.
# custom:
#   code: moon-not-full
#   field: start
#   message: "it is {phase}"
#   solution: wait
deny contains result.whole("moon-not-full", {"phase": phase}) if not full
"""
PLACE = "access/rules/moon/moon.rego"


def problems(files: dict[str, str]) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        load_bundle(files)
    return [str(problem) for problem in caught.value.problems]


def rule_problems(*texts: str) -> list[str]:
    modules = {f"access/rules/{n}.rego": text for n, text in enumerate(texts)}
    with pytest.raises(InvalidInput) as caught:
        load_rules(PolicyBundle(modules=modules, data={}))
    return [str(problem) for problem in caught.value.problems]


def test_tests_and_checks_stay_outside() -> None:
    bundle = load_bundle(
        {
            "a/a.rego": MODULE,
            "a/a_test.rego": "package a_test",
            "checks/c.rego": "package c",
            "checks/data.yaml": "no: yes",
            "README.md": "# x",
        }
    )
    assert list(bundle.modules) == ["a/a.rego"]
    assert bundle.data == {}


def test_data_lies_under_its_folders_names() -> None:
    text = 'a: 1\nb: [x, "1", true, false, -5, 0]\nc: {d: {}}\n'
    bundle = load_bundle({"a.rego": MODULE, "settings/limits/data.yaml": text})
    expected = {"a": 1, "b": ["x", "1", True, False, -5, 0], "c": {"d": {}}}
    assert bundle.data == {"settings": {"limits": expected}}


def test_data_of_several_files_is_united() -> None:
    bundle = load_bundle({"a.rego": MODULE, "x/data.yaml": "a: 1", "x/y/data.yaml": "b: 2"})
    assert bundle.data == {"x": {"a": 1, "y": {"b": 2}}}


@pytest.mark.parametrize(
    "value",
    ["1.5", "1e3", "0x10", "010", "1_000", "yes", "No", "on", "null", "~", "", "True", "2026-11-20",
     ".inf", "-.inf", ".nan", "1:30", "+1", "99999999999999999"],
)  # fmt: skip
def test_what_tools_read_differently_is_refused(value: str) -> None:
    (problem,) = problems({"a.rego": MODULE, "s/data.yaml": f"x: {value}"})
    assert problem.startswith("policies/s/data.yaml:1:")
    assert "is read differently" in problem


@pytest.mark.parametrize(
    "text", ["a: 1\na: 2", "a: &x 1\nb: *x", "a: !!int '1'", "\ta: 1", "a: [", "", "--- 1\n--- 2"]
)
def test_data_that_is_no_strict_yaml_is_refused(text: str) -> None:
    assert problems({"a.rego": MODULE, "s/data.yaml": text})


@pytest.mark.parametrize("text", ["[a]", "word"])
def test_data_is_a_map(text: str) -> None:
    assert "a map of names to values" in problems({"a.rego": MODULE, "s/data.yaml": text})[0]


@pytest.mark.parametrize(
    "top, inner",
    [("x: {a: 1}", "a: 1"), ("x: {a: 1}", "a: {}"), ("x: 1", "a: 1"), ("x: []", "a: 1")],
)
def test_data_at_two_places_is_refused(top: str, inner: str) -> None:
    files = {"a.rego": MODULE, "data.yaml": top, "x/data.yaml": inner}
    assert "another file" in problems(files)[0]


@pytest.mark.parametrize(
    "package",
    ["system", "system.authz", 'system["authz"]', 'data["system"].authz', "daypass_proof.x"],
)
def test_nothing_lies_where_opa_s_server_is_governed(package: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        load_bundle({"lib/a/a.rego": f"# A\npackage {package}\n\nallow := true\n"})
    assert [one.path for one in refused.value.problems] == ["policies/lib/a/a.rego"]
    top = "daypass_proof" if "proof" in package else "system"
    with pytest.raises(InvalidInput, match="1 problem"):
        load_bundle({"x.rego": "package x\n", f"{top}/authz/data.yaml": "allow: true\n"})
    assert load_bundle({"x.rego": "package x.system\n", "x/system/data.yaml": "a: 1\n"})


def test_no_policies_are_refused() -> None:
    assert "there are no policies" in problems({"README.md": ""})[0]


def test_a_bundle_has_one_digest_for_one_content() -> None:
    one = load_bundle({"a.rego": MODULE, "x/data.yaml": "a: 1\nb: 2"})
    same = load_bundle({"x/data.yaml": "b: 2 # two\na: 1", "a.rego": MODULE})
    other = load_bundle({"a.rego": MODULE, "x/data.yaml": "a: 1\nb: 3"})
    assert one.digest == same.digest != other.digest


def test_a_rule_says_its_words() -> None:
    (rule,) = load_rules(PolicyBundle(modules={PLACE: RULE}, data={})).values()
    assert (rule.code, rule.title, rule.field) == ("moon-not-full", "Full moon only", "start")
    assert (rule.message, rule.solution) == ("it is {phase}", "wait")


def test_libraries_hold_no_rules() -> None:
    bundle = PolicyBundle(modules={PLACE: RULE, "lib/x.rego": "deny contains 1"}, data={})
    assert list(load_rules(bundle)) == ["moon-not-full"]


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("# METADATA\n", "#\n", "needs a METADATA comment"),
        ("# custom:\n", "# other:\n", "needs a METADATA comment"),
        ("#   code: ", "#   cod: ", "lacks code"),
        ("#   solution: wait\n", "", "lacks solution"),
        ('#   message: "it is {phase}"\n', "#   message: []\n", "lacks message"),
        ("#   field: start\n", "#   field: [a]\n", "lacks text"),
        ("# title: Full moon only\n", "", "lacks title"),
        ("#   code: moon-not-full", "#   code: Moon", "does not give its code"),
        ('whole("moon-not-full"', 'whole("moon-not"', "does not give its code"),
        ('codes := {"moon-not-full"}', 'codes := {"x"}', "missing from codes"),
        ('codes := {"moon-not-full"}', "codes := all", "missing from codes"),
        ('{"moon-not-full"}', '{"moon-not-full", "sun"}', "codes names sun"),
        ("#   solution: wait", "#   solution: wait\n#   solution: run", "needs a METADATA comment"),
    ],
)
def test_a_rule_without_its_words_is_refused(old: str, new: str, said: str) -> None:
    assert old in RULE
    assert any(said in problem for problem in rule_problems(RULE.replace(old, new)))


def test_a_code_used_twice_is_refused() -> None:
    assert any("used twice" in problem for problem in rule_problems(RULE, RULE))


def test_no_rules_are_refused() -> None:
    assert "there are no rules" in rule_problems()[0]


def test_the_packs_rules_are_found() -> None:
    text = "\n".join(own_bundle().modules.values())
    assert len(own_rules()) == len(re.findall(r"^(?:deny|warn) contains ", text, re.MULTILINE))
    assert {"duration-over-role", "self-approval", "setting-invalid"} <= set(own_rules())


def test_the_pack_words_only_values_that_its_rules_give() -> None:
    for path, text in own_bundle().modules.items():
        for rule in own_rules().values():
            if f'"{rule.code}"' in text and path.startswith("access/rules/"):
                names = re.findall(r"\{([a-z_]+)", rule.message)
                assert [name for name in names if f'"{name}":' not in text] == [], rule.code


def test_the_pack_calls_only_built_ins_that_engines_answer_alike() -> None:
    called: set[str] = set()
    for path, text in own_bundle().modules.items():
        module = read_module(path, text)
        called |= {
            ".".join(reference.path)
            for reference in references(module.tokens)
            if reference.arguments is not None
            and reference.path[0] not in {*module.rules, *module.imports}
        }
    assert called <= set(BUILT_INS)
    assert {"count", "regex.match", "object.get"} <= called


def test_only_tests_and_checks_are_left_out_of_the_pack() -> None:
    left = {path for path in policy_files() if path not in own_bundle().modules}
    assert all(
        path.endswith(("_test.rego", "data.yaml", ".md")) or path.startswith("checks/")
        for path in left
    )
