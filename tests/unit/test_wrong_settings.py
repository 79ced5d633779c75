"""Settings that are not usable are told at their line before anybody is denied by them."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.policy.engine import PolicyBundle
from pipeline.policy.rego import RegorusEngine
from pipeline.policy_tools.setting_checks import wrong_settings
from tests.unit.support_policies import policy_files

LIMITS = "settings/limits/data.yaml"
RULES = "access/rules/settings/settings.rego"
BY_ENVIRONMENT = (
    "the setting limits.max_duration_by_environment is missing, of the wrong type or outside of "
    "what it may be"
)


def told_of_settings(changes: dict[str, str]) -> list[str]:
    return [str(one) for one in wrong_settings({**policy_files(), **changes}, RegorusEngine)]


def limits(old: str, new: str) -> dict[str, str]:
    text = policy_files()[LIMITS]
    assert old in text
    return {LIMITS: text.replace(old, new)}


@pytest.mark.parametrize("value", ["4h", '"1800"', "-5", "[3600]"])
def test_a_setting_that_is_not_usable_is_told_at_its_line(value: str) -> None:
    changes = limits("prod: 14400", f"prod: {value}")
    line = changes[LIMITS].splitlines().index(f"  prod: {value}") + 1
    assert told_of_settings(changes) == [f"policies/{LIMITS}:{line}:3: {BY_ENVIRONMENT}"]


@pytest.mark.parametrize(
    "old, new, line", [("low: 43200", "low: 12h", "low"), ("critical: 7200", "grave: 1", "")]
)
def test_an_entry_that_must_be_there_is_told_at_its_line_too(old: str, new: str, line: str) -> None:
    changes = limits(old, new)
    (told,) = told_of_settings(changes)
    lines = changes[LIMITS].splitlines()
    wanted = lines.index(f"  {new}") if line else lines.index("max_duration_by_risk:")
    assert told.startswith(f"policies/{LIMITS}:{wanted + 1}:")


def test_an_entry_too_many_is_told_at_its_line() -> None:
    changes = limits("critical: 7200", "critical: 7200\n  grave: 60")
    (told,) = told_of_settings(changes)
    line = changes[LIMITS].splitlines().index("  grave: 60") + 1
    assert told.startswith(f"policies/{LIMITS}:{line}:3: ")


def test_several_wrong_entries_are_told_at_their_setting() -> None:
    changes = limits("prod: 14400", "prod: 4h")
    changes[LIMITS] = changes[LIMITS].replace("staging: 28800", "staging: 8h")
    line = changes[LIMITS].splitlines().index("max_duration_by_environment:") + 1
    assert told_of_settings(changes) == [f"policies/{LIMITS}:{line}:1: {BY_ENVIRONMENT}"]


def test_a_setting_that_is_missing_is_told_at_the_top_of_its_file() -> None:
    (told,) = told_of_settings(limits("max_live_grants: 10", ""))
    assert told.startswith(f"policies/{LIMITS}:1:1: the setting limits.max_live_grants is missing")


def test_usable_settings_are_not_told_of() -> None:
    assert told_of_settings({}) == []


def test_a_pack_without_rules_for_settings_has_nothing_to_ask() -> None:
    def engine(_: PolicyBundle) -> RegorusEngine:
        raise AssertionError

    files = {path: text for path, text in policy_files().items() if path != RULES}
    assert wrong_settings({**files, **limits("prod: 14400", "prod: 4h")}, engine) == ()


def test_a_setting_of_which_either_entry_could_go_is_told_as_a_whole() -> None:
    class Engine:
        def __init__(self, bundle: PolicyBundle) -> None:
            self._limits = bundle.data["settings"]["limits"]["max_duration_by_environment"]

        def value(self, _rule: str, _document: object, /) -> object:
            values = {"setting": "limits.max_duration_by_environment"}
            together = {"prod", "staging"} <= self._limits.keys()
            return [{"code": "setting-invalid", "values": values}] if together else []

    (told,) = wrong_settings(policy_files(), Engine)
    lines = policy_files()[LIMITS].splitlines()
    assert told.line == lines.index("max_duration_by_environment:") + 1


def test_files_that_cannot_be_read_are_not_asked_about() -> None:
    assert told_of_settings({LIMITS: "max_duration: [\n"}) == []


def test_the_command_tells_wrong_settings(lint_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    code, out, _ = lint_run({**policy_files(), **limits("prod: 14400", "prod: 4h")})
    first, last = out.splitlines()
    assert (code, last.endswith(" files: 1 problem")) == (1, True)
    assert first.startswith(f"policies/{LIMITS}:")
    assert first.endswith(" [setting-invalid]")


def test_modules_that_no_engine_takes_are_told_without_opa(
    lint_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    path = "lib/request/request.rego"
    text = policy_files()[path]
    code, out, _ = lint_run({**policy_files(), path: f"{text}\nbroken {{{{\n"})
    assert code == 1
    assert f"policies/{path}:{text.count(chr(10)) + 2}:8: the settings could not be checked" in out


@pytest.mark.opa
def test_what_opa_says_of_modules_is_not_said_twice(lint_run: Any) -> None:
    path = "lib/request/request.rego"
    text = f"{policy_files()[path]}\nbroken {{{{\n"
    wrong = limits("prod: 14400", "prod: 4h")
    code, out, _ = lint_run({**policy_files(), **wrong, path: text})
    assert code == 1
    assert "opa check --strict: " in out
    assert "could not be checked" not in out
    unused = policy_files()[path].replace(
        "import data.lib.read\n", "import data.lib.read\nimport data.lib.x\n"
    )
    out = lint_run({path: unused})[1]
    assert "import data.lib.x unused" in out
    assert "[setting-invalid]" in out
