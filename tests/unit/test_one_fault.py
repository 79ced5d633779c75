"""One fault stays one fault: a table of what may be wrong with one thing of every kind.

In every cell bob has given up a grant and carol has asked for one, both elsewhere than what is
wrong. Whatever is wrong: bob's access goes. Carol's comes, unless what decides is wrong. What is
wrong is told. Once it is put right, a run or two converge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from pipeline.errors import Denied, ForgeError, Incomplete
from pipeline.values.commits import SUBMODULE_MODE, SYMLINK_MODE
from tests.unit.support_memory import File
from tests.unit.support_organisation import Organisation
from tests.unit.support_tiny_rules import (
    ALICE,
    BOB,
    CAROL,
    LIMITS,
    ROLES,
    RULES,
    TABLES,
    TARGETS,
    grant,
)

pytestmark = pytest.mark.uncounted

BOBS = "access/grants/bob/given-up.yaml"
CAROLS = "access/grants/carol/new.yaml"
ALICES = "access/grants/alice/tables.yaml"
SECURITY = "policies/settings/reviewers/data.yaml"
CALENDAR = "access/calendars/office.yaml"
ROTATION = "access/oncall/platform.yaml"
DELEGATION = "access/delegations/leave.yaml"
PERSON = "access/principals/dan.yaml"
HELD = {"gcp/lab bob/given-up", "gcp/prod alice/tables"}

Lift = Callable[[], None]
Break = Callable[[Organisation], Lift]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One kind of thing with one fault."""

    kind: str
    fault: str
    spoil: Break
    code: int
    told: str
    decides: bool = False
    """Whether it decides about others, so that nothing is added meanwhile."""

    alice: bool = True
    """Whether alice, about whose grant it is, keeps what she has."""

    late: bool = False
    """Whether it comes after both requests: nobody can be judged while it lasts."""


def elsewhere(text: str) -> str:
    return text.replace("gcp/prod", "gcp/lab")


def organisation() -> Organisation:
    """An organisation in which alice and bob hold a grant each."""
    world = Organisation()
    world.bring({BOBS: elsewhere(grant("bob"))}, BOB)
    world.bring({ALICES: TABLES}, ALICE, CAROL)
    assert world.run("apply").code == 0
    assert set(world.held) == HELD
    return world


def pushed(*paths: str, content: str | File | None) -> Break:
    """Somebody pushes *content* over files, past the rules."""

    def spoil(world: Organisation) -> Lift:
        before = world.on.git.files(world.on.tip)
        world.on.push(dict.fromkeys(paths, content))

        def lift() -> None:
            world.on.push({path: before.get(path) for path in paths})

        return lift

    return spoil


def forgotten(spoil: Break) -> Break:
    """The same, for a grant whose proof is not on the record yet."""

    def unrecorded(world: Organisation) -> Lift:
        world.record.files.clear()
        world.record.messages.clear()
        return spoil(world)

    return unrecorded


def pull_request(number: int, **changes: object) -> Break:
    """GitHub says otherwise of a pull request."""

    def spoil(world: Organisation) -> Lift:
        pulls = world.on.forge.pulls
        before = pulls[number]
        pulls[number] = replace(before, **changes)  # type: ignore[arg-type]
        return lambda: pulls.__setitem__(number, before)

    return spoil


def unfetchable(error: Exception) -> Break:
    def spoil(world: Organisation) -> Lift:
        world.on.unfetchable[2] = error  # type: ignore[assignment]
        return world.on.unfetchable.clear

    return spoil


def failing(what: str, error: Exception) -> Break:
    def spoil(world: Organisation) -> Lift:
        world.on.forge.failures[what] = error  # type: ignore[assignment]
        return world.on.forge.failures.clear

    return spoil


def nobody_in_the_team(world: Organisation) -> Lift:
    before = world.on.forge.teams.pop("leads")
    return lambda: world.on.forge.teams.__setitem__("leads", before)


def no_longer_a_writer(world: Organisation) -> Lift:
    world.on.forge.writers.discard(CAROL.id)
    return lambda: world.on.forge.writers.add(CAROL.id)


def many_for_one(world: Organisation) -> Lift:
    pulls = world.on.forge.pulls
    twins = {number: replace(pulls[2], number=number) for number in range(70, 80)}
    pulls.update(twins)

    def lift() -> None:
        for number in twins:
            del pulls[number]

    return lift


def files_left_out(world: Organisation) -> Lift:
    before = world.on.forge.listed[2]
    world.on.forge.listed[2] = ()
    return lambda: world.on.forge.listed.__setitem__(2, before)


def target(attribute: str, value: str = "out of order") -> Break:
    def spoil(world: Organisation) -> Lift:
        getattr(world, attribute)["gcp/prod"] = value

        def lift() -> None:
            getattr(world, attribute).clear()
            world.down.clear()

        return lift

    return spoil


def closed(world: Organisation) -> Lift:
    world.closed.add("gcp/prod")
    return target("down", "it is closed")(world)


def another_version(spoil: Break) -> Break:
    """The same while alice's grant is extended, so that there is something to write."""

    def extended(world: Organisation) -> Lift:
        world.bring({ALICES: TABLES.replace("2h", "3h")}, ALICE, BOB)
        return spoil(world)

    return extended


def silent_record(world: Organisation) -> Lift:
    world.record.silent = True

    def lift() -> None:
        world.record.silent = False

    return lift


def unwritable_record(world: Organisation) -> Lift:
    world.record.refuses = ""

    def lift() -> None:
        world.record.refuses = None

    return lift


def broken_line(world: Organisation) -> Lift:
    last = sorted(world.record.files)[-1]
    before = world.record.files[last]
    world.record.files[last] = before.replace(b'"seq":', b'"sec":', 1)
    return lambda: world.record.files.__setitem__(last, before)


def unsigned(world: Organisation) -> Lift:
    world.telling.signed = False

    def lift() -> None:
        world.telling.signed = True

    return lift


def comment_fails(world: Organisation) -> Lift:
    world.telling.silent.update(range(10))
    return world.telling.silent.clear


def cells() -> Iterator[Cell]:
    request = {
        "its head is refused": (unfetchable(Denied("fsck refuses it")), 1, "fsck refuses it"),
        "its head may lag": (unfetchable(Incomplete("not there yet")), 3, "not there yet"),
        "its head is not answered": (unfetchable(ForgeError("502 of git")), 3, "502 of git"),
        "its files are left out": (files_left_out, 1, "in the commit only"),
        "too many brought it": (many_for_one, 1, "11 merged pull requests"),
        "its author is gone": (pull_request(2, author=None), 1, "tables"),
        "it was merged elsewhere": (pull_request(2, base_ref="other"), 1, "merged into other"),
    }
    for fault, (spoil, code, told) in request.items():
        yield Cell(
            kind="pull request",
            fault=fault,
            spoil=forgotten(spoil),
            code=code,
            told=told,
            alice=code == 3,
        )
    yield Cell(
        kind="pull request",
        fault="it cannot be commented on",
        spoil=another_version(comment_fails),
        code=0,
        told="could not be told",
    )
    people = {
        ("team", "nobody is in it"): nobody_in_the_team,
        ("person", "the approver may write no more"): no_longer_a_writer,
    }
    for (kind, fault), spoil in people.items():
        yield Cell(
            kind=kind, fault=fault, spoil=forgotten(spoil), code=1, told="tables", alice=False
        )
    for what in ("reviews", "can_write"):
        yield Cell(
            kind="person",
            fault=f"{what} is not answered",
            spoil=forgotten(failing(what, ForgeError("502 of GitHub"))),
            code=3,
            told="502 of GitHub",
            late=True,
        )
    decides = {
        "setting": LIMITS,
        "team": SECURITY,
        "person": PERSON,
        "rotation": ROTATION,
        "delegation": DELEGATION,
        "calendar": CALENDAR,
        "target": TARGETS,
        "role": ROLES,
        "rule": RULES,
    }
    contents: dict[str, str | File | None] = {
        "malformed": "- [\n",
        "empty": "",
        "no text": File(b"\xff\xfe"),
        "too large": "#" * 3_000_000,
        "a symlink": File(b"../../etc/passwd", SYMLINK_MODE),
        "a submodule": File(b"a" * 40, SUBMODULE_MODE),
        "of an unknown key": "no_such_key: 1\n",
    }
    for kind, path in decides.items():
        for fault, content in contents.items():
            yield Cell(
                kind=kind,
                fault=f"it is {fault}",
                spoil=pushed(path, content=content),
                code=1,
                told=path,
                decides=True,
            )
    for kind in ("setting", "team", "target", "role", "rule"):
        yield Cell(
            kind=kind,
            fault="it is gone",
            spoil=pushed(decides[kind], content=None),
            code=1,
            told=decides[kind],
            decides=True,
        )
    for fault, content in contents.items():
        yield Cell(
            kind="git object",
            fault=f"a grant's file is {fault}",
            spoil=pushed(ALICES, content=content),
            code=1,
            told=ALICES,
        )
        yield Cell(
            kind="git object",
            fault=f"a new file among grants is {fault}",
            spoil=pushed("access/grants/alice/odd.yaml", content=content),
            code=1,
            told="access/grants/alice/odd.yaml",
        )
    yield Cell(kind="target", fault="it is down", spoil=target("down"), code=3, told="out of order")
    yield Cell(kind="target", fault="it is closed", spoil=closed, code=1, told="it is closed")
    answers = {
        "it refuses": (target("refuses"), 1, "out of order"),
        "it takes its time": (target("delays"), 1, "out of order"),
        "it reads otherwise": (another := target("goes_down"), 3, "out of order"),
    }
    assert another is not None
    for fault, (spoil, code, told) in answers.items():
        yield Cell(
            kind="cloud answer", fault=fault, spoil=another_version(spoil), code=code, told=told
        )
    yield Cell(
        kind="line of the record",
        fault="it is broken",
        spoil=broken_line,
        code=1,
        told="broken",
        decides=True,
    )
    yield Cell(
        kind="line of the record",
        fault="it cannot be read",
        spoil=silent_record,
        code=3,
        told="502",
        decides=True,
    )
    yield Cell(
        kind="line of the record",
        fault="none can be written",
        spoil=unwritable_record,
        code=3,
        told="protected",
        decides=True,
    )
    yield Cell(
        kind="line of the record", fault="it is unsigned", spoil=unsigned, code=0, told="sign"
    )


CELLS = tuple(cells())


def ask_again(world: Organisation) -> None:
    if CAROLS in world.on.git.files(world.on.tip):
        world.bring({CAROLS: None}, CAROL)
    world.bring({CAROLS: elsewhere(grant("carol"))}, CAROL)


@pytest.mark.parametrize("cell", CELLS, ids=lambda one: f"{one.kind}: {one.fault}")
def test_one_fault_stays_one_fault(cell: Cell) -> None:
    world = organisation()
    lift = (lambda: None) if cell.late else cell.spoil(world)
    world.bring({BOBS: None}, BOB)
    try:
        world.bring({CAROLS: elsewhere(grant("carol"))}, CAROL)
    except Exception:
        assert cell.decides, "a request that has nothing to do with it cannot be judged"
    if cell.late:
        lift = cell.spoil(world)
    said = world.run("apply")
    assert "gcp/lab bob/given-up" not in world.held, "what was given up goes, whatever is wrong"
    assert ("gcp/lab carol/new" in world.held) == (not cell.decides)
    if cell.alice:
        assert "gcp/prod alice/tables" in world.held
    assert cell.told in world.everything_said(said)
    assert said.code == cell.code
    expired = world.run("expire")
    assert expired.code in {0, 1, cell.code}

    lift()
    if cell.decides:
        # What came while nobody could judge it is asked for again.
        ask_again(world)
    codes = [world.run("apply").code for _ in range(2)]
    assert codes[-1] == 0
    assert world.run("expire").code == 0
    assert {"gcp/prod alice/tables", "gcp/lab carol/new"} <= set(world.held)


def test_every_kind_of_thing_is_in_the_table() -> None:
    kinds = {cell.kind for cell in CELLS}
    assert kinds == {
        *("pull request", "setting", "team", "person", "rotation", "delegation", "calendar"),
        *("target", "role", "rule", "cloud answer", "git object", "line of the record"),
    }
