"""Cleaning up after lapsed grants, and the pull request that retires their files."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.support_estate import a_grant, quarantine
from tests.unit.support_run import OneRun, World, a_run
from tests.unit.support_values import HOUR, NOON, window
from tests.unit.support_world import KEEPER, STRANGER, Opened, a_pull

X = a_grant("x", held=window(-2, 0))
Y = a_grant("y", "aws/prod", held=window(-2, 0))
PATH = "access/grants/alice/x.yaml"


def expired(run: OneRun) -> tuple[dict[str, Any], int]:
    """What a whole expire says for tools, and its exit code."""
    said = run.command("expire", "--json")
    (document,) = said.documents
    return document, said.code


def test_what_lapsed_is_removed_and_its_file_retired_in_one_go() -> None:
    run = a_run(lapsed=[X, Y], holding=[X, Y])
    document, code = expired(run)
    assert run.world.held == []
    assert document["retiring"] == [PATH, "access/grants/alice/y.yaml"]
    assert len(document["removed"]) == 2
    assert (document["pull"], code) == (900, 0)
    opened = run.world.forge.opened[900]
    assert opened.delete == (PATH, "access/grants/alice/y.yaml")
    assert (opened.base, opened.base_sha) == ("main", run.world.tip)
    assert opened.branch.startswith("daypass/expire-")
    assert opened.title == "Retire 2 lapsed grants"


def test_the_pull_request_is_opened_after_the_clouds_were_read_back() -> None:
    run = a_run(lapsed=[X], holding=[X])
    expired(run)
    assert run.world.done[-2:] == ["list gcp", "open #900"]


def test_nobody_can_guess_the_branch_that_retires_a_grant() -> None:
    branches = {a_retired().branch for _ in range(2)}
    assert len(branches) == 2


def a_retired() -> Opened:
    run = a_run(lapsed=[X])
    expired(run)
    return run.world.forge.opened[900]


def test_expire_adds_and_lengthens_nothing() -> None:
    longer = a_grant("z", held=window(0, 3))
    run = a_run(live=[a_grant("new"), longer], lapsed=[X], holding=[X, a_grant("z")])
    document, code = expired(run)
    assert run.world.held == ["gcp/prod alice/z"]
    # What it does not add is missing until apply comes.
    missing = ["alice/new", "alice/z"]
    assert (document["waiting"], document["missing"], code) == ([], missing, 1)
    assert run.again(live=[a_grant("new"), longer]).plan.changes


def test_expire_removes_what_nobody_asks_for_any_more() -> None:
    run = a_run(holding=[a_grant("x")])
    document, _ = expired(run)
    assert run.world.held == []
    assert (len(document["removed"]), document["pull"]) == (1, None)


def test_running_it_again_changes_nothing() -> None:
    first = a_run(lapsed=[X], holding=[X])
    expired(first)
    first.world.done.clear()
    document, code = expired(first.again(lapsed=[X]))
    assert first.world.done == ["list aws", "list azure", "list gcp"]
    assert (document["pull"], document["retiring"]) == (None, [])
    assert (document["open"], code) == ({"900": [PATH]}, 0)


def test_another_grant_that_lapses_meanwhile_gets_a_pull_request_of_its_own() -> None:
    first = a_run(lapsed=[X])
    expired(first)
    document, _ = expired(first.again(lapsed=[X, Y]))
    assert (document["pull"], document["retiring"]) == (901, ["access/grants/alice/y.yaml"])


def test_a_grant_that_a_cloud_still_lists_waits() -> None:
    run = a_run(lapsed=[X, Y], holding=[X, Y])
    run.world.ignores.add("gcp/prod")
    document, code = expired(run)
    assert document["retiring"] == ["access/grants/alice/y.yaml"]
    ((waiting),) = document["waiting"]
    assert waiting["grant"] == "alice/x"
    assert waiting["why"].startswith("gcp/prod still holds ")
    assert code == 1


def test_a_grant_that_is_removed_later_waits_until_then() -> None:
    run = a_run(lapsed=[X], holding=[X])
    run.world.delays["gcp/prod"] = "in five minutes"
    assert expired(run)[1] == 1
    run.world.delays.clear()
    assert expired(run.again(lapsed=[X]))[0]["retiring"] == [PATH]


def test_a_grant_whose_target_cannot_be_read_waits_and_others_do_not() -> None:
    run = a_run(lapsed=[X, Y], down={"gcp/prod": "503"})
    document, code = expired(run)
    assert document["retiring"] == ["access/grants/alice/y.yaml"]
    assert document["waiting"] == [{"grant": "alice/x", "why": "gcp/prod could not be read: 503"}]
    assert document["unreachable"] == [{"target": "gcp/prod", "why": "503"}]
    assert code == 3


def test_a_target_that_goes_down_after_the_removal_counts() -> None:
    run = a_run(lapsed=[X], holding=[X])
    run.world.goes_down["gcp/prod"] = "503"
    document, code = expired(run)
    assert (document["retiring"], code) == ([], 3)


def test_a_grant_whose_file_cannot_be_read_waits_for_any_outage() -> None:
    world = World()
    run = a_run(world, lapsed=[Y], down={"gcp/prod": "503"})
    assert run.targets_of(run.branch.lapsed) == {"alice/y": ["aws/prod"]}
    world.merge({"access/grants/alice/y.yaml": "subject: ["})
    torn = a_run(world, lapsed=["alice/y"])
    assert torn.targets_of(torn.branch.lapsed) == {}
    assert expired(torn)[0]["waiting"][0]["why"] == "gcp/prod could not be read: 503"


def test_a_removal_that_fails_is_no_success() -> None:
    run = a_run(holding=[a_grant("x")])
    run.world.keeps["gcp/prod"] = "403"
    _, code = expired(run)
    assert code == 1


def test_a_removal_that_is_reported_and_did_not_happen_is_no_success() -> None:
    run = a_run(holding=[a_grant("x")])
    run.world.ignores.add("gcp/prod")
    document, code = expired(run)
    assert (document["waiting"], code) == ([], 1)


def test_what_is_quarantined_is_for_apply_to_tell() -> None:
    assert expired(a_run(quarantined=[quarantine()]))[1] == 0


def test_only_the_keepers_own_pull_requests_count_as_open() -> None:
    run = a_run(lapsed=[X])
    forge = run.world.forge
    taken = Opened(
        branch="daypass/expire-1", base="main", base_sha="", title="", body="", delete=(PATH,)
    )
    for number, author, branch in (
        (31, STRANGER, "daypass/expire-1"),
        (32, None, "daypass/expire-2"),
        (33, KEEPER, "fix-typo"),
    ):
        forge.others[number] = (a_pull(number, author, branch), taken)
    document, _ = expired(run)
    assert document["open"] == {}
    assert document["retiring"] == [PATH]


def test_only_what_is_deleted_by_an_open_pull_request_is_being_retired() -> None:
    run = a_run(lapsed=[X])
    run.world.forge.opened[900] = Opened(
        branch="daypass/expire-1", base="main", base_sha="", title="", body="", write={PATH: "…"}
    )
    document, _ = expired(run)
    assert document["open"] == {"900": []}
    assert document["retiring"] == [PATH]


def test_a_pull_request_that_somebody_pushed_too_much_to_is_left_aside() -> None:
    run = a_run(lapsed=[X])
    expired(run)
    run.world.forge.endless.add(900)
    again = run.again(lapsed=[X])
    document, _ = expired(again)
    assert "#900 is left aside: #900 changes 3000 files" in again.err
    assert document["retiring"] == [PATH]


def test_a_pull_request_of_which_github_contradicts_itself_is_left_aside() -> None:
    run = a_run(lapsed=[X])
    expired(run)
    run.world.forge.contradicted.add(900)
    again = run.again(lapsed=[X])
    document, code = expired(again)
    assert "#900 is left aside: #900 changes 2 files, GitHub lists 1" in again.err
    assert (document["retiring"], code) == ([PATH], 0)
    # The one that was opened instead is found by the next.
    assert expired(run.again(lapsed=[X]))[0]["retiring"] == []


def test_more_open_pull_requests_than_are_read_put_the_file_off_and_no_removal() -> None:
    run = a_run(lapsed=[X], holding=[X])
    run.world.forge.unlisted = "GitHub's list has more than 1000 pages"
    document, code = expired(run)
    assert (document["retiring"], document["pull"], code) == ([], None, 1)
    assert document["waiting"] == [
        {"grant": "alice/x", "why": "open pull requests cannot be listed"}
    ]
    assert run.world.held == []
    assert "no pull request retires lapsed grants in this run: GitHub's list has" in run.err
    run.world.forge.unlisted = ""
    assert expired(run.again(lapsed=[X]))[1] == 0


@pytest.mark.parametrize("name", ["apply", "expire"])
def test_more_open_pull_requests_than_are_read_put_a_review_off(name: str) -> None:
    fire = a_grant("fire", emergency=True)
    run = a_run(live=[fire], holding=[fire])
    run.world.forge.unlisted = "GitHub's list has more than 1000 pages"
    said = run.command(name, "--json")
    assert (said.code, said.documents[0]["reviews"]) == (1, {})
    assert "no review of emergency access is opened in this run: GitHub's list" in said.err
    run.world.forge.unlisted = ""
    again = run.again(live=[fire]).command(name, "--json")
    assert (again.code, list(again.documents[0]["reviews"])) == (0, ["alice/fire"])


@pytest.mark.parametrize("lapsed", [(), (X,)])
def test_people_are_told_what_is_retired(lapsed: tuple[Any, ...]) -> None:
    run = a_run(lapsed=lapsed, holding=lapsed)
    out = run.command("expire").out
    if lapsed:
        assert "(its window is over) done" in out
        assert out.endswith(f"#900 retires {PATH}\n")
    else:
        assert out == "nothing to retire\n"


def test_people_are_told_what_waits_and_what_is_open() -> None:
    first = a_run(lapsed=[X])
    first.command("expire")
    run = first.again(lapsed=[X, Y], down={"aws/prod": "503"})
    out = run.command("expire").out
    assert "! alice/y waits: aws/prod could not be read: 503\n" in out
    assert "#900 is open already\n" in out
    assert "nothing to retire" not in out


def test_uses_of_emergency_access_get_their_review() -> None:
    run = a_run(lapsed=[a_grant("fire", emergency=True, held=window(-2, 0))], now=NOON + HOUR)
    said = run.command("expire")
    assert "#901 asks two people to review the emergency access alice/fire\n" in said.out
    assert "#900 retires access/grants/alice/fire.yaml\n" in said.out


def test_a_live_grant_that_is_missing_is_never_exit_0() -> None:
    live = a_grant("live")
    missing = a_run(live=[live])
    said = missing.command("expire", "--json")
    assert (said.code, said.documents[0]["missing"]) == (1, ["alice/live"])
    assert (
        "alice/live is not provisioned as it should be"
        in missing.again(live=[live]).command("expire").out
    )
    there = a_run(live=[live], holding=[live]).command("expire", "--json")
    assert (there.code, there.documents[0]["missing"]) == (0, [])


def test_a_live_grant_that_was_altered_is_never_exit_0() -> None:
    live, altered = a_grant("live"), a_grant("live", held=window(0, 1))
    said = a_run(live=[live], holding=[altered]).command("expire", "--json")
    assert (said.code, said.documents[0]["missing"]) == (1, ["alice/live"])


def test_the_pull_request_says_of_which_grants_nothing_was_given() -> None:
    run = a_run(lapsed=[X, Y], holding=[Y])
    document, code = expired(run)
    assert document["missed"] == ["alice/x"]
    body = run.world.forge.opened[900].body
    gone, missed = body.split("Nothing was given of these")
    assert PATH in missed
    assert PATH not in gone
    assert "access/grants/alice/y.yaml" in gone
    assert code == 0
    # So says the next one, from the record.
    again = run.again(lapsed=[X, a_grant("z")], holding=[a_grant("z")])
    run.world.forge.opened.clear()
    expired(again)
    assert "Nothing was given" in run.world.forge.opened[max(run.world.forge.opened)].body


def test_what_could_not_be_removed_is_not_called_removed() -> None:
    run = a_run(lapsed=[X], holding=[X])
    run.world.keeps = {"gcp/prod": "no"}
    document, code = expired(run)
    assert document["removed"] == []
    assert code == 1
