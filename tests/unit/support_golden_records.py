"""Records of what was judged: plain values, which keep their form however classes are named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.approvals.tally import Approvals, Rejected
from pipeline.clouds.desired import Desired
from pipeline.judge.assessment import Assessment
from pipeline.judge.decide import Decision, Verdict
from pipeline.policy.answer import Evaluation, Violation
from pipeline.values.binding import Binding
from pipeline.values.canonical import canonical, timestamp
from pipeline.values.grant import Window
from pipeline.values.problem import Problem

Record = dict[str, Any]
"""By part: `question`, `evaluation`, `bindings`, `decision`, in words `answer`, and `ran`."""


def record(
    *,
    decision: Decision,
    problems: Sequence[Problem] = (),
    questions: Sequence[Mapping[str, Any]] = (),
    evaluations: Sequence[Evaluation] = (),
    bindings: Sequence[Binding] = (),
    assessment: Assessment | None = None,
) -> Record:
    """Returns the record of one decision; parts that there is nothing of are left out.

    `ran` holds what names every rule: it changes with each new one, so it is apart.
    """
    told: dict[str, Any] = {
        "verdict": decision.verdict.value,
        "reasons": list(decision.reasons),
        "merges_by_itself": decision.merges_by_itself,
        "problems": [[problem.code, str(problem)] for problem in problems],
    }
    approvals = None
    if assessment is not None:
        approvals = assessment.approvals
        told |= {
            "kind": assessment.kind,
            "requester": assessment.requester,
            "offer": assessment.offer,
            "items": [[item.path, item.change] for item in assessment.items],
            "approvals": None if approvals is None else _approvals(approvals),
        }
    parts: dict[str, Any] = {
        "answer": answer(decision, problems, evaluations, approvals),
        # In which order they are asked decides nothing.
        "question": sorted((dict(one) for one in questions), key=canonical),
        "evaluation": [_evaluation(one) for one in evaluations],
        "bindings": [_binding(one) for one in bindings],
        "decision": told,
        "ran": {
            "codes": sorted({code for one in evaluations for code in one.evaluated}),
            "decisions": [one.digest for one in evaluations],
            # The policies' own digest changes with every comment in them.
            "assessment": replace(assessment, policies="").digest if assessment else "",
        },
    }
    return {name: part for name, part in parts.items() if part}


def record_of_desired(found: Desired) -> Record:
    """Returns the record of what the clouds should hold."""
    parts: dict[str, list[Any]] = {
        "held": [_binding(one) for one in found.bindings],
        "deferred": [
            [one.grant, one.target, _window(one.window), one.why] for one in found.deferred
        ],
        "refused": [list(one) for one in found.refused],
    }
    counts = ", ".join(f"{len(part)} {name}" for name, part in parts.items() if part)
    return {"answer": counts or "nothing", "bindings": parts}


def answer(
    decision: Decision,
    problems: Sequence[Problem],
    evaluations: Sequence[Evaluation],
    approvals: Approvals | None,
) -> str:
    """Returns the decision in a few words, so that a renewed golden file can be reviewed."""
    codes = sorted({found.code for one in evaluations for found in one.violations})
    warned = sorted({found.code for one in evaluations for found in one.warnings})
    steps = sorted({f"{step.count} {step.id}" for one in evaluations for step in one.approvals})
    given = ", ".join(approvals.given) if approvals else ""
    why = ""
    match decision.verdict:
        case Verdict.INVALID:
            why = ", ".join(sorted({problem.code for problem in problems}))
        case Verdict.DENIED:
            why = ", ".join(codes) or " ".join(decision.reasons)
        case Verdict.WAITING:
            why = ", ".join(steps) + (f"; has {given}" if given else "")
        case Verdict.ALLOWED:
            why = f"by {given or 'itself'}"
    return f"{decision.verdict}: {why}" + (f"; warns: {', '.join(warned)}" if warned else "")


def _evaluation(one: Evaluation) -> dict[str, Any]:
    return {
        "violations": [_violation(found) for found in one.violations],
        "warnings": [_violation(found) for found in one.warnings],
        "approvals": [
            {
                "id": step.id,
                "teams": list(step.teams),
                "people": list(step.people),
                "count": step.count,
                "because": step.because,
                "order": step.order,
            }
            for step in one.approvals
        ],
        "excluded": list(one.excluded),
        "merges_by_itself": one.merges_by_itself,
        "why": one.why,
        "engines": list(one.engines),
    }


def _violation(found: Violation) -> dict[str, Any]:
    return {
        "code": found.code,
        "message": found.message,
        "solution": found.solution,
        "binding": found.binding,
        "field": found.field,
        "values": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in found.values.items()
        },
    }


def _approvals(count: Approvals) -> dict[str, Any]:
    return {
        "counted": [[one.principal, one.review.id] for one in count.counted],
        "rejected": [_rejected(one) for one in count.rejected],
        "blocking": [_rejected(one) for one in count.blocking],
        "steps": [
            {
                "id": step.requirement.id,
                "seats": [str(seat) for seat in step.seats],
                "missing": step.missing,
                "waits_for": list(step.waits_for),
            }
            for step in count.steps
        ],
        "complete": count.complete,
        "notes": list(count.notes),
        "given": list(count.given),
        "spare": list(count.spare),
        "missing": list(count.missing),
    }


def _rejected(one: Rejected) -> list[Any]:
    return [one.review.id, one.why]


def _binding(one: Binding) -> dict[str, Any]:
    return {
        "cloud": one.cloud.value,
        "target": one.target,
        "locator": one.locator,
        "key": one.key,
        "grants": list(one.grants),
        "principal": one.principal,
        "role": one.role,
        "window": None if one.window is None else _window(one.window),
        "document": one.document,
    }


def _window(window: Window) -> list[str]:
    return [timestamp(window.start), timestamp(window.end)]
