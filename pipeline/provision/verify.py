"""Reads back what was applied. Gone means read back as gone; made means read back as made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.clouds.interface import CloudReader, Foreign, Observation, Status
from pipeline.provision.apply import Outcome
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


def observe(
    readers: Mapping[Cloud, CloudReader], targets: Sequence[Target], *, now: datetime
) -> Estate:
    """Lists every target once; a cloud without a reader is unreachable."""
    answers: list[Observation] = []
    for cloud in Cloud:
        mine = [target for target in targets if target.cloud is cloud]
        if not mine:
            continue
        reader = readers.get(cloud)
        if reader is None:
            why = f"no credentials for {cloud}"
            answers.append(
                Observation(cloud=cloud, bindings=(), unreachable=tuple((t.id, why) for t in mine))
            )
        else:
            answers.append(reader.observe(mine, now=now))
    return Estate(
        bindings=tuple(binding for answer in answers for binding in answer.bindings),
        foreign=tuple(foreign for answer in answers for foreign in answer.foreign),
        unreachable=tuple(down for answer in answers for down in answer.unreachable),
    )


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
