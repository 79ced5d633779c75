"""Who may let a surprising part of a plan go on."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import Denied, UsageError
from pipeline.run.accepted_surprise import accepted_surprise
from pipeline.values.pull_request import Actor
from tests.unit.support_run import World, a_run

DIGEST = "ab" * 32
DAN = Actor(id=4, login="dan", type="User")
SETTINGS = "policies/settings/reviewers/data.yaml"
TEAMS = "access/teams.yaml"
DECLARED = "leads: {id: 71, title: Leads}\nsecurity: {id: 72, title: Security}\n"
RULE = "policies/access/rules/none/none.rego"


def a_world(settings: str | None = "security_teams: [security]\n") -> World:
    """A world whose rules name the teams of security."""
    world = World()
    world.forge.teams = {"security": {DAN.id}}
    if settings is not None:
        files = {SETTINGS: settings, RULE: "package access.rules.none\n", TEAMS: DECLARED}
        world.anchor = world.tip = world.git.commit(files, world.anchor, at=world.now)
    return world


def accepted(given: str | None = DIGEST, world: World | None = None, **settings: Any) -> str | None:
    chosen = {
        "on_actions": True,
        "event": "workflow_dispatch",
        "actor": DAN.login,
        "actor_id": DAN.id,
        "opa": "https://opa.example",
        **settings,
    }
    run = a_run(world or a_world(), **chosen)
    with run:
        return accepted_surprise(run._product, given)


def test_a_member_of_security_dispatches_with_the_digest() -> None:
    assert accepted() == DIGEST


@pytest.mark.parametrize("nothing", [None, ""])
def test_without_a_digest_nobody_is_asked(nothing: str | None) -> None:
    assert accepted(nothing, event="schedule") is None


def test_on_ones_own_machine_the_digest_is_enough() -> None:
    assert accepted(on_actions=False, actor_id=None, event="") == DIGEST


@pytest.mark.parametrize(
    "settings",
    [
        {"event": "schedule"},
        {"event": "push"},
        {"event": ""},
        {"actor_id": None},
        {"actor_id": 5},
    ],
    ids=str,
)
def test_only_a_dispatch_by_a_member_of_security_lets_a_surprise_go_on(
    settings: dict[str, Any],
) -> None:
    with pytest.raises(Denied):
        accepted(**settings)


@pytest.mark.parametrize(
    "settings", [None, "security_teams: []\n", "security_teams: security\n", "other: 1\n"]
)
def test_where_no_team_of_security_is_named_nobody_may(settings: str | None) -> None:
    with pytest.raises(Denied, match="none of the teams of security"):
        accepted(world=a_world(settings))


@pytest.mark.parametrize("text", ["yes", DIGEST[:-1], DIGEST.upper(), f"{DIGEST}\n"])
def test_what_is_no_digest_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="no digest of a plan"):
        accepted(text)
