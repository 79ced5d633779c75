"""The live grants that a change ends, in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pipeline.judge.ended_grants import EndedGrant

MOST_NAMED = 20
"""Grants that are named; of more, the number is."""


def ended_texts(ends: Sequence[EndedGrant]) -> list[str]:
    """Returns a text for each of *ends*, at most `MOST_NAMED`, and one for all others.

    For example, of a grant of two lines of which one role loses some actions:

        alice/payouts (alice, until 2026-11-20 16:00:00 UTC): less of aws/prod rds-reader
    """
    texts = [
        f"{one.grant} ({one.subject}, until {moment_text(one.end)}): {_what(one)}"
        for one in ends[:MOST_NAMED]
    ]
    more = len(ends) - MOST_NAMED
    return [*texts, f"and {more} more"] if more > 0 else texts


def _what(one: EndedGrant) -> str:
    if one.whole:
        return "all of it"
    return ", ".join(
        f"{'' if line.whole else 'less of '}{line.target} {line.role}" for line in one.lines
    )


def moment_text(moment: datetime) -> str:
    """Returns *moment*, which is in UTC, to the second."""
    return f"{moment.replace(microsecond=0):%Y-%m-%d %H:%M:%S} UTC"
