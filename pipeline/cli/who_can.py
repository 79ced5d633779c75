"""`daypass policy who-can`: who could get what on a target, and with whose approval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from pipeline.errors import UsageError
from pipeline.judge.requesters import teams_named
from pipeline.output.reach import asked_for, hints, reach_document, reach_table, refusal_lines
from pipeline.policy_tools.who_can import LONGEST, ModelRequest, Obtainable, Reach, reach
from pipeline.run.workspace import Context
from pipeline.values.catalogue import Catalogue, Principal, PrincipalKind, Role, Target
from pipeline.values.ids import RoleId, TargetId

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
    from pipeline.policy.answer import Evaluation, evaluate
    from pipeline.policy.bundle import load_rules
    from pipeline.policy.rego import RegorusEngine
    from pipeline.run.offline import read_catalogue, read_policies

    catalogue = read_catalogue(context.root)
    place = _target(catalogue, target)
    roles = _roles(catalogue, place, role)
    bundle = read_policies(context.root)
    rules, engine = load_rules(bundle), RegorusEngine(bundle)
    settings = bundle.data.get("settings")
    model = ModelRequest(
        catalogue=catalogue,
        target=place,
        settings=settings if isinstance(settings, Mapping) else {},
        now=context.now(),
        duration=None if duration is None else _seconds(duration),
        emergency=emergency,
    )
    named = teams_named(settings) | frozenset(place.owners)
    source = "given" if teams else "github" if context.settings.reader_token else "supposed"

    def ask(document: Mapping[str, Any]) -> Evaluation:
        return evaluate(document, [engine], rules)

    found: list[Reach] = []
    for principal in _enabled(context, catalogue):
        member_of = _member_of(context, catalogue, principal, named, teams, source)
        for one in roles:
            found += reach(model, principal, one, ask=ask, named=named, member_of=member_of)
    advice = hints(found) if found else [_nothing(place, roles)]
    if as_json:
        context.emit(
            {
                "target": place.id,
                "asked_for": {"duration": model.duration or LONGEST, "text": asked_for(model)},
                "teams": {"source": source, "names": sorted(teams or named)},
                "assumed": [*_ASSUMED, _KNOWN[source]],
                "hints": advice,
                "answers": [reach_document(one) for one in found],
            }
        )
    else:
        _say(context, model, found, advice, source)
    return 0 if any(one.result.answer is not Obtainable.NO for one in found) else 1


def _target(catalogue: Catalogue, name: str) -> Target:
    found = catalogue.targets.get(TargetId(name))
    if found is None:
        raise _unknown("target", name, list(catalogue.targets), "access/targets")
    return found


def _roles(catalogue: Catalogue, target: Target, name: str | None) -> list[Role]:
    """Returns the roles of the target's cloud by name, or the one called *name*."""
    roles = {role.name: role for role in catalogue.roles.values() if role.cloud is target.cloud}
    if name is None:
        return [roles[one] for one in sorted(roles)]
    found = catalogue.roles.get(RoleId(name)) or roles.get(name)
    if found is None or found.cloud is not target.cloud:
        raise _unknown("role", name, list(roles), f"access/roles/{target.cloud}.yaml")
    return [found]


def _unknown(what: str, name: str, known: list[str], where: str) -> UsageError:
    from pipeline.reading.yaml_strict import closest, quote

    advice = closest(name, known).removeprefix("; ")
    first = ", ".join(sorted(known)[:5])
    return UsageError(
        f"{what} {quote(name)} is not in {where}",
        hint=advice or f"{len(known)} are there{', among them' if len(known) > 5 else ''}: {first}",
    )


def _seconds(text: str) -> int:
    from pipeline.reading.duration import parse_duration

    found = parse_duration(text)
    if isinstance(found, str):
        raise UsageError(f"--duration {text} {found}")
    return found


def _enabled(context: Context, catalogue: Catalogue) -> Iterator[Principal]:
    enabled = [one for _, one in sorted(catalogue.principals.items()) if not one.disabled]
    for count, principal in enumerate(enabled, start=1):
        if count % 10 == 0 or count == len(enabled):
            context.progress(f"judging for {count} of {len(enabled)} principals")
        yield principal


def _member_of(
    context: Context,
    catalogue: Catalogue,
    principal: Principal,
    named: frozenset[str],
    given: tuple[str, ...],
    source: str,
) -> frozenset[str] | None:
    """Returns the teams of who asks for *principal*; None where they are not known."""
    if source == "given":
        return frozenset(given)
    if source == "supposed":
        return None
    person: Principal | None = principal
    if principal.kind is PrincipalKind.WORKLOAD:
        person = catalogue.principals.get(principal.owner) if principal.owner else None
    if person is None or person.github_id is None:
        return frozenset()
    # A login can change hands: it is read anew by the id.
    actor = context.reader.account(person.github_id)
    if actor is None:
        return frozenset()
    return frozenset(team for team in sorted(named) if context.reader.in_team(team, actor))


def _nothing(target: Target, roles: list[Role]) -> str:
    """Returns why nothing was asked."""
    if not roles:
        return f"nothing: there is no role in access/roles/{target.cloud}.yaml"
    return "nobody: there is no principal in access/principals that is not disabled"


def _say(
    context: Context, model: ModelRequest, found: list[Reach], advice: list[str], source: str
) -> None:
    out = context.out
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
    out.line(f"  {asked_for(model)}", "dim")
    for text in (*_ASSUMED, _KNOWN[source]):
        out.line(f"  taken for granted: {text}" if text in _ASSUMED else f"  {text}", "dim")
