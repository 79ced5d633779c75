"""Circumstances of a request by the catalogue: open calendars, who is on call, standing access."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypedDict

from pipeline.grants.calendar import calendars_for, on_call
from pipeline.policy.question import Calendars
from pipeline.values.catalogue import Catalogue, StandingAccess
from pipeline.values.grant import Window

HORIZON = timedelta(days=35)
"""How far around a moment calendars are worked out: longer than any window may be away."""


class Circumstances(TypedDict):
    """By the names that `question.input_document` takes."""

    on_call: frozenset[str]
    standing: tuple[StandingAccess, ...]
    calendars: Calendars


def circumstances(
    catalogue: Catalogue, subject: str, *, window: Window | None, now: datetime
) -> Circumstances:
    """Returns the circumstances of a request for *subject*, as of *now*.

    Calendars are known from the earlier of *now* and the window's start up to the window's
    end, at most `HORIZON` away: what reaches further is neither covered nor free.
    """
    start, end = now, now + timedelta(seconds=1)
    if window is not None:
        start = max(min(now, window.start), now - HORIZON)
        end = max(end, min(window.end, now + HORIZON))
    return Circumstances(
        on_call=frozenset(
            name
            for name, person in on_call(catalogue.rotations, at=now).items()
            if person == subject
        ),
        standing=tuple(catalogue.standing.get(subject, ())),
        calendars=Calendars(
            start=start,
            end=end,
            open=calendars_for(catalogue, start=start, end=end),
        ),
    )
