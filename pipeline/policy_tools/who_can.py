"""Asks the policies model requests for one target: could this principal get that role?

Whatever the writer of a request can put right by writing it differently is supposed to be
right: reason, ticket and parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from pipeline.grants.validate import validate_grant
from pipeline.policy.answer import Evaluation
from pipeline.policy_tools.suppose import suppose
from pipeline.reading.patterns import example_of
from pipeline.values.catalogue import Catalogue, Entitlement, Principal, Role, Target
from pipeline.values.grant import Access, Grant, window_of
from pipeline.values.ids import Cloud, GrantId, TargetId
from pipeline.values.requirement import Requirement

LONGEST = 3600
"""Seconds that a model request asks for, where its role allows as long."""

_WRITING = frozenset({"reason", "ticket"})
_OF_PARAMETERS = frozenset({"missing-parameter", "parameter-form"})


class Obtainable(StrEnum):
    """The three results of a model request."""

    BY_ITSELF = "by itself"
    APPROVALS = "approvals"
    NO = "no"


class NotObtainable(NamedTuple):
    """One reason why not."""

    code: str
    message: str
    field: str = ""
    """The grant's field that it is about, or empty; of a rule only."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelResult:
    """The result of one model request."""

    answer: Obtainable
    refusals: tuple[NotObtainable, ...] = ()
    """Sorted; of `NO` only."""

    approvals: tuple[Requirement, ...] = ()
    """Of `APPROVALS` only."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """The result for one principal and one role on a target."""

    principal: Principal
    role: Role
    duration: int
    """Seconds asked for."""

    teams: frozenset[str] | None
    """Membership with which it is so; None where it is so whatever the membership."""

    result: ModelResult

    @property
    def only_too_long(self) -> bool:
        """Whether nothing but the duration is in the way."""
        refusals = self.result.refusals
        return bool(refusals) and all(one.field == "duration" for one in refusals)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelRequest:
    """The parts that model requests have in common."""

    catalogue: Catalogue
    target: Target
    settings: Mapping[str, Any]
    """The policies' settings, which say what a good ticket is."""

    now: datetime
    duration: int | None = None
    """Seconds; None for `LONGEST`, or what the role allows."""

    emergency: bool = False

    def asks(self, principal: Principal, role: Role) -> Grant:
        """Returns the request of *principal* for *role*."""
        parameters = tuple((name, example_of(form) or "") for name, form in role.parameters)
        return Grant(
            id=GrantId(f"{principal.name}/who-can"),
            path=f"access/grants/{principal.name}/who-can.yaml",
            subject=principal.name,
            reason=self._reason(),
            ticket=self._ticket(),
            duration=self.duration or min(role.max_duration, LONGEST),
            access=(Access(target=self.target.id, role=role.name, parameters=parameters),),
            emergency=self.emergency,
        )

    def document(self, principal: Principal, role: Role, teams: frozenset[str]) -> dict[str, Any]:
        """Returns what the policies are asked of *principal*, who holds nothing else."""
        grant = self.asks(principal, role)
        home = principal.aws.home if principal.aws and self.target.cloud is Cloud.AWS else None
        line = Entitlement(
            grant=grant.id,
            principal=principal,
            target=self.target,
            role=role,
            parameters=grant.access[0].parameters,
            home=self.catalogue.targets[TargetId(f"aws/{home}")] if home else None,
        )
        return suppose(
            grant,
            change="create",
            entitlements=(line,),
            window=window_of(grant, merged_at=self.now),
            now=self.now,
            catalogue=self.catalogue,
            teams=teams,
        )

    def malformed(self, principal: Principal, role: Role) -> tuple[NotObtainable, ...]:
        """Returns why no such request could be written, whatever the policies say."""
        return tuple(
            sorted(
                NotObtainable(problem.code, problem.message)
                for problem in validate_grant(self.asks(principal, role), self.catalogue)
                if problem.code not in _OF_PARAMETERS
            )
        )

    def _reason(self) -> str:
        least = self._setting("justification", "min_length")
        text = "Asked by daypass policy who-can in place of a person"
        return text.ljust(len(text) + least, "x") if isinstance(least, int) else text

    def _ticket(self) -> str:
        own = self._setting("justification", "ticket_pattern_by_project")
        project = dict(self.target.tags).get("project")
        pattern = own.get(project) if isinstance(own, Mapping) else None
        pattern = pattern or self._setting("justification", "ticket_pattern")
        return (example_of(pattern) if isinstance(pattern, str) else None) or "ABC-1"

    def _setting(self, topic: str, name: str) -> Any:
        found = self.settings.get(topic)
        return found.get(name) if isinstance(found, Mapping) else None


def reach(
    model: ModelRequest,
    principal: Principal,
    role: Role,
    *,
    ask: Callable[[Mapping[str, Any]], Evaluation],
    named: frozenset[str],
    member_of: frozenset[str] | None,
) -> list[Reach]:
    """Returns what *principal* could get of *role*.

    With *member_of*, as a member of just these teams. Without, where membership is not known:
    one entry if it does not matter; else one as a member of none of the teams *named*, and one
    for each that makes a difference by itself, or for all where only several together do.

    Raises `EngineError` when *ask* does.
    """

    def entry(result: ModelResult, teams: frozenset[str] | None) -> Reach:
        return Reach(
            principal=principal,
            role=role,
            duration=model.asks(principal, role).duration,
            teams=teams,
            result=result,
        )

    def tried(teams: frozenset[str]) -> ModelResult:
        return result_of(ask(model.document(principal, role, teams)))

    refusals = model.malformed(principal, role)
    if refusals:
        return [entry(ModelResult(answer=Obtainable.NO, refusals=refusals), None)]
    if member_of is not None:
        return [entry(tried(member_of), member_of)]
    nowhere = tried(frozenset())
    everywhere = tried(named) if named else nowhere
    if everywhere == nowhere:
        return [entry(nowhere, None)]
    alone = {frozenset({team}): tried(frozenset({team})) for team in sorted(named)}
    found = {teams: result for teams, result in alone.items() if result != nowhere}
    if everywhere not in found.values():
        found[named] = everywhere
    return [entry(nowhere, frozenset()), *(entry(one, teams) for teams, one in found.items())]


def result_of(evaluation: Evaluation) -> ModelResult:
    """Returns what *evaluation* comes to once the request is well written."""
    refusals = sorted(
        NotObtainable(one.code, str(one), one.field)
        for one in evaluation.violations
        if one.field not in _WRITING
    )
    if refusals:
        return ModelResult(answer=Obtainable.NO, refusals=tuple(refusals))
    if evaluation.approvals:
        return ModelResult(answer=Obtainable.APPROVALS, approvals=evaluation.approvals)
    return ModelResult(answer=Obtainable.BY_ITSELF)
