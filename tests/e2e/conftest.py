"""One organisation per test: founding it takes a fraction of a second."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.forge.git import Repository
from pipeline.policy.rego import RegorusEngine
from pipeline.policy_tools.examine import faults_of_answers
from pipeline.provision.lanes import one_after_another
from pipeline.run import bounded_trial
from pipeline.run.estate import EstateRun
from pipeline.values.problem import Problem
from tests.e2e.support_world import Acme, founded
from tests.support_in_process import without_sockets
from tests.support_once import compiling_once
from tests.support_sdks import reading_aws_once


@pytest.fixture(autouse=True)
def embedded_engine_alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes OPA off PATH, as starting it for every command would take half of the time.

    That both engines decide alike is for the conformance suite and the story; a test here that
    is about two engines asks for `opa_binary`.
    """
    if "opa_binary" in request.fixturenames:
        return
    found = os.environ["PATH"].split(os.pathsep)  # noqa: TID251 - what commands will see
    kept = [folder for folder in found if not shutil.which("opa", path=folder)]
    monkeypatch.setenv("PATH", os.pathsep.join(kept))


@pytest.fixture(autouse=True, scope="session")
def reading_once() -> Iterator[None]:
    """Reads AWS's service descriptions once, and compiles each set of policies once."""
    with compiling_once(), reading_aws_once():
        yield


@pytest.fixture(autouse=True)
def sdks_without_sockets() -> Iterator[None]:
    """Lets SDKs reach the stand-ins by a call: the wire is for the story and `tests/contract`."""
    with without_sockets():
        yield


_EXAMINED: dict[frozenset[tuple[str, str]], tuple[Problem, ...]] = {}


@pytest.fixture(autouse=True)
def rules_tried_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries rules in this process, equal ones once: they run all of their tests each time.

    That it happens in a process with bounds is for `contract/test_bounded_trial.py`.
    """

    def examine_once(files: Mapping[str, str]) -> tuple[Problem, ...]:
        known = frozenset(files.items())
        if known not in _EXAMINED:
            _EXAMINED[known] = faults_of_answers(files)
        return _EXAMINED[known]

    monkeypatch.setattr(bounded_trial, "examine_bounded", examine_once)
    monkeypatch.setattr(bounded_trial, "BoundedEngines", lambda: RegorusEngine)


@pytest.fixture(autouse=True)
def clouds_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Works on one cloud after the other: they share the clock, which moves on while one waits.

    That they go side by side is for `unit/test_lanes.py`.
    """
    monkeypatch.setattr(EstateRun, "lanes", staticmethod(one_after_another))


@pytest.fixture(autouse=True)
def git_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asks git once per test what object ids name in a clone, whichever command asks.

    What they name never changes. Refs, settings and fetches are looked at anew, and so is what
    failed: it may have been fetched since.
    """
    known: dict[tuple[Any, ...], subprocess.CompletedProcess[bytes]] = {}
    run_anew = Repository._run

    def run_once(self: Repository, *arguments: str, stdin: bytes = b"", **more: Any) -> Any:
        if not _BY_ID.fullmatch(" ".join(arguments)):
            return run_anew(self, *arguments, stdin=stdin, **more)
        asked = self.path, arguments, stdin
        if asked not in known:
            known[asked] = run_anew(self, *arguments, stdin=stdin, **more)
        return known[asked]

    monkeypatch.setattr(Repository, "_run", run_once)


_BY_ID = re.compile(
    r"(cat-file|diff-tree|log|ls-tree|merge-base) .*"
    r"|rev-parse --verify --end-of-options [0-9a-f]{40}\^\{commit\}"
)
"""Commands that `Repository` runs on object ids alone."""


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[Acme]:
    """Acme, running, with nothing granted yet."""
    with founded(tmp_path) as running:
        yield running
