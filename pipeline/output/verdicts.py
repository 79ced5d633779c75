"""Evaluations as plain values for `--json` and in few words for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from pipeline.policy.answer import Evaluation, Violation
from pipeline.values.grant import Grant
from pipeline.values.requirement import Requirement


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


def place(grant: Grant, violation: Violation) -> str:
    """Returns where in its file *violation* says no, as `path:line:column`."""
    mark = violation.mark(grant)
    return f"{grant.path}:{mark.line}:{mark.column}" if mark else f"{grant.path}:1:1"


def needed(steps: Iterable[Requirement]) -> str:
    """Returns the steps with their reasons, those of a higher order after `then`."""
    orders: dict[int, list[str]] = {}
    for step in steps:
        who = " or ".join((*step.teams, *step.people))
        orders.setdefault(step.order, []).append(f"{step.count} of {who} ({step.because})")
    return "; then ".join("; ".join(orders[order]) for order in sorted(orders))


def grant_lines(grant: Grant, evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    """Yields what was said of a grant before it is pushed: each line and its style."""
    for violation in evaluation.violations:
        yield f"{place(grant, violation)}: {violation}", "red"
    for warning in evaluation.warnings:
        yield f"{place(grant, warning)}: {warning}", "yellow"
    if evaluation.violations:
        return
    if evaluation.approvals:
        yield f"{grant.path}: valid; needs {needed(evaluation.approvals)}", "green"
    else:
        yield f"{grant.path}: valid; {evaluation.why}", "green"


def grant_document(grant: Grant, evaluation: Evaluation) -> dict[str, Any]:
    """Returns what was said of a grant before it is pushed, as tools read it."""
    return {
        "id": grant.id,
        "path": grant.path,
        "violations": [
            {"code": v.code, "message": v.message, "solution": v.solution, "at": place(grant, v)}
            for v in evaluation.violations
        ],
        "approvals": [
            {
                "teams": list(s.teams),
                "people": list(s.people),
                "count": s.count,
                "why": s.because,
                "order": s.order,
            }
            for s in evaluation.approvals
        ],
        "merges_by_itself": evaluation.merges_by_itself,
    }
