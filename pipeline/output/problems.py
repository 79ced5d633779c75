"""Problems as plain values for `--json`."""

from __future__ import annotations

from typing import Any

from pipeline.values.problem import Problem


def problem_document(problem: Problem) -> dict[str, Any]:
    """Returns a problem as tools read it."""
    return {
        "path": problem.path,
        "line": problem.line,
        "column": problem.column,
        "code": problem.code,
        "message": problem.message,
    }
