"""When each grant arrived on the default branch, and through which commits: windows from git.

A path may be used again: a life starts at its latest addition. What a window is comes from
the merge, not from the file: start = `start`, or the moment of the merge; end = start +
duration; half-open; UTC.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath

from pipeline.values.commits import MainlineCommit, TreeChange
from pipeline.values.ids import GrantId

GRANTS = "access/grants/"
REVIEWS = "access/reviews/"

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far a committer date may lie from `merged_at`: a commit can carry any date."""

# Everything that decides what the pipeline does is governed; doubt governs. What is left
# out can be changed without touching access.
_UNGOVERNED_FOLDERS = ("tests/",)
_UNGOVERNED_NAMES = ("LICENSE",)
_UNGOVERNED_SUFFIXES = (".md",)
# Of these folders every file is read, whatever its name: one too many is a problem.
_WHOLE = (".github/workflows/", "access/")
_PROSE = "access/README.md"


def is_grant(path: str) -> bool:
    """Whether *path* is a grant file."""
    return path.startswith(GRANTS) and path.endswith(".yaml")


def is_governed(path: str) -> bool:
    """Whether a change of *path* needs proof before anything may be added.

    Policies, catalogue, workflows and the pipeline itself; not grants, which are proven one
    by one, and not prose.
    """
    if path.startswith(GRANTS):
        # A file below grants/ that is no grant could only confuse a reader of the folder.
        return False
    if path.startswith(_WHOLE) and path != _PROSE:
        return True
    name = PurePosixPath(path).name
    return not (
        path.startswith(_UNGOVERNED_FOLDERS)
        or name in _UNGOVERNED_NAMES
        or path.endswith(_UNGOVERNED_SUFFIXES)
    )


def grant_id(path: str) -> GrantId:
    """Returns the id of the grant at *path*, which must be a grant's path."""
    if not is_grant(path):
        raise ValueError(f"{path} is no grant")
    return GrantId(path.removeprefix(GRANTS).removesuffix(".yaml"))


@dataclass(frozen=True, kw_only=True, slots=True)
class LifeStep:
    """One commit of the default branch that touched a grant's file."""

    commit: MainlineCommit
    change: TreeChange


@dataclass(frozen=True, kw_only=True, slots=True)
class Life:
    """One life of a grant's path, from its addition on."""

    path: str
    steps: tuple[LifeStep, ...]
    """Oldest first; the first one adds the file, a removal is always the last."""

    @property
    def id(self) -> GrantId:
        """The grant's id."""
        return grant_id(self.path)

    @property
    def added(self) -> MainlineCommit:
        """The commit that began this life."""
        return self.steps[0].commit

    @property
    def present(self) -> bool:
        """Whether the file is still there."""
        return self.steps[-1].change.status != "D"

    def blob_after(self, commit: str) -> str | None:
        """Returns the file's blob after *commit*, one of this life's; None where it is another's
        or removed the file."""
        return next((s.change.new_blob for s in self.steps if s.commit.sha == commit), None)


class Lives:
    """The lives of grants, told step by step, oldest first.

    A file whose addition was not told has no life here: it cannot be proven, so it gives
    nothing.
    """

    def __init__(self) -> None:
        self._steps: dict[str, list[LifeStep]] = defaultdict(list)

    def add(self, commit: MainlineCommit, change: TreeChange) -> Life | None:
        """Returns the life that *change*, one of *commit*'s, is a step of, up to now."""
        if not is_grant(change.path):
            return None
        steps = self._steps[change.path]
        if change.status == "A":
            steps.clear()
        elif not steps:
            return None
        steps.append(LifeStep(commit=commit, change=change))
        life = Life(path=change.path, steps=tuple(steps))
        if not life.present:
            steps.clear()
        return life


def lives(commits: Iterable[MainlineCommit]) -> tuple[Life, ...]:
    """Returns every life in *commits*, which come oldest first, in order of path and time.

    See `Lives`.
    """
    told = Lives()
    over: list[Life] = []
    present: dict[str, Life] = {}
    for commit in commits:
        for change in commit.changes:
            life = told.add(commit, change)
            if life is None:
                continue
            if life.present:
                present[life.path] = life
            else:
                over.append(life)
                present.pop(life.path, None)
    every = (*over, *present.values())
    return tuple(sorted(every, key=lambda life: (life.path, life.added.committed_at)))


def governing(commits: Iterable[MainlineCommit]) -> tuple[MainlineCommit, ...]:
    """Returns the commits that touched anything governed, in their order."""
    return tuple(commit for commit in commits if any(is_governed(c.path) for c in commit.changes))
