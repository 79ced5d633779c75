"""Reads back what was written, and waits for listings that lag behind."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta

from pipeline.provision.apply import Outcome
from pipeline.provision.verify import Drift, Estate, verify_outcome
from pipeline.values.ids import TargetId

CATCH_UP = 90.0
"""Seconds that one run waits in all for listings to show what was written."""

LISTS_CATCH_UP = 30.0
"""The same for GitHub's lists: a check of a pull request runs moments after the push."""

LISTING_LAG = timedelta(minutes=15)
"""How long a listing may lack what was written.

Microsoft Learn, "Troubleshoot Azure RBAC": changes may take up to ten minutes to be seen.
"""


class Patience:
    """The seconds that one run may still wait, at most *whole* in all."""

    def __init__(self, pause: Callable[[float], None], *, whole: float = CATCH_UP) -> None:
        self._pause = pause
        self._whole = whole
        self._waited = 0.0

    def wait(self) -> bool:
        """Waits longer and longer. Returns False, at once, where no time is left."""
        if self._waited >= self._whole:
            return False
        seconds = min(2.0 + self._waited, self._whole - self._waited)
        self._pause(seconds)
        self._waited += seconds
        return True


def read_back(
    outcome: Outcome,
    after: Estate,
    look: Callable[[Collection[TargetId]], Estate],
    patience: Patience,
) -> tuple[Estate, tuple[Drift, ...]]:
    """Returns what the clouds hold, and where that differs from what the writes reported.

    *after* was listed after the writes. Listings lag behind writes, in Azure by minutes: what
    differs is listed again before it counts as drift.
    """
    while (drift := verify_outcome(outcome, after)) and patience.wait():
        differing = {one.target for one in drift}
        after = after.renewed(differing, look(differing))
    return after, drift
