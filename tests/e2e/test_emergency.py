"""Break-glass: whoever is on call gets in at once, it ends by itself, and two people look at it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.e2e.support_world import Acme, PersonRefused, grant, path_of

ROTATION = "access/oncall/payments.yaml"
ADMIN = ("aws/payments-prod", "break-glass-admin")


def fire(subject: str = "erin", **more: str) -> str:
    """Break-glass for half an hour."""
    return grant(
        subject,
        access=[" ".join(ADMIN)],
        duration=more.pop("duration", "30m"),
        reason="Ledger writes fail since 14:00, incident 4711",
        ticket="INC-4711",
        emergency="true",
        **more,
    )


def ask(acme: Acme, name: str = "erin/fire", text: str | None = None, login: str = "erin") -> int:
    return acme.request(login, f"req/{name}", {path_of(name): text or fire()})


def used(acme: Acme, name: str = "erin/fire", number: int | None = None) -> int:
    """Merges an emergency grant and applies it; returns the number of its review."""
    checked = acme.check(number or ask(acme, name))
    assert checked.said["merged"], checked
    applied = acme.apply()
    assert applied.code == 0, applied
    return int(applied.said["reviews"][name])


def test_who_is_on_call_gets_in_without_anybody_and_out_at_the_second(acme: Acme) -> None:
    number = ask(acme)
    used(acme, number=number)
    over = acme.merged_at(number) + timedelta(minutes=30)
    acme.world.stop()
    assert acme.may("erin", *ADMIN)
    acme.world.clock.advance(over - timedelta(seconds=1) - acme.world.clock.now())
    assert acme.may("erin", *ADMIN)
    acme.later(seconds=1)
    assert not acme.may("erin", *ADMIN)


def test_the_pull_request_says_that_it_is_an_emergency(acme: Acme) -> None:
    number = ask(acme)
    acme.check(number, merge=False)
    (comment,) = acme.person("erin").comments(number)
    assert "**Emergency**" in comment


def test_who_is_not_on_call_waits_like_anybody(acme: Acme) -> None:
    checked = acme.check(ask(acme, "alice/fire", fire("alice"), "alice"))
    assert checked.code == 1
    assert "alice is not on call for aws/break-glass-admin" in str(checked.said)
    assert not checked.said["merged"]


@pytest.mark.parametrize(
    "text, why",
    [
        (fire(duration="61m"), "would last 1h1m, 1h is allowed"),
        (fire(start="2026-11-20T15:00:00Z"), "starts with its merge"),
        (
            fire().replace("break-glass-admin", "ec2-terminate\n    resource: i-0abc1234def567890"),
            "ec2-terminate is not for emergencies",
        ),
    ],
)
def test_an_emergency_is_short_now_and_for_its_roles(acme: Acme, text: str, why: str) -> None:
    checked = acme.check(ask(acme, text=text))
    assert checked.code == 1
    assert why in str(checked.said)


def test_nobody_starts_an_emergency_for_somebody_else(acme: Acme) -> None:
    checked = acme.check(ask(acme, login="mallory"))
    assert "mallory asks for an emergency of erin" in str(checked.said)


def test_a_strangers_push_to_the_branch_stops_it(acme: Acme) -> None:
    number = ask(acme)
    acme.person("mallory").push("req/erin/fire", {path_of("erin/fire"): fire(duration="40m")}, "+")
    checked = acme.check(number)
    assert checked.code == 1
    assert not checked.said["merged"]


def test_a_use_that_nobody_reviewed_blocks_the_next_one_and_two_people_end_that(
    acme: Acme,
) -> None:
    review = used(acme)
    acme.later(hours=24)
    blocked = acme.check(ask(acme, "erin/again"))
    assert "erin had emergencies that nobody reviewed" in str(blocked.said)
    assert blocked.code == 1

    acme.approve(review, "carol")
    assert acme.check(review).said["verdict"] == "waiting"
    with pytest.raises(PersonRefused):
        acme.person("carol").merge(review)
    acme.approve(review, "dave")
    assert acme.check(review).said["verdict"] == "allowed"
    acme.person("carol").merge(review)
    assert acme.apply().code == 0
    assert acme.check(ask(acme, "erin/third")).said["merged"]


def test_a_use_may_be_followed_by_another_while_its_review_is_not_due(acme: Acme) -> None:
    used(acme)
    acme.later(hours=1)
    assert acme.check(ask(acme, "erin/again")).said["merged"]


def test_who_used_it_does_not_close_its_review(acme: Acme) -> None:
    acme.world.github.set_membership("acme", "security", "erin", "active")
    review = used(acme)
    acme.approve(review, "erin", "carol")
    assert acme.check(review).said["verdict"] == "waiting"


def test_a_use_gets_one_review_however_often_runs_come(acme: Acme) -> None:
    used(acme)
    assert acme.apply().said["reviews"] == {}
    acme.later(minutes=40)
    assert acme.daypass("expire", "--json").said["reviews"] == {}


def test_the_emergency_cannot_be_switched_on_by_an_edit(acme: Acme) -> None:
    plain = fire().replace("emergency: true\n", "")
    acme.landed("erin", "erin/slow", plain, "carol", "dave", "bob")
    checked = acme.check(acme.request("erin", "edit", {path_of("erin/slow"): fire()}))
    assert "an extension changes emergency" in str(checked.said)
