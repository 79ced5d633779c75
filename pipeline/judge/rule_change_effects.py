"""Finds what a change of the rules would leave behind: files that nobody can read any more, and
access where nobody looks.

A catalogue or policies that cannot be read would deny every later request, so such a change
is refused before it merges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline.errors import InvalidInput
from pipeline.history.branch_files import CATALOGUE
from pipeline.history.sources import POLICIES, Sources
from pipeline.judge.abandoned_access import left_behind
from pipeline.judge.rulebook import Trial, unanswered
from pipeline.values.catalogue import Catalogue
from pipeline.values.commits import MainlineCommit, TreeChange
from pipeline.values.problem import Problem


def aftermath(
    sources: Sources,
    head: str,
    changes: Sequence[TreeChange],
    document: Mapping[str, Any],
    trial: Trial,
    *,
    before: Catalogue,
    history: Sequence[MainlineCommit],
    now: datetime,
) -> tuple[Problem, ...]:
    """Returns what would be wrong at *head*, as far as *changes* touch it.

    New policies are asked *document*, the question about this very change. Targets are held
    against those of *before*, and against what *history* has given on them.
    """
    problems: list[Problem] = []
    try:
        if any(change.path.startswith(CATALOGUE) for change in changes):
            after = sources.catalogue(head).targets
            problems += left_behind(sources, history, before=before.targets, after=after, now=now)
    except InvalidInput as error:
        problems += error.problems
    try:
        if any(change.path.startswith(POLICIES) for change in changes):
            problems += unanswered(sources.policies(head), document, trial)
    except InvalidInput as error:
        problems += error.problems
    return tuple(problems)
