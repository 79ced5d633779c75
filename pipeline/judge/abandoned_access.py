"""Access that a change of the targets would leave behind, where nobody looks any more.

What is held is listed target by target. Where a target is struck off, or its name comes to mean
another account, what was given there stays to its own end, whatever becomes of its grant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from pipeline.history.branch_files import at_top
from pipeline.history.lives import lives
from pipeline.history.sources import Sources
from pipeline.history.subject_past import latest_end, readable_versions
from pipeline.values.canonical import timestamp
from pipeline.values.catalogue import Target
from pipeline.values.commits import MainlineCommit
from pipeline.values.ids import TargetId
from pipeline.values.problem import Problem

CLEANING = timedelta(hours=1)
"""How long a grant that was deleted may still be held: runs clean up within that."""


def left_behind(
    sources: Sources,
    history: Sequence[MainlineCommit],
    *,
    before: Mapping[TargetId, Target],
    after: Mapping[TargetId, Target],
    now: datetime,
) -> tuple[Problem, ...]:
    """Returns a problem for each target of *before* that *after* lacks, or has elsewhere, while
    a grant of *history* may be held there after *now*."""
    gone = {
        name: target
        for name, target in before.items()
        if name not in after or after[name].locator != target.locator
    }
    if not gone:
        return ()
    held: dict[TargetId, list[tuple[datetime, str]]] = {}
    for life in lives(history):
        end = latest_end(sources, life)
        if end is not None and not life.present:
            end = min(end, life.steps[-1].commit.committed_at + CLEANING)
        if end is None or end <= now:
            continue
        named = {line.target for one in readable_versions(sources, life) for line in one.access}
        for target in named & gone.keys():
            held.setdefault(target, []).append((end, life.id))
    return tuple(
        at_top(
            f"access/targets/{gone[target].cloud}.yaml",
            "target-in-use",
            f"{target} at {gone[target].locator} is struck off or moved, where access would be "
            f"left behind: until {timestamp(max(uses)[0])} by "
            f"{', '.join(sorted(name for _, name in uses))}; delete these grants and wait, an "
            "hour at most",
        )
        for target, uses in sorted(held.items())
    )
