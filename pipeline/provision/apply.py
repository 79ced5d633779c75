"""Carries out a plan: the intent is recorded before the first write, the outcome after."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from pipeline.model import Binding, Cloud, GrantId
from pipeline.provision.clouds.interface import CloudWriter, Result, Status
from pipeline.provision.plan import Change, Kind, Plan


class Journal(Protocol):
    """Where attempts and outcomes are recorded. Each raises when it could not record."""

    def intents(self, plan: Plan) -> None:
        """Records what is about to be tried."""

    def outcomes(self, outcome: Outcome) -> None:
        """Records how it came out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a plan came out: one result per change, and what was taken back."""

    plan: Plan
    results: tuple[Result, ...]
    rolled_back: tuple[Result, ...] = ()
    """Reversals of what was made for grants that could not be provisioned in full."""

    @property
    def failed(self) -> tuple[Result, ...]:
        """Changes and reversals that did not come out."""
        return tuple(r for r in (*self.results, *self.rolled_back) if r.status is Status.FAILED)

    @property
    def incomplete(self) -> frozenset[GrantId]:
        """Grants whose parts were taken back, or should have been."""
        return frozenset(g for r in self.rolled_back for g in r.change.grants)

    @property
    def converged(self) -> bool:
        """Whether the clouds now hold all of the plan, as far as their answers tell."""
        return not self.failed and not self.rolled_back and not self.plan.held and not self.pending

    @property
    def pending(self) -> tuple[Result, ...]:
        """Changes that were accepted or must be tried again, and take effect later."""
        return tuple(r for r in self.results if r.status is Status.PENDING)


def apply_plan(
    plan: Plan,
    writers: Mapping[Cloud, CloudWriter],
    journal: Journal,
    *,
    clock: Callable[[], datetime],
    present: Sequence[Binding] = (),
    established: frozenset[GrantId] = frozenset(),
    progress: Callable[[Result], None] = lambda _: None,
) -> Outcome:
    """Applies exactly *plan*, deletes first.

    A grant that is not *established* (provisioned in full before) and fails in one part is
    taken back in every part, those that *present* held from an unfinished run included.
    A plan without changes touches neither clouds nor journal. When the intents cannot be
    recorded, that error passes through and no cloud is touched.
    """
    if not plan.changes:
        return Outcome(plan=plan, results=())
    journal.intents(plan)
    results: list[Result] = []
    for kind in (Kind.DELETE, Kind.UPDATE, Kind.CREATE):
        stage = [change for change in plan.changes if change.kind is kind]
        results.extend(_write(stage, writers, clock, progress))
    broken = {
        grant
        for result in results
        if result.status is Status.FAILED and result.change.kind is not Kind.DELETE
        for grant in result.change.binding.grants
        if grant not in established
    }
    undo = [
        _reversal(result.change, broken)
        for result in results
        if result.status is not Status.FAILED
        and result.change.kind is not Kind.DELETE
        and broken & set(result.change.binding.grants)
    ]
    touched = {change.binding.identity for change in plan.changes}
    undo.extend(
        Change(kind=Kind.DELETE, binding=binding)
        for binding in present
        if binding.identity not in touched and binding.grants and set(binding.grants) <= broken
    )
    reversals = _write([change for change in undo if change], writers, clock, progress)
    outcome = Outcome(plan=plan, results=tuple(results), rolled_back=reversals)
    journal.outcomes(outcome)
    return outcome


def _reversal(change: Change, broken: set[GrantId]) -> Change | None:
    if change.kind is Kind.CREATE:
        # A binding that also serves a healthy grant stays; the next run trims its window.
        return (
            Change(kind=Kind.DELETE, binding=change.binding)
            if set(change.binding.grants) <= broken
            else None
        )
    if change.before is None or change.before.window is None:
        return None
    restored = replace(change.before, handle=change.before.handle)
    return Change(kind=Kind.UPDATE, binding=restored, before=change.binding)


def _write(
    changes: Sequence[Change],
    writers: Mapping[Cloud, CloudWriter],
    clock: Callable[[], datetime],
    progress: Callable[[Result], None],
) -> tuple[Result, ...]:
    by_cloud: dict[Cloud, list[Change]] = defaultdict(list)
    for change in changes:
        by_cloud[change.binding.cloud].append(change)
    results: list[Result] = []
    for cloud, batch in by_cloud.items():
        writer = writers.get(cloud)
        if writer is None:
            answers: tuple[Result, ...] = tuple(
                Result(change=c, status=Status.FAILED, message=f"no credentials for {cloud}")
                for c in batch
            )
        else:
            answers = writer.write(batch, clock=clock)
        for answer in answers:
            progress(answer)
        results.extend(answers)
    return tuple(results)
