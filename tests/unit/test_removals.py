"""The removals lane's plan: which bindings go without any proof, and how many at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clouds.desired import render_bindings
from pipeline.ending.removals import Cause, GrantFiles, LanePlan, plan_removals
from pipeline.provision.plan import SURPRISING_CHANGES
from pipeline.values.binding import Binding
from pipeline.values.grant import Access, Grant, Window
from pipeline.values.ids import GrantId, TargetId
from pipeline.values.live import LiveGrant
from tests.unit.support_estate import a_grant
from tests.unit.support_values import HOUR, NOON, window

X = a_grant("x", "gcp/prod", "aws/prod")


def held_by(*grants: LiveGrant) -> list[Binding]:
    return [one for grant in grants for one in render_bindings(grant, now=NOON)]


def lane(
    bindings: Collection[Binding],
    *,
    present: Collection[Grant] = (),
    unreadable: Collection[str] = (),
    known: Collection[str] = (),
    provisioned: Collection[LiveGrant] = (),
    starts: Mapping[tuple[str, str], datetime] | None = None,
    offboarded: Collection[str] = (),
) -> LanePlan:
    found = GrantFiles(
        present={
            **{one.id: one for one in present},
            **dict.fromkeys(map(GrantId, unreadable)),
        },
        known=frozenset(map(GrantId, known)),
        provisioned={one.grant.id: one.grant for one in provisioned},
        lines={
            (binding.target, binding.key): line
            for one in provisioned
            for line, binding in zip(one.grant.access, held_by(one), strict=True)
        },
        starts=starts or {},
    )
    return plan_removals(bindings, found, now=NOON, offboarded=lambda name: name in offboarded)


def gone(plan: LanePlan) -> Mapping[str, Cause]:
    return {f"{one.binding.target}": one.cause for one in plan.removals}


BOTH = ("gcp/prod", "aws/prod")


def test_a_window_that_is_over_goes() -> None:
    over = held_by(a_grant("x", *BOTH, held=window(-2, 0)))
    assert gone(lane(over)) == dict.fromkeys(BOTH, Cause.OVER)


def test_what_is_there_and_says_the_same_stays() -> None:
    assert gone(lane(held_by(X), present=[X.grant], known=["alice/x"], provisioned=[X])) == {}


def test_a_file_that_stood_there_and_stands_no_more_takes_its_bindings_with_it() -> None:
    assert gone(lane(held_by(X), known=["alice/x"])) == dict.fromkeys(BOTH, Cause.DELETED)


def test_a_file_that_was_never_seen_takes_nothing_away() -> None:
    assert gone(lane(held_by(X))) == {}


def test_a_file_with_problems_takes_nothing_away() -> None:
    found = lane(held_by(X), unreadable=["alice/x"], known=["alice/x"], provisioned=[X])
    assert gone(found) == {}


def test_an_offboarded_person_loses_all_whatever_the_files_say() -> None:
    found = lane(held_by(X), present=[X.grant], known=["alice/x"], offboarded=["alice"])
    assert gone(found) == dict.fromkeys(BOTH, Cause.OFFBOARDED)
    assert gone(lane(held_by(X), present=[X.grant], offboarded=["bob"])) == {}


def test_a_line_that_was_cut_off_goes_alone() -> None:
    cut = replace(X.grant, access=X.grant.access[:1])
    found = lane(held_by(X), present=[cut], known=["alice/x"], provisioned=[X])
    assert gone(found) == {"aws/prod": Cause.NARROWED}


@pytest.mark.parametrize(
    "edit",
    [
        {"reason": "Another"},
        {"duration": 9 * 3600},
        {"emergency": True},
    ],
)
def test_a_cut_that_also_asks_for_something_is_no_cut(edit: dict[str, object]) -> None:
    cut = replace(X.grant, access=X.grant.access[:1], **edit)  # type: ignore[arg-type]
    assert gone(lane(held_by(X), present=[cut], known=["alice/x"], provisioned=[X])) == {}


def test_a_shorter_duration_ends_earlier_or_at_once_where_it_is_over() -> None:
    began = a_grant("x", held=window(-2, 4))
    plans = {
        hour: lane(
            held_by(began),
            present=[replace(began.grant, duration=hour * 3600)],
            known=["alice/x"],
            provisioned=[began],
        )
        for hour in (1, 2, 3, 6)
    }
    assert {hour: gone(plan) for hour, plan in plans.items()} == {
        1: {"gcp/prod": Cause.NARROWED},
        2: {"gcp/prod": Cause.NARROWED},
        3: {"gcp/prod": Cause.SHORTENED},
        6: {},
    }
    (change,) = plans[3].plan().changes
    (wanted,) = held_by(a_grant("x", held=window(-2, 1)))
    assert (change.kind, change.binding, change.before) == ("update", wanted, *held_by(began))
    assert change.narrows(now=NOON)


def test_a_shorter_duration_counts_from_the_start_that_the_record_says() -> None:
    began, shorter = (a_grant("x", "azure/prod", held=window(-2, end)) for end in (4, 1))
    (desired,) = held_by(began)
    assert desired.window is not None
    # Azure says that it began when it was provisioned.
    late = Window(start=desired.window.start + HOUR / 10, end=desired.window.end)
    found = lane(
        [replace(desired, window=late)],
        present=[replace(began.grant, duration=shorter.grant.duration)],
        known=["alice/x"],
        provisioned=[began],
        starts={("azure/prod", desired.key): desired.window.start},
    )
    (removal,) = found.removals
    assert removal.until is not None
    assert removal.until.window == Window(start=late.start, end=NOON + HOUR)


def test_a_start_that_somebody_wrote_by_hand_ends_no_run() -> None:
    began = a_grant("x", held=window(-2, 4))
    (binding,) = held_by(began)
    plan = lane(
        [binding],
        present=[replace(began.grant, duration=3600)],
        known=["alice/x"],
        provisioned=[began],
        starts={("gcp/prod", binding.key): datetime.max.replace(tzinfo=UTC)},
    )
    assert plan.removals == ()


def test_a_binding_that_another_grant_needs_stays() -> None:
    (shared,) = held_by(a_grant("x", "azure/prod"))
    shared = replace(shared, grants=(GrantId("alice/x"), GrantId("alice/y")))
    other = a_grant("y", "azure/prod")
    assert gone(lane([shared], present=[other.grant], known=["alice/x", "alice/y"])) == {}
    assert gone(lane([shared], known=["alice/x", "alice/y"])) == {"azure/prod": Cause.DELETED}


def test_a_window_that_several_grants_share_or_that_cannot_be_read_is_left_to_the_plan() -> None:
    began, other = (a_grant(name, "azure/prod", held=window(-2, 4)) for name in "xy")
    (one,) = held_by(began)
    shorter = [replace(each.grant, duration=3600) for each in (began, other)]
    both = replace(one, grants=(GrantId("alice/x"), GrantId("alice/y")))
    for odd in (both, replace(one, window=None)):
        found = lane(
            [odd],
            present=shorter,
            known=["alice/x", "alice/y"],
            provisioned=[began, other],
        )
        assert gone(found) == {}


@pytest.mark.parametrize("other", [{"role": "writer"}, {"parameters": (("resource", "i-0"),)}])
def test_a_line_that_is_cut_off_beside_another_on_its_target_goes_where_the_record_tells_them_apart(
    other: dict[str, Any],
) -> None:
    (binding,) = held_by(a_grant("x"))
    line = a_grant("x").grant.access[0]
    stays = replace(line, **other)
    old = replace(a_grant("x").grant, access=(line, stays))
    new = replace(old, access=(stays,))

    def found(lines: Mapping[tuple[str, str], Access]) -> Mapping[str, Cause]:
        files = GrantFiles(
            present={new.id: new},
            known=frozenset(),
            provisioned={old.id: old},
            lines=lines,
            starts={},
        )
        return gone(plan_removals([binding], files, now=NOON, offboarded=lambda _: False))

    place = (binding.target, binding.key)
    beside = ("gcp/prod", "another key")
    assert found({place: line, beside: stays}) == {"gcp/prod": Cause.NARROWED}
    assert found({place: line}) == {}, "one object of Azure stands for roles of one definition"
    assert found({place: stays}) == {}
    assert found({}) == {}, "an older release did not record it: the plan takes it away"


def test_a_binding_that_names_no_grant_is_left_to_the_plan() -> None:
    (one,) = held_by(a_grant("x"))
    assert gone(lane([replace(one, grants=())], offboarded=["alice"])) == {}


def crowd(size: int) -> list[LiveGrant]:
    return [a_grant(f"x{number}") for number in range(size)]


def test_more_than_the_surprising_share_stops_alone_and_what_is_over_goes_on() -> None:
    many, over = crowd(12), a_grant("over", held=window(-2, 0))
    found = lane(held_by(*many, over), known=[one.grant.id for one in many])
    assert [one.cause for one in found.removals] == [Cause.OVER]
    assert len(found.stopped) == found.alive == 12


def test_fewer_than_ten_never_stop() -> None:
    many = crowd(SURPRISING_CHANGES - 1)
    assert lane(held_by(*many), known=[one.grant.id for one in many]).stopped == ()


def test_the_plan_only_deletes() -> None:
    plan = lane(held_by(X), known=["alice/x"]).plan()
    assert [change.kind for change in plan.changes] == ["delete", "delete"]
    assert plan.alive == 2


names = st.sampled_from(["alice/x", "alice/y", "bob/x", "bob/z"])


@given(
    st.sets(names),
    st.sets(names),
    st.sets(names),
    st.sets(st.sampled_from(["alice", "bob"])),
    st.integers(-3, 3),
)
def test_nothing_goes_but_what_is_over_offboarded_or_gone_from_the_branch(
    holding: set[str], present: set[str], known: set[str], offboarded: set[str], end: int
) -> None:
    grants = {
        name: a_grant(
            name.partition("/")[2], subject=name.partition("/")[0], held=window(end - 1, end)
        )
        for name in sorted(holding | present)
    }
    found = lane(
        held_by(*(grants[name] for name in sorted(holding))),
        present=[grants[name].grant for name in sorted(present)],
        known=known,
        offboarded=offboarded,
    )
    went = {one.binding.grants[0]: one.cause for one in found.removals}
    for name in holding:
        if NOON + end * HOUR <= NOON:
            expected: Cause | None = Cause.OVER
        elif name.partition("/")[0] in offboarded:
            expected = Cause.OFFBOARDED
        else:
            expected = Cause.DELETED if name in known - present else None
        assert went.get(GrantId(name)) == expected


def test_targets_are_told_apart_by_their_full_name() -> None:
    elsewhere = replace(X.grant.access[0], target=TargetId("gcp/dev"))
    cut = replace(X.grant, access=(elsewhere,))
    # Another target was asked for: that is no narrowing.
    assert gone(lane(held_by(X), present=[cut], known=["alice/x"], provisioned=[X])) == {}
