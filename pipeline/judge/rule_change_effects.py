"""Finds what a change of the rules would leave behind: files that nobody can read any more, rules
that lock everybody out, and access where nobody looks.

A catalogue or policies that cannot be used would deny every later request, so such a change
is refused before it merges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from pipeline.errors import EngineError, InvalidInput
from pipeline.grants.teams import TEAMS_FILE
from pipeline.history.sources import CATALOGUE, POLICIES, Sources
from pipeline.judge.abandoned_access import left_behind
from pipeline.judge.rule_trial import no_decision, try_governance, try_grants
from pipeline.judge.rulebook import Trial, unanswered
from pipeline.policy.engine import PolicyBundle, PolicyEngine
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
    common. Targets are held against those of *before*, and against what *history* has given on
    them.
    """
    new_catalogue = any(change.path.startswith(CATALOGUE) for change in changes)
    new_policies = any(change.path.startswith(POLICIES) for change in changes)
    if not (new_catalogue or new_policies):
        return ()
    problems: list[Problem] = []
    catalogue: Catalogue | None = None
    policies: PolicyBundle | None = None
    try:
        catalogue = sources.catalogue(head)
        if new_catalogue:
            problems += left_behind(
                sources, history, before=before.targets, after=catalogue.targets, now=now
            )
    except InvalidInput as error:
        problems += error.problems if new_catalogue else ()
    try:
        policies = sources.policies(head)
    except InvalidInput as error:
        problems += error.problems if new_policies else ()
    if problems or policies is None:
        return tuple(problems)
    if catalogue is None:
        # Broken before, and by somebody else: nothing can be said of both together.
        return unanswered(policies, document, trial)
    rules = _Rules(sources, trial, base=base, head=head, now=now)
    found = rules.examined(catalogue, whole=new_policies)
    if not found and new_policies:
        found = unanswered(policies, document, trial)
    if found or not any(change.path.startswith(_TRIED) for change in changes):
        return found
    return rules.tried(
        try_governance, policies, catalogue, new_only=not new_policies
    ) or rules.tried(try_grants, policies, catalogue, new_only=True)


_TRIED = (POLICIES, "access/principals/", "access/targets/", TEAMS_FILE)
"""Where the answers to trial questions come from."""

_Try = Callable[[PolicyBundle, Catalogue, PolicyEngine, datetime], tuple[Problem, ...]]


class _Rules:
    """Policies and catalogue at the head of a change, and where it began."""

    def __init__(
        self, sources: Sources, trial: Trial, *, base: str, head: str, now: datetime
    ) -> None:
        self._sources = sources
        self._trial = trial
        self._base = base
        self._head = head
        self._now = now

    @cached_property
    def _fork(self) -> str:
        return self._sources.objects.merge_base(self._base, self._head)

    def examined(self, catalogue: Catalogue, *, whole: bool) -> tuple[Problem, ...]:
        """Returns what is wrong with the files of the policies beside *catalogue* and was not
        before: names that they give, and with *whole* everything that an author is told."""

        def examine(commit: str, beside: Catalogue) -> tuple[Problem, ...]:
            files = self._sources.policy_files(commit)
            rest = self._trial.examined(files) if whole else ()
            return (*self._trial.misnamed(files, beside), *rest)

        found = examine(self._head, catalogue)
        try:
            known = examine(self._fork, self._sources.catalogue(self._fork)) if found else ()
        except InvalidInput:
            return found
        return _new(found, known)

    def tried(
        self, way: _Try, policies: PolicyBundle, catalogue: Catalogue, *, new_only: bool
    ) -> tuple[Problem, ...]:
        """Returns what is wrong with the answers of *policies*; with *new_only*, what was not
        wrong before."""
        found = self._ask(way, policies, catalogue)
        if not (found and new_only):
            return found
        try:
            before = self._sources.policies(self._fork), self._sources.catalogue(self._fork)
            return _new(found, self._ask(way, *before))
        except InvalidInput:
            return found

    def _ask(self, way: _Try, policies: PolicyBundle, catalogue: Catalogue) -> tuple[Problem, ...]:
        try:
            return way(policies, catalogue, self._trial.embedded(policies), self._now)
        except EngineError as error:
            return (no_decision(error),)


def _new(found: Iterable[Problem], known: Iterable[Problem]) -> tuple[Problem, ...]:
    """Returns those of *found* that are not *known*, wherever in their file they stand; of what is
    wrong once more than before, the last."""
    old = Counter((one.path, one.code, one.message) for one in known)
    new = []
    for one in found:
        key = (one.path, one.code, one.message)
        if old[key]:
            old[key] -= 1
        else:
            new.append(one)
    return tuple(new)
