"""Policies, catalogue and workflows are proven too: what they decide while they are not."""

from __future__ import annotations

import pytest

from pipeline.values.commits import EXECUTABLE_MODE
from pipeline.values.grant import Window
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
    BOB,
    CAROL,
    DAN,
    LIMITS,
    ROLES,
    RULES,
    START,
    TABLES,
    TARGETS,
    grant,
)

SHORT = {LIMITS: "max_duration: 3600\n"}
LONG = {LIMITS: "max_duration: 36000\n"}
WORKFLOW = ".github/workflows/apply.yml"
CLEAN = {LIMITS: START[LIMITS]}


@pytest.fixture
def branch() -> Branch:
    return Branch()


def ungoverned(branch: Branch) -> dict[str, str]:
    """Returns the commit that each unproven path is unproven since."""
    prover = branch.prover()
    found = prover.tainted(anchor=branch.anchor, tip=branch.tip)
    assert found == branch.stand().ungoverned
    return {one.path: one.commit for one in found}


def sound(branch: Branch) -> tuple[str, ...]:
    return branch.prover().sound(anchor=branch.anchor, tip=branch.tip)


# Proven changes of the rules


def test_a_proven_change_of_the_rules_taints_nothing_and_is_sound(branch: Branch) -> None:
    first = branch.govern(SHORT)
    second = branch.bring({REPORTS: grant(duration="1h")})
    found = branch.stand()
    assert (found.ungoverned, found.quarantined) == ((), ())
    assert [proof.approvers for proof in found.fresh] == [("dan",), ()]
    # A proof is of a grant only where there is one.
    assert found.proofs.keys() == {"alice/reports"}
    assert sound(branch) == (second, first, branch.anchor)


def test_a_commit_is_judged_by_the_rules_of_its_first_parent(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.govern(SHORT)
    branch.bring({REPORTS: grant()})
    found = branch.stand()
    # Allowed when it was merged; an hour at most since.
    assert live(found) == ["alice/payouts"]
    assert quarantined(found)[REPORTS].startswith("it would last 2h, 1h is allowed")


def test_a_grant_gives_what_the_catalogue_of_its_first_parent_says(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.govern({ROLES: START[ROLES].replace("logging.viewer", "logging.admin")})
    branch.bring({"README.md": "x\n"}, approved_by=[DAN])
    branch.bring({REPORTS: grant()})
    found = branch.stand()
    given = {
        one.grant.id: [line.role.permissions for line in one.entitlements] for one in found.live
    }
    assert {name: str(lines).count("admin") for name, lines in given.items()} == {
        "alice/reports": 1,
    }
    # What the first one asked for is in the catalogue no longer.
    assert found.reduced == {"alice/payouts"}


def test_what_was_offered_by_another_catalogue_is_unproven(branch: Branch) -> None:
    number = branch.propose({PAYOUTS: grant()})
    branch.show(number)
    branch.govern({ROLES: START[ROLES].replace("logging.viewer", "logging.admin")})
    branch.merge(number)
    assert quarantined(branch.stand())[PAYOUTS].endswith("is not what it would give: ask again")


def test_the_catalogue_is_read_once_for_commits_between_which_no_rule_changed(
    branch: Branch,
) -> None:
    for index in range(5):
        branch.bring({f"access/grants/alice/{index}.yaml": grant()})
    known = {proof.commit: proof for proof in branch.stand().fresh}
    branch.git.trees_read.clear()
    assert len(branch.stand(known).live) == 5
    read = [prefixes for _, prefixes in branch.git.trees_read if "access/roles/" in prefixes]
    # At the anchor, for all five; at the tip, for whoever left.
    assert len(read) == 2


# Unproven changes of the rules


@pytest.mark.parametrize(
    "path,text",
    [
        (LIMITS, LONG[LIMITS]),
        (RULES, START[RULES] + "# more\n"),
        (ROLES, START[ROLES].replace("low", "medium")),
        ("access/calendars/hours.txt", "odd\n"),
        (WORKFLOW, "on: push\n"),
        (".github/workflows/README.md", "prose\n"),
        ("pyproject.toml", "[project]\n"),
    ],
)
def test_a_push_to_whatever_decides_is_ungoverned(branch: Branch, path: str, text: str) -> None:
    before = branch.tip
    pushed = branch.push({path: text, "README.md": "prose\n"})
    assert ungoverned(branch) == {path: pushed}
    assert sound(branch) == (before,)


@pytest.mark.parametrize("path", ["README.md", "tests/test_x.py", "docs/a.md", "LICENSE"])
def test_prose_and_tests_decide_nothing(branch: Branch, path: str) -> None:
    pushed = branch.push({path: "text\n"})
    assert ungoverned(branch) == {}
    assert sound(branch) == (pushed, branch.anchor)


@pytest.mark.parametrize("path", [LIMITS, ROLES, WORKFLOW])
def test_while_a_rule_is_unproven_nothing_is_added_and_what_was_there_stays(
    branch: Branch, path: str
) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.push({path: START.get(path, "on: push\n") + "# mine\n"})
    branch.bring({REPORTS: grant()})
    found = branch.stand()
    assert live(found) == ["alice/payouts"]
    assert quarantined(found) == {REPORTS: f"it came while {path} was unproven"}
    assert [one.path for one in found.ungoverned] == [path]


def test_what_came_before_the_push_is_judged_as_ever(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant(duration="9h")})
    branch.push(LONG)
    assert "8h is allowed" in quarantined(branch.stand())[PAYOUTS]


def test_while_a_rule_is_unproven_an_extension_waits(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.push(LONG)
    branch.bring({PAYOUTS: grant(duration="3h")})
    found = branch.stand()
    (one,) = found.live
    assert one.grant.duration == 2 * 3600
    assert quarantined(found) == {PAYOUTS: f"it came while {LIMITS} was unproven"}


def test_while_a_rule_is_unproven_less_access_is_proven_by_the_last_that_was_sound(
    branch: Branch,
) -> None:
    branch.bring({PAYOUTS: TABLES}, approved_by=[BOB])
    branch.bring({REPORTS: grant()})
    began = branch.forge.pulls[1].merged_at
    assert began is not None
    # These would ask an approval of everybody, and answer nobody.
    branch.push({RULES: "package access.rules.tiny\n"})
    branch.bring({PAYOUTS: TABLES.replace("2h", "1h")})
    branch.bring({REPORTS: None})
    found = branch.stand()
    (one,) = found.live
    assert one.window == Window(start=began, end=began + HOUR)
    assert [one.path for one in found.ungoverned] == [RULES]
    assert found.quarantined == ()


def test_while_a_rule_is_unproven_less_access_by_a_stranger_takes_effect_and_is_told(
    branch: Branch,
) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.push({RULES: START[RULES].replace('input.requester.principal == "', "")})
    branch.bring({PAYOUTS: grant(duration="1h")}, author=CAROL)
    found = branch.stand()
    (one,) = found.live
    assert one.grant.duration == 3600
    assert "somebody without a say in it" in quarantined(found)[PAYOUTS]


def test_an_unapproved_pull_request_to_the_rules_is_ungoverned_with_its_reason(
    branch: Branch,
) -> None:
    number = branch.propose(LONG, author=BOB)
    branch.show(number)
    merged = branch.merge(number)
    assert ungoverned(branch) == {LIMITS: merged}
    (one,) = branch.stand().ungoverned
    assert one.reasons == (
        "1 more of security must approve: policies, catalogue or workflows change",
    )


def test_rules_that_would_answer_nothing_are_unproven_though_approved(branch: Branch) -> None:
    merged = branch.govern({RULES: "package access.rules.tiny\n"})
    assert ungoverned(branch) == {RULES: merged}
    assert "policies" in branch.stand().ungoverned[0].reasons[0]


def test_a_catalogue_that_cannot_be_read_is_reported_and_stops_no_grant(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    pushed = branch.push({ROLES: "log-viewer: [\n"})
    found = branch.stand()
    assert live(found) == ["alice/payouts"]
    assert {(one.path, one.commit) for one in found.quarantined} == {(ROLES, pushed)}
    assert quarantined(found)[ROLES].startswith(f"{ROLES}:")
    assert ungoverned(branch) == {ROLES: pushed}


def test_a_target_that_is_in_use_is_not_struck_off_by_proof(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    text = START[TARGETS].replace("prod: {project: acme-prod", "prod: {project: acme-other")
    merged = branch.govern({TARGETS: text})
    assert ungoverned(branch) == {TARGETS: merged}
    assert "gcp/prod at acme-prod is struck off or moved" in branch.stand().ungoverned[0].reasons[0]


def test_a_grant_that_came_later_does_not_undo_the_proof_of_a_moved_target(
    branch: Branch,
) -> None:
    branch.govern({TARGETS: START[TARGETS].replace("acme-prod", "acme-other")})
    branch.bring({PAYOUTS: grant()})
    assert ungoverned(branch) == {}
    (one,) = branch.stand().live
    assert [line.target.locator for line in one.entitlements] == ["acme-other"]


# Healing


def test_a_path_heals_when_it_is_again_what_was_proven(branch: Branch) -> None:
    branch.push(LONG)
    healed = branch.push(CLEAN)
    assert ungoverned(branch) == {}
    assert sound(branch) == (healed, branch.anchor)
    branch.bring({PAYOUTS: grant()})
    assert live(branch.stand()) == ["alice/payouts"]


def test_healing_does_not_prove_what_came_meanwhile(branch: Branch) -> None:
    branch.push(LONG)
    branch.bring({PAYOUTS: grant()})
    branch.push(CLEAN)
    assert quarantined(branch.stand()) == {PAYOUTS: f"it came while {LIMITS} was unproven"}


def test_the_mode_is_part_of_what_was_proven(branch: Branch) -> None:
    branch.push(LONG)
    executable = branch.push({LIMITS: File(CLEAN[LIMITS].encode(), EXECUTABLE_MODE)})
    assert ungoverned(branch) == {LIMITS: executable}
    branch.push(CLEAN)
    assert ungoverned(branch) == {}


def test_a_file_that_was_added_heals_by_going_and_one_that_was_deleted_by_coming_back(
    branch: Branch,
) -> None:
    pushed = branch.push({WORKFLOW: "on: push\n", LIMITS: None})
    assert ungoverned(branch) == {WORKFLOW: pushed, LIMITS: pushed}
    branch.push({WORKFLOW: None})
    assert ungoverned(branch) == {LIMITS: pushed}
    branch.push(CLEAN)
    assert ungoverned(branch) == {}


def test_another_unproven_version_is_no_healing(branch: Branch) -> None:
    branch.push(LONG)
    second = branch.push(SHORT)
    assert ungoverned(branch) == {LIMITS: second}
    assert sound(branch) == (branch.anchor,)


def test_an_approved_change_upon_an_unproven_one_proves_nothing(branch: Branch) -> None:
    # Its reviewers saw the difference only, judged by rules that nobody reviewed.
    branch.push(LONG)
    merged = branch.govern(SHORT)
    elsewhere = branch.govern({WORKFLOW: "on: push\n"})
    assert ungoverned(branch) == {LIMITS: merged, WORKFLOW: elsewhere}
    reasons = {one.reasons for one in branch.stand().ungoverned}
    assert reasons == {(f"it came while {LIMITS} was unproven",)}


def test_what_is_proven_is_the_latest_version_and_no_earlier_one(branch: Branch) -> None:
    second = branch.govern(SHORT)
    branch.push(LONG)
    back = branch.push(CLEAN)
    assert ungoverned(branch) == {LIMITS: back}
    healed = branch.push(SHORT)
    assert ungoverned(branch) == {}
    assert sound(branch) == (healed, second, branch.anchor)


def test_a_repair_through_a_pull_request_heals_without_a_proof(branch: Branch) -> None:
    branch.push({RULES: "package access.rules.tiny\n"})
    number = branch.propose({RULES: START[RULES]}, author=BOB)
    branch.merge(number)
    assert ungoverned(branch) == {}


def test_recorded_proofs_of_the_rules_are_used_again(branch: Branch) -> None:
    branch.govern(SHORT)
    branch.now += MINUTE
    known = {proof.commit: proof for proof in branch.stand().fresh}
    branch.forge.asked.clear()
    found = branch.stand(known)
    assert (found.ungoverned, found.fresh, branch.forge.asked) == ((), (), [])
