"""Narrowing takes access away and gives none, whatever became of the rules since."""

from __future__ import annotations

import pytest

from tests.e2e.support_faults import governed, text_of
from tests.e2e.support_world import Acme, grant, path_of

ROLES = "access/roles/gcp.yaml"
ONE = path_of("alice/one")


def bound(acme: Acme) -> set[str]:
    return {one["role"] for one in acme.world.gcp.policy("acme-sandbox-dev")["bindings"]}


def test_a_role_that_grew_since_is_not_had_by_narrowing(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant(duration="2h"))
    assert acme.apply().code == 0
    before = text_of(acme, ROLES)
    wider = before.replace("roles/logging.viewer", "roles/logging.admin")
    assert wider != before
    governed(acme, {ROLES: wider})
    number = acme.request("alice", "less", {ONE: grant(duration="90m")})
    checked = acme.check(number)
    assert checked.said["merged"], checked
    assert acme.apply().code == 0
    assert bound(acme) == {"roles/logging.viewer"}
    acme.later(minutes=89)
    assert acme.may("alice", "gcp/sandbox-dev", "log-viewer")
    acme.later(minutes=2)
    assert not acme.may("alice", "gcp/sandbox-dev", "log-viewer")


def test_a_role_that_became_riskier_since_is_not_had_by_narrowing(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant(duration="2h"))
    assert acme.apply().code == 0
    before = text_of(acme, ROLES)
    riskier = before.replace("  risk: low\n", "  risk: critical\n", 1).replace(
        "roles/logging.viewer", "roles/logging.admin"
    )
    governed(acme, {ROLES: riskier})
    # Saying the same again, or more, is a new request, judged by what the role is now.
    for text in (grant(duration="2h") + "\n", grant(duration="121m")):
        asked = acme.check(acme.request("alice", f"again-{len(text)}", {ONE: text}))
        assert asked.said["verdict"] != "allowed"
        assert asked.said["merged"] is None
    assert acme.check(acme.request("alice", "less", {ONE: grant(duration="90m")})).said["merged"]
    assert acme.apply().code == 0
    assert bound(acme) == {"roles/logging.viewer"}


def test_narrowing_waits_for_no_catalogue_that_still_knows_the_role(acme: Acme) -> None:
    two = ["gcp/sandbox-dev log-viewer", "azure/sandbox-dev reader"]
    acme.landed("alice", "alice/one", grant(access=two))
    assert acme.apply().code == 0
    first, _, rest = text_of(acme, ROLES).partition("bigquery-reader:")
    assert first.startswith("log-viewer:")
    governed(acme, {ROLES: f"bigquery-reader:{rest}"})
    number = acme.request("alice", "less", {ONE: grant(access=two[:1], duration="1h")})
    assert acme.check(number).said["merged"]
    acme.later(minutes=6)  # Azure removes nothing within the first five.
    assert acme.apply().code == 0
    assert acme.may("alice", "gcp/sandbox-dev", "log-viewer")
    assert not acme.may("alice", "azure/sandbox-dev", "reader")
    acme.later(minutes=54)
    assert not acme.may("alice", "gcp/sandbox-dev", "log-viewer")


@pytest.mark.parametrize(
    "path,text",
    [
        ("policies/settings/limits/data.yaml", "a: ["),
        ("access/principals/alice.yaml", "kind: ["),
        ("access/roles/gcp.yaml", "log-viewer: {}\n"),
    ],
)
def test_narrowing_goes_on_while_the_rules_are_broken_and_unproven(
    acme: Acme, path: str, text: str
) -> None:
    acme.landed("alice", "alice/one", grant(duration="2h"))
    acme.landed("erin", "erin/one", grant("erin", duration="2h"))
    assert acme.apply().code == 0
    acme.bypass()
    acme.push("mallory", {path: text})
    less = acme.request("alice", "less", {ONE: grant(duration="1h")})
    assert acme.check(less).said["merged"]
    more = acme.request("erin", "more", {path_of("erin/one"): grant("erin", duration="3h")})
    assert acme.check(more).said["verdict"] in ("denied", "invalid")
    acme.person("erin").merge(more)
    applied = acme.apply()
    assert applied.code == 1
    assert set(acme.quarantined(applied)) >= {path, path_of("erin/one")}
    assert ONE not in acme.quarantined(applied)
    acme.later(minutes=61)
    assert not acme.may("alice", "gcp/sandbox-dev", "log-viewer")
    assert acme.may("erin", "gcp/sandbox-dev", "log-viewer")
    acme.later(minutes=60)
    assert not acme.may("erin", "gcp/sandbox-dev", "log-viewer")


def test_a_strangers_narrowing_needs_an_owner_although_the_rules_are_broken_and_is_told(
    acme: Acme,
) -> None:
    acme.landed("alice", "alice/one", grant(duration="2h"))
    assert acme.apply().code == 0
    acme.bypass()
    acme.push("mallory", {"policies/settings/limits/data.yaml": "a: ["})
    number = acme.request("mallory", "less", {ONE: grant(duration="30m")})
    assert acme.check(number).said["verdict"] == "waiting"
    acme.person("mallory").merge(number)
    assert ONE in acme.quarantined(acme.apply())
    # What went past the review takes effect all the same, as a deletion does.
    assert acme.may("alice", "gcp/sandbox-dev", "log-viewer")
    acme.later(minutes=30)
    assert not acme.may("alice", "gcp/sandbox-dev", "log-viewer")
