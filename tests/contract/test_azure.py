"""Azure through its real SDK, against the stand-in, held to the vendor's descriptions."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from pipeline.clouds.azure import binding as documents
from pipeline.clouds.azure.adapter import AzureReader, AzureWriter, StaticToken
from pipeline.clouds.azure.api import CONNECT_TIMEOUT, READ_TIMEOUT
from pipeline.clouds.azure.mark import AzureMark, request_name
from pipeline.clouds.interface import Observation, Result, Status
from pipeline.errors import UsageError
from pipeline.sandbox.azure import CANCEL, CREATE, AzureSandbox
from pipeline.sandbox.clock import Clock
from pipeline.values.binding import Binding, BindingChange, ChangeKind
from pipeline.values.catalogue import (
    AzureIdentity,
    AzurePermissions,
    Entitlement,
    Principal,
    PrincipalKind,
    Risk,
    Role,
    Target,
)
from pipeline.values.grant import Window
from pipeline.values.ids import Cloud, GrantId, RoleId, TargetId
from tests.contract.support_azure import ROOT, contracts, examples, plain

SUBSCRIPTION = "dfa2a084-766f-4003-8ae1-c4aeb893a99f"
OTHER = "129ff972-28f8-46b8-a726-e497be039368"
ALICE = "a3bb8764-cb92-4276-9d2a-ca1e895e55ea"
GROUP = "b4bb8764-cb92-4276-9d2a-ca1e895e55eb"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
WRITER = "c8d4ff99-41c3-41a8-9f60-21dfdad59608"
TARGET = Target(
    id=TargetId("azure/payments-prod"),
    cloud=Cloud.AZURE,
    name="payments-prod",
    locator=SUBSCRIPTION,
    environment="prod",
)
# Azure's clock has fractions; grants end at whole seconds.
START = datetime(2026, 11, 20, 16, 0, 0, 913_370, tzinfo=UTC)
END = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class World:
    """A stand-in with a reader and a writer of ours, and waits that are noted, not waited."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock(START)
        self.sandbox = AzureSandbox(
            self.clock,
            subscriptions=[SUBSCRIPTION, OTHER],
            principals={ALICE: "User", GROUP: "Group"},
            role_definitions={READER: "Reader", WRITER: "Contributor"},
            **options,
        )
        self.pauses: list[float] = []
        self.reader = AzureReader(
            StaticToken("pipeline"), endpoint=self.sandbox.url, pause=self.pauses.append
        )
        self.writer = AzureWriter(
            StaticToken("pipeline"), endpoint=self.sandbox.url, pause=self.pauses.append
        )

    def observe(self, *targets: Target) -> Observation:
        return self.reader.observe(targets or (TARGET,), now=self.clock.now())

    def only(self) -> Binding:
        (binding,) = self.observe().bindings
        return binding

    def write(self, *changes: BindingChange) -> tuple[Result, ...]:
        return self.writer.write(changes, clock=self.clock.now)

    def create(self, binding: Binding) -> Result:
        return self.write(BindingChange(kind=ChangeKind.CREATE, binding=binding))[0]

    def update(self, binding: Binding) -> Result:
        return self.write(
            BindingChange(kind=ChangeKind.UPDATE, binding=binding, before=self.only())
        )[0]

    def delete(self, binding: Binding) -> Result:
        return self.write(BindingChange(kind=ChangeKind.DELETE, binding=binding))[0]

    def wanted(self, *grants: str, end: datetime = END, **options: Any) -> Binding:
        names = tuple(GrantId(one) for one in grants) or (GrantId("alice/stuck-payouts"),)
        window = Window(start=options.pop("start", START - timedelta(minutes=1)), end=end)
        now = options.pop("now", self.clock.now())
        return documents.binding(entitlement(**options), grants=names, window=window, now=now)

    def active(self, at: datetime, role: str = READER) -> bool:
        return bool(self.sandbox.instances(SUBSCRIPTION, ALICE, role, at))


def entitlement(
    *, role: str = READER, principal: str = ALICE, kind: str = "User", target: Target = TARGET
) -> Entitlement:
    return Entitlement(
        grant=GrantId("alice/stuck-payouts"),
        principal=Principal(
            name="alice",
            kind=PrincipalKind.PERSON,
            github="alice",
            github_id=1,
            azure=AzureIdentity(object_id=principal, type=kind),
        ),
        target=target,
        role=Role(
            id=RoleId("azure/reader"),
            cloud=Cloud.AZURE,
            name="reader",
            title="Read everything",
            risk=Risk.LOW,
            max_duration=7200,
            permissions=AzurePermissions(role_definition_id=role),
        ),
    )


def hold_to_contracts(sandbox: AzureSandbox) -> None:
    """Every call of a test is checked once it is over."""
    for contract in contracts():
        for call in sandbox.log:
            if call.operation:
                contract.check(call)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    with world.sandbox:
        yield world
    hold_to_contracts(world.sandbox)


@pytest.fixture
def build() -> Iterator[Any]:
    built: list[World] = []

    def make(**options: Any) -> World:
        built.append(World(**options))
        return built[-1]

    yield make
    for world in built:
        world.sandbox.stop()
        hold_to_contracts(world.sandbox)


def test_what_is_created_reads_back_as_it_was_desired(world: World) -> None:
    desired = world.wanted()
    assert world.create(desired) == Result(
        change=BindingChange(kind=ChangeKind.CREATE, binding=desired), status=Status.DONE
    )
    observed = world.only()
    assert observed.identity == desired.identity
    assert observed.document == desired.document
    assert observed.grants == desired.grants
    assert (observed.principal, observed.role) == ("alice", "reader")
    assert observed.window == Window(start=START, end=END)
    assert "/RoleAssignmentSchedules/" in observed.handle


def test_a_start_in_the_past_compares_equal_at_every_later_moment(world: World) -> None:
    world.create(world.wanted())
    world.clock.advance(timedelta(minutes=40))
    assert world.only().document == world.wanted().document


def test_creating_twice_asks_azure_once(world: World) -> None:
    desired = world.wanted()
    world.create(desired)
    again = world.create(desired)
    assert again.status is Status.DONE
    assert world.sandbox.counts[CREATE] == 1
    assert len(world.observe().bindings) == 1


def test_deleting_twice_succeeds(world: World) -> None:
    desired = world.wanted()
    world.create(desired)
    world.clock.advance(timedelta(minutes=10))
    assert world.delete(world.only()).status is Status.DONE
    assert world.delete(desired).status is Status.DONE
    assert world.observe().bindings == ()
    assert not world.active(world.clock.now())


def test_access_ends_at_the_second_although_nobody_does_anything(world: World) -> None:
    world.create(world.wanted())
    by_hand = world.sandbox.assign(SUBSCRIPTION, ALICE, WRITER, end=None)
    world.clock.advance(END - START - SECOND)
    assert world.active(END - SECOND)
    assert world.active(world.clock.now())
    world.clock.advance(SECOND)
    assert world.clock.now() == END
    assert not world.active(END)
    assert world.observe().bindings == ()
    # Negative control: the stand-in can say yes to what has no end.
    assert world.sandbox.instances(SUBSCRIPTION, ALICE, WRITER, END) == (by_hand,)


def test_a_start_in_the_future_is_kept_by_azure(world: World) -> None:
    begin = START.replace(microsecond=0) + timedelta(hours=1)
    desired = world.wanted(start=begin, end=begin + timedelta(hours=1))
    result = world.create(desired)
    assert (result.status, result.message) == (Status.DONE, "scheduled")
    assert world.only().document == desired.document
    assert not world.active(begin - SECOND)
    assert world.active(begin)
    world.clock.advance(timedelta(hours=1, minutes=1))
    later = world.wanted(start=begin, end=begin + timedelta(hours=1))
    assert later.document != desired.document
    assert world.only().document == later.document
    assert not world.active(begin + timedelta(hours=1))


def test_an_extension_leaves_no_gap(world: World) -> None:
    world.create(world.wanted())
    world.clock.advance(timedelta(hours=1))
    longer = world.wanted(end=END + timedelta(hours=1))
    assert world.update(longer).status is Status.DONE
    assert world.only().document == longer.document
    moments = [START + timedelta(minutes=5 * step) for step in range(36)]
    assert all(world.active(moment) for moment in moments if moment < END + timedelta(hours=1))
    assert len(world.sandbox.instances(SUBSCRIPTION, ALICE, READER, END)) == 1
    assert not world.active(END + timedelta(hours=1))


def test_a_narrowing_ends_earlier_in_place(world: World) -> None:
    world.create(world.wanted())
    sooner = world.wanted(end=END - timedelta(hours=1))
    assert world.update(sooner).status is Status.DONE
    assert not world.active(END - timedelta(hours=1))


def test_an_update_after_the_end_assigns_anew(build: Any) -> None:
    world = build(linger=timedelta(hours=1))
    world.create(world.wanted())
    world.clock.advance(END - START + timedelta(minutes=5))
    assert world.only().window == Window(start=START, end=END)
    longer = world.wanted(end=END + timedelta(hours=2))
    assert world.update(longer).status is Status.DONE
    assert world.only().document == longer.document
    assert not world.active(END)
    assert world.active(world.clock.now())


def test_an_update_that_azure_finds_gone_assigns_anew(world: World) -> None:
    world.create(world.wanted())
    longer = world.wanted(end=END + timedelta(hours=1))
    world.sandbox.fail_next(CREATE, code="RoleAssignmentDoesNotExist", status=400)
    result = world.update(longer)
    # The stand-in does hold one, so the new assignment meets it and is settled in place.
    assert result.status is Status.DONE
    assert world.only().document == longer.document


@pytest.mark.parametrize("gone", ["in the listing", "in the answer"])
def test_an_update_that_only_takes_away_assigns_nothing_anew(world: World, gone: str) -> None:
    world.create(world.wanted())
    world.clock.advance(timedelta(minutes=6))
    before, sooner = world.only(), world.wanted(end=END - timedelta(hours=1))
    less = BindingChange(kind=ChangeKind.UPDATE, binding=sooner, before=before)
    if gone == "in the listing":
        assert world.delete(before).status is Status.DONE
    else:
        world.sandbox.fail_next(CREATE, code="RoleAssignmentDoesNotExist", status=400)
    requests = world.sandbox.counts[CREATE]
    (result,) = world.write(less)
    assert result.status is Status.FAILED
    assert world.sandbox.counts[CREATE] - requests == (0 if gone == "in the listing" else 1)
    assert world.active(world.clock.now()) == (gone == "in the answer")


def test_an_azure_that_contradicts_itself_is_not_asked_for_ever(world: World) -> None:
    world.create(world.wanted())
    world.sandbox.fail_next(CREATE, code="RoleAssignmentDoesNotExist", status=400, times=9)
    result = world.update(world.wanted(end=END + timedelta(hours=1)))
    assert result.status is Status.FAILED
    assert "RoleAssignmentDoesNotExist" in result.message
    assert world.sandbox.counts[CREATE] == 3


def test_an_early_removal_waits_and_is_done_later(world: World) -> None:
    world.create(world.wanted())
    world.clock.advance(timedelta(minutes=4, seconds=59))
    early = world.delete(world.only())
    assert early.status is Status.PENDING
    assert "until 2026-11-20T18:00:00Z at the latest" in early.message
    assert world.active(world.clock.now())
    world.clock.advance(SECOND)
    assert world.delete(world.only()).status is Status.DONE
    assert not world.active(world.clock.now())


def test_overlapping_grants_share_one_assignment(world: World) -> None:
    world.create(world.wanted("alice/one"))
    both = world.wanted("alice/one", "alice/two", end=END + timedelta(hours=1))
    assert world.update(both).status is Status.DONE
    assert world.only().grants == ("alice/one", "alice/two")
    second = world.wanted("alice/two", end=END + timedelta(hours=1))
    assert second.document != both.document
    world.update(second)
    assert world.only().grants == ("alice/two",)
    assert world.active(END)
    assert len(world.sandbox.instances(SUBSCRIPTION, ALICE, READER, END)) == 1


def test_more_grants_than_fit_are_counted_and_compare_equal(world: World) -> None:
    names = [f"alice/{number:02}-{'x' * 40}" for number in range(30)]
    desired = world.wanted(*names)
    assert world.create(desired).status is Status.DONE
    observed = world.only()
    assert observed.document == desired.document
    assert 0 < len(observed.grants) < len(names)
    assert observed.unlisted == len(names) - len(observed.grants)


def test_what_is_not_ours_is_never_changed(world: World) -> None:
    name = world.sandbox.assign(SUBSCRIPTION, ALICE, READER, end=None)
    before = world.sandbox.log.copy()
    result = world.create(world.wanted())
    assert result.status is Status.FAILED
    assert name in result.message
    assert "is not ours (no mark)" in result.message
    assert world.delete(world.wanted()).status is Status.DONE
    update = BindingChange(kind=ChangeKind.UPDATE, binding=world.wanted(), before=world.wanted())
    assert world.write(update)[0].status is Status.FAILED
    assert world.sandbox.counts[CREATE] == 0
    assert world.observe().bindings == ()
    assert before == []
    assert world.active(END + timedelta(days=300))


def test_a_foreign_assignment_in_our_place_is_reported(world: World) -> None:
    world.create(world.wanted())
    world.clock.advance(timedelta(minutes=6))
    world.delete(world.only())
    name = world.sandbox.assign(SUBSCRIPTION, ALICE, READER, end=None)
    world.sandbox.assign(SUBSCRIPTION, ALICE, WRITER, end=None)
    found = world.observe()
    assert found.bindings == ()
    assert [(one.handle.rpartition("/")[2], one.why) for one in found.foreign] == [
        (name, "no mark")
    ]
    removal = world.delete(world.wanted())
    assert removal.status is Status.DONE
    assert "is not ours" in removal.message


def test_the_ticket_system_alone_makes_nothing_ours(build: Any) -> None:
    world = build(echoes_exactly=True)
    world.sandbox.assign(SUBSCRIPTION, ALICE, READER, end=END, ticket_system="daypass")
    found = world.observe()
    assert found.bindings == ()
    assert "gives no reasons as ours do" in found.foreign[0].why
    assert world.create(world.wanted()).status is Status.FAILED


def test_with_our_object_id_known_a_perfect_imitation_is_not_ours(world: World) -> None:
    desired = world.wanted()
    imitator = AzureWriter(StaticToken("mallory"), endpoint=world.sandbox.url)
    change = BindingChange(kind=ChangeKind.CREATE, binding=desired)
    assert imitator.write([change], clock=world.clock.now)[0].status is Status.DONE
    careful = AzureReader(
        StaticToken("pipeline"),
        endpoint=world.sandbox.url,
        requestor=world.sandbox.requestor("pipeline"),
    )
    found = careful.observe([TARGET], now=world.clock.now())
    assert found.bindings == ()
    assert f"was made by {world.sandbox.requestor('mallory')}" in found.foreign[0].why


def test_a_strangers_update_shows_and_is_undone(world: World) -> None:
    world.create(world.wanted())
    client = sdk(world)
    answer = client.role_assignment_schedule_requests.create(
        f"/subscriptions/{SUBSCRIPTION}",
        "11111111-2222-4333-8444-555555555555",
        {
            "properties": {
                "roleDefinitionId": documents.role_definition(SUBSCRIPTION, READER),
                "principalId": ALICE,
                "requestType": "AdminUpdate",
                "justification": "just a bit more",
                "scheduleInfo": {"expiration": {"type": "NoExpiration"}},
            }
        },
    )
    client.close()
    assert answer.status == "Provisioned"
    altered = world.only()
    assert altered.window is None
    assert altered.document != world.wanted().document
    assert altered.grants == ("alice/stuck-payouts",)
    assert world.update(world.wanted()).status is Status.DONE
    assert world.only().document == world.wanted().document
    assert not world.active(END)


def test_throttling_is_waited_out_as_azure_asks(world: World) -> None:
    world.sandbox.fail_next(CREATE, retry_after=7, times=2)
    world.sandbox.fail_next("RoleAssignmentSchedules_ListForScope", status=503, code="Busy")
    assert world.create(world.wanted()).status is Status.DONE
    assert world.pauses == [2.0, 7.0, 7.0]


def test_waiting_is_bounded(world: World) -> None:
    world.sandbox.fail_next(CREATE, retry_after=86_400, times=4)
    result = world.create(world.wanted())
    assert result.status is Status.FAILED
    assert "TooManyRequests" in result.message
    assert world.pauses == [60.0] * 3
    assert world.observe().bindings == ()


@pytest.mark.parametrize("status", [0, 500, 504])
def test_a_lost_answer_is_looked_up_and_not_repeated(world: World, status: int) -> None:
    world.sandbox.fail_next(CREATE, code="GatewayTimeout", status=status, after=True)
    assert world.create(world.wanted()).status is Status.DONE
    assert world.only().document == world.wanted().document
    assert len(world.sandbox.instances(SUBSCRIPTION, ALICE, READER, START)) == 1


def test_a_lost_answer_to_a_removal_is_looked_up(world: World) -> None:
    world.create(world.wanted())
    world.clock.advance(timedelta(minutes=6))
    world.sandbox.fail_next(CREATE, status=0, after=True)
    assert world.delete(world.only()).status is Status.DONE
    assert world.observe().bindings == ()


def test_a_request_that_never_arrived_is_sent_again(world: World) -> None:
    world.sandbox.fail_next(CREATE, status=0)
    assert world.create(world.wanted()).status is Status.DONE
    assert world.only().document == world.wanted().document


def test_when_no_answer_ever_comes_the_effect_still_counts(world: World) -> None:
    world.sandbox.fail_next(CREATE, status=0, after=True)
    world.sandbox.fail_next(CREATE, status=0, times=3)
    assert world.create(world.wanted()).status is Status.DONE


def test_a_crash_after_the_write_converges_in_the_next_run(build: Any) -> None:
    world = build(visibility_delay=timedelta(minutes=3))
    desired = world.wanted()
    assert world.create(desired).status is Status.DONE
    assert world.observe().bindings == ()
    world.clock.advance(timedelta(minutes=1))
    again = world.create(desired)
    assert (again.status, again.message) == (
        Status.DONE,
        "it is assigned, but not listed yet",
    )
    other = world.create(world.wanted(end=END + timedelta(hours=1)))
    assert other.status is Status.FAILED
    assert "does not list it as ours" in other.message
    world.clock.advance(timedelta(minutes=2))
    assert world.only().document == desired.document


def test_what_is_not_listed_yet_is_still_taken_back(build: Any) -> None:
    world = build(visibility_delay=timedelta(minutes=10))
    desired = world.wanted()
    world.create(desired)
    assert world.delete(desired).status is Status.PENDING
    world.clock.advance(timedelta(minutes=6))
    assert world.delete(desired).status is Status.DONE
    assert not world.active(world.clock.now())


def test_a_removed_grant_can_be_given_again(world: World) -> None:
    for _ in range(3):
        assert world.create(world.wanted()).status is Status.DONE
        world.clock.advance(timedelta(minutes=6))
        assert world.delete(world.only()).status is Status.DONE
    names = [call.path for call in world.sandbox.log if call.operation == CREATE]
    assert len(set(names)) == 6


def test_two_changes_of_one_assignment_in_one_go_are_both_carried_out(world: World) -> None:
    first = world.wanted()
    longer = world.wanted(end=END + timedelta(hours=1))
    results = world.write(
        BindingChange(kind=ChangeKind.CREATE, binding=first),
        BindingChange(kind=ChangeKind.UPDATE, binding=longer, before=first),
    )
    assert [one.status for one in results] == [Status.DONE, Status.DONE]
    assert world.only().document == longer.document


def test_an_ended_window_is_never_created(world: World) -> None:
    desired = world.wanted()
    world.clock.advance(END - START)
    result = world.create(desired)
    assert result.status is Status.FAILED
    assert "its window has ended" in result.message
    assert world.sandbox.counts[CREATE] == 0


def test_less_than_five_minutes_cannot_be_assigned(world: World) -> None:
    desired = world.wanted()
    world.clock.advance(END - START - timedelta(minutes=4, seconds=59))
    result = world.create(desired)
    assert result.status is Status.FAILED
    assert "fewer than five minutes" in result.message
    assert world.sandbox.counts[CREATE] == 0


def test_exactly_five_minutes_can_be_assigned(world: World) -> None:
    end = world.clock.now() + timedelta(minutes=5)
    assert world.create(world.wanted(end=end)).status is Status.DONE
    assert world.active(end - timedelta(microseconds=1))
    assert not world.active(end)


def test_a_principal_of_another_type_gets_nothing(world: World) -> None:
    result = world.create(world.wanted(principal=GROUP))
    assert result.status is Status.FAILED
    assert "is a Group" in result.message
    assert world.sandbox.counts[CREATE] == 0
    assert world.observe().bindings == ()


def test_where_azure_cannot_rehearse_a_wrong_type_is_taken_back(world: World) -> None:
    world.sandbox.fail_next(
        "RoleAssignmentScheduleRequests_Validate", code="InvalidResourceType", status=404
    )
    result = world.create(world.wanted(principal=GROUP))
    assert result.status is Status.FAILED
    assert "taking it back: pending" in result.message


def test_an_unknown_principal_is_waited_for_and_then_named(world: World) -> None:
    unknown = "00000000-1111-4222-8333-444444444444"
    result = world.create(world.wanted(principal=unknown))
    assert result.status is Status.FAILED
    assert "PrincipalNotFound" in result.message
    assert "check the object id" in result.message
    assert world.pauses == [2.0, 4.0, 8.0]


@pytest.mark.parametrize("code", ["PrincipalNotFound", "SubjectNotFound"])
def test_a_principal_that_was_made_a_moment_ago_costs_no_request(world: World, code: str) -> None:
    world.sandbox.fail_next(CREATE, code=code, status=400)
    assert world.create(world.wanted()).status is Status.DONE
    assert world.pauses == [2.0]


@pytest.mark.parametrize(
    "rule", ["ExpirationRule", "JustificationRule", "TicketingRule", "MfaRule", "EligibilityRule"]
)
def test_a_policy_of_the_role_is_named(world: World, rule: str) -> None:
    world.sandbox.fail_next(
        CREATE,
        code="RoleAssignmentRequestPolicyValidationFailed",
        status=400,
        message=f'The following policy rules failed: ["{rule}"]',
    )
    result = world.create(world.wanted())
    assert result.status is Status.FAILED
    assert f"{rule}: the " in result.message


def test_too_long_an_assignment_is_refused_by_the_roles_settings(world: World) -> None:
    world.sandbox._pim.longest = timedelta(hours=1)
    result = world.create(world.wanted())
    assert result.status is Status.FAILED
    assert "ExpirationRule: the role's PIM settings allow less time" in result.message


def test_a_pending_request_is_waited_for(world: World) -> None:
    world.sandbox.fail_next(CREATE, code="PendingRoleAssignmentRequest", status=400, times=2)
    assert world.create(world.wanted()).status is Status.DONE
    assert len(world.pauses) == 2


def test_one_failed_change_does_not_hide_the_next(world: World) -> None:
    results = world.write(
        BindingChange(kind=ChangeKind.CREATE, binding=world.wanted(principal=GROUP)),
        BindingChange(kind=ChangeKind.CREATE, binding=world.wanted(role=WRITER)),
    )
    assert [one.status for one in results] == [Status.FAILED, Status.DONE]


def test_a_subscription_that_fails_is_unreachable_and_holds_no_other(world: World) -> None:
    unknown = replace(
        TARGET,
        id=TargetId("azure/gone"),
        locator="99999999-9999-4999-8999-999999999999",
    )
    world.create(world.wanted())
    found = world.observe(unknown, TARGET)
    assert [one for one, _ in found.unreachable] == ["azure/gone"]
    assert "SubscriptionNotFound" in found.unreachable[0][1]
    assert "closed for good" in found.unreachable[0][1]
    assert found.refused == {"azure/gone"}
    assert len(found.bindings) == 1
    failed = world.create(world.wanted(target=unknown))
    assert failed.status is Status.FAILED
    assert "SubscriptionNotFound" in failed.message


def test_a_read_that_never_answers_is_unreachable(world: World) -> None:
    world.sandbox.fail_next("RoleAssignmentSchedules_ListForScope", status=0, times=4)
    seen = world.observe()
    (target, why), *_ = seen.unreachable
    assert (target, seen.refused) == (TARGET.id, frozenset())
    assert why.startswith("Azure: ")
    assert len(world.pauses) == 3


def test_a_refused_token_is_unreachable(build: Any) -> None:
    world = build(callers={"other": ALICE})
    assert "InvalidAuthenticationToken" in world.observe().unreachable[0][1]
    assert world.create(world.wanted()).status is Status.FAILED


def test_every_page_is_read(build: Any) -> None:
    world = build(page_size=1)
    world.create(world.wanted())
    world.create(world.wanted(role=WRITER))
    bindings = world.observe().bindings
    assert len(bindings) == 2
    assert all(one.identity < other.identity for one, other in pairwise(bindings))


def test_observing_costs_two_lists_a_subscription(world: World) -> None:
    world.create(world.wanted())
    world.create(world.wanted(role=WRITER))
    world.sandbox.counts.clear()
    world.observe()
    assert world.sandbox.counts == {
        "RoleAssignmentSchedules_ListForScope": 1,
        "RoleAssignmentScheduleRequests_ListForScope": 1,
    }


def test_the_sdk_is_loaded_only_where_it_is_used() -> None:
    found = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, pipeline.clouds.azure.adapter\n"
            "print([name for name in sys.modules if name.split('.')[0] == 'azure'])",
        ],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert found.stdout == "[]\n"


def test_plain_http_is_for_this_machine_only() -> None:
    with pytest.raises(UsageError, match="in the clear"):
        AzureReader(StaticToken("pipeline"), endpoint="http://azure.example")


def sdk(world: World) -> Any:
    from azure.core.pipeline.policies import HeadersPolicy
    from azure.mgmt.authorization import AuthorizationManagementClient

    return AuthorizationManagementClient(
        StaticToken("someone"),
        SUBSCRIPTION,
        base_url=world.sandbox.url,
        authentication_policy=HeadersPolicy(base_headers={"Authorization": "Bearer someone"}),
        retry_total=0,
    )


def test_the_multi_version_client_reads_every_operation(world: World) -> None:
    from azure.core.exceptions import HttpResponseError

    world.create(world.wanted())
    scope = f"/subscriptions/{SUBSCRIPTION}"
    with sdk(world) as client:
        (schedule,) = client.role_assignment_schedules.list_for_scope(scope)
        assert client.role_assignment_schedules.get(scope, schedule.name).end_date_time == END
        (instance,) = client.role_assignment_schedule_instances.list_for_scope(
            scope, filter=f"principalId eq '{ALICE}'"
        )
        assert (
            client.role_assignment_schedule_instances.get(scope, instance.name).principal_id
            == ALICE
        )
        policies = list(client.role_management_policy_assignments.list_for_scope(scope))
        assert policies[0].effective_rules[0].maximum_duration == "P180D"
        assert [one.role_name for one in client.role_definitions.list(scope)] == [
            "Reader",
            "Contributor",
        ]
        assert client.role_definitions.get(scope, READER).role_name == "Reader"
        with pytest.raises(HttpResponseError) as refused:
            client.role_assignment_schedule_requests.cancel(scope, "x")
        assert refused.value.status_code == 404


def test_a_request_to_come_can_be_cancelled(world: World) -> None:
    begin = START.replace(microsecond=0) + timedelta(hours=1)
    world.create(world.wanted(start=begin))
    scope = f"/subscriptions/{SUBSCRIPTION}"
    with sdk(world) as client:
        (request,) = client.role_assignment_schedule_requests.list_for_scope(scope)
        assert request.status == "PendingScheduleCreation"
        client.role_assignment_schedule_requests.cancel(scope, request.name)
        kept = client.role_assignment_schedule_requests.get(scope, request.name)
    assert kept.status == "Canceled"
    assert world.observe().bindings == ()
    assert not world.active(begin)


@pytest.mark.parametrize("version", ["2022-04-01", None])
def test_another_api_version_is_refused(world: World, version: str | None) -> None:
    from azure.core.exceptions import HttpResponseError

    with sdk(world) as client, pytest.raises(HttpResponseError) as refused:
        list(
            client.role_assignment_schedules.list_for_scope(
                f"/subscriptions/{SUBSCRIPTION}", api_version=version or "2015-06-01"
            )
        )
    assert refused.value.error.code == "NoRegisteredProviderFound"


@pytest.mark.parametrize(
    "path, token, status, code",
    [
        ("roleAssignmentSchedules?api-version=2020-10-01", "", 401, "InvalidAuthenticationToken"),
        ("roleAssignmentSchedules", "Bearer x", 400, "MissingApiVersionParameter"),
        (
            "roleAssignmentSchedules?api-version=2020-10-01&$filter=all()",
            "Bearer x",
            400,
            "InvalidFilter",
        ),
        ("roleAssignmentSchedules/x?api-version=2020-10-01", "Bearer x", 404, "ResourceNotFound"),
        (
            "roleAssignmentSchedules/x/y/z?api-version=2020-10-01",
            "Bearer x",
            404,
            "InvalidResourceType",
        ),
    ],
)
def test_what_is_not_offered_is_an_arm_error(
    world: World, path: str, token: str, status: int, code: str
) -> None:
    request = urllib.request.Request(  # noqa: S310 - the stand-in's own address
        f"{world.sandbox.url}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/{path}",
        headers={"Authorization": token} if token else {},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)  # noqa: S310
    with refused.value as answer:
        assert answer.code == status
        assert json.load(answer)["error"]["code"] == code


def test_the_specifications_own_example_is_understood() -> None:
    for example in examples(
        "PutRoleAssignmentScheduleRequest", "ValidateRoleAssignmentScheduleRequestByName"
    ):
        replay(example)


def test_the_activation_that_the_specification_shows_is_understood() -> None:
    # The body of Microsoft's example, so that it is also replayed where the file is not.
    replay(
        {
            "parameters": {
                "roleAssignmentScheduleRequestName": "fea7a502-9a96-4806-a26f-eee560e52045",
                "parameters": {
                    "properties": {
                        "principalId": ALICE,
                        "roleDefinitionId": documents.role_definition(SUBSCRIPTION, WRITER),
                        "requestType": "SelfActivate",
                        "linkedRoleEligibilityScheduleId": "b1477448-2cc6-4ceb-93b4-54a202a89413",
                        "scheduleInfo": {
                            "startDateTime": "2020-09-09T21:35:27.91Z",
                            "expiration": {
                                "type": "AfterDuration",
                                "endDateTime": None,
                                "duration": "PT8H",
                            },
                        },
                    }
                },
            }
        }
    )


def replay(example: dict[str, Any]) -> None:
    from azure.core.pipeline.policies import HeadersPolicy
    from azure.mgmt.authorization.v2020_10_01 import AuthorizationManagementClient

    given = example["parameters"]
    clock = Clock(datetime(2020, 9, 9, 21, 35, 27, 910_000, tzinfo=UTC))
    eligible = (SUBSCRIPTION, ALICE, WRITER, "b1477448-2cc6-4ceb-93b4-54a202a89413")
    sandbox = AzureSandbox(
        clock,
        subscriptions=[SUBSCRIPTION],
        principals={ALICE: "User"},
        role_definitions={WRITER: "Contributor"},
        eligibilities=[eligible],
        echoes_exactly=True,
    )
    policy = HeadersPolicy(base_headers={"Authorization": "Bearer alice"})
    with (
        sandbox,
        AuthorizationManagementClient(
            StaticToken("alice"), sandbox.url, authentication_policy=policy
        ) as client,
    ):
        answer = client.role_assignment_schedule_requests.create(
            given.get("scope", f"subscriptions/{SUBSCRIPTION}"),
            given["roleAssignmentScheduleRequestName"],
            given["parameters"],
        )
    hold_to_contracts(sandbox)
    assert answer.status == "Provisioned"
    for response in example.get("responses", {}).values():
        shown = response["body"]["properties"]
        answered = sandbox.log[0].answered
        assert answered is not None
        assert shown.keys() - {"approvalId"} <= answered["properties"].keys()
        for same in ("scope", "roleDefinitionId", "principalId", "principalType", "status",
                     "scheduleInfo", "createdOn", "condition", "conditionVersion"):  # fmt: skip
            assert plain(answered["properties"][same]) == plain(shown[same])
    eight = timedelta(hours=8)
    assert sandbox.instances(SUBSCRIPTION, ALICE, WRITER, clock.now() + eight - SECOND)
    assert not sandbox.instances(SUBSCRIPTION, ALICE, WRITER, clock.now() + eight)


def test_a_contract_refuses_what_the_vendor_does_not_describe(world: World) -> None:
    world.create(world.wanted())
    call = next(one for one in world.sandbox.log if one.operation == CREATE)
    assert call.answered is not None
    properties = {**call.answered["properties"], "endsAt": "2026-11-20T18:00:00Z"}
    wrong = replace(call, answered={**call.answered, "properties": properties})
    for contract in contracts():
        with pytest.raises(AssertionError):
            contract.check(wrong)


def test_a_copied_request_for_another_principal_is_not_ours(world: World) -> None:
    justification = AzureMark(
        principal="alice",
        role="reader",
        grants=(GrantId("alice/stuck-payouts"),),
        end=END,
        number="2026-11-20T16:00:00Z.1",
    ).justification
    name = request_name(
        scope=f"/subscriptions/{SUBSCRIPTION}",
        principal_id=ALICE,
        role_definition=READER,
        kind="AdminAssign",
        justification=justification,
    )
    with sdk(world) as client:
        client.role_assignment_schedule_requests.create(
            f"/subscriptions/{SUBSCRIPTION}",
            name,
            {
                "properties": {
                    "roleDefinitionId": documents.role_definition(SUBSCRIPTION, WRITER),
                    "principalId": ALICE,
                    "requestType": "AdminAssign",
                    "justification": justification,
                    "scheduleInfo": {
                        "expiration": {
                            "type": "AfterDateTime",
                            "endDateTime": "2026-11-20T18:00:00Z",
                        }
                    },
                    "ticketInfo": {
                        "ticketSystem": "daypass",
                        "ticketNumber": "2026-11-20T16:00:00Z.1",
                    },
                }
            },
        )
    found = world.observe()
    assert found.bindings == ()
    assert "its name does not fit its contents" in found.foreign[0].why


# Taken away before it began


@pytest.mark.parametrize("removes_early", [False, True])
@pytest.mark.parametrize("minutes", [6, 59])
def test_what_is_revoked_before_its_start_never_begins_whichever_way_azure_takes_it_away(
    build: Any, removes_early: bool, minutes: int
) -> None:
    world = build(removes_early=removes_early)
    begin = START.replace(microsecond=0) + timedelta(hours=1)
    desired = world.wanted(start=begin, end=begin + timedelta(hours=1))
    world.create(desired)
    kept = world.wanted(start=begin, end=begin + timedelta(hours=1), role=WRITER)
    world.create(kept)
    world.clock.advance(timedelta(minutes=minutes))
    assert world.delete(desired).status is Status.DONE
    assert not world.active(begin)
    assert not world.active(begin + timedelta(minutes=59))
    assert world.only().key == kept.key
    # Negative control: what was not revoked begins.
    assert world.active(begin, WRITER)


def test_what_begins_later_is_cancelled_at_once_also_within_its_first_five_minutes(
    build: Any,
) -> None:
    world = build()
    begin = START.replace(microsecond=0) + timedelta(hours=1)
    desired = world.wanted(start=begin, end=begin + timedelta(hours=1))
    world.create(desired)
    longer = world.wanted(start=begin, end=begin + timedelta(hours=2))
    assert world.update(longer).status is Status.DONE
    result = world.delete(longer)
    assert (result.status, result.message) == (Status.DONE, "cancelled before it began")
    assert not world.active(begin)
    assert world.observe().bindings == ()


def test_an_assignment_that_azure_denies_and_lists_is_not_gone(world: World) -> None:
    desired = world.wanted()
    world.create(desired)
    world.clock.advance(timedelta(minutes=6))
    world.sandbox.fail_next(CREATE, code="RoleAssignmentDoesNotExist", status=400)
    result = world.delete(desired)
    assert result.status is Status.FAILED
    assert "yet it is listed" in result.message
    assert world.delete(desired).status is Status.DONE
    assert not world.active(world.clock.now())


def test_an_outage_while_cancelling_is_no_success(build: Any) -> None:
    world = build()
    begin = START.replace(microsecond=0) + timedelta(hours=1)
    desired = world.wanted(start=begin, end=begin + timedelta(hours=1))
    world.create(desired)
    world.sandbox.fail_next(CANCEL, code="InternalServerError", status=500, times=9)
    assert world.delete(desired).status is Status.FAILED
    assert world.active(begin)


# Not echoed as sent


@pytest.mark.parametrize("exactly", [False, True])
def test_however_azure_echoes_a_request_it_is_extended_and_taken_away(
    build: Any, exactly: bool
) -> None:
    world = build(echoes_exactly=exactly)
    desired = world.wanted()
    assert world.create(desired).status is Status.DONE
    assert world.only().document == desired.document
    longer = world.wanted(end=END + timedelta(hours=1))
    assert world.update(longer).status is Status.DONE
    assert world.only().document == longer.document
    world.clock.advance(timedelta(minutes=6))
    assert world.delete(longer).status is Status.DONE
    assert not world.active(world.clock.now())
    assert world.observe().bindings == ()


def test_what_does_not_read_back_as_ours_is_taken_back_at_once(build: Any) -> None:
    """Azure says that somebody else made the request: no later run would take it for ours."""
    world = build()
    world.writer = AzureWriter(
        StaticToken("pipeline"),
        endpoint=world.sandbox.url,
        requestor="00000000-0000-4000-8000-00000000beef",
        pause=world.pauses.append,
    )
    begin = START.replace(microsecond=0) + timedelta(hours=1)
    result = world.create(world.wanted(start=begin))
    assert result.status is Status.FAILED
    assert "it does not read back as ours" in result.message
    assert not world.active(begin)


def test_a_window_of_more_than_thirty_days_is_refused(world: World) -> None:
    start = START.replace(microsecond=0)
    assert world.wanted(start=start, end=start + timedelta(days=30))
    with pytest.raises(UsageError, match="longer than 30 days, and Azure forgets whose"):
        world.wanted(start=start, end=start + timedelta(days=30, seconds=1))
    # Two that follow each other share an assignment, and bring a request each.
    assert world.wanted("alice/a", "alice/b", start=start, end=start + timedelta(days=40))


def test_a_call_waits_for_a_bounded_time(world: World) -> None:
    with world.reader._connection.open(SUBSCRIPTION) as subscription:
        waits = subscription.client._client._pipeline._transport.connection_config
    assert (waits.timeout, waits.read_timeout) == (CONNECT_TIMEOUT, READ_TIMEOUT) == (20, 60)
