from __future__ import annotations

from pipeline.clouds.interface import Result, Status
from pipeline.provision.apply import Outcome
from pipeline.provision.plan import Plan
from pipeline.provision.verify import Estate, observe, verify_outcome
from pipeline.values.binding import Binding, BindingChange, ChangeKind
from pipeline.values.catalogue import Target
from pipeline.values.ids import Cloud, TargetId
from tests.unit.support_values import NOON, binding


def outcome(kind: ChangeKind, one: Binding, status: Status = Status.DONE) -> Outcome:
    change = BindingChange(kind=kind, binding=one)
    return Outcome(plan=Plan(changes=(change,)), results=(Result(change=change, status=status),))


def estate(*held: Binding, down: tuple[tuple[TargetId, str], ...] = ()) -> Estate:
    return Estate(bindings=held, foreign=(), unreachable=down)


def test_gone_means_read_back_as_gone() -> None:
    one = binding()
    assert verify_outcome(outcome(ChangeKind.DELETE, one), estate()) == ()
    (drift,) = verify_outcome(outcome(ChangeKind.DELETE, one), estate(one))
    assert drift.what == "reported as gone, but it is still there"


def test_made_means_read_back_as_made() -> None:
    one = binding()
    assert verify_outcome(outcome(ChangeKind.CREATE, one), estate(one)) == ()
    assert "not there" in verify_outcome(outcome(ChangeKind.CREATE, one), estate())[0].what
    assert (
        "differently"
        in verify_outcome(outcome(ChangeKind.UPDATE, one), estate(binding(document="[]")))[0].what
    )


def test_what_cannot_be_read_back_is_drift() -> None:
    down = ((TargetId("gcp/prod"), "503"),)
    assert "503" in verify_outcome(outcome(ChangeKind.DELETE, binding()), estate(down=down))[0].what


def test_a_change_that_failed_is_known_and_no_drift() -> None:
    assert verify_outcome(outcome(ChangeKind.CREATE, binding(), Status.FAILED), estate()) == ()


def test_a_change_taken_back_is_expected_to_be_gone() -> None:
    one = binding()
    made = Result(change=BindingChange(kind=ChangeKind.CREATE, binding=one), status=Status.DONE)
    undone = Result(change=BindingChange(kind=ChangeKind.DELETE, binding=one), status=Status.DONE)
    both = Outcome(plan=Plan(changes=(made.change,)), results=(made,), rolled_back=(undone,))
    assert verify_outcome(both, estate()) == ()
    assert verify_outcome(both, estate(one))


def test_a_cloud_without_a_reader_is_unreachable() -> None:
    target = Target(
        id=TargetId("gcp/prod"), cloud=Cloud.GCP, name="prod", locator="p", environment="prod"
    )
    seen = observe({}, [target], now=NOON)
    assert seen.unreachable == ((TargetId("gcp/prod"), "no credentials for gcp"),)
