"""Any run, at any time, from any state, twice or late, leads to what git says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.clouds.aws.adapter import AwsWriter
from pipeline.record.journal import AuditJournal
from pipeline.sandbox.world import START, World
from tests.e2e.support_faults import (
    PLACES,
    cut_off,
    everywhere,
    give_up,
    governed,
    may_all,
    states,
    text_of,
    unhurried,
    writes,
)
from tests.e2e.support_world import Acme, grant, path_of, policies

__all__ = ["unhurried"]

ALL = dict.fromkeys(PLACES, True)
NONE = dict.fromkeys(PLACES, False)


def test_a_grant_whose_window_passed_before_any_run_is_never_provisioned(acme: Acme) -> None:
    acme.landed("alice", "alice/one", everywhere(duration="30m"))
    acme.later(minutes=30)
    before = writes(acme)
    # That nothing was given is told once.
    assert acme.apply().said["missed"] == ["alice/one"]
    assert acme.apply().code == 0
    after = writes(acme)
    assert {**after, "github": 0} == {**before, "github": 0}
    assert may_all(acme) == NONE
    assert acme.daypass("expire", "--json").said["retiring"] == [path_of("alice/one")]


def test_a_window_that_ends_between_plan_and_write_is_not_written(acme: Acme) -> None:
    acme.landed("alice", "alice/one", everywhere(duration="30m"))
    acme.world.gcp.before_next("getIamPolicy", lambda: acme.later(minutes=30))
    applied = acme.apply()
    assert applied.code == 1
    assert {one["status"] for one in applied.said["results"]} == {"failed"}
    assert "its window has ended" in applied.said["results"][0]["message"]
    assert may_all(acme) == NONE
    assert acme.held() == []
    assert acme.apply().code == 0


def test_a_second_run_writes_nothing_at_all(acme: Acme) -> None:
    acme.landed("alice", "alice/one", everywhere())
    acme.landed("bob", "bob/two", everywhere("bob"))
    assert acme.apply().code == 0
    before = writes(acme)
    assert acme.apply().code == 0
    assert acme.daypass("plan", "--json").code == 0
    assert acme.daypass("status", "--json").code == 0
    acme.daypass("expire", "--json")
    assert writes(acme) == before


@pytest.mark.parametrize(
    "place", [(AuditJournal, "intents"), (AwsWriter, "write"), (AuditJournal, "outcomes")]
)
def test_a_run_in_the_middle_of_another_makes_nothing_twice(
    acme: Acme, monkeypatch: pytest.MonkeyPatch, place: tuple[type[Any], str]
) -> None:
    acme.landed("alice", "alice/one", everywhere())
    owner, name = place
    real = getattr(owner, name)
    inner = []

    def interrupted(self: Any, *arguments: Any, **options: Any) -> Any:
        if not inner:
            inner.append(0)
            inner.append(acme.apply().code)
        return real(self, *arguments, **options)

    monkeypatch.setattr(owner, name, interrupted)
    assert acme.apply().code == 0
    assert inner[1:] == [0]
    assert may_all(acme) == ALL
    assert len(acme.held()) == 3
    before = writes(acme)
    assert acme.apply().code == 0
    assert writes(acme) == before
    assert acme.daypass("audit", "verify").code == 0


@pytest.mark.parametrize("gone, end", [("short", 180), ("long", 60)])
def test_ending_one_of_two_grants_of_the_same_access_keeps_the_other(
    acme: Acme, gone: str, end: int
) -> None:
    acme.landed("alice", "alice/short", everywhere(duration="1h"))
    acme.landed("alice", "alice/long", everywhere(duration="3h"))
    assert acme.apply().code == 0
    acme.later(minutes=10)
    give_up(acme, "alice", f"alice/{gone}")
    assert acme.apply().code == 0
    assert may_all(acme) == ALL
    for at, answer in ((end - 11, True), (end - 10, False)):
        for place in PLACES.values():
            assert acme.may("alice", *place, in_=timedelta(minutes=at)) is answer, (place, at)


def test_the_lapse_of_one_of_two_grants_keeps_the_other(acme: Acme) -> None:
    acme.landed("alice", "alice/short", everywhere(duration="1h"))
    acme.landed("alice", "alice/long", everywhere(duration="3h"))
    assert acme.apply().code == 0
    acme.later(minutes=60)
    assert may_all(acme) == ALL
    expired = acme.daypass("expire", "--json")
    assert (expired.code, expired.said["retiring"]) == (0, [path_of("alice/short")])
    assert may_all(acme) == ALL
    assert acme.apply().code == 0
    assert may_all(acme) == ALL
    assert set(states(acme).values()) == {"live"}
    acme.later(minutes=119)
    assert may_all(acme) == ALL
    acme.later(minutes=1)
    assert may_all(acme) == NONE


def test_overlapping_and_touching_grants_leave_no_gap(acme: Acme) -> None:
    acme.landed("alice", "alice/first", everywhere(duration="1h"))
    start = (START + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    acme.landed("alice", "alice/second", everywhere(duration="1h", start=start))
    assert acme.apply().code == 0
    for minutes in (0, 59, 60, 61, 119):
        for place in PLACES.values():
            assert acme.may("alice", *place, in_=timedelta(minutes=minutes)), (place, minutes)
    for place in PLACES.values():
        assert not acme.may("alice", *place, in_=timedelta(minutes=120))


def test_a_future_start_is_held_by_the_clouds_and_opens_by_itself(acme: Acme) -> None:
    start = (START + timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    acme.landed("alice", "alice/later", everywhere(duration="1h", start=start))
    assert acme.apply().code == 0
    assert set(states(acme).values()) == {"scheduled"}
    acme.world.github.stop()
    second = timedelta(seconds=1)
    opens = START + timedelta(hours=5) - acme.world.clock.now()
    ends = opens + timedelta(hours=1)
    for at, answer in (
        (timedelta(), False),
        (opens - second, False),
        (opens, True),
        (ends - second, True),
        (ends, False),
    ):
        for place in PLACES.values():
            assert acme.may("alice", *place, in_=at) is answer, (place, at)


def test_a_window_behind_a_gap_is_made_when_its_time_comes(acme: Acme) -> None:
    acme.landed("alice", "alice/first", everywhere(duration="1h"))
    start = (START + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    acme.landed("alice", "alice/second", everywhere(duration="1h", start=start))
    assert acme.apply().code == 0
    place = PLACES["azure"]
    assert not acme.may("alice", *place, in_=timedelta(minutes=90))
    acme.later(minutes=60)
    assert may_all(acme) == NONE
    assert acme.apply().code == 0
    assert not acme.may("alice", *place, in_=timedelta(minutes=59))
    assert acme.may("alice", *place, in_=timedelta(minutes=60))
    assert not acme.may("alice", *place, in_=timedelta(minutes=120))


def crowd(acme: Acme) -> list[str]:
    """Twelve bindings of four people; returns their grants."""
    people = ("alice", "bob", "erin", "mallory")
    for login in people:
        acme.landed(login, f"{login}/one", everywhere(login))
    assert acme.apply().code == 0
    return [f"{login}/one" for login in people]


def in_clouds(acme: Acme) -> dict[str, int]:
    """How many writes each cloud has seen."""
    return {name: count for name, count in writes(acme).items() if name != "github"}


def test_a_plan_that_takes_a_surprising_share_away_stops_before_any_cloud_is_touched(
    acme: Acme,
) -> None:
    names = crowd(acme)
    acme.later(minutes=10)
    acme.bypass()
    acme.push("mallory", {path_of(name): None for name in names}, "Clean up")
    before = in_clouds(acme)
    stopped = acme.apply()
    assert stopped.code == 1
    assert "12 of 12 live bindings" in stopped.said["surprise"]["why"]
    assert len(stopped.said["removals"]["stopped"]) == 12
    assert in_clouds(acme) == before
    assert may_all(acme, "alice") == ALL
    assert acme.daypass("expire", "--json").code == 1
    assert in_clouds(acme) == before
    digest = stopped.said["surprise"]["digest"]
    assert acme.daypass("apply", "--accept-surprise", digest, "--json").code == 1
    assert may_all(acme, "alice") == NONE
    assert acme.held() == []


def test_grants_that_lapse_together_surprise_nobody(acme: Acme) -> None:
    crowd(acme)
    acme.later(hours=2)
    assert acme.apply().code == 0
    assert acme.held() == []


BOT = "access/principals/ledger-bot.yaml"
"""A workload that alice answers for."""


@pytest.mark.parametrize("how", ["disabled", "deleted"])
def test_offboarding_takes_every_access_away_at_the_next_run(acme: Acme, how: str) -> None:
    acme.landed("alice", "alice/one", everywhere())
    acme.landed("erin", "erin/one", everywhere("erin"))
    assert acme.apply().code == 0
    acme.later(minutes=10)
    path = "access/principals/alice.yaml"
    content = None if how == "deleted" else text_of(acme, path) + "disabled: true\n"
    governed(acme, {path: content, BOT: None})
    assert acme.apply().code == 0
    assert may_all(acme, "alice") == NONE
    assert may_all(acme, "erin") == ALL


def test_a_change_that_would_leave_the_rules_unreadable_is_refused_at_its_line(
    acme: Acme,
) -> None:
    path = "access/principals/alice.yaml"
    number = acme.request("bob", "one", {path: text_of(acme, path) + "disabled: true\n"})
    acme.approve(number, "carol")
    checked = acme.check(number)
    assert (checked.code, checked.said["merged"]) == (2, None)
    assert [(one["path"], one["line"]) for one in checked.said["problems"]] == [(BOT, 2)]
    rego = "package access.rules.broken\n\ndeny contains if {\n"
    number = acme.request("bob", "two", {"policies/access/rules/broken/broken.rego": rego})
    acme.approve(number, "carol")
    checked = acme.check(number)
    assert (checked.code, checked.said["merged"]) == (2, None)
    assert checked.said["problems"][0]["path"].startswith("policies")


def test_two_changes_that_break_the_rules_together_hold_up_no_removal_and_can_be_repaired(
    acme: Acme,
) -> None:
    acme.landed("alice", "alice/one", everywhere())
    acme.landed("erin", "erin/one", everywhere("erin"))
    acme.landed("mallory", "mallory/one", everywhere("mallory"))
    assert acme.apply().code == 0
    acme.later(minutes=10)
    path = "access/principals/alice.yaml"
    new = "access/principals/other-bot.yaml"
    numbers = [
        acme.request("bob", "one", {path: text_of(acme, path) + "disabled: true\n", BOT: None}),
        acme.request("bob", "two", {new: text_of(acme, BOT).replace("00002001", "00002002")
                     .replace("ledger-bot", "other-bot")}),
    ]  # fmt: skip
    for number in numbers:
        acme.approve(number, "carol")
        assert acme.check(number, merge=False).code == 0
    for number in numbers:
        acme.person("bob").merge(number)
    give_up(acme, "erin", "erin/one")
    applied = acme.apply()
    assert applied.code == 1
    assert list(acme.quarantined(applied)) == [new]
    assert may_all(acme, "alice") == NONE
    assert may_all(acme, "erin") == NONE
    assert may_all(acme, "mallory") == ALL
    governed(acme, {new: None})
    assert acme.apply().code == 0
    assert may_all(acme, "mallory") == ALL
    acme.landed("erin", "erin/two", everywhere("erin"))
    assert acme.apply().code == 0
    assert may_all(acme, "erin") == ALL


def roles_of_ours(acme: Acme) -> list[dict[str, Any]]:
    """The roles that AWS stores because of grants."""
    roles = acme.world.aws.authorization_details("444455556666")
    return [one for one in roles if one["Path"].startswith("/daypass/")]


def test_a_catalogue_edited_after_the_merge_never_widens_a_live_grant(acme: Acme) -> None:
    acme.landed("alice", "alice/one", everywhere())
    assert acme.apply().code == 0
    stored = roles_of_ours(acme)
    gcp, aws = "access/roles/gcp.yaml", "access/roles/aws.yaml"
    governed(
        acme,
        {
            gcp: text_of(acme, gcp).replace("roles/logging.viewer", "roles/logging.admin"),
            aws: text_of(acme, aws).replace(
                "actions: [s3:ListBucket, s3:GetObject]",
                "actions: [s3:ListBucket, s3:GetObject, s3:PutObject]",
            ),
        },
    )
    applied = acme.apply()
    # Another role of Google's is not what was asked for: that goes, and it is not given.
    (went,) = applied.said["results"]
    assert (applied.code, went["kind"], went["binding"]["cloud"]) == (0, "delete", "gcp")
    assert acme.world.gcp.policy("acme-sandbox-dev").get("bindings", []) == []
    assert roles_of_ours(acme) == stored
    # Whoever asks now gets what the catalogue says now.
    acme.landed("erin", "erin/one", everywhere("erin"))
    assert acme.apply().code == 0
    roles = {one["role"] for one in acme.world.gcp.policy("acme-sandbox-dev")["bindings"]}
    assert roles == {"roles/logging.admin"}


def test_less_access_proceeds_while_the_rules_are_unproven(acme: Acme) -> None:
    acme.landed("alice", "alice/short", everywhere(duration="1h"))
    acme.landed("alice", "alice/long", everywhere(duration="3h"))
    acme.landed("erin", "erin/one", everywhere("erin"))
    assert acme.apply().code == 0
    acme.later(minutes=10)
    give_up(acme, "alice", "alice/long")
    give_up(acme, "erin", "erin/one")
    acme.bypass()
    acme.push("mallory", {"policies/access/extra.rego": "package extra\n"})
    applied = acme.apply()
    assert applied.code == 1
    assert may_all(acme, "erin") == NONE
    assert may_all(acme, "alice") == ALL
    # In Azure the two shared one assignment: it was cut to the hour of the one that stays.
    for place in PLACES.values():
        assert not acme.may("alice", *place, in_=timedelta(minutes=50)), place


@pytest.mark.usefixtures("unhurried")
def test_an_established_grant_is_not_touched_by_an_outage(acme: Acme) -> None:
    acme.landed("alice", "alice/one", everywhere())
    assert acme.apply().code == 0
    before = writes(acme)
    restore = cut_off(acme, "gcp")
    assert acme.apply().code == 1
    assert {**writes(acme), "github": 0} == {**before, "github": 0}
    assert may_all(acme) == ALL
    assert {target: state for (_, target), state in states(acme).items()} == {
        "aws/sandbox-dev": "live",
        "azure/sandbox-dev": "live",
        "gcp/sandbox-dev": "unknown",
    }
    restore()
    assert acme.apply().code == 0


@pytest.fixture
def wide_world(tmp_path: Path) -> Iterator[Acme]:
    """Acme with a policy that lets one person hold many grants."""
    loose = {
        path: text.replace("max_live_grants: 10", "max_live_grants: 1000")
        for path, text in policies().items()
    }
    with World(tmp_path, now=START, policies=loose) as world:
        yield Acme(world)


def test_a_run_without_changes_costs_the_same_for_one_grant_and_for_many(
    wide_world: Acme,
) -> None:
    acme = wide_world
    people = ("alice", "bob", "erin", "mallory")

    def asked() -> dict[str, int]:
        world = acme.world
        return {
            "aws": len(world.aws.log),
            "azure": world.azure.counts.total(),
            "gcp": len(world.gcp.exchanges),
            "github": len(world.github.requests),
        }

    def cost() -> dict[str, int]:
        # A fetch that brings something asks more often than one that brings nothing.
        assert acme.daypass("status").code == 0
        before = asked()
        applied = acme.apply()
        assert (applied.code, applied.said["results"]) == (0, [])
        return {name: count - before[name] for name, count in asked().items()}

    acme.landed("alice", "alice/first", everywhere(duration="1h"))
    acme.apply()
    one = cost()
    for number in range(12):
        login = people[number % 4]
        place = list(PLACES.values())[number % 3]
        text = grant(login, access=[" ".join(place)], duration="1h")
        acme.landed(login, f"{login}/{number:02}", text)
    assert acme.apply().code == 0
    assert len(acme.daypass("status", "--json").said) == 15
    assert cost() == one
