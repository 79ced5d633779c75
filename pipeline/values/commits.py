"""Git's history as values: what a commit on the mainline changed, what a tree holds.

Nothing here starts git; `pipeline.forge.git` fills these in, pure steps read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

ABSENT_MODE = "000000"
"""The mode that git writes for the side on which a path does not exist."""

FILE_MODE = "100644"
"""A plain file. Anything else (executable, symlink, submodule) is no data file of ours."""

EXECUTABLE_MODE = "100755"
SYMLINK_MODE = "120000"
SUBMODULE_MODE = "160000"


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class TreeChange:
    """One path that differs between two trees. A rename is a removal and an addition."""

    path: str
    """From the repository's root. Bytes that are no UTF-8 stay as lone surrogates."""

    status: str
    """`A` added, `M` modified, `D` deleted, `T` type changed (file, symlink, submodule)."""

    old_mode: str
    """Six octal digits: `100644`, `120000`, `160000`; `000000` where the path was absent."""

    new_mode: str
    old_blob: str | None
    """Object id before; a submodule's is a commit. None where the path was absent."""

    new_blob: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class MainlineCommit:
    """One first-parent commit with everything that it changed against its first parent."""

    sha: str
    parents: tuple[str, ...]
    """In git's order; empty for a root, whose changes are then against the empty tree."""

    committed_at: datetime
    """The committer date, aware, UTC. Whoever makes a commit chooses it freely."""

    changes: tuple[TreeChange, ...]
    """In git's order, which is by path bytes."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class TreeEntry:
    """One leaf of a tree."""

    path: str
    mode: str
    kind: str
    """`blob` or `commit` (a submodule)."""

    blob: str
    """Object id."""

    size: int | None
    """Bytes; None for a submodule. Of a blob that a partial fetch left out, the least that it
    may have."""
