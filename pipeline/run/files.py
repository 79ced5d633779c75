"""New files in a working tree, never over another."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.errors import UsageError


def is_taken(root: Path, path: str) -> bool:
    """Whether anything lies at a repository path, be it a link that leads nowhere."""
    return os.path.lexists(root / path)


def write_new(root: Path, path: str, text: str) -> None:
    """Writes *text* to a new file at a repository path, and makes the folders above it.

    A write that fails or is interrupted leaves no file. Raises `UsageError` where something
    lies there already, where a folder below *root* is a link, and where the system refuses.
    """
    place = root / path
    # Inside the repository too: `.git` and the workflows lie there.
    for folder in place.parents[: len(Path(path).parts) - 1]:
        if folder.is_symlink():
            raise UsageError(f"{path} leads elsewhere by a link", hint=f"remove {folder}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{place.parent}: {error.strerror}") from error
    try:
        file = place.open("x", encoding="utf-8", newline="\n")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="nothing is overwritten") from error
    try:
        with file:
            file.write(text)
    except BaseException as error:
        place.unlink()
        if isinstance(error, OSError):
            raise UsageError(f"{path}: {error.strerror}") from error
        raise
