"""The Azure documents: what is desired, whose a schedule is, which window is held."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.clouds.azure import binding as azure
from pipeline.clouds.azure.mark import (
    JUSTIFICATION_LIMIT,
    SYSTEM,
    AzureMark,
    former_request_name,
    mark,
    read_mark,
    request_name,
    ticket_number,
)
from pipeline.clouds.azure.observed import (
    ASSIGN,
    REMOVE,
    UPDATE,
    AssignmentSchedule,
    ScheduleRequest,
    read_state,
)
from pipeline.errors import UsageError
from pipeline.values.catalogue import (
    AwsPermissions,
    AzureIdentity,
    AzurePermissions,
    Entitlement,
    Expiry,
    Mfa,
    Principal,
    PrincipalKind,
    Risk,
    Role,
    Target,
)
from pipeline.values.grant import Window
from pipeline.values.ids import Cloud, GrantId, RoleId, TargetId

SUBSCRIPTION = "dfa2a084-766f-4003-8ae1-c4aeb893a99f"
ALICE = "a3bb8764-cb92-4276-9d2a-ca1e895e55ea"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
NOW = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
WINDOW = Window(start=NOW - HOUR, end=NOW + HOUR)
GRANT = GrantId("alice/stuck-payouts")
ENTITLEMENT = Entitlement(
    grant=GRANT,
    principal=Principal(
        name="alice",
        kind=PrincipalKind.PERSON,
        github="alice",
        github_id=1,
        azure=AzureIdentity(object_id=ALICE, type="User"),
    ),
    target=Target(
        id=TargetId("azure/payments-prod"),
        cloud=Cloud.AZURE,
        name="payments-prod",
        locator=SUBSCRIPTION,
        environment="prod",
    ),
    role=Role(
        id=RoleId("azure/reader"),
        cloud=Cloud.AZURE,
        name="reader",
        title="Read everything",
        risk=Risk.LOW,
        max_duration=7200,
        permissions=AzurePermissions(role_definition_id=READER),
    ),
)


def test_the_document_says_who_gets_what_where_until_when_and_why() -> None:
    binding = azure.binding(ENTITLEMENT, grants=(GRANT,), window=WINDOW, now=NOW)
    assert json.loads(binding.document) == {
        "scope": f"/subscriptions/{SUBSCRIPTION}",
        "principalId": ALICE,
        "principalType": "User",
        "roleDefinitionId": (
            f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization"
            f"/roleDefinitions/{READER}"
        ),
        "endDateTime": "2026-11-20T17:00:00Z",
        "grants": [GRANT],
    }
    assert (binding.principal, binding.role, binding.grants) == ("alice", "reader", (GRANT,))
    assert binding.window == WINDOW


def test_a_start_is_named_only_while_it_lies_ahead() -> None:
    window = Window(start=NOW + HOUR, end=NOW + 2 * HOUR)

    def start(now: datetime) -> object:
        binding = azure.binding(ENTITLEMENT, grants=(GRANT,), window=window, now=now)
        return json.loads(binding.document).get("startDateTime")

    assert start(NOW) == "2026-11-20T17:00:00Z"
    assert start(window.start - timedelta(microseconds=1)) == "2026-11-20T17:00:00Z"
    assert start(window.start) is None


def test_the_key_depends_on_principal_role_and_scope_alone() -> None:
    one = azure.binding(ENTITLEMENT, grants=(GRANT,), window=WINDOW, now=NOW)
    other = azure.binding(
        replace(ENTITLEMENT, grant=GrantId("alice/other")),
        grants=(GrantId("alice/other"), GRANT),
        window=Window(start=NOW + HOUR, end=NOW + 3 * HOUR),
        now=NOW,
    )
    assert one.identity == other.identity
    assert one.document != other.document
    assert azure.key(SUBSCRIPTION.upper(), ALICE.upper(), READER.upper()) == one.key
    assert azure.key(SUBSCRIPTION, READER, ALICE) != one.key


def test_ids_are_written_in_lower_case() -> None:
    upper = replace(
        ENTITLEMENT,
        principal=replace(
            ENTITLEMENT.principal, azure=AzureIdentity(object_id=ALICE.upper(), type="User")
        ),
        role=replace(
            ENTITLEMENT.role, permissions=AzurePermissions(role_definition_id=READER.upper())
        ),
    )
    one = azure.binding(upper, grants=(GRANT,), window=WINDOW, now=NOW)
    other = azure.binding(ENTITLEMENT, grants=(GRANT,), window=WINDOW, now=NOW)
    assert one.document == other.document


PRINCIPAL = ENTITLEMENT.principal
REFUSED = {
    "expiry": (
        replace(ENTITLEMENT, target=replace(ENTITLEMENT.target, expiry=Expiry.PIPELINE)),
        "expiry: pipeline",
    ),
    "identity": (replace(ENTITLEMENT, principal=replace(PRINCIPAL, azure=None)), "no Azure"),
    "type": (
        replace(
            ENTITLEMENT,
            principal=replace(PRINCIPAL, azure=AzureIdentity(object_id=ALICE, type="Group")),
        ),
        "is a Group in Entra",
    ),
    "object-id": (
        replace(
            ENTITLEMENT,
            principal=replace(PRINCIPAL, azure=AzureIdentity(object_id="alice", type="User")),
        ),
        "Entra object id 'alice' is not a GUID",
    ),
    "subscription": (
        replace(ENTITLEMENT, target=replace(ENTITLEMENT.target, locator="../x")),
        "subscription id '../x' is not a GUID",
    ),
    "undashed": (
        replace(
            ENTITLEMENT, target=replace(ENTITLEMENT.target, locator=SUBSCRIPTION.replace("-", ""))
        ),
        "is not a GUID",
    ),
    "cloud": (
        replace(ENTITLEMENT, target=replace(ENTITLEMENT.target, cloud=Cloud.AWS)),
        "not an Azure role on an Azure target",
    ),
    "permissions": (
        replace(
            ENTITLEMENT,
            role=replace(
                ENTITLEMENT.role, permissions=AwsPermissions(actions=("a:b",), resources=("*",))
            ),
        ),
        "not an Azure role on an Azure target",
    ),
    "parameters": (replace(ENTITLEMENT, parameters=(("resource", "x"),)), "no parameters"),
    "mfa": (
        replace(ENTITLEMENT, role=replace(ENTITLEMENT.role, mfa_required=True)),
        "mfa: identity-provider",
    ),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_what_an_assignment_cannot_hold_is_refused_with_its_reason(case: str) -> None:
    entitlement, reason = REFUSED[case]
    with pytest.raises(UsageError, match=reason.replace(".", r"\.")) as refused:
        azure.binding(entitlement, grants=(GRANT,), window=WINDOW, now=NOW)
    assert GRANT in str(refused.value)


def test_mfa_by_the_identity_provider_is_taken_at_its_word() -> None:
    identity = AzureIdentity(object_id=ALICE, type="User", mfa=Mfa.IDENTITY_PROVIDER)
    entitlement = replace(
        ENTITLEMENT,
        principal=replace(PRINCIPAL, azure=identity),
        role=replace(ENTITLEMENT.role, mfa_required=True),
    )
    assert azure.binding(entitlement, grants=(GRANT,), window=WINDOW, now=NOW).window == WINDOW


def test_an_end_with_a_fraction_does_not_look_like_one_without() -> None:
    def end(moment: datetime) -> str:
        return azure.document(
            locator=SUBSCRIPTION,
            principal_id=ALICE,
            principal_type=None,
            role=READER,
            start=None,
            end=moment,
            reasons=None,
            now=NOW,
        )

    assert end(NOW + timedelta(microseconds=1)) != end(NOW)
    assert '"2026-11-20T16:00:00.000001Z"' in end(NOW + timedelta(microseconds=1))


@pytest.mark.parametrize(
    "remaining, enough", [(timedelta(minutes=5), True), (timedelta(seconds=299), False)]
)
def test_five_minutes_must_remain(remaining: timedelta, enough: bool) -> None:
    assert azure.assignable(Window(start=NOW - HOUR, end=NOW + remaining), now=NOW) is enough
    later = Window(start=NOW + HOUR, end=NOW + HOUR + remaining)
    assert azure.assignable(later, now=NOW) is enough


def at(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


def window(start: int, end: int) -> Window:
    return Window(start=at(start), end=at(end))


windows = st.lists(
    st.tuples(st.integers(-60, 60), st.integers(1, 40)).map(
        lambda pair: window(pair[0], pair[0] + pair[1])
    ),
    max_size=6,
)


@given(windows)
def test_the_union_holds_no_moment_that_no_grant_covers(given_windows: list[Window]) -> None:
    held = azure.union(given_windows, now=NOW)
    live = [one for one in given_windows if not one.ended(NOW)]
    assert (held is None) == (not live)
    if held is None:
        return
    assert all(
        any(one.contains(at(minute)) for one in live)
        for minute in range(-60, 101)
        if held.contains(at(minute))
    )


@given(windows)
def test_the_union_is_all_of_the_windows_that_touch_from_the_first(
    given_windows: list[Window],
) -> None:
    held = azure.union(given_windows, now=NOW)
    assume(held is not None)
    assert held is not None
    live = sorted(one for one in given_windows if not one.ended(NOW))
    # Reached from the earliest by touching, found by repeating until nothing more is.
    reached = {live[0]}
    while more := {one for one in live if any(one.touches(r) for r in reached)} - reached:
        reached |= more
    for minute in range(-60, 101):
        covered = any(one.contains(at(minute)) for one in reached)
        assert held.contains(at(minute)) == covered
    for one in set(live) - reached:
        assert one.start > held.end


def test_a_gap_is_never_bridged_and_the_later_window_waits() -> None:
    first, second, later = window(-10, 20), window(20, 30), window(31, 60)
    assert azure.union([later, second, first], now=NOW) == window(-10, 30)
    assert azure.union([later, second, first], now=at(30)) == later
    assert azure.union([later], now=at(60)) is None


names = st.text(min_size=1, max_size=30).map(GrantId)


@given(st.lists(names, min_size=1, max_size=12), st.text(min_size=1), st.text(min_size=1))
def test_every_mark_reads_back_as_it_was_written(
    grants: list[GrantId], principal: str, role: str
) -> None:
    assume(
        not any(0xD800 <= ord(one) <= 0xDFFF for text in [*grants, principal, role] for one in text)
    )
    written = mark(principal=principal, role=role, grants=grants)
    assert read_mark(written.justification) == written
    assert len(written.grants) + written.unlisted == len(set(grants))
    assert list(written.grants) == sorted(set(grants))[: len(written.grants)]
    assert len(written.justification) <= JUSTIFICATION_LIMIT or not written.grants


@pytest.mark.parametrize(
    "text",
    [None, "", "by hand", "daypass alice reader", "daypass alice reader:  x", "daypass a b: x +0",
     "daypass alice reader: +1 x", "daypass alice reader: %41lice/x", "daypass alice reader: x "],
)  # fmt: skip
def test_what_no_mark_of_ours_wrote_is_not_read_as_one(text: str | None) -> None:
    assert read_mark(text) is None


def test_an_assignment_without_a_grant_is_not_made() -> None:
    with pytest.raises(ValueError, match="needs a grant"):
        mark(principal="alice", role="reader", grants=())


def test_one_grant_too_long_to_list_is_counted() -> None:
    found = mark(principal="alice", role="reader", grants=[GrantId("x" * 500)])
    assert (found.grants, found.unlisted) == ((), 1)
    assert read_mark(found.justification) == found


def test_ticket_numbers_of_one_moment_count_up() -> None:
    first = ticket_number(NOW, [])
    assert first == "2026-11-20T16:00:00Z.1"
    assert ticket_number(NOW, [first, "2026-11-20T15:59:59Z.7", "INC-1", "x.y"]).endswith("Z.2")


REASONS = AzureMark(principal="alice", role="reader", grants=(GRANT,))


def request(
    kind: str = ASSIGN, *, minute: int = 0, mine: bool = True, former: bool = False, **changes: Any
) -> ScheduleRequest:
    end = None if kind == REMOVE else NOW + HOUR
    number = f"2026-11-20T16:00:00Z.{minute + 1}"
    reasons = REASONS if former else replace(REASONS, end=end, number=number)
    contents = {
        "scope": azure.scope(SUBSCRIPTION),
        "principal_id": ALICE,
        "role_definition": READER,
        "kind": kind,
        "justification": reasons.justification,
    }
    name = request_name(**contents)
    if former:
        name = former_request_name(**contents, end=end, ticket_number=number)
    made = ScheduleRequest(
        name=name if mine else f"0000{minute:04}-0000-4000-8000-000000000000",
        kind=kind,
        status="Provisioned",
        scope=azure.scope(SUBSCRIPTION),
        principal_id=ALICE,
        principal_type="User",
        role=READER,
        end=end,
        justification=reasons.justification if mine else "by hand",
        ticket_system=SYSTEM if mine else "",
        ticket_number=number,
        requestor="us" if mine else "them",
        schedule="s1",
        created=at(minute),
    )
    return replace(made, **changes)


def schedule(made_by: ScheduleRequest | None, **changes: object) -> AssignmentSchedule:
    made = AssignmentSchedule(
        name="s1",
        handle="/subscriptions/x/RoleAssignmentSchedules/s1",
        principal_id=ALICE,
        principal_type="User",
        role=READER,
        start=NOW,
        end=NOW + HOUR,
        request=made_by.name if made_by else None,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def doubt(
    found: AssignmentSchedule, *requests: ScheduleRequest, requestor: str | None = None
) -> str:
    (held,) = read_state(SUBSCRIPTION, [found], requests, requestor=requestor).held
    return held.doubt


def test_a_schedule_is_ours_when_the_request_that_assigned_it_is() -> None:
    assert doubt(schedule(request()), request()) == ""
    assert doubt(schedule(request()), request(), requestor="US") == ""
    # Whether Azure keeps naming the first request or the latest one is not documented.
    assert doubt(schedule(request(UPDATE, minute=1)), request(), request(UPDATE, minute=1)) == ""
    stranger = request(UPDATE, minute=2, mine=False)
    assert doubt(schedule(stranger), request(), stranger) == ""


EDITED = [
    {"name": "00000000-0000-4000-8000-000000000000"},
    {"justification": "daypass alice reader: alice/other"},
    {"justification": "by hand"},
]
ECHOED = [
    {"end": NOW + HOUR + timedelta(seconds=9)},
    {"end": None},
    {"ticket_number": "", "ticket_system": ""},
    {"scope": f"/providers/Microsoft.Subscription{azure.scope(SUBSCRIPTION)}"},
    {"scope": f"{azure.scope(SUBSCRIPTION).upper()}/"},
]


@pytest.mark.parametrize("changes", EDITED)
def test_an_edited_request_is_not_ours(changes: dict[str, object]) -> None:
    edited = request(**changes)
    assert doubt(schedule(edited), edited) != ""


@pytest.mark.parametrize("changes", ECHOED)
def test_what_azure_echoes_otherwise_stays_ours(changes: dict[str, object]) -> None:
    echoed = request(**changes)
    assert doubt(schedule(echoed), echoed, requestor="us") == ""


@pytest.mark.parametrize("changes", [*EDITED, *ECHOED[:3]])
def test_a_request_of_an_earlier_release_is_ours_as_it_was_made(
    changes: dict[str, object],
) -> None:
    made = request(former=True)
    assert doubt(schedule(made), made) == ""
    assert doubt(schedule(made), request(former=True, **changes)) != ""


@pytest.mark.parametrize("late, end", [(0, HOUR), (1, HOUR), (60, HOUR), (61, HOUR + 61 * SECOND)])
def test_an_end_that_advanced_while_azure_worked_is_the_one_that_we_asked_for(
    late: int, end: timedelta
) -> None:
    listed = schedule(request(), end=NOW + HOUR + timedelta(seconds=late))
    state = read_state(SUBSCRIPTION, [listed], [request()], requestor=None)
    (binding,) = state.bindings(ENTITLEMENT.target, now=NOW)
    assert binding.window == Window(start=NOW, end=NOW + end)


def test_an_assignment_whose_first_request_aged_out_is_ours_by_what_we_asked_since() -> None:
    update = request(UPDATE, minute=1)
    assert doubt(schedule(request()), update) == ""
    assert doubt(schedule(request(minute=3, mine=False)), update) == ""
    stranger = request(minute=3, mine=False)
    assert doubt(schedule(stranger), update, stranger) == "no mark"


def test_what_cannot_be_proven_ours_is_not() -> None:
    assert doubt(schedule(request())) == "no mark"
    assert doubt(schedule(None)) == "no mark"
    assert "was made by us" in doubt(schedule(request()), request(), requestor="someone")
    other = schedule(request(), principal_id=READER)
    assert "for another principal or role" in doubt(other, request())
    void = request(status="Denied", schedule="s2")
    assert doubt(schedule(None), void) == "no mark"


def test_a_stranger_who_assigned_anew_is_not_us() -> None:
    theirs = request(minute=5, mine=False)
    assert doubt(schedule(theirs), request(), theirs) == "no mark"


def test_what_is_over_counts_only_where_nothing_else_stands() -> None:
    past = schedule(request(), end=NOW - HOUR, start=NOW - 2 * HOUR)
    new = schedule(request(minute=1), name="s2")
    requests = [request(), request(minute=1, schedule="s2")]
    for order in ([past, new], [new, past]):
        state = read_state(SUBSCRIPTION, order, requests, requestor=None)
        (binding,) = state.bindings(ENTITLEMENT.target, now=NOW)
        assert binding.window == Window(start=NOW, end=NOW + HOUR)
    alone = read_state(SUBSCRIPTION, [past], requests, requestor=None)
    (binding,) = alone.bindings(ENTITLEMENT.target, now=NOW)
    assert binding.window == Window(start=NOW - 2 * HOUR, end=NOW - HOUR)
    assert alone.current(binding.key, now=NOW) is None


def test_an_assignment_is_believed_in_until_it_is_removed_or_over() -> None:
    key = azure.key(SUBSCRIPTION, ALICE, READER)

    def believed(*requests: ScheduleRequest, now: datetime = NOW) -> ScheduleRequest | None:
        return read_state(SUBSCRIPTION, [], requests, requestor=None).believed(key, now=now)

    assert believed(request()) == request()
    assert believed(request(), now=NOW + HOUR) is None
    assert believed(request(), request(REMOVE, minute=1)) is None
    assert believed(request(), request(REMOVE, minute=1, status="Failed")) == request()
    assert believed(request(mine=False)) is None
    # Within one moment the ticket number tells which came last.
    again = request(minute=2, created=NOW)
    assert believed(request(), request(REMOVE, minute=1, created=NOW), again) == again


def test_a_schedule_of_ours_without_readable_reasons_has_no_grants() -> None:
    made = request(schedule=None)
    found = schedule(made, end=None)
    state = read_state(SUBSCRIPTION, [found], [made], requestor=None)
    (binding,) = state.bindings(ENTITLEMENT.target, now=NOW)
    assert binding.window is None
    assert binding.grants == (GRANT,)
    voided = replace(made, status="Failed")
    state = read_state(SUBSCRIPTION, [found], [voided], requestor=None)
    (binding,) = state.bindings(ENTITLEMENT.target, now=NOW)
    assert (binding.grants, binding.principal, binding.role) == ((), ALICE, READER)
