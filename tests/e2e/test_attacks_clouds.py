"""Bindings made or altered by hand in the clouds."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.e2e.support_world import Acme, grant

PROJECT = "acme-sandbox-dev"
LOGS = ("gcp/sandbox-dev", "log-viewer")
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
SANDBOX = "0a11aaaa-0000-4000-8000-000000000002"
MALLORY = "6f1c0000-0000-4000-8000-000000001006"


def _given(acme: Acme) -> list[dict[str, Any]]:
    """Gives alice log access; returns the project's bindings as stored."""
    acme.landed("alice", "alice/one", grant())
    assert acme.apply().code == 0
    assert acme.may("alice", *LOGS)
    return list(copy.deepcopy(acme.world.gcp.policy(PROJECT)["bindings"]))


def test_a_binding_by_hand_stays_and_is_reported(acme: Acme) -> None:
    ours = _given(acme)
    foreign = {"role": "roles/logging.viewer", "members": ["user:mallory@example.com"]}
    looks_like_ours = {
        "role": "roles/logging.viewer",
        "members": ["user:erin@example.com"],
        "condition": {
            "title": ours[0]["condition"]["title"].replace("-", "-x", 1),
            "expression": 'request.time < timestamp("2026-11-20T15:00:00Z")',
        },
    }
    acme.world.gcp.set_policy(PROJECT, [*ours, foreign, looks_like_ours])
    before = acme.world.gcp.policy(PROJECT)["bindings"]
    applied = acme.apply()
    assert applied.code == 0
    assert [one["target"] for one in applied.said["foreign"]] == ["gcp/sandbox-dev"]
    assert acme.world.gcp.policy(PROJECT)["bindings"] == before
    acme.later(hours=3)
    assert acme.daypass("expire").code == 0
    left = acme.world.gcp.policy(PROJECT)["bindings"]
    assert foreign in left
    assert looks_like_ours in left
    assert not acme.may("alice", *LOGS)


def test_our_binding_without_its_end_is_repaired(acme: Acme) -> None:
    ours = _given(acme)
    altered = copy.deepcopy(ours)
    altered[0]["condition"]["expression"] = "true"
    acme.world.gcp.set_policy(PROJECT, altered)
    acme.later(hours=1)
    assert acme.daypass("status").code == 1
    assert acme.apply().code == 0
    assert acme.world.gcp.policy(PROJECT)["bindings"] == ours
    acme.later(hours=1)
    assert not acme.may("alice", *LOGS)


def test_a_person_added_to_our_binding_is_taken_out(acme: Acme) -> None:
    ours = _given(acme)
    shared = copy.deepcopy(ours)
    shared[0]["members"].append("user:mallory@example.com")
    acme.world.gcp.set_policy(PROJECT, shared)
    assert acme.may("mallory", *LOGS)
    acme.apply()
    assert not acme.may("mallory", *LOGS)
    assert acme.may("alice", *LOGS)


def test_a_twin_of_our_binding_with_a_later_end_does_not_stay(acme: Acme) -> None:
    ours = _given(acme)
    twin = copy.deepcopy(ours[0])
    twin["condition"]["expression"] = twin["condition"]["expression"].replace("2026", "2036")
    assert twin != ours[0]
    acme.world.gcp.set_policy(PROJECT, [*ours, twin])
    acme.apply()
    acme.apply()
    assert acme.world.gcp.policy(PROJECT)["bindings"] == ours


def test_our_binding_taken_away_by_hand_comes_back(acme: Acme) -> None:
    _given(acme)
    acme.world.gcp.set_policy(PROJECT, [])
    assert not acme.may("alice", *LOGS)
    assert acme.apply().code == 0
    assert acme.may("alice", *LOGS)


@pytest.mark.parametrize("ticket", [None, "daypass"])
def test_an_azure_assignment_by_hand_stays(acme: Acme, ticket: str | None) -> None:
    """Also one that claims our ticket system: who asked for it is not us."""
    _given(acme)
    acme.world.azure.assign(SANDBOX, MALLORY, READER, end=None, ticket_system=ticket)
    acme.later(minutes=10)
    applied = acme.apply()
    assert acme.may("mallory", "azure/sandbox-dev", "reader")
    assert (applied.code, applied.said["foreign"]) == (0, [])
