"""`daypass policy explain`: every rule, what it saw, what it reads, and where that is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import run
from pipeline.policy.answer import evaluate
from pipeline.policy.bundle import load_rules
from pipeline.policy.engine import PolicyBundle
from pipeline.policy.rego import RegorusEngine
from pipeline.policy.rego_text import read_module
from pipeline.policy_tools.explain import explain_rules, probed
from pipeline.policy_tools.pack import Pack
from pipeline.policy_tools.rule_facts import facts
from tests.unit.support_policies import (
    copy_acme,
    copy_policies,
    own_bundle,
    own_rules,
    policy_files,
    request,
)

GRANT = "access/grants/alice/stuck-payouts.yaml"
GOOD = """\
subject: alice
reason: Look at why the nightly build of the sandbox fails
duration: 30m
access:
  - target: gcp/sandbox-dev
    role: log-viewer
  - target: aws/sandbox-dev
    role: rds-reader
"""


MOON = """\
package access.rules.moon

import data.lib.result

codes := {"moon"}

# METADATA
# title: The moon is there
# custom:
#   code: moon
#   message: no moon
#   solution: wait
deny contains result.whole("moon", {}) if not _there

_there := true
"""
FACTS = """\
package access.rules.moon

import data.lib.read
import data.lib.request

deny contains 1 if {
\tis_object(input.grant)
\tsome binding in input.bindings
\tnot _fine(binding)
}

_fine(binding) if {
\tbinding.role.risk == "low"
\trequest.at(["now"]) > 1
\tread.at(input, ["grant", "id"]) == "x"
\tinput.grant["list"]
\tinput.nothing.at_all
}

_other if input.grant.owner
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy_acme(tmp_path)
    copy_policies(tmp_path / "policies")
    (tmp_path / GRANT).parent.mkdir(parents=True)
    (tmp_path / GRANT).write_text(GOOD, "utf-8")
    return tmp_path


@pytest.fixture
def explained(folder: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["-C", str(folder), "policy", "explain", GRANT, *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def line_of(folder: Path, path: str, text: str) -> int:
    lines = (folder / path).read_text("utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if line.startswith(text))


def test_every_rule_of_a_good_grant_is_told_with_what_it_saw(folder: Path, explained: Any) -> None:
    code, out, err = explained()
    assert (code, err) == (0, "")
    rules = load_rules(PolicyBundle(modules=own_bundle().modules, data={}))
    assert all(f"  {code}: {rule.title}\n" in out for code, rule in rules.items())
    limits = "policies/settings/limits/data.yaml"
    line = line_of(folder, limits, "max_duration:")
    assert "fine            duration-over-settings: " in out
    assert "    saw for gcp/sandbox-dev log-viewer: " in out
    assert "limit 12h" in out
    assert f"reads limits.max_duration = 43200  ({limits}:{line})" in out
    assert "not applicable  governance-unreviewed: " in out
    assert out.splitlines()[-1].startswith(f"{GRANT}: {len(rules)} rules ran: ")


def test_of_a_fine_rule_the_facts_that_it_names_are_told(explained: Any) -> None:
    out = explained("--rule", "reason-short")[1]
    length = len("LookatwhythenightlybuildoftheSandboxfails".replace(" ", ""))
    assert f"    given grant.reason_length = {length}\n" in out
    out = explained("--rule", "duration-over-risk")[1]
    assert "    given grant.duration = 1800; lives = []; window.end = 20" in out
    assert "    given for gcp/sandbox-dev log-viewer: role.risk = low\n" in out
    assert "    given for aws/sandbox-dev rds-reader: role.risk = medium\n" in out


def test_of_a_rule_that_denies_the_facts_are_in_json_only(folder: Path, explained: Any) -> None:
    (folder / GRANT).write_text(GOOD.replace("fails", "").replace("Look at why the", ""), "utf-8")
    policy = folder / "policies/settings/justification/data.yaml"
    policy.write_text(policy.read_text("utf-8").replace("length: 15", "length: 150"), "utf-8")
    assert "    given " not in explained("--rule", "reason-short")[1]
    (rule,) = json.loads(explained("--rule", "reason-short", "--json")[1])["rules"]
    (fact,) = rule["facts"]
    assert (fact["name"], fact["binding"], fact["text"]) == ("grant.reason_length", -1, None)
    assert fact["value"] == rule["findings"][0]["values"]["length"]


def test_of_many_facts_a_few_are_told_and_the_rest_counted(explained: Any) -> None:
    code, out, _ = explained("--rule", "request-unreadable")
    lines = [line for line in out.splitlines() if line.startswith("    given ")]
    (rule,) = json.loads(explained("--rule", "request-unreadable", "--json")[1])["rules"]
    whole = sum(fact["binding"] == -1 for fact in rule["facts"])
    assert (code, lines[0].count(" = ")) == (0, 6)
    assert lines[0].endswith(f"; and {whole - 6} more (--json)")


def test_a_rule_that_names_nothing_is_told_by_its_title(folder: Path, explained: Any) -> None:
    rule = folder / "policies/access/rules/moon/moon.rego"
    rule.parent.mkdir()
    rule.write_text(MOON, "utf-8")
    code, out, _ = explained("--rule", "moon")
    assert code == 0
    assert "    given nothing that can be shown; its title holds: The moon is there" in out


def test_facts_are_the_longest_paths_and_only_what_is_there() -> None:
    module = read_module("access/rules/moon/moon.rego", FACTS)
    pack = Pack([module])
    document = {
        "now": 5,
        "now_text": "then",
        "grant": {"id": "x", "list": [1]},
        "bindings": [{"role": {"risk": "low"}}, {"role": {}}],
    }
    found = facts(pack, module, module.rules["deny"][0], document)
    assert [(fact.binding, fact.name, fact.value, fact.text) for fact in found] == [
        (-1, "grant.id", "x", None),
        (-1, "grant.list", [1], None),
        (-1, "now", 5, "then"),
        (0, "role.risk", "low", None),
    ]


def test_a_violation_is_told_at_the_line_of_the_grant(folder: Path, explained: Any) -> None:
    (folder / GRANT).write_text(GOOD.replace("30m", "3d"), "utf-8")
    code, out, _ = explained()
    assert code == 1
    assert "denied          duration-over-settings: No longer than the settings allow\n" in out
    assert (
        f"    {GRANT}:3:11: gcp/log-viewer on gcp/sandbox-dev would last 3d within a day, "
        "at most 12h is allowed (settings/limits)\n      shorten the duration\n"
    ) in out
    assert out.startswith("denied")


def test_one_rule_can_be_asked_for(folder: Path, explained: Any) -> None:
    (folder / GRANT).write_text(GOOD.replace("30m", "3d"), "utf-8")
    code, out, _ = explained("--rule", "reason-short")
    assert code == 0
    assert out.startswith("fine            reason-short: ")
    assert "duration-over" not in out
    assert explained("--rule", "duration-over-role")[0] == 1
    code, _, err = explained("--rule", "reason-shor")
    assert code == 2
    assert 'did you mean "reason-short"?' in err


@pytest.mark.parametrize("code", ["no-identity", "no-second-factor"])
def test_what_the_catalogue_lacks_is_said_to_be_no_rule(
    folder: Path, explained: Any, code: str
) -> None:
    (folder / GRANT).write_text(GOOD, "utf-8")
    status, _, err = explained("--rule", code)
    assert status == 2
    assert f"{code} is no rule but a problem of the catalogue" in err
    assert "who-can" in err


def test_json_says_all_of_it(folder: Path, explained: Any) -> None:
    (folder / GRANT).write_text(GOOD.replace("30m", "3d"), "utf-8")
    code, out, _ = explained("--json", "--rule", "duration-over-settings")
    told = json.loads(out)
    (rule,) = told["rules"]
    assert (code, told["path"], rule["outcome"]) == (1, GRANT, "denied")
    first = rule["findings"][0]
    assert (first["binding"], first["line"], first["column"]) == (0, 3, 11)
    assert first["values"]["seconds"] == 3 * 86400
    assert [seen["binding"] for seen in rule["seen"]] == [0, 1]
    assert rule["path"] == "policies/access/rules/duration/duration.rego"
    names = {read["name"]: read for read in rule["settings"]}
    assert names["limits.max_duration"]["value"] == 43200
    assert names["limits.sum_within"]["path"] == "policies/settings/limits/data.yaml"


def test_a_setting_that_is_missing_is_told(folder: Path, explained: Any) -> None:
    file = folder / "policies" / "settings" / "justification" / "data.yaml"
    file.write_text(file.read_text("utf-8").replace("min_length: 15", ""), "utf-8")
    code, out, _ = explained("--rule", "reason-short")
    assert code == 1
    assert "reads justification.min_length, which is missing" in out


def test_a_grant_that_is_malformed_is_not_explained(folder: Path, explained: Any) -> None:
    (folder / GRANT).write_text(GOOD.replace("30m", "soon"), "utf-8")
    code, out, err = explained()
    assert (code, out) == (2, "")
    assert f"{GRANT}:3:11" in err


def test_probes_change_no_decision() -> None:
    document = request()
    bundle, names = probed(own_bundle())
    assert set(names) == set(own_rules())
    plain = evaluate(document, [RegorusEngine(own_bundle())], own_rules())
    assert evaluate(document, [RegorusEngine(bundle)], own_rules()).digest == plain.digest


def test_every_probe_answers_for_every_kind_of_change() -> None:
    engine = RegorusEngine(probed(own_bundle())[0])
    applies: dict[str, set[str]] = {}
    for change in ("create", "narrow", "delete"):
        document = request(change=change)
        evaluation = evaluate(document, [RegorusEngine(own_bundle())], own_rules())
        for one in explain_rules(
            own_bundle(),
            policy_files(),
            own_rules(),
            evaluation,
            document,
            lambda name, asked=document: engine.value(name, asked),
        ):
            assert one.mark.line > 1
            if one.outcome != "not applicable":
                applies.setdefault(change, set()).add(one.rule.code)
    assert {"reason-short", "duration-over-role"} <= applies["create"]
    assert "judge-missing" in applies["delete"] - applies["create"]
    assert "narrowing-unproven" in applies["narrow"] - applies["delete"]


def test_what_was_denied_was_seen() -> None:
    document = request()
    document["grant"]["duration"] = 10**6
    evaluation = evaluate(document, [RegorusEngine(own_bundle())], own_rules())
    engine = RegorusEngine(probed(own_bundle())[0])
    denied = [
        one
        for one in explain_rules(
            own_bundle(),
            policy_files(),
            own_rules(),
            evaluation,
            document,
            lambda name: engine.value(name, document),
        )
        if one.outcome == "denied"
    ]
    assert len(denied) > 1
    for one in denied:
        seen = [(seen.binding, dict(seen.values)) for seen in one.seen]
        assert all((found.binding, dict(found.values)) in seen for found in one.findings)
