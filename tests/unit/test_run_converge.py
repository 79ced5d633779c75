"""Carrying a run out: in which order, what is recorded and told, and with which exit code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from pipeline.clouds.desired import render_bindings
from pipeline.clouds.interface import Status
from pipeline.errors import Denied, ForgeError, UsageError
from pipeline.values.canonical import canonical
from pipeline.values.ids import Cloud
from pipeline.values.live import LiveGrant
from tests.unit.support_estate import a_grant, quarantine, unknown_to_the_clouds
from tests.unit.support_run import OneRun, World, a_run
from tests.unit.support_values import HOUR, NOON, window

X = a_grant("x")
WIDE = a_grant("x", "aws/prod", "gcp/prod")
LIST = ["list aws", "list azure", "list gcp"]


def provisioned(*live: LiveGrant) -> OneRun:
    """A run that has made everything that *live* grants ask for."""
    run = a_run(live=live or (X,))
    assert run.converge().code == 0
    run.world.done.clear()
    return run


def statuses(world: World) -> list[tuple[str, str, bool]]:
    return [
        (f"{one['change']} {one['binding']['target']}", one["status"], one["rollback"])
        for one in world.events("outcome")
    ]


def test_findings_and_intents_come_before_the_first_write_and_the_rest_after_reading_back() -> None:
    run = a_run(live=[WIDE], quarantined=[quarantine()])
    run.converge()
    assert run.world.done == [
        *LIST,
        "Record 2 findings",
        "Intend 2 changes",
        "create aws/prod alice/x",
        "create gcp/prod alice/x",
        "Record the outcome of 2 changes",
        *LIST,
        "comment on #11",
        "Record the state of 1 grants",
    ]


def test_deletes_come_before_updates_and_creates() -> None:
    longer, new = a_grant("y", held=window(0, 3)), a_grant("z")
    run = a_run(live=[longer, new], holding=[X, a_grant("y")])
    run.converge()
    writes = [line for line in run.world.done if "alice" in line]
    assert writes == [
        "delete gcp/prod alice/x",
        "update gcp/prod alice/y",
        "create gcp/prod alice/z",
    ]


def test_a_run_over_an_estate_that_is_right_writes_nothing_at_all() -> None:
    run = provisioned().again(live=[X])
    applied = run.converge()
    assert run.world.done == LIST
    assert (applied.outcome.results, applied.drift, applied.code) == ((), (), 0)


def test_the_record_says_what_was_intended_with_its_proof_and_what_came_out() -> None:
    run = a_run(live=[X])
    applied = run.converge()
    (intent,), (outcome,) = run.world.events("intent"), run.world.events("outcome")
    assert intent["plan"] == outcome["plan"] == applied.outcome.plan.digest
    assert (intent["change"], intent["binding"]["target"]) == ("create", "gcp/prod")
    (named,) = intent["grants"]
    assert named["id"] == "alice/x"
    assert (named["pull"], named["approvers"], named["decision"]) == (11, ["carol"], "0" * 64)
    assert named["commit"] == run.life("alice/x")[1]
    assert named["blob"] == run.world.git.tree(run.world.tip, X.grant.path)[0].blob
    assert outcome["grants"] == intent["grants"]
    assert (outcome["status"], outcome["rollback"]) == ("done", False)
    assert intent["main"] == run.world.tip
    assert run.world.recorded() == [("alice/x", "provisioned", True)]


def test_a_new_proof_is_recorded_once() -> None:
    run = provisioned()
    (proof,) = run.world.events("proof")
    assert (proof["commit"], proof["pull"], proof["requester"]) == (
        run.life("alice/x")[1],
        11,
        "alice",
    )
    run.again(live=[X]).converge()
    assert len(run.world.events("proof")) == 1


def test_an_extension_names_the_proof_of_the_edit_and_is_told_where_it_was_asked_for() -> None:
    first = provisioned()
    run = first.again(live=[a_grant("x", held=window(0, 3))])
    run.world.delays["gcp/prod"] = "in five minutes"
    run.converge()
    (named,) = run.world.events("intent")[-1]["grants"]
    assert (named["pull"], named["commit"]) == (12, run.world.tip)
    assert "⏳ update `gcp/prod`" in run.world.forge.told(12)
    assert "until **2026-11-20 14:00:00 UTC**" in run.world.forge.told(11)
    # Once it is there, the first one no longer states the old end.
    run.world.delays.clear()
    run.again(live=[a_grant("x", held=window(0, 3))]).converge()
    assert "until **2026-11-20 15:00:00 UTC**" in run.world.forge.told(12)
    assert "Changed by #12" in run.world.forge.told(11)
    again = run.again(live=[a_grant("x", held=window(0, 3))])
    again.world.done.clear()
    again.converge()
    assert [one for one in again.world.done if "comment" in one] == []


def test_what_is_quarantined_is_recorded_once() -> None:
    run = a_run(quarantined=[quarantine()], ungoverned=[quarantine("policies/a.rego")])
    run.converge()
    alerts = run.world.events("alert")
    assert [one["path"] for one in alerts] == ["access/grants/bob/y.yaml", "policies/a.rego"]
    assert alerts[0]["reasons"] == ["nobody approved it"]
    run.again(quarantined=[quarantine()]).converge()
    assert len(run.world.events("alert")) == 2
    run.again(quarantined=[quarantine(commit="e" * 40)]).converge()
    assert len(run.world.events("alert")) == 3


@pytest.mark.parametrize("refused", ["Record 1 findings", "Intend"])
def test_what_cannot_be_recorded_beforehand_touches_no_cloud(refused: str) -> None:
    run = a_run(live=[X])
    run.world.record.refuses = refused
    with pytest.raises(ForgeError, match="protected"):
        run.converge()
    assert run.world.held == []
    assert run.world.forge.comments_on == {}


def test_a_broken_record_touches_no_cloud() -> None:
    run = a_run(live=[X], quarantined=[quarantine()])
    run.converge()
    (path, *_) = run.world.record.files
    run.world.record.files[path] = b"{}\n"
    with pytest.raises(Denied, match="the audit chain is broken"):
        run.again(live=[X, a_grant("y")]).converge()
    assert run.world.held == ["gcp/prod alice/x"]


def test_a_run_that_dies_before_it_told_leaves_telling_to_the_next() -> None:
    run = a_run(live=[X])
    run.world.record.refuses = "Record the outcome"
    with pytest.raises(ForgeError):
        run.converge()
    assert (run.world.held, run.world.recorded()) == (["gcp/prod alice/x"], [])
    run.world.record.refuses = None
    again = run.again(live=[X])
    assert again.converge().code == 0
    (outcome,) = run.world.events("outcome")
    assert (outcome["status"], outcome["change"]) == ("unknown", "create")
    assert outcome["message"].endswith("read back now, it is there")
    assert outcome["plan"] == run.world.events("intent")[0]["plan"]
    assert run.world.recorded() == [("alice/x", "provisioned", True)]
    assert "Access is provisioned" in again.told("alice/x")


def test_the_late_outcome_of_a_dead_run_says_what_is_not_there() -> None:
    run = a_run(live=[X])
    run.world.record.refuses = "Record the outcome"
    run.world.ignores.add("gcp/prod")
    with pytest.raises(ForgeError):
        run.converge()
    run.world.record.refuses = None
    run.again().converge()
    (outcome,) = run.world.events("outcome")
    assert outcome["message"].endswith("it is not there")
    run.again().converge()
    assert len(run.world.events("outcome")) == 1


def test_the_outcome_of_a_dead_run_waits_until_its_target_can_be_listed() -> None:
    run = a_run(live=[WIDE])
    run.world.record.refuses = "Record the outcome"
    with pytest.raises(ForgeError):
        run.converge()
    run.world.record.refuses = None
    run.again(live=[WIDE], down={"gcp/prod": "503"}).converge()
    assert [one["binding"]["target"] for one in run.world.events("outcome")] == ["aws/prod"]
    run.again(live=[WIDE], down={}).converge()
    assert [one["status"] for one in run.world.events("outcome")] == ["unknown", "unknown"]


def test_a_run_that_dies_before_it_recorded_the_state_tells_again() -> None:
    run = a_run(live=[X])
    run.world.record.refuses = "Record the state"
    with pytest.raises(ForgeError):
        run.converge()
    run.world.record.refuses = None
    run.world.done.clear()
    run.again(live=[X]).converge()
    assert run.world.done == [*LIST, "comment on #11", "Record the state of 1 grants"]


def shown_of(held: list[LiveGrant]) -> list[str]:
    return sorted(f"gcp/prod {one.grant.id}" for one in held)


def surprises(world: World) -> list[str]:
    """The digests of surprising plans that were alerted of."""
    return [one["commit"] for one in world.events("alert") if one["path"] == "plan"]


def surprising() -> tuple[World, list[LiveGrant]]:
    held = [a_grant(f"x{number}") for number in range(12)]
    return a_run(holding=held).world, held


def test_a_surprising_part_of_a_plan_stops_alone() -> None:
    world, held = surprising()
    run = a_run(world, live=[X], unasked=[one.grant.id for one in held])
    applied = run.converge()
    assert applied.code == 1
    assert applied.surprise is not None
    assert applied.surprise.why.startswith("12 of 12 live bindings")
    assert world.held == sorted([*shown_of(held), "gcp/prod alice/x"])
    assert surprises(world) == [applied.surprise.digest]
    again = run.again(live=[X], unasked=[one.grant.id for one in held])
    assert again.converge().code == 1
    assert surprises(world) == [applied.surprise.digest]


def test_bringing_all_roles_to_the_form_of_this_release_surprises_nobody() -> None:
    held = [a_grant(f"x{number}", "aws/prod") for number in range(12)]
    now = [made for one in held for made in render_bindings(one, now=NOON)]
    earlier = []
    for made in now:
        document = json.loads(made.document)
        document["inline"]["daypass"]["Statement"].pop()
        earlier.append(replace(made, document=canonical(document)))
    run = a_run(live=held, holding=earlier)
    assert run.converge().surprise is None
    (aws,) = (cloud for cloud in run.world.clouds.values() if cloud.cloud is Cloud.AWS)
    assert {one.document for one in aws.held.values()} == {one.document for one in now}


def test_a_plan_shows_the_surprise_that_apply_would_stop_at() -> None:
    world, held = surprising()
    unasked = [one.grant.id for one in held]
    said = a_run(world, unasked=unasked).command("plan")
    assert "12 of 12 live bindings" in said.out
    (document,) = a_run(world, unasked=unasked).command("plan", "--json").documents
    stopped = a_run(world, unasked=unasked).converge()
    assert stopped.surprise is not None
    assert document["surprise"]["digest"] == stopped.surprise.digest


def test_a_surprising_part_that_is_accepted_by_its_digest_is_carried_out() -> None:
    world, held = surprising()
    unasked = [one.grant.id for one in held]
    first = a_run(world, unasked=unasked).converge()
    assert first.surprise is not None
    a_run(world, unasked=unasked).converge(accepted="0" * 64)
    assert world.held == shown_of(held)
    a_run(world, unasked=unasked).converge(accepted=first.surprise.digest)
    assert world.held == []


def test_what_somebody_with_a_say_ended_is_no_surprise() -> None:
    world, _ = surprising()
    applied = a_run(world).converge()
    assert (applied.surprise, applied.code) == (None, 0)
    assert world.held == []


def test_what_reads_back_otherwise_than_reported_is_drift_and_no_success() -> None:
    run = a_run(live=[X])
    run.world.ignores.add("gcp/prod")
    applied = run.converge()
    (drift,) = applied.drift
    assert (drift.target, drift.what) == ("gcp/prod", "reported as made, but it is not there")
    assert applied.code == 1
    assert run.world.recorded() == []
    assert "gcp/prod" in run.told("alice/x")
    assert "reported as made, but it is not there" in run.told("alice/x")


def test_drift_of_one_part_is_told_with_what_is_pending_in_another() -> None:
    run = a_run(live=[WIDE])
    run.world.ignores.add("gcp/prod")
    run.world.delays["aws/prod"] = "in five minutes"
    run.converge()
    said = run.told("alice/x")
    assert "Not finished" in said
    assert "⏳ create `aws/prod` `reader`: in five minutes" in said
    assert "⚠️ gcp/prod" in said


def test_what_is_still_there_after_its_removal_has_not_ended() -> None:
    first = provisioned()
    first.world.ignores.add("gcp/prod")
    applied = first.again(lapsed=[X], now=NOON + 2 * HOUR).converge()
    assert applied.drift[0].what == "reported as gone, but it is still there"
    assert applied.code == 1
    assert first.world.recorded() == [("alice/x", "provisioned", True)]


def test_a_target_that_goes_down_after_the_write_is_drift() -> None:
    run = a_run(live=[X])
    run.world.goes_down["gcp/prod"] = "503"
    applied = run.converge()
    assert applied.drift[0].what == "could not be read back: 503"
    assert applied.after.unreachable == (("gcp/prod", "503"),)
    assert applied.code == 3


def test_a_grant_that_fails_in_one_cloud_is_taken_back_in_all_and_told() -> None:
    run = a_run(live=[WIDE, a_grant("y", "aws/prod")])
    run.world.refuses["gcp/prod"] = "403"
    applied = run.converge()
    assert run.world.held == ["aws/prod alice/y"]
    assert applied.outcome.incomplete == {"alice/x"}
    assert applied.code == 1
    assert statuses(run.world) == [
        ("create aws/prod", "done", False),
        ("create aws/prod", "done", False),
        ("create gcp/prod", "failed", False),
        ("delete aws/prod", "done", True),
        ("delete gcp/prod", "done", True),
    ]
    assert sorted(run.world.recorded()) == [
        ("alice/x", "rolled-back", True),
        ("alice/y", "provisioned", True),
    ]
    said = run.told("alice/x")
    assert "was taken back" in said
    assert "❌ create `gcp/prod` `reader`: 403" in said
    assert "✅ delete `aws/prod` `reader`" in said
    assert "How to use it" not in said


def test_what_a_dead_run_left_of_a_grant_is_taken_back_with_it() -> None:
    first = a_run(live=[WIDE, a_grant("y", "aws/prod")])
    first.world.record.refuses = "Record the outcome"
    with pytest.raises(ForgeError):
        first.converge()
    world = first.world
    world.record.refuses = None
    world.clouds["gcp"].held.clear()  # type: ignore[index]
    world.refuses["gcp/prod"] = "403"
    first.again(live=[WIDE, a_grant("y", "aws/prod")]).converge()
    assert world.held == ["aws/prod alice/y"]


def test_taking_a_grant_back_gives_no_part_to_one_that_waits() -> None:
    x = a_grant("x", "azure/prod", "aws/prod", held=window(0, 2))
    y = a_grant("y", "azure/prod", "gcp/prod", held=window(0, 3))
    run = a_run(live=[x, y], down={"gcp/prod": "503"})
    run.world.refuses["aws/prod"] = "403"
    run.converge()
    assert run.world.held == []
    assert run.world.recorded() == [("alice/x", "rolled-back", True)]


def test_a_repair_that_fails_takes_nothing_back() -> None:
    first = provisioned(WIDE)
    first.world.clouds["gcp"].held.clear()  # type: ignore[index]
    first.world.refuses["gcp/prod"] = "403"
    run = first.again(live=[WIDE])
    applied = run.converge()
    assert first.world.held == ["aws/prod alice/x"]
    assert (applied.code, applied.outcome.rolled_back) == (1, ())
    assert "❌ create `gcp/prod` `reader`: 403" in run.told("alice/x")


def test_a_change_that_comes_later_is_told_and_is_no_success_yet() -> None:
    first = provisioned()
    first.world.delays["gcp/prod"] = "Azure takes nothing off for five minutes"
    longer = a_grant("x", held=window(0, 3))
    applied = first.again(live=[longer]).converge()
    (result,) = applied.outcome.pending
    assert (result.status, applied.code, applied.drift) == (Status.PENDING, 1, ())
    assert "five minutes" in first.world.forge.told(12)


def code(**given: Any) -> int:
    return a_run(**given).converge().code


def test_zero_is_for_an_estate_that_holds_what_the_branch_says() -> None:
    assert code() == 0
    assert code(live=[X]) == 0
    assert code(lapsed=[X], holding=[X], now=NOON + 2 * HOUR) == 0


@pytest.mark.parametrize(
    "given",
    [
        {"quarantined": [quarantine()]},
        {"ungoverned": [quarantine("policies/a.rego")]},
        {"live": [unknown_to_the_clouds(X)]},
    ],
    ids=["quarantined", "ungoverned", "refused"],
)
def test_one_is_for_anything_that_is_not_applied(given: Mapping[str, object]) -> None:
    assert code(**given) == 1


def test_one_is_for_a_grant_that_is_held_by_the_plan() -> None:
    run = a_run(live=[X])
    assert run.converge(run.plan.removals_only("only takes away", now=run.now)).code == 1
    assert run.world.held == []


def test_three_is_for_a_target_that_could_not_be_listed_whatever_else_is_wrong() -> None:
    assert code(down={"aws/dev": "503"}) == 3
    assert code(down={"aws/dev": "503"}, live=[X], quarantined=[quarantine()]) == 3


def test_without_the_keepers_id_nobody_can_be_told() -> None:
    with pytest.raises(UsageError, match="keeper's account id"):
        a_run(live=[X], keeper_id=None).converge()


@pytest.mark.parametrize("asked", [True, False])
def test_what_a_proven_catalogue_ends_is_no_surprise(asked: bool) -> None:
    many = [a_grant(f"x{number}") for number in range(12)]
    run = a_run(live=many)
    assert run.converge().code == 0
    names = frozenset(one.grant.id for one in many)
    # Nobody deleted their files.
    later = a_run(run.world, live=many, unasked=sorted(names))
    vars(later._product)["branch"] = replace(
        later.branch, live=(), reduced=names if asked else frozenset()
    )
    found = later.converge()
    assert (found.surprise is None) is asked
    assert len(run.world.held) == (0 if asked else 12)


def test_a_grant_whose_time_was_over_before_any_run_is_told_recorded_and_seen_once() -> None:
    run = a_run(lapsed=[X])
    key = run.branch.life_key(X.grant.id)
    run.world.forge.brought[key[1]] = 11
    said = run.command("apply")
    assert said.code == 1
    assert "! alice/x: nothing was given, as its time was over before this run" in said.err
    assert "Nothing was given: its time was over" in run.world.forge.told(11)
    assert run.world.recorded() == [("alice/x", "missed", True)]
    again = run.again(lapsed=[X]).command("apply")
    assert (again.code, again.err) == (0, "")


def test_who_could_not_be_told_that_nothing_was_given_is_told_later() -> None:
    run = a_run(lapsed=[X])
    run.world.forge.brought[run.branch.life_key(X.grant.id)[1]] = 11
    run.world.forge.silent = {11}
    assert run.converge().missed == ("alice/x",)
    assert run.world.recorded() == [("alice/x", "missed", False)]
    run.world.forge.silent = set()
    run.again(lapsed=[X]).converge()
    assert run.world.recorded()[-1] == ("alice/x", "missed", True)
    assert "Nothing was given" in run.world.forge.told(11)


def test_what_was_given_before_its_time_was_over_was_not_missed() -> None:
    first = a_run(live=[X])
    first.converge()
    assert first.again(lapsed=[X], now=NOON + 2 * HOUR).converge().missed == ()
    # Killed before it could record the state, with the binding made.
    other = a_grant("y")
    world = a_run(lapsed=[other], holding=[other]).world
    assert a_run(world, lapsed=[other], now=NOON + 2 * HOUR).converge().missed == ()


def test_while_a_target_cannot_be_listed_nobody_knows_what_was_given() -> None:
    assert a_run(lapsed=[X], down={"gcp/prod": "503"}).converge().missed == ()


def test_what_was_quarantined_is_told_so_and_not_that_it_was_missed() -> None:
    run = a_run(lapsed=[X], quarantined=[quarantine("access/grants/alice/x.yaml")])
    assert run.converge().missed == ()
