from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.provision.plan import make_plan
from pipeline.values.binding import Binding, BindingChange, ChangeKind
from pipeline.values.canonical import canonical, timestamp
from pipeline.values.ids import GrantId, TargetId
from tests.unit.support_values import HOUR, NOON, binding, window

bindings = st.lists(
    st.builds(
        binding,
        st.sampled_from("abcdef"),
        target=st.sampled_from(["gcp/prod", "gcp/dev"]),
        document=st.sampled_from(["{}", '{"x":1}']),
    ),
    max_size=8,
    unique_by=lambda one: one.identity,
)


def carried_out(observed: list[Binding], plan_changes: object) -> dict[tuple[str, str, str], str]:
    state = {one.identity: one.document for one in observed}
    for change in plan_changes:  # type: ignore[attr-defined]
        if change.kind is ChangeKind.DELETE:
            del state[change.binding.identity]
        else:
            state[change.binding.identity] = change.binding.document
    return state


@given(bindings, bindings)
def test_carrying_out_a_plan_gives_exactly_what_is_desired(
    desired: list[Binding], observed: list[Binding]
) -> None:
    plan = make_plan(desired, observed, now=NOON)
    after = carried_out(observed, plan.changes)
    assert after == {one.identity: one.document for one in desired}


@given(bindings, bindings)
def test_a_second_plan_after_the_first_is_empty(
    desired: list[Binding], observed: list[Binding]
) -> None:
    assert make_plan(desired, desired, now=NOON).changes == ()
    assert make_plan(desired, observed, now=NOON).digest == (
        make_plan(reversed(desired), reversed(observed), now=NOON).digest
    )


@given(bindings, bindings)
def test_deletes_come_first_and_creates_last(
    desired: list[Binding], observed: list[Binding]
) -> None:
    kinds = [change.kind for change in make_plan(desired, observed, now=NOON).changes]
    order = [ChangeKind.DELETE, ChangeKind.UPDATE, ChangeKind.CREATE]
    assert kinds == sorted(kinds, key=order.index)


def test_an_extension_is_an_update_in_place() -> None:
    (change,) = make_plan(
        [binding(document='{"end":2}')], [binding(document='{"end":1}')], now=NOON
    ).changes
    assert change.kind is ChangeKind.UPDATE
    assert change.before is not None


def test_a_twin_of_a_binding_is_deleted() -> None:
    one = replace(binding(), handle="1")
    two = replace(binding(), handle="2")
    (change,) = make_plan([binding()], [one, two], now=NOON).changes
    assert (change.kind, change.binding.handle) == (ChangeKind.DELETE, "2")


def test_two_desired_bindings_that_are_the_same_are_refused() -> None:
    with pytest.raises(ValueError, match="same"):
        make_plan([binding(), binding(document="{1}")], [], now=NOON)


def test_nothing_changes_in_a_target_that_could_not_be_listed() -> None:
    plan = make_plan(
        [], [binding(target="gcp/prod")], now=NOON, unreachable=[(TargetId("gcp/prod"), "503")]
    )
    assert plan.changes == ()


def test_a_new_grant_with_an_unreachable_part_is_held_as_a_whole() -> None:
    desired = [binding("a", target="gcp/prod"), binding("b", target="gcp/dev")]
    down = [(TargetId("gcp/prod"), "503")]
    plan = make_plan(desired, [], now=NOON, unreachable=down)
    assert plan.changes == ()
    assert plan.held == ((GrantId("alice/x"), "gcp/prod: 503"),)


def test_an_established_grant_is_repaired_where_it_can_be_reached() -> None:
    desired = [binding("a", target="gcp/prod"), binding("b", target="gcp/dev")]
    down = [(TargetId("gcp/prod"), "503")]
    plan = make_plan(
        desired, [], now=NOON, unreachable=down, established=frozenset({GrantId("alice/x")})
    )
    assert [change.binding.key for change in plan.changes] == ["b"]
    assert plan.held == ()


def test_only_what_takes_away_stays_of_a_plan_that_may_only_remove() -> None:
    def held(key: str, end: float, grants: tuple[str, ...] = ("a/1",), more: str = "") -> Binding:
        document = canonical(
            {"more": more, "grants": list(grants), "end": timestamp(window(0, end).end)}
        )
        return binding(key, document=document, held=window(0, end), grants=grants)

    observed = [
        held("gone", 2),
        held("shorter", 2),
        held("fewer", 2, ("a/1", "b/2")),
        held("longer", 2),
        held("another", 2),
        held("more", 2),
        replace(held("endless", 2), window=None),
    ]
    desired = [
        held("shorter", 1),
        held("fewer", 2),
        held("longer", 3),
        held("another", 2, ("b/2",)),
        held("more", 1, more="access"),
        held("endless", 1),
        held("new", 1),
    ]
    plan = make_plan(desired, observed, now=NOON).removals_only("because", now=NOON)
    assert [(c.kind, c.binding.key) for c in plan.changes] == [
        (ChangeKind.DELETE, "gone"),
        (ChangeKind.UPDATE, "fewer"),
        (ChangeKind.UPDATE, "shorter"),
    ]
    assert dict(plan.held) == {"a/1": "because", "b/2": "because"}


def test_a_start_that_has_passed_is_nothing_that_could_be_given() -> None:
    later = binding("x", held=window(-1, 3))
    recorded = replace(later, window=window(0, 3), grants=(GrantId("a/1"), GrantId("b/2")))
    change = BindingChange(
        kind=ChangeKind.UPDATE,
        binding=replace(later, document=canonical({"grants": ["b/2"]}), grants=(GrantId("b/2"),)),
        before=replace(recorded, document=canonical({"grants": ["a/1", "b/2"]})),
    )
    assert change.narrows(now=NOON)
    assert not change.narrows(now=NOON - 2 * HOUR)


def test_ten_of_thirty_three_surprise_and_nine_never_do() -> None:
    held = [binding(str(i)) for i in range(33)]
    assert make_plan(held[9:], held, now=NOON).surprise(now=NOON) is None
    surprise = make_plan(held[10:], held, now=NOON).surprise(now=NOON)
    assert surprise is not None
    assert surprise.why.startswith("10 of 33 live bindings")
    held.append(binding("34"))
    assert make_plan(held[10:], held, now=NOON).surprise(now=NOON) is None


def test_what_was_asked_for_never_surprises_and_hides_nothing_that_was_not() -> None:
    held = [binding(str(i)) for i in range(30)]
    plan = make_plan([], held, now=NOON)
    first = plan.surprise(now=NOON, asked=lambda change: int(change.binding.key) < 15)
    assert first is not None
    assert len(first.changes) == 15
    assert plan.surprise(now=NOON, asked=lambda change: int(change.binding.key) < 21) is None
    rest = plan.without(first.changes, first.why)
    assert len(rest.changes) == 15
    assert rest.surprise(now=NOON, asked=lambda change: int(change.binding.key) < 15) is None
    assert set(dict(rest.held).values()) == {first.why}


def test_the_digest_of_a_surprise_names_its_changes() -> None:
    held = [binding(str(i)) for i in range(30)]
    one, two = (make_plan(held[n:], held, now=NOON).surprise(now=NOON) for n in (10, 11))
    assert one is not None
    assert two is not None
    assert one.digest != two.digest


def test_bindings_past_their_end_do_not_count_as_a_surprise() -> None:
    over = [binding(str(i), held=window(-2, 0)) for i in range(20)]
    assert make_plan([], over, now=NOON).surprise(now=NOON) is None
    endless = [binding(str(i), endless=True) for i in range(20)]
    assert make_plan([], endless, now=NOON).surprise(now=NOON) is not None


def test_the_digest_names_what_is_done() -> None:
    one = make_plan([binding(document="{1}")], [], now=NOON)
    two = make_plan([binding(document="{2}")], [], now=NOON)
    assert one.digest != two.digest
