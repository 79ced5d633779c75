"""Reads and verifies the record; `audit` says what form it has.

Nothing on its branch is ever changed, so a break cannot be mended in place. The next run that
writes begins a new *segment*: a line that follows the last one that held, and names every place
where the record does not hold. What lies in between proves nothing. For example:

    00000001.jsonl    lines 1 and 2
    00000002.jsonl    line 3, then one that follows nothing    a break at 00000002:2
    00000003.jsonl    lines that follow that one               skipped: a break at 00000003:1
    00000004.jsonl    line 4, the segment: it follows line 3 and names both places
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pipeline.reading.yaml_strict import visible
from pipeline.record.audit import AuditEvent, Tip
from pipeline.values.canonical import canonical

SEGMENT = "segment"

_FILE = re.compile(r"events/(?P<year>\d{4})/(?P<month>\d{2})/(?P<number>\d{8})\.jsonl")


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Break:
    """One place where the record does not hold."""

    file: str
    """Its path, as it prints: whoever pushes chooses it."""

    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """A chain as read: its events as far as they hold, and where it does not hold."""

    events: tuple[Mapping[str, Any], ...]
    tip: Tip
    broken: tuple[Break, ...]
    """The breaks that no segment names, sorted: while there are any, nothing may be added but
    the segment that names them."""

    named: tuple[Break, ...] = ()
    """The breaks that a segment names, sorted."""

    digests: frozenset[str] = frozenset()
    """`Tip.short` of every line: what an anchor may name."""


def read_chain(files: Mapping[str, bytes]) -> Chain:
    """Reads and verifies a whole chain, given as path to content.

    Stops adding events at a break, and goes on with the segment that names it.
    """
    strays: list[Break] = []
    numbered: list[tuple[int, str]] = []
    for path in files:
        if match := _FILE.fullmatch(path):
            numbered.append((int(match["number"]), path))
        else:
            strays.append(_break(path, 1, "not a file of the chain"))
    numbered.sort()
    reading = _Reading()
    for number, path in numbered:
        reading.add(number, path, files[path])
    breaks = sorted((*strays, *reading.breaks))
    return Chain(
        events=tuple(reading.events),
        tip=reading.tip_before_free({number for number, _ in numbered}),
        broken=tuple(one for one in breaks if (one.file, one.line) not in reading.named),
        named=tuple(one for one in breaks if (one.file, one.line) in reading.named),
        digests=frozenset(reading.digests),
    )


def new_segment(chain: Chain, *, commit: str | None) -> AuditEvent:
    """Returns the event that goes on after the breaks of *chain*, which was read at *commit*."""
    breaks = [{"file": one.file, "line": one.line, "what": one.what} for one in chain.broken]
    return AuditEvent(kind=SEGMENT, data={"commit": commit, "breaks": breaks})


class _Reading:
    """The chain as far as it was read."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []
        self.digests: set[str] = set()
        self.tip = Tip()
        self.breaks: list[Break] = []
        self.named: set[tuple[str, int]] = set()
        """The places that segments name."""

        self._passed_over: set[int] = set()
        """The numbers of whole files that segments name."""

        self._lost = False
        """Whether a break was met, and no segment since."""

    def add(self, number: int, path: str, content: bytes) -> None:
        """Reads the next file, in the order of numbers."""
        if (visible(path), 1) in self.named:
            # It was there when the segment was begun, under a number that comes later.
            self.breaks.append(_break(path, 1, "it comes after a break"))
            return
        if self._lost:
            if not self._resumes(path, content):
                self.breaks.append(_break(path, 1, "it comes after a break"))
                return
            self._lost = False
        elif number != (expected := self._next(self._passed_over)):
            self._lose(path, 1, f"file {expected:08d} is missing before it")
            return
        lines = content.split(b"\n")
        if not content or lines.pop() != b"":
            self._lose(path, len(lines) or 1, "cut short: no newline at its end")
            return
        for row, line in enumerate(lines, start=1):
            event, fault = _check(line, self.tip, path)
            if event is None:
                self._lose(path, row, fault)
                return
            seq, digest = self.tip.seq + 1, hashlib.sha256(line).hexdigest()
            self.tip = Tip(file=number, seq=seq, digest=digest)
            self.digests.add(self.tip.short)
            self.events.append(event)
            self._note(_places(event))

    def tip_before_free(self, taken: Collection[int]) -> Tip:
        """Returns the tip with the number before that of the next file, which is a free one."""
        return replace(self.tip, file=self._next(self._passed_over | set(taken)) - 1)

    def _next(self, without: Collection[int]) -> int:
        """Returns the first number after the last file that is not among *without*."""
        number = self.tip.file + 1
        while number in without:
            number += 1
        return number

    def _note(self, places: set[tuple[str, int]]) -> None:
        self.named |= places
        for file, line in places:
            if line == 1 and (match := _FILE.fullmatch(file)):
                self._passed_over.add(int(match["number"]))

    def _lose(self, path: str, line: int, what: str) -> None:
        self.breaks.append(_break(path, line, what))
        self._lost = True

    def _resumes(self, path: str, content: bytes) -> bool:
        """Whether a file begins with a segment that names every break before it."""
        event, _ = _check(content.partition(b"\n")[0], self.tip, path)
        if event is None or not content.endswith(b"\n"):
            return False
        return {(one.file, one.line) for one in self.breaks} <= self.named | _places(event)


def _places(event: Mapping[str, Any]) -> set[tuple[str, int]]:
    """Returns the places that *event* names, where it is a segment."""
    breaks = event["breaks"] if event["kind"] == SEGMENT else ()
    return {(one["file"], one["line"]) for one in breaks}


def _break(path: str, line: int, what: str) -> Break:
    return Break(file=visible(path), line=line, what=what)


def _check(line: bytes, tip: Tip, path: str) -> tuple[Mapping[str, Any] | None, str]:
    """Returns the event, or None and what is wrong with its line."""
    try:
        event = json.loads(line)
        text = canonical(event).encode()
    except (ValueError, RecursionError):
        return None, "not JSON"
    if not isinstance(event, dict) or text != line:
        return None, "not canonical JSON"
    if event.get("seq") != tip.seq + 1:
        return None, f"its number is {event.get('seq')}, expected {tip.seq + 1}"
    if event.get("prev") != tip.digest:
        return None, "it does not follow the line before it"
    at = event.get("at")
    if not isinstance(at, str) or f"/{at[:4]}/{at[5:7]}/" not in path:
        return None, "its time is not the month of its file"
    if not isinstance(event.get("kind"), str):
        return None, "it has no kind"
    if wrong := _misshapen(event):
        return None, f"it is no {event['kind']}: {', '.join(wrong)}"
    return event, ""


def _text(value: object) -> bool:
    return isinstance(value, str)


def _optional(value: object) -> bool:
    return value is None or isinstance(value, str)


def _number(value: object) -> bool:
    return type(value) is int


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _moment(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _binding(value: object) -> bool:
    texts = ("cloud", "target", "key", "principal", "role")
    return (
        isinstance(value, dict)
        and all(_text(value.get(name)) for name in texts)
        and all(name in value and _optional(value[name]) for name in ("start", "end"))
    )


def _breaks(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict)
        and _text(one.get("file"))
        and _number(one.get("line"))
        and _text(one.get("what"))
        for one in value
    )


def _named(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict) and _text(one.get("id")) for one in value
    )


_INTENT = {"plan": _text, "change": _text, "binding": _binding, "grants": _named}
_FORMS: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "intent": _INTENT,
    "outcome": {**_INTENT, "status": _text, "message": _text, "rollback": _flag},
    "grant": {"grant": _text, "life": _text, "state": _text},
    "alert": {"path": _text, "commit": _text, "reasons": _texts},
    "vanished": {"binding": _binding, "grants": _named},
    SEGMENT: {"commit": _optional, "breaks": _breaks},
    "proof": {
        "commit": _text,
        "pull": _number,
        "head": _text,
        "merged_at": _moment,
        "requester": _optional,
        "approvers": _texts,
        "decision": _text,
    },
}


def _misshapen(event: Mapping[str, Any]) -> list[str]:
    """Returns the keys of *event* that whoever reads the record could not use.

    Kinds that are not known here may come from a newer writer; nothing reads them.
    """
    form = _FORMS.get(event["kind"], {"grants": _named} if "grants" in event else {})
    return [name for name, fits in form.items() if name not in event or not fits(event[name])]
