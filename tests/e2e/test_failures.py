"""Whatever fails, the next run converges: clouds that refuse, lost answers, crashes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from pipeline.clouds.aws.adapter import AwsWriter
from pipeline.clouds.azure.adapter import AzureWriter
from pipeline.clouds.gcp.adapter import GcpWriter
from pipeline.run.audit_store import BranchStore
from tests.e2e.support_faults import (
    LOST,
    PLACES,
    PUT,
    SCHEDULES,
    cut_off,
    everywhere,
    give_up,
    may_all,
    states,
    unhurried,
    writes,
)
from tests.e2e.support_world import Acme, grant

__all__ = ["unhurried"]

pytestmark = pytest.mark.usefixtures("unhurried")

ALL = dict.fromkeys(PLACES, True)
NONE = dict.fromkeys(PLACES, False)


def refuse(acme: Acme, cloud: str, times: int = 1) -> None:
    """Lets a cloud refuse what a new grant needs, for good reasons of its own."""
    if cloud == "aws":
        acme.world.aws.fail_next("CreateRole", "AccessDenied", status=403, times=times)
    elif cloud == "azure":
        acme.world.azure.fail_next(
            PUT, code="RoleAssignmentRequestPolicyValidationFailed", status=400, times=times
        )
    else:
        acme.world.gcp.fail_next("setIamPolicy", 403, times=times)


def recorded(acme: Acme, *kinds: str) -> list[dict[str, Any]]:
    return [e for e in acme.daypass("audit", "log", "--json").said if e["kind"] in kinds]


def sound(acme: Acme) -> None:
    """The record holds, and every intent in it has exactly one outcome."""
    assert acme.daypass("audit", "verify").code == 0

    def tried(kind: str) -> Counter[Any]:
        return Counter(
            (e["plan"], e["change"], e["binding"]["target"], e["binding"]["key"])
            for e in recorded(acme, kind)
            if not e.get("rollback")
        )

    assert tried("intent") == tried("outcome")


@pytest.mark.parametrize("cloud", PLACES)
def test_a_grant_that_one_cloud_refuses_is_taken_back_everywhere_until_the_cloud_recovers(
    acme: Acme, cloud: str
) -> None:
    number = acme.landed("alice", "alice/one", everywhere())
    refuse(acme, cloud)
    applied = acme.apply()
    assert applied.code == 1
    assert len(applied.said["rolled_back"]) == 3
    told = acme.person("alice").comments(number)[-1]
    assert "could not be provisioned in full and was taken back" in told
    assert "How to use it" not in told
    # Azure removes nothing in its first five minutes: there the next run takes it back.
    assert may_all(acme) == {**NONE, "azure": cloud != "azure"}
    acme.later(minutes=6)
    refuse(acme, cloud)
    assert acme.apply().code == 1
    assert may_all(acme) == {**NONE, "azure": False}
    acme.later(minutes=6)
    # Refused twice: it rests for ten minutes.
    assert acme.apply().code == 1
    assert may_all(acme) == NONE
    acme.later(minutes=4)
    assert acme.apply().code == 0
    assert may_all(acme) == ALL
    assert "Access is provisioned" in acme.person("alice").comments(number)[-1]
    assert acme.apply().said["results"] == []
    sound(acme)


def test_a_grant_that_was_refused_until_its_end_is_never_provisioned(acme: Acme) -> None:
    acme.landed("alice", "alice/one", everywhere(duration="30m"))
    refuse(acme, "aws")
    assert acme.apply().code == 1
    acme.later(minutes=30)
    assert acme.apply().code == 0
    assert may_all(acme) == NONE
    assert acme.held() == []


def test_a_refused_grant_does_not_hold_up_another_and_leaves_its_shared_parts_alone(
    acme: Acme,
) -> None:
    acme.landed("alice", "alice/azure", grant(access=["azure/sandbox-dev reader"], duration="1h"))
    acme.landed("alice", "alice/wide", everywhere(duration="3h"))
    refuse(acme, "gcp", times=9)
    assert acme.apply().code == 1
    assert may_all(acme) == {"aws": False, "azure": True, "gcp": False}
    acme.later(minutes=10)
    assert acme.apply().code == 1
    rows = {row["grant"]: row for row in acme.daypass("status", "--json").said}
    assert acme.may("alice", *PLACES["azure"])
    # The healthy grant's hour, not the three of the one that was taken back.
    acme.later(minutes=51)
    assert not acme.may("alice", *PLACES["azure"]), rows


def test_an_established_grant_survives_a_newcomer_that_shares_its_assignment_and_fails(
    acme: Acme,
) -> None:
    acme.landed("alice", "alice/azure", grant(access=["azure/sandbox-dev reader"], duration="1h"))
    assert acme.apply().code == 0
    acme.landed("alice", "alice/wide", everywhere(duration="3h"))
    refuse(acme, "gcp", times=9)
    for _ in range(2):
        assert acme.apply().code == 1
        assert may_all(acme) == {"aws": False, "azure": True, "gcp": False}
        acme.later(minutes=6)
    acme.later(minutes=49)
    assert not acme.may("alice", *PLACES["azure"])


class Died(BaseException):
    """The process ends here: no handler of ours sees it."""


@pytest.mark.parametrize("writer", [AwsWriter, AzureWriter, GcpWriter])
def test_a_run_that_dies_between_two_clouds_is_finished_by_the_next(
    acme: Acme, monkeypatch: pytest.MonkeyPatch, writer: type[Any]
) -> None:
    acme.landed("alice", "alice/one", everywhere())
    real = writer.write

    def write(self: Any, changes: Any, *, clock: Any) -> Any:
        real(self, changes, clock=clock)
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(writer, "write", write)
        with pytest.raises(Died):
            acme.apply()
    assert recorded(acme, "intent") != []
    assert recorded(acme, "outcome") == []
    assert acme.apply().code == 0
    assert may_all(acme) == ALL
    before = writes(acme)
    assert acme.apply().said["results"] == []
    assert writes(acme) == before
    assert len(acme.held()) == 3
    sound(acme)


def test_a_run_whose_outcomes_cannot_be_recorded_fails_and_the_next_records_them(
    acme: Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme.landed("alice", "alice/one", everywhere())
    real = BranchStore.append

    def append(self: Any, files: Any, message: str, *, parent: Any) -> str:
        if message.startswith("Record the outcome"):
            acme.world.github.fail_next("git/create-blob", 503)
        return real(self, files, message, parent=parent)

    with monkeypatch.context() as patched:
        patched.setattr(BranchStore, "append", append)
        assert acme.apply().code == 3
    assert acme.apply().code == 0
    assert may_all(acme) == ALL
    assert len(acme.held()) == 3
    sound(acme)


@pytest.mark.parametrize(
    "operation", ["git/create-blob", "git/create-tree", "git/create-commit", "git/create-ref"]
)
def test_where_the_intents_cannot_be_recorded_no_cloud_is_touched(
    acme: Acme, operation: str
) -> None:
    acme.landed("alice", "alice/one", everywhere())
    acme.world.github.fail_next(operation, 503)
    before = writes(acme)
    assert acme.apply().code == 3
    after = writes(acme)
    assert {**before, "github": 0} == {**after, "github": 0}
    assert acme.apply().code == 0
    assert may_all(acme) == ALL
    sound(acme)


def lose(acme: Acme, cloud: str, verb: str) -> None:
    """Lets the next write take effect and loses its answer."""
    if cloud == "aws":
        for action in {"make": ("CreateRole", "PutRolePolicy"), "end": ("DeleteRole",)}[verb]:
            acme.world.aws.fail_next(action, "ServiceUnavailable", status=503, after=True)
    elif cloud == "azure":
        acme.world.azure.fail_next(PUT, status=0, after=True)
    else:
        acme.world.gcp.fail_next("setIamPolicy", LOST, takes_effect=True)


@pytest.mark.parametrize("cloud", PLACES)
def test_a_lost_answer_of_a_cloud_makes_nothing_twice(acme: Acme, cloud: str) -> None:
    acme.landed("alice", "alice/one", everywhere())
    lose(acme, cloud, "make")
    applied = acme.apply()
    assert applied.code == 0, applied
    assert may_all(acme) == ALL
    assert len(acme.held()) == 3
    acme.later(minutes=6)
    give_up(acme, "alice", "alice/one")
    lose(acme, cloud, "end")
    assert acme.apply().code == 0
    assert may_all(acme) == NONE
    assert acme.held() == []
    sound(acme)


@pytest.mark.parametrize("operation", ["git/update-ref", "git/create-ref", "git/create-commit"])
def test_a_lost_answer_of_github_records_nothing_twice(acme: Acme, operation: str) -> None:
    acme.landed("alice", "alice/one", everywhere())
    acme.world.github.fail_next(operation, 502, after=True)
    codes = [acme.apply().code for _ in range(3)]
    assert codes[-1] == 0, codes
    assert may_all(acme) == ALL
    assert len(acme.held()) == 3
    sound(acme)


def test_a_lost_answer_to_a_merge_merges_once(acme: Acme) -> None:
    number = acme.request("alice", "req/one", {"access/grants/alice/one.yaml": everywhere()})
    acme.world.github.fail_next("pulls/merge", 502, after=True)
    codes = [acme.check(number).code]
    assert acme.person("alice").pull(number)["merged"]
    assert codes[0] in (0, 3)
    assert acme.apply().code == 0
    assert may_all(acme) == ALL


def test_a_comment_that_github_refused_is_posted_by_a_later_run(acme: Acme) -> None:
    number = acme.landed("alice", "alice/one", everywhere())
    acme.world.github.fail_next("issues/create-comment", 503)
    acme.apply()
    assert may_all(acme) == ALL
    acme.apply()
    told = acme.person("alice").comments(number)
    assert sum("How to use it" in one for one in told) == 1


@pytest.mark.parametrize("times", [1, 2])
def test_throttling_delays_and_changes_nothing_else(acme: Acme, times: int) -> None:
    acme.landed("alice", "alice/one", everywhere())
    world = acme.world
    world.aws.fail_next("CreateRole", "Throttling", status=400, times=times)
    world.aws.fail_next("GetAccountAuthorizationDetails", "Throttling", status=400, times=times)
    world.azure.fail_next(PUT, status=429, times=times, retry_after=1)
    world.azure.fail_next(SCHEDULES, status=503, code="ServerBusy", times=times)
    world.gcp.fail_next("setIamPolicy", 429, times=times)
    world.gcp.fail_next("getIamPolicy", 503, times=times)
    assert acme.apply().code == 0
    assert may_all(acme) == ALL
    assert len(acme.held()) == 3


@pytest.mark.parametrize("cloud", PLACES)
def test_the_outage_of_one_cloud_holds_its_own_grants_only(acme: Acme, cloud: str) -> None:
    others = [other for other in PLACES if other != cloud]
    old = grant("bob", access=[" ".join(PLACES[other]) for other in others])
    acme.landed("bob", "bob/old", old)
    assert acme.apply().code == 0
    acme.later(minutes=6)
    acme.landed("alice", "alice/wide", everywhere())
    acme.landed("erin", "erin/narrow", old.replace("bob", "erin"))
    give_up(acme, "bob", "bob/old")
    restore = cut_off(acme, cloud)
    applied = acme.apply()
    assert applied.code == 1, applied
    assert may_all(acme, "alice") == NONE
    assert may_all(acme, "bob") == NONE
    assert may_all(acme, "erin") == {**ALL, cloud: False}
    (held,) = applied.said["plan"]["held"]
    assert held["grant"] == "alice/wide"
    restore()
    assert acme.apply().code == 0
    assert may_all(acme, "alice") == ALL
    sound(acme)


def test_a_grant_that_is_held_does_not_hold_another_of_the_same_azure_access(acme: Acme) -> None:
    acme.landed("alice", "alice/wide", everywhere(duration="3h"))
    acme.landed("alice", "alice/narrow", grant(access=["azure/sandbox-dev reader"], duration="1h"))
    restore = cut_off(acme, "gcp")
    assert acme.apply().code == 1
    assert may_all(acme) == {"aws": False, "azure": True, "gcp": False}
    restore()
    acme.later(minutes=61)
    # Held as a whole: nothing of it was made behind the other's back.
    assert not acme.may("alice", *PLACES["azure"])


@pytest.mark.parametrize("cloud", PLACES)
def test_an_outage_delays_what_ends_early_and_nothing_that_ends_by_its_date(
    acme: Acme, cloud: str
) -> None:
    acme.landed("alice", "alice/one", everywhere(duration="30m"))
    assert acme.apply().code == 0
    acme.later(minutes=10)
    give_up(acme, "alice", "alice/one")
    restore = cut_off(acme, cloud)
    assert acme.apply().code == 1
    assert may_all(acme) == {**NONE, cloud: True}
    acme.later(minutes=20)
    assert may_all(acme) == NONE
    restore()
    assert acme.apply().code == 0
    assert acme.held() == []


def deny_removal(acme: Acme, cloud: str, times: int = 1) -> None:
    if cloud == "aws":
        acme.world.aws.fail_next("DeleteRolePolicy", "AccessDenied", status=403, times=times)
    elif cloud == "azure":
        acme.world.azure.fail_next(PUT, code="AuthorizationFailed", status=403, times=times)
    else:
        acme.world.gcp.fail_next("setIamPolicy", 403, times=times)


@pytest.mark.parametrize("cloud", PLACES)
def test_a_revocation_that_fails_stays_visible_and_is_tried_by_every_run(
    acme: Acme, cloud: str
) -> None:
    acme.landed("alice", "alice/one", everywhere(duration="2h"))
    assert acme.apply().code == 0
    acme.later(minutes=10)
    give_up(acme, "alice", "alice/one")
    for _ in range(2):
        # Once in the removals lane, once by the plan.
        deny_removal(acme, cloud, times=2)
        assert acme.apply().code == 1
        assert may_all(acme) == {**NONE, cloud: True}
        assert states(acme) == {("alice/one", PLACES[cloud][0]): "surplus"}
        assert acme.daypass("status").code == 1
    assert acme.apply().code == 0
    assert may_all(acme) == NONE
    assert acme.daypass("status").code == 0
    failed = [e for e in recorded(acme, "outcome") if e["status"] == "failed"]
    assert [e["binding"]["cloud"] for e in failed] == [cloud] * 4
    sound(acme)


@pytest.mark.parametrize("cloud", ["aws", "gcp"])
def test_a_lapsed_grant_is_not_retired_before_it_reads_back_as_gone(acme: Acme, cloud: str) -> None:
    acme.landed("alice", "alice/one", everywhere(duration="30m"))
    assert acme.apply().code == 0
    acme.later(minutes=30)
    for _ in range(2):
        deny_removal(acme, cloud, times=2)
        expired = acme.daypass("expire", "--json")
        assert expired.code == 1
        assert expired.said["pull"] is None
        ((waiting),) = expired.said["waiting"]
        assert waiting["grant"] == "alice/one"
        assert "still holds" in waiting["why"]
    expired = acme.daypass("expire", "--json")
    assert (expired.code, expired.said["waiting"]) == (0, [])
    assert expired.said["retiring"] == ["access/grants/alice/one.yaml"]
    sound(acme)
