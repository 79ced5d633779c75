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
from pipeline.values.commits import TreeChange
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
    changes: tuple[TreeChange, ...]
    """The files that the head changes of its base; empty where it could not be looked into."""

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
        """SHA-256 of what the pull request is shown to do: its base branch, head, changed files,
        bindings with their permissions, and durations.

        What is applied later must be what reviewers were shown, whatever became of the
        catalogue in between. No moment takes part, as none is known before the merge.
        """
        return digest(
            {
                "pull": self.pull.number,
                "base": self.pull.base_ref,
                "head": self.pull.head_sha,
                "changes": sorted(
                    [one.path, one.new_mode, one.new_blob or ""] for one in self.changes
                ),
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
    def external_id(self) -> str:
        """The name of the check run that shows this offer; see `shows`."""
        return f"{self.pull.number}:{self.offer}"

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


def shows(external_id: str, number: int) -> bool:
    """Whether a check run so named shows an offer of the pull request *number*.

    Check runs belong to commits, and one commit can be the head of several pull requests.
    """
    return external_id.startswith(f"{number}:")
