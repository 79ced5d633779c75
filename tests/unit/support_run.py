"""One run over the estate, on fakes: git, GitHub, the record and three clouds in memory.

Nothing outside this file knows how the product puts a run together. A `World` outlives its runs;
`a_run` makes the next one over it. What a run does to the world can be read off `World.done`.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from pipeline.cli.apply import apply
from pipeline.cli.context import Context
from pipeline.cli.expire import expire
from pipeline.cli.plan import plan
from pipeline.cli.status import status
from pipeline.clouds.desired import render_bindings
from pipeline.config import Settings
from pipeline.errors import PipelineError
from pipeline.grants.write import render_grant as text_of
from pipeline.history.lives import Life, lives
from pipeline.history.proofs import Proof
from pipeline.history.proven import BranchState, Brought, Quarantine, Unproven
from pipeline.history.sources import Sources
from pipeline.output.text import Painter
from pipeline.provision.lanes import one_after_another
from pipeline.provision.plan import Plan
from pipeline.provision.verify import Estate
from pipeline.record.audit import AuditEvent, Run
from pipeline.record.journal import AuditJournal
from pipeline.run import estate as room
from pipeline.run.converge import Converged, converge
from pipeline.run.reviews import open_reviews
from pipeline.run.states import grant_states
from pipeline.values.binding import Binding
from pipeline.values.ids import GrantId, TargetId
from pipeline.values.live import LiveGrant
from tests.unit.support_estate import CATALOGUE, shown
from tests.unit.support_memory import Git
from tests.unit.support_values import NOON
from tests.unit.support_world import KEEPER, Cloudlet, Effects, Forge, Record

PUSHED = Brought(merger="mallory")


class Commits(Git):
    """Git in memory, which says of unknown commits what git says."""

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        self.resolve(ancestor)
        return super().is_ancestor(ancestor, self.resolve(descendant))


class World:
    """What outlives a run."""

    def __init__(self, files: Mapping[str, str] = CATALOGUE) -> None:
        self.done = Effects()
        """What was read and written, in order."""

        self.now = NOON
        self.down: dict[str, str] = {}
        """Targets that cannot be listed, with the reason."""

        self.closed: set[str] = set()
        """Those of `down` that say no, as a closed account does."""

        self.goes_down: dict[str, str] = {}
        """The same, once something was written anywhere."""

        self.refuses: dict[str, str] = {}
        """Targets in which nothing can be made, with the message."""

        self.keeps: dict[str, str] = {}
        """Targets in which nothing can be removed, with the message."""

        self.delays: dict[str, str] = {}
        """Targets in which every change is accepted and comes later."""

        self.ignores: set[str] = set()
        """Targets that report every change as done and do nothing."""

        self.lags: dict[str, int] = {}
        """Targets that show a change only after so many listings more."""

        self.hides: set[str] = set()
        """Targets that do not list what they hold."""

        self.waited: list[float] = []
        """The seconds that runs were about to wait."""

        self.clouds = {one.cloud: one for one in Cloudlet.each(self)}
        self.record = Record(self.done)
        self.forge = Forge(self.record, self.done)
        self.git = Commits()
        self.anchor = self.tip = self.git.commit(files, at=NOON - timedelta(days=1))
        self.accepted: str | None = None
        """The last tip that continued the first-parent line, where the present one does not."""

        self.pulls: dict[str, int] = {}
        """Commit to the pull request whose merge made it."""

    def merge(self, files: Mapping[str, str | None]) -> str:
        """Adds a commit to the default branch, by a pull request of its own."""
        self.tip = self.git.commit(files, self.tip, at=self.now)
        self.pulls[self.tip] = 11 + len(self.pulls)
        return self.tip

    def lives(self) -> tuple[Life, ...]:
        return lives(self.git.mainline(self.accepted or self.tip, since=self.anchor))

    def hold(self, *bindings: Binding) -> None:
        """Puts bindings into the clouds."""
        for one in bindings:
            self.clouds[one.cloud].held[one.identity] = one

    @property
    def held(self) -> list[str]:
        """What the clouds hold of ours, as `shown`."""
        return shown(one for cloud in self.clouds.values() for one in cloud.held.values())

    def events(self, kind: str) -> list[Mapping[str, Any]]:
        """What the record says of one kind, oldest first."""
        return [event for event in self.record.events if event["kind"] == kind]

    def recorded(self) -> list[tuple[str, str, bool]]:
        """The states on the record, oldest first: grant, state, and whether it was told."""
        return [(one["grant"], one["state"], one.get("told", True)) for one in self.events("grant")]

    def write_down(self, *events: AuditEvent) -> None:
        """Records events as an earlier run did."""
        run = Run(actor="keeper[bot]", id="0", main=self.tip)
        AuditJournal(self.record, clock=lambda: self.now, run=run).record(events, "Earlier")

    def write_state(self, key: tuple[str, str], state: str, *, told: bool | None = None) -> None:
        """Records the state of a life as an earlier run did, by default one of an older release,
        which did not say whether it was told."""
        data: dict[str, Any] = {"grant": key[0], "life": key[1], "state": state}
        if told is not None:
            data["told"] = told
        self.write_down(AuditEvent(kind="grant", data=data))

    def say(self, grants: Sequence[LiveGrant | str]) -> None:
        """Makes the default branch hold the files of *grants* and no others; one that is only
        named stays as it lies there."""
        stays = {f"access/grants/{one}.yaml" for one in grants if isinstance(one, str)}
        wanted = {
            one.grant.path: text_of(one.grant) for one in grants if isinstance(one, LiveGrant)
        }
        there = {
            path: file.content.decode()
            for path, file in self.git.files(self.tip).items()
            if path.startswith("access/grants/")
        }
        for path in sorted(there.keys() - wanted.keys() - stays):
            self.merge({path: None})
        for path, text in wanted.items():
            if there.get(path) != text:
                self.merge({path: text})


class Said(NamedTuple):
    """How a command came out."""

    code: int
    error: PipelineError | None
    documents: list[dict[str, Any]]
    out: str
    err: str


class OneRun:
    """A run that is about to begin."""

    def __init__(self, world: World, product: room.EstateRun, context: Context) -> None:
        self.world = world
        self._product = product
        self._workspace = context

    def __enter__(self) -> OneRun:
        self._product.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._product.__exit__(*error)

    def __getattr__(self, name: str) -> Any:
        """What a run finds out: wanted, waiting, plan, established, recorded, targets, …"""
        if hasattr(type(self._product), name):
            return getattr(self._product, name)
        return getattr(self._product.situation, name)

    def without(self, *grants: str) -> list[str]:
        """What would be desired but for *grants*, as `shown`."""
        return shown(self._product.situation.desired_without(frozenset(map(GrantId, grants))))

    def life(self, grant: str) -> tuple[str, str]:
        """What tells the present life of a grant's path from others."""
        return self._product.branch.life_key(GrantId(grant))

    def states(
        self, *held: Binding, down: Mapping[str, str] | None = None, rolled_back: Iterable[str] = ()
    ) -> dict[tuple[str, str], str]:
        """What there is to tell and to record when the clouds hold *held*."""
        unreachable = tuple((TargetId(one), why) for one, why in (down or {}).items())
        after = Estate(bindings=held, foreign=(), unreachable=unreachable)
        return grant_states(self._product.situation, after, frozenset(map(GrantId, rolled_back)))

    def converge(self, plan: Plan | None = None, *, accepted: str | None = None) -> Converged:
        """Carries the run out, with its own plan unless another is given."""
        chosen = self._product.situation.plan if plan is None else plan
        return converge(self._product, chosen, accepted=accepted)

    def opens_reviews(self) -> dict[str, int]:
        # Branches are told apart by it.
        numbers = itertools.count()
        return open_reviews(self._product, nonce=lambda: f"{next(numbers):08x}")

    def told(self, grant: str) -> str:
        """Returns what the pull request that added *grant* was told last; empty for nothing."""
        return self.world.forge.told(self.world.pulls[self.life(grant)[1]])

    @property
    def err(self) -> str:
        """What was said on stderr."""
        return _written(self._workspace.err)

    def command(self, name: str, *arguments: str) -> Said:
        """Carries a whole command out over this run."""
        known = {"apply": apply, "expire": expire, "plan": plan, "status": status}
        context, usual = self._workspace, room.EstateRun
        room.EstateRun = lambda *_, **__: self._product  # type: ignore[assignment,misc]
        error = None
        try:
            code = known[name].main(
                list(arguments), prog_name=name, obj=context, standalone_mode=False
            )
        except PipelineError as raised:
            error, code = raised, raised.exit_code
        finally:
            room.EstateRun = usual  # type: ignore[misc]
        text = _written(context.out)
        documents = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return Said(code, error, documents, text, self.err)

    def again(self, **changes: Any) -> OneRun:
        """Returns the next run over the same world."""
        return a_run(self.world, **changes)


def _written(painter: Painter) -> str:
    assert isinstance(painter.stream, io.StringIO)
    return painter.stream.getvalue()


def a_run(
    world: World | None = None,
    *,
    live: Sequence[LiveGrant] = (),
    lapsed: Sequence[LiveGrant | str] = (),
    offboarded: Sequence[LiveGrant] = (),
    unproven: Sequence[str] = (),
    quarantined: Sequence[Quarantine] = (),
    ungoverned: Sequence[Quarantine] = (),
    unasked: Sequence[str] = (),
    files: bool = True,
    holding: Iterable[Binding | LiveGrant] = (),
    down: Mapping[str, str] | None = None,
    recorded: Mapping[str, str] | None = None,
    now: datetime | None = None,
    proving: bool = False,
    both_engines: bool = False,
    clouds: bool = True,
    **settings: Any,
) -> OneRun:
    """Returns a run whose default branch holds the files of *live*, *lapsed*, *offboarded* and
    *unproven* grants and no others (see `World.say`).

    Without *files* the branch is left as it is. *unasked* grants were deleted by nobody with a say.
    *holding* is put into the clouds before, *down* replaces the targets that cannot be listed,
    *recorded* are states that an earlier run recorded and told. With *proving* the branch is
    really proven; without *clouds* the real adapters are connected.
    """
    world = world or World()
    world.now = now or world.now
    if files:
        world.say([*live, *lapsed, *offboarded, *unproven])
    for one in holding:
        world.hold(*(render_bindings(one, now=world.now) if isinstance(one, LiveGrant) else (one,)))
    if down is not None:
        world.down = dict(down)
    context = _surroundings(world, settings)
    product = room.EstateRun(context, both_engines=both_engines)
    # Side by side, the order of writes to several clouds is anybody's guess.
    vars(product)["lanes"] = one_after_another
    if clouds:
        found = SimpleNamespace(readers=world.clouds, writers=world.clouds)
        vars(product)["connect"] = lambda needed: found
    if not proving:
        vars(product)["endings"] = lambda grants: {
            grant: Unproven(commit=world.tip, reasons=("1 person pushed it",), brought=PUSHED)
            if grant in unasked
            else None
            for grant in grants
        }
        vars(product)["branch"] = _branch(
            world, live, lapsed, [*live, *offboarded], quarantined, ungoverned
        )
    for name, state in (recorded or {}).items():
        world.write_state(product.branch.life_key(GrantId(name)), state)
    return OneRun(world, product, context)


def _branch(
    world: World,
    live: Sequence[LiveGrant],
    lapsed: Sequence[LiveGrant | str],
    proven: Sequence[LiveGrant],
    quarantined: Sequence[Quarantine],
    ungoverned: Sequence[Quarantine],
) -> BranchState:
    present = {life.id: life for life in world.lives() if life.present}
    proofs = {
        one.grant.id: tuple(
            Proof(
                commit=step.commit.sha,
                pull=world.pulls[step.commit.sha],
                head=step.commit.sha[::-1],
                merged_at=step.commit.committed_at,
                requester=one.grant.subject,
                approvers=("carol",),
                decision="0" * 64,
            )
            for step in present[one.grant.id].steps
        )
        for one in proven
    }
    known = {event["commit"] for event in world.events("proof")}
    return BranchState(
        tip=world.accepted or world.tip,
        live=tuple(live),
        lapsed=tuple(
            present[GrantId(one) if isinstance(one, str) else one.grant.id] for one in lapsed
        ),
        quarantined=tuple(quarantined),
        ungoverned=tuple(ungoverned),
        proofs=proofs,
        fresh=tuple(p for several in proofs.values() for p in several if p.commit not in known),
        lives=present,
    )


def _surroundings(world: World, settings: Mapping[str, Any]) -> Context:
    context = Context(root=Path(), sandbox_file=None, verbose=False)
    chosen = {"keeper_id": KEEPER.id, "checker_app": 7, "anchor": world.anchor, **settings}
    world.git.refs["refs/daypass/main"] = world.tip
    vars(context).update(
        settings=Settings(repository="acme/access", **chosen),
        err=Painter(io.StringIO(), colour=False),
        out=Painter(io.StringIO(), colour=False),
        repository=world.git,
        sources=Sources(world.git),
        reader=world.forge,
        audit_store=world.record,
        now=lambda: world.now,
        pause=world.waited.append,
        fetch=lambda refspecs: None,
        writer=lambda who: world.forge.write_as(who),
        _opa=None,
    )
    return context
