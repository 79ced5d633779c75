"""Refs as files below `refs/`, read and written as git does, where names and values are plain.

Everything else is left to git: packed and symbolic refs, unusual names, a branch `a` beside a
branch `a/b`. Sources: gitrepository-layout, git-check-ref-format, and the `.lock` files of
git's own lock protocol (api-lockfile).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

_PART = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
_PLAIN = re.compile(rf"refs(?:/{_PART}){{2,}}")
_ID = re.compile(r"[0-9a-f]{40}\n?")


def plain(ref: str) -> bool:
    """Whether git takes *ref* for the name of a ref, beyond doubt."""
    return _PLAIN.fullmatch(ref) is not None and ".lock/" not in f"{ref}/"


def read_refs(repository: Path) -> dict[str, str] | None:
    """Returns every ref with the object it names, by name; None where only git can say."""
    if (repository / "packed-refs").exists():
        return None
    found: dict[str, str] = {}
    for folder, _, names in os.walk(repository / "refs"):
        for name in names:
            file = Path(folder, name)
            text = file.read_text("ascii", "replace")
            if name.endswith(".lock") or not _ID.fullmatch(text):
                return None
            found[file.relative_to(repository).as_posix()] = text[:40]
    return dict(sorted(found.items()))


def write_refs(
    repository: Path, known: Mapping[str, str], changes: Mapping[str, str | None]
) -> bool:
    """Sets, makes or (None) deletes refs of commits, and returns whether that was done.

    Where it was not, nothing has moved, or git moves the same again.
    """
    if (repository / "packed-refs").exists() or not all(map(plain, changes)):
        return False
    after = {ref for ref in {**known, **changes} if changes.get(ref, "") is not None}
    if any(str(above) in after for ref in after for above in Path(ref).parents):
        return False
    if not all(sha or (repository / ref).is_file() for ref, sha in changes.items()):
        return False
    try:
        for ref, sha in changes.items():
            if sha is None:
                (repository / ref).unlink()
            else:
                _write(repository / ref, f"{sha}\n")
    except OSError:
        return False
    return True


def _write(file: Path, text: str) -> None:
    """Writes a file as git does, under its lock. Raises `OSError`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = file.with_name(f"{file.name}.lock")
    with lock.open("x") as opened:
        opened.write(text)
    try:
        lock.replace(file)
    except OSError:
        # Folders that are empty now may lie where the file belongs: git clears them away.
        lock.unlink()
        raise
