from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clouds.desired import desired, render_bindings
from pipeline.errors import PipelineError
from pipeline.values.binding import Binding
from pipeline.values.catalogue import (
    AwsIdentity,
    AwsPermissions,
    AzureIdentity,
    AzurePermissions,
    Entitlement,
    GcpIdentity,
    GcpPermissions,
    Principal,
    PrincipalKind,
    Risk,
    Role,
    Target,
)
from pipeline.values.grant import Access, Grant, Window
from pipeline.values.ids import Cloud, GrantId, RoleId, TargetId
from pipeline.values.live import LiveGrant
from tests.unit.support_values import HOUR, NOON, window

ALICE = Principal(
    name="alice",
    kind=PrincipalKind.PERSON,
    github="alice",
    github_id=1001,
    aws=AwsIdentity(arn="arn:aws:iam::999900001111:user/alice"),
    azure=AzureIdentity(object_id="6f1c0000-0000-4000-8000-000000001001", type="User"),
    gcp=GcpIdentity(member="user:alice@example.com"),
)
LOCATORS = {
    Cloud.AWS: "111122223333",
    Cloud.AZURE: "0a11aaaa-0000-4000-8000-000000000001",
    Cloud.GCP: "acme-payments-prod",
}
PERMISSIONS = {
    Cloud.AWS: AwsPermissions(actions=("s3:GetObject",), resources=("arn:aws:s3:::logs/*",)),
    Cloud.AZURE: AzurePermissions(role_definition_id="acdd72a7-3385-48ef-bd42-f606fba81ae7"),
    Cloud.GCP: GcpPermissions(role="roles/logging.viewer"),
}
EVERYWHERE = tuple(Cloud)


def entitlement(grant: str, cloud: Cloud, principal: Principal = ALICE) -> Entitlement:
    return Entitlement(
        grant=GrantId(grant),
        principal=principal,
        target=Target(
            id=TargetId(f"{cloud}/prod"),
            cloud=cloud,
            name="prod",
            locator=LOCATORS[cloud],
            environment="prod",
        ),
        role=Role(
            id=RoleId(f"{cloud}/reader"),
            cloud=cloud,
            name="reader",
            title="Read",
            risk=Risk.LOW,
            max_duration=28_800,
            permissions=PERMISSIONS[cloud],
        ),
    )


def live(
    name: str,
    held: Window | None = None,
    *,
    clouds: tuple[Cloud, ...] = EVERYWHERE,
    principal: Principal = ALICE,
) -> LiveGrant:
    held = held or window()
    grant = Grant(
        id=GrantId(f"alice/{name}"),
        path=f"access/grants/alice/{name}.yaml",
        subject="alice",
        reason="because",
        duration=int((held.end - held.start).total_seconds()),
        access=tuple(Access(target=TargetId(f"{cloud}/prod"), role="reader") for cloud in clouds),
    )
    return LiveGrant(
        grant=grant,
        window=held,
        entitlements=tuple(entitlement(grant.id, cloud, principal) for cloud in clouds),
    )


def in_azure(grants: list[LiveGrant], now: datetime = NOON) -> Binding | None:
    found = [one for one in desired(grants, now=now).bindings if one.cloud is Cloud.AZURE]
    assert len(found) <= 1, "Azure holds one assignment per principal, role and scope"
    return found[0] if found else None


def test_a_grant_gives_one_binding_per_line() -> None:
    found = desired([live("x")], now=NOON)
    assert [one.cloud for one in found.bindings] == ["aws", "azure", "gcp"]
    assert {one.grants for one in found.bindings} == {("alice/x",)}
    assert {one.window for one in found.bindings} == {window()}
    assert (found.deferred, found.refused) == ((), ())


def test_what_one_grant_gives_alone_is_what_it_asks_for_when_it_is_alone() -> None:
    one = live("x")
    assert set(render_bindings(one, now=NOON)) == set(desired([one], now=NOON).bindings)


def test_aws_and_google_hold_two_grants_of_the_same_access_apart() -> None:
    found = desired([live("x"), live("y", window(1, 3))], now=NOON)
    for cloud in (Cloud.AWS, Cloud.GCP):
        mine = [one for one in found.bindings if one.cloud is cloud]
        assert sorted((one.grants, one.window) for one in mine) == [
            (("alice/x",), window()),
            (("alice/y",), window(1, 3)),
        ]
        assert len({one.key for one in mine}) == 2


def test_azure_holds_the_union_of_windows_that_touch() -> None:
    held = in_azure([live("y", window(2, 3)), live("x", window(0, 2))])
    assert held is not None
    assert held.window == window(0, 3)
    assert held.grants == ("alice/x", "alice/y")


def test_a_gap_is_never_bridged_and_what_lies_behind_it_is_labelled() -> None:
    second = Window(start=NOON + 2 * HOUR + timedelta(seconds=1), end=NOON + 3 * HOUR)
    found = desired([live("x"), live("y", second)], now=NOON)
    (held,) = [one for one in found.bindings if one.cloud is Cloud.AZURE]
    assert (held.grants, held.window) == (("alice/x",), window())
    (later,) = found.deferred
    assert (later.grant, later.target, later.window) == ("alice/y", "azure/prod", second)
    assert "when the earlier one has ended" in later.why


def test_what_was_deferred_is_wanted_once_the_earlier_window_is_over() -> None:
    both = [live("x", window(0, 1)), live("y", window(2, 3))]
    held = in_azure(both, now=NOON + HOUR)
    assert held is not None
    assert (held.grants, held.window) == (("alice/y",), window(2, 3))
    assert desired(both, now=NOON + HOUR).deferred == ()


def test_a_grant_that_a_cloud_cannot_carry_is_refused_alone_and_whole() -> None:
    nowhere = Principal(
        name="carol", kind=PrincipalKind.PERSON, github=None, github_id=None, gcp=ALICE.gcp
    )
    found = desired([live("x"), live("bad", principal=nowhere)], now=NOON)
    assert {one.grants for one in found.bindings} == {("alice/x",)}
    ((grant, why),) = found.refused
    assert grant == "alice/bad"
    assert "carol" in why


def test_render_tells_what_cannot_be_carried() -> None:
    nowhere = Principal(name="carol", kind=PrincipalKind.PERSON, github=None, github_id=None)
    with pytest.raises(PipelineError, match="carol"):
        render_bindings(live("bad", principal=nowhere), now=NOON)


def test_a_grant_past_its_end_asks_for_nothing() -> None:
    over = live("x", window(-2, 0))
    assert desired([over], now=NOON).bindings == ()
    assert len(desired([over], now=NOON - timedelta(seconds=1)).bindings) == 3


def test_a_grant_past_its_end_is_not_refused_either() -> None:
    nowhere = Principal(name="carol", kind=PrincipalKind.PERSON, github=None, github_id=None)
    assert desired([live("x", window(-2, 0), principal=nowhere)], now=NOON).refused == ()


def test_the_order_of_grants_changes_nothing() -> None:
    grants = [live("x"), live("y", window(1, 3)), live("z", window(5, 6))]
    assert desired(grants, now=NOON) == desired(reversed(grants), now=NOON)


QUARTER = timedelta(minutes=15)
spans = st.builds(
    lambda start, length: Window(
        start=NOON + start * QUARTER, end=NOON + (start + length) * QUARTER
    ),
    st.integers(-8, 16),
    st.integers(1, 8),
)
several = st.lists(spans, min_size=1, max_size=6).map(
    lambda windows: [
        live(f"g{number}", held, clouds=(Cloud.AZURE,)) for number, held in enumerate(windows)
    ]
)
INSTANTS = [NOON + step * QUARTER / 2 for step in range(0, 60)]


def reached(grants: list[LiveGrant], now: datetime) -> set[str]:
    """Grants joined to the earliest one that is not over, by windows that touch: by search."""
    alive = {one.grant.id: one.window for one in grants if not one.window.ended(now)}
    if not alive:
        return set()
    found = {min(alive, key=lambda name: (alive[name].start, alive[name].end))}
    while True:
        more = {
            name
            for name, held in alive.items()
            if name not in found and any(held.touches(alive[other]) for other in found)
        }
        if not more:
            return set(found)
        found |= more


@given(several)
def test_azure_covers_an_instant_exactly_when_a_grant_that_it_serves_does(
    grants: list[LiveGrant],
) -> None:
    held = in_azure(grants)
    served = reached(grants, NOON)
    assert (set(held.grants) if held else set()) == served
    for at in INSTANTS:
        covered = held is not None and held.window is not None and held.window.contains(at)
        assert covered == any(
            one.window.contains(at) for one in grants if one.grant.id in served
        ), at


@given(several)
def test_every_grant_that_is_not_over_is_either_held_or_labelled(grants: list[LiveGrant]) -> None:
    found = desired(grants, now=NOON)
    held = {grant for one in found.bindings for grant in one.grants}
    later = {one.grant for one in found.deferred}
    assert held | later == {one.grant.id for one in grants if not one.window.ended(NOON)}
    assert not held & later


@given(several, st.data())
def test_ending_one_grant_never_ends_another_for_the_same_access(
    grants: list[LiveGrant], data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(grants))
    left = [one for one in grants if one is not gone]
    held = in_azure(left)
    for one in left:
        if one.window.contains(NOON):
            assert held is not None
            assert held.window is not None
            assert one.grant.id in held.grants
            assert held.window.end >= one.window.end
    # And nothing of what was ended stays that nobody else asks for.
    if held is not None and held.window is not None:
        assert held.window.end == max(one.window.end for one in left if one.grant.id in held.grants)
