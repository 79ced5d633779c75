"""What a change of the targets would leave behind, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from pipeline.grants.parse import Parsed, parse_grant
from pipeline.history.sources import Sources
from pipeline.judge.abandoned_access import left_behind
from pipeline.values.catalogue import Target
from pipeline.values.commits import MainlineCommit, TreeChange
from pipeline.values.ids import Cloud, TargetId
from tests.unit.support_values import HOUR, NOON, change, commit

PATH = "access/grants/alice/x.yaml"
PROD, LOGS = TargetId("gcp/prod"), TargetId("gcp/logs")
BEFORE = {
    name: Target(
        id=name, cloud=Cloud.GCP, name=name.partition("/")[2], locator=f"at-{name[4:]}",
        environment="prod",
    )
    for name in (PROD, LOGS)
}  # fmt: skip
MINUTE = timedelta(minutes=1)


def text(*targets: str, duration: str = "2h", start: str = "") -> bytes:
    lines = "".join(f"  - target: {name}\n    role: reader\n" for name in targets)
    said = f"subject: alice\nreason: Because of it\nduration: {duration}\n{start}"
    return f"{said}access:\n{lines}".encode()


TEXTS = {
    "both": text(PROD, LOGS),
    "logs": text(LOGS),
    "short": text(PROD, duration="30m"),
    "later": text(PROD, start="start: 2026-11-21T12:00:00Z\n"),
    "odd": b"subject: [",
}


class Texts:
    """Sources that hold texts by the blob's name."""

    def grant_after(self, commit: str, change: TreeChange) -> Parsed | None:
        if change.new_blob is None:
            return None
        return parse_grant(TEXTS[change.new_blob], path=change.path)


def told(
    *history: MainlineCommit,
    after: Mapping[TargetId, Target],
    ago: timedelta = timedelta(),
) -> list[str]:
    found = left_behind(cast(Sources, Texts()), history, before=BEFORE, after=after, now=NOON + ago)
    assert {one.code for one in found} <= {"target-in-use"}
    return [one.message for one in found]


STRUCK = {LOGS: BEFORE[LOGS]}
MOVED = {**BEFORE, PROD: replace(BEFORE[PROD], locator="at-another")}
SAME = {
    **BEFORE,
    PROD: replace(BEFORE[PROD], environment="dev", owners=("leads",), tags=(("a", "b"),)),
}


@pytest.mark.parametrize("after", [STRUCK, MOVED])
def test_a_target_that_a_running_grant_names_stays_where_it_is(
    after: Mapping[TargetId, Target],
) -> None:
    (message,) = told(commit(0, change(PATH, blob="both")), after=after)
    assert message.startswith("gcp/prod at at-prod is struck off or moved")
    assert "by alice/x" in message


def test_everything_else_of_a_target_may_change_and_others_may_go() -> None:
    both = commit(0, change(PATH, blob="both"))
    assert told(both, after=SAME) == []
    assert told(commit(0, change(PATH, blob="logs")), after=STRUCK) == []
    assert told(after={}) == []


def test_what_is_over_by_its_own_dates_holds_up_nothing() -> None:
    both = commit(0, change(PATH, blob="both"))
    # A commit may be five minutes older than its merge.
    over = both.committed_at - NOON + 2 * HOUR + 5 * MINUTE
    assert told(both, after=STRUCK, ago=over - MINUTE)
    assert told(both, after=STRUCK, ago=over) == []


def test_what_was_deleted_holds_it_up_for_an_hour() -> None:
    both, gone = commit(0, change(PATH, blob="both")), commit(1, change(PATH, "D"))
    cleaned = gone.committed_at - NOON + HOUR
    assert told(both, gone, after=STRUCK, ago=cleaned - MINUTE)
    assert told(both, gone, after=STRUCK, ago=cleaned) == []


def test_every_version_counts_and_one_still_to_come() -> None:
    wide, narrow = commit(0, change(PATH, blob="both")), commit(1, change(PATH, "M", blob="logs"))
    assert told(wide, narrow, after=STRUCK)
    short = commit(1, change(PATH, "M", blob="short"))
    assert told(wide, short, after=STRUCK, ago=HOUR)
    assert told(commit(0, change(PATH, blob="later")), after=STRUCK, ago=24 * HOUR)
    assert told(commit(0, change(PATH, blob="odd")), after=STRUCK) == []


def test_all_targets_and_all_who_are_there_are_told() -> None:
    other = "access/grants/alice/y.yaml"
    history = [commit(0, change(PATH, blob="both")), commit(1, change(other, blob="short"))]
    first, second = told(*history, after={})
    assert first.startswith("gcp/logs")
    assert "by alice/x;" in first
    assert "by alice/x, alice/y;" in second
