"""What becomes of a grant after its merge: edits, ends, further lives, and recorded proofs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.errors import ForgeError
from pipeline.history.proofs import Proof
from pipeline.history.proven import BranchState
from pipeline.values.catalogue import GcpPermissions
from pipeline.values.commits import SYMLINK_MODE
from pipeline.values.grant import Window
from pipeline.values.ids import GrantId
from pipeline.values.live import LiveGrant
from tests.unit.support_branch import (
    HOUR,
    MINUTE,
    PAYOUTS,
    REPORTS,
    Branch,
    live,
    quarantined,
)
from tests.unit.support_memory import File
from tests.unit.support_tiny_rules import (
    ALICE,
    BOB,
    CAROL,
    DAN,
    MALLORY,
    ROLES,
    START,
    TABLES,
    grant,
    principal,
)

SECOND = timedelta(seconds=1)
ALICE_FILE = "access/principals/alice.yaml"
BOTH = grant(roles=("log-viewer", "table-reader"))


@pytest.fixture
def branch() -> Branch:
    return Branch()


def lapsed(branch: Branch, *, after: timedelta = timedelta()) -> list[str]:
    """Returns the grants that are over so long from now, which then do not count."""
    found = branch.stand(at=branch.now + after)
    over: list[str] = [life.id for life in found.lapsed]
    assert not {*over} & {*live(found), *found.proofs}
    return over


def permissions(one: LiveGrant) -> list[str]:
    """Returns the Google roles that a grant gives."""
    found = [line.role.permissions for line in one.entitlements]
    return [one.role for one in found if isinstance(one, GcpPermissions)]


# Edits


def test_an_extension_keeps_the_start_and_is_proven_against_the_version_before(
    branch: Branch,
) -> None:
    first = branch.bring({PAYOUTS: grant()})
    began = branch.now
    second = branch.bring({PAYOUTS: grant(duration="3h")})
    found = branch.stand()
    (one,) = found.live
    assert one.window == Window(start=began, end=began + 3 * HOUR)
    assert one.grant.duration == 3 * 3600
    before, after = found.proofs[one.grant.id]
    assert (before.commit, before.previous) == (first, None)
    assert (after.commit, after.previous) == (second, first)
    last = branch.last_proven()
    assert last is not None
    assert (last.commit, last.first_duration) == (second, 2 * 3600)


def test_an_extension_beyond_what_policy_allows_leaves_the_version_before(
    branch: Branch,
) -> None:
    branch.bring({PAYOUTS: grant()})
    edit = branch.bring({PAYOUTS: grant(duration="9h")})
    found = branch.stand()
    (one,) = found.live
    assert one.grant.duration == 2 * 3600
    assert [(bad.path, bad.commit) for bad in found.quarantined] == [(PAYOUTS, edit)]
    assert "8h is allowed" in quarantined(found)[PAYOUTS]


def test_an_edit_that_was_pushed_directly_changes_nothing(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.push({PAYOUTS: TABLES})
    found = branch.stand()
    (one,) = found.live
    assert [line.role.name for line in one.entitlements] == ["log-viewer"]
    assert "0 merged pull requests" in quarantined(found)[PAYOUTS]


def test_a_later_version_is_held_against_the_last_proven_one(branch: Branch) -> None:
    first = branch.bring({PAYOUTS: grant()})
    branch.push({PAYOUTS: grant(duration="8h")})
    # Shorter than what was pushed, longer than what was proven: no narrowing.
    third = branch.bring({PAYOUTS: grant(duration="3h", roles=("table-reader",))})
    found = branch.stand()
    assert [one.commit for one in found.quarantined if one.commit == third] == [third]
    assert "a role of medium risk" in quarantined(found)[PAYOUTS]
    last = branch.last_proven()
    assert last is not None
    assert last.commit == first
    branch.bring({PAYOUTS: grant(duration="3h")})
    (proof,) = [one for one in branch.stand().fresh if one.commit == branch.tip]
    assert proof.previous == first


def test_without_a_proven_beginning_no_later_version_counts(branch: Branch) -> None:
    added = branch.push({PAYOUTS: grant()})
    branch.bring({PAYOUTS: grant(duration="1h")})
    branch.bring({PAYOUTS: grant(duration="3h")})
    found = branch.stand()
    assert live(found) == []
    assert [(one.path, one.commit) for one in found.quarantined] == [(PAYOUTS, added)]
    assert branch.last_proven() is None


def test_narrowing_merges_without_a_person_and_ends_the_window_earlier(branch: Branch) -> None:
    branch.bring({PAYOUTS: TABLES}, approved_by=[BOB])
    began = branch.now
    branch.bring({PAYOUTS: TABLES.replace("2h", "30m")})
    found = branch.stand()
    (one,) = found.live
    assert one.window == Window(start=began, end=began + HOUR / 2)
    assert [proof.approvers for proof in found.fresh] == [("bob",), ()]


def test_what_is_narrowed_keeps_what_it_had_and_what_is_widened_reads_the_catalogue_anew(
    branch: Branch,
) -> None:
    branch.bring({PAYOUTS: BOTH}, approved_by=[BOB])
    grown = START[ROLES].replace("roles/logging.viewer", "roles/logging.admin")
    branch.govern({ROLES: grown})
    (one,) = branch.stand().live
    assert permissions(one) == ["roles/bigquery.dataViewer"]
    branch.bring({PAYOUTS: grant()})
    assert branch.stand().live == ()
    branch.bring({PAYOUTS: grant(duration="3h")})
    (one,) = branch.stand().live
    assert permissions(one) == ["roles/logging.admin"]


def test_who_asked_first_keeps_the_say(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()}, author=CAROL, approved_by=[BOB])
    branch.bring({PAYOUTS: grant(duration="3h")}, author=BOB, approved_by=[CAROL])
    last = branch.last_proven()
    assert last is not None
    assert last.requester == "carol"


def test_a_grant_that_becomes_a_symlink_is_unproven_and_changes_nothing(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.bring({PAYOUTS: File(b"reports.yaml", SYMLINK_MODE)})
    found = branch.stand()
    assert live(found) == ["alice/payouts"]
    assert "mode 120000 is not that of a plain file" in quarantined(found)[PAYOUTS]


# Ends and further lives


def test_a_grant_counts_until_the_second_that_its_window_ends(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    assert lapsed(branch, after=2 * HOUR - SECOND) == []
    # Up to five minutes later the dates in git alone do not say so.
    assert lapsed(branch, after=2 * HOUR) == ["alice/payouts"]
    assert branch.stand(at=branch.now + 2 * HOUR).fresh != ()


def test_what_is_over_by_its_own_dates_needs_no_proof(branch: Branch) -> None:
    branch.push({PAYOUTS: grant()})
    pushed = branch.now
    assert branch.stand(at=pushed + 2 * HOUR + 5 * MINUTE - SECOND).quarantined != ()
    branch.forge.asked.clear()
    found = branch.stand(at=pushed + 2 * HOUR + 5 * MINUTE)
    assert [life.id for life in found.lapsed] == ["alice/payouts"]
    assert (found.quarantined, branch.forge.asked) == ((), [])


def test_a_grant_that_starts_later_is_live_from_its_merge_and_over_after_its_own_end(
    branch: Branch,
) -> None:
    branch.bring({PAYOUTS: grant(more="start: 2026-11-20T20:00:00Z\n")})
    (one,) = branch.stand().live
    assert one.window.start == branch.now.replace(hour=20, minute=0)
    assert lapsed(branch, after=8 * HOUR) == []
    assert lapsed(branch, after=10 * HOUR) == ["alice/payouts"]


@pytest.mark.parametrize("proven", [True, False])
def test_a_deleted_grant_is_gone_however_it_was_deleted(branch: Branch, proven: bool) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.bring({REPORTS: grant()})
    if proven:
        branch.bring({PAYOUTS: None})
    else:
        branch.push({PAYOUTS: None})
    found = branch.stand()
    assert live(found) == ["alice/reports"]
    assert (found.quarantined, found.lapsed) == ((), ())
    assert list(found.lives) == ["alice/reports"]
    assert branch.last_proven() is None


def test_a_path_that_is_used_again_begins_a_life_of_its_own(branch: Branch) -> None:
    branch.bring({PAYOUTS: TABLES}, approved_by=[BOB])
    branch.bring({PAYOUTS: None})
    again = branch.bring({PAYOUTS: grant(duration="3h")})
    found = branch.stand()
    (one,) = found.live
    assert one.window == Window(start=branch.now, end=branch.now + 3 * HOUR)
    (proof,) = found.proofs[one.grant.id]
    assert (proof.commit, proof.previous) == (again, None)
    assert [found.lives[one.grant.id].added.sha] == [again]


def test_a_revival_by_push_does_not_bring_back_what_was_proven_once(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.bring({PAYOUTS: None})
    branch.push({PAYOUTS: grant()})
    assert branch.refusal() == "0 merged pull requests brought it, expected one"


# The anchor


def test_what_was_there_before_the_anchor_is_quarantined() -> None:
    branch = Branch({PAYOUTS: grant(), f"{PAYOUTS}.md": "notes\n"})
    branch.bring({REPORTS: grant()})
    found = branch.stand()
    assert live(found) == ["alice/reports"]
    (one,) = found.quarantined
    assert (one.path, one.commit) == (PAYOUTS, branch.anchor)
    assert one.reasons == ("it was there before the first commit that is trusted",)


def test_an_edit_of_what_was_there_before_the_anchor_begins_no_life() -> None:
    branch = Branch({PAYOUTS: grant()})
    branch.bring({PAYOUTS: grant(duration="1h")}, approved_by=[BOB])
    assert "before the first commit" in branch.refusal()


def test_an_anchor_that_is_not_on_the_line_is_an_outage(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    aside = branch.git.commit({"README.md": "x\n"}, branch.anchor, at=branch.now)
    with pytest.raises(ForgeError, match="first-parent line"):
        branch.prover().stand(anchor=aside, tip=branch.tip, now=branch.now)


def test_a_branch_that_is_nothing_but_its_anchor_gives_nothing(branch: Branch) -> None:
    found = branch.stand()
    assert (found.live, found.lapsed, found.quarantined, found.ungoverned) == ((), (), (), ())
    assert branch.prover().sound(anchor=branch.anchor, tip=branch.tip) == (branch.anchor,)


# Subjects who left


@pytest.mark.parametrize(
    "gone", [None, principal("alice", ALICE.id, "disabled: true\n")], ids=["deleted", "disabled"]
)
def test_nobody_who_was_offboarded_keeps_a_grant(branch: Branch, gone: str | None) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.bring({"access/grants/carol/logs.yaml": grant("carol")}, author=CAROL)
    branch.govern({ALICE_FILE: gone})
    found = branch.stand()
    assert live(found) == ["carol/logs"]
    # It is proven all the same, and no alarm.
    assert found.proofs.keys() == {"alice/payouts", "carol/logs"}
    assert (found.quarantined, found.lapsed) == ((), ())


def test_a_push_can_offboard_and_cannot_bring_back(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.push({ALICE_FILE: None})
    assert live(branch.stand()) == []
    branch.push({ALICE_FILE: START[ALICE_FILE]})
    assert live(branch.stand()) == ["alice/payouts"]
    branch.govern({ALICE_FILE: principal("alice", ALICE.id, "disabled: true\n")})
    branch.push({ALICE_FILE: START[ALICE_FILE]})
    found = branch.stand()
    assert live(found) == []
    assert [one.path for one in found.ungoverned] == [ALICE_FILE]


# Recorded proofs


def test_a_recorded_proof_is_used_again_and_nobody_is_asked(branch: Branch) -> None:
    merged = branch.bring({PAYOUTS: TABLES}, approved_by=[BOB])
    (proof,) = branch.stand().fresh
    recorded = replace(proof, approvers=("carol",))
    branch.forge.asked.clear()
    branch.forge.teams["leads"].clear()
    found = branch.stand({merged: recorded})
    assert live(found) == ["alice/payouts"]
    assert found.proofs == {found.live[0].grant.id: (recorded,)}
    assert (found.fresh, branch.forge.asked) == ((), [])


def test_a_recorded_proof_against_another_version_is_judged_anew(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    edit = branch.bring({PAYOUTS: grant(duration="1h")})
    first, second = branch.stand().fresh
    # When it was judged, what came before it was not proven yet.
    outdated = replace(second, previous=None, approvers=("carol",))
    found = branch.stand({first.commit: first, edit: outdated})
    assert found.fresh == (second,)
    assert found.proofs[found.live[0].grant.id] == (first, second)


def test_a_recorded_proof_of_what_can_no_longer_be_read_gives_nothing(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    (proof,) = branch.stand().fresh
    odd = branch.push({REPORTS: "subject: ["})
    found = branch.stand({odd: replace(proof, commit=odd)})
    assert live(found) == ["alice/payouts"]
    assert f"{REPORTS}:2:1: not YAML" in quarantined(found)[REPORTS]


def test_a_commit_is_judged_once_in_a_run_and_the_same_way_in_every_run(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.bring({REPORTS: TABLES}, approved_by=[BOB])
    prover = branch.prover()
    first = prover.stand(anchor=branch.anchor, tip=branch.tip, now=branch.now)
    branch.forge.asked.clear()
    again = prover.stand(anchor=branch.anchor, tip=branch.tip, now=branch.now)
    assert again == first == branch.stand()
    assert branch.forge.asked.count("pulls_of_commit") == 2


def test_a_commit_is_judged_again_neither_when_only_its_last_version_is_asked_for(
    branch: Branch,
) -> None:
    branch.bring({PAYOUTS: grant()})
    prover = branch.prover()
    where = {"anchor": branch.anchor, "tip": branch.tip}
    assert prover.last_proven(PAYOUTS, **where) is not None
    assert prover.last_proven(REPORTS, **where) is None
    branch.forge.asked.clear()
    assert live(prover.stand(**where, now=branch.now)) == ["alice/payouts"]
    assert branch.forge.asked == []


def test_what_was_proven_and_is_put_back_is_no_longer_quarantined(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.push({PAYOUTS: grant(duration="3h")})
    assert PAYOUTS in quarantined(branch.stand())
    branch.push({PAYOUTS: grant()})
    found = branch.stand()
    assert (live(found), found.quarantined) == (["alice/payouts"], ())


def lasts(found: BranchState) -> list[float]:
    """The hours of every live grant."""
    return [(one.window.end - one.window.start) / HOUR for one in found.live]


def test_what_was_shortened_by_a_push_comes_back_only_by_being_asked_for(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.push({PAYOUTS: grant(duration="1h")})
    found = branch.stand()
    assert (lasts(found), PAYOUTS in quarantined(found)) == ([1], True)
    (wide,) = found.asked.values()
    assert wide.grant.duration == 2 * 3600
    assert found.in_force == {wide.grant.id: branch.tip}
    branch.push({PAYOUTS: grant()})
    found = branch.stand()
    assert (lasts(found), PAYOUTS in quarantined(found)) == ([1], True)
    # What is asked for is judged as more than what is left, and its proof heals.
    branch.push({PAYOUTS: grant(duration="1h")})
    asked = branch.bring({PAYOUTS: grant()}, approved_by=[BOB])
    found = branch.stand()
    assert (lasts(found), found.quarantined, found.asked) == ([2], (), {})
    assert [one.commit for one in found.proofs[found.live[0].grant.id]][1:] == [asked]


def test_what_is_shortened_again_is_held_against_what_is_left(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant(duration="3h")})
    pushed = branch.push({PAYOUTS: grant(duration="1h")})
    wider = branch.bring({PAYOUTS: grant(duration="2h")}, approved_by=[BOB])
    found = branch.stand()
    assert (lasts(found), found.quarantined) == ([2], ())
    assert found.fresh[-1].commit == wider
    assert found.fresh[-1].previous == pushed


def test_a_proof_of_an_older_release_still_counts_beside_what_was_cut_off(branch: Branch) -> None:
    """It was held against what was proven, whatever was cut off since."""
    first = branch.bring({PAYOUTS: grant(duration="4h")})
    branch.push({PAYOUTS: grant(duration="1h")})
    third = branch.push({PAYOUTS: grant(duration="2h")})
    (proof,) = branch.stand().fresh
    for offer, hours in ((None, 2), (proof.offer, 1)):
        recorded = replace(proof, commit=third, previous=first, offer=offer)
        found = branch.stand({first: proof, third: recorded})
        assert lasts(found) == [hours]


def test_a_narrowing_that_an_older_release_proved_brings_no_larger_role(branch: Branch) -> None:
    first = branch.bring({PAYOUTS: grant(duration="4h")})
    branch.push({PAYOUTS: grant(duration="1h")})
    branch.govern({ROLES: START[ROLES].replace("logging.viewer", "logging.admin")})
    third = branch.push({PAYOUTS: grant(duration="2h")})
    (proof,) = (one for one in branch.stand().fresh if one.commit == first)
    found = branch.stand(
        {first: proof, third: replace(proof, commit=third, previous=first, offer=None)}
    )
    assert found.live == ()
    assert len(found.proofs) == 1


def test_the_old_text_that_gives_nothing_back_says_how_to_ask_for_it(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.push({PAYOUTS: grant(duration="1h")})
    branch.push({PAYOUTS: grant()})
    said = [one.reasons[-1] for one in branch.stand().quarantined if one.commit == branch.tip]
    assert [one.partition(";")[0] for one in said] == [
        "the old text gives nothing back that was cut off"
    ]
    # As it says: a comment makes it a request, which is judged as more.
    branch.bring({PAYOUTS: f"# again\n{grant()}"}, approved_by=[BOB])
    found = branch.stand()
    assert (lasts(found), found.quarantined) == ([2], ())
    assert len(found.healed) == 2


def test_a_line_that_was_pushed_away_does_not_come_back_in_place_of_another(
    branch: Branch,
) -> None:
    branch.bring({PAYOUTS: BOTH}, approved_by=[BOB])
    branch.push({PAYOUTS: grant()})
    branch.push({PAYOUTS: TABLES})
    (one,) = branch.stand().live
    assert [line.role for line in one.grant.access] == ["log-viewer"]
    assert [found.role.name for found in one.entitlements] == ["log-viewer"]


def test_what_is_over_since_it_was_shortened_lapses_and_stays_over(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant(duration="3h")})
    branch.push({PAYOUTS: grant(duration="1h")})
    branch.now += 90 * MINUTE
    branch.push({PAYOUTS: grant(duration="3h")})
    found = branch.stand()
    assert (found.live, [life.path for life in found.lapsed]) == ((), [PAYOUTS])


# A trusted commit that moved


def known_of(branch: Branch) -> dict[str, Proof]:
    """The proofs that a run made, as the record keeps them."""
    return {proof.commit: proof for proof in branch.stand().fresh}


def test_a_recorded_proof_outlives_a_trusted_commit_that_moved(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    before, known = branch.stand().live, known_of(branch)
    branch.anchor = branch.tip
    found = branch.stand(known)
    assert found.live == before
    assert (found.quarantined, found.fresh) == ((), ())
    assert found.life_key(before[0].grant.id) == (before[0].grant.id, branch.tip)


def test_without_a_recorded_proof_what_came_before_the_trusted_commit_gives_nothing(
    branch: Branch,
) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.anchor = branch.tip
    assert "before the first commit that is trusted" in branch.refusal()


def test_an_edit_that_was_not_recorded_before_the_trusted_commit_changes_nothing(
    branch: Branch,
) -> None:
    branch.bring({PAYOUTS: grant()})
    known = known_of(branch)
    branch.push({PAYOUTS: grant(duration="3h")})
    branch.anchor = branch.tip
    found = branch.stand(known)
    (one,) = found.live
    assert one.grant.duration == 2 * 3600
    assert "before the first commit that is trusted" in quarantined(found)[PAYOUTS]


def test_what_began_before_the_trusted_commit_can_be_extended_narrowed_and_ended(
    branch: Branch,
) -> None:
    first = branch.bring({PAYOUTS: grant(duration="3h")})
    known = known_of(branch)
    branch.anchor = branch.tip
    last = branch.prover(known).last_proven(PAYOUTS, anchor=branch.anchor, tip=branch.tip)
    assert last is not None
    assert last.commit == first
    branch.push({PAYOUTS: grant(duration="2h")})
    assert live(branch.stand(known)) == ["alice/payouts"]
    assert "0 merged" in quarantined(branch.stand(known))[PAYOUTS]
    branch.push({PAYOUTS: None})
    assert live(branch.stand(known)) == []


# Endings


def ending(branch: Branch, *grants: str) -> dict[str, tuple[str, ...]]:
    """Why nobody with a say ended each of *grants*; empty where somebody did."""
    found = branch.prover().endings(
        [GrantId(one) for one in grants], anchor=branch.anchor, tip=branch.tip
    )
    return {str(name): one.reasons if one else () for name, one in found.items()}


def test_a_deletion_that_its_subject_asked_for_ends_a_grant(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.bring({PAYOUTS: None})
    assert ending(branch, "alice/payouts") == {"alice/payouts": ()}


def test_a_deletion_that_was_pushed_ends_it_by_nobody_with_a_say(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.push({PAYOUTS: None})
    (reasons,) = ending(branch, "alice/payouts").values()
    assert reasons == ("0 merged pull requests brought it, expected one",)


def brought(branch: Branch, grant: str) -> str:
    """Who ended *grant*, as an alert tells it."""
    found = branch.prover().endings([GrantId(grant)], anchor=branch.anchor, tip=branch.tip)
    one = found[GrantId(grant)]
    assert one is not None
    return str(one.brought)


def test_whoever_pushed_a_deletion_is_named(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.push({PAYOUTS: None})
    assert brought(branch, "alice/payouts") == "pushed by an unknown account"
    branch.pushers[branch.tip] = "mallory"
    assert brought(branch, "alice/payouts") == "pushed by mallory"


def test_author_and_merger_of_a_deletion_by_nobody_with_a_say_are_named(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    number = branch.propose({PAYOUTS: None}, author=MALLORY, merged_by=DAN)
    branch.merge(number)
    assert brought(branch, "alice/payouts") == f"#{number} of mallory, merged by dan"
    branch.forge.pulls[number] = replace(branch.forge.pulls[number], author=None, merged_by=None)
    branch.pushers[branch.tip] = "erin"
    assert brought(branch, "alice/payouts") == f"#{number} of an unknown account, merged by erin"


def test_what_is_there_or_was_never_there_was_not_ended(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    assert ending(branch, "alice/payouts", "alice/never") == {}


def test_a_proven_offboarding_ends_every_grant_of_a_person(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.govern({ALICE_FILE: principal("alice", ALICE.id, "disabled: true\n")})
    assert ending(branch, "alice/payouts") == {"alice/payouts": ()}


def test_an_offboarding_that_was_pushed_is_nobodys_with_a_say(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.push({ALICE_FILE: None})
    assert ending(branch, "alice/payouts") == {}
