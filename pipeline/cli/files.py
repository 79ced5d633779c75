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
    lies there already, where a link leads out of *root*, and where the system refuses.
    """
    place = root / path
    # The nearest folder that is there decides where those below it are made.
    there = next(folder for folder in place.parents if os.path.lexists(folder))
    if not there.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"{path} leads out of {root} by a link", hint="remove the link")
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
