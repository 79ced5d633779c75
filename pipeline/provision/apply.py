"""Carries out a plan: the intent is recorded before the first write, the outcome after."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from pipeline.clouds.interface import CloudWriter, Result, Status, unforeseen
from pipeline.provision.lanes import Lanes, one_after_another
from pipeline.provision.plan import Plan
from pipeline.values.binding import Binding, BindingChange, ChangeKind
from pipeline.values.ids import Cloud, GrantId


class Journal(Protocol):
    """Where attempts and outcomes are recorded. Each raises when it could not record."""

    def intents(self, plan: Plan) -> None:
        """Records what is about to be tried."""

    def outcomes(self, outcome: Outcome) -> None:
        """Records how it came out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The outcome of a plan: one result per change, and what was taken back."""

    plan: Plan
    results: tuple[Result, ...]
    rolled_back: tuple[Result, ...] = ()
    """Reversals of what was made for grants that could not be provisioned in full."""

    incomplete: frozenset[GrantId] = frozenset()
    """Grants whose parts were taken back, or should have been."""

    @property
    def failed(self) -> tuple[Result, ...]:
        """Changes and reversals that did not come out."""
        return tuple(r for r in (*self.results, *self.rolled_back) if r.status is Status.FAILED)

    @property
    def converged(self) -> bool:
        """Whether the clouds now hold all of the plan, as far as their answers tell."""
        return not (self.failed or self.incomplete or self.plan.held or self.pending)

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
    without: Callable[[frozenset[GrantId]], Iterable[Binding]],
    present: Sequence[Binding] = (),
    established: frozenset[GrantId] = frozenset(),
    progress: Callable[[Result], None] = lambda _: None,
    lanes: Lanes = one_after_another,
) -> Outcome:
    """Applies exactly *plan*, deletes first, the clouds in *lanes*.

    A writer that raises or does not come to an end in time has failed in all of its changes.

    A grant that is not *established* (provisioned in full before) and fails in one part is
    taken back in every part, those that *present* held from an unfinished run included: what
    remains is what *without* gives, the bindings that are desired but for some grants.
    A plan without changes touches neither clouds nor journal. When the intents cannot be
    recorded, that error passes through and no cloud is touched.
    """
    if not plan.changes:
        return Outcome(plan=plan, results=())
    journal.intents(plan)
    results: list[Result] = []
    for kind in (ChangeKind.DELETE, ChangeKind.UPDATE, ChangeKind.CREATE):
        stage = [change for change in plan.changes if change.kind is kind]
        results.extend(_write(stage, writers, clock, progress, lanes))
    broken = {
        grant
        for result in results
        if result.status is Status.FAILED and result.change.kind is not ChangeKind.DELETE
        for grant in result.change.binding.grants
        if grant not in established
    }
    undo = _reversals(broken, results, present, without) if broken else []
    reversals = _write(undo, writers, clock, progress, lanes)
    outcome = Outcome(
        plan=plan,
        results=tuple(results),
        rolled_back=reversals,
        incomplete=frozenset(broken),
    )
    journal.outcomes(outcome)
    return outcome


def _reversals(
    broken: set[GrantId],
    results: Sequence[Result],
    present: Sequence[Binding],
    without: Callable[[frozenset[GrantId]], Iterable[Binding]],
) -> list[BindingChange]:
    """Returns what takes the *broken* grants out of what the clouds hold after *results*."""
    held = {binding.identity: binding for binding in present}
    for result in results:
        binding = result.change.binding
        if result.change.kind is not ChangeKind.DELETE:
            # Also where it failed: what failed may have taken effect in part.
            held[binding.identity] = binding
        elif result.status is not Status.FAILED:
            held.pop(binding.identity, None)
    remaining = {binding.identity: binding for binding in without(frozenset(broken))}
    undo = []
    for identity, binding in sorted(held.items()):
        if not broken & set(binding.grants):
            continue
        # A binding that also serves a healthy grant keeps what that one needs.
        wanted = remaining.get(identity)
        if wanted is None:
            undo.append(BindingChange(kind=ChangeKind.DELETE, binding=binding))
        elif wanted.document != binding.document:
            undo.append(BindingChange(kind=ChangeKind.UPDATE, binding=wanted, before=binding))
    return undo


def _write(
    changes: Sequence[BindingChange],
    writers: Mapping[Cloud, CloudWriter],
    clock: Callable[[], datetime],
    progress: Callable[[Result], None],
    lanes: Lanes,
) -> tuple[Result, ...]:
    batches: dict[Cloud, list[BindingChange]] = defaultdict(list)
    for change in changes:
        batches[change.binding.cloud].append(change)
    done = lanes(
        {
            cloud: partial(_write_batch, cloud, batch, writers.get(cloud), clock)
            for cloud, batch in batches.items()
        },
        changes=len(changes),
    )
    results: list[Result] = []
    for cloud, batch in batches.items():
        answers = done[cloud]
        if answers is None:
            # Whether it took effect is read back now, and by the next run.
            answers = _failed(batch, f"{cloud} did not answer in time")
        for answer in answers:
            progress(answer)
        results.extend(answers)
    return tuple(results)


def _write_batch(
    cloud: Cloud,
    batch: Sequence[BindingChange],
    writer: CloudWriter | None,
    clock: Callable[[], datetime],
) -> tuple[Result, ...]:
    if writer is None:
        return _failed(batch, f"no credentials for {cloud}")
    try:
        answers = writer.write(batch, clock=clock)
    except Exception as error:  # one cloud's fault is not another's
        return _failed(batch, unforeseen(error))
    if [answer.change for answer in answers] != list(batch):
        return _failed(batch, "its adapter gave another number of results than changes")
    return answers


def _failed(batch: Sequence[BindingChange], why: str) -> tuple[Result, ...]:
    return tuple(Result(change=one, status=Status.FAILED, message=why) for one in batch)
