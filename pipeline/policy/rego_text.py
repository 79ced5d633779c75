"""Reads tokens, rules and references off Rego's text, without understanding it.

This is no parser. It knows strings, comments and brackets, so that a `#` in a text or a `}` in
a comment leads nobody astray; whether a module is valid Rego, its engine says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from pipeline.values.problem import Mark

KEYWORDS = frozenset(
    {
        *("as", "contains", "default", "else", "every", "false", "if", "import", "in", "not"),
        *("null", "package", "some", "true", "with"),
    }
)

_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<comment>\#[^\n]*)"
    r'|(?P<string>\$?"(?:[^"\\\n]|\\.)*"?|\$?`[^`]*`?)'
    r"|(?P<number>[0-9][0-9A-Za-z_.]*)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>:=|==|!=|<=|>=|.)",
    re.DOTALL,
)
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
# After these, and before those, an expression goes on over the end of its line.
_GOES_ON = frozenset(
    {*(":=", "=", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "|", "&", ",", ".")}
    | {*("if", "contains", "in", "not", "some", "default", "else", "as", "with", "package")}
)
_GOES_ON_BEFORE = frozenset({"else", "with", "==", "!=", "<=", ">=", "<", ">", "+", "*", "|", "&"})


@dataclass(frozen=True, slots=True)
class Token:
    """A word of Rego and where it stands."""

    kind: str
    """`name`, `string`, `number` or `sign`."""

    text: str
    """As written, a string with its quotes."""

    mark: Mark
    start: int
    """Offset into the module's text."""

    @property
    def end(self) -> int:
        """Offset behind the token."""
        return self.start + len(self.text)

    @property
    def value(self) -> str | None:
        """The text of a plain string; None for everything else, and for one with escapes."""
        if self.kind != "string" or self.text.startswith("$") or "\\" in self.text:
            return None
        return self.text[1:-1]


Tokens = tuple[Token, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A dotted name: `input.grant.id`, `settings.at`, `_within`."""

    path: tuple[str, ...]
    token: Token
    arguments: tuple[Tokens, ...] | None
    """What it is called with; None where it is not called."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Clause:
    """A head and the conditions under which it holds; `else` begins another."""

    head: Tokens
    """From the rule's name, or `else`, up to `if`."""

    body: tuple[Tokens, ...] | None
    """One expression each; None where it holds without conditions."""

    @property
    def given(self) -> Tokens:
        """The head's value: what comes after `:=`, `=` or `contains`; empty for `true`."""
        depth = 0
        for index, token in enumerate(self.head):
            depth += _step(token)
            if depth == 0 and token.text in (":=", "=", "contains"):
                return self.head[index + 1 :]
        return ()


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One definition of a rule; several of one name make the rule together."""

    name: str
    mark: Mark
    is_default: bool
    parameters: tuple[str, ...]
    clauses: tuple[Clause, ...]
    tokens: Tokens

    @property
    def is_set(self) -> bool:
        """Whether it adds to a set: `deny contains …`."""
        return any(token.text == "contains" for token in self.clauses[0].head[1:2])

    @cached_property
    def references(self) -> tuple[Reference, ...]:
        """Every dotted name in it, its own included."""
        return tuple(references(self.tokens))

    @cached_property
    def needs(self) -> tuple[Reference, ...]:
        """Every dotted name in it but its own."""
        return tuple(references(self.tokens[1:]))


@dataclass(frozen=True, kw_only=True)
class Module:
    """One file."""

    path: str
    """Below `policies/`."""

    text: str
    package: str
    """Dotted, without `data`."""

    imports: dict[str, str]
    """Local name to what it stands for, dotted, from `data` or `input` on."""

    definitions: tuple[Definition, ...]

    @cached_property
    def tokens(self) -> Tokens:
        """Every token of the file."""
        return tokens(self.text)

    @cached_property
    def references(self) -> tuple[Reference, ...]:
        """Every dotted name in the file."""
        return tuple(references(self.tokens))

    @cached_property
    def rules(self) -> dict[str, tuple[Definition, ...]]:
        """The definitions by the rule's name."""
        found: dict[str, list[Definition]] = {}
        for definition in self.definitions:
            found.setdefault(definition.name, []).append(definition)
        return {name: tuple(several) for name, several in found.items()}

    @property
    def lines(self) -> frozenset[int]:
        """The lines where a head or a condition begins."""
        clauses = [clause for one in self.definitions for clause in one.clauses]
        return frozenset(
            words[0].mark.line
            for one in clauses
            for words in (one.head, *(one.body or ()))
            if words
        )

    def alias(self, reference: Reference) -> tuple[str, ...]:
        """Returns the path of *reference* with an imported name replaced by what it means."""
        first, *rest = reference.path
        return (*self.imports.get(first, first).split("."), *rest)

    def between(self, first: Token, last: Token) -> str:
        """Returns the text from *first* to *last*, as written."""
        return self.text[first.start : last.end]


def tokens(text: str) -> Tokens:
    """Returns the tokens of *text*, without space and comments."""
    found = []
    line, begin = 1, 0
    for match in _TOKEN.finditer(text):
        kind, word = match.lastgroup or "", match.group()
        if kind not in ("space", "comment"):
            mark = Mark(line=line, column=match.start() - begin + 1)
            found.append(Token(kind, word, mark, match.start()))
        if "\n" in word:
            line += word.count("\n")
            begin = match.start() + word.rindex("\n") + 1
    return tuple(found)


@lru_cache(maxsize=512)
def read_module(path: str, text: str) -> Module:
    """Returns what stands in *text*; what cannot be made out is left out."""
    package, imports, definitions = "", {}, []
    for statement in _split(tokens(text)):
        words = [token.text for token in statement]
        if words[0] == "package":
            package = "".join(words[1:])
        elif words[0] == "import":
            dotted, _, alias = "".join(f" {w} " if w == "as" else w for w in words[1:]).partition(
                " as "
            )
            imports[alias or dotted.rpartition(".")[2]] = dotted
        elif statement[0].kind == "name":
            definition = _definition(statement)
            if definition is not None:
                definitions.append(definition)
    return Module(
        path=path, text=text, package=package, imports=imports, definitions=tuple(definitions)
    )


def references(words: Sequence[Token]) -> Iterator[Reference]:
    """Yields the dotted names in *words*, those in arguments and brackets too."""
    for index, token in enumerate(words):
        before = words[index - 1] if index else None
        if token.kind != "name" or token.text in KEYWORDS:
            continue
        if before is not None and before.text == "." and before.end == token.start:
            continue
        path, at = [token.text], index + 1
        while at + 1 < len(words):
            if words[at].text == "." and words[at + 1].kind == "name":
                path.append(words[at + 1].text)
                at += 2
            elif (
                words[at].text == "["
                and words[at].start == words[at - 1].end
                and words[at + 1].value is not None
                and at + 2 < len(words)
                and words[at + 2].text == "]"
            ):
                path.append(str(words[at + 1].value))
                at += 3
            else:
                break
        arguments = None
        if at < len(words) and words[at].text == "(" and words[at].start == words[at - 1].end:
            arguments = tuple(parts(words[at + 1 : closing(words, at)], ","))
        yield Reference(path=tuple(path), token=token, arguments=arguments)


def closing(words: Sequence[Token], at: int) -> int:
    """Returns the index of the bracket that closes the one at *at*, or the end."""
    depth = 0
    for index in range(at, len(words)):
        depth += _step(words[index])
        if depth == 0:
            return index
    return len(words)


def parts(words: Sequence[Token], sign: str) -> list[Tokens]:
    """Returns what lies between each *sign* outside of brackets, without empty parts."""
    found: list[list[Token]] = [[]]
    depth = 0
    for token in words:
        depth += _step(token)
        if depth == 0 and token.text == sign:
            found.append([])
        else:
            found[-1].append(token)
    return [tuple(part) for part in found if part]


def keys(words: Sequence[Token]) -> frozenset[str] | None:
    """Returns the keys of the object that *words* write out; None where they write none."""
    if len(words) < 2 or words[0].text != "{" or closing(words, 0) != len(words) - 1:
        return None
    found = set()
    for part in parts(words[1:-1], ","):
        if len(part) < 3 or part[0].value is None or part[1].text != ":":
            return None
        found.add(str(part[0].value))
    return frozenset(found)


def texts(words: Sequence[Token]) -> tuple[str, ...]:
    """Returns the texts that a list in *words* begins with: `["limits", x]` gives `limits`."""
    if not words or words[0].text != "[" or closing(words, 0) != len(words) - 1:
        return ()
    found: list[str] = []
    for part in parts(words[1:-1], ","):
        if len(part) != 1 or part[0].value is None:
            break
        found.append(str(part[0].value))
    return tuple(found)


def bound(words: Sequence[Token]) -> frozenset[str]:
    """Returns the names that `some`, `every` and `:=` in *words* give a value."""
    found: set[str] = set()
    for index, token in enumerate(words):
        if token.text in ("some", "every"):
            for word in words[index + 1 :]:
                if word.text == "in" or not (word.kind == "name" or word.text in ",[]"):
                    break
                if word.kind == "name":
                    found.add(word.text)
        elif token.text == ":=" and words[index - 1].kind == "name" and index:
            found.add(words[index - 1].text)
    return frozenset(found)


def _step(token: Token) -> int:
    if token.kind != "sign":
        return 0
    return (token.text in _OPENING) - (token.text in _CLOSING)


def _split(words: Iterable[Token], *, body: bool = False) -> list[Tokens]:
    """Returns the statements of a module, or the expressions of a body."""
    found: list[list[Token]] = []
    depth = 0
    last: Token | None = None
    for token in words:
        fresh = last is None or (
            depth == 0
            and token.mark.line > last.mark.line + last.text.count("\n")
            and last.text not in _GOES_ON
            and token.text not in _GOES_ON_BEFORE
            and token.text not in _CLOSING
        )
        if body and depth == 0 and token.text == ";":
            last = None
            continue
        if fresh:
            found.append([])
        found[-1].append(token)
        depth += _step(token)
        last = token
    return [tuple(statement) for statement in found]


def _definition(statement: Tokens) -> Definition | None:
    is_default = statement[0].text == "default"
    words = statement[1:] if is_default else statement
    if not words or words[0].kind != "name":
        return None
    parameters: tuple[str, ...] = ()
    if len(words) > 1 and words[1].text == "(" and words[1].start == words[0].end:
        inside = words[2 : closing(words, 1)]
        parameters = tuple(token.text for token in inside if token.kind == "name")
    pieces: list[list[Token]] = [[]]
    depth = 0
    for token in words:
        if depth == 0 and token.text == "else":
            pieces.append([])
        depth += _step(token)
        pieces[-1].append(token)
    return Definition(
        name=words[0].text,
        mark=statement[0].mark,
        is_default=is_default,
        parameters=parameters,
        clauses=tuple(_clause(piece) for piece in pieces),
        tokens=statement,
    )


def _clause(words: Sequence[Token]) -> Clause:
    depth = 0
    for index, token in enumerate(words):
        depth += _step(token)
        if depth == 0 and token.text == "if":
            rest = words[index + 1 :]
            if rest and rest[0].text == "{" and closing(rest, 0) == len(rest) - 1:
                rest = rest[1:-1]
            return Clause(head=tuple(words[:index]), body=tuple(_split(rest, body=True)))
    return Clause(head=tuple(words), body=None)
