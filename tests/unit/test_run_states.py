"""Which state every grant is in, as it is told and recorded."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clouds.desired import desired, render_bindings
from pipeline.record.recorded import ENDED, PROVISIONED, ROLLED_BACK
from pipeline.run.situation import resting_time
from pipeline.values.binding import Binding
from pipeline.values.live import LiveGrant
from tests.unit.support_estate import a_grant, unknown_to_the_clouds
from tests.unit.support_run import World, a_run
from tests.unit.support_values import HOUR, NOON, window

X = a_grant("x")
WIDE = a_grant("x", "gcp/prod", "aws/prod")


def made(*grants: LiveGrant, only: str = "") -> list[Binding]:
    """What the clouds hold for *grants*, in all targets or in one."""
    found = desired(grants, now=NOON).bindings
    return [one for one in found if not only or one.target == only]


def test_a_grant_is_provisioned_once_every_part_reads_as_written() -> None:
    run = a_run(live=[WIDE])
    assert run.states() == {}
    assert run.states(*made(WIDE, only="gcp/prod")) == {}
    assert run.states(*made(WIDE)) == {run.life("alice/x"): PROVISIONED}


def test_a_part_that_reads_differently_is_no_part() -> None:
    longer = made(a_grant("x", held=window(0, 3)))
    assert a_run(live=[X]).states(*longer) == {}


def test_a_part_that_is_deferred_keeps_a_grant_from_being_provisioned() -> None:
    early = a_grant("y", "azure/prod", held=window(0, 1))
    late = a_grant("x", "azure/prod", "gcp/prod", held=window(2, 3))
    run = a_run(live=[early, late])
    assert [one.grant for one in run.desired.deferred] == ["alice/x"]
    assert run.states(*made(early, late)) == {run.life("alice/y"): PROVISIONED}


def test_a_grant_that_no_cloud_can_carry_has_no_state() -> None:
    run = a_run(live=[unknown_to_the_clouds(X)])
    assert run.states() == {}


def test_a_scheduled_grant_is_provisioned_before_it_starts() -> None:
    ahead = a_grant("x", held=window(1, 2))
    run = a_run(live=[ahead])
    assert run.states(*made(ahead)) == {run.life("alice/x"): PROVISIONED}


def test_a_state_that_is_recorded_already_is_not_new() -> None:
    run = a_run(live=[X], recorded={"alice/x": PROVISIONED})
    assert run.states(*made(X)) == {}


def test_a_grant_that_was_taken_back_is_rolled_back_whatever_is_left_of_it() -> None:
    run = a_run(live=[WIDE])
    expected = {run.life("alice/x"): ROLLED_BACK}
    assert run.states(rolled_back=["alice/x"]) == expected
    assert run.states(*made(WIDE), rolled_back=["alice/x"]) == expected


def test_being_rolled_back_again_is_nothing_new() -> None:
    run = a_run(live=[X], recorded={"alice/x": ROLLED_BACK})
    assert run.states(rolled_back=["alice/x"]) == {}


def test_a_grant_that_was_rolled_back_may_be_provisioned_later() -> None:
    run = a_run(live=[X], recorded={"alice/x": ROLLED_BACK})
    assert run.states(*made(X)) == {run.life("alice/x"): PROVISIONED}


def test_a_grant_that_was_rolled_back_leaves_the_state_of_what_it_shares_alone() -> None:
    y = a_grant("y", "azure/prod", held=window(0, 1))
    x = a_grant("x", "azure/prod", "gcp/prod", held=window(0, 3))
    run = a_run(live=[x, y])
    assert run.states(*made(y), rolled_back=["alice/x"]) == {
        run.life("alice/x"): ROLLED_BACK,
        run.life("alice/y"): PROVISIONED,
    }


def test_a_grant_that_waits_has_no_new_state() -> None:
    run = a_run(live=[WIDE], down={"gcp/prod": "503"})
    assert run.states(*made(WIDE, only="aws/prod"), down={"gcp/prod": "503"}) == {}


def test_a_grant_that_shares_with_one_that_waits_is_provisioned_by_its_own_part() -> None:
    y = a_grant("y", "azure/prod", held=window(0, 1))
    x = a_grant("x", "azure/prod", "gcp/prod", held=window(0, 3))
    run = a_run(live=[x, y], down={"gcp/prod": "503"})
    down = {"gcp/prod": "503"}
    assert run.states(*made(y), down=down) == {run.life("alice/y"): PROVISIONED}


def test_a_grant_is_ended_once_it_is_over_and_no_cloud_holds_anything_of_it() -> None:
    run = a_run(lapsed=[X], recorded={"alice/x": PROVISIONED}, now=NOON + 2 * HOUR)
    assert run.states(*made(X)) == {}
    assert run.states() == {run.life("alice/x"): ENDED}


def test_a_grant_whose_file_was_deleted_ends_under_the_life_that_it_had() -> None:
    first = a_run(live=[X], recorded={"alice/x": PROVISIONED})
    key = first.life("alice/x")
    run = first.again()
    assert run.life("alice/x") == ("alice/x", "")
    assert run.states() == {key: ENDED}


def test_a_grant_whose_subject_left_is_ended() -> None:
    run = a_run(offboarded=[X], recorded={"alice/x": PROVISIONED})
    assert run.states() == {run.life("alice/x"): ENDED}


def test_a_live_grant_is_not_ended_by_being_gone_from_the_clouds() -> None:
    run = a_run(live=[X], recorded={"alice/x": PROVISIONED})
    assert run.states() == {}


@pytest.mark.parametrize("where", ["gcp/prod", "aws/dev"])
def test_no_grant_ends_while_anything_cannot_be_listed(where: str) -> None:
    run = a_run(lapsed=[X], recorded={"alice/x": PROVISIONED}, now=NOON + 2 * HOUR)
    assert run.states(down={where: "503"}) == {}


def test_a_grant_ends_only_when_the_shared_binding_no_longer_names_it() -> None:
    x, y = a_grant("x", "azure/prod"), a_grant("y", "azure/prod")
    run = a_run(live=[y], lapsed=[x], recorded={"alice/x": PROVISIONED, "alice/y": PROVISIONED})
    assert run.states(*made(x, y)) == {}
    assert run.states(*made(y)) == {run.life("alice/x"): ENDED}


@pytest.mark.parametrize("state", [ROLLED_BACK, ENDED])
def test_only_what_was_provisioned_ends(state: str) -> None:
    run = a_run(lapsed=[X], recorded={"alice/x": state}, now=NOON + 2 * HOUR)
    assert run.states() == {}


def test_each_life_of_a_path_has_a_state_of_its_own() -> None:
    first = a_run(live=[X], recorded={"alice/x": PROVISIONED})
    first.again()
    first.world.write_state(first.life("alice/x"), ENDED)
    second = first.again(live=[X])
    assert second.life("alice/x") != first.life("alice/x")
    assert second.established == frozenset()
    assert second.states(*made(X)) == {second.life("alice/x"): PROVISIONED}


def test_an_earlier_life_ends_together_with_the_one_that_took_its_path() -> None:
    first = a_run(live=[X], recorded={"alice/x": PROVISIONED})
    first.again()
    second = first.again(live=[X], recorded={"alice/x": PROVISIONED})
    assert second.states(*made(X)) == {}
    assert first.again().states() == {
        first.life("alice/x"): ENDED,
        second.life("alice/x"): ENDED,
    }


def test_an_edit_stays_in_the_same_life() -> None:
    first = a_run(live=[X], recorded={"alice/x": PROVISIONED})
    longer = a_grant("x", held=window(0, 3))
    run = first.again(live=[longer])
    assert run.life("alice/x") == first.life("alice/x")
    assert run.established == {"alice/x"}
    assert run.states(*made(longer)) == {}


def test_a_state_that_could_not_be_told_is_told_again_until_it_was() -> None:
    run = a_run(live=[X], recorded={"alice/x": PROVISIONED})
    key = run.life("alice/x")
    run.world.write_state(key, PROVISIONED, told=False)
    assert run.again(live=[X]).states(*made(X)) == {key: PROVISIONED}
    run.world.write_state(key, PROVISIONED, told=True)
    assert run.again(live=[X]).states(*made(X)) == {}


def test_a_newer_state_replaces_one_that_was_never_told() -> None:
    first = a_run(live=[X])
    key = first.life("alice/x")
    first.world.write_state(key, PROVISIONED, told=False)
    assert first.again(lapsed=[X], now=NOON + 2 * HOUR).states() == {key: ENDED}


def test_a_record_that_does_not_say_whether_it_was_told_counts_as_told() -> None:
    run = a_run(live=[X], recorded={"alice/x": PROVISIONED})
    assert run.recorded.untold == frozenset()


grants = st.lists(
    st.builds(
        lambda name, where, end: a_grant(name, *where, held=window(-1, end)),
        st.sampled_from("wxyz"),
        st.lists(
            st.sampled_from(["gcp/prod", "aws/prod", "azure/prod"]),
            min_size=1,
            max_size=3,
            unique=True,
        ),
        st.integers(0, 3),
    ),
    max_size=4,
    unique_by=lambda one: one.grant.id,
)


@given(grants, st.data())
def test_provisioned_means_all_that_a_grant_alone_needs_is_there(
    live: list[LiveGrant], data: st.DataObject
) -> None:
    wanted = made(*live)
    missing = data.draw(st.sets(st.sampled_from(wanted)) if wanted else st.just(set()))
    run = a_run(live=live)
    lacking = {grant for one in missing for grant in one.grants}
    having = {grant for one in wanted for grant in one.grants} - lacking
    found = run.states(*(one for one in wanted if one not in missing))
    assert found == {run.life(grant): PROVISIONED for grant in having}


@given(grants, grants)
def test_what_was_provisioned_has_ended_once_nothing_of_it_is_live_or_held(
    before: list[LiveGrant], live: list[LiveGrant]
) -> None:
    first = a_run(World(), live=before)
    first.converge()
    held = {grant for one in made(*before) for grant in one.grants}
    still = {grant for one in made(*live) for grant in one.grants}
    found = first.again(live=live).states(*made(*live))
    over = {key[0] for key, state in found.items() if state == ENDED}
    assert over == held - still


# Targets that say no


@pytest.mark.parametrize("command", ["apply", "expire", "plan", "status"])
def test_a_target_that_is_closed_is_a_no_and_one_that_does_not_answer_an_outage(
    command: str,
) -> None:
    for closed, code in (({"gcp/prod"}, 1), (set(), 3)):
        world = World()
        world.closed = closed
        run = a_run(world, live=[a_grant("y", "aws/prod")], down={"gcp/prod": "no"})
        assert run.command(command).code == code


def test_one_closed_target_and_one_without_an_answer_are_an_outage() -> None:
    world = World()
    world.closed = {"gcp/prod"}
    run = a_run(world, down={"gcp/prod": "no", "aws/prod": "503"})
    assert run.command("apply").code == 3


def test_a_new_grant_on_a_closed_target_is_told_why_it_waits_and_holds_up_no_other() -> None:
    world = World()
    world.closed = {"gcp/prod"}
    run = a_run(world, live=[X, a_grant("y", "aws/prod")], down={"gcp/prod": "it is closed"})
    assert run.command("apply").code == 1
    assert world.held == ["aws/prod alice/y"]
    assert "gcp/prod: it is closed" in run.told("alice/x")
    again = run.again(live=[X, a_grant("y", "aws/prod")])
    world.done.clear()
    assert again.command("apply").code == 1
    assert not [line for line in world.done if "alice" in line]


def test_a_grant_that_no_cloud_can_carry_any_more_has_not_ended_and_is_told_why() -> None:
    run = a_run(live=[X])
    run.command("apply")
    spoilt = unknown_to_the_clouds(X)
    again = run.again(live=[spoilt], files=False)
    again.command("apply")
    assert ("alice/x", "ended", True) not in run.world.recorded()
    assert "access/principals/alice.yaml" in again.told("alice/x")


def test_a_grant_that_waits_for_another_s_end_has_not_ended() -> None:
    first = a_grant("a", "azure/prod", held=window(0, 2))
    later = a_grant("b", "azure/prod", held=window(3, 5))
    run = a_run(live=[later])
    run.command("apply")
    again = run.again(live=[first, later])
    again.command("apply")
    assert not [one for one in run.world.recorded() if one[1] == "ended"]


# Grants that a cloud refuses again and again


def refused_again(world: World, now: datetime) -> list[str]:
    """The changes that a run makes at *now* while one cloud refuses a part of a grant."""
    world.done.clear()
    a_run(world, live=[WIDE], now=now).command("apply")
    return [line for line in world.done if "alice" in line and "comment" not in line]


def test_a_grant_that_a_cloud_always_refuses_is_tried_less_and_less_often() -> None:
    world = World()
    world.refuses["gcp/prod"] = "an organisation policy forbids it"
    tried = [
        minutes
        for minutes in range(0, 110, 5)
        if refused_again(world, NOON + timedelta(minutes=minutes))
    ]
    assert tried == [0, 5, 15, 35, 75]
    assert world.held == []


def test_one_that_rests_says_so_and_holds_up_no_other() -> None:
    world = World()
    world.refuses["gcp/prod"] = "an organisation policy forbids it"
    for _ in range(2):
        world.now += timedelta(seconds=1)
        refused_again(world, world.now)
    said = a_run(world, live=[WIDE, a_grant("z", "aws/dev")]).command("apply")
    assert said.code == 1
    assert "refused 2 times, tried again from 2026-11-20T12:10:02Z" in said.err
    assert world.held == ["aws/dev alice/z"]


def test_another_version_of_a_grant_that_rests_is_tried_at_once() -> None:
    world = World()
    world.refuses["gcp/prod"] = "an organisation policy forbids it"
    for _ in range(3):
        world.now += timedelta(seconds=1)
        refused_again(world, world.now)
    cut = a_grant("x", "aws/prod")
    a_run(world, live=[cut]).command("apply")
    assert world.held == ["aws/prod alice/x"]


def test_what_is_left_of_one_that_rests_goes() -> None:
    world = World()
    world.refuses["gcp/prod"] = "an organisation policy forbids it"
    world.delays["aws/prod"] = "not before five minutes have passed"
    for _ in range(2):
        world.now += timedelta(seconds=1)
        refused_again(world, world.now)
    world.delays.clear()
    world.hold(*(b for b in render_bindings(WIDE, now=NOON) if b.target == "aws/prod"))
    assert refused_again(world, world.now + timedelta(minutes=5)) == ["delete aws/prod alice/x"]


@given(st.integers(1, 10_000))
def test_the_rest_grows_and_never_passes_two_hours(runs: int) -> None:
    assert resting_time(runs) <= resting_time(runs + 1) <= timedelta(hours=2)


# What a cloud does not list yet


def behind() -> World:
    """A world in which a grant was made, and the cloud does not list it yet."""
    run = a_run(live=[X])
    assert run.command("apply").code == 0
    run.world.hides.add("gcp/prod")
    return run.world


def test_what_was_made_and_is_not_listed_yet_is_shown_as_such() -> None:
    world = behind()
    (row,) = a_run(world, live=[X]).command("status", "--json").documents
    assert (row["subject"], row["state"]) == ("alice", "unlisted")
    late = a_run(world, live=[X], now=NOON + timedelta(minutes=15)).command("status", "--json")
    assert late.documents[0]["state"] == "missing"


def test_a_revocation_that_a_lagging_cloud_does_not_show_is_not_done() -> None:
    world = behind()
    world.say([])
    said = a_run(world, files=False).command("status", "--json")
    assert (said.code, said.documents[0]["state"]) == (1, "unlisted")
    assert a_run(world, files=False).command("apply").code == 1
    assert ("alice/x", "ended", True) not in world.recorded()
    world.hides.clear()
    assert a_run(world, files=False).command("apply").code == 0
    assert world.held == []
    assert world.recorded()[-1] == ("alice/x", "ended", True)


def test_what_is_over_is_not_waited_for() -> None:
    world = behind()
    after = a_run(world, lapsed=[X], now=NOON + 2 * HOUR)
    assert after.command("status").out == "nobody has access\n"
