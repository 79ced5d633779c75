"""One organisation per test: founding it takes a fraction of a second."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader

from tests.e2e.support_world import Acme, founded
from tests.support_once import compiling_once


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
    read_anew = JSONFileLoader.load_file

    @cache
    def read_once(path: str) -> Any:
        return read_anew(JSONFileLoader(), path)

    with compiling_once(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: read_once(path))
        yield


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[Acme]:
    """Acme, running, with nothing granted yet."""
    with founded(tmp_path) as running:
        yield running
