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
only so much of what is alive may go that a mistake, or an attack, is no disaster. Whoever takes
away much of their own holds up nobody else: what is offboarded counts first, then what is gone or
cut off, then what is shortened, and a person of whom most of it is does not count for the others.
For example, with 40 bindings alive, of which up to 12 may go:

    alice's 12 files are gone; bob's one is gone     bob's goes, alice's stop
    alice's 13 are shortened; bob is offboarded      bob's go, alice's stay as they are
    alice's 12 are offboarded; bob's one is gone     all 13 go
    7 of alice's and 7 of bob's are gone             all 14 stop
    7 of alice's offboarded; 7 of bob's are gone     alice's go, bob's stop
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from pipeline.clouds.shortened import shortened
from pipeline.provision.plan import SURPRISING_CHANGES, Plan, is_alive, is_surprising
from pipeline.values.binding import Binding, BindingChange, ChangeKind
from pipeline.values.grant import Access, Grant, Window
from pipeline.values.grant_change import classify
from pipeline.values.ids import Cloud, GrantId, TargetId


class Cause(StrEnum):
    """The reason why a binding goes."""

    OVER = "its window is over"
    OFFBOARDED = "its person is no longer in the catalogue, or disabled"
    DELETED = "its grant's file is gone from the default branch"
    NARROWED = "its grant's file no longer asks for it"
    SHORTENED = "its grant's file asks for a shorter window"


_COUNTED_TOGETHER = (
    (Cause.OFFBOARDED,),
    (Cause.DELETED, Cause.NARROWED),
    (Cause.SHORTENED,),
)


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

    lines: Mapping[GrantId, Mapping[tuple[str, str], Access]]
    """Of each grant: target and key of a binding that the record says we made, to the line that it
    is for."""

    windows: Mapping[tuple[str, str], Sequence[Window]]
    """Target and key of one to the windows that were asked for it since it was made, where it is
    for one grant."""

    sharers: Mapping[tuple[str, str], tuple[GrantId, ...]]
    """Target and key of one to all grants that it was made for last."""


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
    most = _who_has_most(asked, alive=alive)
    going = [one for one in found if one.cause is Cause.OVER]
    stopped: list[Removal] = []
    # How many go: of those who have most of it, and of the others.
    counted: Counter[bool] = Counter()
    for causes in _COUNTED_TOGETHER:
        for among_most in (False, True):
            some = [
                one for one in asked if one.cause in causes and (_person(one) in most) is among_most
            ]
            before = counted.total() if among_most else counted[False]
            if is_surprising(before + len(some), alive=alive):
                stopped.extend(some)
                continue
            going.extend(some)
            counted[among_most] += len(some)
    return LanePlan(removals=tuple(going), stopped=tuple(stopped), alive=alive)


def _who_has_most(asked: Sequence[Removal], *, alive: int) -> Collection[str]:
    """Returns the persons of whom so much goes that it holds up nobody else: a surprising share of
    what is *alive*, or most of what is *asked*."""
    counts = Counter(map(_person, asked))
    return {
        who
        for who, count in counts.items()
        if is_surprising(count, alive=alive)
        or (count >= SURPRISING_CHANGES and 2 * count > len(asked))
    }


def _person(removal: Removal) -> str:
    # Grants that share a binding are of one person.
    return removal.binding.grants[0].partition("/")[0]


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
    grants = _all_grants(binding, files)
    found = [_removal_for(grant, binding, files, now=now) for grant in grants]
    # Where one grant still needs it, the rest of the run takes the others out.
    return found[0] if found and None not in found else None


def _all_grants(binding: Binding, files: GrantFiles) -> tuple[GrantId, ...]:
    """Returns the grants that *binding* is there for; none where that is not known.

    The mark of an Azure assignment may have no room for all; the record names them.
    """
    if not binding.unlisted:
        return binding.grants
    known = files.sharers.get((binding.target, binding.key), ())
    whole = len(known) == len(binding.grants) + binding.unlisted
    return known if whole and set(binding.grants) <= set(known) else ()


def _removal_for(
    grant: GrantId, binding: Binding, files: GrantFiles, *, now: datetime
) -> Removal | None:
    if grant not in files.present:
        return Removal(binding=binding, cause=Cause.DELETED) if grant in files.known else None
    new, old = files.present[grant], files.provisioned.get(grant)
    if new is None or old is None or classify(old, new) != "narrow":
        return None
    place = (binding.target, binding.key)
    lines = files.lines.get(grant, {})
    if not any(_serves(place, line, lines) for line in new.access):
        return Removal(binding=binding, cause=Cause.NARROWED)
    # A window that several grants share tells nothing about one of them.
    if binding.window is None or len(binding.grants) + binding.unlisted > 1:
        return None
    start = _start(binding.window, files.windows.get(place, ()), binding.cloud)
    # Google lists no name that the role has in the catalogue.
    role = lines[place].role if place in lines else binding.role
    return _shortened(binding, start, new.duration, now=now, role=role)


def _shortened(
    binding: Binding, start: datetime, duration: int, *, now: datetime, role: str
) -> Removal | None:
    """Returns what makes *binding* last *duration* seconds from *start*; None where it ends no
    later, or is not of the form that is made."""
    try:
        window = Window(start=start, end=start + timedelta(seconds=duration))
    except OverflowError:
        # Somebody wrote that date by hand.
        return None
    if window.ended(now):
        return Removal(binding=binding, cause=Cause.NARROWED)
    until = shortened(binding, window.end)
    if until is None:
        return None
    until = replace(until, role=role, window=window)
    return Removal(binding=binding, cause=Cause.SHORTENED, until=until)


def _start(listed: Window, asked: Sequence[Window], cloud: Cloud) -> datetime:
    """Returns the start from which a duration counts.

    Azure lists the moment of provisioning; the one that was asked for is on the record, unless
    that speaks of an earlier life of the same path.
    """
    if cloud is not Cloud.AZURE:
        return listed.start
    starts = [one.start for one in asked if one.end == listed.end]
    return min(*starts, listed.start) if starts else listed.start


def _serves(
    place: tuple[TargetId, str], line: Access, lines: Mapping[tuple[str, str], Access]
) -> bool:
    """Whether the binding at *place* may be there for *line*, one of a grant whose bindings were
    made for *lines*; in doubt it is."""
    if line.target != place[0]:
        return False
    if lines.get(place) in (None, line):
        return True
    # Azure holds one object for all roles with one definition, recorded for the first of them.
    return not any(made_for == line for other, made_for in lines.items() if other != place)
