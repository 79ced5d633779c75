"""The removals lane's plan: which bindings go without any proof, and how many at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
    windows: Mapping[tuple[str, str], Sequence[Window]] | None = None,
    sharers: Mapping[tuple[str, str], tuple[GrantId, ...]] | None = None,
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
            one.grant.id: {
                (binding.target, binding.key): line
                for line, binding in zip(one.grant.access, held_by(one), strict=True)
            }
            for one in provisioned
        },
        windows=windows or {},
        sharers=sharers or {},
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


@pytest.mark.parametrize(
    "target, recorded, start",
    [
        ("azure/prod", window(-2, 4), -2),
        # Of an earlier life of the same path, or changed by hand since.
        ("azure/prod", window(-2, 3), -1.9),
        ("azure/prod", window(-1, 4), -1.9),
        ("azure/prod", None, -1.9),
        # The others list the start that they were given.
        ("gcp/prod", window(-2, 4), -1.9),
    ],
)
def test_a_shorter_duration_counts_from_the_start_that_was_asked_for(
    target: str, recorded: Window | None, start: float
) -> None:
    # Azure says that it began when it was provisioned.
    listed = a_grant("x", target, held=window(-1.9, 4))
    (binding,) = held_by(listed)
    found = lane(
        [binding],
        present=[replace(listed.grant, duration=3 * 3600)],
        known=["alice/x"],
        provisioned=[replace(listed, grant=replace(listed.grant, duration=6 * 3600))],
        windows={} if recorded is None else {(target, binding.key): [window(0, 1), recorded]},
    )
    (removal,) = found.removals
    assert removal.until is not None
    assert removal.until.window == window(start, start + 3)
    assert removal.change.narrows(now=NOON)


def test_a_date_that_somebody_wrote_by_hand_ends_no_run() -> None:
    began = a_grant("x", held=window(-2, 4))
    (binding,) = held_by(began)
    last = datetime.max.replace(tzinfo=UTC)
    plan = lane(
        [replace(binding, window=Window(start=last - HOUR, end=last))],
        present=[replace(began.grant, duration=2 * 3600)],
        known=["alice/x"],
        provisioned=[began],
    )
    assert plan.removals == ()


def test_a_binding_that_another_grant_needs_stays() -> None:
    (shared,) = held_by(a_grant("x", "azure/prod"))
    shared = replace(shared, grants=(GrantId("alice/x"), GrantId("alice/y")))
    other = a_grant("y", "azure/prod")
    assert gone(lane([shared], present=[other.grant], known=["alice/x", "alice/y"])) == {}
    assert gone(lane([shared], known=["alice/x", "alice/y"])) == {"azure/prod": Cause.DELETED}


def test_a_binding_whose_mark_has_no_room_for_all_its_grants_goes_with_all_that_are_recorded() -> (
    None
):
    (shared,) = held_by(a_grant("x", "azure/prod"))
    shared = replace(shared, unlisted=1)
    both = (GrantId("alice/x"), GrantId("alice/y"))

    def left(*sharers: GrantId, known: Collection[str] = both) -> Mapping[str, Cause]:
        return gone(lane([shared], known=known, sharers={("azure/prod", shared.key): sharers}))

    assert left() == left(*both[:1]) == left(*both, GrantId("alice/z")) == {}
    assert left(GrantId("alice/y"), GrantId("alice/z")) == {}
    assert left(*both, known=both[:1]) == {}
    assert left(*both) == {"azure/prod": Cause.DELETED}
    assert gone(lane([shared], offboarded=["alice"])) == {"azure/prod": Cause.OFFBOARDED}


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
            lines={new.id: lines, GrantId("bob/y"): {("gcp/prod", "of bob"): stays}},
            windows={},
            sharers={},
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


BOBS = a_grant("y", "aws/prod", subject="bob")


@pytest.mark.parametrize("what", ["gone", "offboarded", "cut off"])
def test_a_person_who_takes_away_much_holds_up_nobody_else(what: str) -> None:
    many, both = crowd(12), a_grant("z", "aws/prod", "gcp/prod", subject="bob")
    theirs = both if what == "cut off" else BOBS
    less = replace(both.grant, access=both.grant.access[1:])
    found = lane(
        held_by(*many, theirs),
        present=[less] if what == "cut off" else [],
        known=[one.grant.id for one in (*many, theirs)],
        provisioned=[both],
        offboarded=["bob"] if what == "offboarded" else [],
    )
    assert [one.binding.principal for one in found.removals] == ["bob"]
    assert {one.binding.principal for one in found.stopped} == {"alice"}
    assert len(found.stopped) == 12


def test_shortening_holds_up_nothing_that_goes_and_is_stopped_where_it_is_much() -> None:
    """Of 64 bindings, 19 may go at once."""
    mine = [a_grant(f"x{number}", held=window(-1, 4)) for number in range(20)]
    rest = [a_grant(f"r{number}") for number in range(43)]
    for count, shortened in ((18, 18), (19, 0)):
        found = lane(
            held_by(*mine, *rest, BOBS),
            present=[
                *(replace(one.grant, duration=4 * 3600) for one in mine[:count]),
                *(one.grant for one in (*mine[count:], *rest)),
            ],
            known=[BOBS.grant.id],
            provisioned=mine,
        )
        assert found.alive == 64
        shown = [one.cause for one in found.removals]
        assert shown == [Cause.DELETED] + [Cause.SHORTENED] * shortened
        assert len(found.stopped) == count - shortened


@pytest.mark.parametrize("count, goes", [(12, 12), (11, 12), (13, 1)])
def test_who_has_most_of_what_goes_stops_alone(count: int, goes: int) -> None:
    """Of 40, up to 12 may go."""
    mine = [a_grant(f"x{number}") for number in range(count)]
    rest = [a_grant(f"r{number}") for number in range(39 - count)]
    found = lane(
        held_by(*mine, *rest, BOBS),
        present=[one.grant for one in rest],
        known=[one.grant.id for one in (*mine, BOBS)],
    )
    assert found.alive == 40
    assert len(found.removals) == (1 if count > 11 else goes)


def test_no_more_than_the_share_goes_at_once_whatever_the_causes() -> None:
    """Offboarding goes first, and is held up by none of the others."""
    gone_files = [a_grant(f"x{number}") for number in range(9)]
    shortened = [a_grant(f"s{number}", held=window(-1, 4)) for number in range(9)]
    theirs = [a_grant(f"b{number}", "aws/prod", subject="bob") for number in range(9)]
    found = lane(
        held_by(*gone_files, *shortened, *theirs),
        present=[replace(one.grant, duration=4 * 3600) for one in shortened],
        known=[one.grant.id for one in gone_files],
        provisioned=shortened,
        offboarded=["bob"],
    )
    assert {one.cause for one in found.removals} == {Cause.OFFBOARDED}
    assert (found.alive, len(found.removals), len(found.stopped)) == (27, 9, 18)


def test_who_is_offboarded_with_much_holds_up_nobody_else() -> None:
    """Of 40, up to 12 may go: bob's 12, and alice's one beside them."""
    theirs = [a_grant(f"b{number}", "aws/prod", subject="bob") for number in range(12)]
    rest = [a_grant(f"r{number}") for number in range(27)]
    mine = a_grant("z")
    found = lane(
        held_by(*theirs, *rest, mine),
        present=[one.grant for one in (*theirs, *rest)],
        known=[mine.grant.id],
        offboarded=["bob"],
    )
    assert (found.alive, len(found.removals), found.stopped) == (40, 13, ())


def test_what_several_persons_lose_together_is_counted_together() -> None:
    some = [a_grant(f"x{n}", subject=who) for who in ("alice", "bob") for n in range(7)]
    rest = [a_grant(f"r{number}") for number in range(26)]
    found = lane(
        held_by(*some, *rest),
        present=[one.grant for one in rest],
        known=[one.grant.id for one in some],
    )
    assert (found.alive, len(found.removals), len(found.stopped)) == (40, 0, 14)


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
