"""The one clock of all stand-ins. It stands still until it is moved."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class Clock:
    """A settable, thread-safe clock; aware, UTC, never backwards."""

    def __init__(self, start: datetime) -> None:
        self._lock = threading.Lock()
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """Returns the present moment."""
        with self._lock:
            return self._now

    def advance(self, by: timedelta) -> datetime:
        """Moves the clock on and returns the new moment."""
        if by < timedelta(0):
            raise ValueError("the clock never runs backwards")
        with self._lock:
            self._now += by
            return self._now
