"""What one person can do to let every run end without a verdict, so that nothing is removed."""

from __future__ import annotations

import pytest

from tests.e2e.support_faults import give_up
from tests.e2e.support_world import Acme, grant, path_of

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
    monkeypatch.setattr("pipeline.judge.aftermath.unanswered", lambda *_: pytest.fail("tried"))
    give_up(acme, "alice", "alice/one")
    applied = acme.apply()
    assert applied.code == 1, applied
    assert list(acme.quarantined(applied)) == [NOTED]
    assert not acme.may("alice", *LOGS)
