"""Lanes that run side by side, each within a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from pipeline.values.ids import Cloud

T = TypeVar("T")

LOOK_SECONDS = 90.0
"""Seconds that one cloud may take to list all of its targets, or for the first change."""

CHANGE_SECONDS = 5.0
"""Seconds more for each change to write."""


class SideBySide:
    """Runs the work of every cloud in a thread of its own; see `Lanes`.

    A cloud that accepts and never answers, or drips, is left behind at its deadline. Its thread
    cannot be stopped, so it ends with the process: what it still does is read back by the next
    run.
    """

    def __init__(self, *, look: float = LOOK_SECONDS, per_change: float = CHANGE_SECONDS) -> None:
        self._look = look
        self._per_change = per_change

    def __call__(
        self, work: Mapping[Cloud, Callable[[], T]], *, changes: int = 0
    ) -> Mapping[Cloud, T | None]:
        """Returns each result; None for a cloud that did not come to an end in time.

        Raises what is no `Exception` (somebody ends the process) once all others are done.
        """
        done: dict[Cloud, T] = {}
        ended: list[BaseException] = []

        def carry_out(cloud: Cloud, one: Callable[[], T]) -> None:
            try:
                done[cloud] = one()
            except BaseException as error:  # the work raises nothing: the process shall end
                ended.append(error)

        threads = [
            threading.Thread(target=carry_out, args=(cloud, one), daemon=True, name=f"{cloud}")
            for cloud, one in work.items()
        ]
        for thread in threads:
            thread.start()
        ends = time.monotonic() + self._look + changes * self._per_change
        for thread in threads:
            thread.join(max(0.0, ends - time.monotonic()))
        if ended:
            raise ended[0]
        return {cloud: done.get(cloud) for cloud in work}
