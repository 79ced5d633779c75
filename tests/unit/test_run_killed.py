"""Runs that are killed around every write that they make, and what one plain run makes of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clouds.desired import render_bindings
from pipeline.record.audit import unanswered_intents
from pipeline.record.chain import read_chain
from tests.unit.support_estate import a_grant
from tests.unit.support_run import OneRun, World, a_run
from tests.unit.support_values import NOON, window
from tests.unit.support_world import Killed

pytestmark = pytest.mark.uncounted

CLOUDS = ("aws/prod", "azure/prod", "gcp/prod")
ONE, TWO = a_grant("one", *CLOUDS), a_grant("two", *CLOUDS, subject="bob")
OVER = a_grant("over", *CLOUDS, held=window(-2, 0))
GONE = a_grant("gone", *CLOUDS, subject="bob")
ALL = sorted(f"{target} {one.grant.id}" for one in (ONE, TWO) for target in CLOUDS)

Scene = Callable[[], World]
Runs = Callable[[World], OneRun]


def new_grants() -> World:
    """Two grants over three clouds were merged."""
    world = World()
    world.say([ONE, TWO])
    return world


def some_to_end() -> World:
    """Besides two that live, one is over and one was deleted."""
    run = a_run(live=[ONE, TWO, GONE], holding=[OVER])
    assert run.command("apply").code == 0
    world = run.world
    world.say([ONE, TWO, OVER])
    world.hold(*render_bindings(OVER, now=NOON))
    return world


def living(world: World) -> OneRun:
    return a_run(world, live=[ONE, TWO], files=False)


def ending(world: World) -> OneRun:
    return a_run(world, live=[ONE, TWO], lapsed=[OVER], files=False)


SCENES: dict[str, tuple[Scene, Runs, str]] = {
    "apply makes two grants": (new_grants, living, "apply"),
    "apply takes away": (some_to_end, ending, "apply"),
    "expire takes away": (some_to_end, ending, "expire"),
}


@cache
def points(scene: str) -> int:
    """How many points there are at which the run can be killed."""
    make, run, command = SCENES[scene]
    world = make()
    before = world.done.points
    run(world).command(command)
    return world.done.points - before


@pytest.mark.property
@pytest.mark.parametrize("scene", SCENES)
@given(st.integers(0, 10_000))
def test_wherever_a_run_is_killed_one_plain_run_converges_and_nothing_is_unanswered(
    scene: str, number: int
) -> None:
    make, run, command = SCENES[scene]
    assert points(scene) > 20
    world = make()
    world.done.kill_at = world.done.points + number % points(scene)
    with pytest.raises(Killed):
        run(world).command(command)
    world.done.kill_at = None
    run(world).command("apply")
    assert world.held == ALL
    chain = read_chain(world.record.files)
    assert chain.broken == ()
    assert unanswered_intents(chain.events) == ()
    world.done.clear()
    assert run(world).command("apply").code == 0
    assert [line for line in world.done if "list" not in line] == []


@pytest.mark.parametrize("point", range(12))
def test_nothing_is_made_before_its_intent_is_on_the_record(point: int) -> None:
    world = new_grants()
    world.done.kill_at = point
    with pytest.raises(Killed):
        living(world).command("apply")
    intended = {
        (one["binding"]["target"], one["grants"][0]["id"]) for one in world.events("intent")
    }
    assert {tuple(line.split(" ")) for line in world.held} <= intended


def test_a_retired_grant_gets_one_pull_request_however_often_the_run_is_killed() -> None:
    world = some_to_end()
    for point in range(points("expire takes away")):
        world.done.kill_at = world.done.points + point
        try:
            ending(world).command("expire")
        except Killed:
            continue
        finally:
            world.done.kill_at = None
    assert len(world.forge.opened) == 1
