"""The kinds of golden cases, as plain values; `support_golden` says how each is judged."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipeline.values.canonical import canonical

Files = Mapping[str, str | None]
"""Repository path to text; None takes the file away."""


@dataclass(frozen=True, kw_only=True)
class Merge:
    """One commit of the default branch, before the request."""

    at: datetime
    files: Files
    by: str = "alice"
    proven: bool = True


@dataclass(frozen=True)
class Said:
    """A review of the pull request."""

    who: str
    state: str = "APPROVED"
    minutes_ago: float = 10
    commit: str = "head"
    """`head`, `gone`, or anything else for an older one."""


@dataclass(frozen=True, kw_only=True)
class Pull:
    """A pull request, judged by `Assessor`."""

    name: str
    now: datetime
    changes: Files
    author: str | None = "alice"
    past: Sequence[Merge] = ()
    reviews: Sequence[Said] = ()
    pushers: Sequence[str] = ()
    """Those beside the author."""

    world: str = "acme"
    merged: bool = False
    sound: str = "base"
    """The commit that can stand in: `base`, `first` (before the past) or `none`."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the pull request."""


@dataclass(frozen=True, kw_only=True)
class Offline:
    """A grant, judged with what `suppose` takes for granted."""

    name: str
    now: datetime
    text: str
    path: str
    before: str | None = None
    """The last version, merged an hour ago; None for a new grant."""

    others: Sequence[str] = ()
    """Further grants of the subject, merged now."""

    world: str = "acme"


@dataclass(frozen=True, kw_only=True)
class Damaged:
    """A question of another case, with values put at keys; `DROP` takes them away."""

    name: str
    of: str
    put: Mapping[tuple[str | int, ...], Any]


@dataclass(frozen=True, kw_only=True)
class Live:
    """Grants that are live together, each with the moment of its merge."""

    name: str
    now: datetime
    grants: Sequence[tuple[str, str, datetime]]
    """Path, text, merge."""

    world: str = "acme"


Case = Pull | Offline | Damaged | Live
DROP = object()
"""In place of a value: the key is taken away."""


def commit_of(world: str, past: Sequence[Files]) -> str:
    """Returns the id of the commit that *past* leads to in *world*: the last one's."""
    return sha_of(canonical([world, *(dict(files) for files in past)]))


def sha_of(text: str) -> str:
    """Returns the id under which the test's git keeps *text*."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
