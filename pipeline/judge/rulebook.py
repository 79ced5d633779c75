"""Finds the catalogue and the policies of the default branch that judge a pull request.

Two changes of the rules that are fine alone can break them together. What asks for access is
denied then. Less access and the repair must go on, so they are judged by the last commit whose
catalogue and policies can be used, and at which nothing that decides was unproven.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pipeline.errors import EngineError, InvalidInput
from pipeline.history.branch_files import at_top
from pipeline.history.sources import Sources
from pipeline.judge.rule_trial import no_decision, nobody_could_give, unusable_settings
from pipeline.policy.answer import Evaluation, Requester, evaluate, governance_document
from pipeline.policy.bundle import load_rules
from pipeline.policy.engine import PolicyBundle, PolicyEngine
from pipeline.values.catalogue import Catalogue
from pipeline.values.problem import Problem


class Trial(NamedTuple):
    """The means to try policies that nobody may have reviewed yet."""

    embedded: Callable[[PolicyBundle], PolicyEngine]
    """Gives the engine that is asked: it reaches nothing outside, so what it cannot answer is
    the policies' fault."""

    compiled: Callable[[PolicyBundle], tuple[Problem, ...]] = lambda _: ()
    """Returns why the reference engine would not take them; it is not asked anything."""

    bounded: Callable[[PolicyBundle], PolicyEngine] | None = None
    """Gives the same engine where it can do no harm, for policies that nobody reviewed."""

    written: Callable[[Mapping[str, str]], tuple[Problem, ...]] = lambda _: ()
    """Returns what the text of the files below `policies/` shows, by path below it."""

    examined: Callable[[Mapping[str, str]], tuple[Problem, ...]] = lambda _: ()
    """Returns what an engine shows of such files."""

    misnamed: Callable[[Mapping[str, str], Catalogue], tuple[Problem, ...]] = lambda *_: ()
    """Returns the names in the settings of such files that a catalogue does not know."""

    reported: tuple[Problem, ...] | None = None
    """The problems of a trial that was made elsewhere, where there is nothing to steal; None where
    there was none."""

    @property
    def unreviewed(self) -> Trial:
        """The trial of policies that nobody may have reviewed."""
        return self if self.bounded is None else self._replace(embedded=self.bounded)


class Rulebook(NamedTuple):
    """The catalogue and the policies that decide about one pull request."""

    catalogue: Catalogue
    policies: PolicyBundle


class Rulebooks:
    """Finds rulebooks in git. Each bundle is tried once."""

    def __init__(self, sources: Sources, trial: Trial) -> None:
        self._sources = sources
        self._trial = trial
        self._tried: dict[str, Evaluation | tuple[Problem, ...]] = {}

    def at(self, commit: str) -> Rulebook:
        """Returns what *commit* holds. Raises `InvalidInput` with the problems of both parts.

        Whether an engine can use the policies shows when it is asked: see `unusable`.
        """
        problems: list[Problem] = []
        catalogue: Catalogue | None = None
        policies: PolicyBundle | None = None
        try:
            catalogue = self._sources.catalogue(commit)
        except InvalidInput as error:
            problems.extend(error.problems)
        try:
            policies = self._sources.policies(commit)
        except InvalidInput as error:
            problems.extend(error.problems)
        if catalogue is None or policies is None:
            raise InvalidInput(tuple(problems))
        return Rulebook(catalogue, policies)

    def standing_in(self, base: str, sound: Sequence[str]) -> Rulebook:
        """Returns the first catalogue of *sound* that can be read, and the first policies there
        that leave a way out; where none do with that catalogue, the first that do with their own;
        where none do at all, the first that give a decision.

        Policies leave a way out whose settings are usable, and under which somebody whom the
        catalogue knows could approve a change of the rules.

        Raises `InvalidInput` where *sound* holds none: with what is wrong at *base*, or that it
        is unproven.
        """
        catalogue = readable_catalogue(self._sources, base, sound)
        policies: PolicyBundle | None = None
        if catalogue is not None:
            for found in filter(None, (self._policies(sha) for sha in sound)):
                if self._leave_a_way_out(found, catalogue):
                    return Rulebook(catalogue, found)
                policies = policies or found
        if catalogue is not None and policies is not None:
            return self._as_they_were(base, sound) or Rulebook(catalogue, policies)
        self.at(base)
        raise InvalidInput(
            (at_top("policies", "unproven", "no proven version of the rules can be used"),)
        )

    def _as_they_were(self, base: str, sound: Sequence[str]) -> Rulebook | None:
        """Returns catalogue and policies of the first commit of *sound* at which they left a way
        out together: a team that only the older policies name may be declared no more."""
        for commit in sound:
            catalogue = readable_catalogue(self._sources, base, [commit])
            policies = self._policies(commit)
            if catalogue is None or policies is None:
                continue
            if self._leave_a_way_out(policies, catalogue):
                return Rulebook(catalogue, policies)
        return None

    def unusable(self, policies: PolicyBundle) -> tuple[Problem, ...]:
        """Returns why *policies* give no decision, empty if they do.

        They are asked about a change of themselves by a stranger.
        """
        found = self._try(policies)
        return () if isinstance(found, Evaluation) else found

    def _leave_a_way_out(self, policies: PolicyBundle, catalogue: Catalogue) -> bool:
        found = self._try(policies)
        return (
            isinstance(found, Evaluation)
            and not unusable_settings(found)
            and not any(nobody_could_give(step, catalogue) for step in found.approvals)
        )

    def _try(self, policies: PolicyBundle) -> Evaluation | tuple[Problem, ...]:
        known = policies.digest
        if known not in self._tried:
            self._tried[known] = _answer(policies, _STRANGERS, self._trial)
        return self._tried[known]

    def _policies(self, commit: str) -> PolicyBundle | None:
        try:
            found = self._sources.policies(commit)
        except InvalidInput:
            return None
        return None if self.unusable(found) else found


def readable_catalogue(sources: Sources, base: str, commits: Sequence[str]) -> Catalogue | None:
    """Returns the first catalogue of *commits* that can be read, None where there is none.

    Whoever is offboarded at *base* is nobody in an older one, and it lends no right: it may hold
    delegations that were taken back since.
    """
    for commit in commits:
        try:
            found = sources.catalogue(commit)
        except InvalidInput:
            continue
        if commit == base:
            return found
        principals = {
            name: principal
            for name, principal in found.principals.items()
            if not sources.offboarded(base, name)
        }
        return replace(found, principals=principals, delegations=())
    return None


def unanswered(
    policies: PolicyBundle, question: Mapping[str, Any], trial: Trial
) -> tuple[Problem, ...]:
    """Returns why *policies* do not answer *question*, empty if they do."""
    found = _answer(policies, question, trial)
    return () if isinstance(found, Evaluation) else found


def _answer(
    policies: PolicyBundle, question: Mapping[str, Any], trial: Trial
) -> Evaluation | tuple[Problem, ...]:
    """Returns what *policies* say of *question*, or why they say nothing."""
    if problems := trial.compiled(policies):
        return problems
    try:
        return evaluate(question, [trial.embedded(policies)], load_rules(policies))
    except InvalidInput as error:
        return error.problems
    except EngineError as error:
        return (no_decision(error),)


_STRANGERS = governance_document(
    paths=["policies"],
    now=datetime(2026, 1, 1, tzinfo=UTC),
    requester=Requester(actor=None, principal=None),
)
