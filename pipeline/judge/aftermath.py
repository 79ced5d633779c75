"""What a change of the rules would leave behind: nothing that could not be read any more.

A catalogue or policies that cannot be read would deny every later request, the one that
repairs them included, so such a change is refused before it merges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.errors import EngineError, InvalidInput
from pipeline.grants.commits import MainlineCommit, TreeChange
from pipeline.judge.bundle import load_rules
from pipeline.judge.engine import PolicyBundle, PolicyEngine
from pipeline.judge.evaluate import evaluate
from pipeline.judge.sources import CATALOGUE, POLICIES, Sources, at_top
from pipeline.model import Catalogue, Problem


def aftermath(
    sources: Sources,
    head: str,
    changes: Sequence[TreeChange],
    document: Mapping[str, Any],
    embedded: Callable[[PolicyBundle], PolicyEngine],
) -> tuple[Problem, ...]:
    """Returns what would be wrong at *head*, as far as *changes* touch it.

    New policies are asked *document*, the question about this very change, by the *embedded*
    engine alone: nobody has reviewed them yet, and it reaches nothing outside.
    """
    try:
        if any(change.path.startswith(CATALOGUE) for change in changes):
            sources.catalogue(head)
        if any(change.path.startswith(POLICIES) for change in changes):
            bundle = sources.policies(head)
            evaluate(document, [embedded(bundle)], load_rules(bundle))
    except InvalidInput as error:
        return error.problems
    except EngineError as error:
        return (at_top("policies", "policies-broken", f"they give no decision: {error}"),)
    return ()


def readable_catalogue(
    sources: Sources, base: str, history: Sequence[MainlineCommit]
) -> Catalogue | None:
    """Returns the catalogue at *base*, or the last one of *history* that could be read.

    For what must stay possible on a broken catalogue: less access, and its repair. Whoever
    is offboarded at *base* is nobody in it. None where none could be read.
    """
    commits = [base, *(commit.sha for commit in reversed(history))]
    if history:
        commits += history[0].parents[:1]
    for sha in commits:
        try:
            found = sources.catalogue(sha)
        except InvalidInput:
            continue
        principals = {
            name: principal
            for name, principal in found.principals.items()
            if sha == base or not sources.offboarded(base, name)
        }
        # An older commit may hold delegations that were taken back since.
        return replace(
            found,
            principals=principals,
            delegations=found.delegations if sha == base else (),
        )
    return None
