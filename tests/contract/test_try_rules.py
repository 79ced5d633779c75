"""`daypass check --changed-from`: the rules of one folder, tried as a change of another's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import run
from tests.unit.support_policies import copy_acme, copy_policies

LIMITS = "policies/settings/limits/data.yaml"
TEAMS = "access/teams.yaml"


class Change:
    """Acme before and after a change, and what is said of it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.after, self.before = folder / "after", folder / "before"
        self._capsys = capsys
        copy_acme(self.after)
        copy_policies(self.after / "policies")
        shutil.copytree(self.after, self.before)

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.after / path).read_text("utf-8")
        assert old in text
        (self.after / path).write_text(text.replace(old, new), "utf-8")

    def told(self) -> tuple[int, list[str]]:
        """Returns the exit code and the code of each problem."""
        code = run(["-C", str(self.after), "check", "--changed-from", str(self.before), "--json"])
        problems: list[dict[str, Any]] = json.loads(self._capsys.readouterr().out)["problems"]
        return code, [one["code"] for one in problems]

    def said(self) -> str:
        """Returns what people read."""
        run(["-C", str(self.after), "check", "--changed-from", str(self.before)])
        return self._capsys.readouterr().out


@pytest.fixture
def change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Change:
    return Change(tmp_path, capsys)


def test_what_is_wrong_is_told_at_its_line(change: Change) -> None:
    change.edit(LIMITS, "prod: 14400", "prod: 2h")
    assert change.told() == (2, ["setting-invalid"])
    line = (change.after / LIMITS).read_text("utf-8").splitlines().index("  prod: 2h") + 1
    assert change.said().startswith(f"{LIMITS}:{line}:3: ")


def test_a_team_that_settings_still_name_is_told(change: Change) -> None:
    change.edit(TEAMS, "engineering:", "builders:")
    assert change.told() == (2, ["unknown-name"])


def test_a_rule_that_crashes_is_told(change: Change) -> None:
    one = change.after / "policies/access/decision/noted.rego"
    one.write_text(
        "package access.decision\n\n_warnings contains note if note\n\n"
        'note := 1 if input.change == "widen"\n\nnote := 2 if input.change == "widen"\n',
        "utf-8",
    )
    assert change.told() == (2, ["policies-broken"])


def test_what_is_fine_or_was_so_before_is_not_told(change: Change) -> None:
    assert change.told() == (0, [])
    change.edit(LIMITS, "prod: 14400", "prod: 7200")
    assert (change.told(), change.said()) == ((0, []), "")
    change.edit("policies/settings/eligibility/data.yaml", "[engineering]", "[engineering, Guests]")
    assert change.told() == (2, ["unknown-name"])
    shutil.rmtree(change.before)
    shutil.copytree(change.after, change.before)
    change.edit(LIMITS, "prod: 7200", "prod: 3600")
    assert change.told() == (0, [])


def test_what_is_no_text_is_left_to_who_judges(change: Change) -> None:
    (change.after / LIMITS).write_bytes(b"\xff")
    assert change.told() == (0, [])


def test_files_that_say_nothing_are_told(change: Change) -> None:
    (change.after / LIMITS).write_text("max: [", "utf-8")
    assert "yaml" in change.told()[1]
    shutil.rmtree(change.after / "policies")
    assert change.told() == (2, ["no-policies", "no-rules"])
