"""Plans the changes after which the clouds hold what git says: a pure comparison, with a digest.

The plan is the contract: it is computed, shown, digested, and then exactly that is applied.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.errors import NotConverged
from pipeline.values.binding import Binding, BindingChange, ChangeKind
from pipeline.values.canonical import digest
from pipeline.values.ids import GrantId, TargetId

SURPRISING_CHANGES = 10
"""Fewer changes to what is alive than this never surprise."""

SURPRISING_SHARE = 0.3
"""A larger share of what is alive than this, removed or altered in one plan, surprises."""


_ORDER = {ChangeKind.DELETE: 0, ChangeKind.UPDATE: 1, ChangeKind.CREATE: 2}


class SurprisingPlan(NotConverged):
    """Raised when a plan would remove or alter too much of what is alive."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Ordered changes: deletes first, then updates, then creates."""

    changes: tuple[BindingChange, ...]
    held: tuple[tuple[GrantId, str], ...] = ()
    """Grants that wait, with the reason: a target of theirs could not be listed."""

    alive: int = 0
    """Observed bindings of ours that are not past their end."""

    @property
    def digest(self) -> str:
        """SHA-256 of what the plan does, in its order."""
        return digest(
            [
                {
                    "kind": change.kind,
                    "identity": change.binding.identity,
                    "document": change.binding.document,
                    "before": change.before.document if change.before else None,
                }
                for change in self.changes
            ]
        )

    def removals_only(self, why: str) -> Plan:
        """Returns this plan without what it would add or alter; those grants are held."""
        held = dict(self.held)
        for change in self.changes:
            if not change.narrows:
                held.update(dict.fromkeys(change.binding.grants, why))
        return replace(
            self,
            changes=tuple(c for c in self.changes if c.narrows),
            held=tuple(sorted(held.items())),
        )

    def raise_if_surprising(self, *, now: datetime) -> None:
        """Raises `SurprisingPlan` when too large a share of what is alive would change.

        Bindings past their end, and plans under `SURPRISING_CHANGES`, do not count.
        """
        disturbed = sum(
            1
            for change in self.changes
            if change.kind is not ChangeKind.CREATE and _alive(change.before or change.binding, now)
        )
        if disturbed < SURPRISING_CHANGES or disturbed <= self.alive * SURPRISING_SHARE:
            return
        raise SurprisingPlan(
            f"the plan would remove or alter {disturbed} of {self.alive} live bindings "
            f"(limit: {SURPRISING_SHARE:.0%} once {SURPRISING_CHANGES} are touched)",
            hint="if this is intended, dispatch apply with --accept-surprise "
            "in the protected environment",
        )


def _alive(binding: Binding, now: datetime) -> bool:
    # A binding without a readable end is alive until it is gone.
    return binding.window is None or not binding.window.ended(now)


def waiting(
    desired: Iterable[Binding],
    unreachable: Iterable[tuple[TargetId, str]],
    established: frozenset[GrantId],
) -> dict[GrantId, str]:
    """Returns the grants that are held as a whole, with the reason.

    Those that need an *unreachable* target and are not *established*, so that they stay atomic.
    """
    down = dict(unreachable)
    return {
        grant: f"{binding.target}: {down[binding.target]}"
        for binding in desired
        if binding.target in down
        for grant in binding.grants
        if grant not in established
    }


def make_plan(
    desired: Iterable[Binding],
    observed: Iterable[Binding],
    *,
    now: datetime,
    unreachable: Iterable[tuple[TargetId, str]] = (),
    established: frozenset[GrantId] = frozenset(),
) -> Plan:
    """Returns the changes that turn *observed* into *desired*.

    Nothing is changed in *unreachable* targets. A grant that needs one of them and is not
    *established* (provisioned in full before) is held as a whole (see `waiting`).

    Raises `ValueError` when two desired bindings are the same one.
    """
    down = dict(unreachable)
    wanted: dict[tuple[str, str, str], Binding] = {}
    for binding in desired:
        if binding.identity in wanted:
            raise ValueError(f"two desired bindings are the same: {binding.identity}")
        wanted[binding.identity] = binding
    held = waiting(wanted.values(), down.items(), established)
    present = list(observed)
    first: dict[tuple[str, str, str], Binding] = {}
    changes: list[BindingChange] = []
    for binding in present:
        if binding.target in down:
            continue
        twin = first.setdefault(binding.identity, binding)
        want = wanted.get(binding.identity)
        if want is None or twin is not binding:
            changes.append(BindingChange(kind=ChangeKind.DELETE, binding=binding))
        elif want.document != binding.document:
            changes.append(BindingChange(kind=ChangeKind.UPDATE, binding=want, before=binding))
    changes.extend(
        BindingChange(kind=ChangeKind.CREATE, binding=binding)
        for identity, binding in wanted.items()
        if identity not in first
        and binding.target not in down
        and not held.keys() & set(binding.grants)
    )
    changes.sort(key=lambda c: (_ORDER[c.kind], c.binding.identity, c.binding.handle))
    return Plan(
        changes=tuple(changes),
        held=tuple(sorted(held.items())),
        alive=sum(1 for binding in present if _alive(binding, now)),
    )
