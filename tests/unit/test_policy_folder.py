"""Where a folder of policies that an option names is looked for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.cli.main import run
from pipeline.errors import UsageError
from pipeline.run.offline import policy_folder
from tests.unit.support_policies import POLICIES
from tests.unit.support_simulate import Scene

OPTIONS = (("test", "--dir"), ("lint", "--dir"), ("simulate", "--policies"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "policies").mkdir(parents=True)
    return folder


def test_a_folder_is_looked_for_from_here_first(here: Path, root: Path) -> None:
    for name in ("one", "two"):
        (root / name).mkdir()
    (here / "one").mkdir()
    assert policy_folder(root, Path("one"), option="--dir") == here / "one"
    assert policy_folder(root, Path("two"), option="--dir") == root / "two"
    assert policy_folder(root, root / "two", option="--dir") == root / "two"


def test_without_a_name_it_is_that_of_the_repository_whatever_lies_here(
    here: Path, root: Path
) -> None:
    (here / "policies").mkdir()
    assert policy_folder(root, None, option="--dir") == root / "policies"


def test_a_file_is_no_folder(here: Path, root: Path) -> None:
    (here / "policies").write_text("", "utf-8")
    assert policy_folder(root, Path("policies"), option="--dir") == root / "policies"


def test_one_place_is_told_once(here: Path) -> None:
    for given, place in ((Path("x"), here / "x"), (here / "y", here / "y")):
        with pytest.raises(UsageError) as caught:
            policy_folder(here, given, option="--dir")
        assert caught.value.message == f"--dir {given}: no folder is at {place}"


@pytest.mark.parametrize("command, option", OPTIONS)
def test_each_command_names_both_places_that_it_tried(
    here: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    option: str,
) -> None:
    scene = Scene(tmp_path, capsys)
    root = scene.work.path
    assert run(["-C", str(root), "policy", command, option, "nowhere"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert f"{option} nowhere: no folder is at {here}/nowhere or {root}/nowhere" in told.err


@pytest.mark.parametrize("command, option", OPTIONS)
@pytest.mark.parametrize("from_here", [True, False])
def test_each_command_reads_the_folder_from_here_or_else_from_the_repository(
    here: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    option: str,
    from_here: bool,
) -> None:
    scene = Scene(tmp_path, capsys)
    root = scene.work.path
    shutil.copytree(POLICIES, (here if from_here else root) / "changed")
    if from_here:
        # Read where it must not be, it would be no Rego.
        (root / "changed").mkdir()
        (root / "changed" / "read.rego").write_text("package {", "utf-8")
    arguments = [option, "changed", "--json"]
    if command == "test":
        arguments += ["-k", "test_deny_without_each_fact"]
    code = run(["-C", str(root), "policy", command, *arguments])
    told = json.loads(capsys.readouterr().out)
    assert code == 0
    if command == "test":
        assert all(one["path"].startswith("changed/") for one in told["tests"])
