"""Who asks, for whom, and in which teams they are."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from pipeline.approvals.membership import Membership
from pipeline.judge.requesters import Askers, teams_named
from pipeline.policy.engine import PolicyBundle
from pipeline.values.catalogue import PrincipalKind, Team
from pipeline.values.pull_request import Actor, ForgeReader, Push
from tests.unit.support_policies import own_bundle
from tests.unit.test_approvals import ALICE, BOB, NOW, PEOPLE, PULL, person

SETTINGS = {
    "reviewers": {"security_teams": ["security"], "by_risk": {"low": [{"teams": ["night"]}]}},
    "eligibility": {"entries": {"payments": {"teams": ["engineering"], "principals": ["bot"]}}},
}


class Forge:
    """Knows members by team, accounts by id, and who pushed."""

    def __init__(self, members: dict[str, set[int]], accounts: tuple[Actor, ...] = ()) -> None:
        self._members = members
        self._accounts = {account.id: account for account in accounts}
        self.asked: list[int] = []

    def shows_team(self, team: Team) -> bool:
        return True

    def in_team(self, team: Team, actor: Actor) -> bool:
        return actor.id in self._members.get(team.slug, set())

    def account(self, number: int) -> Actor | None:
        self.asked.append(number)
        return self._accounts.get(number)

    def pushes_to(
        self, branch: str, *, until: object = None, head: object = None
    ) -> tuple[Push, ...]:
        return tuple(Push(sha="e" * 40, at=NOW, by=one) for one in (ALICE, BOB))


def askers(forge: Forge, *, app_id: int | None = None) -> Askers:
    bundle = PolicyBundle(modules={"a.rego": "package a"}, data={"settings": SETTINGS})
    reader = cast(ForgeReader, forge)
    membership = Membership(reader, PEOPLE.teams)
    return Askers(reader, PULL, PEOPLE, bundle, membership=membership, app_id=app_id)


def test_every_team_that_settings_name_is_asked_about() -> None:
    assert teams_named(SETTINGS) == {"security", "night", "engineering"}
    assert teams_named(None) == teams_named({"teams": "text"}) == frozenset()
    assert "security" in teams_named(own_bundle().data["settings"])


def test_the_author_asks_with_their_teams() -> None:
    author = askers(Forge({"security": {1}, "engineering": {1, 2}})).author()
    assert (author.principal, author.teams) == ("alice", {"security", "engineering"})
    assert askers(Forge({}), app_id=ALICE.id).author().is_app


def test_the_others_are_who_pushed_but_for_the_author() -> None:
    (other,) = askers(Forge({}), app_id=ALICE.id).others([])
    assert (other.principal, other.is_app) == ("bob", False)


def test_the_subjects_teams_are_asked_by_the_login_of_today() -> None:
    renamed = Actor(id=2, login="robert", type="User")
    forge = Forge({"engineering": {2}}, accounts=(renamed,))
    assert askers(forge).subject_teams(person("bob", 2)) == {"engineering"}
    assert forge.asked == [2]


def test_the_author_is_not_asked_about_twice() -> None:
    forge = Forge({"engineering": {1}})
    assert askers(forge).subject_teams(person("alice", 1)) == {"engineering"}
    assert forge.asked == []


def test_who_is_gone_and_who_is_nobody_is_in_no_team() -> None:
    everyone = {"engineering": {1, 2, 3}}
    assert askers(Forge(everyone)).subject_teams(person("bob", 2)) == frozenset()
    assert askers(Forge(everyone)).subject_teams(None) == frozenset()
    robot = replace(person("robot", 4, kind=PrincipalKind.WORKLOAD), github_id=None)
    assert askers(Forge(everyone)).subject_teams(robot) == frozenset()
