"""Who is asked about, and when, while a pull request is judged as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline.errors import EngineError, InvalidInput, Unanswerable
from pipeline.grants.parse import Parsed
from pipeline.history.branch_files import at_top
from pipeline.history.sources import Sources
from pipeline.judge.assess import Assessor
from pipeline.judge.assessment import Assessment
from pipeline.judge.decide import Verdict
from pipeline.judge.rulebook import Trial
from pipeline.policy.engine import PolicyBundle
from pipeline.values.catalogue import Catalogue, Delegation
from pipeline.values.commits import TreeChange, TreeEntry
from pipeline.values.ids import TargetId
from pipeline.values.pull_request import Actor, PullRequest, Review
from tests.unit.support_memory import Git
from tests.unit.support_policies import entitlement, grant, own_bundle, own_rules, principal
from tests.unit.support_reviews import CHECKER, HEAD, NOW, Desk, declared, person, review

PATH = "access/grants/alice/payouts.yaml"
BASE = "b" * 40
ALICE = Actor(id=1, login="alice", type="User")
BOB = Actor(id=2, login="bob", type="User")
CAROL = Actor(id=3, login="carol", type="User")
LINE = entitlement()
HOME = replace(
    LINE.target, id=TargetId("aws/identity-prod"), name="identity-prod", locator="444455556666"
)
PEOPLE = Catalogue(
    principals={
        "alice": principal(github="alice", github_id=1),
        "bob": person("bob", 2),
        "carol": person("carol", 3),
    },
    targets={LINE.target.id: LINE.target, HOME.id: HOME},
    roles={LINE.role.id: LINE.role},
    teams=declared("payments-leads", "security", "engineering"),
)
AWAY = Delegation(
    name="bobs-leave",
    delegator="bob",
    delegate="carol",
    start=NOW - timedelta(hours=1),
    end=NOW + timedelta(hours=1),
    reason="on leave",
)
OPEN = PullRequest(
    number=7,
    author=ALICE,
    state="open",
    base_ref="main",
    head_ref="alice/request",
    head_sha=HEAD,
    same_repository=True,
)
MERGED = replace(OPEN, state="closed", merged_at=NOW)
CHANGE = TreeChange(
    path=PATH, status="A", old_mode="000000", new_mode="100644", old_blob=None, new_blob="1" * 40
)


class Shelf(Sources):
    """Sources that hold one grant, one catalogue, and the project's own policies."""

    def __init__(self, catalogues: Mapping[str, Catalogue]) -> None:
        super().__init__(Git())
        self._shelved = catalogues

    def catalogue(self, commit: str) -> Catalogue:
        if commit not in self._shelved:
            raise InvalidInput((at_top("access", "broken", "it cannot be read"),))
        return self._shelved[commit]

    def offboarded(self, commit: str, principal: str) -> bool:
        return False

    def policies(self, commit: str) -> PolicyBundle:
        return own_bundle()

    def grant_after(self, commit: str, change: TreeChange) -> Parsed | None:
        return Parsed(grant=grant())

    def entry(self, commit: str, path: str) -> TreeEntry | None:
        return None


class Asking:
    """An engine that asks for the same steps whoever asks."""

    name = "asking"

    def __init__(self, orders: tuple[int, ...] = (1,), excluded: tuple[str, ...] = ()) -> None:
        self._orders = orders
        self._excluded = excluded

    def decide(self, document: Mapping[str, Any]) -> object:
        return {
            "violations": [],
            "warnings": [],
            "approvals": [
                {
                    "id": f"s{order}",
                    "teams": ["payments-leads"],
                    "people": [],
                    "count": 1,
                    "because": "risk-medium",
                    "order": order,
                }
                for order in self._orders
            ],
            "excluded": ["alice", *self._excluded],
            "merges_by_itself": False,
            "why": "approvals",
            "evaluated": sorted(own_rules()),
        }


def assess(
    pull: PullRequest,
    desk: Desk,
    catalogue: Catalogue = PEOPLE,
    engine: Asking | None = None,
    *more: Asking,
) -> Assessment:
    """Judges *pull*, of which a check had shown long before what it gives."""

    def judge(*engines: Asking) -> Assessment:
        return Assessor(
            sources=Shelf({BASE: catalogue}),
            forge=desk,  # type: ignore[arg-type]
            engines=lambda bundle: engines,
            trial=Trial(lambda bundle: engines[0]),
            default_branch="main",
            app_id=None,
            checker=CHECKER,
        ).assess(pull, base=BASE, changes=[CHANGE], history=[], previous={}, now=NOW, sound=[BASE])

    asked = len(desk.asked)
    desk.show(judge(Asking()).external_id)
    del desk.asked[asked:]
    return judge(engine or Asking(), *more)


def desk(reviews: list[Review], members: set[int], **facts: Any) -> Desk:
    return Desk(reviews, members={"payments-leads": members}, **facts)


def test_members_are_asked_when_checked_and_again_when_applied() -> None:
    reviews = [review(BOB)]
    assert assess(OPEN, desk(reviews, {2})).decision.verdict is Verdict.ALLOWED
    assert assess(MERGED, desk(reviews, {2})).decision.verdict is Verdict.ALLOWED
    # bob left the team after the check, before the merge was applied.
    applied = assess(MERGED, desk(reviews, set()))
    assert applied.decision.verdict is Verdict.WAITING
    assert applied.approvers == ()


def test_write_permission_is_asked_again_when_applied() -> None:
    applied = assess(MERGED, desk([review(BOB)], {2}, writers={1}))
    assert applied.decision.verdict is Verdict.WAITING


def test_delegators_are_asked_about_again_when_applied() -> None:
    lending = replace(PEOPLE, delegations=(AWAY,))
    reviews = [review(CAROL)]
    checked = assess(OPEN, desk(reviews, {2}, accounts=[BOB]), lending)
    assert checked.decision.verdict is Verdict.ALLOWED
    assert checked.approvers == ("carol",)
    for later in (
        desk(reviews, set(), accounts=[BOB]),
        desk(reviews, {2}, accounts=[]),
        desk(reviews, {2}, accounts=[BOB], writers={3}),
    ):
        assert assess(MERGED, later, lending).decision.verdict is Verdict.WAITING
    taken_back = assess(MERGED, desk(reviews, {2}, accounts=[BOB]), PEOPLE)
    assert taken_back.decision.verdict is Verdict.WAITING


def test_for_whom_an_approval_counted_is_part_of_the_decision() -> None:
    lending = replace(PEOPLE, delegations=(AWAY,))
    by_herself = assess(OPEN, desk([review(CAROL)], {2, 3}, accounts=[BOB]), lending)
    for_bob = assess(OPEN, desk([review(CAROL)], {2}, accounts=[BOB]), lending)
    assert by_herself.approvers == for_bob.approvers == ("carol",)
    assert by_herself.digest != for_bob.digest


def test_whom_policy_excludes_neither_counts_nor_lends() -> None:
    # So it is with the owner of a workload.
    owner = Asking(excluded=("bob",))
    lending = replace(PEOPLE, delegations=(AWAY,))
    assert assess(OPEN, desk([review(BOB)], {2}), engine=owner).approvers == ()
    lent = assess(OPEN, desk([review(CAROL)], {2}, accounts=[BOB]), lending, owner)
    assert lent.decision.verdict is Verdict.WAITING
    assert lent.approvals is not None
    assert lent.approvals.notes == ("carol does not count for bob: bob is party to the request",)


def test_the_subject_who_lends_passes_nothing_on() -> None:
    to_carol = replace(AWAY, delegator="alice")
    lent = assess(
        OPEN,
        desk([review(CAROL)], {1}, accounts=[ALICE]),
        replace(PEOPLE, delegations=(to_carol,)),
    )
    assert lent.decision.verdict is Verdict.WAITING


def test_more_orders_than_can_be_counted_deny() -> None:
    denied = assess(OPEN, desk([], set()), engine=Asking(orders=(1, 2, 3, 4, 5, 6)))
    assert denied.decision.verdict is Verdict.DENIED
    assert denied.decision.reasons == (
        "policy asks for approvals in 6 orders, at most 5 can be counted; give steps that "
        "need not wait for each other the same order",
    )
    five = assess(OPEN, desk([], set()), engine=Asking(orders=(1, 2, 3, 4, 5)))
    assert five.decision.verdict is Verdict.WAITING


class Other(Asking):
    """The second of two engines."""

    name = "other"


def test_a_difference_between_engines_denies_the_request_alone() -> None:
    reviews = desk([review(BOB)], {2})
    alike = assess(OPEN, reviews, PEOPLE, Asking(), Other())
    assert alike.decision.verdict is Verdict.ALLOWED
    denied = assess(OPEN, reviews, PEOPLE, Asking(), Other(orders=(1, 2)))
    assert denied.decision.verdict is Verdict.DENIED
    (reason,) = denied.decision.reasons
    assert reason.startswith("asking and other decide differently about approvals")


class Failing(Asking):
    """An engine that does not decide."""

    def __init__(self, error: EngineError) -> None:
        super().__init__()
        self._error = error

    def decide(self, document: Mapping[str, Any]) -> object:
        raise self._error


def test_what_the_policies_cannot_answer_is_a_no_and_an_outage_is_no_verdict() -> None:
    broken = assess(OPEN, desk([], {2}), PEOPLE, Asking(), Failing(Unanswerable("two values")))
    assert broken.decision.verdict is Verdict.INVALID
    (problem,) = broken.problems
    assert (problem.path, problem.code) == ("policies", "policies-broken")
    assert "they give no decision: two values" in problem.message
    with pytest.raises(EngineError, match="away"):
        assess(OPEN, desk([], {2}), PEOPLE, Asking(), Failing(EngineError("away")))


class Fickle(Asking):
    """An engine that wants somebody else, whoever has approved."""

    def decide(self, document: Mapping[str, Any]) -> object:
        said = super().decide(document)
        assert isinstance(said, dict)
        if document["approvals"]:
            said["approvals"][0]["teams"] = ["security"]
        return said


def test_approvals_that_change_with_who_approved_deny_the_request_alone() -> None:
    waiting = assess(OPEN, desk([], {2}), engine=Fickle())
    assert waiting.decision.verdict is Verdict.WAITING
    denied = assess(OPEN, desk([review(BOB)], {2}), engine=Fickle())
    assert denied.decision.verdict is Verdict.DENIED
    assert denied.decision.reasons == (
        "the approvals required change with who approved; correct the policies",
    )
