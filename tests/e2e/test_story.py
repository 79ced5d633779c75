"""The story of the demonstration: every step holds, on both engines, over real clients and git."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.demo import _policies, _runner
from pipeline.cli.main import run
from pipeline.sandbox.story import Story, StoryStep
from pipeline.sandbox.world import ACCOUNTS, HOME_ACCOUNT, START, World
from tests.contract.support_azure import contracts
from tests.contract.support_gcp import Contract
from tests.contract.support_github import OpenApiObserver
from tests.oracles.aws import IamSimulate

STEPS = [
    "low-risk",
    "denied",
    "waiting",
    "self-approval",
    "approved",
    "voided",
    "merged",
    "applied",
    "used",
    "allowed",
    "ended",
    "retired",
    "direct-push",
    "audit-log",
    "audit-verified",
    "audit-tampered",
]
ACCOUNT = ACCOUNTS[0]
LEDGER = f"arn:aws:rds:eu-west-1:{ACCOUNT}:db:ledger"


@pytest.fixture
def sdks_without_sockets() -> None:
    """Nothing, in place of what other files have: the story goes over the wire."""


def told(root: Path) -> list[StoryStep]:
    with World(root, now=START, policies=_policies()) as world:
        return list(Story(world=world, daypass=_runner(world)).steps())


def test_every_step_holds_on_the_embedded_engine_alone(tmp_path: Path) -> None:
    assert shutil.which("opa") is None
    steps = told(tmp_path)
    assert [step.step for step in steps] == STEPS
    assert [step.step for step in steps if not step.ok] == []


def test_both_engines_tell_the_same_story(
    tmp_path: Path, opa_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def evidence(folder: str) -> list[dict[str, Any]]:
        return [step.evidence for step in told(tmp_path / folder)]

    from pipeline.policy.opa import OpaEngine

    decide = OpaEngine.decide

    def counted(self: OpaEngine, document: Any) -> object:
        asked.append(document["kind"])
        return decide(self, document)

    monkeypatch.setattr(OpaEngine, "decide", counted)
    both = evidence("both")
    assert asked
    asked.clear()
    folders = os.environ["PATH"].split(os.pathsep)  # noqa: TID251 - what commands will see
    kept = [folder for folder in folders if Path(folder) != opa_binary.parent]
    monkeypatch.setenv("PATH", os.pathsep.join(kept))
    assert shutil.which("opa") is None
    alone = evidence("alone")
    assert asked == []
    assert both == alone


@pytest.mark.node
def test_the_clouds_answer_and_every_exchange_is_as_the_vendors_describe(tmp_path: Path) -> None:
    github, google = OpenApiObserver(), Contract()
    with World(tmp_path, now=START, policies=_policies()) as world, IamSimulate() as simulate:
        world.github.observe(github)
        world.gcp.observe(google)
        alice = world.aws.caller(world.aws.person("alice@example.com", home=HOME_ACCOUNT))

        def aws_allows(roles: list[dict[str, Any]]) -> bool:
            now = world.clock.now()
            return any(
                simulate.assumable(role, caller=alice, at=now)
                and simulate.acts(role, action="rds:DescribeDBInstances", resource=LEDGER, at=now)
                for role in roles
                if role["Path"] == "/daypass/"
            )

        answers = {}
        for step in Story(world=world, daypass=_runner(world)).steps():
            assert step.ok, (step.step, step.evidence)
            if step.step in ("allowed", "ended"):
                roles = world.aws.authorization_details(ACCOUNT)
                assert any(role["Path"] == "/daypass/" for role in roles)
                answers[step.step] = aws_allows(roles)
                if step.step == "ended":
                    # The evaluator can still say yes: without their dates the same policies
                    # would give access for ever.
                    answers["undated"] = aws_allows([_undated(role) for role in roles])
        assert answers == {"allowed": True, "ended": False, "undated": True}
        assert world.aws.violations == []
        for contract in contracts():
            for call in world.azure.log:
                contract.check(call)
    github.assert_faithful()
    assert google.violations == []
    assert google.judged > 0


def _undated(role: dict[str, Any]) -> dict[str, Any]:
    """The same role without any condition on time."""
    bare = copy.deepcopy(role)
    documents = [bare["AssumeRolePolicyDocument"]]
    documents += [policy["PolicyDocument"] for policy in bare["RolePolicyList"]]
    for document in documents:
        document["Statement"] = [
            statement for statement in document["Statement"] if statement["Effect"] == "Allow"
        ]
        for statement in document["Statement"]:
            for operator in ("DateLessThan", "DateGreaterThanEquals"):
                statement.get("Condition", {}).pop(operator, None)
    return bare


def test_the_command_tells_it_and_leaves_nothing_behind(tmp_path: Path) -> None:
    git = shutil.which("git")
    assert git
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "demo", "--json"],
        capture_output=True,
        check=False,
        env={"PATH": str(Path(git).parent), "TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
    )
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, [step["step"] for step in steps]) == (0, STEPS), done.stderr
    assert all(step.keys() == {"step", "ok", "evidence"} for step in steps)
    assert list(tmp_path.iterdir()) == []


def test_a_step_that_does_not_hold_makes_the_command_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dataclasses import replace

    honest = Story._denied

    def dishonest(self: Story) -> StoryStep:
        return replace(honest(self), ok=False)

    monkeypatch.setattr(Story, "steps", lambda self: iter([self._low_risk(), dishonest(self)]))
    assert run(["demo"]) == 1
    said = capsys.readouterr().out
    assert "✓  1." in said
    assert "✗  2." in said
    assert "Every step held" not in said


def test_a_story_that_breaks_off_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(self: Story) -> StoryStep:
        raise LookupError("no comment on it")

    monkeypatch.setattr(Story, "_denied", broken)
    assert run(["demo", "--json"]) == 1
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last == {"step": "stopped", "ok": False, "evidence": {"error": "no comment on it"}}


def test_a_kept_demonstration_needs_a_folder_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    assert run(["demo", "--keep", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert (tmp_path / "mine.txt").read_text() == "precious"
