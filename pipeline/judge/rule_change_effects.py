"""Finds what a change of the rules would leave behind: files that nobody can read any more, rules
that lock everybody out, and access where nobody looks.

A catalogue or policies that cannot be used would deny every later request, so such a change
is refused before it merges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline.errors import InvalidInput
from pipeline.history.branch_files import CATALOGUE
from pipeline.history.sources import POLICIES, Sources
from pipeline.judge.abandoned_access import left_behind
from pipeline.judge.rule_comparison import RuleComparison
from pipeline.judge.rulebook import Trial, unanswered
from pipeline.policy.engine import PolicyBundle
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
    base: str,
    before: Catalogue,
    history: Sequence[MainlineCommit],
    now: datetime,
) -> tuple[Problem, ...]:
    """Returns what would be wrong at *head*, as far as *changes* touch it.

    New policies are asked *document*, the question about this very change, after their files were
    examined, and must leave a way out. Whatever else is wrong with policies and catalogue
    together counts where it was not so already at the commit that *head* and *base* have in
    common. Where the trial was made elsewhere, its report takes the place of every question here.
    Targets are held against those of *before*, and against what *history* has given on
    them.
    """
    new_catalogue = any(change.path.startswith(CATALOGUE) for change in changes)
    new_policies = any(change.path.startswith(POLICIES) for change in changes)
    if not (new_catalogue or new_policies):
        return ()
    problems: list[Problem] = []
    policies: PolicyBundle | None = None
    try:
        after = sources.catalogue(head).targets if new_catalogue else before.targets
        problems += left_behind(sources, history, before=before.targets, after=after, now=now)
    except InvalidInput as error:
        problems += error.problems
    try:
        policies = sources.policies(head)
    except InvalidInput as error:
        problems += error.problems if new_policies else ()
    if problems or policies is None:
        return tuple(problems)
    rules = RuleComparison(
        _Committed(sources, lambda: head),
        _Committed(sources, lambda: sources.objects.merge_base(base, head)),
        trial,
        now,
    )
    found = rules.on_paper(whole=new_policies)
    if found or trial.reported is not None:
        return found or trial.reported or ()
    if new_policies:
        found = rules.examined() or unanswered(policies, document, trial)
    return found or rules.answered(whole=new_policies)


class _Committed:
    """The rules at a commit, which is looked for when they are read. A `RuleTree`."""

    def __init__(self, sources: Sources, commit: Callable[[], str]) -> None:
        self._sources = sources
        self._commit = commit

    @property
    def files(self) -> Mapping[str, str]:
        """See `RuleTree.files`."""
        return self._sources.policy_files(self._commit())

    @property
    def policies(self) -> PolicyBundle:
        """See `RuleTree.policies`."""
        return self._sources.policies(self._commit())

    @property
    def catalogue(self) -> Catalogue:
        """See `RuleTree.catalogue`."""
        return self._sources.catalogue(self._commit())

    @property
    def undeclared_owners(self) -> tuple[Problem, ...]:
        """See `RuleTree.undeclared_owners`."""
        return self._sources.undeclared_owners(self._commit())
