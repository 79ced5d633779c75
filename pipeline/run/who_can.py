"""Asks the policies who could get which role on one target, and with whose approval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.approvals.membership import Membership
from pipeline.errors import UsageError
from pipeline.judge.requesters import teams_named
from pipeline.policy.answer import Evaluation, evaluate
from pipeline.policy.bundle import load_rules
from pipeline.policy.rego import RegorusEngine
from pipeline.policy_tools.who_can import ModelRequest, Reach, reach
from pipeline.reading.duration import parse_duration
from pipeline.reading.yaml_strict import closest, quote
from pipeline.run.offline import read_catalogue, read_policies
from pipeline.run.workspace import Workspace
from pipeline.values.catalogue import Catalogue, Principal, PrincipalKind, Role, Target
from pipeline.values.ids import RoleId, TargetId


@dataclass(frozen=True, kw_only=True, slots=True)
class ReachRequest:
    """The question: who could get a role on a target?"""

    target: str
    """`aws/payments-prod`."""

    role: str | None = None
    """Only this role; None for every role of the target's cloud."""

    teams: tuple[str, ...] = ()
    """Everybody is taken to be in just these; empty where membership is to be found out."""

    duration: str | None = None
    """As people write it: `2h`."""

    emergency: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundReach:
    """The results for all principals and roles, and how membership of teams was known."""

    model: ModelRequest
    roles: tuple[Role, ...]
    teams: tuple[str, ...]
    """The teams that were asked about, sorted."""

    source: str
    """`github`, `given` or `supposed`."""

    found: tuple[Reach, ...]


def find_reach(workspace: Workspace, asked: ReachRequest) -> FoundReach:
    """Returns who could get what.

    Raises `UsageError` for a target, role or duration that is none, `InvalidInput` for a
    catalogue or policies that cannot be read, `ForgeError` where GitHub did not answer.
    """
    catalogue = read_catalogue(workspace.root)
    place = _target(catalogue, asked.target)
    roles = _roles(catalogue, place, asked.role)
    bundle = read_policies(workspace.root)
    rules, engine = load_rules(bundle), RegorusEngine(bundle)
    settings = bundle.data.get("settings")
    model = ModelRequest(
        catalogue=catalogue,
        target=place,
        settings=settings if isinstance(settings, Mapping) else {},
        now=workspace.now(),
        duration=None if asked.duration is None else _seconds(asked.duration),
        emergency=asked.emergency,
    )
    named = teams_named(settings) | frozenset(place.owners)
    known = "github" if workspace.settings.reader_token else "supposed"
    source = "given" if asked.teams else known

    def ask(document: Mapping[str, Any]) -> Evaluation:
        return evaluate(document, [engine], rules)

    github = source == "github"
    membership = Membership(workspace.reader, catalogue.teams) if github else None
    found: list[Reach] = []
    for principal in _enabled(workspace, catalogue):
        member_of = _member_of(workspace, catalogue, principal, named, asked.teams, membership)
        for one in roles:
            found += reach(model, principal, one, ask=ask, named=named, member_of=member_of)
    for why in () if membership is None else membership.empty:
        workspace.warn(why)
    return FoundReach(
        model=model,
        roles=tuple(roles),
        teams=tuple(sorted(asked.teams or named)),
        source=source,
        found=tuple(found),
    )


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
    advice = closest(name, known).removeprefix("; ")
    first = ", ".join(sorted(known)[:5])
    return UsageError(
        f"{what} {quote(name)} is not in {where}",
        hint=advice or f"{len(known)} are there{', among them' if len(known) > 5 else ''}: {first}",
    )


def _seconds(text: str) -> int:
    found = parse_duration(text)
    if isinstance(found, str):
        raise UsageError(f"--duration {text} {found}")
    return found


def _enabled(workspace: Workspace, catalogue: Catalogue) -> Iterator[Principal]:
    enabled = [one for _, one in sorted(catalogue.principals.items()) if not one.disabled]
    for count, principal in enumerate(enabled, start=1):
        if count % 10 == 0 or count == len(enabled):
            workspace.progress(f"judging for {count} of {len(enabled)} principals")
        yield principal


def _member_of(
    workspace: Workspace,
    catalogue: Catalogue,
    principal: Principal,
    named: frozenset[str],
    given: tuple[str, ...],
    membership: Membership | None,
) -> frozenset[str] | None:
    """Returns the teams of who asks for *principal*; None where they are not known."""
    if given:
        return frozenset(given)
    if membership is None:
        return None
    person: Principal | None = principal
    if principal.kind is PrincipalKind.WORKLOAD:
        person = catalogue.principals.get(principal.owner) if principal.owner else None
    if person is None or person.github_id is None:
        return frozenset()
    # A login can change hands: it is read anew by the id.
    actor = workspace.reader.account(person.github_id)
    if actor is None:
        return frozenset()
    return membership.teams_of(actor, named)
