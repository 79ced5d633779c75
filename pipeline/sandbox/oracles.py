"""Asks what is stored in the stand-ins who may do what, at the clock's moment.

Google's conditions are answered by the C++ CEL evaluator, which we did not write. AWS's
policies are read here by `aws_check`, our own reading of the few statement forms that are
written; the tests compare it with an independent evaluator. Azure has no independent
evaluator: what counts is whether its schedule has an active instance.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.sandbox import aws_check, cel
from pipeline.sandbox.world import ACCOUNTS, HOME_ACCOUNT, PEOPLE, World, entra_object_id

AWS_CHECK = "own reading of the stored policies (tests compare it with iam-simulate)"
AZURE_CHECK = "active schedule instance at the clock's time"
GCP_CHECK = "C++ CEL evaluator on the stored condition"


@dataclass(frozen=True, kw_only=True, slots=True)
class OracleAnswer:
    """Whether somebody may do something now, and by which check."""

    cloud: str
    question: str
    allowed: bool
    check: str


@dataclass(frozen=True, kw_only=True, slots=True)
class OracleQuestion:
    """What is asked of each cloud for one person."""

    login: str
    aws: tuple[str, str, str] | None = None
    """Account, action, resource."""

    azure: tuple[str, str] | None = None
    """Subscription, role definition."""

    gcp: tuple[str, str] | None = None
    """Project, role."""


def ask(world: World, question: OracleQuestion) -> tuple[OracleAnswer, ...]:
    """Returns one answer for each cloud that is asked about."""
    return tuple(_answers(world, question))


def _answers(world: World, question: OracleQuestion) -> Iterable[OracleAnswer]:
    login, now = question.login, world.clock.now()
    if question.aws:
        account, action, resource = question.aws
        if account not in ACCOUNTS:
            raise ValueError(f"Acme has no account {account}")
        caller = world.aws.caller(world.aws.person(f"{login}@example.com", home=HOME_ACCOUNT))
        yield OracleAnswer(
            cloud="aws",
            question=f"{login}: {action} on {resource}",
            allowed=any(
                aws_check.allowed(role, caller=caller, action=action, resource=resource, at=now)
                for role in world.aws.authorization_details(account)
                if role["Path"] == "/daypass/"
            ),
            check=AWS_CHECK,
        )
    if question.azure:
        subscription, role = question.azure
        yield OracleAnswer(
            cloud="azure",
            question=f"{login}: role {role} on {subscription}",
            allowed=bool(
                world.azure.instances(subscription, entra_object_id(PEOPLE[login]), role, now)
            ),
            check=AZURE_CHECK,
        )
    if question.gcp:
        project, role = question.gcp
        yield OracleAnswer(
            cloud="gcp",
            question=f"{login}: {role} on {project}",
            allowed=cel.allowed(
                world.gcp.policy(project), member=f"user:{login}@example.com", role=role, at=now
            ),
            check=GCP_CHECK,
        )
