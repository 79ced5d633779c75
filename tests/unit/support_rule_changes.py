"""A default branch with the project's own policies, to change: what an organisation has."""

from __future__ import annotations

from functools import cache

from pipeline.judge.rulebook import Trial
from pipeline.policy_tools.examine import faults_of_answers, faults_of_text, misnamed
from pipeline.values.problem import Problem
from tests.unit.support_branch import Branch, engine
from tests.unit.support_golden_worlds import acme
from tests.unit.support_memory import Files
from tests.unit.support_tiny_rules import START, TEAMS

EMERGENCY = "policies/settings/emergency/data.yaml"
ELIGIBILITY = "policies/settings/eligibility/data.yaml"
LIMITS = "policies/settings/limits/data.yaml"
REVIEWERS = "policies/settings/reviewers/data.yaml"
DECLARED = (
    "leads: {id: 71, title: Leads}\n"
    "security: {id: 72, title: Security}\n"
    "engineering: {id: 73, title: Engineers}\n"
    "payments-leads: {id: 74, title: Leads of payments}\n"
)
OWN: dict[str, str] = {
    path: text
    for path, text in acme().items()
    if path.startswith(("policies/", "access/oncall/", "access/calendars/"))
}
OWN["access/oncall/payments.yaml"] = OWN["access/oncall/payments.yaml"].replace(
    "dave, erin", "bob, carol"
)
_TINY: Files = {path: None for path in START if path.startswith("policies/") and path not in OWN}


@cache
def _of_text(files: tuple[tuple[str, str], ...]) -> tuple[Problem, ...]:
    return faults_of_text(dict(files))


@cache
def _of_answers(files: tuple[tuple[str, str], ...]) -> tuple[Problem, ...]:
    return faults_of_answers(dict(files))


def organisation(files: Files | None = None) -> Branch:
    """Returns a branch with the project's policies, where alice, bob and carol are engineers, and
    everything that a check tries is tried but the tests of policies."""
    found = Branch(
        {**OWN, **_TINY, TEAMS: DECLARED, **(files or {})},
        trial=Trial(
            engine,
            written=lambda files: _of_text(tuple(files.items())),
            examined=lambda files: _of_answers(tuple(files.items())),
            misnamed=misnamed,
        ),
    )
    found.forge.teams["engineering"] = {1, 2, 3}
    return found


def edited(path: str, old: str, new: str) -> dict[str, str]:
    """Returns the file at *path* with *new* in place of *old*."""
    text = OWN[path]
    assert old in text
    return {path: text.replace(old, new)}
