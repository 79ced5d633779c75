"""Reads the answer of the policies. Any doubt about it denies.

What is asked is in `question.py`. No engine is imported here: engines come in, values come out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import EngineError, Unanswerable
from pipeline.policy.bundle import Rule
from pipeline.policy.engine import PolicyEngine
from pipeline.policy.question import (
    OtherLife,
    Previous,
    Requester,
    governance_document,
    input_document,
)
from pipeline.policy.wording import Value, word
from pipeline.values.canonical import canonical, digest
from pipeline.values.grant import Grant
from pipeline.values.problem import Mark
from pipeline.values.requirement import Requirement

__all__ = [
    "BECAUSE",
    "WHY",
    "EnginesDisagree",
    "Evaluation",
    "OtherLife",
    "Previous",
    "Requester",
    "Violation",
    "evaluate",
    "governance_document",
    "input_document",
]

WHY = {
    "violations": "policy rules say no",
    "approvals": "people have to approve",
    "low-risk": "every role is of low risk, and somebody with a say in it asks",
    "less-access": "it takes access away, asked by somebody with a say in it",
    "emergency": "it is an emergency, and somebody on call asks for themself",
}
"""Reasons for merging by itself or not, by the code that policies give."""

BECAUSE = {
    "risk-low": "a role of low risk that may not merge by itself",
    "risk-medium": "a role of medium risk",
    "risk-high": "a role of high risk",
    "risk-critical": "a role of critical risk",
    "less-access": "somebody without a say in it wants to take access away",
    "governance": "policies, catalogue or workflows change",
    "emergency-review": "a use of emergency access is reviewed",
}
"""Reasons for an approval, by the code that policies give."""


class EnginesDisagree(EngineError):
    """Raised when two engines decide the same request differently."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """A rule's no, or its warning, in words."""

    code: str
    message: str
    solution: str
    binding: int
    """Index into the grant's access, or -1 for the grant as a whole."""

    field: str
    """The grant's field it is about, empty for none: `duration`, `access.0`."""

    values: Mapping[str, Value]

    def __str__(self) -> str:
        return f"{self.message}; {self.solution}"

    def mark(self, grant: Grant) -> Mark | None:
        """Returns where *grant*'s file says it, as closely as is known."""
        name = self.field
        while name:
            if name in grant.marks:
                return grant.marks[name]
            name = name.rpartition(".")[0]
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """The answer of the policies to one request."""

    violations: tuple[Violation, ...]
    warnings: tuple[Violation, ...]
    approvals: tuple[Requirement, ...]
    """Every step is needed, sorted by id."""

    excluded: tuple[str, ...]
    """Principals who may never approve it, sorted."""

    merges_by_itself: bool
    why: str
    """For people: why it merges by itself, or does not."""

    evaluated: tuple[str, ...]
    """Codes of every rule that ran, sorted."""

    digest: str
    """SHA-256 of the decision as canonical JSON; equal for every engine."""

    engines: tuple[str, ...]
    """Names of the engines that gave it."""

    merges_when_approved: bool = False
    """Whether the App merges it once every approval is in."""


def evaluate(
    document: Mapping[str, Any], engines: Sequence[PolicyEngine], rules: Mapping[str, Rule]
) -> Evaluation:
    """Returns what the policies say of *document*, asked of every engine.

    *rules* are those of the bundle that the engines hold (`bundle.load_rules`): each must be
    among the codes that ran.

    Raises `EngineError` when an engine does not answer, `Unanswerable` when it answers anything
    but a complete decision in the agreed form, and `EnginesDisagree` when two decide
    differently. Nothing follows from any of them: the request stays denied.
    """
    if not engines:
        raise EngineError("no policy engine was asked")
    if not rules:
        raise EngineError("the policies hold no rules")
    decisions = {
        engine.name: _Reader(engine.name, document, rules).decision(engine.decide(document))
        for engine in engines
    }
    (name, decision), *others = decisions.items()
    for other, differing in others:
        keys = sorted(
            key
            for key in decision.keys() | differing.keys()
            if decision.get(key) != differing.get(key)
        )
        if keys:
            one, two = (canonical(what.get(keys[0])) for what in (decision, differing))
            raise EnginesDisagree(
                f"{name} and {other} decide differently about {', '.join(keys)}: {one} and {two}",
                hint="rewrite the rule with built-ins that both engines answer alike",
            )
    return Evaluation(
        violations=_worded(decision["violations"], rules),
        warnings=_worded(decision["warnings"], rules),
        approvals=tuple(
            Requirement(
                id=step["id"],
                teams=tuple(step["teams"]),
                people=tuple(step["people"]),
                count=step["count"],
                because=BECAUSE[step["because"]],
                order=step["order"],
            )
            for step in decision["approvals"]
        ),
        excluded=tuple(decision["excluded"]),
        merges_by_itself=decision["merges_by_itself"],
        merges_when_approved=decision.get("merges_when_approved", False),
        why=WHY[decision["why"]],
        evaluated=tuple(decision["evaluated"]),
        digest=digest(decision),
        engines=tuple(decisions),
    )


class _Reader:
    """Reads one engine's answer; whatever is not exactly as agreed raises `EngineError`."""

    def __init__(self, engine: str, document: Mapping[str, Any], rules: Mapping[str, Rule]) -> None:
        self._engine = engine
        self._document = document
        self._rules = rules

    def decision(self, answer: object) -> dict[str, Any]:
        """Returns the decision with its sets sorted."""
        keys = ("violations", "warnings", "approvals", "excluded", "evaluated")
        if isinstance(answer, dict):
            # Policies that do not say so leave it to people.
            answer = {"merges_when_approved": False, **answer}
        wanted = {*keys, "merges_by_itself", "merges_when_approved", "why"}
        entries = self._object(answer, "the decision", wanted)
        evaluated = self._texts(entries["evaluated"], "evaluated")
        violations = self._findings(entries["violations"], "violations")
        approvals = self._steps(entries["approvals"])
        alone, why = entries["merges_by_itself"], entries["why"]
        later = entries["merges_when_approved"]
        missing = sorted(set(self._rules) - set(evaluated))
        unknown = sorted(set(evaluated) - set(self._rules))
        if missing:
            raise self._error(f"these rules did not run: {', '.join(missing)}")
        if unknown:
            raise self._error(f"evaluated names unknown rules: {', '.join(unknown)}")
        if type(alone) is not bool:
            raise self._error("merges_by_itself is neither true nor false")
        if type(later) is not bool:
            raise self._error("merges_when_approved is neither true nor false")
        if later and (violations or not approvals):
            raise self._error("it merges when approved, and nobody could approve it")
        if alone and (violations or approvals):
            raise self._error("it merges by itself in spite of violations or approvals")
        if not (alone or violations or approvals):
            raise self._error("neither a violation, an approval nor a reason to merge by itself")
        if not isinstance(why, str) or why not in WHY:
            raise self._error(f"unknown reason: why is {_shown(why)}")
        excluded = self._texts(entries["excluded"], "excluded")
        unheeded = sorted(_own(self._document) - set(excluded))
        if unheeded:
            raise self._error(f"not excluded from approving: {', '.join(unheeded)}")
        return {
            "violations": violations,
            "warnings": self._findings(entries["warnings"], "warnings"),
            "approvals": approvals,
            "excluded": excluded,
            "merges_by_itself": alone,
            **({"merges_when_approved": True} if later else {}),
            "why": why,
            "evaluated": evaluated,
        }

    def _findings(self, value: object, where: str) -> list[dict[str, Any]]:
        found = []
        for entry in self._list(value, where):
            finding = self._object(entry, where, {"code", "binding", "values"})
            code, binding = finding["code"], finding["binding"]
            if not isinstance(code, str) or code not in self._rules:
                raise self._error(f"unknown code in {where}: {_shown(code)}")
            bindings = len(self._document.get("bindings", ()))
            if type(binding) is not int or not -1 <= binding < bindings:
                raise self._error(f"{code} is about binding {_shown(binding)}, which there is not")
            values = finding["values"]
            if not isinstance(values, dict):
                raise self._error(f"the values of {code} are no object")
            for name, one in values.items():
                if type(one) is list:
                    self._texts(one, f"{name} of {code}")
                elif not (one is None or type(one) in (str, int, bool)):
                    raise self._error(f"{name} of {code} is {_shown(one)}")
            found.append(finding)
        return sorted(found, key=canonical)

    def _steps(self, value: object) -> list[dict[str, Any]]:
        steps = []
        for entry in self._list(value, "approvals"):
            keys = {"id", "teams", "people", "count", "because", "order"}
            step = self._object(entry, "approvals", keys)
            if not isinstance(step["id"], str) or not step["id"]:
                raise self._error("an approval has no id")
            teams = self._texts(step["teams"], "teams")
            people = self._texts(step["people"], "people")
            if not teams and not people:
                raise self._error(f"nobody could give the approval {step['id']}")
            if type(step["count"]) is not int or step["count"] < 1:
                raise self._error(f"approval {step['id']} asks for {_shown(step['count'])} people")
            if type(step["order"]) is not int or step["order"] < 1:
                raise self._error(f"approval {step['id']} has the order {_shown(step['order'])}")
            if not isinstance(step["because"], str) or step["because"] not in BECAUSE:
                raise self._error(f"unknown reason for an approval: {_shown(step['because'])}")
            steps.append({**step, "teams": teams, "people": people})
        if len({step["id"] for step in steps}) != len(steps):
            raise self._error("two approvals have the same id")
        return sorted(steps, key=lambda step: str(step["id"]))

    def _object(self, value: object, where: str, keys: set[str]) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._error(f"{where}: {_shown(value)} instead of an object")
        if value.keys() != keys:
            odd = sorted(str(key) for key in value.keys() ^ keys)
            raise self._error(f"{where}: missing or unexpected: {', '.join(odd)}")
        return dict(value)

    def _list(self, value: object, where: str) -> list[object]:
        if not isinstance(value, list):
            raise self._error(f"{where}: {_shown(value)} instead of a list")
        return value

    def _texts(self, value: object, where: str) -> list[str]:
        texts = [one for one in self._list(value, where) if isinstance(one, str) and one]
        if len(texts) != len(self._list(value, where)):
            raise self._error(f"{where}: {_shown(value)} instead of a list of texts")
        return sorted(set(texts))

    def _error(self, message: str) -> Unanswerable:
        return Unanswerable(
            f"{self._engine} gave an unusable decision: {message}",
            hint="the request stays denied; correct the policies",
        )


def _own(document: Mapping[str, Any]) -> set[str]:
    """Returns who may never approve *document*, whatever the policies say."""
    names = {document["requester"]["principal"]}
    if document["kind"] == "grant":
        # The owner of a workload is no second pair of eyes for it.
        names |= {document["subject"]["name"], document["subject"]["owner"]}
        names |= {document["grant"]["requested_by"]}
    else:
        names |= set(document["reviews"])
    return {name for name in names if name}


def _worded(findings: list[dict[str, Any]], rules: Mapping[str, Rule]) -> tuple[Violation, ...]:
    found = []
    for finding in findings:
        rule = rules[finding["code"]]
        values: dict[str, Value] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in finding["values"].items()
        }
        of_access = rule.field == "access" and finding["binding"] >= 0
        found.append(
            Violation(
                code=rule.code,
                message=word(rule.message, values),
                solution=word(rule.solution, values),
                binding=finding["binding"],
                field=f"access.{finding['binding']}" if of_access else rule.field,
                values=values,
            )
        )
    return tuple(found)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
