"""The interface of a cloud: list what is ours, and carry out changes.

Reading and writing are different objects, so that a job with read credentials cannot even
construct a writer. Adapters translate their SDK's errors into `CloudError` with its cause.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pipeline.values.binding import Binding, BindingChange
from pipeline.values.catalogue import Target
from pipeline.values.ids import Cloud, TargetId


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreign:
    """A binding that is not ours, or claims to be and is not: reported, never changed."""

    target: TargetId
    handle: str
    why: str
    """`no mark`, or what about the mark does not hold."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """The bindings of one cloud in the targets that were asked about."""

    cloud: Cloud
    bindings: tuple[Binding, ...]
    """Ours only, sorted by identity. Includes those past their end."""

    foreign: tuple[Foreign, ...] = ()
    """Only what lies where ours would (path, title prefix, same principal and role)."""

    unreachable: tuple[tuple[TargetId, str], ...] = ()
    """Targets that could not be listed in full, with the reason: nothing is changed there."""

    refused: frozenset[TargetId] = frozenset()
    """Those of *unreachable* that said no, as a closed account does: no outage, which passes."""


class CloudReader(Protocol):
    """Lists what carries our mark, in bulk: never one call per grant."""

    cloud: Cloud

    def observe(self, targets: Sequence[Target], *, now: datetime) -> Observation:
        """Returns what the *targets* hold.

        A target that fails lands in `unreachable`; nothing is raised for it.
        """


class Status(StrEnum):
    """The three ways in which a change can come out."""

    DONE = "done"
    PENDING = "pending"
    """Accepted, to take effect by itself later (Azure refuses removals for five minutes)."""

    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One change and how it came out."""

    change: BindingChange
    status: Status
    message: str = ""


class CloudWriter(Protocol):
    """Carries out changes of one cloud.

    Each is repeatable: creating what is there alike and deleting what is gone succeed. A
    create or update whose window has ended at the moment of the write fails and writes nothing.
    So does an update that only takes access away (`BindingChange.narrows`), where what it would
    alter is gone: made anew, it would give access without a proof.
    """

    cloud: Cloud

    def write(
        self, changes: Sequence[BindingChange], *, clock: Callable[[], datetime]
    ) -> tuple[Result, ...]:
        """Returns one result per change, in the order given; raises nothing for a failed one."""


WENT = "it went since it was listed; nothing was written, and the next run looks again"
"""Why an update that only takes access away has failed."""

CLOSED = (
    "give the pipeline its role there; of an account that is closed for good, take the target "
    "off access/targets/"
)
"""The way out where a cloud refuses to list a target."""


def unforeseen(error: Exception) -> str:
    """Returns in words what an adapter raised although it should not."""
    said = " ".join(str(error).split())[:300]
    return f"its answer could not be used: {type(error).__name__}{f': {said}' if said else ''}"
