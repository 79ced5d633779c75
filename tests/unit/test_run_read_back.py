"""Listings lag behind writes: what reads otherwise than written is read again before it counts."""

from __future__ import annotations

import pytest

from pipeline.run.read_back import CATCH_UP
from tests.unit.support_estate import a_grant
from tests.unit.support_run import World, a_run
from tests.unit.support_values import HOUR, NOON

X = a_grant("x")
WIDE = a_grant("x", "gcp/prod", "aws/prod")


@pytest.mark.parametrize("late", [0, 1, 3])
def test_a_listing_that_comes_late_is_no_drift(late: int) -> None:
    run = a_run(live=[X])
    run.world.lags["gcp/prod"] = late
    applied = run.converge()
    assert (applied.drift, applied.code) == ((), 0)
    assert [state for _, state, _ in run.world.recorded()] == ["provisioned"]
    assert run.world.waited == [2.0, 4.0, 8.0][:late]


def test_a_removal_that_shows_late_has_ended_all_the_same() -> None:
    world = World()
    assert a_run(world, live=[X]).converge().code == 0
    world.lags["gcp/prod"] = 2
    applied = a_run(world, lapsed=[X], now=NOON + 2 * HOUR).converge()
    assert (applied.drift, applied.code) == ((), 0)
    assert [state for _, state, _ in world.recorded()] == ["provisioned", "ended"]


def test_only_targets_that_differ_are_listed_again() -> None:
    run = a_run(live=[WIDE])
    run.world.lags["gcp/prod"] = 2
    assert run.converge().code == 0
    listed = [one for one in run.world.done if one.startswith("list ")]
    assert listed.count("list aws") == 2
    assert listed.count("list gcp") == 4


def test_what_never_shows_is_drift_after_a_minute_and_a_half() -> None:
    run = a_run(live=[X])
    run.world.ignores.add("gcp/prod")
    applied = run.converge()
    assert [drift.target for drift in applied.drift] == ["gcp/prod"]
    assert applied.code == 1
    assert run.world.waited == [2.0, 4.0, 8.0, 16.0, 32.0, 28.0]
    assert sum(run.world.waited) == CATCH_UP


def test_a_run_that_writes_nothing_waits_for_nothing() -> None:
    world = World()
    assert a_run(world, live=[X]).converge().code == 0
    assert a_run(world, live=[X]).converge().code == 0
    assert world.waited == []


def test_a_target_that_answers_again_is_no_drift() -> None:
    run = a_run(live=[X])
    run.world.goes_down["gcp/prod"] = "503"
    usual = run.world.waited.append

    def back(seconds: float) -> None:
        usual(seconds)
        run.world.goes_down.clear()
        run.world.down.clear()

    vars(run._workspace)["pause"] = back
    applied = run.converge()
    assert (applied.drift, applied.after.unreachable, applied.code) == ((), (), 0)
