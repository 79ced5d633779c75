"""The removals lane: which bindings go at once, whatever is unproven or disputed.

The lane reads the default branch's tree, the record and the clouds. It needs no proof, no policy
and no answer of GitHub, so that neither can hold up what takes access away. For example, of a
binding that grant *g* of *alice* has:

    its window is over                                          goes
    g's file stood at the last recorded tip and stands no more  goes, up to the surprising share
    alice's file is gone, or says `disabled: true`              goes, up to the surprising share
    g's file was cut down, and no line of it asks for this      goes, up to the surprising share
    g's file was shortened, and the shorter window is over      goes, up to the surprising share
    g's file was shortened, and the shorter window lasts        ends with it, up to that share
    g's file stands there, unproven or with problems            stays
    g's file never stood at a tip that was recorded             stays: a newer run may have made it
                                                                (no tip recorded: since the anchor)

Which of these were asked for by somebody with a say is found out later, by proof. Until then
only so much of what is alive may go that a mistake, or an attack, is no disaster.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pipeline.clouds.shortened import shortened
from pipeline.provision.plan import Plan, is_alive, is_surprising
from pipeline.values.binding import Binding, BindingChange, ChangeKind
from pipeline.values.grant import Access, Grant
from pipeline.values.grant_change import classify
from pipeline.values.ids import GrantId, TargetId


class Cause(StrEnum):
    """The reason why a binding goes."""

    OVER = "its window is over"
    OFFBOARDED = "its person is no longer in the catalogue, or disabled"
    DELETED = "its grant's file is gone from the default branch"
    NARROWED = "its grant's file no longer asks for it"
    SHORTENED = "its grant's file asks for a shorter window"


@dataclass(frozen=True, kw_only=True, slots=True)
class Removal:
    """One binding that goes or ends earlier, and why."""

    binding: Binding
    cause: Cause
    until: Binding | None = None
    """The same with an earlier end; None where it goes at once."""

    @property
    def change(self) -> BindingChange:
        """The change that takes the access away."""
        if self.until is None:
            return BindingChange(kind=ChangeKind.DELETE, binding=self.binding)
        return BindingChange(kind=ChangeKind.UPDATE, binding=self.until, before=self.binding)


@dataclass(frozen=True, kw_only=True, slots=True)
class GrantFiles:
    """The grant files of the default branch as the lane reads them."""

    present: Mapping[GrantId, Grant | None]
    """Every file that is there; None for one that cannot be read."""

    known: Collection[GrantId]
    """The grants whose file stood at the last recorded tip, or that the record says we made."""

    provisioned: Mapping[GrantId, Grant]
    """The version of each grant that the record says was provisioned, where it can be read."""

    lines: Mapping[tuple[str, str], Access]
    """Target and key of a binding that the record says we made, to the line that it is for."""

    starts: Mapping[tuple[str, str], datetime]
    """The same to the start of its one grant's window, where the record says it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LanePlan:
    """The bindings that the lane removes or shortens, and those that are too many at once."""

    removals: tuple[Removal, ...]
    stopped: tuple[Removal, ...]
    """Left to the rest of the run: more than the surprising share of what is alive."""

    alive: int

    def plan(self) -> Plan:
        """Returns the removals as a plan: none of its changes gives access."""
        changes = sorted(
            (one.change for one in self.removals),
            key=lambda change: (change.kind, change.binding.identity, change.binding.handle),
        )
        return Plan(changes=tuple(changes), alive=self.alive)


def plan_removals(
    bindings: Iterable[Binding],
    files: GrantFiles,
    *,
    now: datetime,
    offboarded: Callable[[str], bool],
) -> LanePlan:
    """Returns what goes of the observed *bindings*.

    *offboarded* says of a principal's name whether it is no longer entitled to anything; a
    grant's folder is its subject.
    """
    held = list(bindings)
    found = [
        removal
        for binding in held
        if (removal := _removal(binding, files, now=now, offboarded=offboarded)) is not None
    ]
    alive = sum(1 for binding in held if is_alive(binding, now))
    asked = [one for one in found if one.cause is not Cause.OVER]
    if is_surprising(len(asked), alive=alive):
        over = [one for one in found if one.cause is Cause.OVER]
        return LanePlan(removals=tuple(over), stopped=tuple(asked), alive=alive)
    return LanePlan(removals=tuple(found), stopped=(), alive=alive)


def _removal(
    binding: Binding,
    files: GrantFiles,
    *,
    now: datetime,
    offboarded: Callable[[str], bool],
) -> Removal | None:
    if not is_alive(binding, now):
        return Removal(binding=binding, cause=Cause.OVER)
    if not binding.grants:
        return None
    if all(offboarded(grant.partition("/")[0]) for grant in binding.grants):
        return Removal(binding=binding, cause=Cause.OFFBOARDED)
    found = [_removal_for(grant, binding, files, now=now) for grant in binding.grants]
    # Where one grant still needs it, the rest of the run takes the others out.
    return None if None in found else found[0]


def _removal_for(
    grant: GrantId, binding: Binding, files: GrantFiles, *, now: datetime
) -> Removal | None:
    if grant not in files.present:
        return Removal(binding=binding, cause=Cause.DELETED) if grant in files.known else None
    new, old = files.present[grant], files.provisioned.get(grant)
    if new is None or old is None or classify(old, new) != "narrow":
        return None
    place = (binding.target, binding.key)
    if not any(_serves(place, line, files.lines) for line in new.access):
        return Removal(binding=binding, cause=Cause.NARROWED)
    # A window that several grants share tells nothing about one of them.
    if binding.window is None or len(binding.grants) > 1:
        return None
    # Azure lists the moment of provisioning as the start.
    start = files.starts.get(place, binding.window.start)
    try:
        end = start + timedelta(seconds=new.duration)
    except OverflowError:
        # Somebody wrote that date by hand.
        return None
    if end <= now:
        return Removal(binding=binding, cause=Cause.NARROWED)
    until = shortened(binding, end)
    return None if until is None else Removal(binding=binding, cause=Cause.SHORTENED, until=until)


def _serves(
    place: tuple[TargetId, str], line: Access, lines: Mapping[tuple[str, str], Access]
) -> bool:
    """Whether the binding at *place* may be there for *line*; in doubt it is."""
    if line.target != place[0]:
        return False
    if lines.get(place) in (None, line):
        return True
    # Azure holds one object for all roles with one definition, recorded for the first of them.
    return not any(made_for == line for other, made_for in lines.items() if other != place)
