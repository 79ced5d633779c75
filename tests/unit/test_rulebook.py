"""What judges while the rules are broken: nothing new, and less access by what was whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.errors import InvalidInput
from pipeline.history.branch_files import at_top
from pipeline.history.sources import Sources
from pipeline.judge.rulebook import Rulebooks, Trial
from pipeline.policy.engine import PolicyBundle
from pipeline.policy.rego import RegorusEngine
from pipeline.values.catalogue import Catalogue, Delegation
from pipeline.values.problem import Problem
from tests.unit.support_policies import own_bundle, own_settings, principal
from tests.unit.support_reviews import declared, person

BASE, NEAR, FAR = "b" * 40, "c" * 40, "d" * 40
NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
LENT = Delegation(
    name="bobs-leave",
    delegator="bob",
    delegate="carol",
    start=NOW,
    end=NOW + timedelta(hours=1),
    reason="on leave",
)
NOBODY = Catalogue(principals={}, targets={}, roles={})
PEOPLE = replace(
    NOBODY, principals={"alice": principal(), "bob": person("bob", 2)}, delegations=(LENT,)
)
OWN = own_bundle()
STRICTER = replace(OWN, data={**OWN.data, "note": {"text": "another version"}})
UNDEFINED = replace(OWN, modules={**OWN.modules, "access/decision/decision.rego": "package x"})
NO_REGO = replace(OWN, modules={**OWN.modules, "lib/more/more.rego": "package lib.more\nif if"})
TWICE = replace(
    OWN,
    modules={
        **OWN.modules,
        "access/rules/again/again.rego": OWN.modules["access/rules/mfa/mfa.rego"],
    },
)
TRIAL = Trial(RegorusEngine)


class Shelf(Sources):
    """Sources that hold a catalogue and policies by commit, and nothing at any other."""

    def __init__(
        self,
        catalogues: Mapping[str, Catalogue],
        policies: Mapping[str, PolicyBundle],
        gone: Collection[str] = (),
    ) -> None:
        self._shelved = catalogues
        self._policies = policies
        self._gone = gone

    def catalogue(self, commit: str) -> Catalogue:
        if commit not in self._shelved:
            raise InvalidInput((at_top("access", "broken", f"catalogue of {commit[:1]}"),))
        return self._shelved[commit]

    def offboarded(self, commit: str, principal: str) -> bool:
        return commit == BASE and principal in self._gone

    def policies(self, commit: str) -> PolicyBundle:
        if commit not in self._policies:
            raise InvalidInput((at_top("policies", "broken", f"policies of {commit[:1]}"),))
        return self._policies[commit]


def test_problems_of_catalogue_and_policies_are_told_together() -> None:
    with pytest.raises(InvalidInput) as refused:
        Rulebooks(Shelf({}, {}), TRIAL).at(BASE)
    said = [problem.message for problem in refused.value.problems]
    assert said == ["catalogue of b", "policies of b"]


def test_what_is_whole_is_judged_by_itself() -> None:
    shelf = Shelf({BASE: PEOPLE, NEAR: NOBODY}, {BASE: STRICTER, NEAR: OWN})
    book = Rulebooks(shelf, TRIAL).standing_in(BASE, [BASE, NEAR])
    assert (book.catalogue, book.policies) == (PEOPLE, STRICTER)
    assert Rulebooks(shelf, TRIAL).at(BASE) == book


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(None, id="unreadable"),
        pytest.param(UNDEFINED, id="undefined"),
        pytest.param(NO_REGO, id="no-rego"),
        pytest.param(TWICE, id="code-twice"),
    ],
)
def test_the_nearest_policies_that_answer_stand_in_and_the_catalogue_stays(
    broken: PolicyBundle | None,
) -> None:
    at_base = {} if broken is None else {BASE: broken}
    shelf = Shelf({BASE: PEOPLE, NEAR: NOBODY}, {**at_base, NEAR: STRICTER, FAR: OWN})
    book = Rulebooks(shelf, TRIAL).standing_in(BASE, [BASE, NEAR, FAR])
    assert (book.catalogue, book.policies) == (PEOPLE, STRICTER)


def test_the_nearest_policies_that_leave_a_way_out_stand_in() -> None:
    settings = own_settings()
    settings["limits"]["max_duration_by_environment"]["prod"] = "2h"
    unusable = replace(OWN, data={"settings": settings})
    settings = own_settings()
    settings["reviewers"]["security_teams"] = ["sekurity"]
    nobody = replace(OWN, data={"settings": settings})
    people = replace(PEOPLE, teams=declared("security"))
    shelf = Shelf({BASE: people}, {BASE: unusable, NEAR: nobody, FAR: OWN})
    assert Rulebooks(shelf, TRIAL).standing_in(BASE, [BASE, NEAR, FAR]) == (people, OWN)
    # Where none leaves one, what takes away is judged by the nearest that answer.
    assert Rulebooks(shelf, TRIAL).standing_in(BASE, [BASE, NEAR]) == (people, unusable)
    # Teams that were declared then, and are no more.
    shelf = Shelf({BASE: PEOPLE, FAR: people}, {BASE: unusable, FAR: OWN})
    older = replace(people, delegations=())
    assert Rulebooks(shelf, TRIAL).standing_in(BASE, [BASE, FAR]) == (older, OWN)
    # Grants by none but the branch's own.
    assert Rulebooks(shelf, TRIAL).at(BASE) == (PEOPLE, unusable)


def test_what_only_the_reference_engine_refuses_is_unusable_too() -> None:
    odd = at_top("policies/lib/x.rego", "policies-broken", "it is recursive")

    def compiled(policies: PolicyBundle) -> tuple[Problem, ...]:
        return (odd,) if policies == STRICTER else ()

    books = Rulebooks(
        Shelf({BASE: PEOPLE}, {BASE: STRICTER, NEAR: OWN}), Trial(RegorusEngine, compiled)
    )
    assert books.unusable(STRICTER) == (odd,)
    assert books.unusable(OWN) == ()
    assert books.standing_in(BASE, [BASE, NEAR]).policies == OWN


def test_only_sound_commits_stand_in() -> None:
    # The nearer one was pushed around the review: it is not among the sound.
    shelf = Shelf({BASE: NOBODY, FAR: PEOPLE}, {BASE: OWN, NEAR: STRICTER, FAR: OWN})
    assert Rulebooks(shelf, TRIAL).standing_in(BASE, [FAR]) == (
        replace(PEOPLE, delegations=()),
        OWN,
    )
    with pytest.raises(InvalidInput) as refused:
        Rulebooks(shelf, TRIAL).standing_in(BASE, [])
    assert [problem.code for problem in refused.value.problems] == ["unproven"]


def test_where_nothing_can_be_used_the_problems_of_the_base_are_told() -> None:
    with pytest.raises(InvalidInput) as refused:
        Rulebooks(Shelf({BASE: PEOPLE}, {}), TRIAL).standing_in(BASE, [NEAR])
    assert [problem.message for problem in refused.value.problems] == ["policies of b"]


def test_an_older_catalogue_lends_nothing() -> None:
    own = Rulebooks(Shelf({BASE: PEOPLE}, {BASE: OWN}), TRIAL).standing_in(BASE, [BASE])
    assert own.catalogue.delegations == (LENT,)
    older = Rulebooks(Shelf({NEAR: PEOPLE}, {BASE: OWN}), TRIAL).standing_in(BASE, [BASE, NEAR])
    assert older.catalogue.delegations == ()
    assert older.catalogue.principals == PEOPLE.principals


def test_whoever_is_offboarded_since_is_nobody_in_an_older_catalogue() -> None:
    shelf = Shelf({NEAR: PEOPLE}, {BASE: OWN}, gone={"bob"})
    found = Rulebooks(shelf, TRIAL).standing_in(BASE, [BASE, NEAR])
    assert set(found.catalogue.principals) == {"alice"}


def test_the_policies_are_tried_once() -> None:
    tried: list[PolicyBundle] = []

    def engine(policies: PolicyBundle) -> RegorusEngine:
        tried.append(policies)
        return RegorusEngine(policies)

    books = Rulebooks(Shelf({BASE: PEOPLE}, {BASE: OWN, NEAR: OWN}), Trial(engine))
    for _ in range(3):
        books.standing_in(BASE, [BASE, NEAR])
    assert tried == [OWN]
