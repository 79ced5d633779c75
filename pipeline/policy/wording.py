"""From the values a rule gives to a sentence for people. Policies format nothing themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pipeline.reading.duration import format_duration
from pipeline.values.canonical import timestamp

Value = str | int | bool | None | tuple[str, ...]
"""What a rule may say beside its code."""

_PLACEHOLDER = re.compile(r"\{([a-z_]+)(?::(duration|time|list))?\}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAR = 200_000_000_000


def word(template: str, values: Mapping[str, Value]) -> str:
    """Returns *template* with each `{name}` replaced by the value of that name.

    `{name:duration}` words seconds, `{name:time}` epoch seconds as UTC, `{name:list}` texts.
    A value that is missing or of another type is shown as it is, or as `nothing`: a sentence
    about a violation never fails. Values are inserted once and never read as templates.
    """
    return _PLACEHOLDER.sub(lambda found: _show(values.get(found[1]), found[2]), template)


def word_as(template: str, name: str, value: Value) -> str:
    """Returns *value* as *template* words the value of that name."""
    form = next((found[2] for found in _PLACEHOLDER.finditer(template) if found[1] == name), None)
    return _show(value, form)


def placeholders(template: str) -> tuple[frozenset[str], frozenset[str]]:
    """Returns the names that *template* words, and what looks like a name and would stay."""
    names = frozenset(found[1] for found in _PLACEHOLDER.finditer(template))
    rest = _PLACEHOLDER.sub("", template)
    return names, frozenset(re.findall(r"\{[^}]*\}?", rest))


def _show(value: Value, form: str | None) -> str:
    match value:
        case None | "" | ():
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() if form == "duration" and value >= 0:
            return format_duration(value)
        case int() if form == "time" and 0 <= value < _FAR:
            return timestamp(_EPOCH + timedelta(seconds=value))
        case tuple():
            return ", ".join(value)
        case _:
            return str(value)
