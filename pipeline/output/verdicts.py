"""What policies say of a request, as plain values for `--json` and in few words for people."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from pipeline.judge.approvals import Requirement
from pipeline.judge.evaluate import Evaluation, Violation


def verdict(evaluation: Evaluation) -> str:
    """Returns `denied`, `needs approvals` or `by itself`."""
    if evaluation.violations:
        return "denied"
    return "by itself" if evaluation.merges_by_itself else "needs approvals"


def evaluation_document(evaluation: Evaluation) -> dict[str, Any]:
    """Returns an evaluation as tools read it."""
    return {
        "verdict": verdict(evaluation),
        "merges_by_itself": evaluation.merges_by_itself,
        "why": evaluation.why,
        "violations": [violation_document(one) for one in evaluation.violations],
        "warnings": [violation_document(one) for one in evaluation.warnings],
        "approvals": [step_document(step) for step in evaluation.approvals],
        "excluded": list(evaluation.excluded),
    }


def violation_document(violation: Violation) -> dict[str, Any]:
    """Returns a rule's no, or its warning, as tools read it."""
    return {
        "code": violation.code,
        "binding": violation.binding,
        "message": violation.message,
        "solution": violation.solution,
    }


def step_document(step: Requirement) -> dict[str, Any]:
    """Returns a step of approval as tools read it."""
    return {
        "id": step.id,
        "order": step.order,
        "count": step.count,
        "teams": list(step.teams),
        "people": list(step.people),
        "because": step.because,
    }


def steps_text(steps: Iterable[Requirement]) -> str:
    """Returns who has to approve: `1 of payments-leads and 1 of security, then 2 of audit`."""
    ordered = sorted(steps, key=lambda step: (step.order, step.id))
    return ", then ".join(
        " and ".join(f"{step.count} of {' or '.join((*step.teams, *step.people))}" for step in same)
        for _, same in groupby(ordered, key=lambda step: step.order)
    )


def evaluation_text(evaluation: Evaluation) -> str:
    """Returns an evaluation in few words: `denied`, `by itself`, or who has to approve."""
    if evaluation.violations or evaluation.merges_by_itself:
        return verdict(evaluation)
    return steps_text(evaluation.approvals)
