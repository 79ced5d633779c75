"""From problems, violations and approvals to one decision, with every reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.approvals.tally import Approvals
from pipeline.policy.answer import Evaluation
from pipeline.values.problem import Problem


class Verdict(StrEnum):
    """The four verdicts."""

    INVALID = "invalid"
    """Something is malformed: nothing was judged."""

    DENIED = "denied"
    """A policy rule says no; approvals cannot change that."""

    WAITING = "waiting"
    """Policy agrees, approvals are missing."""

    ALLOWED = "allowed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """The verdict and every reason for it."""

    verdict: Verdict
    reasons: tuple[str, ...]
    """Sorted, without repetition; empty only when allowed."""

    merges_by_itself: bool = False
    """Whether it may merge without a person, which policy says and no default does."""

    merges_when_approved: bool = False
    """Whether the App merges it once it is allowed by its approvals, which policy says."""

    @property
    def keeper_merges(self) -> bool:
        """Whether the App merges it now."""
        return self.allowed and (self.merges_by_itself or self.merges_when_approved)

    @property
    def allowed(self) -> bool:
        """Whether access may follow."""
        return self.verdict is Verdict.ALLOWED


def decide(
    problems: Sequence[Problem], evaluations: Sequence[Evaluation], approvals: Approvals | None
) -> Decision:
    """Returns the decision on one request.

    No evaluation, or approvals that were not counted where some are required, is a denial:
    only a complete, positive answer allows.
    """
    if problems:
        return Decision(
            verdict=Verdict.INVALID, reasons=tuple(sorted({str(problem) for problem in problems}))
        )
    if not evaluations:
        return Decision(verdict=Verdict.DENIED, reasons=("no policy was evaluated",))
    violations = {str(violation) for one in evaluations for violation in one.violations}
    if violations:
        return Decision(verdict=Verdict.DENIED, reasons=tuple(sorted(violations)))
    by_itself = all(one.merges_by_itself for one in evaluations)
    required = any(one.approvals for one in evaluations)
    if not required and not by_itself:
        # Nobody asked for and not said to merge by itself: the policies left a hole.
        return Decision(
            verdict=Verdict.DENIED,
            reasons=("policy requires no approval and does not let it merge by itself",),
        )
    if not required:
        return Decision(verdict=Verdict.ALLOWED, reasons=(), merges_by_itself=True)
    if approvals is None:
        return Decision(verdict=Verdict.WAITING, reasons=("approvals were not counted",))
    done = approvals.complete
    return Decision(
        verdict=Verdict.ALLOWED if done else Verdict.WAITING,
        reasons=() if done else tuple(sorted(set(approvals.missing))),
        merges_when_approved=all(one.merges_when_approved for one in evaluations),
    )
