from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import pytest

from pipeline.clouds.interface import Result, Status
from pipeline.errors import ForgeError
from pipeline.provision.apply import Outcome, apply_plan
from pipeline.provision.plan import Plan, make_plan
from pipeline.values.binding import Binding, BindingChange, ChangeKind
from pipeline.values.ids import Cloud, GrantId
from tests.unit.support_values import NOON, binding


class Log:
    """A journal that remembers, and may refuse."""

    def __init__(self, refuse: bool = False) -> None:
        self.lines: list[str] = []
        self.refuse = refuse

    def intents(self, plan: Plan) -> None:
        if self.refuse:
            raise ForgeError("the audit branch is protected")
        self.lines.append("intents")

    def outcomes(self, outcome: Outcome) -> None:
        self.lines.append("outcomes")


class Cloudlet:
    """A cloud in memory: a writer that fails where it is told to."""

    def __init__(self, cloud: Cloud, log: Log, *, failing: frozenset[str] = frozenset()) -> None:
        self.cloud = cloud
        self.held: dict[str, Binding] = {}
        self.failing = failing
        self._log = log

    def write(
        self, changes: Sequence[BindingChange], *, clock: Callable[[], datetime]
    ) -> tuple[Result, ...]:
        results = []
        for change in changes:
            key = change.binding.key
            self._log.lines.append(f"{change.kind} {key}")
            if key in self.failing and change.kind is not ChangeKind.DELETE:
                results.append(Result(change=change, status=Status.FAILED, message="no"))
                continue
            if change.kind is ChangeKind.DELETE:
                self.held.pop(key, None)
            else:
                self.held[key] = change.binding
            results.append(Result(change=change, status=Status.DONE))
        return tuple(results)


def two_clouds(log: Log, failing: str = "") -> dict[Cloud, Cloudlet]:
    return {
        cloud: Cloudlet(cloud, log, failing=frozenset({failing}))
        for cloud in (Cloud.AWS, Cloud.GCP)
    }


def pair(grant: str) -> list[Binding]:
    return [
        binding(f"{grant}-aws", cloud=Cloud.AWS, grants=(grant,)),
        binding(f"{grant}-gcp", cloud=Cloud.GCP, grants=(grant,)),
    ]


def alone(*remaining: Binding) -> Callable[[frozenset[GrantId]], list[Binding]]:
    """What stays desired without some grants: *remaining*, as far as they do not need those."""
    return lambda grants: [one for one in remaining if not grants & set(one.grants)]


def test_the_intent_is_recorded_before_the_first_write_and_the_outcome_after() -> None:
    log = Log()
    apply_plan(
        make_plan(pair("a/1"), [], now=NOON),
        two_clouds(log),
        log,
        clock=lambda: NOON,
        without=alone(),
    )
    assert log.lines == ["intents", "create a/1-aws", "create a/1-gcp", "outcomes"]


def test_without_a_recorded_intent_no_cloud_is_touched() -> None:
    log = Log(refuse=True)
    clouds = two_clouds(log)
    with pytest.raises(ForgeError):
        apply_plan(
            make_plan(pair("a/1"), [], now=NOON), clouds, log, clock=lambda: NOON, without=alone()
        )
    assert not any(cloud.held for cloud in clouds.values())


def test_an_empty_plan_touches_nothing_at_all() -> None:
    log = Log()
    outcome = apply_plan(
        make_plan([], [], now=NOON), two_clouds(log), log, clock=lambda: NOON, without=alone()
    )
    assert log.lines == []
    assert outcome.converged


def test_a_grant_whose_second_cloud_fails_is_taken_back() -> None:
    log = Log()
    clouds = two_clouds(log, failing="a/1-gcp")
    outcome = apply_plan(
        make_plan([*pair("a/1"), *pair("b/2")], [], now=NOON),
        clouds,
        log,
        clock=lambda: NOON,
        without=alone(),
    )
    assert set(clouds[Cloud.AWS].held) == {"b/2-aws"}
    assert set(clouds[Cloud.GCP].held) == {"b/2-gcp"}
    assert outcome.incomplete == {GrantId("a/1")}
    assert not outcome.converged


def test_parts_left_by_an_unfinished_run_are_taken_back_too() -> None:
    log = Log()
    clouds = two_clouds(log, failing="a/1-gcp")
    aws, gcp = pair("a/1")
    clouds[Cloud.AWS].held[aws.key] = aws
    plan = make_plan([aws, gcp], [aws], now=NOON)
    apply_plan(plan, clouds, log, clock=lambda: NOON, without=alone(), present=[aws])
    assert clouds[Cloud.AWS].held == {}


def test_an_established_grant_keeps_its_parts_when_a_repair_fails() -> None:
    log = Log()
    clouds = two_clouds(log, failing="a/1-gcp")
    aws, gcp = pair("a/1")
    clouds[Cloud.AWS].held[aws.key] = aws
    plan = make_plan([aws, gcp], [aws], now=NOON)
    outcome = apply_plan(
        plan,
        clouds,
        log,
        clock=lambda: NOON,
        without=alone(),
        present=[aws],
        established=frozenset({GrantId("a/1")}),
    )
    assert set(clouds[Cloud.AWS].held) == {"a/1-aws"}
    assert outcome.failed
    assert outcome.rolled_back == ()


def test_a_shared_binding_is_put_back_as_it_was_for_the_healthy_grant() -> None:
    log = Log()
    before = binding("s", cloud=Cloud.AWS, grants=("a/1",), document='"short"')
    after = binding("s", cloud=Cloud.AWS, grants=("a/1", "b/2"), document='"long"')
    other = binding("b/2-gcp", cloud=Cloud.GCP, grants=("b/2",))
    clouds = two_clouds(log, failing="b/2-gcp")
    clouds[Cloud.AWS].held["s"] = before
    outcome = apply_plan(
        make_plan([after, other], [before], now=NOON),
        clouds,
        log,
        clock=lambda: NOON,
        without=alone(before),
        present=[before],
        established=frozenset({GrantId("a/1")}),
    )
    assert clouds[Cloud.AWS].held["s"].document == '"short"'
    assert outcome.incomplete == {GrantId("b/2")}


def test_a_shared_binding_made_for_both_is_cut_to_what_the_healthy_grant_needs() -> None:
    log = Log()
    both = binding("s", cloud=Cloud.AWS, grants=("a/1", "b/2"), document='"long"')
    short = binding("s", cloud=Cloud.AWS, grants=("a/1",), document='"short"')
    other = binding("b/2-gcp", cloud=Cloud.GCP, grants=("b/2",))
    clouds = two_clouds(log, failing="b/2-gcp")
    plan = make_plan([both, other], [], now=NOON)
    outcome = apply_plan(plan, clouds, log, clock=lambda: NOON, without=alone(short))
    assert clouds[Cloud.AWS].held["s"].document == '"short"'
    assert outcome.incomplete == {GrantId("b/2")}
    # A later run finds it already trimmed, and takes it back again after its next try.
    plan = make_plan([both, other], [short], now=NOON)
    apply_plan(plan, clouds, log, clock=lambda: NOON, without=alone(short), present=[short])
    assert clouds[Cloud.AWS].held["s"].document == '"short"'


def test_what_failed_is_taken_back_too_as_it_may_have_taken_effect() -> None:
    log = Log()
    clouds = two_clouds(log, failing="a/1-gcp")
    clouds[Cloud.GCP].held["a/1-gcp"] = binding("a/1-gcp", document='"half"')
    plan = make_plan(pair("a/1"), [], now=NOON)
    apply_plan(plan, clouds, log, clock=lambda: NOON, without=alone())
    assert clouds[Cloud.GCP].held == {}


def test_a_cloud_without_credentials_fails_its_changes_and_says_so() -> None:
    log = Log()
    outcome = apply_plan(
        make_plan(pair("a/1"), [], now=NOON), {}, log, clock=lambda: NOON, without=alone()
    )
    assert {result.message for result in outcome.failed} == {
        "no credentials for aws",
        "no credentials for gcp",
    }
