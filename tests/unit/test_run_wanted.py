"""What a run wants the clouds to hold, what waits, and what may go meanwhile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clouds.desired import desired
from pipeline.errors import Undecided
from pipeline.values.binding import ChangeKind
from pipeline.values.grant import Window
from pipeline.values.live import LiveGrant
from tests.unit.support_estate import CATALOGUE, a_grant, quarantine, shown, unknown_to_the_clouds
from tests.unit.support_run import World, a_run
from tests.unit.support_values import HOUR, NOON, binding, window

DOWN = {"gcp/prod": "503"}
GONE = {"gcp/prod": "503", "aws/prod": "AccessDenied"}


def changes(run: object) -> list[str]:
    """What a run would change: `create gcp/prod alice/x`."""
    found = run.plan.changes  # type: ignore[attr-defined]
    return [f"{one.kind} {shown([one.binding])[0]}" for one in found]


def test_a_run_wants_every_line_of_every_live_grant() -> None:
    run = a_run(live=[a_grant("x", "gcp/prod", "aws/dev"), a_grant("y", subject="bob")])
    assert shown(run.wanted) == ["aws/dev alice/x", "gcp/prod alice/x", "gcp/prod bob/y"]
    assert run.waiting == {}
    assert run.plan.held == ()


def test_a_grant_past_its_end_is_not_wanted() -> None:
    run = a_run(live=[a_grant("x", held=window(-2, 0)), a_grant("y", held=window(-2, 1))])
    assert shown(run.wanted) == ["gcp/prod alice/y"]


def test_a_grant_that_lapsed_or_whose_subject_left_is_removed() -> None:
    x, y, z = a_grant("x", held=window(-2, 0)), a_grant("y"), a_grant("z", subject="bob")
    run = a_run(live=[y], lapsed=[x], offboarded=[z], holding=[x, y, z])
    assert shown(run.wanted) == ["gcp/prod alice/y"]
    assert sorted(changes(run)) == ["delete gcp/prod alice/x", "delete gcp/prod bob/z"]


def test_what_no_cloud_can_carry_is_refused_and_stops_no_other() -> None:
    run = a_run(live=[unknown_to_the_clouds(a_grant("x")), a_grant("y")])
    assert shown(run.wanted) == ["gcp/prod alice/y"]
    ((grant, why),) = run.desired.refused
    assert grant == "alice/x"
    assert "Google" in why


def test_a_grant_on_an_unreachable_target_waits_as_a_whole() -> None:
    run = a_run(live=[a_grant("x", "gcp/prod", "aws/prod"), a_grant("y", "aws/prod")], down=DOWN)
    assert run.waiting == {"alice/x": "gcp/prod: 503"}
    assert shown(run.wanted) == ["aws/prod alice/y"]
    assert run.plan.held == (("alice/x", "gcp/prod: 503"),)
    assert changes(run) == ["create aws/prod alice/y"]


def test_a_cloud_without_credentials_is_unreachable_in_every_target() -> None:
    world = World()
    del world.clouds["gcp"]  # type: ignore[arg-type]
    run = a_run(world, live=[a_grant("x", "gcp/dev", "aws/prod")])
    assert run.waiting == {"alice/x": "gcp/dev: no credentials for gcp"}
    assert run.wanted == ()


def test_an_unreachable_target_that_nobody_needs_holds_up_nothing() -> None:
    run = a_run(live=[a_grant("x", "aws/prod")], down=DOWN)
    assert run.waiting == {}
    assert changes(run) == ["create aws/prod alice/x"]


def test_a_grant_that_was_provisioned_in_full_is_repaired_where_it_can_be() -> None:
    x = a_grant("x", "gcp/prod", "aws/prod")
    run = a_run(live=[x], down=DOWN, recorded={"alice/x": "provisioned"})
    assert run.established == {"alice/x"}
    assert run.waiting == {}
    assert changes(run) == ["create aws/prod alice/x"]


@pytest.mark.parametrize("state", ["rolled-back", "ended"])
def test_a_grant_in_any_other_state_waits_as_if_it_were_new(state: str) -> None:
    x = a_grant("x", "gcp/prod", "aws/prod")
    run = a_run(live=[x], down=DOWN, recorded={"alice/x": state})
    assert run.established == frozenset()
    assert changes(run) == []


def test_the_last_recorded_state_decides_whether_a_grant_was_provisioned() -> None:
    x = a_grant("x", "gcp/prod", "aws/prod")
    first = a_run(live=[x], recorded={"alice/x": "provisioned"})
    assert first.again(live=[x], recorded={"alice/x": "rolled-back"}).established == frozenset()


def test_an_earlier_life_of_the_same_path_establishes_nothing() -> None:
    x = a_grant("x", "gcp/prod", "aws/prod")
    first = a_run(live=[x], recorded={"alice/x": "provisioned"})
    first.again()
    run = first.again(live=[x], down=DOWN)
    assert run.life("alice/x") != first.life("alice/x")
    assert run.waiting == {"alice/x": "gcp/prod: 503"}


def test_what_is_there_already_of_a_grant_that_waits_stays() -> None:
    x = a_grant("x", "gcp/prod", "aws/prod", "aws/dev")
    held = [one for one in desired([x], now=NOON).bindings if one.target == "aws/prod"]
    run = a_run(live=[x], holding=held, down=DOWN)
    assert shown(run.wanted) == ["aws/dev alice/x", "aws/prod alice/x", "gcp/prod alice/x"]
    assert changes(run) == []
    assert run.plan.held == (("alice/x", "gcp/prod: 503"),)


def test_a_grant_that_waits_gets_no_part_of_what_it_shares() -> None:
    x = a_grant("x", "azure/prod", held=window(0, 1))
    y = a_grant("y", "azure/prod", "gcp/prod", held=window(0, 3))
    run = a_run(live=[x, y], down=DOWN)
    (shared,) = run.wanted
    assert (shared.grants, shared.window) == (("alice/x",), window(0, 1))
    assert changes(run) == ["create azure/prod alice/x"]


def test_a_shared_binding_that_serves_a_waiting_grant_already_is_not_cut() -> None:
    x = a_grant("x", "azure/prod", held=window(0, 1))
    y = a_grant("y", "azure/prod", "gcp/prod", held=window(0, 3))
    held = [one for one in desired([x, y], now=NOON).bindings if one.cloud == "azure"]
    run = a_run(live=[x, y], holding=held, down=DOWN)
    assert changes(run) == []
    assert run.waiting == {"alice/y": "gcp/prod: 503"}


def test_without_some_grants_the_rest_is_desired_as_if_they_were_not_there() -> None:
    x = a_grant("x", "azure/prod", "gcp/prod", held=window(0, 3))
    run = a_run(live=[x, a_grant("y", "azure/prod", held=window(0, 1))])
    assert run.without() == ["azure/prod alice/x+alice/y", "gcp/prod alice/x"]
    assert run.without("alice/x") == ["azure/prod alice/y"]
    assert run.without("alice/x", "alice/y") == []
    assert run.without("bob/unknown") == run.without()


def test_while_anything_that_decides_is_unproven_nothing_is_added() -> None:
    x, y, z = a_grant("x"), a_grant("y"), a_grant("z", held=window(0, 1))
    longer = a_grant("z", held=window(0, 3))
    run = a_run(live=[y, longer], ungoverned=[quarantine("policies/a.rego")], holding=[x, z])
    assert changes(run) == ["delete gcp/prod alice/x"]
    why = "policies/a.rego is not proven, so nothing is added"
    assert run.plan.held == (("alice/y", why), ("alice/z", why))


def test_every_unproven_path_is_named() -> None:
    both = [quarantine("access/roles/gcp.yaml"), quarantine("policies/a.rego")]
    run = a_run(live=[a_grant("x")], ungoverned=both)
    ((_, why),) = run.plan.held
    assert why.startswith("access/roles/gcp.yaml, policies/a.rego is not proven")


def test_access_may_be_shortened_while_nothing_may_be_added() -> None:
    run = a_run(
        live=[a_grant("x", held=window(0, 1))],
        ungoverned=[quarantine("policies/a.rego")],
        holding=[a_grant("x", held=window(0, 2))],
    )
    assert changes(run) == ["update gcp/prod alice/x"]
    assert run.plan.held == ()


def test_a_quarantined_grant_stops_no_other() -> None:
    run = a_run(live=[a_grant("x")], quarantined=[quarantine()])
    assert changes(run) == ["create gcp/prod alice/x"]


def test_bindings_that_an_extension_lengthens_are_updated_in_place() -> None:
    run = a_run(live=[a_grant("x", held=window(0, 3))], holding=[a_grant("x")])
    (change,) = run.plan.changes
    assert change.kind is ChangeKind.UPDATE
    assert (change.before.window, change.binding.window) == (window(0, 2), window(0, 3))


def test_every_target_of_the_catalogue_is_listed_whether_or_not_it_is_used() -> None:
    run = a_run()
    ids = [one.id for one in run.targets]
    assert ids == ["aws/dev", "aws/prod", "azure/prod", "gcp/dev", "gcp/prod"]


def test_a_target_that_a_live_grant_uses_is_listed_even_if_the_catalogue_lost_it() -> None:
    world = World(
        {
            **CATALOGUE,
            "access/targets/gcp.yaml": "dev: {project: acme-dev,"
            " environment: dev, owners: [leads]}\n",
        }
    )
    run = a_run(world, live=[a_grant("x", "gcp/prod")])
    assert "gcp/prod" in [one.id for one in run.targets]


def test_a_broken_catalogue_does_not_stop_cleaning_up_in_the_last_one_that_was_proven() -> None:
    world = World()
    world.merge({"access/targets/gcp.yaml": "prod: [\n"})
    run = a_run(world, holding=[a_grant("x")])
    assert len(run.targets) == 5
    assert changes(run) == ["delete gcp/prod alice/x"]


def test_a_target_struck_off_without_proof_is_still_cleaned_up() -> None:
    world = World()
    world.merge({"access/targets/gcp.yaml": None, "access/roles/gcp.yaml": None})
    assert "gcp/prod" in [one.id for one in a_run(world).targets]


def test_where_no_proven_catalogue_can_be_read_the_latest_that_can_is_taken() -> None:
    world = World({**CATALOGUE, "access/targets/gcp.yaml": "prod: [\n"})
    world.merge(
        {
            "access/targets/gcp.yaml": "only: {project: acme-only, environment: dev,"
            " owners: [leads]}\n"
        }
    )
    world.merge({"access/targets/aws.yaml": "prod: [\n"})
    assert "gcp/only" in [one.id for one in a_run(world).targets]


def test_without_any_catalogue_that_can_be_read_nothing_is_concluded() -> None:
    world = World({**CATALOGUE, "access/targets/gcp.yaml": "prod: [\n"})
    with pytest.raises(Undecided, match="no version of the catalogue"):
        _ = a_run(world).targets


def test_a_run_without_targets_connects_to_no_cloud() -> None:
    run = a_run(World({}), clouds=False)
    assert (run.targets, run.estate.bindings, run.plan.changes) == ((), (), ())
    assert (run.clouds.readers, run.clouds.writers, run.clouds.missing) == ({}, {}, {})


places = st.lists(
    st.sampled_from(["gcp/prod", "gcp/dev", "aws/prod", "azure/prod"]),
    min_size=1,
    max_size=3,
    unique=True,
)
windows = st.builds(
    lambda start, length: Window(
        start=NOON + start * HOUR / 2, end=NOON + (start + length) * HOUR / 2
    ),
    st.integers(-4, 4),
    st.integers(1, 6),
)
estates = st.lists(
    st.builds(
        lambda name, where, held: a_grant(name, *where, held=held),
        st.sampled_from("uvwxyz"),
        places,
        windows,
    ),
    max_size=4,
    unique_by=lambda one: one.grant.id,
)
outages = st.sets(st.sampled_from(["gcp/prod", "aws/prod", "azure/prod"]), max_size=2)


@given(estates, estates, st.integers(0, 3))
def test_applying_the_plan_to_what_is_there_gives_what_is_wanted_and_twice_changes_nothing(
    before: list[LiveGrant], live: list[LiveGrant], hours: int
) -> None:
    first = a_run(live=before)
    first.converge()
    now = NOON + hours * HOUR
    first.again(live=live, now=now).converge()
    assert first.world.held == shown(desired(live, now=now).bindings)
    assert changes(first.again(live=live)) == []


@given(estates, outages)
def test_no_new_grant_is_made_in_part_while_targets_cannot_be_reached(
    live: list[LiveGrant], down: set[str]
) -> None:
    run = a_run(live=live, down=dict.fromkeys(down, "503"))
    run.converge()
    for one in desired(live, now=NOON).bindings:
        for grant in one.grants:
            asked = {str(b.target) for b in desired(live, now=NOON).bindings if grant in b.grants}
            assert (grant in run.waiting) == bool(asked & down)
    made = {grant for line in run.world.held for grant in line.split()[1].split("+")}
    assert not made & run.waiting.keys()
    run.world.down.clear()
    run.again(live=live).converge()
    assert run.world.held == shown(desired(live, now=NOON).bindings)


def test_removals_go_on_in_what_can_be_reached() -> None:
    x = a_grant("x", "gcp/prod", "aws/prod", "aws/dev")
    run = a_run(holding=[x], down=GONE)
    assert changes(run) == ["delete aws/dev alice/x"]


def test_what_lies_in_no_target_of_the_catalogue_is_not_even_looked_at() -> None:
    run = a_run(holding=[binding(target="gcp/unknown")])
    assert run.estate.bindings == ()
    assert changes(run) == []
