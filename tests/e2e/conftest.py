"""One organisation per test: founding it takes a fraction of a second."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader

from pipeline.policy import rego
from pipeline.policy.engine import PolicyBundle
from tests.e2e.support_world import Acme, founded


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
    """Reads AWS's service descriptions once, and compiles each set of policies once.

    Every command is a process of its own where Daypass is used; here hundreds share one, and
    would spend a fifth of their time on the same files.
    """
    compiled: dict[str, Any] = {}
    compile_anew = rego.compiled_engine

    def compile_once(bundle: PolicyBundle, prefix: str = "") -> Any:
        if threading.current_thread() is not threading.main_thread():
            return compile_anew(bundle, prefix)
        key = f"{prefix} {bundle.digest}"
        if key not in compiled:
            compiled[key] = compile_anew(bundle, prefix)
        return compiled[key]

    read_anew = JSONFileLoader.load_file

    @cache
    def read_once(path: str) -> Any:
        return read_anew(JSONFileLoader(), path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rego, "compiled_engine", compile_once)
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: read_once(path))
        yield


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[Acme]:
    """Acme, running, with nothing granted yet."""
    with founded(tmp_path) as running:
        yield running
