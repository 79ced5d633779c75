"""The removals lane as a run goes through it: first, whatever fails afterwards."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipeline.clouds.desired import render_bindings
from pipeline.clouds.interface import Foreign
from pipeline.errors import Denied, ForgeError
from pipeline.history.proofs import Proof
from pipeline.record.audit import AuditEvent, Run, batch
from pipeline.record.chain import new_segment, read_chain
from pipeline.record.recorded import proof_data, read_recorded
from pipeline.values.catalogue import AwsPermissions
from pipeline.values.grant import Window
from pipeline.values.ids import Cloud, RoleId
from pipeline.values.live import LiveGrant
from tests.unit.support_estate import CATALOGUE, a_grant
from tests.unit.support_run import World, a_run
from tests.unit.support_values import HOUR, NOON, window
from tests.unit.support_world import Killed

ROOT = Path(__file__).parents[2]
X, Y = a_grant("x"), a_grant("y", "aws/prod")
OVER = a_grant("over", held=window(-2, 0))
LIST = ["list aws", "list azure", "list gcp"]


def provisioned(*live: LiveGrant) -> World:
    """A world in which *live* grants were provisioned by an earlier run."""
    run = a_run(live=live)
    assert run.command("apply").code == 0
    run.world.done.clear()
    return run.world


def causes(world: World) -> dict[str, str]:
    """The causes on the record, by grant."""
    return {
        one["grants"][0]["id"]: one["cause"] for one in world.events("intent") if "cause" in one
    }


def test_the_lane_imports_neither_policy_nor_judge_nor_proof_nor_github() -> None:
    code = (
        "import sys, pipeline.run.removals\n"
        "print(*sorted(one for one in sys.modules if one.startswith('pipeline.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    assert "pipeline.ending.removals" in loaded
    forbidden = ("policy", "policy_tools", "judge", "proof", "approvals", "forge")
    assert [one for one in loaded if one.split(".")[1] in forbidden] == []


def test_what_is_over_goes_before_anything_is_proven_or_added() -> None:
    world = World()
    a_run(world, live=[X], holding=[OVER]).command("apply")
    writes = [line for line in world.done if "alice" in line]
    assert writes == ["delete gcp/prod alice/over", "create gcp/prod alice/x"]
    assert causes(world) == {"alice/over": "its window is over"}


@pytest.mark.parametrize("command", ["apply", "expire"])
def test_a_deleted_grant_goes_though_nothing_can_be_proven(command: str) -> None:
    world = provisioned(X, Y)
    world.say([Y])
    world.forge.fails = ForgeError("502")
    said = a_run(world, proving=True, files=False).command(command)
    assert said.code == 3
    assert world.held == ["aws/prod alice/y"]
    assert causes(world) == {"alice/x": "its grant's file is gone from the default branch"}
    assert said.error is not None
    assert [one["cause"] for one in said.error.facts["removals"]["causes"]] == ["deleted"]


def test_an_offboarded_person_loses_access_though_nothing_can_be_proven() -> None:
    world = provisioned(X, Y)
    world.merge({"access/principals/alice.yaml": None})
    world.forge.fails = ForgeError("502")
    assert a_run(world, proving=True, files=False).command("apply").code == 3
    assert world.held == []


def test_a_disabled_person_loses_access_though_the_catalogue_is_broken() -> None:
    world = provisioned(X, Y)
    path = "access/principals/alice.yaml"
    world.merge({path: CATALOGUE[path] + "disabled: true\n", "access/roles/gcp.yaml": "- no\n"})
    world.forge.fails = ForgeError("502")
    assert a_run(world, proving=True, files=False).command("apply").code == 3
    assert world.held == []


def test_a_file_that_is_pushed_broken_takes_nothing_away() -> None:
    world = provisioned(X)
    world.merge({X.grant.path: "subject: ["})
    world.forge.fails = ForgeError("502")
    a_run(world, proving=True, files=False).command("apply")
    assert world.held == ["gcp/prod alice/x"]


def test_a_line_that_is_cut_off_goes_though_nothing_can_be_proven() -> None:
    both, one = a_grant("x", "gcp/prod", "aws/prod"), a_grant("x", "gcp/prod")
    world = provisioned(both)
    world.say([one])
    world.forge.fails = ForgeError("502")
    a_run(world, proving=True, files=False).command("apply")
    assert world.held == ["gcp/prod alice/x"]


def on_machines(*machines: str) -> LiveGrant:
    """A grant of one role on one target, with a line for each of *machines*."""
    one = a_grant("x", "aws/prod")
    (line,), (found,) = one.grant.access, one.entitlements
    role = replace(
        found.role,
        parameters=(("resource", "i-[0-9]+"),),
        permissions=AwsPermissions(
            actions=("ec2:StopInstances",),
            resources=("arn:aws:ec2:*:{account}:instance/{resource}",),
        ),
    )
    given = [(("resource", machine),) for machine in machines]
    return replace(
        one,
        grant=replace(one.grant, access=tuple(replace(line, parameters=each) for each in given)),
        entitlements=tuple(replace(found, role=role, parameters=each) for each in given),
    )


def test_of_two_lines_of_one_role_the_one_that_is_cut_off_goes() -> None:
    world = provisioned(on_machines("i-1", "i-2"))
    (kept,) = render_bindings(on_machines("i-2"), now=NOON)
    assert len(world.held) == 2
    world.say([on_machines("i-2")])
    world.forge.fails = ForgeError("502")
    a_run(world, proving=True, files=False).command("apply")
    assert [one.key for one in world.clouds[Cloud.AWS].held.values()] == [kept.key]


def named(*roles: str) -> LiveGrant:
    """A grant of roles that have one definition in Azure."""
    one = a_grant("x", "azure/prod")
    (line,), (found,) = one.grant.access, one.entitlements
    return replace(
        one,
        grant=replace(one.grant, access=tuple(replace(line, role=role) for role in roles)),
        entitlements=tuple(
            replace(found, role=replace(found.role, name=role, id=RoleId(f"azure/{role}")))
            for role in roles
        ),
    )


def test_an_assignment_that_stands_for_two_roles_stays_while_one_of_them_is_asked_for() -> None:
    world = provisioned(named("reader", "viewer"))
    assert world.held == ["azure/prod alice/x"]
    world.say([named("viewer")])
    world.forge.fails = ForgeError("502")
    a_run(world, proving=True, files=False).command("apply")
    assert world.held == ["azure/prod alice/x"]


def shorter(hours: int) -> LiveGrant:
    one = a_grant("x", held=window(0, hours))
    return replace(one, grant=replace(one.grant, duration=hours * 3600))


def ends(world: World) -> list[datetime]:
    return [
        one.window.end
        for cloud in world.clouds.values()
        for one in cloud.held.values()
        if one.window is not None
    ]


def test_a_window_that_is_shortened_ends_earlier_though_nothing_can_be_proven() -> None:
    world = provisioned(shorter(4))
    world.say([shorter(2)])
    world.forge.fails = ForgeError("502")
    for _ in range(2):
        assert a_run(world, proving=True, files=False).command("apply").code == 3
        assert ends(world) == [NOON + 2 * HOUR]
    assert causes(world) == {"alice/x": "its grant's file asks for a shorter window"}
    assert {one["binding"]["role"] for one in world.events("outcome")} == {"reader"}
    assert [line for line in world.done if "alice" in line] == ["update gcp/prod alice/x"]


def test_a_window_that_cannot_be_shortened_is_taken_back_by_nothing() -> None:
    world = provisioned(shorter(4))
    world.say([shorter(2)])
    world.refuses["gcp/prod"] = "the policy is too large"
    world.forge.fails = ForgeError("502")
    assert a_run(world, proving=True, files=False).command("apply").code == 3
    assert ends(world) == [NOON + 4 * HOUR]


@pytest.mark.parametrize(
    "before, after, left",
    [
        (
            a_grant("x", "gcp/prod", "aws/prod", held=window(0, 2)),
            a_grant("x", "gcp/prod", held=window(0, 2)),
            "delete aws/prod alice/x",
        ),
        (shorter(4), shorter(2), "update gcp/prod alice/x"),
    ],
    ids=["a line", "its window"],
)
def test_what_nobody_with_a_say_took_off_a_grant_is_told_and_not_given_again(
    before: LiveGrant, after: LiveGrant, left: str
) -> None:
    world = provisioned(before)
    world.say([after])
    for _ in range(2):
        said = a_run(world, proving=True, files=False).command("apply")
        assert said.code == 1
        assert "0 merged pull requests brought it" in said.err
    assert [line for line in world.done if "alice" in line] == [left]
    (alert,) = world.events("alert")
    assert (alert["path"], alert["commit"]) == (before.grant.path, world.tip)
    # Nobody brings it back without asking, not by the old text either.
    world.done.clear()
    world.say([before])
    assert a_run(world, proving=True, files=False).command("apply").code == 1
    assert [line for line in world.done if "alice" in line] == []
    # What is asked for and proven heals.
    assert a_run(world, live=[before]).command("apply").code == 0
    assert len(world.held) == len(before.grant.access)
    assert ends(world) == [before.window.end] * len(before.grant.access)


def record_proofs(world: World, *, only: str = "", previous: str | None = None) -> None:
    """Records proofs of every commit of a grant so far, as a run that makes them does; or *only*
    of one, held against what *previous* brought."""
    for life in world.lives():
        before = previous
        for step in life.steps:
            sha, at = step.commit.sha, step.commit.committed_at
            if only not in ("", sha):
                continue
            proof = Proof(
                commit=sha,
                pull=world.pulls[sha],
                head=sha[::-1],
                merged_at=at,
                requester="alice",
                approvers=("carol",),
                decision="0" * 64,
                previous=before,
                offer="1" * 64,
            )
            world.write_down(AuditEvent(kind="proof", data=proof_data(proof)))
            before = sha


def test_the_record_names_the_proven_version_where_the_lane_had_made_it_so() -> None:
    world = provisioned(shorter(4))
    for _ in range(2):
        assert a_run(world, live=[shorter(2)]).command("apply").code == 0
    (file,) = world.git.tree(world.tip, "access/grants/")
    recorded = read_recorded(world.record.events)
    assert recorded.blobs == {"alice/x": file.blob}
    assert recorded.commits == {"alice/x": world.tip}
    # Once, and its state is as it was.
    assert [one[1] for one in world.recorded()] == ["provisioned"] * 2


def test_a_proven_cut_makes_no_later_one_asked_for() -> None:
    def lasting(hours: float) -> list[LiveGrant]:
        held = window(0, hours)
        return [a_grant(f"x{number}", held=held) for number in range(12)]

    world, before, proven = provisioned(*lasting(4)), lasting(4), lasting(3)
    # Two rounds, each below the surprising share.
    for live in ([*proven[:6], *before[6:]], proven):
        assert a_run(world, live=live).command("apply").code == 0
    record_proofs(world)
    world.say(lasting(0.5))
    for _ in range(2):
        assert a_run(world, proving=True, files=False).command("apply").code == 1
    assert set(ends(world)) == {NOON + 3 * HOUR}


def test_what_was_asked_for_is_carried_out_beside_a_cut_that_was_not() -> None:
    """Both are merged before a run sees them: the proven one leaves a line off, the other is
    pushed on top of it and takes far more."""
    wide = [a_grant(f"x{n}", "gcp/prod", "aws/prod", held=window(0, 4)) for n in range(12)]
    asked = [a_grant(f"x{n}", "gcp/prod", held=window(0, 4)) for n in range(12)]
    world = provisioned(*wide)
    world.say(asked)
    record_proofs(world)
    world.say([a_grant(f"x{n}", "gcp/prod", held=window(0, 1)) for n in range(12)])
    a_run(world, proving=True, files=False).command("apply")
    assert world.held == [f"gcp/prod {one.grant.id}" for one in sorted(asked, key=order)]
    assert set(ends(world)) == {NOON + 4 * HOUR}


def order(one: LiveGrant) -> str:
    return str(one.grant.id)


def test_a_line_that_is_proven_stays_though_another_is_pushed_in_its_place() -> None:
    both = a_grant("x", "gcp/prod", "aws/prod")
    world = provisioned(both)
    assert a_run(world, live=[a_grant("x", "gcp/prod")]).command("apply").code == 0
    record_proofs(world)
    world.say([a_grant("x", "aws/prod")])
    world.done.clear()
    for _ in range(3):
        a_run(world, proving=True, files=False).command("apply")
    assert [line for line in world.done if "alice" in line] == []
    assert world.held == ["gcp/prod alice/x"]


@pytest.mark.parametrize("outage", [False, True], ids=["answering", "silent"])
def test_what_is_recorded_of_an_earlier_life_takes_nothing_from_the_present_one(
    outage: bool,
) -> None:
    world = provisioned(a_grant("x", "azure/prod", held=window(0, 2)))
    world.clouds[Cloud.AZURE].held.clear()
    world.now = NOON + 3 * HOUR
    a_run(world, live=[]).command("apply")
    # The same path is used again, and the run ends before it could record what it made.
    world.now = NOON + 5 * HOUR
    again = a_grant("x", "azure/prod", held=window(5, 6))
    run = a_run(world, live=[again])
    world.done.points, world.done.kill_at = 0, 5
    with pytest.raises(Killed):
        run.command("apply")
    world.done.kill_at = None
    assert world.held == ["azure/prod alice/x"]
    world.done.clear()
    if outage:
        world.forge.fails = ForgeError("502")
    a_run(world, live=[again], proving=outage).command("apply")
    assert [line for line in world.done if line.startswith("delete")] == []


def test_a_second_cut_counts_from_the_start_that_was_asked_for() -> None:
    def lasting(hours: float) -> LiveGrant:
        return a_grant("x", "azure/prod", held=window(0, hours))

    world = provisioned(lasting(4))
    ((identity, made),) = world.clouds[Cloud.AZURE].held.items()
    late = Window(start=NOON + timedelta(minutes=40), end=NOON + 4 * HOUR)
    world.clouds[Cloud.AZURE].held[identity] = replace(made, window=late)
    world.forge.fails = ForgeError("502")
    world.now = NOON + timedelta(minutes=45)
    for hours in (3, 2):
        world.say([lasting(hours)])
        a_run(world, proving=True, files=False).command("apply")
        assert ends(world) == [NOON + hours * HOUR]
    world.say([lasting(0.5)])
    a_run(world, proving=True, files=False).command("apply")
    assert world.held == []


def test_shortening_ones_own_holds_up_nobody_elses_offboarding() -> None:
    mine = [a_grant(f"x{number}", held=window(0, 4)) for number in range(10)]
    theirs = a_grant("y", "aws/prod", subject="bob", held=window(0, 4))
    world = provisioned(*mine, theirs)
    less = [replace(one, grant=replace(one.grant, duration=3 * 3600)) for one in mine]
    world.say([*less, theirs])
    world.merge({"access/principals/bob.yaml": None})
    world.forge.fails = ForgeError("502")
    a_run(world, proving=True, files=False).command("apply")
    assert "aws/prod bob/y" not in world.held
    assert len(world.held) == 10


def test_what_ended_early_does_not_come_back_by_the_old_text() -> None:
    world = provisioned(shorter(4))
    world.say([shorter(1)])
    a_run(world, proving=True, files=False).command("apply")
    world.now = NOON + 2 * HOUR
    a_run(world, proving=True, files=False).command("apply")
    assert world.recorded()[-1][:2] == ("alice/x", "ended")
    world.say([shorter(4)])
    a_run(world, proving=True, files=False).command("apply")
    assert world.held == []


def test_a_record_that_is_broken_does_not_stop_the_lane_which_begins_its_next_segment() -> None:
    world = provisioned(X)
    name, head = sorted(world.record.files)[-1], world.record.head
    world.record.files[name] = b"{}\n"
    said = a_run(world, live=[X, Y], holding=[OVER]).command("apply")
    assert said.code == 1
    assert world.held == ["gcp/prod alice/x"]
    assert "the record is broken" in said.err
    (segment,), (alert,) = world.events("segment"), world.events("alert")
    assert (segment["commit"], segment["breaks"]) == (head, 1)
    assert name in segment["first"][0]
    assert (alert["path"], alert["commit"]) == ("daypass/audit", head)
    # What was done meanwhile follows in the same segment.
    assert causes(world) == {"alice/over": "its window is over"}
    assert [one["status"] for one in world.events("outcome")][-1] == "done"


@pytest.mark.parametrize("command", ["apply", "expire"])
def test_a_run_that_finds_the_record_broken_gives_nothing_and_the_next_one_does(
    command: str,
) -> None:
    world = provisioned(X)
    world.record.files[sorted(world.record.files)[-1]] = b"{}\n"
    said = a_run(world, live=[X, Y]).command(command)
    assert said.code == 1
    assert "the audit chain is broken" in str(said.error)
    assert world.held == ["gcp/prod alice/x"]
    assert a_run(world, live=[X, Y]).command("apply").code == 0
    assert world.held == ["aws/prod alice/y", "gcp/prod alice/x"]
    assert len(world.events("segment")) == 1


def test_a_segment_that_somebody_else_began_counts_for_nothing() -> None:
    world = provisioned(X)
    world.record.files["README.md"] = b"hello"
    chain = read_chain(world.record.files)
    forged = new_segment(chain, commit=world.record.head)
    run = Run(actor="mallory", id="1", main=world.tip)
    path, text, _ = batch([forged], after=chain.tip, at=world.now, run=run)
    world.record.append({path: text}, "Forged", parent=world.record.head)
    assert read_chain(world.record.files).broken == ()
    world.forge.signed = False
    said = a_run(world, live=[X, Y]).command("apply")
    assert said.code == 1
    assert "the audit chain is broken" in str(said.error)
    assert world.held == ["gcp/prod alice/x"]
    assert len(world.events("segment")) == 2
    assert world.events("alert")[-1]["path"] == "daypass/audit"
    # The next one is the App's, and so is all that follows it.
    world.forge.signed = True
    assert a_run(world, live=[X, Y]).command("apply").code == 0
    assert len(world.events("segment")) == 2


def test_what_lost_its_mark_is_not_recorded_as_gone() -> None:
    world = provisioned(X)
    world.say([])
    world.now = NOON + timedelta(minutes=20)
    (binding,) = world.clouds[Cloud.GCP].held.values()
    world.clouds[Cloud.GCP].held.clear()
    handle = f"arn:aws:iam::1:role/daypass/{binding.key}"
    world.clouds[Cloud.GCP].foreign = (
        Foreign(target=binding.target, handle=handle, why="no mark"),
    )
    a_run(world, files=False).command("apply")
    assert world.events("vanished") == []


def test_what_is_held_where_a_target_pointed_before_is_not_recorded_as_gone() -> None:
    world = provisioned(X, Y)
    world.say([Y])
    path = "access/targets/gcp.yaml"
    world.merge({path: CATALOGUE[path].replace("project: ", "project: other-")})
    world.now = NOON + timedelta(minutes=20)
    world.hides.add("gcp/prod")
    a_run(world, live=[Y], files=False).command("apply")
    assert world.events("vanished") == []


def test_a_broken_record_that_cannot_be_written_does_not_stop_the_lane() -> None:
    world = provisioned(X)
    world.record.files[sorted(world.record.files)[-1]] = b"{}\n"
    world.record.refuses = ""
    said = a_run(world, live=[X], holding=[OVER]).command("apply")
    assert said.code == 1
    assert world.held == ["gcp/prod alice/x"]
    assert "goes on unrecorded" in said.err
    world.record.refuses = None
    assert a_run(world, live=[X]).command("apply").code == 1
    assert len(world.events("segment")) == 1
    assert a_run(world, live=[X]).command("apply").code == 0


def test_what_the_lane_took_away_unrecorded_is_recorded_by_the_next_run_that_can() -> None:
    world = provisioned(X, Y)
    world.say([Y])
    world.now = NOON + timedelta(minutes=20)
    world.record.refuses = ""
    assert a_run(world, live=[Y], files=False).command("apply").code == 3
    assert world.held == ["aws/prod alice/y"]
    assert world.events("vanished") == []
    world.record.refuses = None
    said = a_run(world, live=[Y], files=False).command("apply")
    assert said.code == 0
    (gone,) = world.events("vanished")
    assert (gone["binding"]["target"], gone["grants"]) == ("gcp/prod", [{"id": "alice/x"}])
    assert "no run recorded that it took it" in said.err
    a_run(world, live=[Y], files=False).command("apply")
    assert len(world.events("vanished")) == 1


@pytest.mark.parametrize(
    "later, why",
    [
        (timedelta(minutes=5), "a listing may lag behind"),
        (timedelta(hours=3), "its cloud ended it"),
    ],
)
def test_what_a_listing_lacks_is_not_recorded_as_gone_while(later: timedelta, why: str) -> None:
    world = provisioned(X)
    world.say([])
    world.now = NOON + later
    world.hides.add("gcp/prod")
    a_run(world, files=False).command("apply")
    assert world.events("vanished") == [], why


def test_what_is_still_asked_for_is_made_again_and_not_recorded_as_gone() -> None:
    world = provisioned(X)
    world.clouds[Cloud.GCP].held.clear()
    world.now = NOON + timedelta(minutes=20)
    assert a_run(world, live=[X]).command("apply").code == 0
    assert world.held == ["gcp/prod alice/x"]
    assert world.events("vanished") == []


def test_nothing_is_recorded_as_gone_from_a_target_that_cannot_be_listed() -> None:
    world = provisioned(X)
    world.say([])
    a_run(world, files=False, down={"gcp/prod": "503"}, now=NOON + timedelta(minutes=20)).command(
        "apply"
    )
    assert world.events("vanished") == []


def test_a_record_that_cannot_be_read_does_not_stop_what_is_over() -> None:
    world = provisioned(X)
    world.record.silent = True
    again = a_run(world, live=[X], holding=[OVER]).command("apply")
    assert again.code == 3
    assert world.held == ["gcp/prod alice/x"]
    assert "the record cannot be read" in again.err


def test_a_record_that_is_too_large_to_fetch_does_not_stop_what_was_deleted() -> None:
    world = provisioned(X, Y)
    world.say([Y])
    world.record.silent, world.record.silence = True, Denied("it is larger than 4 GiB")
    said = a_run(world, live=[Y], files=False).command("apply")
    assert said.code == 1
    assert world.held == ["aws/prod alice/y"]
    assert "it is larger than 4 GiB" in said.err


def test_a_record_that_cannot_be_written_does_not_stop_the_lane() -> None:
    world = provisioned(X)
    world.record.refuses = ""
    said = a_run(world, live=[X], holding=[OVER]).command("expire", "--json")
    assert said.code == 1
    (document,) = said.documents
    assert document["removals"]["unrecorded"] != []
    assert world.held == ["gcp/prod alice/x"]


def test_one_cloud_that_cannot_be_listed_holds_up_no_other() -> None:
    world = provisioned(X, Y)
    world.say([])
    said = a_run(world, files=False, down={"aws/prod": "503"}).command("apply")
    assert said.code == 3
    assert world.held == ["aws/prod alice/y"]


def test_a_removal_that_fails_is_tried_again_by_every_run() -> None:
    world = provisioned(X)
    world.say([])
    world.keeps["gcp/prod"] = "409"
    assert a_run(world, files=False).command("apply").code == 1
    world.merge({"README.md": "later"})
    assert a_run(world, files=False).command("apply").code == 1
    world.keeps.clear()
    world.forge.fails = ForgeError("502")
    assert a_run(world, proving=True, files=False).command("expire").code == 3
    assert world.held == []


def test_too_many_at_once_wait_for_proof_and_go_with_it() -> None:
    many = [a_grant(f"x{number}") for number in range(12)]
    world = provisioned(*many)
    world.say([])
    unasked = [one.grant.id for one in many]
    said = a_run(world, files=False, unasked=unasked).command("apply")
    assert said.code == 1
    assert "12 of 12 live bindings would go at once" in said.err
    assert len(world.held) == 12
    assert a_run(world, files=False).command("apply").code == 0
    assert world.held == []


def test_a_deletion_by_nobody_with_a_say_takes_effect_and_raises_an_alert() -> None:
    world = provisioned(X)
    world.say([])
    said = a_run(world, files=False, unasked=["alice/x"]).command("apply")
    assert said.code == 1
    assert world.held == []
    (alert,) = world.events("alert")
    assert alert["path"] == X.grant.path
    assert alert["reasons"] == ["it was ended by nobody with a say: 1 person pushed it"]
    assert (alert["pull"], alert["author"], alert["merger"]) == (None, None, "mallory")
    assert "pushed by mallory" in said.err
    assert a_run(world, files=False, unasked=["alice/x"]).command("apply").code == 0


def test_targets_are_listed_once_for_the_lane_and_the_rest_of_the_run() -> None:
    world = provisioned(X)
    assert a_run(world, live=[X]).command("apply").code == 0
    assert world.done == LIST


def test_a_target_that_was_struck_off_is_cleaned_up() -> None:
    world = provisioned(X)
    world.merge({"access/targets/gcp.yaml": None, X.grant.path: None})
    world.forge.fails = ForgeError("502")
    a_run(world, proving=True, files=False).command("apply")
    assert world.held == []


def test_a_listing_that_lags_is_read_again_before_a_removal_counts_as_left() -> None:
    world = provisioned(X)
    world.say([])
    world.lags["gcp/prod"] = 2
    said = a_run(world, files=False).command("apply", "--json")
    assert said.documents[0]["removals"]["exit_code"] == 0
    assert sum(world.waited) < 90
