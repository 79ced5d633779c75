"""What tests/conftest.py promises: with CI=true nothing is skipped or left out unseen."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
TESTS = {
    "passes": "def test_it():\n    pass\n",
    "skips": "import pytest\n\n\ndef test_it():\n    pytest.skip('why')\n",
    "skips-as-a-whole": "import pytest\n\npytest.skip('why', allow_module_level=True)\n",
    "fails-as-expected": (
        "import pytest\n\n\n@pytest.mark.xfail\ndef test_it():\n    raise ValueError\n"
    ),
    "needs-node": "import pytest\n\n\n@pytest.mark.node\ndef test_it():\n    raise ValueError\n",
}
SKIPPING = ("skips", "skips-as-a-whole")
PASSING = ("passes", "fails-as-expected")
ALONE, ONE_WORKER, TWO_WORKERS = (), ("-n", "1"), ("-n", "2")


def run(
    folder: Path, kinds: Sequence[str], options: Sequence[str], *, ci: bool, path: str | None = None
) -> tuple[int, str]:
    """Runs pytest over a file of tests of each kind; returns its exit code and output.

    The node packages are looked for beside the conftest: in *folder*.
    """
    tests = folder / "tests"
    tests.mkdir(exist_ok=True)
    (tests / "conftest.py").write_bytes(CONFTEST.read_bytes())
    for kind in kinds:
        (tests / f"test_{kind}.py").write_text(TESTS[kind], "utf-8")
    environment = {
        "PATH": os.environ["PATH"] if path is None else path,  # noqa: TID251 - for its tools
        # Of other plugins nothing is promised here, and loading them takes long.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        **({"CI": "true"} if ci else {}),
    }
    # Beside the temporary folders of this run it would tidy up after older ones.
    own = ["-q", "-p", "no:cacheprovider", "-p", "xdist", f"--basetemp={folder / 'temporary'}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *own, *options],
        cwd=tests,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def tools(tmp_path: Path) -> str:
    """A PATH on which every tool is found, and the node packages."""
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "opa").write_text("#!/bin/sh\n", "utf-8")
    (folder / "opa").chmod(0o755)
    modules = tmp_path / "tests" / "node" / "node_modules"
    modules.mkdir(parents=True)
    (modules / ".package-lock.json").write_text("{}", "utf-8")
    return os.pathsep.join([str(folder), os.environ["PATH"]])  # noqa: TID251 - for git and Node


@pytest.mark.parametrize("options", [ALONE, ONE_WORKER], ids=["alone", "on-a-worker"])
def test_each_skip_fails_in_ci_wherever_it_ran(
    tmp_path: Path, tools: str, options: tuple[str, ...]
) -> None:
    ended, said = run(tmp_path, (*SKIPPING, *PASSING), options, ci=True, path=tools)
    assert ended == pytest.ExitCode.TESTS_FAILED, said
    for kind in TESTS:
        assert (f"was skipped: test_{kind}.py" in said) == (kind in SKIPPING), said


def test_what_passes_or_fails_as_expected_passes_in_ci(tmp_path: Path, tools: str) -> None:
    ended, said = run(tmp_path, PASSING, ONE_WORKER, ci=True, path=tools)
    assert (ended, "was skipped" in said) == (0, False), said


@pytest.mark.parametrize("options", [ALONE, TWO_WORKERS], ids=["alone", "on-two-workers"])
def test_elsewhere_a_skip_passes_and_a_missing_tool_is_said(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    ended, said = run(tmp_path, list(TESTS), options, ci=False)
    assert ended == 0, said
    assert "left out: 1 test that need Node.js" in said


def test_a_missing_tool_stops_ci(tmp_path: Path) -> None:
    ended, said = run(tmp_path, ["passes"], ONE_WORKER, ci=True)
    assert ended == pytest.ExitCode.USAGE_ERROR, said
    assert "node is missing" in said
