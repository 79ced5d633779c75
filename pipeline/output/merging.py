"""When the App merges a request that people approve, in words."""

from __future__ import annotations

from pipeline.judge.assessment import Assessment
from pipeline.output.ended import moment_text


def merging_text(assessment: Assessment) -> str:
    """Returns when Daypass merges *assessment*'s pull request, and what the clock starts at."""
    when = "now" if assessment.decision.allowed else "as soon as the last approval is in"
    starts = {item.grant.start for item in assessment.items if item.change == "create"}
    fixed = [moment for moment in starts if moment is not None]
    if fixed:
        clock = f"the clock starts at {moment_text(fixed[0])}"
    elif starts:
        clock = "the clock starts at that merge"
    else:
        return f"Daypass merges it {when}."
    return f"Daypass merges it {when}; {clock}."
