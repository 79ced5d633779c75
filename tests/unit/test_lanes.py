"""One cloud's fault is that cloud's: the others are listed, changed and told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import pytest

from pipeline.clouds.interface import Observation, Result, Status
from pipeline.provision.apply import Outcome, apply_plan
from pipeline.provision.lanes import Lanes, one_after_another
from pipeline.provision.plan import Plan
from pipeline.provision.verify import observe
from pipeline.run.cloud_deadlines import SideBySide
from pipeline.values.binding import Binding, BindingChange, ChangeKind
from pipeline.values.catalogue import Target
from pipeline.values.ids import Cloud, TargetId
from tests.unit.support_estate import a_grant
from tests.unit.support_run import World, a_run
from tests.unit.support_values import NOON, binding

FAULTS = [
    ValueError("Expecting value: line 1 column 1 (char 0)"),
    KeyError("Role"),
    AttributeError("'NoneType' object has no attribute 'value'"),
    RecursionError(),
    OSError("connection reset"),
]


class Silent:
    """A cloud that accepts and does not answer until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def observe(self, targets: Sequence[Target], *, now: datetime) -> Observation:
        self.let_go.wait()
        return Observation(cloud=Cloud.AWS, bindings=())

    def write(
        self, changes: Sequence[BindingChange], *, clock: Callable[[], datetime]
    ) -> tuple[Result, ...]:
        self.let_go.wait()
        return tuple(Result(change=one, status=Status.DONE) for one in changes)


class Raising:
    """A cloud whose adapter raises what it should not."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def observe(self, targets: Sequence[Target], *, now: datetime) -> Observation:
        raise self.error

    def write(
        self, changes: Sequence[BindingChange], *, clock: Callable[[], datetime]
    ) -> tuple[Result, ...]:
        raise self.error


class Healthy:
    """A cloud that does what it is told."""

    def __init__(self, *held: Binding) -> None:
        self.held = held

    def observe(self, targets: Sequence[Target], *, now: datetime) -> Observation:
        return Observation(cloud=Cloud.GCP, bindings=self.held)

    def write(
        self, changes: Sequence[BindingChange], *, clock: Callable[[], datetime]
    ) -> tuple[Result, ...]:
        return tuple(Result(change=one, status=Status.DONE) for one in changes)


@pytest.fixture
def silent() -> Iterator[Silent]:
    cloud = Silent()
    yield cloud
    cloud.let_go.set()


def a_target(cloud: Cloud) -> Target:
    name = TargetId(f"{cloud}/prod")
    return Target(id=name, cloud=cloud, name="prod", locator="p", environment="prod")


BOTH = [a_target(Cloud.AWS), a_target(Cloud.GCP)]
OURS = binding(cloud=Cloud.GCP, target=TargetId("gcp/prod"))
THEIRS = binding(cloud=Cloud.AWS, target=TargetId("aws/prod"))
EACH = pytest.mark.parametrize("lanes", [one_after_another, SideBySide()], ids=["alone", "beside"])


@EACH
@pytest.mark.parametrize("error", FAULTS, ids=lambda one: type(one).__name__)
def test_a_reader_that_raises_makes_its_own_cloud_unreachable(
    error: Exception, lanes: Lanes
) -> None:
    clouds: Any = {Cloud.AWS: Raising(error), Cloud.GCP: Healthy(OURS)}
    seen = observe(clouds, BOTH, now=NOON, lanes=lanes)
    assert seen.bindings == (OURS,)
    ((target, why),) = seen.unreachable
    assert target == "aws/prod"
    assert type(error).__name__ in why


def test_a_cloud_that_never_answers_is_unreachable_and_holds_up_nobody(silent: Silent) -> None:
    clouds: Any = {Cloud.AWS: silent, Cloud.GCP: Healthy(OURS)}
    seen = observe(clouds, BOTH, now=NOON, lanes=SideBySide(look=0.01))
    assert seen.bindings == (OURS,)
    assert seen.unreachable == (("aws/prod", "aws did not answer in time"),)


def applied(writers: dict[Cloud, Any], lanes: Lanes) -> Outcome:
    changes = tuple(BindingChange(kind=ChangeKind.DELETE, binding=one) for one in (THEIRS, OURS))

    class Journal:
        def intents(self, plan: Plan) -> None:
            assert plan.changes == changes

        def outcomes(self, outcome: Outcome) -> None:
            assert len(outcome.results) == 2

    return apply_plan(
        Plan(changes=changes),
        writers,
        Journal(),
        clock=lambda: NOON,
        without=lambda _: (),
        lanes=lanes,
    )


def statuses(outcome: Outcome) -> dict[str, tuple[str, str]]:
    return {one.change.binding.target: (one.status, one.message) for one in outcome.results}


@EACH
@pytest.mark.parametrize("error", FAULTS, ids=lambda one: type(one).__name__)
def test_a_writer_that_raises_has_failed_and_the_other_cloud_is_cleaned_up(
    error: Exception, lanes: Lanes
) -> None:
    found = statuses(applied({Cloud.AWS: Raising(error), Cloud.GCP: Healthy()}, lanes))
    assert found["gcp/prod"] == ("done", "")
    status, why = found["aws/prod"]
    assert (status, type(error).__name__ in why) == ("failed", True)


def test_a_writer_that_never_answers_has_failed_and_the_outcome_is_recorded(
    silent: Silent,
) -> None:
    lanes = SideBySide(look=0.01, per_change=0)
    found = statuses(applied({Cloud.AWS: silent, Cloud.GCP: Healthy()}, lanes))
    assert found == {
        "aws/prod": ("failed", "aws did not answer in time"),
        "gcp/prod": ("done", ""),
    }


@EACH
def test_whoever_ends_the_process_in_between_ends_it(lanes: Lanes) -> None:
    class Killed(Healthy):
        def write(
            self, changes: Sequence[BindingChange], *, clock: Callable[[], datetime]
        ) -> tuple[Result, ...]:
            raise SystemExit(3)

    with pytest.raises(SystemExit):
        applied({Cloud.AWS: Killed(), Cloud.GCP: Healthy()}, lanes)


@EACH
def test_an_adapter_that_forgets_a_change_has_failed_in_all_of_them(lanes: Lanes) -> None:
    class Forgetful(Healthy):
        def write(
            self, changes: Sequence[BindingChange], *, clock: Callable[[], datetime]
        ) -> tuple[Result, ...]:
            return ()

    found = statuses(applied({Cloud.AWS: Forgetful(), Cloud.GCP: Healthy()}, lanes))
    assert found["gcp/prod"][0] == "done"
    assert found["aws/prod"] == (
        "failed",
        "its adapter gave another number of results than changes",
    )


def test_a_run_revokes_in_the_healthy_clouds_and_ends_with_3() -> None:
    world = World()
    gone = a_grant("gone", "gcp/prod", "aws/prod")
    run = a_run(world, holding=[gone])

    def raises(targets: Sequence[Target], *, now: datetime) -> Observation:
        raise ValueError("Expecting value: line 1 column 1 (char 0)")

    vars(world.clouds[Cloud.AWS])["observe"] = raises
    said = run.command("apply", "--json")
    assert said.code == 3
    assert [one["target"] for one in said.documents[0]["unreachable"]] == ["aws/dev", "aws/prod"]
    assert all("ValueError" in one["why"] for one in said.documents[0]["unreachable"])
    assert ["aws/prod" in one for one in world.held] == [True]
    del vars(world.clouds[Cloud.AWS])["observe"]
    assert run.again().command("apply", "--json").code == 0
    assert world.held == []


def test_a_writer_that_raises_takes_the_whole_grant_back() -> None:
    world = World()
    wide = a_grant("wide", "gcp/prod", "aws/prod")

    def raises(changes: Sequence[BindingChange], *, clock: Any) -> tuple[Result, ...]:
        raise ValueError("Expecting value: line 1 column 1 (char 0)")

    vars(world.clouds[Cloud.AWS])["write"] = raises
    run = a_run(world, live=[wide])
    assert run.command("apply", "--json").code == 1
    assert world.held == []
    assert [state for _, state, _ in world.recorded()] == ["rolled-back"]
