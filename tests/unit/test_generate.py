"""`scripts/generate`: what it writes is what is there, and a difference is found."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from pipeline.errors import InvalidInput
from pipeline.output.rules_table import between, rules_table
from pipeline.policy.engine import PolicyBundle
from tests.unit.support_policies import own_bundle, own_rules

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "docs" / "generate.py"
CODES = "policies/CODES.md"
RULE = """package access.rules.moon

codes := {"moon-not-full", "moon-near"}

# METADATA
# title: Full | moon *only*
# description: Wolves.
# custom:
#   code: moon-not-full
#   message: "it is {phase_now} | `none`"
#   solution: "wait <b>for</b> [it]"
deny contains result.whole("moon-not-full", {"phase_now": phase}) if not full

# METADATA
# title: Near
# description: Tides.
# custom:
#   code: moon-near
#   message: it is near
#   solution: swim
warn contains result.whole("moon-near", {}) if not far
"""


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    shutil.copytree(ROOT / "access" / "schemas", tmp_path / "access" / "schemas")
    return tmp_path


def test_everything_that_is_generated_is_up_to_date(generate: ModuleType) -> None:
    wanted = dict(generate.generated(ROOT))
    assert {path: (ROOT / path).read_text("utf-8") for path in wanted} == wanted


def test_the_codes_are_those_of_all_rules() -> None:
    rows = rules_table(own_bundle()).splitlines()[2:]
    assert {row.split("`")[1] for row in rows} == set(own_rules())
    assert len(rows) == len(own_rules())


def test_a_difference_fails_a_check_and_is_written(
    generate: ModuleType, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check, write = ["--check", "--root", str(copy)], ["--root", str(copy)]
    assert generate.main(check) == 0
    rule = copy / "policies/access/rules/subject/subject.rego"
    rule.write_text(rule.read_text("utf-8").replace("# title: The subj", "# title: A subj"))
    (copy / "access/schemas/grant.schema.json").unlink()
    before = (copy / CODES).read_text("utf-8")
    assert generate.main(check) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{path} differs from what is generated; run scripts/generate"
        for path in ("access/schemas/grant.schema.json", CODES)
    ]
    assert (copy / CODES).read_text("utf-8") == before
    assert generate.main(write) == 0
    assert "A subject is enabled" in (copy / CODES).read_text("utf-8")
    assert generate.main(check) == 0


def test_nothing_is_written_over_a_document_without_its_markers(
    generate: ModuleType, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / CODES).write_text("# Codes\n")
    assert generate.main(["--root", str(copy)]) == 2
    assert "<!-- begin codes -->" in capsys.readouterr().err
    assert (copy / CODES).read_text("utf-8") == "# Codes\n"


def test_words_of_a_rule_are_shown_as_they_are() -> None:
    bundle = PolicyBundle(modules={"access/rules/moon/moon.rego": RULE}, data={})
    package = "[moon](access/rules/moon/moon.rego)"
    assert rules_table(bundle).splitlines()[2:] == [
        rf"| `moon-not-full` | {package} | Full \| moon \*only\* "
        r"| it is {phase\_now} \| \`none\` | wait \<b>for\</b> \[it\] |",
        f"| `moon-near` | {package} | Near (warns only) | it is near | swim |",
    ]


def test_rules_without_their_words_make_no_table() -> None:
    modules = {"access/rules/moon/moon.rego": RULE.replace("#   solution: swim\n", "")}
    with pytest.raises(InvalidInput) as caught:
        rules_table(PolicyBundle(modules=modules, data={}))
    assert any("lacks solution" in str(problem) for problem in caught.value.problems)


def test_what_stands_between_the_markers_is_replaced() -> None:
    document = "a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n"
    new = "a\n<!-- begin x -->\n\nnew\n\n<!-- end x -->\nb\n"
    assert between(document, "x", "new\n") == new
    assert between(new, "x", "new\n") == new


@pytest.mark.parametrize(
    "document",
    [
        "",
        "<!-- begin x -->\n",
        "<!-- end x -->\n<!-- begin x -->\n",
        "<!-- begin x -->\n<!-- end x -->\n<!-- end x -->\n",
        "<!-- begin x -->\n<!-- begin x -->\n<!-- end x -->\n",
    ],
)
def test_a_document_has_each_marker_once(document: str) -> None:
    with pytest.raises(ValueError, match="each once"):
        between(document, "x", "new\n")
