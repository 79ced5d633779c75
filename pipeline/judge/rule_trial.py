"""Tries policies, with the settings and the catalogue beside them, before they merge.

Policies that give no answer, or an answer that leaves no way out, would lock everybody out: the
next change of the rules is judged by them too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from pipeline.errors import EngineError, InvalidInput
from pipeline.grants.teams import TEAMS_FILE
from pipeline.history.branch_files import at_top
from pipeline.judge.trial_questions import TrialQuestion, governance_questions, grant_questions
from pipeline.policy.answer import Evaluation, Requester, evaluate
from pipeline.policy.bundle import load_rules
from pipeline.policy.engine import PolicyBundle, PolicyEngine
from pipeline.values.catalogue import Catalogue, PrincipalKind
from pipeline.values.problem import Problem
from pipeline.values.requirement import Requirement

MOST_PEOPLE = 200
"""Principals for whom it is tried whether they could change the rules."""

_CALLED = {
    "governance": "a change of the rules",
    "review": "a review of emergency access",
    "narrow": "shortening a grant",
    "delete": "deleting a grant",
    "create": "a new grant",
    "extend": "extending a grant",
    "emergency": "an emergency grant",
}


def no_decision(error: EngineError) -> Problem:
    """Returns that policies gave no decision as a problem of theirs."""
    return at_top("policies", "policies-broken", f"they give no decision: {error}")


def nobody_could_give(step: Requirement, catalogue: Catalogue) -> bool:
    """Whether *catalogue* declares none of the teams and has none of the people of *step*."""
    return not _candidates(step, catalogue)


def _candidates(step: Requirement, catalogue: Catalogue) -> list[str]:
    """Returns the people who may be able to give *step*: everybody where a team of it is declared,
    as only GitHub knows who is in it."""
    anybody = any(team in catalogue.teams for team in step.teams)
    return [name for name in _people(catalogue) if anybody or name in step.people]


def _people(catalogue: Catalogue) -> list[str]:
    """Returns the names of the enabled people, who alone can approve."""
    return [
        name
        for name, one in sorted(catalogue.principals.items())
        if one.kind is PrincipalKind.PERSON and not one.disabled
    ]


def unusable_settings(evaluation: Evaluation) -> list[str]:
    """Returns what *evaluation* says of settings that are not usable: each finding that names one
    in its value `setting`."""
    return [str(one) for one in evaluation.violations if "setting" in one.values]


def try_governance(
    policies: PolicyBundle, catalogue: Catalogue, engine: PolicyEngine, now: datetime
) -> tuple[Problem, ...]:
    """Returns why nobody could change the rules any more, or close the review of an emergency,
    under *policies*; empty if somebody could.

    It is asked for somebody who is no principal, and where that is denied, for each enabled
    person of *catalogue*.
    """
    first: tuple[Problem, ...] = ()
    for name in (None, *_people(catalogue)[:MOST_PEOPLE]):
        requester = Requester(actor=None, principal=name, teams=frozenset(catalogue.teams))
        asked = list(governance_questions(requester, now))
        problems = _tried(policies, catalogue, engine, asked)
        if not problems:
            return ()
        first = first or problems
    return first


def try_grants(
    policies: PolicyBundle, catalogue: Catalogue, engine: PolicyEngine, now: datetime
) -> tuple[Problem, ...]:
    """Returns what is wrong with the answers of *policies* about grants: of each kind, for each
    cloud and risk, that there is none, that less access is held up, that it waits for nobody."""
    asked = list(grant_questions(catalogue, policies.data.get("settings"), now))
    return _tried(policies, catalogue, engine, asked)


def _tried(
    policies: PolicyBundle,
    catalogue: Catalogue,
    engine: PolicyEngine,
    asked: Sequence[TrialQuestion],
) -> tuple[Problem, ...]:
    try:
        rules = load_rules(policies)
        answers = [(one, evaluate(one.document, [engine], rules)) for one in asked]
    except InvalidInput as error:
        return error.problems
    except EngineError as error:
        return (no_decision(error),)
    # Of one cause, the first question that shows it.
    found: dict[str, Problem] = {}
    for question, evaluation in answers:
        for cause, message in _faults(question, evaluation, catalogue):
            found.setdefault(cause, at_top("policies", "no-way-out", message))
    return tuple(found.values())


def _faults(
    question: TrialQuestion, evaluation: Evaluation, catalogue: Catalogue
) -> Iterator[tuple[str, str]]:
    """Yields the cause and the message of each fault of an answer."""
    what = _CALLED[question.kind] + (f" ({question.about})" if question.about else "")
    # A setting that is not usable denies much else.
    denied = unusable_settings(evaluation)
    if question.takes_away or not question.about:
        denied = denied or [str(one) for one in evaluation.violations]
    for why in denied:
        yield why, f"{what} would be denied whoever asks: {why}"
    for step in () if denied else evaluation.approvals:
        candidates = _candidates(step, catalogue)
        names = ", ".join((*step.teams, *step.people))
        if not candidates:
            yield (
                names,
                f"{what} would wait for ever: {names} is in neither {TEAMS_FILE} nor "
                "access/principals; correct the name or declare it",
            )
        # Who founds an organisation reviews no emergency of their own; more people come later.
        elif step.count > len(candidates) and question.kind != "review":
            yield (
                f"{step.count} of {names}",
                f"{what} would wait for ever: it needs {step.count} of {names}, and there are "
                f"{len(candidates)} people who could approve; ask for fewer",
            )
