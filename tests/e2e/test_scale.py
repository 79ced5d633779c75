"""A run's cost grows with what changed, not with how many grants there are."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.support_world import RECORD, Acme, grant


@pytest.fixture
def git_asked_once() -> None:
    """Nothing, in place of what other files have: here git's processes are counted."""


@contextmanager
def git_processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    started: list[Any] = []
    real = subprocess.run

    def counted(*arguments: Any, **more: Any) -> Any:
        # The stand-in of GitHub starts git as well, from a path.
        if arguments[0][0] == "git":
            started.append(arguments[0])
        return real(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.forge.git_process.subprocess.run", counted)
        yield started


def test_a_run_without_changes_starts_as_many_processes_for_six_grants_as_for_two(
    acme: Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    for numbers in ((0, 1), (2, 3, 4, 5)):
        for number in numbers:
            subject = ("alice", "erin")[number % 2]
            acme.landed(subject, f"{subject}/logs-{number}", grant(subject))
        assert acme.apply().code == 0
        with git_processes(monkeypatch) as started:
            again = acme.apply()
        assert (again.code, again.said["results"]) == (0, [])
        counts.append(len(started))
    assert counts[0] == counts[1] > 0


def test_the_writers_of_the_record_are_asked_about_once_however_long_it_is(
    acme: Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Six commits are two pages of what is new; the record grows far beyond.
    monkeypatch.setattr("pipeline.forge.github_api.PER_PAGE", 3)
    counts = []
    for number in range(5):
        acme.landed("alice", f"alice/logs-{number}", grant(duration="30m"))
        assert acme.apply().code == 0
        before = acme.world.github.count("repos/list-commits")
        assert acme.apply().code == 0
        counts.append(acme.world.github.count("repos/list-commits") - before)
    length = len(acme.git("alice", "rev-list", acme.tip(RECORD)).splitlines())
    assert length > 12
    assert max(counts) <= 2
    assert counts[-1] == counts[-2]
    assert acme.daypass("audit", "verify").code == 0
