"""The mutants of a Python module: the same module with one place changed.

Changed is what decides: a comparison is widened or turned round, `and` becomes `or`, a `not` is
gone, a condition always holds or never, an integer is one more or one less, a truth value is the
other one, and a `return`, `raise`, `continue` or `break` inside of a block does nothing.

Left out are annotations, texts, and what a class says outside of its methods.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# Of these there is one object, wherever it stands.
_EVERYWHERE = (ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop)
_SKIPPED = frozenset({"annotation", "returns", "decorator_list", "pattern"})
# Alone these say little: they are shown in the nearest of those.
_SMALL = (ast.Constant, ast.UnaryOp, ast.keyword, ast.Tuple, ast.Slice)
_AROUND = 60
"""How much of a long expression is shown before and behind what differs."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Another value for one field of a node."""

    node: ast.AST
    name: str
    index: int | None
    """Into the field, where that is a list."""

    new: ast.AST

    def swap(self, value: Any) -> Any:
        """Puts *value* there and returns what was there."""
        held = getattr(self.node, self.name)
        if self.index is None:
            setattr(self.node, self.name, value)
            return held
        old, held[self.index] = held[self.index], value
        return old


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutant:
    """One change at one place."""

    path: str
    """Of the module."""

    function: str
    """Qualified, as `Class.method`; empty outside of functions."""

    line: int
    lines: range
    """Of the statement up to the place: a test that runs none of them cannot notice."""

    kind: str
    """`comparison`, `and-or`, `not`, `condition`, `integer`, `truth` or `leaving`."""

    before: str
    after: str
    tree: ast.Module = field(repr=False)
    """The whole module, unchanged."""

    edit: Edit = field(repr=False)
    statement: ast.stmt = field(repr=False)
    """Where the place is."""

    def code(self) -> CodeType:
        """Returns the changed module, compiled."""
        return self._compiled(self.tree)

    def statement_code(self) -> CodeType:
        """Returns the changed statement alone, compiled."""
        return self._compiled(ast.Module([self.statement], []))

    def _compiled(self, tree: ast.Module) -> CodeType:
        old = self.edit.swap(self.edit.new)
        try:
            return compile(tree, self.path, "exec")
        finally:
            self.edit.swap(old)


def mutants(path: str, text: str) -> Iterator[Mutant]:
    """Yields every mutant of the module with this *text*, by line."""
    yield from sorted(_Module(path, text).mutants(), key=lambda one: one.line)


class _Module:
    """A module, and where in it each node is."""

    def __init__(self, path: str, text: str) -> None:
        self._path = path
        self._tree = ast.parse(text)
        self._above: dict[ast.AST, tuple[ast.AST, str, int | None]] = {}
        for node in ast.walk(self._tree):
            for name, value in ast.iter_fields(node):
                for index, one in enumerate(value if isinstance(value, list) else [value]):
                    if isinstance(one, ast.AST) and not isinstance(one, _EVERYWHERE):
                        at = index if isinstance(value, list) else None
                        self._above[one] = (node, name, at)

    def mutants(self) -> Iterator[Mutant]:
        """Yields every mutant."""
        for statement in self._tree.body:
            if isinstance(statement, ast.Assign) and _is_of_names(statement):
                yield from self._below(statement.value)
            elif isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield from self._of_definition(statement)

    def _of_definition(self, node: ast.stmt) -> Iterator[Mutant]:
        if isinstance(node, _FUNCTIONS):
            for statement in node.body:
                yield from self._below(statement)
        elif isinstance(node, ast.ClassDef):
            for statement in node.body:
                yield from self._of_definition(statement)

    def _below(self, node: ast.AST) -> Iterator[Mutant]:
        yield from self._at(node)
        for name, value in ast.iter_fields(node):
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, ast.AST) and name not in _SKIPPED:
                    yield from self._below(one)

    def _at(self, node: ast.AST) -> Iterator[Mutant]:
        match node:
            case ast.Compare(ops=operators):
                for index, operator in enumerate(operators):
                    edit = Edit(node, "ops", index, COMPARISONS[type(operator)]())
                    yield self._mutant("comparison", edit, node)
            case ast.BoolOp(op=operator, values=values):
                both = isinstance(operator, ast.And)
                yield self._mutant(
                    "and-or", Edit(node, "op", None, (ast.And, ast.Or)[both]()), node
                )
                for index in range(len(values)):
                    yield self._mutant("condition", Edit(node, "values", index, _is(both)), node)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield self._mutant("not", self._instead(node, operand), node)
            case ast.If(test=test) | ast.IfExp(test=test) if not isinstance(test, ast.Constant):
                for value in (True, False):
                    yield self._mutant("condition", Edit(node, "test", None, _is(value)), node)
            case ast.While(test=test) if not isinstance(test, ast.Constant):
                yield self._mutant("condition", Edit(node, "test", None, _is(False)), node)
            case ast.comprehension(ifs=conditions):
                for index in range(len(conditions)):
                    for value in (True, False):
                        edit = Edit(node, "ifs", index, _is(value))
                        yield self._mutant("condition", edit, node)
            case ast.match_case(guard=ast.expr()):
                for value in (True, False):
                    yield self._mutant("condition", Edit(node, "guard", None, _is(value)), node)
            case ast.Constant(value=bool(value)):
                yield self._mutant("truth", self._instead(node, _is(not value)), node)
            case ast.Constant(value=int(value)):
                for by in (1, -1):
                    edit = self._instead(node, ast.Constant(value + by))
                    yield self._mutant("integer", edit, node)
            case ast.Return() | ast.Raise() | ast.Continue() | ast.Break():
                if not isinstance(self._above[node][0], _FUNCTIONS):
                    yield self._mutant("leaving", self._instead(node, ast.Pass()), node)
            case _:
                pass

    def _instead(self, node: ast.AST, new: ast.AST) -> Edit:
        return Edit(*self._above[node], new)

    def _mutant(self, kind: str, edit: Edit, node: ast.AST) -> Mutant:
        if not hasattr(edit.new, "lineno"):
            old = edit.swap(edit.new)
            ast.copy_location(edit.new, old)
            edit.swap(old)
        whole: ast.AST = edit.node if isinstance(node, _SMALL) else node
        while isinstance(whole, _SMALL):
            whole = self._above[whole][0]
        statement = node
        while not isinstance(statement, ast.stmt):
            statement = self._above[statement][0]
        before = _shown(whole)
        old = edit.swap(edit.new)
        after = "pass" if kind == "leaving" else _shown(whole)
        edit.swap(old)
        before, after = _clipped(before, after)
        line = getattr(node, "lineno", statement.lineno)
        end = getattr(node, "end_lineno", statement.lineno)
        return Mutant(
            path=self._path,
            function=self._function(node),
            line=line,
            lines=range(statement.lineno, max(line, min(end, _end(statement))) + 1),
            kind=kind,
            before=before,
            after=after,
            tree=self._tree,
            edit=edit,
            statement=statement,
        )

    def _function(self, node: ast.AST) -> str:
        """Returns the qualified name of the function that *node* is in."""
        names = []
        while node in self._above:
            node = self._above[node][0]
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.append(node.name)
        return ".".join(reversed(names))


def _is(value: bool) -> ast.Constant:
    return ast.Constant(value)


def _is_of_names(statement: ast.Assign) -> bool:
    return all(
        isinstance(target, ast.Name) and not target.id.startswith("__")
        for target in statement.targets
    )


def _end(statement: ast.stmt) -> int:
    """Returns the last line of *statement*, or of its head where it has a body."""
    body = getattr(statement, "body", None) or getattr(statement, "cases", None)
    if body is None:
        return statement.end_lineno or statement.lineno
    first = body[0].pattern if isinstance(body[0], ast.match_case) else body[0]
    return max(statement.lineno, int(first.lineno) - 1)


def _shown(node: ast.AST) -> str:
    """Returns *node* in one line, without the body that it heads."""
    if hasattr(node, "body") and not isinstance(node, ast.IfExp | ast.Lambda):
        node = copy.copy(node)
        for name in ("body", "orelse", "handlers", "finalbody"):
            if hasattr(node, name):
                setattr(node, name, [])
    return " ".join(ast.unparse(node).split())


def _clipped(before: str, after: str) -> tuple[str, str]:
    """Returns both without what is the same far before and far behind the difference."""
    shortest = min(len(before), len(after))
    start = next((n for n in range(shortest) if before[n] != after[n]), shortest)
    rest = shortest - start
    same = next((n for n in range(rest) if before[-1 - n] != after[-1 - n]), rest)
    begin = max(0, start - _AROUND)
    told = []
    for text in (before, after):
        end = min(len(text), len(text) - same + _AROUND)
        told.append("…" * (begin > 0) + text[begin:end] + "…" * (end < len(text)))
    return told[0], told[1]
