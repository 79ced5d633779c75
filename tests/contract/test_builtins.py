"""What the policies may call is answered alike by both engines, edge cases too."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import EngineError
from pipeline.policy.builtins import BUILT_INS
from pipeline.policy.engine import PolicyBundle, PolicyEngine
from pipeline.policy.opa import OpaEngine
from pipeline.policy.rego import RegorusEngine
from pipeline.values.canonical import canonical

pytestmark = pytest.mark.opa

TEXTS = [
    *("", "a", "ab", "aB", "PAY-1423", "ÄÖß", "日本", "e\u0301", "\u0000", " ", "*", "^", "a\nb"),
    "\U0001f469\u200d\U0001f4bb",
]
LISTS = [[], [1], [2, 1, 1], ["b", "a", ""], [None], [1, "a"], [[2], [1]], [True, False], [{}]]
OBJECTS = [{}, {"a": 1}, {"a": {"b": None}}, {"": [1]}, {"a": [{"b": 2}]}, {"b": 1, "a": 2}]
NUMBERS = [0, 1, -1, 300, 2**31, 2**53, -(2**53), 2**63 - 1]
ANYTHING = [None, True, False, *NUMBERS, *TEXTS, *LISTS, *OBJECTS]
FEW = [None, True, 0, 1, "", "a", [], ["a"], {}, {"a": 1}]
PATHS = ["a", "b", "", 0, None, [], ["a"], ["a", "b"], ["a", 0], ["a", 0, "b"], ["a", "b", "c"]]
PATTERNS = [
    *("", "a", "^a$", "^(a|b)$", "[*?]", "^[*?:]+$", "^[A-Z][A-Z0-9]{1,9}-[0-9]{1,7}$", "x*"),
    *("^(a|ab)$", ".", "^.$", "[^a]", "^[[:alpha:]]+$", "(", "[", "*", "^$", "日", "[ä-ü]"),
]

# By built-in: lists of arguments. A list is given as a set where the name says so.
CASES: dict[str, list[list[Any]]] = {
    "array.concat": [list(pair) for pair in product([*LISTS, *FEW], repeat=2)],
    "concat": [[a, b] for a in [*TEXTS, 1, None] for b in [*LISTS, ["a", "b"], *FEW]],
    "contains": [list(pair) for pair in product([*TEXTS, *FEW], repeat=2)],
    "count": [[one] for one in ANYTHING if one != TEXTS[-1]],
    "endswith": [list(pair) for pair in product([*TEXTS, *FEW], repeat=2)],
    "lower": [[one] for one in [*ANYTHING, "IAM:*", "Rds:Describe*"]],
    "max": [[one] for one in [*ANYTHING, [1, 300, -5], ["a", "Z", "ä", ""]]],
    "object.get": [
        [one, path, default]
        for one in [*OBJECTS, *FEW]
        for path in PATHS
        for default in (None, 0, "x")
    ],
    "regex.match": [[a, b] for a in [*PATTERNS, 1, None] for b in [*TEXTS, 1, None]],
    "sort": [[one] for one in [*ANYTHING, [None, True, 1, "a", [], {}], [[1, 2], [1], []]]],
    "startswith": [list(pair) for pair in product([*TEXTS, *FEW], repeat=2)],
    "sum": [[one] for one in [*ANYTHING, [1, 2, -3], [2**31, 2**31]]],
    **{
        f"is_{kind}": [[one] for one in ANYTHING]
        for kind in ("array", "boolean", "number", "object", "set", "string")
    },
}
# Where a set may stand for the list in the last place.
OF_SETS = ("concat", "count", "is_array", "is_set", "is_object", "max", "sort", "sum")
OPERATORS = ("+", "-", "*", "==", "!=", "<", "<=", ">", ">=", "in", "|", "&")


def calls() -> Iterator[tuple[str, str, list[list[Any]]]]:
    """Yields a name, the expression over `args`, and the arguments to try."""
    for name, cases in CASES.items():
        places = [f"args[{n}]" for n in range(len(cases[0]))]
        yield name, f"{name}({', '.join(places)})", cases
        if name in OF_SETS:
            lists = [case for case in cases if isinstance(case[-1], list)]
            places[-1] = f"{{x | some x in {places[-1]}}}"
            yield f"{name} of a set", f"{name}({', '.join(places)})", lists
    for sign in OPERATORS:
        first, second = "args[0]", "args[1]"
        pairs = [list(pair) for pair in product([*FEW, *NUMBERS[:5], "b", [1], [1, "a"]], repeat=2)]
        if sign in "|&":
            first, second = (f"{{x | some x in {one}}}" for one in (first, second))
            pairs = [pair for pair in pairs if all(isinstance(one, list) for one in pair)]
        yield sign, f"{first} {sign} {second}", pairs


ALL = list(calls())


@pytest.fixture(scope="module")
def engines(opa_binary: Path) -> Iterator[list[PolicyEngine]]:
    # In a list, so that undefined is nothing and an error an error.
    rules = "\n\n".join(
        f"result := [[y | y := {expression}] | some args in input.cases]"
        f" if input.name == {canonical(name)}"
        for name, expression, _ in ALL
    )
    modules = {"d.rego": f"package access.decision\n\n{rules}\n"}
    bundle = PolicyBundle(modules=modules, data={})
    with OpaEngine.serve(bundle, binary=opa_binary) as opa:
        yield [RegorusEngine(bundle), opa]


def answers(engine: PolicyEngine, name: str, *cases: list[Any]) -> list[str]:
    """Returns the answer to each of *cases*; where one is an error, so are all."""
    try:
        found = engine.decide({"name": name, "cases": cases})
    except EngineError:
        return ["error"] * len(cases)
    assert isinstance(found, list)
    return [canonical(one) for one in found]


@pytest.mark.parametrize("name, expression, cases", ALL, ids=[name for name, *_ in ALL])
def test_both_engines_answer_alike(
    engines: list[PolicyEngine], name: str, expression: str, cases: list[list[Any]]
) -> None:
    embedded, opa = engines
    ours = [answers(embedded, name, case)[0] for case in cases]
    # Asking of many at once takes less time, and tells them apart while none is an error.
    fine = [case for case, said in zip(cases, ours, strict=True) if said != "error"]
    together = iter(answers(opa, name, *fine))
    theirs = [
        answers(opa, name, case)[0] if said == "error" else next(together)
        for case, said in zip(cases, ours, strict=True)
    ]
    rows = zip(cases, ours, theirs, strict=True)
    differing = [(case, said, other) for case, said, other in rows if said != other]
    assert differing == []


@pytest.mark.parametrize(
    "name, arguments, embedded, reference",
    [
        ("count", [TEXTS[-1]], "[5]", "[3]"),
        ("lower", ["\u0130"], '["i\u0307"]', '["i"]'),
        ("lower", ["\u0391\u03a3"], '["\u03b1\u03c2"]', '["\u03b1\u03c3"]'),
        ("regex.match", ["a{2", "a"], "error", "[false]"),
        ("regex.match", ["a**", "a"], "[true]", "error"),
        ("regex.match", ["a{1001}", "a"], "[false]", "error"),
        ("regex.match", [r"^\d$", "\u0663"], "[true]", "[false]"),
    ],
)
def test_what_is_known_to_differ_still_does(
    engines: list[PolicyEngine], name: str, arguments: list[Any], embedded: str, reference: str
) -> None:
    # Rules keep away from these; should one meet them, a difference denies.
    assert [answers(engine, name, arguments)[0] for engine in engines] == [embedded, reference]


def test_every_built_in_that_may_be_called_is_asked() -> None:
    assert set(CASES) == set(BUILT_INS)
    assert all(BUILT_INS.values())
