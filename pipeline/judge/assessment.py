"""The findings about one pull request: plain values."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.approvals.tally import Approvals
from pipeline.history.proofs import GivenApproval
from pipeline.judge.changed_grant import ChangedGrant
from pipeline.judge.decide import Decision
from pipeline.judge.ended_grants import EndedGrant
from pipeline.judge.offer import name_of_run, offer_of
from pipeline.policy.answer import Evaluation
from pipeline.values.canonical import digest
from pipeline.values.commits import TreeChange
from pipeline.values.problem import Problem
from pipeline.values.pull_request import PullRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Assessment:
    """Everything that was found about one pull request at one head."""

    pull: PullRequest
    base: str
    kind: str
    """`grant` or `governance`."""

    items: tuple[ChangedGrant, ...]
    evaluations: tuple[Evaluation, ...]
    approvals: Approvals | None
    problems: tuple[Problem, ...]
    decision: Decision
    changes: tuple[TreeChange, ...]
    """The files that the head changes of its base; empty where it could not be looked into."""

    policies: str
    """Digest of the policies that judged it."""

    requester: str | None = None
    """The principal who opened it; None for an App or a stranger."""

    empty_teams: tuple[str, ...] = ()
    """In words, each team asked about that nobody can be in: not declared, or not shown by GitHub
    with the id that is declared."""

    ends: tuple[EndedGrant, ...] = ()
    """The live grants that its change of the catalogue ends or cuts down."""

    ends_unknown: str = ""
    """Why it is not known which these are; empty where it is."""

    shares_head: bool = False
    """Whether the check run on its head is another pull request's."""

    @property
    def approvers(self) -> tuple[str, ...]:
        """Principals whose approval filled a place, sorted."""
        if self.approvals is None:
            return ()
        return tuple(sorted({name for step in self.approvals.steps for name in step.people}))

    @property
    def given_approvals(self) -> tuple[GivenApproval, ...]:
        """The approvals that filled a place, by person."""
        if self.approvals is None:
            return ()
        return tuple(
            GivenApproval(
                review=review.id, account=review.author.id, person=person, at=review.submitted_at
            )
            for review, person in self.approvals.counted
            if review.author is not None and person in self.approvers
        )

    @property
    def offer(self) -> str:
        """Digest of what the pull request is shown to do; see `pipeline.judge.offer`."""
        return offer_of(self.pull, kind=self.kind, changes=self.changes, items=self.items)

    @property
    def external_id(self) -> str:
        """The name of the check run that shows this offer."""
        return name_of_run(self.pull.number, self.offer)

    @property
    def digest(self) -> str:
        """SHA-256 of the decision: policies, what they said, and whose approval counted, for
        whom."""
        return digest(
            {
                "policies": self.policies,
                "evaluations": [one.digest for one in self.evaluations],
                "approvers": self.approvals.given if self.approvals else (),
                "verdict": self.decision.verdict,
                "reasons": self.decision.reasons,
            }
        )
