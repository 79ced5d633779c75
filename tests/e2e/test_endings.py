"""Access ends in the clouds: nothing of ours runs when it does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from pipeline.sandbox import aws_check
from pipeline.sandbox.world import HOME_ACCOUNT
from tests.e2e.support_faults import PLACES, cut_off, everywhere, may_all, states, unhurried
from tests.e2e.support_world import Acme, grant, path_of
from tests.oracles.aws import IamSimulate

__all__ = ["unhurried"]

ALL = dict.fromkeys(PLACES, True)
NONE = dict.fromkeys(PLACES, False)
SECOND = timedelta(seconds=1)
ACCOUNT = "444455556666"
DATES = ("DateLessThan", "DateGreaterThanEquals")
QUESTION = {"action": "s3:ListBucket", "resource": f"arn:aws:s3:::acme-logs-{ACCOUNT}"}


@pytest.fixture
def end(acme: Acme) -> datetime:
    """A grant in three clouds is provisioned; then everything stops, GitHub included."""
    number = acme.landed("alice", "alice/one", everywhere(duration="2h"))
    over = acme.merged_at(number) + timedelta(hours=2)
    assert acme.apply().code == 0
    acme.world.stop()
    return over


@pytest.mark.parametrize("cloud", PLACES)
def test_access_holds_until_its_last_second_and_ends_with_nothing_running(
    acme: Acme, end: datetime, cloud: str
) -> None:
    place = PLACES[cloud]
    acme.world.clock.advance(end - SECOND - acme.world.clock.now())
    assert acme.may("alice", *place)
    acme.later(seconds=1)
    assert not acme.may("alice", *place)
    acme.later(days=30)
    assert not acme.may("alice", *place)


def test_a_window_that_is_cut_short_ends_earlier_in_the_cloud_though_nobody_proved_it(
    acme: Acme, unhurried: None
) -> None:
    number = acme.landed("alice", "alice/one", everywhere(duration="4h"))
    sooner = acme.merged_at(number) + timedelta(hours=2)
    assert acme.apply().code == 0
    acme.bypass()
    acme.push("bob", {path_of("alice/one"): everywhere(duration="2h")})
    applied = acme.apply()
    assert applied.code == 1, applied
    assert applied.said["removals"]["causes"] == [
        {**one, "cause": "shortened"} for one in applied.said["removals"]["causes"]
    ]
    assert len(applied.said["removals"]["results"]) == len(PLACES)
    acme.world.stop()
    acme.world.clock.advance(sooner - SECOND - acme.world.clock.now())
    assert may_all(acme) == ALL
    acme.later(seconds=1)
    assert may_all(acme) == NONE


def strip_dates(acme: Acme, cloud: str) -> None:
    """Takes away, from what a cloud stored, what ends the access."""
    world = acme.world
    if cloud == "gcp":
        kept = [
            {key: value for key, value in one.items() if key != "condition"}
            for one in world.gcp.policy("acme-sandbox-dev")["bindings"]
        ]
        world.gcp.set_policy("acme-sandbox-dev", kept)
    else:
        (schedule,) = world.azure._pim.schedules
        schedule.end = None


@pytest.mark.parametrize("cloud", ["azure", "gcp"])
def test_it_is_the_date_in_the_cloud_that_ends_access(
    acme: Acme, end: datetime, cloud: str
) -> None:
    strip_dates(acme, cloud)
    acme.world.clock.advance(end - acme.world.clock.now())
    assert acme.may("alice", *PLACES[cloud])


def stored(acme: Acme) -> dict[str, Any]:
    (role,) = [
        one
        for one in acme.world.aws.authorization_details(ACCOUNT)
        if one["Path"].startswith("/daypass/")
    ]
    return role


def undated(role: dict[str, Any]) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(role, default=str))
    for policy in (
        copy["AssumeRolePolicyDocument"],
        *(inline["PolicyDocument"] for inline in copy["RolePolicyList"]),
    ):
        policy["Statement"] = [one for one in policy["Statement"] if one["Effect"] == "Allow"]
        for statement in policy["Statement"]:
            for operator in DATES:
                statement["Condition"].pop(operator, None)
    return copy


def alice(acme: Acme) -> aws_check.Caller:
    return acme.world.aws.caller(acme.world.aws.person("alice@example.com", home=HOME_ACCOUNT))


def test_it_is_the_date_in_the_role_that_ends_access_in_aws(acme: Acme, end: datetime) -> None:
    role = stored(acme)
    assert not aws_check.allowed(role, caller=alice(acme), at=end, **QUESTION)
    assert aws_check.allowed(undated(role), caller=alice(acme), at=end, **QUESTION)


@pytest.fixture(scope="module")
def oracle() -> Iterator[IamSimulate]:
    with IamSimulate() as running:
        yield running


@pytest.mark.node
def test_an_evaluator_that_is_not_ours_says_the_same_of_aws(
    acme: Acme, end: datetime, oracle: IamSimulate
) -> None:
    role, caller = stored(acme), alice(acme)
    for at, answer in ((end - SECOND, True), (end, False), (end + timedelta(days=30), False)):
        assert oracle.assumable(role, caller=caller, at=at) is answer
        assert oracle.acts(role, at=at, **QUESTION) is answer
    loose = undated(role)
    assert oracle.assumable(loose, caller=caller, at=end)
    assert oracle.acts(loose, at=end, **QUESTION)


def expire(acme: Acme) -> Any:
    return acme.daypass("expire", "--json")


def retire(acme: Acme, number: int) -> None:
    """Merges a revert, as the workflow does: policy lets the App take away."""
    checked = acme.check(number)
    assert checked.code == 0, checked
    assert checked.said["merged"]


def test_all_lapsed_grants_are_retired_by_one_pull_request_once(acme: Acme) -> None:
    acme.landed("alice", "alice/one", everywhere(duration="1h"))
    acme.landed("bob", "bob/two", everywhere("bob", duration="1h"))
    acme.landed("erin", "erin/alive", everywhere("erin", duration="4h"))
    assert acme.apply().code == 0
    acme.later(hours=1)
    first = expire(acme)
    assert first.code == 0
    assert first.said["retiring"] == [path_of("alice/one"), path_of("bob/two")]
    tip = acme.tip()
    again = expire(acme)
    assert (again.code, again.said["pull"], again.said["retiring"]) == (0, None, [])
    assert list(again.said["open"]) == [str(first.said["pull"])]
    assert acme.tip() == tip
    retire(acme, first.said["pull"])
    assert acme.apply().code == 0
    last = expire(acme)
    assert (last.code, last.said["pull"], last.said["open"]) == (0, None, {})
    assert may_all(acme, "erin") == ALL
    clone = acme.git("dave", "ls-tree", "-r", "--name-only", "main", "access/grants")
    assert clone.split() == [path_of("erin/alive")]
    assert acme.daypass("audit", "verify").code == 0


def test_what_lapses_while_a_revert_is_open_gets_a_revert_of_its_own(acme: Acme) -> None:
    acme.landed("alice", "alice/one", everywhere(duration="1h"))
    acme.landed("bob", "bob/two", everywhere("bob", duration="2h"))
    assert acme.apply().code == 0
    acme.later(hours=1)
    first = expire(acme).said["pull"]
    acme.later(hours=1)
    second = expire(acme)
    assert second.said["retiring"] == [path_of("bob/two")]
    assert second.said["pull"] not in (None, first)
    assert sorted(expire(acme).said["open"]) == sorted([str(first), str(second.said["pull"])])
    for number in (second.said["pull"], first):
        retire(acme, number)
    assert acme.apply().code == 0
    last = expire(acme).said
    assert last["removals"].pop("exit_code") == 0
    assert (last.pop("dispute"), any(last.pop("removals").values())) == ("", False)
    assert last == {
        "left": [], "missed": [], "missing": [], "open": {}, "pull": None, "removed": [],
        "retiring": [], "reviews": {}, "unreachable": [], "waiting": [],
    }  # fmt: skip


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("cloud", PLACES)
def test_a_grant_in_a_cloud_that_cannot_be_read_is_not_retired(acme: Acme, cloud: str) -> None:
    acme.landed("alice", "alice/wide", everywhere(duration="1h"))
    others = [" ".join(PLACES[other]) for other in PLACES if other != cloud]
    acme.landed("bob", "bob/narrow", grant("bob", access=others, duration="1h"))
    assert acme.apply().code == 0
    acme.later(hours=1)
    restore = cut_off(acme, cloud)
    expired = expire(acme)
    assert expired.code == 1
    assert expired.said["retiring"] == [path_of("bob/narrow")]
    ((waiting),) = expired.said["waiting"]
    assert waiting["grant"] == "alice/wide"
    assert "could not be read" in waiting["why"]
    restore()
    assert expire(acme).said["retiring"] == [path_of("alice/wide")]


def test_an_expire_that_lost_githubs_answer_opens_no_second_pull_request(acme: Acme) -> None:
    acme.landed("alice", "alice/one", everywhere(duration="1h"))
    assert acme.apply().code == 0
    acme.later(hours=1)
    acme.world.github.fail_next("pulls/create", 502, after=True)
    assert expire(acme).code == 3
    again = expire(acme)
    assert (again.code, again.said["retiring"]) == (0, [])
    assert len(again.said["open"]) == 1


def test_a_grant_that_was_never_provisioned_is_retired_too(acme: Acme) -> None:
    acme.landed("alice", "alice/one", everywhere(duration="1h"))
    acme.later(hours=1)
    assert expire(acme).said["retiring"] == [path_of("alice/one")]


def test_a_path_that_is_used_again_lives_anew(acme: Acme) -> None:
    acme.landed("alice", "alice/one", everywhere(duration="1h"))
    assert acme.apply().code == 0
    acme.later(hours=1)
    retire(acme, expire(acme).said["pull"])
    assert acme.apply().code == 0
    acme.person("alice").push("again", {path_of("alice/one"): everywhere(duration="2h")}, "Again")
    number = acme.person("alice").open("again", "Again")
    assert acme.check(number).code == 0
    assert acme.apply().code == 0
    assert may_all(acme) == ALL
    assert expire(acme).said["retiring"] == []
    acme.later(hours=2)
    assert may_all(acme) == NONE


def test_status_names_what_differs(acme: Acme) -> None:
    later = (acme.world.clock.now() + timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    acme.landed("alice", "alice/live", everywhere())
    acme.landed("bob", "bob/later", everywhere("bob", start=later))
    assert acme.apply().code == 0
    assert acme.daypass("status").code == 0
    acme.landed("erin", "erin/missing", grant("erin"))
    world = acme.world
    bindings = world.gcp.policy("acme-sandbox-dev")["bindings"]
    for one in bindings:
        if "user:alice@example.com" in one["members"]:
            one["condition"]["expression"] = "true"
    world.gcp.set_policy("acme-sandbox-dev", bindings)
    acme.bypass()
    acme.push("mallory", {path_of("bob/later"): None})
    assert states(acme) == {
        ("alice/live", "aws/sandbox-dev"): "live",
        ("alice/live", "azure/sandbox-dev"): "live",
        ("alice/live", "gcp/sandbox-dev"): "altered",
        ("bob/later", "aws/sandbox-dev"): "surplus",
        ("bob/later", "azure/sandbox-dev"): "surplus",
        ("bob/later", "gcp/sandbox-dev"): "surplus",
        ("erin/missing", "gcp/sandbox-dev"): "missing",
    }
    assert acme.daypass("status").code == 1
    acme.later(minutes=10)
    # Mallory had no say in bob's grant: an alert, once.
    assert acme.apply().code == 1
    assert acme.apply().code == 0
    assert set(states(acme).values()) == {"live"}
    assert acme.daypass("status").code == 0


def test_status_calls_what_starts_later_scheduled_and_what_it_cannot_see_unknown(
    acme: Acme,
) -> None:
    later = (acme.world.clock.now() + timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    acme.landed("bob", "bob/later", everywhere("bob", start=later))
    assert acme.apply().code == 0
    assert set(states(acme).values()) == {"scheduled"}
    cut_off(acme, "azure")
    rows = acme.daypass("status", "--json")
    assert rows.code == 1
    assert {row["target"]: row["state"] for row in rows.said} == {
        "aws/sandbox-dev": "scheduled",
        "azure/sandbox-dev": "unknown",
        "gcp/sandbox-dev": "scheduled",
    }
