"""Results of a simulation: a table for people, values for `--json`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, get_args

from pipeline.output.text import table
from pipeline.output.verdicts import evaluation_document, evaluation_text
from pipeline.policy_tools.simulate import (
    Flip,
    Judged,
    NoDecision,
    ReplayedQuestion,
    RuleFinding,
    Simulation,
    Turn,
)
from pipeline.values.canonical import timestamp
from pipeline.values.grant_change import LESS, GrantChange

_HEADER = ("GRANT", "WHERE", "AS OF", "WHAT", "BEFORE", "AFTER", "CODES")


def flip_table(outcome: Simulation) -> list[str]:
    """Returns a header and one line for each flip."""
    return table(
        _HEADER,
        [
            (
                one.question.grant.id,
                _where(one.question),
                timestamp(one.question.at),
                ", ".join(flip.turns),
                evaluation_text(one.before),
                evaluation_text(one.after),
                _codes(flip) or "–",
            )
            for one, flip in outcome.flips
        ],
    )


def summary(outcome: Simulation) -> str:
    """Returns how many were judged, how many flip, and how, and how many of them take access
    away."""
    text = f"{len(outcome.judged)} judged, {_flips(outcome)}"
    changes = _changes(outcome)
    less = [
        f"{changes[name]} {name}"
        for name in get_args(GrantChange)
        if name in LESS and changes[name]
    ]
    if less:
        text += f"; less access among them: {', '.join(less)}"
    if outcome.not_judged:
        text += f"; {len(outcome.not_judged)} not judged"
    return text


def not_judged_lines(outcome: Simulation) -> list[str]:
    """Returns one line for each grant that was not judged, with the reason."""
    return [
        f"not judged: {_text(one.path)} ({_place(one.commit)}): {_text(one.reason)}"
        for one in outcome.not_judged
    ]


def _flips(outcome: Simulation) -> str:
    """Returns how many flips there are, and of which kinds: a single one may be of several."""
    many = len(outcome.flips)
    counts = Counter(turn for _, flip in outcome.flips for turn in flip.turns)
    kinds = [turn for turn in Turn if counts[turn]]
    if many < 2:
        return f"1 flip ({', '.join(kinds)})" if many else "no flips"
    told = ", ".join(f"{counts[turn]} {turn}" for turn in kinds)
    several = "; one may be of several kinds" if counts.total() > many else ""
    return f"{many} flips ({told}{several})"


def _changes(outcome: Simulation) -> Counter[str]:
    return Counter(one.question.document["change"] for one in outcome.judged)


def _where(question: ReplayedQuestion) -> str:
    """Returns where a version is found; what takes access away there is named."""
    place, change = _place(question.commit), question.document["change"]
    return f"{place} {change}" if change in LESS else place


def _place(commit: str | None) -> str:
    return "working tree" if commit is None else commit[:7]


def outcome_document(outcome: Simulation) -> dict[str, Any]:
    """Returns everything, what does not flip included, as tools read it."""
    counts = Counter(turn for _, flip in outcome.flips for turn in flip.turns)
    changes = _changes(outcome)
    return {
        "judged": len(outcome.judged),
        "flipped": len(outcome.flips),
        "turns": {turn: counts[turn] for turn in Turn},
        "changes": {name: changes[name] for name in get_args(GrantChange)},
        "grants": [_judged_document(one) for one in outcome.judged],
        "not_judged": [
            {
                "path": _text(one.path),
                "commit": one.commit,
                "reason": _text(one.reason),
                "undecided": isinstance(one, NoDecision),
            }
            for one in outcome.not_judged
        ],
    }


def _judged_document(one: Judged) -> dict[str, Any]:
    question, flip = one.question, one.flip
    return {
        "id": question.grant.id,
        "path": question.grant.path,
        "commit": question.commit,
        "at": timestamp(question.at),
        "change": question.document["change"],
        "before": evaluation_document(one.before),
        "after": evaluation_document(one.after),
        "flip": None
        if flip is None
        else {
            "turns": list(flip.turns),
            "appeared": _finding_documents(flip.appeared),
            "disappeared": _finding_documents(flip.disappeared),
        },
    }


def _finding_documents(findings: Iterable[RuleFinding]) -> list[dict[str, Any]]:
    return [{"code": one.code, "binding": one.binding, "warning": one.warning} for one in findings]


def _codes(flip: Flip) -> str:
    """Returns `+code -code`; the line of access that it is about only matters to tools."""
    signs = (("+", flip.appeared), ("-", flip.disappeared))
    return " ".join(
        f"{sign}{code}" for sign, findings in signs for code in sorted({f.code for f in findings})
    )


def _text(text: str) -> str:
    """Spells out bytes of a hostile path that are no text."""
    return text.encode(errors="backslashreplace").decode()
