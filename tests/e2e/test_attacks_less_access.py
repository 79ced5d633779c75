"""Taking access away is an attack too: strangers who try it, and those who may."""

from __future__ import annotations

import pytest

from tests.e2e.support_world import Acme, PersonRefused, grant, path_of

LOGS = "gcp/sandbox-dev log-viewer"
TABLES = "gcp/sandbox-dev bigquery-reader"


def _given(acme: Acme, name: str = "alice/one", access: str = LOGS, *approvers: str) -> None:
    """Lands a grant, applies it, and sees that the access is there."""
    acme.landed("alice", name, grant(access=[access]), *approvers)
    assert acme.apply().code == 0
    assert acme.may("alice", *access.split())


def test_deleting_other_peoples_access_needs_an_owner(acme: Acme) -> None:
    _given(acme)
    number = acme.request("mallory", "tidy", {path_of("alice/one"): None})
    checked = acme.check(number)
    assert (checked.code, checked.said["verdict"]) == (1, "waiting")
    with pytest.raises(PersonRefused):
        acme.person("mallory").merge(number)
    acme.approve(number, "bob")
    assert acme.check(number).code == 0
    acme.person("mallory").merge(number)
    assert acme.apply().code == 0
    assert not acme.may("alice", "gcp/sandbox-dev", "log-viewer")


@pytest.mark.parametrize("login", ["alice", "bob", "carol"])
def test_subject_owner_and_security_delete_without_waiting(acme: Acme, login: str) -> None:
    _given(acme)
    checked = acme.check(acme.request(login, "tidy", {path_of("alice/one"): None}))
    assert checked.code == 0
    assert checked.said["merged"]
    assert acme.apply().code == 0
    assert not acme.may("alice", "gcp/sandbox-dev", "log-viewer")


def test_a_strangers_push_to_the_subjects_own_deletion_needs_an_owner(acme: Acme) -> None:
    _given(acme, "alice/one")
    _given(acme, "alice/two", "azure/sandbox-dev reader")
    number = acme.request("alice", "tidy", {path_of("alice/one"): None})
    acme.person("mallory").push("tidy", {path_of("alice/two"): None}, "More of the same")
    checked = acme.check(number)
    assert (checked.code, checked.said["verdict"]) == (1, "waiting")
    assert not checked.said["merged"]


def test_a_strangers_push_to_the_apps_revert_needs_an_owner(acme: Acme) -> None:
    acme.landed("alice", "alice/short", grant(duration="30m"))
    _given(acme, "alice/one", "azure/sandbox-dev reader")
    acme.later(minutes=31)
    revert = acme.daypass("expire", "--json").said["pull"]
    branch = acme.person("mallory").pull(revert)["head"]["ref"]
    acme.person("mallory").push(branch, {path_of("alice/one"): None}, "While at it")
    checked = acme.check(revert)
    assert (checked.code, checked.said["verdict"]) == (1, "waiting")
    assert acme.may("alice", "azure/sandbox-dev", "reader")


def test_the_apps_revert_heals_after_a_strangers_push(acme: Acme) -> None:
    acme.landed("alice", "alice/short", grant(duration="30m"))
    assert acme.apply().code == 0
    acme.later(minutes=31)
    revert = acme.daypass("expire", "--json").said["pull"]
    checked = acme.check(revert)
    assert checked.code == 0
    assert checked.said["merged"]
    assert acme.apply().code == 0
    assert acme.held() == []


def test_a_pull_request_on_a_branch_named_like_the_apps_is_a_strangers(acme: Acme) -> None:
    _given(acme)
    number = acme.request("mallory", "daypass/expire-0123456789ab", {path_of("alice/one"): None})
    checked = acme.check(number)
    assert (checked.code, checked.said["merged"]) == (1, None)


def test_a_stranger_cannot_rewrite_a_grant_into_less(acme: Acme) -> None:
    """Another reason makes it no narrowing; low risk must not carry it through either."""
    _given(acme, "alice/one", TABLES, "bob")
    less = grant(access=[LOGS], duration="5m", reason="Something else entirely, of low risk")
    checked = acme.check(acme.request("mallory", "edit", {path_of("alice/one"): less}))
    assert (checked.code, checked.said["verdict"]) == (1, "waiting")
    assert not checked.said["merged"]


def test_rewriting_the_text_of_a_grant_gives_no_say_in_it(acme: Acme) -> None:
    _given(acme)
    same = "# looked at\n" + grant(access=[LOGS])
    number = acme.request("mallory", "edit", {path_of("alice/one"): same})
    acme.approve(number, "bob")
    assert acme.check(number).code == 0
    acme.person("mallory").merge(number)
    assert acme.apply().code == 0
    checked = acme.check(acme.request("mallory", "tidy", {path_of("alice/one"): None}))
    assert (checked.code, checked.said["verdict"]) == (1, "waiting")


def test_asking_in_another_name_needs_an_owner_even_for_low_risk(acme: Acme) -> None:
    """Or a stranger could use up what somebody may have within a day."""
    number = acme.request("mallory", "req/x", {path_of("alice/gift"): grant()})
    checked = acme.check(number)
    assert (checked.code, checked.said["verdict"]) == (1, "waiting")


def test_shortening_merges_by_itself_for_the_subject_and_not_for_a_stranger(acme: Acme) -> None:
    _given(acme, "alice/one", TABLES, "bob")
    shorter = {path_of("alice/one"): grant(access=[TABLES], duration="30m")}
    stranger = acme.check(acme.request("mallory", "shorter", shorter))
    assert (stranger.code, stranger.said["merged"]) == (1, None)
    own = acme.check(acme.request("alice", "own", shorter))
    assert own.code == 0
    assert own.said["merged"]
    acme.later(minutes=29)
    assert acme.apply().code == 0
    assert acme.may("alice", *TABLES.split())
    acme.later(minutes=1)
    assert not acme.may("alice", *TABLES.split())
