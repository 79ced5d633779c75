"""The findings about one pull request: plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from pipeline.approvals.tally import Approvals
from pipeline.history.proven import Proven
from pipeline.judge.decide import Decision
from pipeline.policy.answer import Evaluation
from pipeline.values.binding import Binding
from pipeline.values.canonical import digest
from pipeline.values.catalogue import Entitlement
from pipeline.values.grant import Grant, Window
from pipeline.values.grant_change import GrantChange
from pipeline.values.problem import Problem
from pipeline.values.pull_request import PullRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangedGrant:
    """One grant that a pull request changes."""

    path: str
    change: GrantChange
    grant: Grant
    """As asked for; of a deletion, as it was."""

    previous: Proven | None
    window: Window | None
    """As it would be if merged at the moment judged."""

    entitlements: tuple[Entitlement, ...]
    bindings: tuple[Binding, ...]
    """What the clouds would hold because of it; empty for a deletion."""


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
    policies: str
    """Digest of the policies that judged it."""

    requester: str | None = None
    """The principal who opened it; None for an App or a stranger."""

    empty_teams: tuple[str, ...] = ()
    """In words, each team asked about that nobody can be in: not declared, or not shown by GitHub
    with the id that is declared."""

    @property
    def approvers(self) -> tuple[str, ...]:
        """Principals whose approval filled a place, sorted."""
        if self.approvals is None:
            return ()
        return tuple(sorted({name for step in self.approvals.steps for name in step.people}))

    @property
    def offer(self) -> str:
        """SHA-256 of what the pull request is shown to do: bindings and durations.

        What is applied later must be what reviewers were shown, whatever became of the
        catalogue in between. No moment takes part, as none is known before the merge.
        """
        return digest(
            {
                "kind": self.kind,
                "items": [
                    {
                        "path": item.path,
                        "change": item.change,
                        "duration": item.grant.duration,
                        "bindings": [
                            {"cloud": b.cloud, "locator": b.locator, "key": b.key}
                            for b in item.bindings
                        ],
                        "permissions": [
                            [line.target.id, line.role.id, asdict(line.role.permissions)]
                            for line in item.entitlements
                        ],
                    }
                    for item in self.items
                ],
            }
        )

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
