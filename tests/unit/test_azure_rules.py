"""The stand-in's rules, one by one, below HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.sandbox.azure_rules import Json, Pim
from pipeline.sandbox.azure_words import ArmError, write_time

SUBSCRIPTION = "dfa2a084-766f-4003-8ae1-c4aeb893a99f"
SCOPE = f"/subscriptions/{SUBSCRIPTION}"
ALICE = "a3bb8764-cb92-4276-9d2a-ca1e895e55ea"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
ELIGIBLE = "b1477448-2cc6-4ceb-93b4-54a202a89413"
NOW = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def tenant(**options: Any) -> Pim:
    return Pim(
        subscriptions=(SUBSCRIPTION,),
        principals={ALICE: "User"},
        role_definitions={READER: "Reader"},
        **options,
    )


def body(
    kind: str = "AdminAssign", *, end: datetime | None = NOW + 60 * MINUTE, **changes: Any
) -> Json:
    properties = {
        "roleDefinitionId": f"{SCOPE}/providers/Microsoft.Authorization/roleDefinitions/{READER}",
        "principalId": ALICE,
        "requestType": kind,
        "justification": "because",
        "scheduleInfo": {
            "startDateTime": write_time(NOW),
            "expiration": {"type": "AfterDateTime", "endDateTime": write_time(end)},
        },
    }
    return {"properties": {**properties, **changes}}


def expiring(**expiration: Any) -> Json:
    return {"startDateTime": None, "expiration": expiration}


def put(
    pim: Pim, content: Json, *, number: int = 1, now: datetime = NOW, keep: bool = True
) -> Json:
    name = f"{number:08}-0000-4000-8000-000000000000"
    return pim.put(SCOPE, name, content, requestor="us", now=now, keep=keep)["properties"]


def refused(pim: Pim, content: Json, *, number: int = 9, now: datetime = NOW) -> tuple[int, str]:
    with pytest.raises(ArmError) as error:
        put(pim, content, number=number, now=now)
    return error.value.status, f"{error.value.code}: {error.value.message}"


@pytest.mark.parametrize(
    "content, code",
    [
        ({}, "InvalidRequestContent: roleDefinitionId"),
        (body(principalId=None), "InvalidRequestContent: principalId"),
        (body(requestType=""), "InvalidRequestContent: requestType"),
        (body("AdminAdd"), "InvalidRequestContent: requestType AdminAdd"),
        (body("AdminRenew"), "UnsupportedRequestType"),
        (body(principalId=READER), "PrincipalNotFound"),
        (body(roleDefinitionId=READER), "InvalidRequestContent"),
        (
            body(roleDefinitionId=f"/providers/Microsoft.Authorization/roleDefinitions/{ALICE}"),
            "RoleDefinitionDoesNotExist",
        ),
        (body(justification=None), '["JustificationRule"]'),
        (body(scheduleInfo=None), "InvalidRequestContent: scheduleInfo.expiration"),
        (body(scheduleInfo=expiring(type="AfterDateTime")), "InvalidRequestContent"),
        (body(scheduleInfo=expiring(type="AfterDuration", duration="8h")), "'8h' is no duration"),
        (body(scheduleInfo=expiring(type="AfterDuration", duration="P")), "'P' is no duration"),
        (
            body(scheduleInfo=expiring(type="AfterDateTime", endDateTime="2026-11-20T18:00:00")),
            "is no date-time",
        ),
        (body(scheduleInfo=expiring(type="AfterDateTime", endDateTime="soon")), "is no date-time"),
        (body(end=NOW), '["ExpirationRule"]'),
        (body(end=NOW + 5 * MINUTE - SECOND), "ActiveDurationTooShort"),
        (body(end=NOW + timedelta(days=180) + SECOND), '["ExpirationRule"]'),
        (body("SelfActivate", linkedRoleEligibilityScheduleId=READER), '["EligibilityRule"]'),
        (body("AdminUpdate"), "RoleAssignmentDoesNotExist"),
        (body("AdminExtend"), "RoleAssignmentDoesNotExist"),
        (body("AdminRemove"), "RoleAssignmentDoesNotExist"),
    ],
)  # fmt: skip
def test_what_the_documents_refuse_is_refused_and_changes_nothing(content: Json, code: str) -> None:
    pim = tenant()
    status, said = refused(pim, content)
    assert status == 400
    assert code in said
    assert not pim.schedules
    assert not pim.requests


def test_the_shortest_and_the_longest_assignment_are_taken() -> None:
    for end in (NOW + 5 * MINUTE, NOW + timedelta(days=180)):
        assert put(tenant(), body(end=end))["status"] == "Provisioned"


def test_one_assignment_per_principal_role_and_scope() -> None:
    pim = tenant()
    put(pim, body())
    assert "RoleAssignmentExists" in refused(pim, body())[1]
    assert "RoleAssignmentExists" in refused(pim, body(), now=NOW + 60 * MINUTE - SECOND)[1]
    after = NOW + 60 * MINUTE
    assert put(pim, body(end=after + 60 * MINUTE), number=2, now=after)["status"] == "Provisioned"


def test_a_name_is_used_once_and_is_a_guid() -> None:
    pim = tenant()
    put(pim, body())
    assert refused(pim, body("AdminUpdate"), number=1)[0] == 409
    with pytest.raises(ArmError, match="not a GUID"):
        pim.put(SCOPE, "mine", body(), requestor="us", now=NOW)


def test_rehearsing_changes_nothing() -> None:
    pim = tenant()
    assert put(pim, body(), keep=False)["principalType"] == "User"
    assert not pim.schedules
    assert not pim.requests


def test_nothing_is_removed_within_five_minutes() -> None:
    pim = tenant()
    put(pim, body())
    early = refused(pim, body("AdminRemove"), now=NOW + 5 * MINUTE - SECOND)
    assert "ActiveDurationTooShort" in early[1]
    removed = put(pim, body("AdminRemove"), number=2, now=NOW + 5 * MINUTE)
    assert removed["status"] == "Revoked"
    assert list(pim.active(SCOPE, NOW + 5 * MINUTE - SECOND))
    assert not list(pim.active(SCOPE, NOW + 5 * MINUTE))


def test_a_past_start_is_recorded_as_the_moment_of_provisioning() -> None:
    pim = tenant()
    past = {**body()["properties"]["scheduleInfo"], "startDateTime": write_time(NOW - 9 * MINUTE)}
    put(pim, body(scheduleInfo=past))
    assert pim.schedules[0].start == NOW


def test_an_update_keeps_the_start_of_what_is_active() -> None:
    pim = tenant()
    put(pim, body())
    put(pim, body("AdminUpdate", end=NOW + 90 * MINUTE), number=2, now=NOW + 30 * MINUTE)
    (schedule,) = pim.schedules
    assert (schedule.start, schedule.end) == (NOW, NOW + 90 * MINUTE)
    assert (
        schedule.name
        == pim.get(SCOPE, "00000001-0000-4000-8000-000000000000", NOW)["properties"][
            "targetRoleAssignmentScheduleId"
        ]
    )


def test_an_update_to_a_later_start_interrupts() -> None:
    pim = tenant()
    put(pim, body())
    later = {
        "startDateTime": write_time(NOW + 40 * MINUTE),
        "expiration": {"type": "AfterDuration", "duration": "P1DT1H1M1S"},
    }
    put(pim, body("AdminUpdate", scheduleInfo=later), number=2, now=NOW + 10 * MINUTE)
    assert not list(pim.active(SCOPE, NOW + 20 * MINUTE))
    assert list(pim.active(SCOPE, NOW + 40 * MINUTE))
    assert pim.schedules[0].end == NOW + timedelta(days=1, minutes=101, seconds=1)


def test_an_extension_ends_later_than_before() -> None:
    pim = tenant()
    put(pim, body())
    assert '["ExpirationRule"]' in refused(pim, body("AdminExtend"))[1]
    put(pim, body("AdminExtend", end=NOW + 61 * MINUTE), number=2)
    assert pim.schedules[0].end == NOW + 61 * MINUTE


def test_an_eligible_person_activates_and_deactivates() -> None:
    pim = tenant(eligibilities=frozenset({(SUBSCRIPTION, ALICE, READER, ELIGIBLE)}))
    content = body("SelfActivate", linkedRoleEligibilityScheduleId=ELIGIBLE, justification=None)
    assert put(pim, content)["status"] == "Provisioned"
    assert pim.schedules[0].assignment == "Activated"
    put(pim, body("SelfDeactivate"), number=2, now=NOW + 6 * MINUTE)
    assert not list(pim.listed(SCOPE, NOW + 6 * MINUTE))


def test_what_is_to_come_waits_for_its_start() -> None:
    pim = tenant()
    info = {**body()["properties"]["scheduleInfo"], "startDateTime": write_time(NOW + 30 * MINUTE)}
    assert put(pim, body(scheduleInfo=info))["status"] == "PendingScheduleCreation"
    name = "00000001-0000-4000-8000-000000000000"
    assert len(list(pim.listed(SCOPE, NOW))) == 1
    assert not list(pim.active(SCOPE, NOW + 30 * MINUTE - SECOND))
    assert list(pim.active(SCOPE, NOW + 30 * MINUTE))
    started = pim.get(SCOPE, name, NOW + 30 * MINUTE)
    assert started["properties"]["status"] == "Provisioned"
    with pytest.raises(ArmError, match="not pending"):
        pim.cancel(SCOPE, name, NOW + 30 * MINUTE)


def test_what_is_over_is_listed_no_longer_or_for_a_while() -> None:
    end = NOW + 60 * MINUTE
    for linger, listed in ((timedelta(0), 0), (MINUTE, 1)):
        pim = tenant(linger=linger)
        put(pim, body())
        assert len(list(pim.listed(SCOPE, end - SECOND))) == 1
        assert len(list(pim.listed(SCOPE, end))) == listed
        assert not list(pim.listed(SCOPE, end + MINUTE))
        assert not list(pim.active(SCOPE, end))


def test_a_new_assignment_may_be_listed_late() -> None:
    pim = tenant(visibility_delay=MINUTE)
    put(pim, body())
    assert not list(pim.listed(SCOPE, NOW + MINUTE - SECOND))
    assert list(pim.listed(SCOPE, NOW + MINUTE))
    assert list(pim.active(SCOPE, NOW))


def test_times_are_written_as_azure_writes_them() -> None:
    assert write_time(NOW) == "2026-11-20T16:00:00Z"
    assert write_time(NOW + timedelta(milliseconds=910)) == "2026-11-20T16:00:00.91Z"
    assert write_time(None) is None
