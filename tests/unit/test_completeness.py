"""What tests/conftest.py promises: with CI=true nothing is skipped or left out unseen."""

from __future__ import annotations

import os
import subprocess
import sys
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
}


def run(
    folder: Path, kind: str, *options: str, ci: bool, path: str | None = None
) -> tuple[int, str]:
    """Runs pytest over one file of tests in *folder*; returns its exit code and output."""
    (folder / "conftest.py").write_bytes(CONFTEST.read_bytes())
    (folder / "test_one.py").write_text(TESTS[kind], "utf-8")
    (folder / "test_two.py").write_text(TESTS["passes"], "utf-8")
    environment = {
        "PATH": os.environ["PATH"] if path is None else path,  # noqa: TID251 - for its tools
        **({"CI": "true"} if ci else {}),
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def tools(tmp_path: Path) -> str:
    """A PATH on which every tool is found."""
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "opa").write_text("#!/bin/sh\n", "utf-8")
    (folder / "opa").chmod(0o755)
    return os.pathsep.join([str(folder), os.environ["PATH"]])  # noqa: TID251 - for git and Node


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "on-two-workers"])
@pytest.mark.parametrize("kind, code", [("skips", 1), ("skips-as-a-whole", 1), ("passes", 0)])
def test_a_skip_fails_in_ci_wherever_it_ran(
    tmp_path: Path, tools: str, kind: str, code: int, options: tuple[str, ...]
) -> None:
    # The node packages are looked for beside the conftest.
    (tmp_path / "tests" / "node" / "node_modules").mkdir(parents=True)
    (tmp_path / "tests" / "node" / "node_modules" / ".package-lock.json").write_text("{}", "utf-8")
    folder = tmp_path / "tests"
    ended, said = run(folder, kind, *options, ci=True, path=tools)
    assert (ended, "was skipped: test_one.py" in said) == (code, bool(code)), said
    assert run(folder, kind, *options, ci=False, path=tools)[0] == 0


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "on-two-workers"])
def test_a_missing_tool_stops_ci_and_is_said_elsewhere(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    TESTS["needs-node"] = (
        "import pytest\n\n\n@pytest.mark.node\ndef test_it():\n    raise ValueError\n"
    )
    ended, said = run(folder, "needs-node", *options, ci=False)
    assert ended == 0, said
    assert "left out: 1 test that need Node.js" in said
    ended, said = run(folder, "needs-node", *options, ci=True)
    assert ended == pytest.ExitCode.USAGE_ERROR, said
    assert "node is missing" in said
