from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline.history.lives import governing, grant_id, is_governed, lives
from pipeline.values.grant import Grant, window_of
from pipeline.values.ids import GrantId
from tests.unit.support_values import HOUR, NOON, change, commit

PATH = "access/grants/alice/x.yaml"


def grant(start_hours: float | None = None) -> Grant:
    return Grant(
        id=GrantId("alice/x"),
        path=PATH,
        subject="alice",
        reason="",
        duration=7200,
        access=(),
        start=None if start_hours is None else NOON + start_hours * HOUR,
    )


def test_the_clock_starts_at_the_merge() -> None:
    held = window_of(grant(), merged_at=NOON)
    assert (held.start, held.end) == (NOON, NOON + 2 * HOUR)


def test_a_written_start_starts_the_clock() -> None:
    held = window_of(grant(5), merged_at=NOON)
    assert (held.start, held.end) == (NOON + 5 * HOUR, NOON + 7 * HOUR)


def test_a_window_is_half_open() -> None:
    held = window_of(grant(), merged_at=NOON)
    assert held.contains(held.start)
    assert held.contains(held.end - timedelta(microseconds=1))
    assert not held.contains(held.end)
    assert held.ended(held.end)


def test_a_life_starts_at_its_latest_addition() -> None:
    commits = (
        commit(1, change(PATH)),
        commit(2, change(PATH, "M")),
        commit(3, change(PATH, "D")),
        commit(4, change(PATH)),
        commit(5, change(PATH, "M")),
    )
    first, second = lives(commits)
    assert [step.commit.sha[-1] for step in first.steps] == ["1", "2", "3"]
    assert not first.present
    assert [step.commit.sha[-1] for step in second.steps] == ["4", "5"]
    assert second.present
    assert second.id == "alice/x"


def test_a_file_from_before_the_history_has_no_life() -> None:
    assert lives((commit(1, change(PATH, "M")), commit(2, change(PATH, "D")))) == ()


def test_other_files_have_no_life() -> None:
    assert lives((commit(1, change("access/grants/alice/x.txt"), change("README.md")),)) == ()


@pytest.mark.parametrize(
    "path, governed",
    [
        ("policies/access/decision/decision.rego", True),
        ("access/principals/alice.yaml", True),
        (".github/workflows/apply.yml", True),
        (".github/workflows/notes.md", True),
        ("pipeline/cli/main.py", True),
        ("pyproject.toml", True),
        ("anything/unknown", True),
        ("access/principals/notes.md", True),
        ("access/roles/LICENSE", True),
        ("access/grants/alice/x.yaml", False),
        ("access/grants/alice/notes.md", False),
        ("access/README.md", False),
        ("README.md", False),
        ("tests/unit/test_history.py", False),
        ("LICENSE", False),
    ],
)
def test_whatever_decides_is_governed_and_doubt_governs(path: str, governed: bool) -> None:
    assert is_governed(path) is governed
    found = governing((commit(1, change(path)),))
    assert bool(found) is governed


def test_an_id_comes_from_a_grant_path_only() -> None:
    assert grant_id(PATH) == "alice/x"
    with pytest.raises(ValueError, match="no grant"):
        grant_id("access/roles/aws.yaml")
