"""What a change of the rules would leave behind: nothing that could not be read any more.

A catalogue or policies that cannot be read would deny every later request, so such a change
is refused before it merges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.errors import InvalidInput
from pipeline.grants.commits import TreeChange
from pipeline.judge.rulebook import Trial, unanswered
from pipeline.judge.sources import CATALOGUE, POLICIES, Sources
from pipeline.model import Problem


def aftermath(
    sources: Sources,
    head: str,
    changes: Sequence[TreeChange],
    document: Mapping[str, Any],
    trial: Trial,
) -> tuple[Problem, ...]:
    """Returns what would be wrong at *head*, as far as *changes* touch it.

    New policies are asked *document*, the question about this very change.
    """
    try:
        if any(change.path.startswith(CATALOGUE) for change in changes):
            sources.catalogue(head)
        if any(change.path.startswith(POLICIES) for change in changes):
            return unanswered(sources.policies(head), document, trial)
    except InvalidInput as error:
        return error.problems
    return ()
