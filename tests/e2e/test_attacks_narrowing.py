"""Narrowing as a way to more: what an earlier run recorded must not carry it."""

from __future__ import annotations

import pytest

from tests.e2e.support_faults import governed, text_of
from tests.e2e.support_world import Acme, grant, path_of

ROLES = "access/roles/gcp.yaml"
ONE = path_of("alice/one")
LOGS = ("gcp/sandbox-dev", "log-viewer")


def bound(acme: Acme) -> set[str]:
    return {one["role"] for one in acme.world.gcp.policy("acme-sandbox-dev")["bindings"]}


def less_by_a_stranger(acme: Acme, duration: str) -> None:
    """Narrows alice's grant with bob's approval, who is no owner while it is first proven."""
    number = acme.request("mallory", "stranger", {ONE: grant(duration=duration)})
    acme.approve(number, "bob")
    assert acme.check(number).code == 0
    acme.person("mallory").merge(number)
    acme.world.github.set_membership("acme", "payments-leads", "bob", "pending")


def test_more_than_what_a_stranger_left_is_a_new_request(acme: Acme) -> None:
    """Though it is less than what was proven last, and its role became riskier since."""
    acme.landed("alice", "alice/one", grant(duration="2h"))
    assert acme.apply().code == 0
    before = text_of(acme, ROLES)
    governed(acme, {ROLES: before.replace("  risk: low\n", "  risk: critical\n", 1)})
    less_by_a_stranger(acme, "30m")
    number = acme.request("alice", "less", {ONE: grant(duration="90m")})
    assert acme.check(number).code == 1
    applied = acme.apply()
    assert list(acme.quarantined(applied)) == [ONE]
    assert bound(acme) == {"roles/logging.viewer"}
    acme.world.github.set_membership("acme", "payments-leads", "bob", "active")
    for _ in range(2):
        assert acme.apply().code == 0
        assert bound(acme) == {"roles/logging.viewer"}
    acme.later(minutes=31)
    assert not acme.may("alice", *LOGS)


def test_what_is_less_than_a_version_proven_since_stands(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant(duration="2h"))
    assert acme.apply().code == 0
    less_by_a_stranger(acme, "90m")
    number = acme.request("alice", "less", {ONE: grant(duration="30m")})
    assert acme.check(number).said["merged"]
    assert acme.apply().code == 0
    acme.world.github.set_membership("acme", "payments-leads", "bob", "active")
    for _ in range(2):
        assert acme.apply().code == 0
    proofs = [one for one in acme.daypass("audit", "log", "--json").said if one["kind"] == "proof"]
    # The second came late; the third was held against it, whether it was proven or not.
    assert [one["pull"] for one in proofs] == [1, 3, 2]
    assert proofs[1]["previous"] == proofs[2]["commit"]
    acme.later(minutes=31)
    assert not acme.may("alice", *LOGS)


def test_what_was_recorded_as_narrowing_stops_no_run(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant(duration="2h"))
    acme.landed("erin", "erin/one", grant("erin", duration="2h"))
    assert acme.apply().code == 0
    first, _, rest = text_of(acme, ROLES).partition("bigquery-reader:")
    assert first.startswith("log-viewer:")
    governed(acme, {ROLES: f"bigquery-reader:{rest}"})
    less_by_a_stranger(acme, "30m")
    number = acme.request("alice", "less", {ONE: grant(duration="20m")})
    assert acme.check(number).said["merged"]
    acme.apply()
    acme.world.github.set_membership("acme", "payments-leads", "bob", "active")
    number = acme.request("erin", "gone", {path_of("erin/one"): None})
    assert acme.check(number).said["merged"]
    acme.apply()
    assert not acme.may("erin", *LOGS)


@pytest.mark.parametrize("name", ["sandbox-dev", "another"])
def test_no_target_moves_or_leaves_while_access_is_held_there(acme: Acme, name: str) -> None:
    acme.landed("alice", "alice/one", grant(duration="3h"))
    assert acme.apply().code == 0
    rest = "{project: acme-payments-prod, environment: dev, owners: [payments-leads]}"
    moved = {"access/targets/gcp.yaml": f"{name}: {rest}\n"}
    number = acme.request("bob", "move", moved, title="Change the rules")
    acme.approve(number, "carol")
    refused = acme.check(number)
    assert (refused.code, refused.said["verdict"]) == (2, "invalid")
    assert [one["code"] for one in refused.said["problems"]] == ["target-in-use"]
    # Merged all the same it is not proven, and what is given up is still looked for there.
    acme.bypass()
    acme.person("bob").merge(number)
    assert acme.check(acme.request("alice", "gone", {ONE: None})).said["merged"]
    assert acme.apply().code == 1
    assert not acme.may("alice", *LOGS)
    acme.later(minutes=61)
    old = acme.git("bob", "show", f"{acme.world.anchor}:access/targets/gcp.yaml") + "\n"
    acme.push("carol", {"access/targets/gcp.yaml": old}, "Restore")
    assert acme.apply().code == 0
    governed(acme, moved)
    assert acme.apply().code == 0
