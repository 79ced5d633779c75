"""An open pull request, judged by what the default branch holds: what a check would find."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pipeline.errors import EngineError, ForgeError
from pipeline.judge.assessment import Assessment
from pipeline.judge.decide import Verdict
from tests.unit.support_branch import KEEPER, PAYOUTS, REPORTS, Branch
from tests.unit.support_memory import File
from tests.unit.support_tiny_rules import (
    ALICE,
    BOB,
    CAROL,
    DAN,
    LIMITS,
    MALLORY,
    ROLES,
    RULES,
    START,
    TABLES,
    TARGETS,
    grant,
)

ALICE_FILE = "access/principals/alice.yaml"
NOT_UTF8 = File(b"max_duration: \xff\n")


@pytest.fixture
def branch() -> Branch:
    return Branch()


def codes(found: Assessment) -> list[str]:
    assert found.decision.verdict is Verdict.INVALID
    return [one.code for one in found.problems]


class Unasked:
    """An engine that must not be asked."""

    name = "unasked"

    def decide(self, document: Mapping[str, Any]) -> object:
        raise AssertionError("nobody reviewed these policies")


class Away:
    """An engine that cannot be reached."""

    name = "away"

    def decide(self, document: Mapping[str, Any]) -> object:
        raise EngineError("OPA is away")


# What is shown


def test_a_request_shows_its_lines_its_window_from_now_and_its_bindings(branch: Branch) -> None:
    found = branch.assess(branch.propose({PAYOUTS: TABLES}))
    assert (found.kind, found.base, found.requester) == ("grant", branch.tip, "alice")
    assert found.decision.verdict is Verdict.WAITING
    (item,) = found.items
    assert (item.path, item.change, item.previous) == (PAYOUTS, "create", None)
    assert item.window is not None
    assert item.window.start == branch.now
    assert [line.role.name for line in item.entitlements] == ["table-reader"]
    assert [one.locator for one in item.bindings] == ["acme-prod"]


def test_an_extension_shows_the_start_that_it_keeps(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    began = branch.now
    (item,) = branch.assess(branch.propose({PAYOUTS: grant(duration="3h")})).items
    assert item.change == "widen"
    assert item.window is not None
    assert item.window.start == began
    moved = grant(more="start: 2026-11-20T20:00:00Z\n")
    (item,) = branch.assess(branch.propose({PAYOUTS: moved})).items
    assert item.window is not None
    assert item.window.start == began.replace(hour=20, minute=0)


def test_a_deletion_shows_what_goes_and_no_bindings(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    found = branch.assess(branch.propose({PAYOUTS: None}))
    (item,) = found.items
    assert (item.change, item.window, item.bindings) == ("delete", None, ())
    assert [line.role.name for line in item.entitlements] == ["log-viewer"]
    assert found.decision.merges_by_itself


def test_several_deletions_come_together_and_each_needs_its_own_say(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.bring({"access/grants/carol/logs.yaml": grant("carol")}, author=CAROL)
    both = {PAYOUTS: None, "access/grants/carol/logs.yaml": None}
    found = branch.assess(branch.propose(both))
    assert len(found.items) == 2
    assert found.decision.verdict is Verdict.WAITING
    assert branch.assess(branch.propose(both, author=KEEPER)).decision.merges_by_itself


def test_a_narrowing_shows_what_it_keeps_and_needs_no_catalogue_that_knows_it(
    branch: Branch,
) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.govern({ROLES: START[ROLES].replace("roles/logging.viewer", "roles/logging.admin")})
    number = branch.propose({PAYOUTS: grant(duration="1h")})
    (item,) = branch.assess(number).items
    assert item.change == "narrow"
    assert "logging.viewer" in str(item.entitlements)
    assert "logging.viewer" in str(item.bindings)
    branch.govern({ROLES: START[ROLES].replace("log-viewer:", "log-reader:")})
    assert branch.assess(number).decision.verdict is Verdict.ALLOWED
    assert codes(branch.assess(branch.propose({PAYOUTS: grant(duration="3h")}))) == ["unknown-role"]


# Whoever left


def test_the_grant_of_somebody_whose_file_is_gone_can_still_be_deleted(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.govern({ALICE_FILE: None})
    number = branch.propose({PAYOUTS: None}, author=CAROL)
    found = branch.assess(number)
    (item,) = found.items
    assert (item.change, item.entitlements) == ("delete", ())
    assert found.decision.verdict is Verdict.WAITING
    branch.show(number)
    branch.review(number, BOB)
    assert branch.assess(number).decision.verdict is Verdict.ALLOWED


# Files that are no grants


@pytest.mark.parametrize("path", ["access/grants/alice/notes.txt", PAYOUTS])
def test_deleting_what_never_was_a_grant_is_judged_as_a_change_of_the_rules(path: str) -> None:
    branch = Branch({path: "no: grant\n"})
    number = branch.propose({path: None})
    found = branch.assess(number)
    assert (found.kind, found.items, found.problems) == ("grant", (), ())
    assert found.decision.reasons == (
        "1 more of security must approve: policies, catalogue or workflows change",
    )
    branch.show(number)
    branch.review(number, DAN)
    assert branch.assess(number).decision.verdict is Verdict.ALLOWED


def test_a_version_that_was_never_proven_cannot_be_changed(branch: Branch) -> None:
    branch.push({PAYOUTS: grant()})
    found = branch.assess(branch.propose({PAYOUTS: grant(duration="1h")}))
    assert codes(found) == ["unproven"]
    assert branch.assess(branch.propose({PAYOUTS: None})).decision.verdict is Verdict.ALLOWED


def test_what_no_cloud_object_can_hold_is_a_problem_of_the_request() -> None:
    actions = ", ".join(f"s3:Get{'x' * 80}{index}" for index in range(150))
    branch = Branch(
        {
            "access/targets/aws.yaml": (
                'prod: {account: "111122223333", environment: prod, owners: [leads]}\n'
            ),
            "access/roles/aws.yaml": (
                "wide: {title: Wide, risk: low, max_duration: 8h, "
                f'permissions: {{actions: [{actions}], resources: ["*"]}}}}\n'
            ),
            ALICE_FILE: f'{START[ALICE_FILE]}  aws: {{arn: "arn:aws:iam::111122223333:user/a"}}\n',
        }
    )
    asked = grant(roles=("wide",)).replace("gcp/", "aws/")
    found = branch.assess(branch.propose({PAYOUTS: asked}))
    assert codes(found) == ["cannot-be-provisioned"]
    assert found.items == ()


# Rules that are unproven, or cannot be used


def test_while_a_rule_is_unproven_a_request_is_denied_without_asking_it(branch: Branch) -> None:
    branch.push({LIMITS: "max_duration: 36000\n"})
    branch.engines = [Unasked()]
    found = branch.assess(branch.propose({PAYOUTS: grant()}))
    assert found.decision.verdict is Verdict.DENIED
    assert found.decision.reasons == (
        "what decides is not proven on the default branch, so only less access can be judged",
    )


@pytest.mark.parametrize("less", [None, grant(duration="1h")], ids=["delete", "narrow"])
def test_while_a_rule_is_unproven_less_access_is_judged_by_the_last_that_was_sound(
    branch: Branch, less: str | None
) -> None:
    branch.bring({PAYOUTS: grant()})
    branch.push({RULES: "package access.rules.tiny\n"})
    found = branch.assess(branch.propose({PAYOUTS: less}))
    assert found.decision.merges_by_itself


def test_problems_of_catalogue_and_policies_are_reported_together(
    branch: Branch,
) -> None:
    branch.push({ROLES: "log-viewer: [\n", LIMITS: NOT_UTF8})
    found = branch.assess(branch.propose({PAYOUTS: grant()}))
    assert codes(found)
    assert {one.path for one in found.problems} == {ROLES, LIMITS}
    assert (found.policies, found.requester, found.items) == ("", None, ())


def test_rules_that_do_not_say_what_they_are_are_a_problem_of_theirs() -> None:
    branch = Branch({RULES: START[RULES].replace("# METADATA", "# DATA")})
    found = branch.assess(branch.propose({PAYOUTS: grant()}))
    assert sorted(codes(found)) == ["annotation", "rule-code"]
    assert {one.path for one in found.problems} == {RULES}


def test_an_engine_that_does_not_start_is_an_outage_unless_the_policies_are_to_blame(
    branch: Branch,
) -> None:
    branch.engines = [Away()]
    with pytest.raises(EngineError, match="OPA is away"):
        branch.assess(branch.propose({PAYOUTS: grant()}))
    broken = Branch({"policies/access/decision/decision.rego": "package elsewhere\n"})
    broken.engines = [Away()]
    found = broken.assess(broken.propose({PAYOUTS: grant()}))
    assert codes(found) == ["policies-broken"]
    assert "they give no decision" in found.problems[0].message


# What a change of the rules would leave behind


@pytest.mark.parametrize(
    "files,places",
    [
        pytest.param({ROLES: "log-viewer: [\n"}, {ROLES}, id="catalogue"),
        pytest.param({LIMITS: NOT_UTF8}, {LIMITS}, id="no-text"),
        pytest.param({RULES: "package access.rules.tiny\n"}, {"policies/access/rules"}, id="empty"),
        pytest.param({RULES: f"{START[RULES]}if if\n"}, {"policies"}, id="no-rego"),
        pytest.param(
            {ROLES: "log-viewer: [\n", LIMITS: NOT_UTF8}, {ROLES, LIMITS}, id="both-at-once"
        ),
    ],
)
def test_rules_that_could_not_be_read_are_refused_before_they_merge(
    branch: Branch, files: Mapping[str, str | File], places: set[str]
) -> None:
    number = branch.propose(files, author=BOB)
    branch.show(number)
    branch.review(number, DAN)
    found = branch.assess(number)
    assert codes(found)
    assert {one.path for one in found.problems} == places


def test_a_target_is_not_struck_off_while_a_grant_may_be_held_there(branch: Branch) -> None:
    branch.bring({PAYOUTS: grant()})
    lines = START[TARGETS].splitlines(keepends=True)
    lab_only, prod_only = "".join(lines[1:]), "".join(lines[:1])
    assert codes(branch.assess(branch.propose({TARGETS: lab_only}, author=BOB))) == [
        "target-in-use"
    ]
    found = branch.assess(branch.propose({TARGETS: prod_only}, author=BOB))
    assert found.decision.verdict is Verdict.WAITING


def test_a_change_that_touches_neither_catalogue_nor_policies_leaves_nothing_behind(
    branch: Branch,
) -> None:
    branch.push({ROLES: "log-viewer: [\n"})
    number = branch.propose({".github/workflows/apply.yml": "on: push\n"}, author=BOB)
    branch.show(number)
    branch.review(number, DAN)
    assert branch.assess(number).decision.verdict is Verdict.ALLOWED


def test_whose_emergency_a_review_is_about_does_not_approve_it(branch: Branch) -> None:
    branch.forge.teams["security"].add(ALICE.id)
    text = f"grant: alice/payouts\ncommit: {'1' * 40}\nfinding: justified\nnotes: It was needed\n"
    review = branch.propose({"access/reviews/alice/payouts.yaml": text}, author=BOB)
    other = branch.propose({".github/workflows/apply.yml": "on: push\n"}, author=BOB)
    for number in (review, other):
        branch.show(number)
        branch.review(number, ALICE)
    assert branch.assess(review).decision.verdict is Verdict.WAITING
    assert branch.assess(other).decision.verdict is Verdict.ALLOWED


# People


def test_a_request_by_a_stranger_is_judged_as_nobody_s(branch: Branch) -> None:
    found = branch.assess(branch.propose({PAYOUTS: grant()}, author=MALLORY))
    assert found.requester is None
    assert found.decision.verdict is Verdict.WAITING


def test_a_request_of_an_account_that_is_gone_is_judged_as_nobody_s(branch: Branch) -> None:
    found = branch.assess(branch.propose({PAYOUTS: grant()}, author=None))
    assert found.requester is None
    assert found.decision.verdict is Verdict.DENIED
    assert "was opened by an account that is gone" in found.decision.reasons[0]


def test_whoever_pushed_to_a_request_of_the_app_is_judged_as_if_asking() -> None:
    limit = "input.grant.duration <= data.settings.limits.max_duration"
    assert limit in START[RULES]
    branch = Branch({RULES: START[RULES].replace(limit, 'input.requester.principal != "carol"')})
    by_app = branch.propose({PAYOUTS: TABLES}, author=KEEPER)
    by_alice = branch.propose({REPORTS: TABLES})
    assert branch.assess(by_app).decision.verdict is Verdict.WAITING
    for number, path in ((by_app, PAYOUTS), (by_alice, REPORTS)):
        branch.push_to(number, {path: TABLES.replace("2h", "3h")}, by=CAROL)
    assert branch.assess(by_app).decision.verdict is Verdict.DENIED
    assert branch.assess(by_alice).decision.verdict is Verdict.WAITING


def test_a_request_in_somebody_s_name_is_not_approved_by_them(branch: Branch) -> None:
    asked = TABLES.replace("duration", "requested_by: bob\nduration")
    number = branch.propose({PAYOUTS: asked}, author=KEEPER)
    branch.show(number)
    branch.review(number, BOB)
    assert branch.assess(number).decision.verdict is Verdict.WAITING
    branch.show(number)
    branch.review(number, CAROL)
    found = branch.assess(number)
    assert (found.decision.verdict, found.approvers) == (Verdict.ALLOWED, ("carol",))


@pytest.mark.parametrize("now", [None, 99], ids=["renamed", "made anew by somebody else"])
def test_nobody_approves_for_a_team_that_github_shows_no_more(
    branch: Branch, now: int | None
) -> None:
    branch.forge.team_ids["leads"] = now
    number = branch.propose({PAYOUTS: TABLES})
    branch.show(number)
    branch.review(number, BOB)
    found = branch.assess(number)
    assert found.decision.verdict is Verdict.WAITING
    assert found.empty_teams == (
        'nobody is in team "leads": GitHub does not show it with the id 71; correct '
        "access/teams.yaml",
    )
    # What does not need that team goes on.
    rules = branch.propose({LIMITS: "max_duration: 36000\n"}, author=BOB)
    branch.show(rules)
    branch.review(rules, DAN)
    assert branch.assess(rules).decision.verdict is Verdict.ALLOWED
    assert branch.assess(branch.propose({REPORTS: grant()})).decision.merges_by_itself


def test_nobody_is_in_a_team_that_settings_name_and_nobody_declared() -> None:
    # Merged before teams were declared, or by two changes that each were fine alone.
    words = "security_teams: [security]\nteams: [engineering, Contractors, acme/security]\n"
    branch = Branch({"policies/settings/reviewers/data.yaml": words})
    number = branch.propose({PAYOUTS: TABLES})
    branch.show(number)
    branch.review(number, BOB)
    found = branch.assess(number)
    assert found.decision.verdict is Verdict.ALLOWED
    assert [one.partition(":")[0] for one in found.empty_teams] == [
        f'nobody is in team "{word}"' for word in ("Contractors", "acme/security", "engineering")
    ]
    assert not any("Contractors" in one for one in branch.forge.asked)


def test_an_outage_while_counting_is_no_verdict(branch: Branch) -> None:
    number = branch.propose({REPORTS: TABLES})
    branch.forge.failures["reviews"] = ForgeError("GitHub is away")
    with pytest.raises(ForgeError):
        branch.assess(number)
