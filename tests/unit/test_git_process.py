"""Processes of git, with a script in place of git."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import ForgeError
from pipeline.forge.git_process import Bounds, GitFailed, GitProcesses, TooSlow


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The file that is run as git."""
    made = tmp_path / "bin" / "git"
    made.parent.mkdir()
    return made


def processes(script: Path, text: str) -> GitProcesses:
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    environment = {"PATH": f"{script.parent}:/usr/bin:/bin", "SECRET": "x"}
    return GitProcesses(script.parent, environment=environment, timeout=60)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[int]:
    """The end to read of the named pipe `pipe`."""
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    yield reading
    os.close(reading)


def test_what_takes_too_long_ends_with_all_that_it_started(
    script: Path, pipe: int, tmp_path: Path
) -> None:
    # The child keeps the pipe open for as long as it lives.
    git = processes(script, f"exec 3> {tmp_path}/pipe\nsleep 600 &\nwait")
    with pytest.raises(TooSlow, match="git fetch took longer than 0.2 s"):
        git.run("fetch", bounds=Bounds(seconds=0.2, size=512))
    assert select.select([pipe], [], [], 30)[0] == [pipe]
    assert os.read(pipe, 1) == b""


def test_no_file_grows_beyond_its_bound(script: Path, tmp_path: Path) -> None:
    git = processes(script, f"exec head -c 5000 /dev/zero > {tmp_path}/pack")
    with pytest.raises(GitFailed):
        git.run("fetch", bounds=Bounds(seconds=60, size=1024))
    # Some shells count in blocks of 1,024.
    assert (tmp_path / "pack").stat().st_size in (1024, 2048)
    git.run("fetch", bounds=Bounds(seconds=60, size=8192))
    assert (tmp_path / "pack").stat().st_size == 5000
    git.run("fetch")


def test_a_bound_does_not_hide_that_git_is_missing(tmp_path: Path) -> None:
    git = GitProcesses(tmp_path, environment={"PATH": str(tmp_path)}, timeout=60)
    with pytest.raises(ForgeError, match="git fetch failed"):
        git.run("fetch", bounds=Bounds(seconds=60, size=512))


def test_secrets_are_in_no_message_and_foreign_names_in_no_environment(script: Path) -> None:
    git = processes(script, 'echo "$SECRET|$LC_ALL|$TOKEN" >&2\nexit 3')
    with pytest.raises(GitFailed) as caught:
        git.run("fetch", extra={"TOKEN": "abc"}, secrets=("abc",))
    assert caught.value.said == "|C|[redacted]"
    assert git.run("fetch", accept=(3,)).returncode == 3
