"""What a subject's history says: other lives, uses of emergency access, what would come back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.grants.commits import MainlineCommit
from pipeline.grants.history import GRANTS, Life, lives, window_of
from pipeline.judge.narrowing import LESS, classify
from pipeline.judge.question import Emergency, OtherLife
from pipeline.judge.sources import Sources
from pipeline.model import Access, Grant, RoleId, Window

LOOK_BACK = timedelta(days=62)
"""How long a life that is over is still told: twice what the policies may sum over
(`limits.sum_within`, at most 30 days), as a grant that is extended began earlier."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """What came before a request for the same subject."""

    lives: tuple[OtherLife, ...] = ()
    emergencies: tuple[Emergency, ...] = ()
    revives: bool = False
    """Whether an earlier life of the same path said exactly the same."""


def past(
    sources: Sources,
    grant: Grant,
    history: Sequence[MainlineCommit],
    *,
    now: datetime,
    reviewed: Collection[tuple[str, str]] = (),
) -> Past:
    """Returns the past of *grant*'s subject as of *now*, by the committer's dates.

    *reviewed* holds the uses of emergency access that were reviewed: grant id, and the commit
    that added it. Proof ties committer dates to within five minutes of the merge. Unproven
    lives count too: doubt makes a sum larger, and a debt, never smaller. Lives that ended
    more than `LOOK_BACK` ago are left out; uses of emergency access never are.
    """
    folder = f"{GRANTS}{grant.subject}/"
    others: list[OtherLife] = []
    emergencies: list[Emergency] = []
    revives = False
    for life in lives(history):
        if not life.path.startswith(folder) or (life.path == grant.path and life.present):
            continue
        said = list(versions(sources, life))
        if not said:
            continue
        revives = revives or said[-1] == grant
        if any(version.emergency for version in said):
            emergencies.append(
                Emergency(
                    grant=life.id,
                    start=life.added.committed_at,
                    reviewed=(life.id, life.added.sha) in reviewed,
                )
            )
        others.extend(
            OtherLife(
                grant=life.id,
                target=line.target,
                role=RoleId(f"{line.target.partition('/')[0]}/{line.role}"),
                window=window,
                added=life.added.committed_at,
            )
            for line, window in _held(sources, life)
            if max(window.end, life.added.committed_at) >= now - LOOK_BACK
        )
    return Past(lives=tuple(others), emergencies=tuple(emergencies), revives=revives)


def versions(sources: Sources, life: Life) -> Iterator[Grant]:
    """Every version of a life that can be read, oldest first."""
    for step in life.steps:
        if step.change.status == "D":
            continue
        parsed = sources.grant_after(step.commit.sha, step.change)
        if parsed is not None and parsed.grant is not None:
            yield parsed.grant


def _held(sources: Sources, life: Life) -> list[tuple[Access, Window]]:
    """When each line of access was or will be held, over all versions of *life*.

    What was narrowed or taken back was held up to then. Any other new version takes nothing
    away here: without its proof the one before it may stand.
    """
    ends: dict[tuple[Access, datetime], datetime] = {}
    last: Grant | None = None
    start = life.added.committed_at
    for step in life.steps:
        parsed = sources.grant_after(step.commit.sha, step.change)
        new = parsed.grant if parsed else None
        if parsed and new is None:
            continue
        if classify(last, new) in LESS:
            ends = {key: min(end, step.commit.committed_at) for key, end in ends.items()}
        if new is None:
            continue
        last = new
        # Leaving `start` out of an edit keeps the one there was.
        window = window_of(new, merged_at=start)
        start = window.start
        for line in new.access:
            key = (line, window.start)
            ends[key] = max(window.end, ends.get(key, window.end))
    return [
        (line, Window(start=first, end=end)) for (line, first), end in ends.items() if first < end
    ]
