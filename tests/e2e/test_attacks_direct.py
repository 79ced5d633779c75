"""What reaches the default branch without a pull request, or past its check."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.e2e.support_world import REPOSITORY, Acme, PersonRefused, grant, path_of

LOGS = ("gcp/sandbox-dev", "log-viewer")
TABLES = ("gcp/sandbox-dev", "bigquery-reader")
ONE = path_of("alice/one")
MINE = path_of("mallory/mine")


def _control(acme: Acme) -> None:
    """A grant that came the right way: it must go on whatever happens beside it."""
    acme.landed("alice", "alice/one", grant())
    assert acme.apply().code == 0
    assert acme.may("alice", *LOGS)


def test_a_direct_push_is_refused_while_the_ruleset_holds(acme: Acme) -> None:
    with pytest.raises(PersonRefused):
        acme.push("mallory", {MINE: grant("mallory")})


@pytest.mark.parametrize("required", [True, False])
def test_a_green_commit_is_pushed_only_where_no_pull_request_is_required(
    acme: Acme, required: bool
) -> None:
    for ruleset in acme.world.github.repository(REPOSITORY).rulesets:
        ruleset.pull_request = required and ruleset.covers("main")
    number = acme.request("alice", "one", {ONE: grant()})
    assert acme.check(number, merge=False).code == 0
    head = acme.person("alice").pull(number)["head"]["sha"]
    acme.git("alice", "fetch", "--quiet", "origin", "+refs/heads/*:refs/heads/*")
    if required:
        with pytest.raises(PersonRefused, match="through a pull request"):
            acme.send("alice", head)
        return
    acme.send("alice", head)
    applied = acme.apply()
    assert applied.code == 1
    assert "merged pull requests brought it" in acme.quarantined(applied)[ONE]
    assert not acme.may("alice", *LOGS)


def test_a_grant_pushed_directly_is_quarantined_alone(acme: Acme) -> None:
    _control(acme)
    acme.bypass()
    acme.push("mallory", {MINE: grant("mallory", access=[" ".join(TABLES)])})
    acme.landed("bob", "bob/one", grant("bob"))
    applied = acme.apply()
    assert applied.code == 1
    assert list(acme.quarantined(applied)) == [MINE]
    assert "0 merged pull requests" in acme.quarantined(applied)[MINE]
    assert not acme.may("mallory", *TABLES)
    assert acme.may("alice", *LOGS)
    assert acme.may("bob", *LOGS)


def test_a_wider_version_pushed_over_a_proven_grant_changes_nothing(acme: Acme) -> None:
    _control(acme)
    acme.bypass()
    acme.push("mallory", {ONE: grant(access=[" ".join(LOGS), " ".join(TABLES)], duration="8h")})
    applied = acme.apply()
    assert applied.code == 1
    assert acme.may("alice", *LOGS)
    assert not acme.may("alice", *TABLES)
    assert not acme.may("alice", *LOGS, in_=timedelta(hours=2))


def test_shortening_a_wide_push_by_pull_request_is_judged_against_what_was_proven(
    acme: Acme,
) -> None:
    _control(acme)
    acme.bypass()
    wide = [" ".join(LOGS), " ".join(TABLES)]
    acme.push("mallory", {ONE: grant(access=wide, duration="8h")})
    number = acme.request("alice", "shorter", {ONE: grant(access=wide, duration="1h")})
    checked = acme.check(number)
    assert (checked.code, checked.said["verdict"]) == (1, "waiting")
    assert checked.said["grants"][0]["change"] == "widen"
    acme.person("alice").merge(number)
    assert acme.apply().code == 1
    assert not acme.may("alice", *TABLES)


def test_shortening_what_was_never_proven_is_refused(acme: Acme) -> None:
    acme.bypass()
    acme.push("mallory", {MINE: grant("mallory", access=[" ".join(TABLES)], duration="4h")})
    shorter = grant("mallory", access=[" ".join(TABLES)], duration="1h")
    checked = acme.check(acme.request("mallory", "shorter", {MINE: shorter}))
    assert checked.code == 2
    assert "never proven" in str(checked.said["problems"])


def test_a_deletion_pushed_directly_takes_the_access_away(acme: Acme) -> None:
    _control(acme)
    acme.bypass()
    acme.push("mallory", {ONE: None})
    applied = acme.apply()
    assert applied.code == 1
    assert [one["cause"] for one in applied.said["removals"]["causes"]] == ["deleted"]
    assert not acme.may("alice", *LOGS)
    log = acme.daypass("audit", "log", "--json").said
    (alert,) = [one for one in log if one["kind"] == "alert" and one["path"] == ONE]
    assert "ended by nobody with a say" in alert["reasons"][0]
    assert acme.apply().code == 0


def test_putting_a_deleted_file_back_by_hand_gives_nothing(acme: Acme) -> None:
    _control(acme)
    acme.bypass()
    acme.push("mallory", {ONE: None})
    acme.push("mallory", {ONE: grant()})
    applied = acme.apply()
    assert list(acme.quarantined(applied)) == [ONE]
    assert not acme.may("alice", *LOGS)


def test_a_revert_of_the_revert_brings_nothing_back(acme: Acme) -> None:
    text = grant(access=[" ".join(TABLES)])
    acme.landed("alice", "alice/one", text, "bob")
    assert acme.apply().code == 0
    acme.later(minutes=10)
    stop = acme.request("alice", "stop", {ONE: None})
    assert acme.check(stop).said["merged"]
    assert acme.apply().code == 0
    # The record says who took it away.
    log = acme.daypass("audit", "log", "--grant", "alice/one", "--json").said
    ended = next(one for one in log if one.get("state") == "ended")
    assert (ended["pull"], ended["requester"], ended["merger"]) == (
        stop,
        "alice",
        "daypass-keeper[bot]",
    )
    number = acme.request("alice", "again", {ONE: text}, title='Revert "stop"')
    checked = acme.check(number)
    assert (checked.code, checked.said["verdict"]) == (1, "denied")
    acme.approve(number, "bob")
    acme.bypass()
    acme.person("alice").merge(number)
    assert acme.apply().code == 1
    assert not acme.may("alice", *TABLES)


def test_a_second_life_starts_its_own_window(acme: Acme) -> None:
    _control(acme)
    acme.later(minutes=90)
    assert acme.check(acme.request("alice", "stop", {ONE: None})).said["merged"]
    assert acme.apply().code == 0
    anew = grant(reason="Look at the deploy logs once more")
    assert acme.check(acme.request("alice", "again", {ONE: anew})).said["merged"]
    assert acme.apply().code == 0
    assert acme.may("alice", *LOGS, in_=timedelta(minutes=119))
    assert not acme.may("alice", *LOGS, in_=timedelta(minutes=120))


def test_a_merge_past_the_check_gives_nothing(acme: Acme) -> None:
    _control(acme)
    number = acme.request("mallory", "ask", {MINE: grant("mallory", access=[" ".join(TABLES)])})
    assert acme.check(number).said["verdict"] == "waiting"
    acme.bypass()
    acme.person("mallory").merge(number)
    applied = acme.apply()
    assert applied.code == 1
    assert MINE in acme.quarantined(applied)
    assert not acme.may("mallory", *TABLES)
    assert acme.may("alice", *LOGS)


def test_a_status_and_a_check_run_by_others_do_not_open_the_gate(acme: Acme) -> None:
    number = acme.request("mallory", "ask", {MINE: grant("mallory", access=[" ".join(TABLES)])})
    acme.check(number)
    head = acme.person("mallory").pull(number)["head"]["sha"]
    acme.ask("mallory", "POST", f"/statuses/{head}", {"context": "daypass", "state": "success"})
    with pytest.raises(PersonRefused):
        acme.person("mallory").merge(number)


def test_a_denied_request_merged_by_hand_gives_nothing(acme: Acme) -> None:
    long = grant("mallory", access=["gcp/sandbox-dev log-viewer"], duration="2d")
    number = acme.request("mallory", "ask", {MINE: long})
    checked = acme.check(number)
    assert (checked.code, checked.said["verdict"]) == (1, "denied")
    acme.approve(number, "bob", "carol")
    assert acme.check(number).said["verdict"] == "denied"
    acme.bypass()
    acme.person("mallory").merge(number)
    assert acme.apply().code == 1
    assert not acme.may("mallory", *LOGS)


def test_an_approval_after_the_merge_comes_too_late(acme: Acme) -> None:
    number = acme.request("mallory", "ask", {MINE: grant("mallory", access=[" ".join(TABLES)])})
    acme.check(number)
    acme.bypass()
    acme.person("mallory").merge(number)
    acme.later(minutes=1)
    acme.approve(number, "bob")
    assert acme.apply().code == 1
    assert not acme.may("mallory", *TABLES)


def _asked(acme: Acme, text: str | None = None) -> tuple[int, str, str]:
    """Returns an approved, checked, unmerged request of alice's with its head and the base."""
    base = acme.tip()
    text = text or grant(access=[" ".join(TABLES)])
    number = acme.request("alice", "ask", {ONE: text})
    acme.approve(number, "bob")
    assert acme.check(number).code == 0
    return number, acme.tip("ask"), base


@pytest.mark.parametrize("method", ["squash", "merge"])
def test_squash_and_merge_commits_are_proven(acme: Acme, method: str) -> None:
    number, _, _ = _asked(acme)
    acme.person("alice").merge(number, method=method)
    assert acme.apply().code == 0
    assert acme.may("alice", *TABLES)


def test_a_rebase_merge_of_several_commits_gives_nothing(acme: Acme) -> None:
    acme.person("alice").push("ask", {ONE: grant(access=[" ".join(TABLES)], duration="1h")}, "1")
    acme.person("alice").push("ask", {ONE: grant(access=[" ".join(TABLES)])}, "2")
    number = acme.person("alice").open("ask", "Ask")
    acme.approve(number, "bob")
    assert acme.check(number).code == 0
    acme.person("alice").merge(number, method="rebase")
    assert acme.apply().code == 1
    assert not acme.may("alice", *TABLES)


def test_an_evil_merge_pushed_by_hand_gives_nothing(acme: Acme) -> None:
    _, head, base = _asked(acme)
    acme.bypass()
    tables = grant("mallory", access=[" ".join(TABLES)])
    evil = acme.commit(
        "mallory",
        {ONE: ("100644", grant(access=[" ".join(TABLES)])), MINE: ("100644", tables)},
        parents=[base, head],
    )
    acme.send("mallory", evil)
    applied = acme.apply()
    assert set(acme.quarantined(applied)) == {ONE, MINE}
    assert not acme.may("mallory", *TABLES)


def test_a_squash_by_hand_with_a_file_more_gives_nothing(acme: Acme) -> None:
    number, _, base = _asked(acme)
    acme.bypass()
    acme.person("alice").merge(number)
    tables = grant("mallory", access=[" ".join(TABLES)])
    other = acme.commit(
        "mallory",
        {ONE: ("100644", grant(access=[" ".join(TABLES)])), MINE: ("100644", tables)},
        parents=[base],
    )
    acme.send("mallory", other, force=True)
    applied = acme.apply()
    assert set(acme.quarantined(applied)) == {ONE, MINE}
    assert acme.held() == []


@pytest.mark.parametrize("year", [1971, 2037, 9999])
def test_no_committer_date_makes_a_direct_push_count(acme: Acme, year: int) -> None:
    _control(acme)
    acme.bypass()
    text = grant("mallory", access=[" ".join(TABLES)], duration="365d")
    made = acme.commit(
        "mallory",
        {MINE: ("100644", text)},
        parents=[acme.tip()],
        at=acme.world.clock.now().replace(year=year),
    )
    acme.send("mallory", made)
    acme.landed("bob", "bob/one", grant("bob"))
    assert acme.apply().code in (0, 1)
    assert not acme.may("mallory", *TABLES)
    assert acme.may("bob", *LOGS)
    # The subject's other lives are read for every later request of hers.
    asked = acme.check(acme.request("mallory", "mine", {path_of("mallory/two"): grant("mallory")}))
    assert asked.code in (0, 1)


def test_rewriting_the_default_branch_gives_nothing_and_takes_away_what_it_dropped(
    acme: Acme,
) -> None:
    _control(acme)
    acme.bypass()
    tables = grant("mallory", access=[" ".join(TABLES)])
    made = acme.commit("mallory", {MINE: ("100644", tables)}, parents=[acme.world.anchor])
    acme.send("mallory", made, force=True)
    applied = acme.apply()
    assert applied.code == 1
    assert "first-parent line" in applied.said["dispute"]
    assert not acme.may("mallory", *TABLES)
    assert not acme.may("alice", *LOGS)
    assert acme.daypass("expire", "--json").code == 1
