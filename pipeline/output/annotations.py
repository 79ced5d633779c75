"""Problems and violations at the line of the file that they are about."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.judge.assessment import Assessment
from pipeline.values.problem import Mark

_TOP = Mark(line=1, column=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """One remark at a place of a file; one-based."""

    path: str
    line: int
    column: int
    level: str
    """`failure` or `warning`."""

    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.message}"


def remarks(assessment: Assessment) -> tuple[Remark, ...]:
    """Returns every problem, violation and warning, by position."""
    found = [
        Remark(path=p.path, line=p.line, column=p.column, level="failure", message=p.message)
        for p in assessment.problems
    ]
    for item, evaluation in zip(assessment.items, assessment.evaluations, strict=False):
        for level, violations in (
            ("failure", evaluation.violations),
            ("warning", evaluation.warnings),
        ):
            for violation in violations:
                mark = violation.mark(item.grant) or _TOP
                found.append(
                    Remark(
                        path=item.path,
                        line=mark.line,
                        column=mark.column,
                        level=level,
                        message=str(violation),
                    )
                )
    return tuple(sorted(found, key=lambda one: (one.path, one.line, one.column, one.message)))
