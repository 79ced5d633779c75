"""Results of `who-can`: a table for people, values for `--json`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.output.text import table
from pipeline.output.verdicts import step_document, steps_text
from pipeline.policy_tools.who_can import LONGEST, ModelRequest, ModelResult, Obtainable, Reach
from pipeline.reading.duration import format_duration

_SHOWN = 8
_HEADER = ("ROLE", "RISK", "FOR", "WHO", "ANSWER")


def reach_table(found: Iterable[Reach]) -> list[tuple[str, Obtainable | None]]:
    """Returns a header and a line for each group of equal answers, with the answer."""
    groups: dict[tuple[str, str, str, Obtainable, str], list[str]] = {}
    for one in found:
        role = one.role
        duration = format_duration(one.duration)
        key = (role.name, role.risk.value, duration, one.result.answer, _answer(one.result))
        groups.setdefault(key, []).append(_who(one))
    order = list(Obtainable)
    keys = sorted(groups, key=lambda key: (key[0], order.index(key[3]), key[4]))
    lines = table(
        _HEADER,
        [
            (name, risk, duration, _names(groups[name, risk, duration, kind, text]), text)
            for name, risk, duration, kind, text in keys
        ],
    )
    answers: list[Obtainable | None] = [None, *(key[3] for key in keys)]
    return list(zip(lines, answers, strict=True))


def refusal_lines(found: Iterable[Reach]) -> list[str]:
    """Returns one line for each reason why not, in the words of its first case."""
    words: dict[str, str] = {}
    for one in found:
        for refusal in one.result.refusals:
            words.setdefault(refusal.code, refusal.message)
    return [f"{code}: {words[code]}" for code in sorted(words)]


def hints(found: Iterable[Reach]) -> list[str]:
    """Returns what to ask otherwise, of the roles that only the duration keeps from somebody."""
    roles = sorted({one.role.name for one in found if one.only_too_long})
    if not roles:
        return []
    return [
        f"where {', '.join(roles)} {'is' if len(roles) == 1 else 'are'} refused for the duration "
        "only, ask for less with --duration; where there is no maximum yet, give it one"
    ]


def asked_for(model: ModelRequest) -> str:
    """Returns for how long was asked."""
    if model.duration is not None:
        return f"asked for {format_duration(model.duration)}, as --duration says"
    return (
        f"asked for {format_duration(LONGEST)}, or the role's maximum where that is less; "
        "--duration asks for another"
    )


def reach_document(one: Reach) -> dict[str, Any]:
    """Returns what one principal could get of one role, as tools read it."""
    return {
        "principal": one.principal.name,
        "kind": one.principal.kind,
        "role": one.role.id,
        "risk": one.role.risk,
        "duration": one.duration,
        "teams": None if one.teams is None else sorted(one.teams),
        "answer": one.result.answer,
        "refusals": [
            {"code": refusal.code, "message": refusal.message, "field": refusal.field}
            for refusal in one.result.refusals
        ],
        "approvals": [step_document(step) for step in one.result.approvals],
    }


def _answer(result: ModelResult) -> str:
    if result.answer is Obtainable.NO:
        return f"no: {', '.join(sorted({refusal.code for refusal in result.refusals}))}"
    if result.answer is Obtainable.APPROVALS:
        return steps_text(result.approvals)
    return "merges by itself"


def _who(one: Reach) -> str:
    if one.teams is None:
        return one.principal.name
    if not one.teams:
        return f"{one.principal.name} (in no team)"
    return f"{one.principal.name} (in {' and '.join(sorted(one.teams))})"


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
