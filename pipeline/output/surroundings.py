"""Calendars in the window asked for and who is on call: short tables, and values for `--json`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from pipeline.output.text import table
from pipeline.policy_tools.setting_names import CALENDARS, ROTATIONS
from pipeline.policy_tools.surroundings import Duty, Opening, Surroundings
from pipeline.values.canonical import timestamp
from pipeline.values.grant import Window

_MANY = 3


def surroundings_lines(told: Surroundings, kinds: Collection[str], *, subject: str) -> list[str]:
    """Returns tables of those *kinds*, `calendars` and `rotations`, that are named for the
    grant; where none is named for any grant, of all."""
    lines: list[str] = []
    if CALENDARS in kinds:
        lines += _calendars(told)
    if ROTATIONS in kinds:
        lines += _rotations(told, subject)
    return lines


def _calendars(told: Surroundings) -> Iterator[str]:
    every = CALENDARS not in told.anything_named
    shown = [one for one in told.openings if one.named or every]
    if shown:
        header = ("CALENDAR", f"FROM {_span(told.window)}")
        yield from table(header, [(one.name, _opening(one, told.window)) for one in shown])
        if told.known_until < told.window.end:
            yield f"calendars are known up to {timestamp(told.known_until)} only"
    else:
        yield _none(told.openings, "calendar")


def _rotations(told: Surroundings, subject: str) -> Iterator[str]:
    every = ROTATIONS not in told.anything_named
    shown = [one for one in told.duties if one.named or every]
    if shown:
        yield from table(
            ("ROTATION", "ON CALL NOW"), [(one.name, _duty(one, subject)) for one in shown]
        )
    else:
        yield _none(told.duties, "rotation")


def _none(found: Collection[Opening] | Collection[Duty], word: str) -> str:
    if not found:
        return f"there is no {word}"
    return f"of {len(found)} {word}{'' if len(found) == 1 else 's'} none is named for this grant"


def _opening(one: Opening, window: Window) -> str:
    if one.open is None:
        return "unknown, neither open nor free: it is not in access/calendars"
    if not one.open:
        return "closed"
    if one.open == (window,):
        return "open all the time"
    more = len(one.open) - _MANY
    spans = ", ".join(_span(part) for part in one.open[:_MANY])
    return f"open {spans}{f' and {more} more times' if more > 0 else ''}"


def _duty(one: Duty, subject: str) -> str:
    if not one.known:
        return "unknown: it is not in access/oncall"
    if one.principal is None:
        return "nobody yet"
    return f"{one.principal}, the subject" if one.principal == subject else one.principal


def _span(window: Window) -> str:
    return f"{timestamp(window.start)} to {timestamp(window.end)}"


def surroundings_document(told: Surroundings, *, subject: str) -> dict[str, Any]:
    """Returns all of it as tools read it, what is not named for the grant too."""
    return {
        "window": _window(told.window),
        "calendars_known_until": timestamp(told.known_until),
        "calendars": [
            {
                "name": one.name,
                "named": one.named,
                "known": one.open is not None,
                "open": [_window(part) for part in one.open or ()],
            }
            for one in told.openings
        ],
        "on_call": [
            {
                "rotation": one.name,
                "named": one.named,
                "known": one.known,
                "principal": one.principal,
                "subject": one.principal == subject,
            }
            for one in told.duties
        ],
    }


def _window(window: Window) -> dict[str, str]:
    return {"start": timestamp(window.start), "end": timestamp(window.end)}
