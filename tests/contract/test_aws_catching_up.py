"""IAM is eventually consistent: what passes in some seconds costs no request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from pipeline.clouds.aws.adapter import PATIENCE, _passing
from pipeline.clouds.interface import Status
from pipeline.values.binding import BindingChange, ChangeKind
from pipeline.values.ids import GrantId
from tests.contract.support_aws import END, ENTITLEMENT, NOW, Estate, extended, wanted

# What a provider that works with the real service waits for (terraform-provider-aws).
PASSING = [
    ("PutRolePolicy", "NoSuchEntity", 404),
    ("PutRolePolicy", "ConcurrentModification", 409),
    ("CreateRole", "ConcurrentModification", 409),
    ("UpdateAssumeRolePolicy", "EntityTemporarilyUnmodifiable", 409),
    ("TagRole", "ConcurrentModification", 409),
]


@pytest.fixture
def estate() -> Iterator[Estate]:
    opened = Estate.open()
    try:
        yield opened
    finally:
        opened.sandbox.stop()


@pytest.mark.parametrize("after", [False, True], ids=["refused", "answer-lost"])
@pytest.mark.parametrize("action, code, status", PASSING)
def test_one_passing_error_costs_no_request(
    estate: Estate, action: str, code: str, status: int, after: bool
) -> None:
    longer = wanted(window=extended())
    estate.sandbox.fail_next(action, code, status=status, after=after)
    assert estate.write(ChangeKind.CREATE, wanted()).status is Status.DONE
    assert estate.write(ChangeKind.UPDATE, longer).status is Status.DONE
    assert estate.observe().bindings == (longer,)


def test_what_never_passes_has_failed_after_a_while_and_leaves_patience_to_others(
    estate: Estate,
) -> None:
    made = [wanted(replace(ENTITLEMENT, grant=GrantId(f"alice/{n}"))) for n in range(4)]
    estate.sandbox.fail_next("PutRolePolicy", "NoSuchEntity", status=404, times=100)
    changes = [BindingChange(kind=ChangeKind.CREATE, binding=binding) for binding in made]
    results = estate.writer.write(changes, clock=estate.clock.now)
    assert [result.status for result in results] == [Status.FAILED] * 4
    assert all("NoSuchEntity" in result.message for result in results)
    assert sum(estate.waited) == PATIENCE
    assert max(estate.waited) < PATIENCE / 2


def test_the_window_is_looked_at_again_before_each_try(estate: Estate) -> None:
    estate.sandbox.fail_next("CreateRole", "ConcurrentModification", status=409)
    estate.writer._pause = lambda _: estate.clock.advance(END - NOW)
    result = estate.write(ChangeKind.CREATE, wanted())
    assert (result.status, "window has ended" in result.message) == (Status.FAILED, True)
    assert estate.sandbox.counts()["CreateRole"] == 1


def test_a_role_that_was_made_but_not_answered_for_is_compared_and_completed(
    estate: Estate,
) -> None:
    estate.write(ChangeKind.CREATE, wanted(window=extended(timedelta(minutes=-30))))
    estate.sandbox.fail_next("CreateRole", "ConcurrentModification", status=409)
    assert estate.write(ChangeKind.CREATE, wanted()).status is Status.DONE
    assert estate.observe().bindings == (wanted(),)


@pytest.mark.parametrize(
    "code, message, passes",
    [
        ("MalformedPolicyDocument", 'Invalid principal in policy: "AWS":"arn:…"', True),
        ("MalformedPolicyDocument", "Syntax errors in policy.", False),
        ("NoSuchEntity", "", True),
        ("AccessDenied", "", False),
        ("LimitExceeded", "", False),
        ("EntityAlreadyExists", "", False),
    ],
)
def test_only_what_may_pass_is_waited_for(code: str, message: str, passes: bool) -> None:
    error = ClientError({"Error": {"Code": code, "Message": message}}, "CreateRole")
    assert _passing(error) is passes
