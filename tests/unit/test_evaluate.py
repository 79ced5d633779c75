"""What an engine's answer must be before anything follows from it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from pipeline.approvals.tally import Requirement
from pipeline.errors import EngineError
from pipeline.policy.answer import EnginesDisagree, Requester, evaluate, governance_document
from pipeline.policy.wording import word
from pipeline.values.canonical import canonical
from pipeline.values.catalogue import (
    AzureIdentity,
    AzurePermissions,
    GcpIdentity,
    GcpPermissions,
    Mfa,
    Risk,
)
from pipeline.values.grant import Access
from pipeline.values.ids import Cloud, TargetId
from pipeline.values.problem import Mark
from pipeline.values.pull_request import Actor, PullRequest
from tests.unit.support_policies import (
    ALICE,
    NOW,
    entitlement,
    grant,
    own_rules,
    principal,
    proven,
    put,
    request,
)

RULES = own_rules()
START = int(NOW.timestamp())


class Fixed:
    """An engine that gives one answer, whatever it is asked."""

    def __init__(self, answer: object, name: str = "fixed") -> None:
        self.answer = answer
        self.name = name

    def decide(self, document: Mapping[str, Any]) -> object:
        return copy.deepcopy(self.answer)


class Crashing:
    name = "crashing"

    def decide(self, document: Mapping[str, Any]) -> object:
        raise EngineError("it crashed")


def answer(**changes: Any) -> dict[str, Any]:
    """One that lets a request merge by itself."""
    return {
        "violations": [],
        "warnings": [],
        "approvals": [],
        "excluded": ["alice"],
        "merges_by_itself": True,
        "why": "low-risk",
        "evaluated": sorted(RULES),
        **changes,
    }


def step(**changes: Any) -> dict[str, Any]:
    values = {
        "id": "s",
        "teams": ["sec"],
        "people": [],
        "count": 1,
        "because": "risk-high",
        "order": 1,
    }
    return {**values, **changes}


def waiting(*steps: object, **changes: Any) -> dict[str, Any]:
    return answer(approvals=list(steps), merges_by_itself=False, why="approvals", **changes)


def denial(**changes: Any) -> dict[str, Any]:
    violation = {
        "code": "duration-over-role",
        "binding": 0,
        "values": {"role": "aws/rds-reader", "target": "aws/p", "seconds": 36000, "limit": 28800},
    }
    return answer(violations=[{**violation, **changes}], merges_by_itself=False, why="violations")


def test_a_complete_answer_is_read() -> None:
    evaluation = evaluate(request(), [Fixed(answer())], RULES)
    assert evaluation.violations == evaluation.warnings == evaluation.approvals == ()
    assert evaluation.merges_by_itself
    assert evaluation.why == "every role is of low risk, and somebody with a say in it asks"
    assert evaluation.excluded == ("alice",)
    assert evaluation.evaluated == tuple(sorted(RULES))
    assert evaluation.engines == ("fixed",)


def test_a_violation_is_worded_with_its_place() -> None:
    (violation,) = evaluate(request(), [Fixed(denial())], RULES).violations
    assert violation.code == "duration-over-role"
    assert violation.binding == 0
    assert violation.field == "duration"
    assert str(violation) == (
        "aws/rds-reader on aws/p would last 10h within a day, the role allows 8h; "
        "shorten the duration, or ask again when the earlier access is a day old"
    )


def test_a_violation_of_one_line_is_marked_at_that_line() -> None:
    told = denial(code="owners-missing", values={"target": "aws/p"})
    (violation,) = evaluate(request(), [Fixed(told)], RULES).violations
    line, access = Mark(line=7, column=5), Mark(line=6, column=1)
    assert violation.field == "access.0"
    assert violation.mark(grant(marks={"access.0": line, "access": access})) == line
    assert violation.mark(grant(marks={"access": access})) == access
    assert violation.mark(grant()) is None


def test_approvals_are_requirements_with_words() -> None:
    told = waiting(step(id="b"), step(id="a", teams=["y", "x"], count=2, because="governance"))
    assert evaluate(request(), [Fixed(told)], RULES).approvals == (
        Requirement(
            id="a",
            teams=("x", "y"),
            count=2,
            because="policies, catalogue or workflows change",
        ),
        Requirement(id="b", teams=("sec",), count=1, because="a role of high risk"),
    )


def without(key: str) -> dict[str, Any]:
    told = answer()
    del told[key]
    return told


UNUSABLE: dict[str, object] = {
    "undefined": None,
    "text": "allowed",
    "true": True,
    "list": [answer()],
    "empty": {},
    **{f"without {key}": without(key) for key in answer()},
    **{f"{key} is null": answer(**{key: None}) for key in answer()},
    **{f"{key} is an object": answer(**{key: {}}) for key in answer()},
    "a key more": answer(allow=True),
    "no rule ran": answer(evaluated=[]),
    "one rule did not run": answer(evaluated=sorted(RULES)[1:]),
    "an unknown rule ran": answer(evaluated=[*sorted(RULES), "moon-phase"]),
    "rules that ran are no text": answer(evaluated=[*sorted(RULES), 1]),
    "merges by itself as text": answer(merges_by_itself="true"),
    "merges by itself as number": answer(merges_by_itself=1),
    "merges by itself in spite of approvals": answer(approvals=[step()]),
    "merges by itself in spite of violations": {**denial(), "merges_by_itself": True},
    "merges when approved as text": waiting(step(), merges_when_approved="true"),
    "merges when approved as null": waiting(step(), merges_when_approved=None),
    "merges when approved and nobody can approve": answer(merges_when_approved=True),
    "merges when approved in spite of violations": {**denial(), "merges_when_approved": True},
    "nothing at all": answer(merges_by_itself=False, why="nothing"),
    "nothing for a known reason": answer(merges_by_itself=False, why="approvals"),
    "an unknown reason": answer(why="because"),
    "a reason that is a list": answer(why=["low-risk"]),
    "the subject may approve": answer(excluded=[]),
    "excluded is a name": answer(excluded="alice"),
    "a violation that is text": answer(violations=["no"], merges_by_itself=False),
    "a violation of an unknown rule": denial(code="moon-phase"),
    "a violation whose code is a list": denial(code=["duration-over-role"]),
    "a violation of no binding": denial(binding=1),
    "a violation of binding -2": denial(binding=-2),
    "a violation of binding true": denial(binding=True),
    "a violation of binding 0.0": denial(binding=0.0),
    "values are a list": denial(values=[]),
    "a value is a fraction": denial(values={"limit": 0.5}),
    "a value is an object": denial(values={"limit": {}}),
    "a value is a list of numbers": denial(values={"limit": [1]}),
    "a violation with a key more": denial(allow=True),
    "a warning that is none": answer(warnings=[{}]),
    "an approval that is text": waiting("security"),
    "an approval without id": waiting(step(id="")),
    "an approval whose id is a number": waiting(step(id=1)),
    "an approval by nobody": waiting(step(teams=[])),
    "an approval by no team": waiting(step(teams=[""])),
    "an approval by a team's name": waiting(step(teams="sec")),
    "an approval by no people": waiting(step(count=0)),
    "an approval by -1 people": waiting(step(count=-1)),
    "an approval by 1.0 people": waiting(step(count=1.0)),
    "an approval by true people": waiting(step(count=True)),
    "an approval of order 0": waiting(step(order=0)),
    "an approval of order true": waiting(step(order=True)),
    "an approval of no order": waiting({k: v for k, v in step().items() if k != "order"}),
    "an approval for no known reason": waiting(step(because="because")),
    "an approval for a list of reasons": waiting(step(because=[])),
    "an approval with a key more": waiting(step(optional=True)),
    "the same approval twice": waiting(step(), step(count=2)),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_answer_decides_nothing(name: str) -> None:
    with pytest.raises(EngineError, match="fixed gave an unusable decision"):
        evaluate(request(), [Fixed(UNUSABLE[name])], RULES)


def test_without_an_engine_nothing_is_decided() -> None:
    with pytest.raises(EngineError, match="no policy engine"):
        evaluate(request(), [], RULES)


def test_without_rules_nothing_is_decided() -> None:
    with pytest.raises(EngineError, match="no rules"):
        evaluate(request(), [Fixed(answer(evaluated=[]))], {})


def test_one_crashed_engine_of_two_decides_nothing() -> None:
    with pytest.raises(EngineError, match="it crashed"):
        evaluate(request(), [Fixed(answer()), Crashing()], RULES)


def test_the_order_of_sets_is_no_difference() -> None:
    one = waiting(step(id="a"), step(id="b"), excluded=["alice", "bob"])
    two = waiting(step(id="b"), step(id="a"), excluded=["bob", "alice"])
    evaluation = evaluate(request(), [Fixed(one, "one"), Fixed(two, "two")], RULES)
    assert evaluation.engines == ("one", "two")
    assert evaluation == replace(evaluate(request(), [Fixed(two)], RULES), engines=("one", "two"))


@pytest.mark.parametrize(
    "other, where",
    [
        (waiting(step()), "approvals, merges_by_itself, why"),
        (denial(), "merges_by_itself, violations, why"),
        (answer(excluded=["alice", "bob"]), "excluded"),
        (
            waiting(step(), merges_when_approved=True),
            "approvals, merges_by_itself, merges_when_approved, why",
        ),
    ],
)
def test_a_difference_between_engines_decides_nothing(other: object, where: str) -> None:
    with pytest.raises(EnginesDisagree, match=f"one and two decide differently about {where}:"):
        evaluate(request(), [Fixed(answer(), "one"), Fixed(other, "two")], RULES)


def test_policies_that_do_not_say_who_merges_leave_it_to_people() -> None:
    silent, people = waiting(step()), waiting(step(), merges_when_approved=False)
    found = evaluate(request(), [Fixed(silent)], RULES)
    assert not found.merges_when_approved
    # The digest is that of a release that did not ask.
    assert found == evaluate(request(), [Fixed(people)], RULES)
    app = evaluate(request(), [Fixed(waiting(step(), merges_when_approved=True))], RULES)
    assert app.merges_when_approved
    assert app.digest != found.digest


def test_one_digest_stands_for_one_decision() -> None:
    first = evaluate(request(), [Fixed(answer())], RULES)
    again = evaluate(request(Risk.HIGH), [Fixed(answer())], RULES)
    other = evaluate(request(), [Fixed(waiting(step()))], RULES)
    assert first.digest == again.digest
    assert first.digest != other.digest


@pytest.mark.parametrize(
    "template, values, words",
    [
        ("{a} of {b}", {"a": 1, "b": "x"}, "1 of x"),
        ("{a:duration}", {"a": 5400}, "1h30m"),
        ("{a:duration}", {"a": -60}, "-60"),
        ("{a:duration}", {"a": "long"}, "long"),
        ("{a:time}", {"a": 0}, "1970-01-01T00:00:00Z"),
        ("{a:time}", {"a": 10**15}, "1000000000000000"),
        ("{a:list}", {"a": ("x", "y")}, "x, y"),
        ("{a:list}", {"a": ()}, "nothing"),
        ("{a} {b}", {"a": None}, "nothing nothing"),
        ("{a}", {"a": True}, "true"),
        ("{a}", {"a": False}, "false"),
        ("{a}", {"a": "{b}", "b": "secret"}, "{b}"),
        ("{a.__class__} {0}", {"a": 1}, "{a.__class__} {0}"),
    ],
)
def test_values_become_words(template: str, values: dict[str, Any], words: str) -> None:
    assert word(template, values) == words


def test_the_question_is_plain_values_with_times_as_numbers_and_text() -> None:
    document = request(
        grant=grant(start=NOW),
        previous=proven(),
        pull=PullRequest(
            number=7,
            author=ALICE,
            state="open",
            base_ref="main",
            head_ref="x",
            head_sha="a" * 40,
            same_repository=True,
        ),
        approvals=["carol", "bob", "carol"],
    )
    canonical(document)
    assert document["now"] == document["grant"]["start"] == START
    assert document["now_text"] == document["grant"]["start_text"] == "2026-11-20T18:00:00Z"
    assert document["window"] == {
        "start": START,
        "end": START + 7200,
        "start_text": "2026-11-20T18:00:00Z",
        "end_text": "2026-11-20T20:00:00Z",
    }
    assert document["previous"]["window"] == document["window"]
    assert document["previous"]["requester"] == "alice"
    assert document["pull"] == {"number": 7, "head": "a" * 40}
    assert document["approvals"] == [{"principal": "bob"}, {"principal": "carol"}]
    assert document["requester"] == {
        "id": 5831044,
        "login": "alice-gh",
        "principal": "alice",
        "teams": [],
        "is_app": False,
    }


@pytest.mark.parametrize(
    "reason, length, folded",
    [
        ("  Need   ACCESS now.  ", 14, "need access now"),
        ("\u00a0\u2003x\n", 1, "x"),
        ("", 0, ""),
        ("Straße!!", 8, "strasse"),
    ],
)
def test_reasons_are_measured_before_policies_see_them(
    reason: str, length: int, folded: str
) -> None:
    asked = request(grant=grant(reason=reason))["grant"]
    assert (asked["reason_length"], asked["reason_folded"]) == (length, folded)


def test_the_question_holds_each_clouds_permissions_and_second_factors() -> None:
    line = entitlement()
    azure = replace(
        line,
        target=replace(line.target, cloud=Cloud.AZURE, id=TargetId("azure/a")),
        role=replace(line.role, permissions=AzurePermissions(role_definition_id="72fafb9e")),
        home=line.target,
    )
    gcp = replace(
        line,
        target=replace(line.target, cloud=Cloud.GCP, id=TargetId("gcp/g")),
        role=replace(line.role, permissions=GcpPermissions(role="roles/viewer")),
    )
    document = request(
        grant=grant(access=(Access(target=TargetId("azure/a"), role="r"),)),
        entitlements=(azure, gcp),
        subject=principal(
            azure=AzureIdentity(object_id="6f1c", type="User", mfa=Mfa.IDENTITY_PROVIDER),
            gcp=GcpIdentity(member="user:alice@example.com"),
        ),
        subject_teams=["b", "a", "b"],
    )
    first, second = document["bindings"]
    assert first["role"]["permissions"] == {"role_definition_id": "72fafb9e"}
    assert first["home"] == "aws/payments-prod"
    assert second["role"]["permissions"] == {"role": "roles/viewer"}
    assert second["index"] == 1
    assert document["subject"]["teams"] == ["a", "b"]
    assert document["subject"]["identities"] == {
        "aws": {"mfa": "identity-provider"},
        "azure": {"mfa": "identity-provider"},
        "gcp": {"mfa": None},
    }


def test_a_subject_without_a_file_is_disabled() -> None:
    subject = request(subject=None)["subject"]
    assert subject["name"] == "alice"
    assert subject["disabled"] is True
    assert subject["identities"] == {"aws": None, "azure": None, "gcp": None}


def test_a_deleted_account_asks_as_nobody() -> None:
    asked = request(requester=Requester(actor=None, principal=None))["requester"]
    assert (asked["id"], asked["login"], asked["principal"]) == (None, None, None)


def test_another_principal_is_no_subject() -> None:
    with pytest.raises(ValueError, match="the subject is alice, not bob"):
        request(subject=principal(name="bob"))


def test_a_naive_moment_is_refused() -> None:
    naive: Callable[[], object] = lambda: governance_document(  # noqa: E731
        paths=["policies"],
        now=datetime(2026, 11, 20),  # noqa: DTZ001
        requester=Requester(actor=Actor(id=1, login="a", type="User"), principal="alice"),
    )
    with pytest.raises(ValueError, match="offset"):
        naive()


def test_governance_excludes_whoever_asks() -> None:
    document = governance_document(
        paths=["b", "a", "a"], now=NOW, requester=Requester(actor=ALICE, principal="alice")
    )
    assert document["paths"] == ["a", "b"]
    assert document["kind"] == "governance"
    with pytest.raises(EngineError, match="not excluded from approving: alice"):
        evaluate(document, [Fixed(waiting(step(), excluded=[]))], RULES)


def test_the_person_asked_for_is_excluded() -> None:
    document = put(request(), ("grant", "requested_by"), "carol")
    with pytest.raises(EngineError, match="not excluded from approving: carol"):
        evaluate(document, [Fixed(answer())], RULES)
