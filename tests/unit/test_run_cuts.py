"""Cuts that nobody with a say made, beside what was asked for, in runs that really prove."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.clouds.desired import render_bindings
from pipeline.errors import ForgeError
from pipeline.history.proofs import Proof
from pipeline.record.audit import AuditEvent
from pipeline.record.recorded import proof_data, read_recorded
from pipeline.values.binding import BindingChange, ChangeKind
from pipeline.values.catalogue import AwsPermissions, AzurePermissions
from pipeline.values.grant import Window
from pipeline.values.ids import Cloud, GrantId, RoleId
from pipeline.values.live import LiveGrant
from tests.unit.support_estate import CATALOGUE, a_grant, quarantine
from tests.unit.support_run import World, a_run
from tests.unit.support_values import HOUR, NOON, window
from tests.unit.test_run_removals import ends, provisioned, record_proofs, shorter

EVERY_PULL = set(range(1, 100))


def lasting(hours: float, count: int = 12, **more: str) -> list[LiveGrant]:
    held = window(0, hours)
    return [a_grant(f"x{number}", held=held, **more) for number in range(count)]


def azure(hours: float) -> LiveGrant:
    return a_grant("x", "azure/prod", held=window(0, hours))


def goes_on(world: World, *, runs: int = 2, command: str = "apply") -> list[str]:
    """Runs what comes next, really proving; returns what the last run wrote to clouds."""
    for _ in range(runs):
        world.done.clear()
        a_run(world, proving=True, files=False).command(command)
    kinds = tuple(str(kind) for kind in ChangeKind)
    return [line for line in world.done if line.startswith(kinds) and "alice" in line]


# What was asked for goes on beside it


def cut_on_top(asked: float = 2, pushed: float = 1) -> World:
    """A dozen grants of four hours: *asked* hours were proven, and *pushed* hours follow, before
    any run saw either."""
    world = provisioned(*lasting(4))
    world.say(lasting(asked))
    record_proofs(world)
    world.say(lasting(pushed))
    return world


def test_what_was_asked_for_is_carried_out_though_more_is_cut_on_top_of_it() -> None:
    world = cut_on_top()
    goes_on(world)
    assert set(ends(world)) == {NOON + 2 * HOUR}


@pytest.mark.parametrize("what", ["nothing else", "unproven rules", "a person who left"])
def test_nothing_is_given_beside_a_surprise(what: str) -> None:
    """An extension that was asked for waits with it: whoever can push must not make more of it."""
    world = cut_on_top(6, 3)
    roles, alice = "access/roles/gcp.yaml", "access/principals/alice.yaml"
    if what == "unproven rules":
        world.merge({roles: CATALOGUE[roles] + "# pushed\n"})
    elif what == "a person who left":
        world.merge({alice: CATALOGUE[alice] + "disabled: true\n"})
    goes_on(world)
    assert set(ends(world)) == {NOON + 4 * HOUR}


def test_the_record_names_the_text_that_was_asked_for_where_that_was_made() -> None:
    world = provisioned(*lasting(4))
    world.say(lasting(2))
    record_proofs(world)
    asked = {one.path: one.blob for one in world.git.tree(world.tip, "access/grants/")}
    world.say(lasting(1))
    goes_on(world)
    blobs = read_recorded(world.record.events).blobs
    assert {f"access/grants/{grant}.yaml": blob for grant, blob in blobs.items()} == asked
    # What is few enough later is cut as well, though nobody answers.
    world.say(lasting(1, count=8))
    world.forge.fails = ForgeError("502")
    goes_on(world)
    assert set(ends(world)) == {NOON + 1 * HOUR}


def test_the_plan_shows_what_apply_makes_beside_a_surprise() -> None:
    world = cut_on_top()
    (said,) = a_run(world, proving=True, files=False).command("plan", "--json").documents
    ends_at = {one["binding"]["end"] for one in said["changes"]}
    assert ends_at == {"2026-11-20T14:00:00Z"}
    assert len(said["surprise"]["changes"]) == 12


def test_the_digest_that_an_alert_names_lets_the_surprise_go_on() -> None:
    world = cut_on_top()
    goes_on(world, runs=1)
    (alert,) = (one for one in world.events("alert") if one["path"] == "plan")
    goes_on(world, runs=1)
    assert len([one for one in world.events("alert") if one["path"] == "plan"]) == 1
    run = a_run(world, proving=True, files=False)
    assert run.converge(accepted=alert["commit"]).surprise is None
    assert set(ends(world)) == {NOON + 1 * HOUR}


def test_nothing_outlives_what_was_asked_for_though_more_is_cut_on_top_of_it() -> None:
    world = cut_on_top()
    for hours in (0, 1.5, 3):
        world.now = NOON + hours * HOUR
        goes_on(world, runs=1)
        goes_on(world, runs=1, command="expire")
    assert world.held == []


def test_a_push_that_something_proven_follows_before_any_run_is_told() -> None:
    world = provisioned(a_grant("x", "gcp/prod", "aws/prod", held=window(0, 4)))
    record_proofs(world)
    world.say([shorter(4)])
    pushed = world.tip
    world.say([shorter(3)])
    record_proofs(world, only=world.tip, previous=pushed)
    assert a_run(world, proving=True, files=False).command("apply").code == 0
    (alert,) = world.events("alert")
    assert (alert["path"], alert["commit"]) == ("access/grants/alice/x.yaml", pushed)
    goes_on(world)
    assert len(world.events("alert")) == 1


# Nothing goes and comes in turns


def test_two_pushes_do_not_make_a_binding_go_and_come_in_turns() -> None:
    world = provisioned(a_grant("x", "gcp/prod", "aws/prod"))
    record_proofs(world)
    world.say([a_grant("x", "gcp/prod")])
    goes_on(world)
    world.say([a_grant("x", "aws/prod")])
    assert goes_on(world, runs=1) == []
    assert world.held == ["gcp/prod alice/x"]


def test_two_pushes_do_not_make_a_window_grow_and_shrink_in_turns() -> None:
    world = provisioned(a_grant("x", "gcp/prod", "aws/prod", held=window(0, 4)))
    record_proofs(world)
    world.say([shorter(4)])
    world.say([a_grant("x", "gcp/prod", "aws/prod", held=window(0, 1))])
    goes_on(world)
    assert goes_on(world) == []
    assert ends(world) == [NOON + 4 * HOUR]


# What is told late


def test_telling_late_names_no_version_that_is_not_provisioned() -> None:
    world = World()
    world.forge.silent = EVERY_PULL
    a_run(world, live=lasting(4)).command("apply")
    world.forge.silent = set()
    # Narrowed and proven while the target is down.
    world.say(lasting(2))
    record_proofs(world)
    a_run(world, proving=True, files=False, down={"gcp/prod": "503"}).command("apply")
    assert set(ends(world)) == {NOON + 4 * HOUR}
    world.down.clear()
    goes_on(world)
    assert set(ends(world)) == {NOON + 2 * HOUR}


def test_telling_late_does_not_keep_the_lane_from_a_cut() -> None:
    world = World()
    world.forge.silent = EVERY_PULL
    a_run(world, live=[shorter(4)]).command("apply")
    world.forge.silent = set()
    a_run(world, live=[shorter(2)], down={"gcp/prod": "503"}).command("apply")
    world.down.clear()
    world.forge.fails = ForgeError("502")
    goes_on(world)
    assert ends(world) == [NOON + 2 * HOUR]


def test_an_earlier_life_that_is_told_late_leaves_the_version_of_the_present_one() -> None:
    world = World()
    run = a_run(world, live=[a_grant("x", held=window(0, 2))])
    run.command("apply")
    pull = world.pulls[run.life("alice/x")[1]]
    record_proofs(world)
    world.now = NOON + 3 * HOUR
    world.clouds[Cloud.GCP].held.clear()
    world.forge.silent = {pull}
    a_run(world, live=[]).command("apply")
    assert world.recorded()[-1] == ("alice/x", "ended", False)
    again = a_grant("x", held=window(3, 7))
    assert a_run(world, live=[again]).command("apply").code == 0
    world.forge.silent = set()
    a_run(world, live=[again]).command("apply")
    assert ("alice/x", "ended", True) in world.recorded()
    assert read_recorded(world.record.events).blobs.keys() == {"alice/x"}
    world.say([a_grant("x", held=window(3, 4))])
    world.forge.fails = ForgeError("502")
    goes_on(world)
    assert ends(world) == [NOON + 4 * HOUR]


# What the record says of one binding


def test_a_cut_that_azure_has_accepted_does_not_make_the_next_one_count_from_later() -> None:
    world = provisioned(azure(4))
    held = world.clouds[Cloud.AZURE].held
    ((identity, made),) = held.items()
    provisioned_at = NOON + timedelta(minutes=40)
    held[identity] = replace(made, window=Window(start=provisioned_at, end=NOON + 4 * HOUR))
    world.forge.fails = ForgeError("502")
    world.now = NOON + timedelta(minutes=45)
    world.say([azure(3)])
    world.delays["azure/prod"] = "Azure accepted it"
    goes_on(world)
    # It takes effect.
    held[identity] = replace(made, window=Window(start=provisioned_at, end=NOON + 3 * HOUR))
    world.delays.clear()
    world.say([azure(2)])
    goes_on(world)
    assert ends(world) == [NOON + 2 * HOUR]


def test_an_assignment_goes_unproven_with_all_the_grants_that_the_record_names() -> None:
    world = provisioned(azure(4), a_grant("y", "azure/prod", held=window(0, 4)))
    held = world.clouds[Cloud.AZURE].held
    ((identity, made),) = held.items()
    # The mark had no room for the second.
    held[identity] = replace(made, grants=(GrantId("alice/x"),), unlisted=1)
    world.say([])
    world.forge.fails = ForgeError("502")
    goes_on(world)
    assert world.held == []


def two_roles(hours: float, *names: str, second: str | None) -> LiveGrant:
    """A grant of Azure roles; the one called viewer has the definition *second*, or the same."""
    one = azure(hours)
    (line,), (found,) = one.grant.access, one.entitlements

    def role(name: str) -> RoleId:
        return RoleId(f"azure/{name}")

    permissions = found.role.permissions
    assert isinstance(permissions, AzurePermissions)
    other = replace(permissions, role_definition_id=second or permissions.role_definition_id)
    roles = {
        name: replace(
            found.role,
            name=name,
            id=role(name),
            permissions=other if name == "viewer" else permissions,
        )
        for name in names
    }
    return replace(
        one,
        grant=replace(one.grant, access=tuple(replace(line, role=name) for name in names)),
        entitlements=tuple(replace(found, role=roles[name]) for name in names),
    )


def test_a_line_of_an_assignment_that_went_takes_nothing_from_the_one_that_stands() -> None:
    other = "b24988ac-6180-42a0-ab88-20f7382dd24c"
    world = provisioned(two_roles(4, "reader", "viewer", second=other))
    assert len(world.held) == 2
    # The catalogue gives both one definition, and the grant is extended.
    extended = two_roles(5, "reader", "viewer", second=None)
    assert a_run(world, live=[extended]).command("apply").code == 0
    assert len(world.held) == 1
    world.say([two_roles(5, "viewer", second=None)])
    world.forge.fails = ForgeError("502")
    goes_on(world)
    assert len(world.held) == 1


# What a proven catalogue ends


def rules_change(world: World) -> None:
    """Another role of Google's takes the place of the one that was asked for, by a proven
    change."""
    roles = "access/roles/gcp.yaml"
    world.merge({roles: CATALOGUE[roles].replace("logging.viewer", "logging.admin")})
    proof = Proof(
        commit=world.tip,
        pull=world.pulls[world.tip],
        head=world.tip[::-1],
        merged_at=world.now,
        requester="alice",
        approvers=("carol",),
        decision="0" * 64,
        offer="1" * 64,
    )
    world.write_down(AuditEvent(kind="proof", data=proof_data(proof)))


@pytest.mark.parametrize("cut", [False, True])
def test_what_a_proven_catalogue_ends_goes_though_somebody_cuts_it_as_well(cut: bool) -> None:
    world = provisioned(*lasting(4))
    record_proofs(world)
    rules_change(world)
    if cut:
        world.say(lasting(3))
    goes_on(world)
    assert world.held == []


def allowing(one: LiveGrant, *actions: str) -> LiveGrant:
    """The grant with a role that allows *actions*."""
    (line,) = one.entitlements
    assert isinstance(line.role.permissions, AwsPermissions)
    permissions = replace(line.role.permissions, actions=actions)
    return replace(
        one, entitlements=(replace(line, role=replace(line.role, permissions=permissions)),)
    )


@pytest.mark.parametrize("count, unproven", [(12, False), (1, True)])
def test_fewer_actions_are_less_access_and_wait_for_nothing(count: int, unproven: bool) -> None:
    grants = [a_grant(f"x{number}", "aws/prod") for number in range(count)]
    many = [allowing(one, "s3:GetObject", "s3:DeleteBucket") for one in grants]
    run = a_run(live=many)
    assert run.converge().code == 0
    names = frozenset(one.grant.id for one in many)
    later = a_run(
        run.world,
        live=many,
        unasked=sorted(names),
        ungoverned=[quarantine("access/roles/gcp.yaml")] if unproven else [],
    )
    less = tuple(allowing(one, "s3:GetObject") for one in many)
    vars(later._product)["branch"] = replace(later.branch, live=less, reduced=names)
    assert later.converge().surprise is None
    held = [one.document for one in run.world.clouds[Cloud.AWS].held.values()]
    assert len(held) == count
    assert not any("DeleteBucket" in one for one in held)


def test_other_or_more_actions_are_not_less_access() -> None:
    one = a_grant("x", "aws/prod")

    def change(before: tuple[str, ...], after: tuple[str, ...]) -> BindingChange:
        old, new = (render_bindings(allowing(one, *some), now=NOON)[0] for some in (before, after))
        return BindingChange(kind=ChangeKind.UPDATE, binding=new, before=old)

    assert change(("s3:a", "s3:b"), ("s3:b",)).narrows(now=NOON)
    assert not change(("s3:a",), ("s3:a", "s3:b")).narrows(now=NOON)
    assert not change(("s3:a",), ("s3:b",)).narrows(now=NOON)
    # A denial that shrinks gives more.
    (made,) = render_bindings(one, now=NOON)
    denies = '"Action":"*","Condition"'
    assert denies in made.document
    wide = replace(made, document=made.document.replace(denies, '"Action":["*"],"Condition"'))
    less = replace(made, document=made.document.replace(denies, '"Action":[],"Condition"'))
    assert not BindingChange(kind=ChangeKind.UPDATE, binding=less, before=wide).narrows(now=NOON)
