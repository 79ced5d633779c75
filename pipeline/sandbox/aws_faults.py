"""Faults that the AWS stand-in shows when it is asked to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsFault:
    """An error to answer *action* with, in *account* or, with None, anywhere."""

    action: str
    code: str
    account: str | None
    status: int
    after: bool
    """Take effect first: the answer is lost, not the deed."""


class Faults:
    """Faults to come, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._waiting: list[AwsFault] = []

    def add(self, fault: AwsFault, *, times: int) -> None:
        """Makes the next *times* matching calls fail."""
        self._waiting.extend([fault] * times)

    def take(self, action: str, account: str) -> AwsFault | None:
        """Returns the fault for this call, and forgets it."""
        for fault in self._waiting:
            if fault.action == action and fault.account in (None, account):
                self._waiting.remove(fault)
                return fault
        return None
