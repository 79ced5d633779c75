"""GitHub's answers, read strictly: what is missing or of another type is a `ForgeError`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pipeline.errors import ForgeError
from pipeline.values.pull_request import Actor

GHOST = 10137
"""Id of https://github.com/ghost, who stands in for every deleted account."""


def value_at(data: Any, *keys: str) -> Any:
    """Returns whatever is at *keys*, which must be there."""
    for key in keys:
        if not isinstance(data, dict) or key not in data:
            raise ForgeError(f"GitHub's answer lacks {'.'.join(keys)}")
        data = data[key]
    return data


def text_at(data: Any, *keys: str) -> str:
    """Returns the text at *keys*, which must be there."""
    value = value_at(data, *keys)
    if not isinstance(value, str):
        raise ForgeError(f"GitHub's answer has no text as {'.'.join(keys)}")
    return value


def number_at(data: Any, *keys: str) -> int:
    """Returns the whole number at *keys*, which must be there."""
    value = value_at(data, *keys)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ForgeError(f"GitHub's answer has no number as {'.'.join(keys)}")
    return value


def moment_at(data: Any, *keys: str) -> datetime:
    """Returns the time at *keys*, aware."""
    text = text_at(data, *keys)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ForgeError(f"GitHub's answer has no time as {'.'.join(keys)}") from error
    if moment.tzinfo is None:
        raise ForgeError(f"GitHub's time at {'.'.join(keys)} has no offset")
    return moment


def actor_of(data: Any) -> Actor | None:
    """Returns the account, or None where it was deleted."""
    if data is None:
        return None
    actor = Actor(
        id=number_at(data, "id"), login=text_at(data, "login"), type=text_at(data, "type")
    )
    return None if actor.id == GHOST else actor
