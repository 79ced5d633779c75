"""An access repository with a history, and `daypass policy simulate` over it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import run
from tests.unit.support_git import Work
from tests.unit.support_policies import copy_acme, copy_policies

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


class Scene:
    """An access repository with a history, and policies beside it to change."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.work = Work.begin(folder / "work")
        self.changed = folder / "changed"
        self._capsys = capsys
        copy_acme(self.work.path)
        copy_policies(self.work.path / "policies")
        copy_policies(self.changed)
        self.work.commit("root")

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
