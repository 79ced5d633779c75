"""Whether whoever started this run may let a surprising part of a plan go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.approvals.membership import Membership
from pipeline.errors import Denied, InvalidInput, UsageError
from pipeline.run.estate import EstateRun
from pipeline.values.catalogue import Team
from pipeline.values.pull_request import Actor


def accepted_surprise(run: EstateRun, given: str | None) -> str | None:
    """Returns the digest *given*, None where none was.

    Under GitHub Actions it counts only in a run that a member of security dispatched, by the
    settings at the last commit at which nothing that decides is unproven. Raises `Denied` for
    anybody else, and `UsageError` for what is no digest.
    """
    if not given:
        return None
    if len(given) != 64 or set(given) - set("0123456789abcdef"):
        raise UsageError(f"{given!r} is no digest of a plan", hint="apply showed it: 64 hex digits")
    settings = run.workspace.settings
    if not settings.on_actions:
        return given
    if settings.event != "workflow_dispatch" or settings.actor_id is None:
        raise Denied(
            f"a run of {settings.event or 'an unknown event'} lets no surprising plan go on",
            hint="a member of security dispatches apply",
        )
    actor = Actor(id=settings.actor_id, login=settings.actor, type="User")
    named, declared = _security_teams(run)
    if not Membership(run.workspace.reader, declared).teams_of(actor, named):
        raise Denied(
            f"{settings.actor} is in none of the teams of security: {', '.join(named) or 'none'}",
            hint="a member of security dispatches apply",
        )
    return given


def _security_teams(run: EstateRun) -> tuple[list[str], Mapping[str, Team]]:
    """Returns the teams of security that settings name, and every team that is declared."""
    anchor, accepted = run.workspace.anchor, run.line.accepted
    for sha in run.prover.sound(anchor=anchor, tip=accepted):
        try:
            settings: Any = run.workspace.sources.policies(sha).data.get("settings")
            declared = run.workspace.sources.catalogue(sha).teams
        except InvalidInput:
            continue
        reviewers = settings.get("reviewers") if isinstance(settings, dict) else None
        teams = reviewers.get("security_teams") if isinstance(reviewers, dict) else None
        named = [one for one in teams if isinstance(one, str)] if isinstance(teams, list) else []
        return named, declared
    return [], {}
