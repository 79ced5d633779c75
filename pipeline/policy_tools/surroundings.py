"""The calendars and people on call that policies were asked with, for people who ask why.

Policies are told of every calendar, and of the subject's rotations only. Here each calendar is
cut down to the window asked for, each rotation has its person, and what nothing names for
this grant is told apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.grants.calendar import on_call
from pipeline.policy.engine import PolicyBundle
from pipeline.policy.rego_text import read_module
from pipeline.policy_tools.setting_names import CALENDARS, ROTATIONS, named, named_for
from pipeline.values.catalogue import Catalogue
from pipeline.values.grant import Window


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """One calendar in the window asked for."""

    name: str
    named: bool
    """Whether settings name it for the grant, or a rule in its text."""

    open: tuple[Window, ...] | None
    """Clipped to the window; None where there is no such calendar."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Duty:
    """The person on call in one rotation."""

    name: str
    named: bool
    known: bool
    """Whether there is such a rotation."""

    principal: str | None
    """None before its first handover."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """Calendars and rotations by name, those that are named and do not exist included."""

    window: Window
    known_until: datetime
    """Beyond it calendars are neither open nor free."""

    openings: tuple[Opening, ...]
    duties: tuple[Duty, ...]
    anything_named: frozenset[str]
    """`calendars`, `rotations`: those of which settings or rules name any at all."""


def surroundings(
    document: Mapping[str, Any], catalogue: Catalogue, bundle: PolicyBundle
) -> Surroundings:
    """Returns the surroundings of the question *document*, which tells window and calendars."""
    window, calendars = _window(document["window"]), document["calendars"]
    settings = bundle.data.get("settings")
    said = {
        str(word.value)
        for path, text in bundle.modules.items()
        for word in read_module(path, text).tokens
    }
    known: dict[str, set[str]] = {
        CALENDARS: set(calendars["open"]),
        ROTATIONS: set(catalogue.rotations),
    }
    given = named_for(settings, document["bindings"])
    # A rule may name one itself.
    here = {kind: given[kind] | said & known[kind] for kind in known}
    anywhere = named(settings)
    people = on_call(catalogue.rotations, at=_moment(document["now"]))
    return Surroundings(
        window=window,
        known_until=_moment(calendars["end"]),
        openings=tuple(
            Opening(
                name=name,
                named=name in here[CALENDARS],
                open=_meeting(calendars["open"].get(name), window),
            )
            for name in sorted(known[CALENDARS] | here[CALENDARS])
        ),
        duties=tuple(
            Duty(
                name=name,
                named=name in here[ROTATIONS],
                known=name in known[ROTATIONS],
                principal=people.get(name),
            )
            for name in sorted(known[ROTATIONS] | here[ROTATIONS])
        ),
        anything_named=frozenset(kind for kind in known if anywhere[kind] | here[kind]),
    )


def _meeting(intervals: list[dict[str, int]] | None, window: Window) -> tuple[Window, ...] | None:
    if intervals is None:
        return None
    found = (_window(one) for one in intervals)
    return tuple(
        Window(start=max(one.start, window.start), end=min(one.end, window.end))
        for one in found
        if one.start < window.end and window.start < one.end
    )


def _window(told: Mapping[str, int]) -> Window:
    return Window(start=_moment(told["start"]), end=_moment(told["end"]))


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
