"""What the README shows for the sandbox is run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
SECTION = README.read_text("utf-8").partition("### Your first grant")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"^```sh run\n(.*?)^```$", SECTION, re.M | re.S)
IN_WORDS = re.findall(r"`((?:acme|person) [^`]+)`", SECTION)


@pytest.fixture
def playground(tmp_path: Path) -> Iterator[Path]:
    """The first block, started: its script sets up an environment, which is here already."""
    (start,) = BLOCKS[0].splitlines()
    script, *arguments = start.split()
    assert script == "./scripts/demo"
    running = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "demo", *arguments],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stderr
    for line in running.stderr:
        if "acme status" in line:
            break
    yield tmp_path
    running.terminate()
    running.communicate(timeout=20)


def sh(script: str, folder: Path) -> str:
    done = subprocess.run(
        ["sh", "-euc", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (script, done.stdout, done.stderr)
    return done.stdout


def test_the_first_grant_takes_at_most_five_commands() -> None:
    assert sum(len(block.splitlines()) for block in BLOCKS) <= 5


def test_every_command_of_the_first_grant_does_what_it_says(playground: Path) -> None:
    said = sh(BLOCKS[1], playground)
    assert "alice opened #1" in said
    assert "#1: allowed" in said
    assert "+ gcp/sandbox-dev log-viewer alice until" in said
    functions = BLOCKS[1].splitlines()[0]
    status, later, expire = IN_WORDS
    assert "live" in sh(f"{functions}\n{status}", playground)
    sh(f"{functions}\n{later}", playground)
    assert "#2 retires" in sh(f"{functions}\n{expire}", playground)


def test_a_corrected_file_goes_to_the_same_pull_request(playground: Path) -> None:
    functions = BLOCKS[1].splitlines()[0]
    mine = playground / "playground" / "mine.yaml"
    good = mine.read_text("utf-8")
    mine.write_text(good.replace("duration: ", "duration: 99"), "utf-8")
    ask = f"{functions}\nperson alice request playground/mine.yaml"
    assert "alice opened #1" in sh(ask, playground)
    mine.write_text(good, "utf-8")
    assert "to #1" in sh(ask, playground)
    assert "#1: allowed" in sh(f"{functions}\nacme check --pr 1", playground)
    refused = subprocess.run(
        ["sh", "-c", ask], cwd=playground, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "nothing to commit" in refused.stderr
