"""Grants past their window: which may be retired now, and the revert that retires them.

The clouds ended the access already. A grant is retired, its file deleted by a revert pull
request, only once the clouds read back as clean.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.history.lives import Life, grant_id
from pipeline.values.binding import Binding
from pipeline.values.canonical import digest
from pipeline.values.ids import GrantId, TargetId
from pipeline.values.live import LiveGrant

BRANCH_PREFIX = "daypass/expire-"


def ended(grants: Iterable[LiveGrant], *, now: datetime) -> tuple[LiveGrant, ...]:
    """Returns the grants whose window is over at *now*, in order of their end."""
    over = [one for one in grants if one.window.ended(now)]
    return tuple(sorted(over, key=lambda one: (one.window.end, one.grant.id)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Retirement:
    """The grants that an expire run may delete, and those that wait."""

    ready: tuple[str, ...]
    """Paths, sorted."""

    waiting: tuple[tuple[GrantId, str], ...]
    """Grants that lapsed but cannot be retired yet, with the reason."""

    def branch(self, nonce: str) -> str:
        """Returns the branch of the revert.

        The *nonce* keeps anyone from opening a pull request from that name first, which would
        then be theirs and wait for an owner.
        """
        return f"{BRANCH_PREFIX}{digest(list(self.ready))[:12]}-{nonce}"

    def put_off(self, why: str) -> Retirement:
        """Returns this with every grant waiting because of *why* that would be ready."""
        waiting = (*self.waiting, *((grant_id(path), why) for path in self.ready))
        return Retirement(ready=(), waiting=tuple(sorted(waiting)))


def retire(
    lapsed: Sequence[Life],
    *,
    held: Iterable[Binding],
    unreachable: Mapping[TargetId, str],
    targets_of: Mapping[GrantId, Collection[TargetId]],
    already_open: Collection[str] = (),
) -> Retirement:
    """Returns which *lapsed* grants can be retired.

    A grant waits while any binding in *held* names it, and while one of its targets was
    *unreachable*: only what reads back as gone is gone. Paths in *already_open* are being
    deleted by an open pull request.
    """
    still: dict[GrantId, list[str]] = {}
    for binding in held:
        for grant in binding.grants:
            still.setdefault(grant, []).append(f"{binding.target} still holds {binding.key}")
    ready: list[str] = []
    waiting: list[tuple[GrantId, str]] = []
    for life in lapsed:
        down = [
            f"{target} could not be read: {unreachable[target]}"
            for target in sorted(targets_of.get(life.id, unreachable.keys()))
            if target in unreachable
        ]
        if reasons := still.get(life.id, []) + down:
            waiting.append((life.id, "; ".join(sorted(reasons))))
        elif life.path not in already_open:
            ready.append(life.path)
    return Retirement(ready=tuple(sorted(ready)), waiting=tuple(sorted(waiting)))


def revert_text(paths: Sequence[str], *, missed: Collection[str] = ()) -> tuple[str, str]:
    """Returns title and body of the pull request that deletes *paths*; of those *missed* nothing
    was ever given."""
    count = len(paths)
    title = f"Retire {count} lapsed grant{'' if count == 1 else 's'}"
    given = [path for path in paths if path not in missed]
    others = [path for path in paths if path in missed]
    said = []
    for text, some in (
        ("The clouds ended this access at its time; every binding was read back as gone.", given),
        ("Nothing was given of these: their time was over before a run could give it.", others),
    ):
        if some:
            said.append("\n".join([text, "", *(f"- `{path}`" for path in some)]))
    kept = "Deleting the files keeps the folder to what is live; history keeps the rest."
    return title, "\n\n".join([*said, kept]) + "\n"
