"""Ways around what policies count and forbid: by edits, by others' words, by order."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.e2e.support_world import Acme, grant, path_of

LOGS = ("gcp/sandbox-dev", "log-viewer")
READER = ("azure/sandbox-dev", "reader")
ONE = path_of("alice/one")


def test_an_edit_does_not_move_access_that_has_begun(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant(duration="8h"))
    acme.later(hours=7, minutes=50)
    moved = grant(duration="8h", start="2026-11-20T22:00:00Z")
    checked = acme.check(acme.request("alice", "move", {ONE: moved}))
    assert checked.code == 1, checked
    acme.apply()
    assert not acme.may("alice", *LOGS, in_=timedelta(minutes=11))


def test_narrowing_does_not_wipe_out_the_time_that_was_held(acme: Acme) -> None:
    both = grant(access=[" ".join(LOGS), " ".join(READER)], duration="8h")
    acme.landed("alice", "alice/one", both)
    acme.later(hours=7, minutes=50)
    less = grant(access=[" ".join(READER)], duration="8h")
    assert acme.check(acme.request("alice", "less", {ONE: less})).said["merged"]
    again = acme.check(acme.request("alice", "again", {path_of("alice/two"): grant(duration="8h")}))
    assert again.code == 1, again


def test_shortening_does_not_wipe_out_the_time_that_was_held(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant(duration="8h"))
    acme.later(hours=7, minutes=50)
    assert acme.check(acme.request("alice", "less", {ONE: grant(duration="5m")})).said["merged"]
    text = grant(duration="7h")
    again = acme.check(acme.request("alice", "again", {path_of("alice/two"): text}))
    assert again.code == 1, again


def test_a_strangers_push_to_a_low_risk_request_needs_an_owner(acme: Acme) -> None:
    number = acme.request("alice", "ask", {ONE: grant()})
    acme.person("mallory").push("ask", {ONE: grant(duration="8h")}, "Longer")
    checked = acme.check(number)
    assert (checked.code, checked.said["verdict"]) == (1, "waiting"), checked
    assert not checked.said["merged"]


def test_two_reviews_of_one_use_do_not_break_the_catalogue(acme: Acme) -> None:
    fire = grant(
        "erin",
        access=["aws/payments-prod break-glass-admin"],
        duration="30m",
        ticket="INC-4711",
        emergency="true",
    )
    assert acme.check(acme.request("erin", "fire", {path_of("erin/fire"): fire})).said["merged"]
    proposed = acme.apply().said["reviews"]["erin/fire"]
    misused = (
        f"grant: erin/fire\ncommit: {acme.tip()}\nfinding: misused\nnotes: Read what was none\n"
    )
    other = acme.request("mallory", "other", {"access/reviews/erin/misused.yaml": misused})
    for review in (proposed, other):
        acme.approve(review, "carol", "dave")
        assert acme.check(review).code == 0
    for review in (proposed, other):
        acme.person("carol").merge(review)
    checked = acme.check(acme.request("alice", "ask", {ONE: grant()}))
    assert checked.said["merged"], checked


def test_an_edit_without_a_start_keeps_it_and_lasts_as_long_as_it_says(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant(duration="30m", start="2026-11-20T22:00:00Z"))
    edit = acme.request("alice", "edit", {ONE: grant(duration="2h")})
    assert acme.check(edit).said["merged"]
    acme.later(hours=8, minutes=40)
    assert acme.apply().code == 0
    assert acme.may("alice", *LOGS)
    acme.later(minutes=80)
    assert not acme.may("alice", *LOGS)


@pytest.mark.parametrize("access", [READER, ("gcp/sandbox-dev", "bigquery-reader")])
def test_an_accomplice_who_is_gone_holds_up_nothing_but_the_own_grant(
    acme: Acme, access: tuple[str, str]
) -> None:
    acme.landed("alice", "alice/old", grant())
    assert acme.apply().code == 0
    acme.person("mallory").push("ask", {ONE: grant(access=[" ".join(access)])}, "A request")
    number = acme.person("alice").open("ask", "A request")
    acme.approve(number, "bob")
    assert acme.check(number, merge=False).code == 0
    acme.person("alice").merge(number)
    acme.world.github.delete_user("mallory")
    ended = acme.request("alice", "end", {path_of("alice/old"): None})
    assert acme.check(ended).said["merged"]
    applied = acme.apply()
    assert applied.code == 1, applied
    assert "an account that is gone pushed" in acme.quarantined(applied)[ONE]
    assert not acme.may("alice", *LOGS)
    assert not acme.may("alice", *access)


def test_checks_that_were_asked_for_without_end_hold_up_nothing_but_the_own_grant(
    acme: Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.forge.github.RUNS_CAP", 2)
    acme.landed("bob", "bob/one", grant("bob"))
    number = acme.request("alice", "ask", {ONE: grant()})
    for _ in range(3):
        acme.check(number, merge=False)
    acme.person("alice").merge(number)
    applied = acme.apply()
    assert applied.code == 1, applied
    assert "has 3 check runs called daypass" in acme.quarantined(applied)[ONE]
    assert acme.may("bob", *LOGS)
    assert not acme.may("alice", *LOGS)


def test_more_files_than_github_lists_hold_up_nothing_but_the_own_grants(
    acme: Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.forge.github.FILES_CAP", 2)
    acme.landed("bob", "bob/one", grant("bob"))
    two = path_of("alice/two")
    number = acme.request("alice", "ask", {ONE: grant(), two: grant(duration="1h")})
    assert acme.check(number).code == 1
    acme.bypass()
    acme.person("alice").merge(number)
    applied = acme.apply()
    assert applied.code == 1, applied
    quarantined = acme.quarantined(applied)
    assert set(quarantined) == {ONE, two}
    assert "GitHub stops listing at 2" in quarantined[ONE]
    assert acme.may("bob", *LOGS)
    assert not acme.may("alice", *LOGS)
