"""What one person can do against every run, or against what others were given or gave up."""

from __future__ import annotations

import pytest

from tests.e2e.support_faults import give_up
from tests.e2e.support_world import REPOSITORY, Acme, grant, path_of

LOGS = ("gcp/sandbox-dev", "log-viewer")
MINE = path_of("mallory/one")
NOTE = "policies/lib/note/note.rego"
NOTED = "policies/access/decision/noted.rego"


def test_a_branch_name_used_again_holds_up_nothing(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant())
    assert acme.apply().code == 0
    # The later one is proven first.
    for name in ("mallory/b", "mallory/a"):
        file = {path_of(name): ("100644", grant("mallory", reason=f"Logs, as {name} says"))}
        acme.send("mallory", acme.commit("mallory", file, parents=[acme.tip()]), "again")
        checked = acme.check(acme.person("mallory").open("again", name))
        assert checked.said["merged"], checked
        acme.git("mallory", "push", "--quiet", "origin", ":refs/heads/again")
        acme.later(minutes=1)
    give_up(acme, "alice", "alice/one")
    applied = acme.apply()
    assert applied.code == 0, applied
    assert not acme.may("alice", *LOGS)
    assert acme.may("mallory", *LOGS)


def test_a_push_that_github_never_lists_holds_up_nothing_for_long(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant())
    assert acme.apply().code == 0
    acme.landed("mallory", "mallory/one", grant("mallory"))
    activities = acme.world.github.repository(REPOSITORY).activities
    activities[:] = [one for one in activities if "mallory" not in one.ref]
    give_up(acme, "alice", "alice/one")
    # For a while the list may only lag behind.
    assert acme.apply().code == 3
    acme.later(hours=1)
    applied = acme.apply()
    assert applied.code == 1, applied
    assert list(acme.quarantined(applied)) == [MINE]
    assert not acme.may("alice", *LOGS)
    assert not acme.may("mallory", *LOGS)


def test_a_grant_that_breaks_the_policies_is_alone_in_quarantine(acme: Acme) -> None:
    files = {
        # A rule with two values, for some grants only: no other question shows it.
        NOTE: "package lib.note\n\nmost := 1 if input.kind\n\n"
        "most := 2 if input.grant.duration == 7260\n",
        NOTED: "package access.decision\n\n"
        '_evaluated contains "mfa-missing" if data.lib.note.most > 0\n',
    }
    number = acme.request("alice", "note", files, title="Change policies")
    acme.approve(number, "carol")
    assert acme.check(number).code == 0
    acme.person("alice").merge(number)
    acme.landed("alice", "alice/one", grant())
    assert acme.apply().code == 0
    acme.bypass()
    number = acme.request("mallory", "ask", {MINE: grant("mallory", duration="2h1m")})
    assert acme.check(number).code == 2
    acme.person("mallory").merge(number)
    give_up(acme, "alice", "alice/one")
    applied = acme.apply()
    assert applied.code == 1, applied
    assert list(acme.quarantined(applied)) == [MINE]
    assert not acme.may("alice", *LOGS)
    assert not acme.may("mallory", *LOGS)
    number = acme.request("alice", "repair", dict.fromkeys(files), title="Take it back")
    acme.approve(number, "carol")
    assert acme.check(number).code == 0
    acme.person("alice").merge(number)
    give_up(acme, "mallory", "mallory/one")
    assert acme.apply().code == 0


def test_policies_that_nobody_approved_are_not_even_tried(
    acme: Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme.landed("alice", "alice/one", grant())
    assert acme.apply().code == 0
    acme.bypass()
    # An engine would take years for this.
    endless = (
        "package access.decision\n\n_evaluated contains x if {\n"
        "\tsome x in numbers.range(1, 100000000)\n\tx < 0\n}\n"
    )
    number = acme.request("mallory", "slow", {NOTED: endless}, title="Change policies")
    acme.person("mallory").merge(number)
    monkeypatch.setattr(
        "pipeline.judge.rule_change_effects.unanswered", lambda *_: pytest.fail("tried")
    )
    give_up(acme, "alice", "alice/one")
    applied = acme.apply()
    assert applied.code == 1, applied
    assert list(acme.quarantined(applied)) == [NOTED]
    assert not acme.may("alice", *LOGS)


def test_a_merge_elsewhere_of_the_same_commit_takes_no_proof_away(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant())
    landed = acme.tip()
    acme.git("mallory", "fetch", "--quiet", "origin", "+refs/heads/*:refs/heads/*")
    acme.send("mallory", acme.git("mallory", "rev-parse", f"{landed}~1"), "old")
    acme.send("mallory", landed, "same")
    number = acme.person("mallory").open("same", "Nothing to see", base="old")
    # GitHub takes a pull request for merged once its base contains its head.
    acme.send("mallory", landed, "old")
    pull = acme.world.github.repository(REPOSITORY).pulls[number]
    pull.state, pull.landed, pull.merge_commit_sha = "closed", {landed}, landed
    pull.merged_at = pull.closed_at = acme.world.clock.now()
    pull.merged_by = pull.author
    assert acme.apply().code == 0
    assert acme.may("alice", *LOGS)


def test_prose_among_the_catalogue_that_comes_and_goes_stops_no_run(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant())
    assert acme.apply().code == 0
    note, people = "access/principals/note.md", "access/principals/erin.yaml"
    text = acme.git("bob", "show", f"{acme.tip()}:{people}")
    number = acme.request("bob", "people", {people: f"{text}\n# On leave\n"}, title="Say more")
    acme.approve(number, "carol")
    assert acme.check(number).code == 0
    acme.bypass()
    acme.push("mallory", {note: "Not read by anything.\n"})
    acme.person("bob").merge(number)
    assert set(acme.quarantined(acme.apply())) == {note, people}
    acme.push("mallory", {note: None, people: f"{text}\n"})
    acme.landed("mallory", "mallory/one", grant("mallory"))
    give_up(acme, "alice", "alice/one")
    applied = acme.apply()
    assert applied.code == 0, applied
    assert not acme.may("alice", *LOGS)
    assert acme.may("mallory", *LOGS)


@pytest.mark.parametrize(
    "change", [("sandbox-dev:", "another:"), ("acme-sandbox-dev", "acme-payments-prod")]
)
def test_a_target_struck_off_by_hand_is_still_cleaned_up(
    acme: Acme, change: tuple[str, str]
) -> None:
    acme.landed("alice", "alice/one", grant())
    assert acme.apply().code == 0
    give_up(acme, "alice", "alice/one")
    acme.bypass()
    targets = "access/targets/gcp.yaml"
    text = acme.git("mallory", "show", f"{acme.tip()}:{targets}")
    acme.push("mallory", {targets: text.replace(*change) + "\n"})
    applied = acme.apply()
    assert list(acme.quarantined(applied)) == [targets]
    assert not acme.may("alice", *LOGS)


def test_more_files_on_the_apps_branch_hold_up_no_other_revert(
    acme: Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.forge.github.FILES_CAP", 3)
    acme.landed("alice", "alice/one", grant())
    acme.landed("bob", "bob/one", grant("bob", duration="6h"))
    assert acme.apply().code == 0
    acme.later(hours=3)
    number = acme.daypass("expire", "--json").said["pull"]
    branch = acme.person("mallory").pull(number)["head"]["ref"]
    files = {f"junk/{i}.md": ("100644", "x\n") for i in range(3)}
    acme.send("mallory", acme.commit("mallory", files, parents=[acme.tip(branch)]), branch)
    acme.later(hours=5)
    ran = acme.daypass("expire", "--json")
    assert ran.code == 0, ran
    assert set(ran.said["retiring"]) == {path_of("alice/one"), path_of("bob/one")}
    again = acme.daypass("expire", "--json")
    assert (again.said["pull"], list(again.said["open"])) == (None, [str(ran.said["pull"])])


def test_more_files_on_the_apps_branch_hold_up_no_other_review(
    acme: Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.forge.github.FILES_CAP", 3)
    fire = grant(
        "erin",
        access=["aws/payments-prod break-glass-admin"],
        duration="30m",
        ticket="INC-4711",
        emergency="true",
    )
    acme.landed("erin", "erin/fire", fire)
    (number,) = acme.apply().said["reviews"].values()
    branch = acme.person("erin").pull(number)["head"]["ref"]
    files = {f"junk/{i}.md": ("100644", "x\n") for i in range(3)}
    acme.send("erin", acme.commit("erin", files, parents=[acme.tip(branch)]), branch)
    applied = acme.apply()
    assert applied.code == 0, applied
    assert list(applied.said["reviews"]) == ["erin/fire"]
    assert acme.apply().said["reviews"] == {}


ATTRIBUTES = ".gitattributes"
TOO_LONG = f"*.yaml {'a' * 3_000}\n"


def test_an_object_in_an_earlier_commit_that_git_refuses_holds_up_nothing(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant())
    hidden = acme.commit("mallory", {ATTRIBUTES: ("100644", TOO_LONG)}, parents=[acme.tip()])
    asked = {ATTRIBUTES: None, MINE: ("100644", grant("mallory"))}
    acme.send("mallory", acme.commit("mallory", asked, parents=[hidden]), "ask")
    checked = acme.check(acme.person("mallory").open("ask", "A request"))
    assert checked.said["merged"], checked
    acme.git("mallory", "push", "--quiet", "origin", ":refs/heads/ask")
    applied = acme.apply()
    assert applied.code == 0, applied
    assert acme.may("mallory", *LOGS)
    give_up(acme, "mallory", "mallory/one")
    assert acme.daypass("expire", "--json").code == 0
    assert acme.apply().code == 0
    assert not acme.may("mallory", *LOGS)


def test_a_head_that_git_refuses_is_told_in_its_check_and_alone_in_quarantine(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant())
    assert acme.apply().code == 0
    head = acme.commit("mallory", {MINE: ("100644", grant("mallory"))}, parents=[acme.tip()])
    text = acme.git("mallory", "cat-file", "commit", head).replace("> ", "> 0")
    refused = acme.git(
        "mallory", "hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=text + "\n"
    )
    acme.send("mallory", refused, "ask")
    number = acme.person("mallory").open("ask", "A request")
    checked = acme.check(number)
    assert (checked.code, checked.said["verdict"]) == (1, "denied"), checked
    (reason,) = checked.said["reasons"]
    assert "zeroPaddedDate" in reason
    assert "one new commit on a new branch" in reason
    (said,) = acme.person("mallory").comments(number)
    assert "zeroPaddedDate" in said
    acme.bypass()
    acme.person("mallory").merge(number)
    acme.git("mallory", "push", "--quiet", "origin", ":refs/heads/ask")
    # The pull request that deletes it is judged, and what is due elsewhere is done.
    give_up(acme, "alice", "alice/one")
    applied = acme.apply()
    assert applied.code == 1, applied
    assert list(acme.quarantined(applied)) == [MINE]
    assert "zeroPaddedDate" in acme.quarantined(applied)[MINE]
    assert not acme.may("alice", *LOGS)
    assert not acme.may("mallory", *LOGS)
    give_up(acme, "mallory", "mallory/one")
    assert acme.apply().code == 0
