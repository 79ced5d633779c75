"""`daypass policy who-can`: who could get what on a target, and with whose approval."""

from __future__ import annotations

from collections.abc import Sequence

import click

from pipeline.cli.context import Context
from pipeline.output.reach import asked_for, hints, reach_document, reach_table, refusal_lines
from pipeline.policy_tools.who_can import LONGEST, Obtainable
from pipeline.run.who_can import FoundReach, ReachRequest, find_reach

_ASSUMED = (
    "reason, ticket and parameters are fine",
    "each asks for themself and holds no other grant, a workload's owner asks for it",
)
_KNOWN = {
    "github": "membership of teams is as GitHub says now",
    "given": "everybody is in the teams given and in no other",
    "supposed": "membership of teams is not known: where it matters, each case is shown",
}


@click.command("who-can")
@click.argument("target")
@click.option("--role", help="Only this role.")
@click.option("--team", "teams", multiple=True, help="Take everybody to be in just these teams.")
@click.option("--duration", help="Ask for this long: 30m, 2h (default: 1h, or the role's maximum).")
@click.option("--emergency", is_flag=True, help="Ask for emergency access.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
@click.pass_obj
def who_can(
    context: Context,
    target: str,
    role: str | None,
    teams: tuple[str, ...],
    duration: str | None,
    emergency: bool,
    as_json: bool,
) -> int:
    """Show who could get which role on TARGET, and with whose approval.

    For every enabled principal and every role of the target's cloud a model request is judged
    with this folder's catalogue and policies, as of now: for one hour, or what the role allows if
    that is less; --duration asks for another. Its reason, ticket and parameters are assumed fine,
    and its subject, who asks, to hold no other grant.

    After "no" stand the codes of the rules that deny (policies/CODES.md), or what keeps such a
    grant from fitting the catalogue, before any rule is asked: no-identity, no-second-factor.

    Membership of teams is known to GitHub only. With a token to read it with
    (DAYPASS_CHECKER_TOKEN) it is asked; with --team everybody is taken to be in just the teams
    given. Else every principal is judged as a member of none, and of each team that the settings
    name or that owns the target: where that makes a difference, each case is shown.

    Exit codes: 0 somebody could get something, 1 nobody could, 2 an unknown target or role, or
    malformed files, 3 could not decide.
    """
    reached = find_reach(
        context,
        ReachRequest(target=target, role=role, teams=teams, duration=duration, emergency=emergency),
    )
    model, found, source = reached.model, reached.found, reached.source
    advice = hints(found) if found else [_nothing(reached)]
    if as_json:
        context.emit(
            {
                "target": model.target.id,
                "asked_for": {"duration": model.duration or LONGEST, "text": asked_for(model)},
                "teams": {"source": source, "names": list(reached.teams)},
                "assumed": [*_ASSUMED, _KNOWN[source]],
                "hints": advice,
                "answers": [reach_document(one) for one in found],
            }
        )
    else:
        _say(context, reached, advice)
    return 0 if any(one.result.answer is not Obtainable.NO for one in found) else 1


def _nothing(reached: FoundReach) -> str:
    """Returns why nothing was asked."""
    if not reached.roles:
        return f"nothing: there is no role in access/roles/{reached.model.target.cloud}.yaml"
    return "nobody: there is no principal in access/principals that is not disabled"


def _say(context: Context, reached: FoundReach, advice: Sequence[str]) -> None:
    out, found = context.out, reached.found
    if not found:
        for text in advice:
            out.line(text, "red")
        return
    styles = {
        Obtainable.BY_ITSELF: ("green",),
        Obtainable.APPROVALS: ("yellow",),
        Obtainable.NO: ("red",),
    }
    for line, answer in reach_table(found):
        out.line(line, *(("bold",) if answer is None else styles[answer]))
    for line in refusal_lines(found):
        out.line(f"  {line}", "dim")
    for line in advice:
        out.line(f"  {line}", "yellow")
    out.line(f"  {asked_for(reached.model)}", "dim")
    for text in (*_ASSUMED, _KNOWN[reached.source]):
        out.line(f"  taken for granted: {text}" if text in _ASSUMED else f"  {text}", "dim")
