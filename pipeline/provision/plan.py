"""Plans the changes after which the clouds hold what git says: a pure comparison, with a digest.

The plan is the contract: it is computed, shown, digested, and then exactly that is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.values.binding import Binding, BindingChange, ChangeKind
from pipeline.values.canonical import digest
from pipeline.values.ids import GrantId, TargetId

SURPRISING_CHANGES = 10
"""Fewer changes to what is alive than this never surprise."""

SURPRISING_SHARE = 0.3
"""A larger share of what is alive than this, removed or altered in one plan, surprises."""


_ORDER = {ChangeKind.DELETE: 0, ChangeKind.UPDATE: 1, ChangeKind.CREATE: 2}


def _place(change: BindingChange) -> tuple[int, tuple[str, str, str], str]:
    return (_ORDER[change.kind], change.binding.identity, change.binding.handle)


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

    def removals_only(self, why: str, *, now: datetime) -> Plan:
        """Returns this plan without what it would add or alter from *now* on; those grants are
        held."""
        held = dict(self.held)
        for change in self.changes:
            if not change.narrows(now=now):
                held.update(dict.fromkeys(change.binding.grants, why))
        return replace(
            self,
            changes=tuple(c for c in self.changes if c.narrows(now=now)),
            held=tuple(sorted(held.items())),
        )

    def without(self, changes: Collection[BindingChange], why: str) -> Plan:
        """Returns this plan without *changes*, whose grants are held."""
        held = dict(self.held)
        for change in changes:
            held.update(dict.fromkeys(change.grants, why))
        return replace(
            self,
            changes=tuple(one for one in self.changes if one not in changes),
            held=tuple(sorted(held.items())),
        )

    def beside(self, changes: Iterable[BindingChange]) -> Plan:
        """Returns this plan with *changes* as well."""
        every = sorted((*self.changes, *changes), key=_place)
        return replace(self, changes=tuple(every))

    def surprise(
        self, *, now: datetime, asked: Callable[[BindingChange], bool] = lambda _: False
    ) -> Surprise | None:
        """Returns the changes that remove or alter what is alive without having been *asked* for,
        if they are a surprising share of it; None otherwise.

        Bindings past their end, and fewer than `SURPRISING_CHANGES`, never surprise.
        """
        found = tuple(
            change
            for change in self.changes
            if change.kind is not ChangeKind.CREATE
            and is_alive(change.before or change.binding, now)
            and not asked(change)
        )
        if not is_surprising(len(found), alive=self.alive):
            return None
        return Surprise(changes=found, alive=self.alive)


@dataclass(frozen=True, kw_only=True, slots=True)
class Surprise:
    """Changes that nobody with a say asked for, and that are a surprising share: not made."""

    changes: tuple[BindingChange, ...]
    alive: int

    @property
    def digest(self) -> str:
        """SHA-256 of what the changes bring about, which whoever lets them go on has to name. What
        is held now takes no part: a part of it may be carried out meanwhile."""
        return digest(
            [
                {
                    "kind": change.kind,
                    "identity": change.binding.identity,
                    "document": None
                    if change.kind is ChangeKind.DELETE
                    else change.binding.document,
                }
                for change in self.changes
            ]
        )

    @property
    def why(self) -> str:
        """The number, and the limit, in words."""
        return (
            f"{len(self.changes)} of {self.alive} live bindings would be removed or altered, and "
            f"nobody with a say asked for it (limit: {SURPRISING_SHARE:.0%} once "
            f"{SURPRISING_CHANGES} are touched)"
        )


def is_surprising(disturbed: int, *, alive: int) -> bool:
    """Whether *disturbed* bindings are too large a share of those *alive* to go at once."""
    return disturbed >= SURPRISING_CHANGES and disturbed > alive * SURPRISING_SHARE


def is_alive(binding: Binding, now: datetime) -> bool:
    """Whether *binding* may still give access."""
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
    changes.sort(key=_place)
    return Plan(
        changes=tuple(changes),
        held=tuple(sorted(held.items())),
        alive=sum(1 for binding in present if is_alive(binding, now)),
    )
