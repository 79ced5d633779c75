"""Fixtures that several unit tests use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coverage
import pytest

from pipeline.cli.main import run
from tests.support_once import compiling_once


@pytest.fixture(autouse=True, scope="session")
def compiling_policies_once() -> Iterator[None]:
    """Compiles each set of policies once."""
    with compiling_once():
        yield


@pytest.fixture(autouse=True)
def counting_lines(request: pytest.FixtureRequest) -> Iterator[None]:
    """Lets coverage rest during tests that are `uncounted`: it takes as long as they do."""
    measuring = (
        coverage.Coverage.current() if request.node.get_closest_marker("uncounted") else None
    )
    if measuring is not None:
        measuring.stop()
    yield
    if measuring is not None:
        measuring.start()


@pytest.fixture
def lint_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs `policy lint` over files given by their path below `policies/`."""

    def call(files: dict[str, str], *arguments: str) -> tuple[int, str, str]:
        for path, text in files.items():
            file = tmp_path / "policies" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        code = run(["-C", str(tmp_path), "policy", "lint", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call
