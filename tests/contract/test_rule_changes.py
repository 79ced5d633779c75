"""Changes of settings and rules that would lock people out: refused before they merge, and mended
where one is on the branch all the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.history.branch_files import at_top
from pipeline.judge import assess
from pipeline.judge.assessment import Assessment
from pipeline.judge.decide import Verdict
from pipeline.judge.rule_change_effects import aftermath
from pipeline.policy.rego import RegorusEngine
from pipeline.policy_tools.examine import faults_of_answers
from pipeline.policy_tools.setting_checks import wrong_settings
from pipeline.reading.yaml_strict import Items, Node, Report, Scalar, Table, load
from pipeline.values.problem import Problem
from tests.unit.support_branch import PAYOUTS, REPORTS, Branch
from tests.unit.support_memory import Files
from tests.unit.support_policies import policy_files
from tests.unit.support_rule_changes import (
    DECLARED,
    ELIGIBILITY,
    EMERGENCY,
    LIMITS,
    OWN,
    REVIEWERS,
    edited,
    organisation,
)
from tests.unit.support_tiny_rules import BOB, DAN, ROLES, START, TARGETS, TEAMS, grant

OWN_RULE = "policies/access/rules/own/own.rego"
RULE = """\
# METADATA
# title: Own
# description: A rule of the organisation's own.
package access.rules.own

import data.lib.request
import data.lib.result

# METADATA
# description: Every code of this package.
codes := {"own"}

# METADATA
# title: Own
# description: A rule of the organisation's own.
# custom:
#   code: own
#   message: not like this
#   solution: ask otherwise
deny contains result.whole("own", {}) if {
	request.adds_access
	not _fine
}

_fine if input.grant.duration <= 86400
"""


def proposed(branch: Branch, files: Files) -> Assessment:
    """Returns what is found of a change of the rules that security has approved."""
    number = branch.propose(files, author=BOB)
    branch.show(number)
    branch.review(number, DAN)
    return branch.assess(number)


def told(found: Assessment) -> list[tuple[str, int, int, str]]:
    assert found.decision.verdict is Verdict.INVALID
    return [(one.path, one.line, one.column, one.code) for one in found.problems]


# What is refused before it merges

NAMES = {
    "a team of nobody": (
        edited(ELIGIBILITY, "[engineering]", "[engineering, Contractors]"),
        (ELIGIBILITY, 8, 26, "unknown-name"),
    ),
    "with the organisation": (
        edited(REVIEWERS, "[security]", "[acme/security]"),
        (REVIEWERS, 2, 18, "unknown-name"),
    ),
    "mistyped": (
        edited(REVIEWERS, "[security]", "[sekurity]"),
        (REVIEWERS, 2, 18, "unknown-name"),
    ),
    "mistyped in a step": (
        edited(REVIEWERS, "low: []", "low:\n    - {teams: [payments-laeds], count: 1}"),
        (REVIEWERS, 10, 16, "unknown-name"),
    ),
    "mistyped where emergencies are reviewed": (
        edited(EMERGENCY, "[payments-leads]", "[payments-laeds]"),
        (EMERGENCY, 8, 16, "unknown-name"),
    ),
    "nobody for security": (
        edited(REVIEWERS, "[security]", "[]"),
        (REVIEWERS, 2, 1, "setting-invalid"),
    ),
    "two hours in words": (
        edited(LIMITS, "prod: 14400", "prod: 2h"),
        (LIMITS, 7, 3, "setting-invalid"),
    ),
    "an owner that is mistyped": (
        {TARGETS: START[TARGETS].replace("[leads]", "[leds]", 1)},
        (TARGETS, 1, 56, "unknown-team"),
    ),
    "a team that settings still name": (
        {TEAMS: DECLARED.replace("engineering:", "builders:")},
        (ELIGIBILITY, 8, 13, "unknown-name"),
    ),
    "an id in quotes": (
        {TEAMS: DECLARED.replace("id: 72", 'id: "72"')},
        (TEAMS, 2, 16, "wrong-type"),
    ),
    "http.send": (
        {OWN_RULE: RULE.replace("input.grant.duration", 'http.send({"url": "x"}).status')},
        (OWN_RULE, 25, 10, "built-in"),
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_words_and_numbers_that_would_lock_people_out_are_refused_at_their_place(
    name: str,
) -> None:
    files, place = NAMES[name]
    found = proposed(organisation(), files)
    assert told(found) == [place]


def test_a_built_in_that_is_not_listed_is_refused_before_any_engine_sees_it() -> None:
    branch = organisation()

    def unasked(_: object) -> tuple[Problem, ...]:
        raise AssertionError

    branch.trial = branch.trial._replace(bounded=unasked, examined=unasked)
    found = proposed(branch, NAMES["http.send"][0])
    assert told(found) == [NAMES["http.send"][1]]


def test_a_trial_that_was_made_elsewhere_takes_the_place_of_every_question_here() -> None:
    branch = organisation()

    def unasked(_: object) -> tuple[Problem, ...]:
        raise AssertionError

    problem = at_top("policies", "no-way-out", "nobody could")
    branch.trial = branch.trial._replace(bounded=unasked, examined=unasked)
    branch.reported = (problem,)
    assert proposed(branch, {OWN_RULE: RULE}).problems == (problem,)
    branch.reported = ()
    assert proposed(branch, {OWN_RULE: RULE}).decision.verdict is Verdict.ALLOWED
    # What the text shows is looked at here too.
    files, place = NAMES["mistyped"]
    assert told(proposed(branch, files)) == [place]


def test_more_approvals_than_there_are_people_are_refused() -> None:
    most = edited(REVIEWERS, "governance: 1", "governance: 4")
    assert proposed(organisation(), most).decision.verdict is Verdict.ALLOWED
    (problem,) = proposed(
        organisation(), edited(REVIEWERS, "governance: 1", "governance: 5")
    ).problems
    assert problem.message == (
        "a change of the rules would wait for ever: it needs 5 of security, and there are 4 people "
        "who could approve; ask for fewer"
    )


def test_a_rule_of_the_organisation_s_own_and_other_settings_are_fine() -> None:
    changes = {OWN_RULE: RULE, **edited(LIMITS, "prod: 14400", "prod: 7200")}
    assert proposed(organisation(), changes).decision.verdict is Verdict.ALLOWED
    gone = {OWN_RULE: None}
    assert proposed(organisation({OWN_RULE: RULE}), gone).decision.verdict is Verdict.ALLOWED


def test_a_team_that_a_rule_asks_for_is_declared_too() -> None:
    step = """
approvals contains {
	"id": "own",
	"teams": ["platform"],
	"people": [],
	"count": 1,
	"order": 1,
	"because": "risk-high",
} if {
	request.adds_access
	some binding in request.bindings
	binding.role.risk == "critical"
}
"""
    (problem,) = proposed(organisation(), {OWN_RULE: RULE + step}).problems
    assert (problem.code, problem.message) == (
        "no-way-out",
        "a new grant (a role of critical risk in aws) would wait for ever: platform is in neither "
        "access/teams.yaml nor access/principals; correct the name or declare it",
    )


@pytest.mark.parametrize("less", ["takes_away", "narrows"])
def test_a_rule_that_holds_up_less_access_is_refused(less: str) -> None:
    rule = RULE.replace("adds_access", less).replace(
        "input.grant.duration <= 86400", 'input.requester.principal == "bob"'
    )
    (problem,) = proposed(organisation(), {OWN_RULE: rule}).problems
    assert problem.code == "no-way-out"
    assert problem.message.startswith("shortening a grant (a role of low risk in aws) ")
    assert problem.message.endswith("would be denied whoever asks: not like this; ask otherwise")


def test_a_rule_may_leave_changes_of_the_rules_to_some_but_not_to_nobody() -> None:
    some = RULE.replace("request.adds_access", "request.governance").replace(
        "input.grant.duration <= 86400", 'input.requester.principal == "bob"'
    )
    assert proposed(organisation(), {OWN_RULE: some}).decision.verdict is Verdict.ALLOWED
    (problem,) = proposed(organisation(), {OWN_RULE: some.replace('"bob"', '"bobby"')}).problems
    assert problem.message.startswith("a change of the rules would be denied whoever asks")


def numbers(node: Node | None) -> Iterator[Scalar]:
    """Yields every number below *node*."""
    match node:
        case Table():
            for _, value in node.entries:
                yield from numbers(value)
        case Items():
            for value in node.values:
                yield from numbers(value)
        case Scalar() if node.plain and node.value.isdigit():
            yield node


def test_every_number_in_the_settings_is_refused_as_text() -> None:
    files = policy_files()
    tried = 0
    for path in (path for path in files if path.endswith("data.yaml")):
        for number in numbers(load(files[path].encode(), report=Report(path))):
            lines = files[path].splitlines(keepends=True)
            line = lines[number.mark.line - 1]
            before, after = line[: number.mark.column - 1], line[number.mark.column - 1 :]
            lines[number.mark.line - 1] = before + after.replace(number.value, "2h", 1)
            problems = wrong_settings({**files, path: "".join(lines)}, RegorusEngine)
            assert [one.path for one in problems] == [f"policies/{path}"], (path, line)
            # Where neighbours cannot tell which entry it is, the setting's first line is told.
            assert 0 <= number.mark.line - problems[0].line <= 9, (path, line)
            tried += 1
    assert tried == 25


# One fault stays one fault


def test_what_was_wrong_before_holds_up_no_other_change() -> None:
    branch = organisation(edited(ELIGIBILITY, "[engineering]", "[engineering, Contractors]"))
    limits = edited(LIMITS, "prod: 14400", "prod: 7200")
    assert proposed(branch, limits).decision.verdict is Verdict.ALLOWED
    more = edited(ELIGIBILITY, "[engineering]", "[engineering, Contractors, Guests]")
    assert [one.message.split(" is ")[0] for one in proposed(branch, more).problems] == ['"Guests"']


def test_what_was_wrong_once_is_not_wrong_twice() -> None:
    sends = RULE.replace("input.grant.duration", 'http.send({"url": "x"}).status')
    branch = organisation({OWN_RULE: sends})
    prose = {OWN_RULE: sends.replace("not like this", "not so")}
    assert proposed(branch, prose).decision.verdict is Verdict.ALLOWED
    again = {OWN_RULE: f'{sends}\n_fine if http.send({{"url": "y"}}).status == 200\n'}
    assert told(proposed(branch, again)) == [(OWN_RULE, 27, 10, "built-in")]


def test_broken_policies_hold_up_no_change_of_the_catalogue() -> None:
    # Nobody can be offboarded otherwise.
    branch = organisation()
    branch.push({"policies/access/decision/decision.rego": "package elsewhere\n"})
    gone = {"access/principals/alice.yaml": None}
    assert proposed(branch, gone).decision.verdict is Verdict.ALLOWED


def test_whoever_leaves_is_taken_off_even_if_nobody_is_left_to_approve() -> None:
    most = edited(REVIEWERS, "governance: 1", "governance: 4")
    gone = {"access/principals/alice.yaml": None}
    found = proposed(organisation(most), gone)
    assert (found.problems, found.decision.verdict) == ((), Verdict.WAITING)
    named = edited(REVIEWERS, "low: []", "low:\n    - {people: [alice], count: 1}")
    assert proposed(organisation(named), gone).decision.verdict is Verdict.ALLOWED


def test_a_catalogue_that_others_broke_hides_no_built_in_and_holds_up_no_repair() -> None:
    branch = organisation()
    branch.push({ROLES: "log-viewer: [\n"})
    files, place = NAMES["http.send"]
    assert told(proposed(branch, files)) == [place]
    assert proposed(branch, {ROLES: START[ROLES]}).decision.verdict is Verdict.ALLOWED
    # Nor do words that were there before.
    words = organisation(edited(ELIGIBILITY, "[engineering]", "[engineering, Contractors]"))
    words.push({ROLES: "log-viewer: [\n"})
    assert proposed(words, {ROLES: START[ROLES]}).decision.verdict is Verdict.ALLOWED


def test_an_owner_that_nobody_declared_waits_alone() -> None:
    # The anchor was chosen so, or two changes that were fine alone came together.
    lab = START[TARGETS].replace("dev, owners: [leads]", "dev, owners: [leds]")
    branch = organisation({TARGETS: lab})
    asked = {REPORTS: grant(more="ticket: PAY-1\n", roles=("table-reader",))}
    number = branch.propose(asked)
    branch.show(number)
    branch.review(number, BOB)
    assert branch.assess(number).decision.verdict is Verdict.ALLOWED
    there = {path: text.replace("gcp/prod", "gcp/lab") for path, text in asked.items()}
    number = branch.propose(there)
    branch.show(number)
    branch.review(number, BOB)
    found = branch.assess(number)
    assert found.decision.verdict is Verdict.WAITING
    assert found.empty_teams == (
        'nobody is in team "leds": it is not in access/teams.yaml; did you mean "leads"?',
    )
    assert proposed(branch, {ROLES: START[ROLES] + "#\n"}).decision.verdict is Verdict.ALLOWED
    assert proposed(branch, {TARGETS: START[TARGETS]}).decision.verdict is Verdict.ALLOWED
    more = lab.replace("[leads]", "[laeds]")
    assert [one.line for one in proposed(branch, {TARGETS: more}).problems] == [1]


def test_the_tests_of_the_policies_pass_before_they_merge() -> None:
    files = {path: text for path, text in policy_files().items() if "_test." not in path}
    beside = "access/rules/own/own_test.rego"
    test = "package access.rules.own_test\n\ntest_own if {\n\t1 == 2\n}\n"
    assert [
        (one.path, one.line, one.code) for one in faults_of_answers({**files, beside: test})
    ] == [(f"policies/{beside}", 3, "test-failed")]


# What is on the branch all the same

LOCKING = {
    "two hours in words": edited(LIMITS, "prod: 14400", "prod: 2h"),
    "nobody for security": edited(REVIEWERS, "[security]", "[]"),
    "mistyped": edited(REVIEWERS, "[security]", "[sekurity]"),
    "with the organisation": edited(REVIEWERS, "[security]", "[acme/security]"),
}


def locked(name: str, monkeypatch: pytest.MonkeyPatch) -> Branch:
    """Returns a branch on which an earlier release let such settings merge, with a grant from
    before."""
    branch = organisation()
    branch.bring({PAYOUTS: grant(more="ticket: PAY-1\n")})
    bad = branch.propose(LOCKING[name], author=BOB)
    head = branch.forge.pulls[bad].head_sha

    def lenient(sources: object, at: str, *rest: object, **more: object) -> object:
        return () if at == head else aftermath(sources, at, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(assess, "aftermath", lenient)
    branch.show(bad)
    branch.review(bad, DAN)
    branch.merge(bad)
    assert branch.stand().ungoverned == ()
    return branch


@pytest.mark.parametrize("name", LOCKING)
def test_settings_that_lock_everybody_out_are_repaired_by_the_last_that_could_be_used(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    branch = locked(name, monkeypatch)
    repair = {path: OWN[path] for path in (LIMITS, REVIEWERS)}
    found = proposed(branch, repair)
    assert (found.decision.verdict, found.approvers) == (Verdict.ALLOWED, ("dan",))
    number = branch.propose(repair, author=BOB)
    assert branch.assess(number).decision.reasons == (
        "1 more of security must approve: policies, catalogue or workflows change",
    )
    branch.show(number)
    branch.review(number, DAN)
    branch.merge(number)
    asked = branch.propose({REPORTS: grant(more="ticket: PAY-1\n")})
    assert branch.assess(asked).decision.merges_by_itself


def test_a_repair_whose_result_locks_out_again_is_refused_and_less_access_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    branch = locked("two hours in words", monkeypatch)
    found = proposed(branch, edited(LIMITS, "staging: 28800", "staging: 8h"))
    # It says just what was wrong before, so it is told as what it leads to.
    assert told(found) == [("policies", 1, 1, "no-way-out")]
    for less in (None, grant(duration="1h", more="ticket: PAY-1\n")):
        assert branch.assess(branch.propose({PAYOUTS: less})).decision.merges_by_itself


def test_grants_are_judged_by_none_that_stand_in() -> None:
    branch = organisation(LOCKING["two hours in words"])
    found = branch.assess(branch.propose({PAYOUTS: grant(more="ticket: PAY-1\n")}))
    assert found.decision.verdict is Verdict.DENIED
    assert "limits.max_duration_by_environment is missing, of the wrong type" in str(
        found.decision.reasons
    )


def test_settings_pushed_past_the_rules_are_repaired_the_same_way() -> None:
    branch = organisation()
    branch.push(LOCKING["mistyped"])
    found = proposed(branch, {REVIEWERS: OWN[REVIEWERS]})
    assert (found.decision.verdict, found.approvers) == (Verdict.ALLOWED, ("dan",))
