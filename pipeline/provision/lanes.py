"""The work of several clouds: each has a lane of its own, so that one cannot stop the others.

What an adapter raises although it should not (an answer that nobody foresaw) stays in its lane.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from pipeline.values.ids import Cloud

T = TypeVar("T")


class Lanes(Protocol):
    """Runs the work of every cloud. None of the work raises anything."""

    def __call__(
        self, work: Mapping[Cloud, Callable[[], T]], *, changes: int = 0
    ) -> Mapping[Cloud, T | None]:
        """Returns each result; None for a cloud that did not come to an end in time.

        *changes* is the number of changes to write, which may take longer.
        """


def one_after_another(
    work: Mapping[Cloud, Callable[[], T]], *, changes: int = 0
) -> Mapping[Cloud, T | None]:
    """See `Lanes`: in order, without a deadline."""
    return {cloud: one() for cloud, one in work.items()}
