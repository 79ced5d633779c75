"""Tries the rules of one folder as a change of those in another, without git, GitHub and secrets.

The job that holds a key takes the result as data, see `read_report`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path

from pipeline.errors import InvalidInput, Undecided, UsageError
from pipeline.grants.catalogue import load_catalogue
from pipeline.grants.teams import UNDECLARED
from pipeline.judge.rule_comparison import RuleComparison
from pipeline.judge.rulebook import Trial
from pipeline.policy.bundle import load_bundle
from pipeline.policy.engine import PolicyBundle
from pipeline.run.offline import catalogue_files, read_policy_files
from pipeline.values.catalogue import Catalogue
from pipeline.values.problem import Problem


class _Folder:
    """The rules in a folder that is laid out as an access repository. A `RuleTree`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def files(self) -> Mapping[str, str]:
        """See `RuleTree.files`."""
        return read_policy_files(self._root / "policies")

    @cached_property
    def policies(self) -> PolicyBundle:
        """See `RuleTree.policies`."""
        return load_bundle(self.files)

    @property
    def catalogue(self) -> Catalogue:
        """See `RuleTree.catalogue`."""
        found, problems = self._loaded
        if any(one.code != UNDECLARED for one in problems):
            raise InvalidInput(problems)
        return found

    @property
    def undeclared_owners(self) -> tuple[Problem, ...]:
        """See `RuleTree.undeclared_owners`."""
        return tuple(one for one in self._loaded[1] if one.code == UNDECLARED)

    @cached_property
    def _loaded(self) -> tuple[Catalogue, tuple[Problem, ...]]:
        return load_catalogue(catalogue_files(self._root))


def try_rules(root: Path, before: Path, trial: Trial, *, now: datetime) -> tuple[Problem, ...]:
    """Returns what *trial* finds wrong with the rules in *root* that is not so in *before*.

    Nothing is tried where the policies cannot be read, or all is the same: whoever judges the
    change reads them too, and says what is wrong.
    """
    after, earlier = _Folder(root), _Folder(before)
    rules = RuleComparison(after, earlier, trial, now)
    try:
        whole = after.files != earlier.files
        found = rules.on_paper(whole=whole)
        if not found and whole:
            found = rules.examined() or trial.compiled(after.policies)
        return found or rules.answered(whole=whole)
    except (InvalidInput, UsageError):
        return ()


def read_report(file: Path, *, head: str) -> tuple[Problem, ...]:
    """Returns the problems in *file*: a JSON object with `head`, the commit whose rules were
    tried, and `problems`.

    Raises `Undecided` for anything else, and where another commit than *head* was tried.
    """
    again = "run the check again"
    try:
        told = json.loads(file.read_bytes())
        tried = told["head"]
        problems = tuple(Problem(**one) for one in told["problems"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise Undecided(f"{file} reports no trial of the rules: {error}", hint=again) from error
    if tried != head:
        raise Undecided(f"the rules of {str(tried)[:7]} were tried, not {head[:7]}'s", hint=again)
    return problems
