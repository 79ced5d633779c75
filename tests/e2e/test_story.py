"""The story of the demonstration: every step holds, on both engines, over real clients and git."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
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


@dataclass(kw_only=True)
class Alone:
    """The story on the embedded engine alone, with everything that was said watched."""

    steps: list[StoryStep]
    github: OpenApiObserver
    google: Contract
    aws_violations: Sequence[object]
    azure_log: Sequence[Any]
    roles: dict[str, tuple[datetime, list[dict[str, Any]]]]
    """What AWS stored at some steps, and when."""

    alice: Any


@pytest.fixture
def alone(tmp_path: Path) -> Alone:
    """Told once, by the first test that asks, as clouds are to work in order for each."""
    if not _TOLD:
        _TOLD.append(_told_alone(tmp_path / "alone"))
    return _TOLD[0]


_TOLD: list[Alone] = []


def _told_alone(root: Path) -> Alone:
    root.mkdir()
    github, google = OpenApiObserver(), Contract()
    steps, roles = [], {}
    with (
        pytest.MonkeyPatch.context() as patch,
        World(root, now=START, policies=_policies()) as world,
    ):
        patch.setenv("PATH", _without_opa())
        assert shutil.which("opa") is None
        world.github.observe(github)
        world.gcp.observe(google)
        alice = world.aws.caller(world.aws.person("alice@example.com", home=HOME_ACCOUNT))
        for step in Story(world=world, daypass=_runner(world)).steps():
            steps.append(step)
            if step.step in ("allowed", "ended"):
                roles[step.step] = (
                    world.clock.now(),
                    copy.deepcopy(world.aws.authorization_details(ACCOUNT)),
                )
        return Alone(
            steps=steps,
            github=github,
            google=google,
            aws_violations=world.aws.violations,
            azure_log=world.azure.log,
            roles=roles,
            alice=alice,
        )


def _without_opa() -> str:
    folders = os.environ["PATH"].split(os.pathsep)  # noqa: TID251 - what commands will see
    return os.pathsep.join(one for one in folders if not shutil.which("opa", path=one))


@pytest.mark.node
def test_every_step_holds_on_the_embedded_engine_alone_and_every_exchange_as_the_vendors_describe(
    alone: Alone,
) -> None:
    assert [step.step for step in alone.steps] == STEPS
    assert [(step.step, step.evidence) for step in alone.steps if not step.ok] == []
    assert alone.aws_violations == []
    for contract in contracts():
        for call in alone.azure_log:
            contract.check(call)
    alone.github.assert_faithful()
    assert alone.google.violations == []
    assert alone.google.judged > 0
    # An evaluator that is not ours says the same of AWS.
    with IamSimulate() as simulate:

        def allows(now: datetime, roles: list[dict[str, Any]]) -> bool:
            return any(
                simulate.assumable(role, caller=alone.alice, at=now)
                and simulate.acts(role, action="rds:DescribeDBInstances", resource=LEDGER, at=now)
                for role in roles
                if role["Path"] == "/daypass/"
            )

        answers = {step: allows(*stored) for step, stored in alone.roles.items()}
        # It can still say yes: without their dates the same policies would give access for ever.
        now, roles = alone.roles["ended"]
        assert any(role["Path"] == "/daypass/" for role in roles)
        answers["undated"] = allows(now, [_undated(role) for role in roles])
    assert answers == {"allowed": True, "ended": False, "undated": True}


def test_both_engines_tell_the_same_story(
    tmp_path: Path, opa_binary: Path, monkeypatch: pytest.MonkeyPatch, alone: Alone
) -> None:
    asked: list[str] = []
    from pipeline.policy.opa import OpaEngine

    decide = OpaEngine.decide

    def counted(self: OpaEngine, document: Any) -> object:
        asked.append(document["kind"])
        return decide(self, document)

    monkeypatch.setattr(OpaEngine, "decide", counted)
    both_engines = tmp_path / "both"
    both_engines.mkdir()
    with World(both_engines, now=START, policies=_policies()) as world:
        both = [step.evidence for step in Story(world=world, daypass=_runner(world)).steps()]
    assert asked
    assert both == [step.evidence for step in alone.steps]


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
