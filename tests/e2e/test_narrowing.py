"""Narrowing takes access away and gives none, whatever became of the rules since."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline.values.canonical import timestamp
from tests.e2e.support_faults import governed, text_of
from tests.e2e.support_world import Acme, grant, path_of

ROLES, AWS_ROLES = "access/roles/gcp.yaml", "access/roles/aws.yaml"
ONE = path_of("alice/one")


def bound(acme: Acme) -> set[str]:
    return {one["role"] for one in acme.world.gcp.policy("acme-sandbox-dev").get("bindings", [])}


def test_a_role_that_grew_since_is_not_had_by_narrowing(acme: Acme) -> None:
    logs = ("aws/sandbox-dev", "s3-logs-reader")
    acme.landed("alice", "alice/one", grant(access=[" ".join(logs)]))
    assert acme.apply().code == 0
    before = text_of(acme, AWS_ROLES)
    wider = before.replace("[s3:ListBucket, s3:GetObject]", "[s3:GetObject, s3:ListBucket, s3:*]")
    assert wider != before
    governed(acme, {AWS_ROLES: wider})
    number = acme.request("alice", "less", {ONE: grant(access=[" ".join(logs)], duration="90m")})
    checked = acme.check(number)
    assert checked.said["merged"], checked
    assert acme.apply().code == 0
    held = str(acme.world.aws.authorization_details("444455556666"))
    assert "s3:GetObject" in held
    assert "s3:*" not in held
    acme.later(minutes=89)
    assert acme.may("alice", *logs)
    acme.later(minutes=2)
    assert not acme.may("alice", *logs)


@pytest.mark.parametrize("how", ["struck off", "another one"])
def test_a_role_that_is_struck_off_or_another_one_since_is_had_no_longer(
    acme: Acme, how: str
) -> None:
    acme.landed("alice", "alice/one", grant(duration="2h"))
    assert acme.apply().code == 0
    assert bound(acme) == {"roles/logging.viewer"}
    before = text_of(acme, ROLES)
    text = before.replace("roles/logging.viewer", "roles/logging.admin")
    if how == "struck off":
        text = f"bigquery-reader:{before.partition('bigquery-reader:')[2]}"
    governed(acme, {ROLES: text})
    assert acme.apply().code == 0
    assert bound(acme) == set()
    # What was taken off stays off.
    governed(acme, {ROLES: before}, branch="back")
    assert acme.apply().code == 0
    assert bound(acme) == set()


def test_another_person_of_the_same_name_does_not_give_the_former_ones_account_access(
    acme: Acme,
) -> None:
    """The grant begins later; in between the file is used for somebody else."""
    start = timestamp(acme.world.clock.now() + timedelta(hours=1))
    acme.landed("alice", "alice/one", grant(start=start))
    path = "access/principals/alice.yaml"
    before = text_of(acme, path)
    governed(acme, {path: before.replace("user:alice@", "user:alice.two@")})
    assert acme.apply().code == 0
    acme.later(minutes=61)
    assert acme.apply().code == 0
    assert not acme.may("alice", "gcp/sandbox-dev", "log-viewer")
    assert bound(acme) == set()


def test_a_role_that_became_riskier_since_is_not_had_by_narrowing(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant(duration="2h"))
    assert acme.apply().code == 0
    before = text_of(acme, ROLES)
    riskier = before.replace("  risk: low\n", "  risk: critical\n", 1)
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
    number = acme.request("alice", "less", {ONE: grant(access=two[1:], duration="1h")})
    assert acme.check(number).said["merged"]
    assert acme.apply().code == 0
    assert acme.may("alice", "azure/sandbox-dev", "reader")
    assert not acme.may("alice", "gcp/sandbox-dev", "log-viewer")
    acme.later(minutes=60)
    assert not acme.may("alice", "azure/sandbox-dev", "reader")


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
