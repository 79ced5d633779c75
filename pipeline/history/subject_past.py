"""A subject's history: other lives, uses of emergency access, grants that would come back."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.history.lives import CLOCK_TOLERANCE, GRANTS, Life, Lives
from pipeline.history.sources import Sources
from pipeline.policy.question import Emergency, OtherLife
from pipeline.values.commits import MainlineCommit
from pipeline.values.grant import Access, Grant, Window, window_of
from pipeline.values.grant_change import LESS, classify
from pipeline.values.ids import GrantId

LOOK_BACK = timedelta(days=62)
"""How long a life that is over is still told: twice what the policies may sum over
(`limits.sum_within`, at most 30 days), as a grant that is extended began earlier."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """Everything that came before a request for the same subject."""

    lives: tuple[OtherLife, ...] = ()
    emergencies: tuple[Emergency, ...] = ()
    revives: bool = False
    """Whether an earlier life of the same path said exactly the same."""


def past(
    sources: Sources,
    grant: Grant,
    history: Iterable[MainlineCommit],
    *,
    now: datetime,
    reviewed: Collection[tuple[str, str]] = (),
) -> Past:
    """Returns the past of *grant*'s subject as of *now*, after *history*: see `Memory.past`."""
    memory = Memory(sources)
    for commit in history:
        memory.add(commit)
    return memory.past(grant, now=now, reviewed=reviewed)


class Memory:
    """The history of every subject's grants, taken in commit by commit, oldest first.

    For many questions along one history: what is over is read once.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._lives = Lives()
        self._subjects: dict[str, _Subject] = defaultdict(_Subject)

    def add(self, commit: MainlineCommit) -> None:
        """Tells what *commit* did."""
        for change in commit.changes:
            life = self._lives.add(commit, change)
            if life is not None:
                self._subjects[_folder(life.path)].step(life)

    def past(
        self,
        grant: Grant,
        *,
        now: datetime,
        reviewed: Collection[tuple[str, str]] = (),
    ) -> Past:
        """Returns the past of *grant*'s subject as of *now*, by the committer's dates.

        *reviewed* holds the uses of emergency access that were reviewed: grant id, and the
        commit that added it. Proof ties committer dates to within five minutes of the merge.
        Unproven lives count too: doubt makes a sum larger, and a debt, never smaller. Lives
        that ended more than `LOOK_BACK` ago are left out; uses of emergency access never are.
        """
        subject = self._subjects.get(f"{GRANTS}{grant.subject}/")
        if subject is None:
            return Past()
        subject.read(self._sources)
        present = [told for path, told in subject.present.items() if path != grant.path]
        since = now - LOOK_BACK
        return Past(
            lives=tuple(
                life
                for told in sorted((*subject.over_since(since), *present), key=_order)
                for life in told.held
                if _until(life) >= since
            ),
            emergencies=tuple(
                Emergency(grant=told.grant, start=told.start, reviewed=told.key in reviewed)
                for told in sorted((*subject.emergencies, *present), key=_order)
                if told.emergency
            ),
            revives=grant in subject.said or any(told.said == grant for told in present),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Told:
    """The facts of one life that policies are asked with."""

    grant: GrantId
    commit: str
    """The one that began it."""

    start: datetime
    said: Grant
    """By its last version that can be read."""

    emergency: bool
    held: tuple[OtherLife, ...]

    @property
    def key(self) -> tuple[str, str]:
        return (self.grant, self.commit)


class _Subject:
    """The lives of one subject; those that were not read yet wait."""

    def __init__(self) -> None:
        self.present: dict[str, _Told] = {}
        self.said: set[Grant] = set()
        """The last words of what is over."""

        self.emergencies: list[_Told] = []
        """Of what is over."""

        self._over: list[_Told] = []
        """By `_last`."""

        self._waiting: list[Life] = []
        self._edited: dict[str, Life] = {}

    def step(self, life: Life) -> None:
        self.present.pop(life.path, None)
        self._edited.pop(life.path, None)
        if life.present:
            self._edited[life.path] = life
        else:
            self._waiting.append(life)

    def read(self, sources: Sources) -> None:
        for life in self._waiting:
            told = _told(sources, life)
            if told is not None:
                self.said.add(told.said)
                insort(self._over, told, key=_last)
                if told.emergency:
                    self.emergencies.append(told)
        for path, life in self._edited.items():
            told = _told(sources, life)
            if told is not None:
                self.present[path] = told
        self._waiting.clear()
        self._edited.clear()

    def over_since(self, moment: datetime) -> list[_Told]:
        """Returns what is over of which a part lasted until *moment* or later."""
        return self._over[bisect_left(self._over, moment, key=_last) :]


def _folder(path: str) -> str:
    return f"{GRANTS}{path.removeprefix(GRANTS).partition('/')[0]}/"


def _order(told: _Told) -> tuple[str, datetime]:
    return (told.grant, told.start)


def _until(life: OtherLife) -> datetime:
    return life.window.end if life.added is None else max(life.window.end, life.added)


def _last(told: _Told) -> datetime:
    return max((_until(life) for life in told.held), default=told.start)


def _told(sources: Sources, life: Life) -> _Told | None:
    """Returns what is to be told of *life*; None where no version of it can be read."""
    said = list(readable_versions(sources, life))
    if not said:
        return None
    start = life.added.committed_at
    return _Told(
        grant=life.id,
        commit=life.added.sha,
        start=start,
        said=said[-1],
        emergency=any(version.emergency for version in said),
        held=tuple(
            OtherLife(
                grant=life.id,
                target=line.target,
                role=line.role_id,
                window=window,
                added=start,
            )
            for line, window in _held(sources, life)
        ),
    )


def readable_versions(sources: Sources, life: Life) -> Iterator[Grant]:
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
    away here: without its proof the one before it may stand, so that only what is less than both
    counts as less. Nor does a commit that is dated before the one before it: whoever pushes
    chooses the date.
    """
    ends: dict[tuple[Access, datetime], datetime] = {}
    may_stand: list[Grant] = []
    start = latest = life.added.committed_at
    for step in life.steps:
        parsed = sources.grant_after(step.commit.sha, step.change)
        new = parsed.grant if parsed else None
        if parsed and new is None:
            continue
        at = step.commit.committed_at
        if at >= latest and all(classify(one, new) in LESS for one in may_stand):
            ends = {key: min(end, at) for key, end in ends.items()}
            may_stand.clear()
        latest = max(latest, at)
        if new is None:
            continue
        may_stand.append(new)
        # Leaving `start` out of an edit keeps the one there was.
        window = window_of(new, merged_at=start)
        start = window.start
        for line in new.access:
            key = (line, window.start)
            ends[key] = max(window.end, ends.get(key, window.end))
    return [
        (line, Window(start=first, end=end)) for (line, first), end in ends.items() if first < end
    ]


def latest_end(sources: Sources, life: Life) -> datetime | None:
    """Returns when any window that a proof could give *life* is over; None where no version of it
    is a grant.

    Proof needs a committer date within five minutes of the merge, so no proof is needed here.
    """
    ends = []
    latest = life.added.committed_at + CLOCK_TOLERANCE
    for version in readable_versions(sources, life):
        window = window_of(version, merged_at=latest)
        # Leaving `start` out of an edit keeps the one there was.
        latest = max(latest, window.start)
        ends.append(window.end)
    return max(ends, default=None)
