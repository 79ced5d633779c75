"""What a pull request shows of its approvals."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from pipeline.approvals.tally import Authority, Requirement, Voter, tally
from pipeline.cli.check import _say
from pipeline.judge.assessment import Assessment
from pipeline.judge.decide import Decision, Verdict
from pipeline.output.assessments import assessment_document
from pipeline.output.markdown import check_comment
from pipeline.output.text import Painter
from pipeline.output.verdicts import needed
from pipeline.values.catalogue import Delegation
from pipeline.values.pull_request import Actor, PullRequest, Review
from tests.unit.support_reviews import ALICE, BOB, CAROL, HEAD, LONG_AGO, NOW, review

OWNERS = Requirement(id="owners", teams=("leads",), count=1, because="medium risk")
SECURITY = Requirement(id="a-security", people=("carol",), count=1, because="high risk", order=2)
AWAY = Delegation(
    name="daves-leave",
    delegator="dave",
    delegate="bob",
    start=NOW - timedelta(days=1),
    end=NOW + timedelta(days=1),
    reason="on leave",
)
VOTERS = {
    2: Voter(
        principal="bob",
        can_write=True,
        stands_for=(Authority(delegation=AWAY, account=4, teams=frozenset({"leads"})),),
    ),
    3: Voter(principal="carol", can_write=True),
    5: Voter(principal="erin", can_write=True, teams=frozenset({"leads"})),
}
ERIN = Actor(id=5, login="erin", type="User")


def assessed(*reviews: Review, excluded: Mapping[int, str] | None = None) -> Assessment:
    approvals = tally(
        reviews,
        head=HEAD,
        required=(SECURITY, OWNERS),
        electorate=VOTERS,
        excluded=excluded or {},
        at=NOW,
        on_show=[(LONG_AGO, None)],
    )
    return Assessment(
        pull=PullRequest(
            number=7,
            author=ALICE,
            state="open",
            base_ref="main",
            head_ref="alice/request",
            head_sha=HEAD,
            same_repository=True,
        ),
        base="b" * 40,
        kind="grant",
        items=(),
        evaluations=(),
        approvals=approvals,
        problems=(),
        decision=Decision(
            verdict=Verdict.ALLOWED if approvals.complete else Verdict.WAITING,
            reasons=approvals.missing,
        ),
        changes=(),
        policies="c" * 64,
    )


EMPTY = 'nobody is in team "leads": GitHub does not show it with the id 71'


def test_a_team_that_nobody_can_be_in_is_told_while_anything_is_missing() -> None:
    waiting = replace(assessed(), empty_teams=(EMPTY,))
    assert f"- {EMPTY}" in check_comment(waiting)
    assert assessment_document(waiting)["empty_teams"] == [EMPTY]
    assert f"  {EMPTY}" in said(waiting)
    allowed = Decision(verdict=Verdict.ALLOWED, reasons=())
    assert EMPTY not in check_comment(replace(waiting, decision=allowed))


def rows(assessment: Assessment) -> list[str]:
    return [line for line in check_comment(assessment).splitlines() if line.startswith("| ")][2:]


def test_what_can_be_given_now_comes_first_and_the_rest_says_after_what() -> None:
    assessment = assessed(review(CAROL))
    assert rows(assessment) == [
        "| 1 of `leads` | medium risk | – | 1 |",
        "| 1 of `carol` | high risk | – | 1, after owners |",
    ]
    comment = check_comment(assessment)
    assert "- 1 more of leads must approve: medium risk" in comment
    assert "- a\\-security after owners: high risk" in comment
    assert (
        "- carol approved before step owners was complete; approve again once that is so"
    ) in comment


def test_who_approved_for_whom_is_said() -> None:
    assessment = assessed(review(BOB, id=1, minutes_ago=9), review(CAROL, id=2, minutes_ago=8))
    assert rows(assessment) == [
        "| 1 of `leads` | medium risk | bob for dave | – |",
        "| 1 of `carol` | high risk | carol | – |",
    ]
    assert "Approved by bob for dave, carol." in check_comment(assessment)
    # The record names people; the decision's digest tells for whom.
    assert assessment.approvers == ("bob", "carol")


def test_a_delegation_that_is_of_no_use_says_why() -> None:
    comment = check_comment(assessed(review(BOB), excluded={4: "would get the access"}))
    assert "- bob does not count for dave: dave would get the access" in comment


def test_the_document_names_steps_people_and_authorities() -> None:
    document = assessment_document(assessed(review(BOB)))
    assert document["steps"] == [
        {
            "id": "a-security",
            "order": 2,
            "people": [],
            "missing": 1,
            "waits_for": [],
        },
        {
            "id": "owners",
            "order": 1,
            "people": [{"principal": "bob", "authority": "dave"}],
            "missing": 0,
            "waits_for": [],
        },
    ]
    assert (document["notes"], document["spare"]) == ([], [])


def said(assessment: Assessment, merged: str | None = None) -> list[str]:
    out = io.StringIO()
    _say(Painter(out), assessment, merged)
    return out.getvalue().splitlines()


def test_what_is_allowed_says_who_merges_it() -> None:
    allowed = assessed(review(BOB, id=1, minutes_ago=9), review(CAROL, id=2, minutes_ago=8))
    by_a_person = "  a person merges it now, on GitHub, as a squash or a merge commit"
    assert said(allowed) == ["#7: allowed", "  approved by bob for dave, carol", by_a_person]
    by_itself = replace(
        allowed,
        approvals=None,
        decision=Decision(verdict=Verdict.ALLOWED, reasons=(), merges_by_itself=True),
    )
    assert said(by_itself, "d" * 40) == [
        "#7: allowed",
        "  merges by itself: policy allows it",
        f"  merged as {'d' * 12}",
    ]
    assert by_a_person not in said(assessed(review(BOB)))


def test_an_approval_that_nobody_needed_is_told() -> None:
    counted = tally(
        [review(CAROL)],
        head=HEAD,
        required=(),
        electorate=VOTERS,
        excluded={},
        at=NOW,
        on_show=[(LONG_AGO, None)],
        none_required=True,
    )
    by_itself = replace(
        assessed(),
        approvals=counted,
        decision=Decision(verdict=Verdict.ALLOWED, reasons=(), merges_by_itself=True),
    )
    assert said(by_itself) == [
        "#7: allowed",
        "  carol approved, which fills no place: none is needed",
        "  merges by itself: policy allows it",
    ]


def test_an_approval_that_fills_no_place_is_told() -> None:
    allowed = assessed(
        review(BOB, id=1, minutes_ago=9),
        review(CAROL, id=2, minutes_ago=8),
        review(ERIN, id=3, minutes_ago=7),
    )
    assert "  erin approved, which fills no place: all are filled" in said(allowed)
    assert assessment_document(allowed)["spare"] == ["erin"]
    assert "Approvals that fill no place (all places are filled): erin." in check_comment(allowed)
    waiting = assessed(review(BOB), review(ERIN, id=2))
    assert waiting.approvals is not None
    assert waiting.approvals.given == ("erin",)
    assert "  bob approved, which fills no place" in said(waiting)


def test_offline_the_steps_are_told_in_their_order() -> None:
    assert needed((SECURITY, OWNERS)) == ("1 of leads (medium risk); then 1 of carol (high risk)")
