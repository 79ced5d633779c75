"""The step that runs before any job of the check workflow holds a key."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pipeline.cli.main import run
from pipeline.errors import Undecided
from pipeline.run.try_rules import read_report
from tests.unit.support_policies import copy_acme, copy_policies

SCRIPT = Path(__file__).parents[2] / "scripts" / "workflow" / "pull.py"
REPOSITORY = {"default_branch": "main"}


@pytest.fixture(scope="module")
def step() -> ModuleType:
    spec = importlib.util.spec_from_file_location("workflow_pull", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Api:
    """Answers the paths it was told of, and nothing else."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, path: str, media: str) -> bytes:
        self.asked.append(path)
        answer = self.answers[path.partition("?")[0]]
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode()


def pull(number: int, **changes: Any) -> dict[str, Any]:
    head = {"sha": changes.get("sha", "f" * 40)}
    base = {"ref": changes.get("base", "main"), "repo": {"id": 1}}
    head["repo"] = changes.get("repo", {"id": 1})
    return {
        "number": number,
        "state": changes.get("state", "open"),
        "draft": changes.get("draft", False),
        "head": head,
        "base": base,
    }


def changed(path: str, status: str = "added", sha: str = "b1") -> dict[str, str]:
    return {"filename": path, "status": status, "sha": sha}


@pytest.mark.parametrize(
    "name, event, expected",
    [
        ("pull_request_target", {"pull_request": {"number": 4}}, 4),
        ("workflow_dispatch", {"inputs": {"number": "6"}}, 6),
        (
            "issue_comment",
            {"comment": {"body": " /check\n"}, "issue": {"number": 5, "pull_request": {}}},
            5,
        ),
        ("issue_comment", {"comment": {"body": "/check"}, "issue": {"number": 5}}, None),
        *(
            (
                "issue_comment",
                {
                    "action": action,
                    "comment": {"body": "Allowed"},
                    "issue": {"number": 5, "pull_request": {}},
                },
                expected,
            )
            for action, expected in (("edited", 5), ("deleted", 5), ("created", None))
        ),
        (
            "issue_comment",
            {"comment": {"body": "/checkers"}, "issue": {"number": 5, "pull_request": {}}},
            None,
        ),
    ],
)
def test_an_event_names_its_pull_request(
    step: ModuleType, name: str, event: dict[str, Any], expected: int | None
) -> None:
    api = Api()
    assert step.find(name, {**event, "repository": REPOSITORY}, api) == expected
    assert api.asked == []


@pytest.mark.parametrize(
    "pulls, expected",
    [
        ([], None),
        ([pull(7)], 7),
        ([pull(9), pull(7)], 7),
        ([pull(7, draft=True), pull(9)], 9),
        ([pull(7, draft=True)], 7),
        ([pull(7, repo={"id": 2}), pull(9)], 9),
        ([pull(7, repo=None), pull(9, draft=True)], 9),
        ([pull(7, state="closed")], None),
        ([pull(7, sha="e" * 40)], None),
        ([pull(7, base="release")], 7),
        ([pull(7, base="release"), pull(9, draft=True)], 9),
        ([pull(7, base="release"), pull(9, repo={"id": 2})], 7),
    ],
)
def test_a_review_leads_to_the_open_pull_request_at_its_commit(
    step: ModuleType, pulls: list[dict[str, Any]], expected: int | None
) -> None:
    head = "f" * 40
    event = {"workflow_run": {"head_sha": head}, "repository": REPOSITORY}
    api = Api(**{f"commits/{head}/pulls": pulls})
    assert step.find("workflow_run", event, api) == expected


def test_only_grants_of_the_head_are_read(step: ModuleType) -> None:
    path = "access/grants/alice/a.yaml"
    files = [
        changed(path),
        changed("access/grants/alice/old.yaml", "removed", "b2"),
        changed("access/principals/alice.yaml", sha="b3"),
        changed("access/grants/../../pipeline/x.yaml", sha="b4"),
        changed("access/grants/alice/../x.yaml", sha="b5"),
        changed("access/grants/alice/-x.yaml", sha="b6"),
        changed("access/grants/alice/a.yaml\n", sha="b7"),
    ]
    api = Api(**{"pulls/3/files": files, "git/blobs/b1": b"subject: alice\n"})
    assert step.grant_files(files, api) == {path: b"subject: alice\n"}


def test_a_long_file_is_cut(step: ModuleType) -> None:
    files = [changed("access/grants/alice/a.yaml")]
    api = Api(**{"pulls/3/files": files, "git/blobs/b1": b"x" * (step.BLOB_LIMIT + 1)})
    assert len(step.grant_files(files, api)["access/grants/alice/a.yaml"]) == step.BLOB_LIMIT


def test_more_grants_than_a_page_are_refused(step: ModuleType) -> None:
    files = [changed(f"access/grants/alice/{n}.yaml") for n in range(step.PAGE)]
    with pytest.raises(ValueError, match="split it"):
        step.grant_files(files, Api())


def test_a_revert_of_many_grants_has_nothing_to_parse(step: ModuleType) -> None:
    files = [changed(f"access/grants/alice/{n}.yaml", "removed") for n in range(step.PAGE)]
    assert step.grant_files(files, Api()) == {}


def test_every_page_of_the_files_is_read(step: ModuleType) -> None:
    pages = {1: [changed(f"policies/{n}.rego") for n in range(step.PAGE)], 2: [changed("x")]}
    asked: list[str] = []

    def get(path: str, media: str) -> bytes:
        asked.append(path)
        return json.dumps(pages[int(path.rpartition("=")[2])]).encode()

    assert step.changed_files(3, get) == [*pages[1], *pages[2]]
    assert asked == [f"pulls/3/files?per_page=100&page={page}" for page in (1, 2)]


def test_rules_of_the_head_are_read_and_nothing_beside_them(step: ModuleType) -> None:
    renamed = changed("policies/lib/new/new.rego", "renamed", "b2")
    files = [
        changed("policies/settings/limits/data.yaml", "modified"),
        renamed | {"previous_filename": "policies/lib/old/old.rego"},
        changed("access/teams.yaml", "removed", "b3"),
        changed("access/grants/alice/a.yaml", sha="b4"),
        changed("access/schemas/grant.schema.json", sha="b5"),
        changed("policies/../pipeline/x.py", sha="b6"),
        changed("pipeline/policies/x.py", sha="b7"),
        changed(".github/workflows/check.yml", "modified", "b8"),
    ]
    api = Api(**{"git/blobs/b1": b"one", "git/blobs/b2": b"two"})
    assert step.rule_files(files, api) == {
        "policies/settings/limits/data.yaml": b"one",
        "policies/lib/old/old.rego": None,
        "policies/lib/new/new.rego": b"two",
        "access/teams.yaml": None,
    }


LIMITS = "policies/settings/limits/data.yaml"


@pytest.fixture
def checkout(step: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(step.subprocess, "run", run_here)
    copy_acme(tmp_path)
    copy_policies(tmp_path / "policies")
    return tmp_path


def api_of(path: str, text: str) -> Api:
    answers = {
        "pulls/7": {"head": {"sha": "f" * 40}},
        "pulls/7/files": [changed(path, "modified")],
        "git/blobs/b1": text.encode(),
    }
    return Api(**answers)


def test_the_head_s_rules_are_tried_and_what_is_wrong_is_reported(
    step: ModuleType, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (checkout / LIMITS).read_text("utf-8")
    line = text.splitlines().index("  prod: 14400") + 1
    code, report = step.try_rules(7, api_of(LIMITS, text.replace("prod: 14400", "prod: 2h")))
    assert (code, report["head"]) == (0, "f" * 40)
    (problem,) = report["problems"]
    assert (problem["path"], problem["line"], problem["code"]) == (LIMITS, line, "setting-invalid")
    assert f"::error file={LIMITS},line={line}," in capsys.readouterr().out
    file = checkout / "tried.json"
    file.write_text(json.dumps(report), "utf-8")
    assert [one.line for one in read_report(file, head="f" * 40)] == [line]
    with pytest.raises(Undecided, match="the rules of fffffff were tried, not eeeeeee's"):
        read_report(file, head="e" * 40)


def test_rules_that_are_fine_and_changes_of_something_else_report_nothing(
    step: ModuleType, checkout: Path
) -> None:
    text = (checkout / LIMITS).read_text("utf-8").replace("prod: 14400", "prod: 7200")
    nothing = (0, {"head": "f" * 40, "problems": []})
    assert step.try_rules(7, api_of(LIMITS, text)) == nothing
    assert step.try_rules(7, api_of(".github/workflows/check.yml", "on: push")) == nothing


def test_a_trial_that_says_nothing_is_no_trial(
    step: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ended in (2, 3):
        monkeypatch.setattr(
            step.subprocess,
            "run",
            lambda command, ended=ended, **_: subprocess.CompletedProcess(
                command, ended, stdout=b"{}"
            ),
        )
        assert step.try_rules(7, api_of(LIMITS, "x: 1\n"))[0] == ended


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"head": "f", "problems": [{"path": "x"}]}'])
def test_what_is_no_report_is_no_verdict(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tried.json"
    file.write_text(text, "utf-8")
    with pytest.raises(Undecided, match="reports no trial of the rules"):
        read_report(file, head="f")


def test_text_of_a_stranger_cannot_become_a_workflow_command(step: ModuleType) -> None:
    problem = {
        "path": "a,b:c\n::set-env name=X::y",
        "line": 3,
        "column": 7,
        "code": "form",
        "message": "50%\r\n::stop-commands::x\x0b\u2028::error::y",
    }
    (line,) = step.commands([problem])
    assert line.splitlines() == [line]
    assert line == (
        "::error file=a%2Cb%3Ac%0A%3A%3Aset-env name=X%3A%3Ay,line=3,col=7,title=form"
        "::50%25%0D%0A::stop-commands::x??::error::y"
    )


def test_files_are_read_for_their_form_alone(
    step: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What only takes away needs no catalogue that can be read or still knows its roles.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(step.subprocess, "run", run_here)
    targets = tmp_path / "access" / "targets" / "gcp.yaml"
    targets.parent.mkdir(parents=True)
    targets.write_text("not a catalogue", "utf-8")
    path = "access/grants/alice/logs.yaml"
    text = (
        "subject: alice\nreason: Look at the logs\nduration: 1h\n"
        "access:\n  - target: gcp/prod\n    role: gone\n"
    )
    answers = {"pulls/7/files": [changed(path, "modified")], "git/blobs/b1": text.encode()}
    assert step.parse(7, Api(**answers)) == 0
    answers["git/blobs/b1"] = text.replace("1h", "soon").encode()
    assert step.parse(7, Api(**answers)) == 2


RUN = subprocess.run


def run_here(command: list[str], **how: Any) -> subprocess.CompletedProcess[bytes]:
    """Runs `daypass` in this process, and whatever that runs as ever."""
    if command[0] != "daypass":
        return RUN(command, **how)
    out = io.StringIO()
    with redirect_stdout(out):
        code = run(command[1:])
    return subprocess.CompletedProcess(command, code, stdout=out.getvalue().encode())
