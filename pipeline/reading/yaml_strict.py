"""Strict YAML: maps, lists and text with positions, and nothing that surprises a reader.

Anchors, aliases, tags, merge keys, directives, duplicate keys, tabs, invisible characters
and further documents are problems. Scalars stay text: what a `2h` or a `true` means is said
by the field it stands in, never guessed as YAML 1.1 does (`no`, `on`, bare dates).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from pipeline.values.problem import Mark, Problem

FILE_LIMIT = 64 * 1024
"""Bytes of a grant or a principal; checked before anything is parsed."""

DEPTH_LIMIT = 12
NODE_LIMIT = 5_000
PROBLEM_LIMIT = 100
"""Problems told of one file; a hostile file does not fill a log."""

# Control, formatting (bidirectional, zero-width), private-use and unassigned-by-design
# characters: what a reviewer cannot see. Joiners stay: scripts and emoji need them.
UNSEEN = (
    r"\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f"
    r"\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ue000-\uf8ff\ufeff\uffa0\ufff0-\ufffc"
    r"\ufffe\uffff\U000e0000-\U000e0fff\U000f0000-\U0010ffff"
)
_UNSEEN = re.compile(f"[{UNSEEN}]")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Scalar:
    """Text, and whether it stands there without quotes."""

    mark: Mark
    value: str
    plain: bool
    comment: Mark | None = None
    """Where a comment begins that stands behind plain text on its line."""


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    mark: Mark
    values: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A map; keys are unique, in file order, each with its own position."""

    mark: Mark
    entries: tuple[tuple[Scalar, Node], ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """Where something was refused already; readers pass over it in silence."""

    mark: Mark


Node = Scalar | Items | Table | Broken


class Report:
    """Collects the problems of one file."""

    def __init__(self, path: str) -> None:
        # Git allows line breaks in names; a log line must not be forged by one.
        self.path = visible(path)
        self._problems: list[Problem] = []

    def __len__(self) -> int:
        return len(self._problems)

    def add(self, mark: Mark, code: str, message: str) -> None:
        """Notes a problem at *mark*."""
        self._problems.append(
            Problem(path=self.path, line=mark.line, column=mark.column, code=code, message=message)
        )

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Every problem once, by position; of very many the first ones and a remark."""
        found = sorted(set(self._problems))
        if len(found) <= PROBLEM_LIMIT:
            return tuple(found)
        kept = found[:PROBLEM_LIMIT]
        rest = len(found) - PROBLEM_LIMIT
        last = kept[-1]
        more = Problem(
            path=self.path,
            line=last.line,
            column=last.column,
            code="more-problems",
            message=f"and {rest} more problems further down; correct these first",
        )
        return (*kept, more)


def quote(text: str, limit: int = 60) -> str:
    """Returns *text* in double quotes on one line, shortened, invisible characters escaped."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return f'"{visible(cut)}"'


def visible(text: str) -> str:
    """Returns *text* with characters that do not print written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        char
        if char.isprintable()
        else char.encode("unicode_escape", errors="surrogatepass").decode("ascii")
        for char in text
    )


def closest(word: str, known: Iterable[str]) -> str:
    """Returns advice naming what *word* was probably meant to be, or nothing."""
    import difflib  # only on the way to a refusal

    names = sorted(known)
    match = difflib.get_close_matches(word[:64], names, n=1, cutoff=0.6)
    return f'; did you mean "{match[0]}"?' if match else ""


def unseen(text: str) -> str | None:
    """Returns the first character of *text* that a reader cannot see, as `U+202E`, or None."""
    found = _UNSEEN.search(text)
    return f"U+{ord(found.group()):04X}" if found else None


def load_strict(
    text: bytes, *, path: str, limit: int = FILE_LIMIT, nodes: int = NODE_LIMIT
) -> tuple[Node | None, tuple[Problem, ...]]:
    """Returns the one document in *text* with positions, and everything wrong with its form.

    *limit* is in bytes, *nodes* in scalars, lists and maps. The document is None when
    nothing of it can be used; with problems it may be partial, for finding further ones.
    """
    report = Report(path)
    node = load(text, report=report, limit=limit, nodes=nodes)
    return node, report.problems


def load(
    text: bytes, *, report: Report, limit: int = FILE_LIMIT, nodes: int = NODE_LIMIT
) -> Node | None:
    """Does what `load_strict` does, telling problems to *report*."""
    top = Mark(line=1, column=1)
    if len(text) > limit:
        report.add(
            top, "file-size", f"file has {len(text)} bytes, the most is {limit}; make it smaller"
        )
        return None
    decoded = _decode(text, report)
    if decoded is None:
        return None
    try:
        return _Builder(report, nodes).build(_checked(decoded, report))
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        if getattr(error, "context", None) == "while scanning a quoted scalar":
            # Where the quote opens helps; where the file ends does not.
            where = getattr(error, "context_mark", where)
        mark = top if where is None else Mark(line=where.line + 1, column=where.column + 1)
        what = getattr(error, "problem", None) or "it cannot be read"
        if not any(known.line == mark.line for known in report.problems):
            report.add(mark, "yaml", f"not YAML: {what}; indent with spaces and quote odd text")
        return None


def _decode(text: bytes, report: Report) -> str | None:
    """Returns *text* as UTF-8, or tells each line's first byte that is not."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        pass
    for number, line in enumerate(text.split(b"\n"), start=1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            column = len(line[: error.start].decode("utf-8")) + 1
            report.add(
                Mark(line=number, column=column),
                "encoding",
                f"byte 0x{line[error.start]:02x} is not UTF-8; save the file as UTF-8",
            )
            if len(report) > PROBLEM_LIMIT:
                break
    return None


def _checked(text: str, report: Report) -> str:
    """Returns *text* with what must not be in it told, and replaced by spaces."""
    if text.startswith("\ufeff"):
        report.add(
            Mark(line=1, column=1),
            "byte-order-mark",
            "file starts with a byte order mark; save it as UTF-8 without one",
        )
        text = text[1:]
    text = text.replace("\r\n", "\n")
    if _UNSEEN.search(text) is None:
        return text
    for number, line in enumerate(text.split("\n"), start=1):
        for found in _UNSEEN.finditer(line):
            char = found.group()
            mark = Mark(line=number, column=found.start() + 1)
            if char == "\t":
                report.add(mark, "tab", "a tab; use spaces")
            else:
                report.add(
                    mark,
                    "unseen-character",
                    f"character U+{ord(char):04X} cannot be seen by a reviewer; remove it",
                )
            if char == "\t":
                break  # one is enough: an indentation may be many
        if len(report) > PROBLEM_LIMIT:
            break
    return _UNSEEN.sub(" ", text)


class _Open:
    """A list or map that is still being read."""

    __slots__ = ("is_map", "key", "mark", "seen", "skip", "values")

    def __init__(self, mark: Mark, *, is_map: bool) -> None:
        self.mark = mark
        self.is_map = is_map
        self.values: list[Any] = []
        self.key: Scalar | None = None
        self.skip = False
        self.seen: dict[str, int] = {}


class _Builder:
    """Turns YAML events into nodes: without recursion, within limits."""

    def __init__(self, report: Report, nodes: int) -> None:
        self._report = report
        self._limit = nodes
        self._stack: list[_Open] = []

    def build(self, text: str) -> Node | None:
        """Returns the first document's node; None when there is none or a limit was passed.

        Raises `yaml.YAMLError` when *text* is no YAML.
        """
        result: Node | None = None
        lines = text.split("\n")
        documents = count = 0
        event: Any
        for event in yaml.parse(text, Loader=_LOADER):
            kind = type(event)
            start = event.start_mark
            mark = Mark(line=start.line + 1, column=start.column + 1)
            if kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    message = "a second document starts; one file holds one document"
                    self._report.add(mark, "several-documents", message)
                    return result
                if event.version or event.tags:
                    self._report.add(mark, "directive", "a YAML directive; remove the % line")
                continue
            if kind in _STARTS:
                count += 1
                if count > self._limit or len(self._stack) >= DEPTH_LIMIT:
                    limit = (
                        f"{self._limit} values" if count > self._limit else f"{DEPTH_LIMIT} levels"
                    )
                    self._report.add(
                        mark, "too-much", f"file has more than {limit} from here on; simplify it"
                    )
                    return None
                self._refuse_references(event, mark)
            if kind is yaml.ScalarEvent:
                plain = not event.style
                comment = _comment_after(lines, event.end_mark) if plain else None
                done: Node = Scalar(mark, event.value, plain, comment)
            elif kind is yaml.AliasEvent:
                done = Broken(mark)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self._stack.append(_Open(mark, is_map=kind is yaml.MappingStartEvent))
                continue
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                done = self._close()
            else:
                continue
            if self._stack:
                self._place(self._stack[-1], done)
            else:
                result = done
        if result is None or (isinstance(result, Scalar) and result.plain and not result.value):
            self._report.add(Mark(line=1, column=1), "empty-file", "file is empty")
            return None
        return result

    def _refuse_references(self, event: Any, mark: Mark) -> None:
        """Tells anchors, aliases and tags: what is meant must stand where it is read."""
        if type(event) is yaml.AliasEvent:
            self._report.add(
                mark, "alias", f"alias {quote(str(event.anchor))}; write the value out instead"
            )
            return
        if event.anchor:
            self._report.add(
                mark,
                "anchor",
                f"anchor {quote(event.anchor)}; write the value out where it is used",
            )
        if event.tag:
            self._report.add(mark, "tag", f"tag {quote(event.tag)}; remove it, types are known")

    def _close(self) -> Node:
        level = self._stack.pop()
        if level.is_map:
            return Table(level.mark, tuple(level.values))
        return Items(level.mark, tuple(level.values))

    def _place(self, level: _Open, node: Node) -> None:
        """Puts a finished *node* into the list or map around it."""
        if not level.is_map:
            level.values.append(node)
        elif level.skip:
            level.skip = False
        elif level.key is not None:
            level.values.append((level.key, node))
            level.key = None
        elif not isinstance(node, Scalar):
            level.skip = True
            if not isinstance(node, Broken):
                self._report.add(node.mark, "key", "a key that is no text; use a plain word")
        elif node.value == "<<" and node.plain:
            level.skip = True
            self._report.add(node.mark, "merge-key", "a merge key; write the fields out instead")
        elif node.value in level.seen:
            level.skip = True
            first = level.seen[node.value]
            self._report.add(
                node.mark,
                "duplicate-key",
                f"key {quote(node.value)} stands on line {first} already; keep one of them",
            )
        else:
            level.seen[node.value] = node.mark.line
            level.key = node


def _comment_after(lines: list[str], end: Any) -> Mark | None:
    """Returns where a comment begins that follows *end* on its line, with spaces between."""
    if end.line >= len(lines):
        return None
    rest = lines[end.line][end.column :]
    comment = rest.lstrip(" ")
    if not comment.startswith("#"):
        return None
    return Mark(line=end.line + 1, column=end.column + len(rest) - len(comment) + 1)


_STARTS = frozenset(
    {yaml.ScalarEvent, yaml.AliasEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent}
)
