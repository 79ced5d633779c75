"""Checks that are green and hold no longer: the scheduled run turns them red, and nothing else."""

from __future__ import annotations

from tests.e2e.support_world import REPOSITORY, Acme, grant, path_of

TABLES = grant(access=["gcp/sandbox-dev bigquery-reader"])


def conclusions(acme: Acme, number: int) -> list[str | None]:
    """How the check runs of a pull request's head ended, in their order."""
    runs = acme.world.github.repository(REPOSITORY).check_runs.values()
    return [one.conclusion for one in runs if one.external_id.startswith(f"{number}:")]


def test_a_green_check_whose_approval_grew_old_turns_red_and_another_one_stays(acme: Acme) -> None:
    old = acme.request("alice", "old", {path_of("alice/old"): TABLES})
    acme.approve(old, "bob")
    assert acme.check(old).code == 0
    acme.later(hours=23)
    fresh = acme.request("erin", "fresh", {path_of("erin/fresh"): TABLES.replace("alice", "erin")})
    acme.approve(fresh, "bob")
    assert acme.check(fresh).code == 0
    waiting = acme.request("erin", "more", {path_of("erin/more"): TABLES.replace("alice", "erin")})
    assert acme.check(waiting).code == 1
    again = acme.daypass("check", "--again", "--post", "--json")
    assert (again.code, again.said["stale"], again.said["whole"]) == (0, [], True)
    acme.later(hours=2)
    before = {number: conclusions(acme, number) for number in (old, fresh, waiting)}
    again = acme.daypass("check", "--again", "--post", "--json")
    assert again.code == 1
    assert [one["pull"] for one in again.said["stale"]] == [old]
    assert conclusions(acme, old) == [*before[old], "failure"]
    assert conclusions(acme, fresh) == before[fresh]
    assert conclusions(acme, waiting) == before[waiting]
    assert any("24 hours ago" in one for one in acme.person("alice").comments(old))
    # It is told once.
    assert acme.daypass("check", "--again", "--post", "--json").said["stale"] == []
    acme.approve(old, "bob")
    assert acme.check(old).code == 0


def test_without_post_it_only_tells(acme: Acme) -> None:
    number = acme.request("alice", "old", {path_of("alice/old"): TABLES})
    acme.approve(number, "bob")
    assert acme.check(number).code == 0
    acme.later(hours=25)
    before = conclusions(acme, number)
    said = acme.daypass("check", "--again")
    assert said.code == 1
    assert f"#{number}: waiting" in said.said
    assert conclusions(acme, number) == before
    assert acme.daypass("check", "--again", "--pr", "1").code == 2


REVIEWERS = "policies/settings/reviewers/data.yaml"


def test_where_the_setting_says_so_the_app_merges_at_the_last_approval_and_the_clock_starts(
    acme: Acme,
) -> None:
    now = acme.git("carol", "show", f"{acme.world.anchor}:{REVIEWERS}") + "\n"
    changed = now.replace("merge_when_approved: false", "merge_when_approved: true")
    rules = acme.request("carol", "merging", {REVIEWERS: changed})
    acme.approve(rules, "dave")
    checked = acme.check(rules)
    assert (checked.code, checked.said["merged"]) == (0, None)
    acme.person("carol").merge(rules)

    number = acme.request("alice", "one", {path_of("alice/one"): TABLES})
    checked = acme.check(number)
    assert (checked.said["verdict"], checked.said["merged"]) == ("waiting", None)
    told = "Daypass merges it as soon as the last approval is in; the clock starts at that merge"
    assert any(told in one for one in acme.person("alice").comments(number))
    acme.later(hours=3)
    acme.approve(number, "bob")
    # The run that would have merged it is lost; the scheduled one makes up for it.
    assert acme.check(number, merge=False).code == 0
    again = acme.daypass("check", "--again", "--merge", "--json")
    assert (again.code, list(again.said["merged"])) == (0, [str(number)])
    assert acme.apply().code == 0
    (row,) = acme.daypass("status", "--subject", "alice", "--json").said
    assert row["start"] == acme.merged_at(number).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert acme.may("alice", "gcp/sandbox-dev", "bigquery-reader")

    # An approval that does not count merges nothing; the one that counts does, at once.
    other = acme.request("erin", "two", {path_of("erin/two"): TABLES.replace("alice", "erin")})
    acme.approve(other, "dave")
    assert acme.check(other).said["merged"] is None
    acme.approve(other, "bob")
    assert acme.check(other).said["merged"] == acme.tip()
