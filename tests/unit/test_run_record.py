"""What a run takes from the record, and when it stops because history is not what it was."""

from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.history.proofs import GivenApproval, Proof
from pipeline.record.audit import AuditEvent
from pipeline.record.recorded import proof_data, read_recorded
from tests.unit.support_estate import a_grant, quarantine
from tests.unit.support_run import World, a_run
from tests.unit.support_values import HOUR, NOON, window

X = a_grant("x")
UNKNOWN = "f" * 40
PROOF = Proof(
    commit="a" * 40,
    pull=7,
    head="b" * 40,
    merged_at=NOON,
    requester=None,
    approvers=("bob", "carol"),
    decision="0" * 64,
    previous="c" * 40,
    offer="1" * 64,
    check_run=9,
    approvals=(
        GivenApproval(review=11, account=2, person="bob", at=NOON),
        GivenApproval(review=12, account=3, person="carol", at=NOON),
    ),
    merger="alice",
    through=8,
)


def proven() -> World:
    """A world in which a run has provisioned a grant, and recorded its proof."""
    run = a_run(live=[X])
    run.converge()
    return run.world


def test_the_tip_is_fetched_and_named_by_everything_that_is_recorded() -> None:
    run = a_run(live=[X])
    assert run.tip == run.world.tip
    run.converge()
    assert {event["main"] for event in run.world.record.events} == {run.world.tip}
    assert {event["run"]["actor"] for event in run.world.record.events} == {"local"}


def test_an_empty_record_says_nothing() -> None:
    facts = a_run().recorded
    assert (facts.proofs, facts.states, facts.alerts) == ({}, {}, frozenset())
    assert (facts.untold, facts.unanswered) == (frozenset(), ())


def test_the_branch_may_grow_after_what_the_record_saw() -> None:
    world = proven()
    assert a_run(world, live=[X, a_grant("y")]).chain.events


def test_a_branch_that_no_longer_holds_what_the_record_saw_is_disputed() -> None:
    world = proven()
    recorded, world.tip = world.tip, world.anchor
    line = a_run(world).line
    assert (line.accepted, line.lost) == (recorded, "")
    assert f"main is at {world.anchor[:12]}" in line.dispute


def test_a_tip_that_the_record_saw_and_git_does_not_know_stops_all_but_the_lane() -> None:
    world = World()
    seen, world.tip = world.tip, UNKNOWN
    world.write_state(("alice/x", ""), "ended")
    world.tip = seen
    said = a_run(world).command("apply")
    assert said.code == 1
    assert f"{UNKNOWN[:12]}, which a run recorded, is gone" in str(said.error)
    (alert,) = world.events("alert")
    assert (alert["path"], alert["commit"]) == ("main", seen)
    assert a_run(world).command("expire").code == 1
    assert len(world.events("alert")) == 1
    # The way out that is named: whoever trusts another commit has settled what became of it.
    world.merge({"README.md": "looked at"})
    assert a_run(world).command("apply").code == 1
    world.anchor = world.tip
    assert a_run(world).command("apply").code == 0
    assert a_run(world).line.dispute == ""


def test_only_the_last_tip_on_the_record_has_to_be_there() -> None:
    world = World()
    seen, world.tip = world.tip, UNKNOWN
    world.write_state(("alice/x", ""), "ended")
    world.tip = seen
    world.write_state(("alice/x", ""), "ended")
    assert a_run(world).line.dispute == ""


def test_what_the_record_saw_may_lie_at_or_before_the_trusted_commit() -> None:
    world = proven()
    world.merge({"README.md": "later"})
    world.anchor = world.tip
    assert a_run(world, unproven=["alice/x"]).chain.events
    world.write_state(("alice/x", ""), "ended")
    assert a_run(world, unproven=["alice/x"]).chain.events[-1]["main"] == world.anchor


def merged_the_wrong_way(world: World) -> str:
    """Makes a tip that has the old one as its second parent only; returns the old one."""
    before, files = world.tip, {"README.md": "aside"}
    aside = world.git.commit(files, world.anchor, at=NOON)
    world.tip = world.git.commit(files, aside, before, at=NOON, onto=before)
    world.accepted = before
    return before


def test_a_commit_that_was_merged_the_wrong_way_round_adds_nothing_and_removals_go_on() -> None:
    world = proven()
    before = merged_the_wrong_way(world)
    over = a_grant("over", held=window(-2, 0))
    said = a_run(world, live=[X], holding=[over], files=False).command("apply", "--json")
    assert said.code == 1
    assert world.held == ["gcp/prod alice/x"]
    (document,) = said.documents
    assert f"has the earlier tip {before[:12]}" in document["dispute"]
    assert [one["cause"] for one in document["removals"]["causes"]] == ["over"]
    assert {event["main"] for event in world.record.events} == {before}


@pytest.mark.parametrize("command", ["status", "plan", "expire"])
def test_every_command_names_a_dispute_and_its_way_out(command: str) -> None:
    world = proven()
    before = merged_the_wrong_way(world)
    said = a_run(world, live=[X], files=False).command(command)
    assert said.code == 1
    assert f"has the earlier tip {before[:12]}" in said.err
    assert "an administrator pushes a commit that continues" in said.err


def test_a_dispute_ends_with_a_commit_that_continues_the_old_tip() -> None:
    world = proven()
    before = merged_the_wrong_way(world)
    world.tip = world.git.commit({}, before, world.tip, at=NOON, onto=world.tip)
    world.accepted = None
    assert a_run(world, live=[X], files=False).command("apply").code == 0


def test_a_tip_that_was_pushed_and_covered_up_since_is_the_one_that_counts() -> None:
    world = World()
    covered = world.git.commit({"policies/a.rego": "x"}, world.anchor, at=NOON)
    aside = world.git.commit({"README.md": "aside"}, world.anchor, at=NOON)
    world.tip = world.git.commit({"README.md": "both"}, aside, covered, at=NOON)
    world.forge.pushed = (covered, world.tip)
    assert a_run(world).line.accepted == covered
    world.forge.pushed = ()
    assert a_run(world).line.accepted == world.tip


def test_pushed_tips_on_the_line_or_gone_without_a_trace_stop_nothing() -> None:
    world = proven()
    lost = world.git.commit({"README.md": "lost"}, world.anchor, at=NOON)
    world.forge.pushed = (world.anchor, lost, UNKNOWN, world.tip)
    assert a_run(world, live=[X]).line.dispute == ""


def test_without_a_trusted_commit_nothing_is_proven() -> None:
    with pytest.raises(UsageError, match="no trusted commit"):
        _ = a_run(proven(), live=[X], anchor=None).line


def test_proofs_on_a_record_that_the_app_signed_are_used() -> None:
    world = proven()
    run = a_run(world, live=[X])
    assert [proof.pull for proof in run.recorded.proofs.values()] == [11]
    assert run.err == ""


@pytest.mark.parametrize("spoilt", ["signed", "author"])
def test_proofs_on_a_record_that_somebody_else_could_have_written_are_not_used(
    spoilt: str,
) -> None:
    world = proven()
    setattr(world.forge, spoilt, False)
    run = a_run(world, live=[X])
    assert run.recorded.proofs == {}
    assert run.recorded.states == {run.life("alice/x"): "provisioned"}
    assert "the App did not sign: recorded proofs are not used" in run.err


def test_without_the_keepers_id_no_recorded_proof_is_used() -> None:
    assert a_run(proven(), live=[X], keeper_id=None).recorded.proofs == {}


def test_a_record_without_proofs_is_not_asked_about() -> None:
    run = a_run(quarantined=[quarantine()])
    run.converge()
    assert run.again().recorded.alerts == {("access/grants/bob/y.yaml", "d" * 40)}
    assert run.world.forge.asked == []


def test_what_was_seen_to_be_the_apps_is_vouched_for_in_what_is_appended() -> None:
    world = proven()
    head = world.record.head
    a_run(world, live=[X, a_grant("y")]).converge()
    assert world.record.messages[-1].endswith(f"\n\nVouched: {head}")
    world.forge.asked.clear()
    assert a_run(world, live=[X]).recorded.proofs
    # Back to the last commit that vouches, and to the one that it vouches for.
    assert len(world.forge.asked) < len(world.record.messages)


def test_nothing_is_vouched_for_that_was_not_asked_about() -> None:
    assert not any("Vouched" in message for message in proven().record.messages)


def test_a_proof_that_was_recorded_gives_access_without_being_made_again() -> None:
    run = a_run(proven(), live=[X], proving=True, now=NOON + HOUR)
    (one,) = run.branch.live
    assert (one.grant, one.window) == (X.grant, X.window)
    assert run.branch.fresh == ()
    assert run.established == {"alice/x"}
    assert run.plan.changes == ()


def test_a_proof_that_nobody_vouches_for_is_made_anew_or_gives_nothing() -> None:
    world = proven()
    world.forge.signed = False
    run = a_run(world, live=[X], proving=True, now=NOON + HOUR)
    assert run.branch.live == ()
    (one,) = run.branch.quarantined
    assert one.reasons == ("0 merged pull requests brought it, expected one",)


def test_a_branch_that_holds_no_grants_gives_nothing() -> None:
    run = a_run(proving=True, both_engines=True)
    with run:
        assert (run.branch.live, run.branch.quarantined) == ((), ())
        assert run.desired.bindings == ()
    assert "policies are judged by regorus alone" in run.err


def test_a_proof_is_recorded_as_it_is_read_back() -> None:
    world = World()
    world.write_down(AuditEvent(kind="proof", data=proof_data(PROOF)))
    assert a_run(world).recorded.proofs == {PROOF.commit: PROOF}


def test_a_proof_of_an_older_release_names_no_version_before_it() -> None:
    later = ("previous", "offer", "check_run", "approvals", "merger", "through")
    data = {name: value for name, value in proof_data(PROOF).items() if name not in later}
    found = read_recorded([{"kind": "proof", **data}]).proofs[PROOF.commit]
    assert (found.previous, found.offer, found.check_run, found.approvals) == (None, None, None, ())
    assert (found.merger, found.through) == (None, None)


def test_the_last_proof_of_a_commit_counts() -> None:
    later = {**proof_data(PROOF), "pull": 8}
    found = read_recorded([{"kind": "proof", **proof_data(PROOF)}, {"kind": "proof", **later}])
    assert found.proofs[PROOF.commit].pull == 8


def test_the_last_state_of_each_life_counts() -> None:
    first = {"kind": "grant", "grant": "alice/x", "life": "1", "state": "provisioned"}
    found = read_recorded(
        [
            {**first, "told": False},
            {**first, "life": "2", "told": False},
            {**first, "state": "ended", "told": True},
        ]
    )
    assert found.states == {("alice/x", "1"): "ended", ("alice/x", "2"): "provisioned"}
    assert found.untold == {("alice/x", "2")}


def test_an_alert_is_known_by_its_path_and_commit() -> None:
    alert = {"kind": "alert", "path": "p", "commit": "c", "reasons": []}
    assert read_recorded([alert, alert]).alerts == {("p", "c")}
    assert read_recorded([{"kind": "alert"}]).alerts == {("", "")}


def test_events_of_kinds_that_are_not_known_say_nothing() -> None:
    assert read_recorded([{"kind": "tally", "grants": []}]) == read_recorded([])
