"""The removals lane of one run: takes away what must go, before anything is proven.

Its own path from the clouds to the clouds: it imports no policy, no judge, no proof and nothing
that asks GitHub, so that whatever is wrong there cannot hold up less access. The record is read
through git. Where it cannot be read or written, the lane goes on and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.ending.removals import Cause, GrantFiles, LanePlan, Removal, plan_removals
from pipeline.errors import ForgeError, PipelineError
from pipeline.history.branch_files import BranchFiles
from pipeline.history.lives import GRANTS, grant_id, is_grant, lives
from pipeline.provision.apply import Outcome, apply_plan
from pipeline.provision.lanes import Lanes
from pipeline.provision.plan import Plan
from pipeline.provision.verify import Drift, Estate, observe
from pipeline.record.chain import Chain
from pipeline.record.recorded import PROVISIONED, Made, Recorded, read_recorded
from pipeline.run.read_back import LISTING_LAG, Patience, read_back
from pipeline.values.catalogue import Target
from pipeline.values.grant import Grant
from pipeline.values.ids import Cloud, GrantId, TargetId

if TYPE_CHECKING:
    from pipeline.record.journal import AuditJournal
    from pipeline.run.connect import Clouds


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneParts:
    """The tree, the record, the clouds and the tools that the lane works with."""

    now: datetime
    clock: Callable[[], datetime]
    tip: str
    """Of the default branch, fetched after the record was read: it may only be newer."""

    anchor: str | None
    """The trusted commit: what was deleted since counts where no tip is on the record."""

    files: BranchFiles
    chain: Chain | None
    """The record as far as it holds; None where it could not be read."""

    clouds: Callable[[frozenset[Cloud]], Clouds]
    lanes: Lanes
    journal: AuditJournal
    patience: Patience
    warn: Callable[[str], None]
    progress: Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Removed:
    """The results of the removals lane."""

    lane: LanePlan
    outcome: Outcome
    targets: Mapping[TargetId, Target]
    """Those that were listed."""

    before: Estate
    after: Estate
    """What they hold, listed after the writes."""

    drift: tuple[Drift, ...]
    unrecorded: tuple[str, ...]
    """Why the record lacks what was done; empty where it has it."""

    vanished: tuple[Made, ...] = ()
    """What earlier runs made, and what went without a run that recorded it."""

    @property
    def code(self) -> int:
        """0 nothing left to take away, 1 something is left or unrecorded, 3 a target could not
        be listed."""
        if code := self.after.code:
            return code
        left = self.lane.stopped or self.outcome.failed or self.outcome.pending or self.drift
        return 1 if left else self.code_beside_the_rest

    @property
    def code_beside_the_rest(self) -> int:
        """The same where the rest of the run came to its end: it has tried again what was left."""
        return 1 if self.unrecorded else 0


def take_away(parts: LaneParts) -> Removed:
    """Removes every binding that must go; see `pipeline.ending.removals` for which these are."""
    recorded_tip = _recorded_tip(parts)
    recorded = read_recorded(parts.chain.events if parts.chain else ())
    targets, moved = _targets(parts, recorded_tip)
    clouds = parts.clouds(frozenset(target.cloud for target in targets.values()))

    def look(only: Collection[TargetId] | None = None) -> Estate:
        asked = [targets[name] for name in sorted(targets) if only is None or name in only]
        parts.progress(f"listing {len(asked)} targets for the removals lane")
        return observe(clouds.readers, asked, now=parts.clock(), lanes=parts.lanes)

    def offboarded(name: str) -> bool:
        return parts.files.offboarded(parts.tip, name)

    def needed(grant: GrantId) -> bool:
        return grant in files.present and not offboarded(grant.partition("/")[0])

    before = look()
    files = _grant_files(parts, recorded, recorded_tip)
    lane = plan_removals(
        before.bindings,
        files,
        now=parts.now,
        offboarded=offboarded,
    )
    causes = {one.binding.identity: one.cause.value for one in lane.removals}
    journal = _Tolerant(parts.journal, causes, parts.warn)
    if parts.chain and parts.chain.broken:
        journal.begin_segment()
    made = [one for _, one in sorted(recorded.made.items())]
    vanished = _vanished(made, before, targets.keys() - moved, now=parts.now, needed=needed)
    if vanished:
        journal.vanished(vanished)
    plan = lane.plan()
    outcome = apply_plan(
        plan,
        clouds.writers,
        journal,
        clock=parts.clock,
        without=lambda _: (),
        # What cannot be shortened stays as it is: nothing that was given is taken back here.
        established=frozenset(grant for change in plan.changes for grant in change.grants),
        progress=lambda result: parts.progress(
            f"{result.change.kind} {result.change.binding.target}: {result.status}"
        ),
        lanes=parts.lanes,
    )
    after: Estate = before
    drift: tuple[Drift, ...] = ()
    if touched := {change.binding.target for change in plan.changes}:
        after = before.renewed(touched, look(touched))
        after, drift = read_back(outcome, after, look, parts.patience)
    return Removed(
        lane=lane,
        outcome=outcome,
        targets=targets,
        before=before,
        after=after,
        drift=drift,
        unrecorded=tuple(journal.troubles),
        vanished=vanished,
    )


class _Tolerant:
    """A journal that lets the lane go on where nothing can be recorded."""

    def __init__(
        self,
        journal: AuditJournal,
        causes: Mapping[tuple[str, str, str], str],
        warn: Callable[[str], None],
    ) -> None:
        self._journal = journal
        self._causes = causes
        self._warn = warn
        self.troubles: list[str] = []

    def begin_segment(self) -> None:
        self._try(self._journal.begin_segment)

    def vanished(self, made: Sequence[Made]) -> None:
        self._try(lambda: self._journal.vanished(made))

    def intents(self, plan: Plan) -> None:
        self._try(lambda: self._journal.intents(plan, causes=self._causes))

    def outcomes(self, outcome: Outcome) -> None:
        self._try(lambda: self._journal.outcomes(outcome, causes=self._causes))

    def _try(self, record: Callable[[], None]) -> None:
        try:
            record()
        except PipelineError as error:
            self.troubles.append(str(error))
            self._warn(f"the removals lane goes on unrecorded: {error}")


def _recorded_tip(parts: LaneParts) -> str | None:
    """Returns the tip that the last recorded run worked from; None where git lacks it."""
    if parts.chain is None or not parts.chain.events:
        return None
    tip = str(parts.chain.events[-1].get("main"))
    try:
        return parts.files.objects.resolve(tip)
    except ForgeError as error:
        parts.warn(f"the last recorded tip {tip[:12]} is not at hand: {error}")
        return None


def _targets(
    parts: LaneParts, recorded_tip: str | None
) -> tuple[dict[TargetId, Target], frozenset[TargetId]]:
    """Returns every target that can be read of the catalogue now, and of that last recorded:
    striking a target off must not hide what is held there. Beside them the ids of those that name
    another place now: what is held in the former one is not listed."""
    before = parts.files.targets(recorded_tip) if recorded_tip else ()
    found = {target.id: target for target in (*before, *parts.files.targets(parts.tip))}
    return found, frozenset(one.id for one in before if found[one.id].locator != one.locator)


def _vanished(
    made: Iterable[Made],
    estate: Estate,
    targets: Collection[TargetId],
    *,
    now: datetime,
    needed: Callable[[GrantId], bool],
) -> tuple[Made, ...]:
    """Returns what earlier runs *made*, no grant needs, and *estate*, the listing of *targets*,
    lacks: a run that could not write the record took it away, or somebody did by hand.

    What is needed is left out, as the rest of the run makes it again; so is what its cloud has
    ended by itself.
    """
    listed = {(one.target, one.key) for one in estate.bindings}
    asked = set(targets) - dict(estate.unreachable).keys()
    unmarked = [(one.target, f"/{one.handle}") for one in estate.foreign]
    return tuple(
        one
        for one in made
        if one.target in asked
        and (one.target, one.key) not in listed
        # What lost its mark is no longer ours to take away, and not gone.
        and not any(at == one.target and name.endswith(f"/{one.key}") for at, name in unmarked)
        and now - one.at >= LISTING_LAG
        and (one.end is None or now < one.end)
        and not any(map(needed, one.grants))
    )


def _grant_files(parts: LaneParts, recorded: Recorded, recorded_tip: str | None) -> GrantFiles:
    """Returns the grants that the branch holds and held, and what the record says of them."""
    entries = parts.files.objects.tree(parts.tip, GRANTS)
    present = {grant_id(one.path): one for one in entries if is_grant(one.path)}
    before = _seen_before(parts, recorded_tip)
    made = {GrantId(key[0]) for key, state in recorded.states.items() if state == PROVISIONED}
    given = {grant: blob for grant, blob in recorded.blobs.items() if grant in present}
    changed = {grant: blob for grant, blob in given.items() if present[grant].blob != blob}
    return GrantFiles(
        present={
            grant: parts.files.grant(entry).grant if grant in changed else None
            for grant, entry in present.items()
        },
        known=before | made,
        provisioned=dict(_versions(parts, changed)),
        lines=recorded.lines,
        windows=recorded.windows,
        sharers={place: made.grants for place, made in recorded.made.items()},
    )


def _seen_before(parts: LaneParts, recorded_tip: str | None) -> frozenset[GrantId]:
    """Returns the grants of the last recorded tip; where there is none, those that came and went
    on the first-parent line since the trusted commit."""
    if recorded_tip is not None:
        tree = parts.files.objects.tree(recorded_tip, GRANTS)
        return frozenset(grant_id(one.path) for one in tree if is_grant(one.path))
    try:
        commits = parts.files.objects.mainline(parts.tip, since=parts.anchor)
    except ForgeError as error:
        parts.warn(f"what was deleted since the trusted commit is not known: {error}")
        return frozenset()
    return frozenset(life.id for life in lives(commits) if not life.present)


def _versions(parts: LaneParts, blobs: Mapping[GrantId, str]) -> Iterator[tuple[GrantId, Grant]]:
    """Yields the version of each grant that was provisioned, where git still has it."""
    for grant, blob in blobs.items():
        try:
            parsed = parts.files.version(blob, f"{GRANTS}{grant}.yaml")
        except ForgeError as error:
            parts.warn(f"{grant}: the version that was provisioned cannot be read: {error}")
            continue
        if parsed.grant is not None:
            yield grant, parsed.grant


def unasked(removals: Sequence[Removal]) -> frozenset[GrantId]:
    """Returns the grants that went although their window was not over: somebody must have had a
    say in it."""
    return frozenset(
        grant for one in removals if one.cause is not Cause.OVER for grant in one.binding.grants
    )
