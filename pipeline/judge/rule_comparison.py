"""Rules before and after a change: what is wrong with those after that was not with those before.

One fault stays one fault: who changes something else does not have to mend what others left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Protocol

from pipeline.errors import EngineError, InvalidInput
from pipeline.judge.rule_trial import no_decision, try_governance, try_grants
from pipeline.judge.rulebook import Trial
from pipeline.policy.engine import PolicyBundle, PolicyEngine
from pipeline.values.catalogue import Catalogue
from pipeline.values.problem import Problem


class RuleTree(Protocol):
    """Policies and the catalogue beside them; each raises `InvalidInput` where it is broken."""

    @property
    def files(self) -> Mapping[str, str]:
        """Texts below `policies/`, tests too, by path below it."""

    @property
    def policies(self) -> PolicyBundle:
        """The part of them that decides."""

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue."""

    @property
    def undeclared_owners(self) -> tuple[Problem, ...]:
        """Owners of its targets that are no declared teams."""


_Try = Callable[[PolicyBundle, Catalogue, PolicyEngine, datetime], tuple[Problem, ...]]


class RuleComparison:
    """Rules *after* a change, and *before* it, which is looked at only where anything is wrong."""

    def __init__(self, after: RuleTree, before: RuleTree, trial: Trial, now: datetime) -> None:
        self._after = after
        self._before = before
        self._trial = trial
        self._now = now

    def on_paper(self, *, whole: bool) -> tuple[Problem, ...]:
        """Returns what the text alone shows: teams that own targets, names that settings give,
        and with *whole* the policies' form and built-ins."""

        def read(tree: RuleTree) -> tuple[Problem, ...]:
            catalogue = self._catalogue(tree)
            names = () if catalogue is None else self._trial.misnamed(tree.files, catalogue)
            text = self._trial.written(tree.files) if whole else ()
            return (*tree.undeclared_owners, *names, *text)

        return self._new(read)

    def examined(self) -> tuple[Problem, ...]:
        """Returns what an engine shows of the files: settings that are not usable, tests that
        fail."""
        return self._new(lambda tree: self._trial.examined(tree.files))

    def answered(self, *, whole: bool) -> tuple[Problem, ...]:
        """Returns what is wrong with the answers: nobody could change the rules, which with
        *whole* counts even if it was so before, or questions about grants.

        Nothing is asked where neither policies, teams nor targets differ: whoever leaves is taken
        off the catalogue, even if nobody is left to approve something.
        """
        if not (whole or self._approvers_differ()):
            return ()

        def locked(tree: RuleTree) -> tuple[Problem, ...]:
            return self._ask(try_governance, tree)

        stuck = locked(self._after) if whole else self._new(locked)
        return stuck or self._new(lambda tree: self._ask(try_grants, tree))

    def _ask(self, way: _Try, tree: RuleTree) -> tuple[Problem, ...]:
        catalogue = self._catalogue(tree)
        if catalogue is None:
            return ()
        try:
            return way(tree.policies, catalogue, self._trial.embedded(tree.policies), self._now)
        except EngineError as error:
            return (no_decision(error),)

    def _approvers_differ(self) -> bool:
        after, before = self._catalogue(self._after), self._catalogue(self._before)
        if after is None or before is None:
            return False
        return (after.teams, after.targets) != (before.teams, before.targets)

    def _catalogue(self, tree: RuleTree) -> Catalogue | None:
        """Returns the catalogue of *tree*, or where that is broken the one after the change; None
        where neither can be read: nothing can be said of both together then."""
        for one in (tree, self._after):
            try:
                return one.catalogue
            except InvalidInput:
                continue
        return None

    def _new(self, look: Callable[[RuleTree], tuple[Problem, ...]]) -> tuple[Problem, ...]:
        found = look(self._after)
        if not found:
            return ()
        try:
            return _new_ones(found, look(self._before))
        except InvalidInput:
            return found


def _new_ones(found: Iterable[Problem], known: Iterable[Problem]) -> tuple[Problem, ...]:
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
