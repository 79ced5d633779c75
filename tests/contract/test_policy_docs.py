"""What policies/README.md and INPUT.md tell authors of policies is so."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipeline.cli.main import cli, run
from pipeline.policy.answer import Evaluation, evaluate
from pipeline.policy.bundle import load_rules
from pipeline.policy.engine import PolicyBundle
from pipeline.policy.rego import RegorusEngine
from pipeline.run.offline import read_policies
from tests.contract import support_rules
from tests.unit.support_git import Work
from tests.unit.support_policies import own_settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "policies" / "README.md").read_text("utf-8")
INPUT = (ROOT / "policies" / "INPUT.md").read_text("utf-8")
GRANT = "access/grants/bob/2026-11-20-root.yaml"
CASES = "tests/contract/test_engines_staffing.py"
RULE = "policies/access/rules/staffing/staffing.rego"
# A path on a line of its own, and the blocks that follow it.
PLACES = re.compile(r"^`([\w/.-]+)`:\n((?:\n```\w+\n(?:.*\n)*?```\n)+)", re.M)
BLOCKS = re.compile(r"^```(\w+)\n((?:.*\n)*?)```$", re.M)


def written() -> list[tuple[str, str, str]]:
    """Returns path, language and text of every block that the worked example writes."""
    return [
        (path, language, text)
        for path, blocks in PLACES.findall(README)
        for language, text in BLOCKS.findall(blocks)
    ]


def changed(text: str, diff: str) -> str:
    """Returns *text* with the lines of *diff* that are new, which stand among lines it holds."""
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if not line.startswith("+"))
    assert text.count(before) == 1, before
    return text.replace(before, "".join(line[1:] for line in lines))


def write_example(folder: Path) -> None:
    """Does in *folder* what the worked example says."""
    for path, language, text in written():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        new = changed(place.read_text("utf-8"), text) if language == "diff" else text
        place.write_text(new, "utf-8")


@pytest.fixture
def example(tmp_path: Path) -> Work:
    """A folder of the sandbox's organisation, committed, and the worked example beside that."""
    work = Work.begin(tmp_path / "try")
    shutil.copytree(ROOT / "pipeline" / "sandbox" / "acme" / "access", work.path / "access")
    shutil.copytree(ROOT / "policies", work.path / "policies")
    work.commit("start")
    write_example(work.path)
    return work


Call = Callable[..., tuple[int, str]]


@pytest.fixture
def daypass(example: Work, capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: str) -> tuple[int, str]:
        code = run(["-C", str(example.path), "policy", *arguments])
        return code, capsys.readouterr().out

    return call


def test_the_example_writes_a_rule_its_test_and_its_settings() -> None:
    assert [path for path, *_ in written()] == [
        "access/calendars/staffed.yaml",
        "access/oncall/payments.yaml",
        "policies/settings/staffing/data.yaml",
        "policies/access/rules/settings/settings.rego",
        "policies/access/rules/settings/settings.rego",
        "policies/lib/fixtures/fixtures_test.rego",
        RULE,
        RULE.replace(".rego", "_test.rego"),
        GRANT,
        CASES,
    ]


def test_the_example_passes_lint_and_its_tests_cover_it(example: Work, daypass: Call) -> None:
    code, out = daypass("lint")
    assert (code, "nothing to find fault with" in out) == (0, True), out
    # The whole pack, the example in it.
    code, out = daypass("test", "--threshold", "100", "--json")
    assert code == 0, out
    tests = [file.read_text("utf-8") for file in example.path.rglob("*_test.rego")]
    assert json.loads(out)["passed"] == sum(text.count("\ntest_") for text in tests)
    assert json.loads(out)["coverage"]["percent"] == 100
    told = json.loads(daypass("test", "-k", "staffing_test", "--coverage", "--json")[1])
    assert told["passed"] == README.count("\ntest_")
    (covered,) = [file for file in told["coverage"]["files"] if file["path"] == RULE]
    assert covered["not_covered"] == []


@pytest.mark.opa
def test_the_example_passes_opa_s_tests_and_is_formatted(example: Work, opa_binary: Path) -> None:
    for command in (
        ["test", "policies", "--run", "staffing_test|settings_test", "--timeout", "60s"],
        ["fmt", "--list", "--fail", "policies"],
        ["check", "--strict", "policies"],
    ):
        done = subprocess.run(
            [opa_binary, *command], cwd=example.path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_the_example_denies_at_night(daypass: Call) -> None:
    code, out = daypass("explain", GRANT, "--rule", "unstaffed")
    assert code == 1
    assert (
        "aws/break-glass-admin on aws/payments-prod from 2026-11-22T03:00:00Z to "
        "2026-11-22T04:00:00Z is not wholly inside of staffed, and bob is not on call for payments"
    ) in out
    assert "reads staffing.risks = " in out


def test_the_example_s_cases_are_true(example: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = read_policies(example.path)
    rules = load_rules(bundle)

    def ask(document: dict[str, Any], settings: Mapping[str, Any]) -> Evaluation:
        changed = PolicyBundle(modules=bundle.modules, data={"settings": dict(settings)})
        return evaluate(document, [RegorusEngine(changed)], rules)

    spec = importlib.util.spec_from_file_location("cases", example.path / CASES)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    settings = bundle.data["settings"]
    monkeypatch.setattr(support_rules, "own_settings", lambda: copy.deepcopy(settings))
    assert len(module.CASES) == 4
    for case in module.CASES:
        support_rules.check(ask, case)


def test_every_shown_command_exists() -> None:
    blocks = re.findall(r"^```sh run\n(.*?)^```$", README, re.M | re.S)
    lines = [line.partition(" #")[0].split() for block in blocks for line in block.splitlines()]
    shown = [line[1:] for line in lines if line[0] == "daypass"]
    assert {line[1] for line in shown} == {"test", "lint", "explain", "who-can", "simulate"}
    for line in shown:
        told = CliRunner().invoke(cli, [*line[:2], "--help"])
        assert told.exit_code == 0, line
        assert [word for word in line if word.startswith("--") and word not in told.output] == []


def test_every_setting_is_told_and_none_that_is_not_there() -> None:
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| [^|]+ \| [^|]+ \|$", README, re.M)
    settings = own_settings()
    assert rows == sorted(f"{topic}.{name}" for topic in settings for name in settings[topic])


def test_every_key_of_the_questions_is_told_or_obvious() -> None:
    blocks = re.findall(r"^```json\n(.*?)^```$", INPUT, re.M | re.S)
    assert len(blocks) == 3
    told = set(re.findall(r"`(?:[a-z_]+(?:\[\])?\.)*([a-z_]+)`", INPUT))
    obvious = {"kind", "now_text", "paths", "requester", "evaluated"}
    for document in map(json.loads, blocks):
        assert {key for key in document if key not in told} <= obvious


@pytest.mark.parametrize("name", ["README.md", "INPUT.md", "CODES.md"])
def test_links_lead_somewhere(name: str) -> None:
    text = (ROOT / "policies" / name).read_text("utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert [link for link in links if not (ROOT / "policies" / link).exists()] == []
    headings = {
        re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-")
        for line in re.findall(r"^#+ (.+)$", text, re.M)
    }
    anchors = re.findall(r"\]\(#([^)]+)\)", text)
    assert [anchor for anchor in anchors if anchor not in headings] == []
