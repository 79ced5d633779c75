"""Reads back what was applied. Gone means read back as gone; made means read back as made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from pipeline.clouds.interface import CloudReader, Foreign, Observation, Status, unforeseen
from pipeline.provision.apply import Outcome
from pipeline.provision.lanes import Lanes, one_after_another
from pipeline.values.binding import Binding, ChangeKind
from pipeline.values.catalogue import Target
from pipeline.values.ids import Cloud, GrantId, TargetId


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """Desired and observed differ."""

    target: TargetId
    key: str
    grants: tuple[GrantId, ...]
    what: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Estate:
    """The bindings of all clouds in the targets that were asked about."""

    bindings: tuple[Binding, ...]
    foreign: tuple[Foreign, ...]
    unreachable: tuple[tuple[TargetId, str], ...]
    refused: frozenset[TargetId] = frozenset()
    """Those of *unreachable* that said no: another try changes nothing there."""

    @property
    def code(self) -> int:
        """0 where every target was listed, 3 where one may answer on another try, 1 where all
        that could not be listed said no."""
        if not self.unreachable:
            return 0
        return 1 if {target for target, _ in self.unreachable} <= self.refused else 3

    def renewed(self, targets: Collection[TargetId], again: Estate) -> Estate:
        """Returns this, with *again* in place of what it says of *targets*."""
        return Estate(
            bindings=(*(b for b in self.bindings if b.target not in targets), *again.bindings),
            foreign=(*(f for f in self.foreign if f.target not in targets), *again.foreign),
            unreachable=(
                *(down for down in self.unreachable if down[0] not in targets),
                *again.unreachable,
            ),
            refused=(self.refused - frozenset(targets)) | again.refused,
        )


def observe(
    readers: Mapping[Cloud, CloudReader],
    targets: Sequence[Target],
    *,
    now: datetime,
    lanes: Lanes = one_after_another,
) -> Estate:
    """Lists every target once, the clouds in *lanes*.

    A cloud without a reader, one whose adapter raised, and one that did not answer in time are
    unreachable, with all of their targets; the others are not held up.
    """
    work: dict[Cloud, Callable[[], Observation]] = {}
    answers: dict[Cloud, Observation] = {}
    for cloud in Cloud:
        mine = [target for target in targets if target.cloud is cloud]
        reader = readers.get(cloud)
        if mine and reader is None:
            answers[cloud] = _unreachable(cloud, mine, f"no credentials for {cloud}")
        elif mine and reader is not None:
            work[cloud] = partial(_look, reader, cloud, mine, now)
    for cloud, answer in lanes(work).items():
        mine = [target for target in targets if target.cloud is cloud]
        answers[cloud] = answer or _unreachable(cloud, mine, f"{cloud} did not answer in time")
    ordered = [answers[cloud] for cloud in Cloud if cloud in answers]
    return Estate(
        bindings=tuple(binding for answer in ordered for binding in answer.bindings),
        foreign=tuple(foreign for answer in ordered for foreign in answer.foreign),
        unreachable=tuple(down for answer in ordered for down in answer.unreachable),
        refused=frozenset(target for answer in ordered for target in answer.refused),
    )


def _look(
    reader: CloudReader, cloud: Cloud, targets: Sequence[Target], now: datetime
) -> Observation:
    try:
        return reader.observe(targets, now=now)
    except Exception as error:  # one cloud's fault is not another's
        return _unreachable(cloud, targets, unforeseen(error))


def _unreachable(cloud: Cloud, targets: Sequence[Target], why: str) -> Observation:
    down = tuple((target.id, why) for target in targets)
    return Observation(cloud=cloud, bindings=(), unreachable=down)


def verify_outcome(outcome: Outcome, estate: Estate) -> tuple[Drift, ...]:
    """Returns where *estate*, listed after the writes, differs from what they reported.

    Changes that failed or are pending are known not to hold and are no drift.
    """
    held = {binding.identity: binding for binding in estate.bindings}
    down = dict(estate.unreachable)
    expected: dict[tuple[str, str, str], tuple[Binding, bool]] = {}
    for result in (*outcome.results, *outcome.rolled_back):
        binding = result.change.binding
        if result.status is Status.DONE:
            expected[binding.identity] = (binding, result.change.kind is not ChangeKind.DELETE)
        else:
            expected.pop(binding.identity, None)
    drifts = []
    for identity, (binding, wanted) in sorted(expected.items()):
        found = held.get(identity)
        if binding.target in down:
            what = f"could not be read back: {down[binding.target]}"
        elif wanted and found is None:
            what = "reported as made, but it is not there"
        elif wanted and found is not None and found.document != binding.document:
            what = "reported as made, but it reads differently"
        elif not wanted and found is not None:
            what = "reported as gone, but it is still there"
        else:
            continue
        drifts.append(
            Drift(target=binding.target, key=binding.key, grants=binding.grants, what=what)
        )
    return tuple(drifts)
