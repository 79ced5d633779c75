"""The form of a rule that cannot allow by accident: guards, values, and one thing negated."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.policy.rego_text import (
    Definition,
    Module,
    Reference,
    Token,
    Tokens,
    bound,
    closing,
    keys,
    references,
)
from pipeline.policy_tools.pack import Pack, variables
from pipeline.values.problem import Mark

Finding = tuple[Mark, str, str]
"""Place, code, message."""

_GUARDS = ("data", "lib", "request")
_LITERALS = frozenset({"true", "false", "null"})


def form(pack: Pack, module: Module, definition: Definition) -> Iterator[Finding]:
    """Yields where a `deny` or `warn` could be lost instead of denying.

    Its conditions are guards of `lib.request`, `some … in …`, `name := …`, and exactly one
    negation: of a rule that states what must hold, or of a comparison with a literal. Whatever
    else is undefined takes the denial with it, so values in the head, assigned ones and what
    `some` walks over must never be.
    """
    body = definition.clauses[0].body or ()
    known = variables(body)
    yield from _values(pack, module, definition.clauses[0].given, known)
    negations, guards = [], []
    for expression in body:
        if expression[0].text == "not":
            negated = expression[1:]
            if is_guard(module, negated):
                guards.append(expression[0])
            else:
                negations.append(expression[0])
                if not _is_statement(module, negated, known):
                    yield (
                        expression[0].mark,
                        "positive-form",
                        "negate one helper that states what must hold, or a comparison of one "
                        "value with a literal",
                    )
        elif is_guard(module, expression):
            continue
        elif expression[0].text == "some":
            at = next((i for i, t in enumerate(expression) if t.text == "in"), len(expression))
            yield from _values(pack, module, expression[at + 1 :], known)
        elif len(expression) > 1 and expression[1].text == ":=":
            yield from _values(pack, module, expression[2:], known)
        else:
            yield (
                expression[0].mark,
                "positive-form",
                "where a value is missing this condition is undefined and nothing is denied; "
                "state what must hold in a helper and negate that, or make it a guard in "
                "lib/request",
            )
    if len(negations) > 1:
        yield (
            negations[1].mark,
            "positive-form",
            "a second negation; state both in one helper and negate that",
        )
    if not negations and not guards:
        yield (
            definition.mark,
            "positive-form",
            "nothing is negated; state what must hold in a helper and negate that",
        )


def values_of(pack: Pack, module: Module, definition: Definition) -> frozenset[str]:
    """Returns the names of the values that a `deny` or `warn` gives with its code.

    Those of the object in its head; where a helper or a variable stands there, those of every
    object that is written out on the way to it.
    """
    call = next(references(definition.clauses[0].given), None)
    if call is None or not call.arguments:
        return frozenset()
    last = call.arguments[-1]
    written = keys(last)
    if written is not None:
        return written
    ways: list[Tokens] = [last]
    names = {token.text for token in last}
    body = definition.clauses[0].body or ()
    ways += [expression for expression in body if bound(expression) & names]
    found: set[str] = set()
    for words in ways:
        found |= _objects(words)
        for _, other in pack.reached(module, references(words)):
            for clause in other.clauses:
                found |= _objects(clause.head)
                for expression in clause.body or ():
                    found |= _objects(expression)
    return frozenset(found)


def without_negation(module: Module, definition: Definition) -> tuple[Tokens, ...]:
    """Returns the conditions of a `deny` or `warn` but for what it negates.

    They hold where the rule is for the request, whether it denies or not.
    """
    return tuple(
        expression
        for expression in definition.clauses[0].body or ()
        if expression[0].text != "not" or is_guard(module, expression[1:])
    )


def _objects(words: Tokens) -> frozenset[str]:
    """Returns the keys of every object written out in *words*."""
    found: frozenset[str] = frozenset()
    for index, token in enumerate(words):
        if token.kind == "sign" and token.text == "{":
            found |= keys(words[index : closing(words, index) + 1]) or frozenset()
    return found


def _values(pack: Pack, module: Module, words: Tokens, known: frozenset[str]) -> Iterator[Finding]:
    token = pack.total(module, words, known)
    if token is not None:
        yield (
            token.mark,
            "undefined-value",
            f"{token.text} may be undefined, and the denial with it; read it with request.at, "
            "read.at or settings.at, or give its helper an else or a default",
        )


def _whole(words: Tokens) -> Reference | None:
    """Returns the one reference, with its call, that *words* are; None for anything else."""
    reference = next(references(words), None)
    if reference is None or reference.token is not words[0]:
        return None
    end = _end(words, reference)
    return reference if end == len(words) else None


def _end(words: Tokens, reference: Reference) -> int:
    """Returns how many of *words* the reference at their beginning takes."""
    taken = 0
    for name in reference.path:
        while words[taken].text not in (name, f'"{name}"', f"`{name}`"):
            taken += 1
        taken += 1
    if taken < len(words) and words[taken].text == "]":
        taken += 1
    if reference.arguments is not None:
        taken = closing(words, taken) + 1
    return taken


def is_guard(module: Module, words: Tokens) -> bool:
    """Whether *words* are a fact of `lib.request`, which says whom a rule is for."""
    reference = _whole(words)
    return (
        reference is not None
        and reference.arguments is None
        and module.alias(reference)[:3] == _GUARDS
        and len(module.alias(reference)) == 4
    )


def _is_statement(module: Module, words: Tokens, known: frozenset[str]) -> bool:
    """Whether *words* state one thing that must hold: a helper, or `value == literal`."""
    reference = _whole(words)
    if reference is not None:
        return _is_rule(module, reference, known)
    first = next(references(words), None)
    if first is None or first.token is not words[0]:
        return False
    rest = words[_end(words, first) :]
    if len(rest) == 2 and rest[0].text == "==":
        return _is_literal(rest[1])
    if rest[:1] and rest[0].text == "in":
        container = _whole(rest[1:])
        return (
            len(first.path) == 1
            and first.path[0] in known
            and container is not None
            and _is_rule(module, container, known)
        )
    return False


def _is_rule(module: Module, reference: Reference, known: frozenset[str]) -> bool:
    if reference.path[0] in known:
        return False
    if reference.path[0] in module.rules:
        return len(reference.path) == 1
    return module.alias(reference)[0] == "data" and reference.path[0] in module.imports


def _is_literal(token: Token) -> bool:
    return token.kind in ("string", "number") or token.text in _LITERALS
