"""What pull requests are told of their grants, and what is told again."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from pipeline.history.proven import Brought, Quarantine
from pipeline.output.markdown import ANCHOR
from pipeline.record.audit import AuditEvent
from pipeline.record.chain import read_chain
from pipeline.run.results import lost_anchors
from pipeline.values.canonical import digest
from tests.unit.support_estate import a_grant, quarantine
from tests.unit.support_run import World, a_run
from tests.unit.support_values import HOUR, NOON, window
from tests.unit.support_world import KEEPER

X = a_grant("x")
LOST = "7:" + "a" * 64


def anchored(tip: str) -> str:
    return f"<sub>Recorded at `{tip}`.</sub>"


def test_a_provisioned_grant_is_told_its_window_and_how_it_is_used() -> None:
    run = a_run(live=[a_grant("x", "gcp/prod", "azure/prod")])
    run.converge()
    said = run.told("alice/x")
    assert said.startswith("### ✅ Access is provisioned")
    assert "until **2026-11-20 14:00:00 UTC**" in said
    assert "gcloud config set project acme-prod" in said
    assert "az account set" in said


def test_the_comment_is_kept_under_a_mark_of_its_grant() -> None:
    run = a_run(live=[X])
    run.converge()
    assert list(run.world.forge.comments_on[11]) == [f"result-{digest('alice/x')[:12]}"]


def test_a_grant_is_told_of_its_own_changes_only() -> None:
    run = a_run(live=[X, a_grant("y", "aws/prod")])
    run.converge()
    assert "aws/prod" not in run.told("alice/x")
    assert "gcp/prod" not in run.told("alice/y")


def test_a_grant_whose_state_did_not_change_is_told_nothing_new() -> None:
    first = a_run(live=[X])
    first.converge()
    first.world.forge.comments_on.clear()
    first.again(live=[X, a_grant("y")]).converge()
    assert list(first.world.forge.comments_on) == [12]


def test_the_end_is_told_where_the_grant_was_asked_for() -> None:
    first = a_run(live=[X])
    first.converge()
    first.again(lapsed=[X], now=NOON + 2 * HOUR).converge()
    said = first.told("alice/x")
    assert said.startswith("### 🏁 Access has ended")
    assert "✅ delete `gcp/prod` `reader`" in said
    assert "How to use it" not in said


def test_the_end_of_a_deleted_grant_is_told_by_the_proof_on_the_record() -> None:
    first = a_run(live=[X])
    first.converge()
    first.again().converge()
    assert first.told("alice/x").startswith("### 🏁 Access has ended")
    assert first.world.recorded()[-1] == ("alice/x", "ended", True)


def test_an_end_that_no_pull_request_is_known_for_is_recorded_all_the_same() -> None:
    run = a_run(lapsed=[X], recorded={"alice/x": "provisioned"}, now=NOON + 2 * HOUR)
    run.converge()
    assert run.world.forge.comments_on == {}
    assert run.world.recorded()[-1] == ("alice/x", "ended", True)


def test_each_life_is_told_where_it_was_asked_for() -> None:
    first = a_run(live=[X])
    first.converge()
    first.again().converge()
    second = first.again(live=[X])
    second.converge()
    assert first.told("alice/x").startswith("### 🏁 Access has ended")
    assert second.told("alice/x").startswith("### ✅ Access is provisioned")
    assert first.world.pulls[first.life("alice/x")[1]] == 11
    assert first.world.pulls[second.life("alice/x")[1]] == 13


def test_a_comment_that_fails_undoes_nothing_and_is_told_by_a_later_run() -> None:
    run = a_run(live=[X, a_grant("y", "aws/prod")])
    run.world.forge.silent.add(11)
    assert run.converge().code == 0
    assert "#11 could not be told, a later run does: 502" in run.err
    assert run.world.held == ["aws/prod alice/y", "gcp/prod alice/x"]
    assert sorted(run.world.recorded()) == [
        ("alice/x", "provisioned", False),
        ("alice/y", "provisioned", True),
    ]
    run.world.forge.silent.clear()
    again = run.again(live=[X, a_grant("y", "aws/prod")])
    assert again.converge().code == 0
    assert again.told("alice/x").startswith("### ✅ Access is provisioned")
    assert run.world.recorded()[-1] == ("alice/x", "provisioned", True)


def test_more_comments_than_are_read_undo_nothing_and_stop_no_other() -> None:
    run = a_run(live=[X, a_grant("y", "aws/prod")])
    run.world.forge.talkative.add(11)
    assert run.converge().code == 0
    assert "#11 could not be told, a later run does: GitHub's list has more" in run.err
    assert run.world.held == ["aws/prod alice/y", "gcp/prod alice/x"]
    assert ("alice/y", "provisioned", True) in run.world.recorded()


def test_a_comment_that_keeps_failing_is_tried_by_every_run_and_recorded_once() -> None:
    run = a_run(live=[X])
    run.world.forge.silent.add(11)
    run.converge()
    for _ in range(2):
        again = run.again(live=[X])
        again.converge()
        assert "#11 could not be told" in again.err
    assert run.world.recorded() == [("alice/x", "provisioned", False)]


def test_what_was_told_late_is_not_told_again() -> None:
    run = a_run(live=[X])
    run.world.forge.silent.add(11)
    run.converge()
    run.world.forge.silent.clear()
    run.again(live=[X]).converge()
    run.world.done.clear()
    run.again(live=[X]).converge()
    assert run.world.done == ["list aws", "list azure", "list gcp"]


def test_the_end_replaces_a_beginning_that_could_not_be_told() -> None:
    run = a_run(live=[X])
    run.world.forge.silent.add(11)
    run.converge()
    run.again(lapsed=[X], now=NOON + 2 * HOUR).converge()
    assert run.world.recorded()[-1] == ("alice/x", "ended", False)
    run.world.forge.silent.clear()
    run.again(lapsed=[X]).converge()
    assert run.told("alice/x").startswith("### 🏁 Access has ended")


def test_a_comment_anchors_the_record_as_it_is_then() -> None:
    run = a_run(live=[X])
    run.converge()
    (tip,) = ANCHOR.findall(run.told("alice/x"))
    assert tip in read_chain(run.world.record.files).digests
    # After the proof and the intent; the state of the grant is recorded once it was told.
    assert tip.startswith(f"{run.world.events('outcome')[0]['seq']}:")


def test_an_anchor_that_the_record_lacks_stays_in_the_comment() -> None:
    run = a_run(live=[X])
    run.world.forge.comments_on[11] = {f"result-{digest('alice/x')[:12]}": anchored(LOST)}
    run.converge()
    said = run.told("alice/x")
    assert "The record was cut" in said
    assert anchored(LOST) in said


def test_a_record_that_was_cut_is_noticed_by_the_next_comment() -> None:
    first = a_run(live=[X])
    first.world.write_state(("bob/y", "e" * 40), "ended")
    first.converge()
    gone = first.told("alice/x")
    first.world.record.cut()
    first.world.record.cut()
    run = first.again(lapsed=[X], now=NOON + 2 * HOUR, recorded={"alice/x": "provisioned"})
    run.converge()
    (tip,) = [line for line in gone.splitlines() if line.startswith("<sub>")]
    assert tip in run.told("alice/x")
    assert "The record was cut" in run.told("alice/x")


def test_an_anchor_that_the_record_still_has_is_replaced() -> None:
    first = a_run(live=[X])
    first.converge()
    first.again(lapsed=[X], now=NOON + 2 * HOUR).converge()
    assert first.told("alice/x").count("Recorded at") == 1
    assert "cut" not in first.told("alice/x")


def test_an_anchor_that_somebody_else_wrote_is_none() -> None:
    run = a_run(live=[X])
    run.world.forge.others_on[11] = [anchored(LOST)]
    run.converge()
    assert "cut" not in run.told("alice/x")


def test_a_grant_that_waits_is_told_nothing() -> None:
    run = a_run(live=[a_grant("x", "gcp/prod", "aws/prod")], down={"gcp/prod": "503"})
    run.converge()
    assert run.world.forge.comments_on == {}


def test_the_whole_run_is_told_as_one_document() -> None:
    wide = a_grant("x", "gcp/prod", "aws/prod")
    run = a_run(live=[wide], quarantined=[quarantine()])
    run.world.refuses["gcp/prod"] = "403"
    said = run.command("apply", "--json")
    (document,) = said.documents
    assert said.code == document["exit_code"] == 1
    assert [one["status"] for one in document["results"]] == ["done", "failed"]
    assert [one["kind"] for one in document["rolled_back"]] == ["delete", "delete"]
    assert document["quarantined"][0]["path"] == "access/grants/bob/y.yaml"
    assert document["main"] == run.world.tip
    assert document["tip"] == f"{len(run.world.record.events)}:{document['tip'].split(':')[1]}"
    assert (document["drift"], document["unreachable"], document["reviews"]) == ([], [], {})


def test_the_document_names_drift_and_what_could_not_be_listed() -> None:
    run = a_run(live=[X], down={"aws/dev": "503"})
    run.world.ignores.add("gcp/prod")
    (document,) = run.command("apply", "--json").documents
    assert document["unreachable"] == [{"target": "aws/dev", "why": "503"}]
    assert document["drift"][0]["grants"] == ["alice/x"]
    assert document["exit_code"] == 3


def test_people_are_told_every_change_and_everything_that_is_wrong() -> None:
    wide = a_grant("x", "gcp/prod", "aws/prod")
    waits = a_grant("z", "aws/dev", held=window(0, 1))
    run = a_run(live=[wide, waits], quarantined=[quarantine()], down={"aws/dev": "503"})
    run.world.refuses["gcp/prod"] = "403"
    said = run.command("apply")
    assert said.code == 3
    assert "+ gcp/prod reader alice until 2026-11-20T14:00:00Z (alice/x) failed: 403\n" in said.out
    assert "(alice/x) done\n" in said.out
    assert "taken back: - aws/prod reader alice" in said.out
    assert "! alice/z waits: aws/dev: 503\n" in said.err
    assert (
        f"! access/grants/bob/y.yaml is quarantined ({'d' * 7})\n    nobody approved it\n"
        in said.err
    )
    assert "! aws/dev could not be listed: 503\n" in said.err
    assert "the clouds hold" not in said.out


def test_people_are_told_of_drift_and_of_success() -> None:
    run = a_run(live=[X])
    run.world.ignores.add("gcp/prod")
    assert "! gcp/prod" in run.command("apply").err
    run.world.ignores.clear()
    again = run.again(live=[X]).command("apply")
    assert "the clouds hold what the default branch says" in again.out
    assert again.code == 0


def test_what_is_newly_quarantined_is_told_once_where_it_came_from() -> None:
    odd = Quarantine(
        path="access/grants/alice/y.yaml",
        commit="c" * 40,
        reasons=("1 more of @leads must approve",),
        brought=Brought(pull=77, author="mallory", merger="mallory"),
    )
    undecided = replace(odd, undecided=True, brought=Brought(pull=78))
    pushed = replace(odd, path="access/grants/alice/z.yaml", brought=Brought(merger="mallory"))
    run = a_run(live=[X], quarantined=[odd, undecided, pushed])
    assert run.converge().code in (1, 3)
    told = run.world.forge.told(77)
    assert "What this brought is not applied" in told
    assert "access/grants/alice/y" in told.replace("\\", "")
    assert "@leads" not in told
    assert run.world.forge.told(78) == ""
    run.world.forge.comments_on.pop(77)
    a_run(run.world, live=[X], quarantined=[odd]).converge()
    assert run.world.forge.told(77) == ""


def test_a_quarantine_that_cannot_be_told_stops_nothing() -> None:
    odd = Quarantine(
        path="access/grants/alice/y.yaml",
        commit="c" * 40,
        reasons=("nobody approved",),
        brought=Brought(pull=77),
    )
    world = World()
    world.forge.silent = {77}
    run = a_run(world, live=[X], quarantined=[odd])
    assert run.converge().code == 1
    assert world.held == ["gcp/prod alice/x"]
    assert "#77 could not be told why it is not applied" in run.err


def test_an_anchor_of_a_run_beside_this_one_is_not_lost() -> None:
    """It wrote to the record, and told, after this run had read it."""
    run = a_run(live=[X])
    assert run.journal.chain().events == ()
    run.world.write_down(AuditEvent(kind="note", data={"by": "another run"}))
    tip = read_chain(run.world.record.files).tip.short
    run.world.forge.comments_on[11] = {"other": "\n".join([anchored(tip), anchored(LOST)])}
    beside: Any = SimpleNamespace(
        journal=run.journal, workspace=SimpleNamespace(reader=run.world.forge)
    )
    assert lost_anchors(beside, 11, KEEPER.id) == [LOST]
