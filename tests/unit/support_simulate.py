"""An access repository with a history, and `daypass policy simulate` over it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import run
from tests.unit.support_git import Work
from tests.unit.support_policies import copy_acme, copy_policies, files_below, write_files

LOGS = "access/grants/alice/logs.yaml"
DATABASE = "access/grants/alice/database.yaml"


def grant(subject: str = "alice", **changes: str) -> str:
    values = {
        "subject": subject,
        "reason": "Look at why the nightly build of the sandbox fails",
        "duration": "30m",
        "target": "gcp/sandbox-dev",
        "role": "log-viewer",
        "more": "",
        **changes,
    }
    return (
        "subject: {subject}\nreason: {reason}\nduration: {duration}\n{more}"
        "access:\n  - target: {target}\n    role: {role}\n"
    ).format(**values)


@cache
def founded() -> Mapping[str, bytes]:
    """Returns the files of a repository with one commit, to be copied: git takes longer."""
    with tempfile.TemporaryDirectory() as folder:
        work = Work.begin(Path(folder) / "work")
        copy_acme(work.path)
        copy_policies(work.path / "policies")
        work.commit("root")
        work.git("repack", "-a", "-d", "--quiet")
        return files_below(work.path)


class Scene:
    """An access repository with a history, and policies beside it to change."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        write_files(folder / "work", founded())
        self.work = Work(folder / "work", ticks=1)
        self._folder = folder
        self._capsys = capsys

    @cached_property
    def changed(self) -> Path:
        """The folder with the policies to change."""
        folder = self._folder / "changed"
        copy_policies(folder)
        return folder

    def merge(self, path: str, text: str) -> str:
        self.work.write(path, text)
        return self.work.commit(path)

    def remove(self, path: str) -> str:
        (self.work.path / path).unlink()
        return self.work.commit(f"end {path}")

    def change(self, topic: str, old: str, new: str) -> None:
        file = self.changed / "settings" / topic / "data.yaml"
        text = file.read_text("utf-8")
        assert old in text
        file.write_text(text.replace(old, new), "utf-8")

    def simulate(self, *arguments: str) -> tuple[int, str, str]:
        given = arguments or ("--policies", str(self.changed))
        code = run(["-C", str(self.work.path), "policy", "simulate", *given])
        told = self._capsys.readouterr()
        return code, told.out, told.err

    def document(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        given = arguments or ("--policies", str(self.changed))
        code, out, _ = self.simulate(*given, "--json")
        found: dict[str, Any] = json.loads(out)
        return code, found


def only_flip(document: dict[str, Any]) -> dict[str, Any]:
    (one,) = [one for one in document["grants"] if one["flip"]]
    found: dict[str, Any] = one
    return found
