"""Assessments of pull requests as plain values for `--json`."""

from __future__ import annotations

from typing import Any

from pipeline.judge.assessment import Assessment
from pipeline.output.problems import problem_document
from pipeline.values.canonical import timestamp


def assessment_document(assessment: Assessment) -> dict[str, Any]:
    """Returns an assessment as tools read it."""
    approvals = assessment.approvals
    return {
        "pull": assessment.pull.number,
        "head": assessment.pull.head_sha,
        "base": assessment.base,
        "kind": assessment.kind,
        "verdict": assessment.decision.verdict,
        "reasons": list(assessment.decision.reasons),
        "merges_by_itself": assessment.decision.merges_by_itself,
        "merges_when_approved": assessment.decision.merges_when_approved,
        "keeper_merges": assessment.decision.keeper_merges,
        "problems": [problem_document(p) for p in assessment.problems],
        "grants": [
            {
                "id": item.grant.id,
                "change": item.change,
                "bindings": [
                    {"target": b.target, "role": b.role, "duration": item.grant.duration}
                    for b in item.bindings
                ],
            }
            for item in assessment.items
        ],
        "ends": [
            {
                "grant": one.grant,
                "subject": one.subject,
                "end": timestamp(one.end),
                "whole": one.whole,
                "lines": [
                    {"target": line.target, "role": line.role, "whole": line.whole}
                    for line in one.lines
                ],
            }
            for one in assessment.ends
        ],
        "ends_unknown": assessment.ends_unknown,
        "approvers": list(assessment.approvers),
        "not_counted": [why for _, why in approvals.rejected] if approvals else [],
        "missing": list(approvals.missing) if approvals else [],
        "notes": list(approvals.notes) if approvals else [],
        "empty_teams": list(assessment.empty_teams),
        "spare": list(approvals.spare) if approvals else [],
        "steps": [
            {
                "id": step.requirement.id,
                "order": step.requirement.order,
                "people": [
                    {"principal": seat.principal, "authority": seat.authority}
                    for seat in step.seats
                ],
                "missing": step.missing,
                "waits_for": list(step.waits_for),
            }
            for step in (approvals.steps if approvals else ())
        ],
        "decision": assessment.digest,
    }
