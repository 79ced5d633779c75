"""Reads and verifies the record; `audit` says what form it has.

Files count in the order in which they were added, and each line must follow the last one that
held. What does not is a *break*: it is passed over, and hides nothing that follows the last good
line. For example:

    00000001.jsonl    lines 1 and 2
    00000002.jsonl    line 3, then one that follows nothing    a break at 00000002:2
    00000003.jsonl    a line that follows that one             a break at 00000003:1
    00000004.jsonl    line 4, a segment: it follows line 3, and names what is broken so far

Nothing on the branch is ever changed, so a break stays. The next run that writes begins a new
*segment* with a line that names the breaks by number and digest: once told, they stop no later
run. One more break is another digest, and is told again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pipeline.reading.yaml_strict import visible
from pipeline.record.audit import AuditEvent, Tip
from pipeline.values.canonical import canonical, digest

SEGMENT = "segment"

_FILE = re.compile(r"events/(?P<year>\d{4})/(?P<month>\d{2})/(?P<number>\d{8,15})\.jsonl")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MOST_CHARACTERS = 200
_MOST_NAMED = 5


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
    breaks: tuple[Break, ...]
    """Every place that does not hold, in the order of addition."""

    named: int = 0
    """The number of them, from the first one on, that a segment names."""

    digests: frozenset[str] = frozenset()
    """`Tip.short` of every line: what an anchor may name."""

    numbers: frozenset[int] = frozenset()
    """Those of all files, whether they hold or not: no new one may have one of them."""

    @property
    def broken(self) -> tuple[Break, ...]:
        """The breaks that no segment names: nothing may be added but a segment."""
        return self.breaks[self.named :]

    def with_file(self, path: str, content: bytes) -> Chain:
        """Returns the chain with the file that was added next."""
        reading = _Reading(self)
        reading.add(path, content)
        return reading.chain({path}, self.numbers)

    @property
    def segment(self) -> str | None:
        """The commit at which the breaks were read that the last segment names."""
        begun = [event["commit"] for event in self.events if event["kind"] == SEGMENT]
        return begun[-1] if begun else None


def is_chain_file(path: str) -> bool:
    """Whether *path* is that of a file of the chain."""
    return _FILE.fullmatch(path) is not None


def read_chain(files: Mapping[str, bytes]) -> Chain:
    """Reads and verifies a whole chain, given as path to content in the order of addition."""
    reading = _Reading()
    for path, content in files.items():
        reading.add(path, content)
    return reading.chain(files)


def by_number(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Returns *files* in the order of their numbers, as a copy does not say when each was added."""

    def place(path: str) -> tuple[int, str]:
        match = _FILE.fullmatch(path)
        return (int(match["number"]) if match else 0, path)

    return {path: files[path] for path in sorted(files, key=place)}


def new_segment(chain: Chain, *, commit: str | None) -> AuditEvent:
    """Returns the event that goes on after the breaks of *chain*, which was read at *commit*."""
    count, of = _summary(chain.breaks)
    shown = [str(one) for one in chain.breaks[:_MOST_NAMED]]
    return AuditEvent(
        kind=SEGMENT, data={"commit": commit, "breaks": count, "digest": of, "first": shown}
    )


class _Reading:
    """The chain as far as it was read, from *before* on."""

    def __init__(self, before: Chain | None = None) -> None:
        self.events: list[Mapping[str, Any]] = list(before.events) if before else []
        self.digests: set[str] = set(before.digests) if before else set()
        self.tip = before.tip if before else Tip()
        self.breaks: list[Break] = list(before.breaks) if before else []
        self.named = before.named if before else 0

    def chain(self, files: Iterable[str], before: Collection[int] = ()) -> Chain:
        """Returns the chain that was read of *files*, after those with the numbers *before*."""
        numbers = {int(match["number"]) for match in map(_FILE.fullmatch, files) if match}
        numbers.update(before)
        return Chain(
            events=tuple(self.events),
            tip=_before_a_free_number(self.tip, numbers),
            breaks=tuple(self.breaks),
            named=self.named,
            digests=frozenset(self.digests),
            numbers=frozenset(numbers),
        )

    def add(self, path: str, content: bytes) -> None:
        """Reads the file that was added next."""
        match = _FILE.fullmatch(path)
        if match is None:
            self._break(path, 1, "not a file of the chain")
            return
        lines = content.split(b"\n")
        if not content or lines.pop() != b"":
            self._break(path, len(lines) or 1, "cut short: no newline at its end")
            return
        for row, line in enumerate(lines, start=1):
            event, fault = _check(line, self.tip, path)
            if event is None:
                self._break(path, row, fault)
                return
            seq, of = self.tip.seq + 1, hashlib.sha256(line).hexdigest()
            self.tip = Tip(file=int(match["number"]), seq=seq, digest=of)
            self.digests.add(self.tip.short)
            self.events.append(event)
            if event["kind"] == SEGMENT and _summary(self.breaks) == (
                event["breaks"],
                event["digest"],
            ):
                self.named = len(self.breaks)

    def _break(self, path: str, line: int, what: str) -> None:
        # Whoever pushes chooses the text: as it prints, and no more of it than a reader needs.
        shown, said = (visible(text)[:_MOST_CHARACTERS] for text in (path, what))
        self.breaks.append(Break(file=shown, line=line, what=said))


def _summary(breaks: Sequence[Break]) -> tuple[int, str]:
    """Returns number and digest of *breaks*, by their places: words may change with a release."""
    return len(breaks), digest([[one.file, one.line] for one in breaks])


def _before_a_free_number(tip: Tip, taken: set[int]) -> Tip:
    """Returns *tip* with the number before the next one that no file has."""
    number = tip.file
    while number + 1 in taken:
        number += 1
    return replace(tip, file=number)


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
    at = str(event.get("at"))
    if not _moment(at) or f"/{at[:4]}/{at[5:7]}/" not in path:
        return None, "its time is not the month of its file"
    if not isinstance(event.get("main"), str) or not _COMMIT.fullmatch(event["main"]):
        return None, "it names no commit that its run worked from"
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


def _number_or_none(value: object) -> bool:
    return value is None or _number(value)


def _approvals(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict)
        and _number(one.get("review"))
        and _number(one.get("account"))
        and _text(one.get("person"))
        and _moment(one.get("at"))
        for one in value
    )


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
        and all(name in value for name in ("start", "end"))
        and all(value[name] is None or _moment(value[name]) for name in ("start", "end"))
        # Older releases did not record them, nor does any of what a cloud lists.
        and _pairs(value.get("parameters", []))
    )


def _pairs(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, list) and len(one) == 2 and _texts(one) for one in value
    )


def _binding_or_none(value: object) -> bool:
    return value is None or _binding(value)


def _named(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict) and _text(one.get("id")) for one in value
    )


_INTENT = {
    "plan": _text,
    "change": _text,
    "binding": _binding,
    "before": _binding_or_none,
    "grants": _named,
}
_FORMS: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "intent": _INTENT,
    "outcome": {**_INTENT, "status": _text, "message": _text, "rollback": _flag},
    "grant": {"grant": _text, "life": _text, "state": _text},
    "alert": {"path": _text, "commit": _text, "reasons": _texts},
    "vanished": {"binding": _binding, "grants": _named},
    SEGMENT: {"commit": _optional, "breaks": _number, "digest": _text, "first": _texts},
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

# Older releases did not write them.
_LATER_FORMS: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "grant": {"blob": _text, "commit": _text},
    "proof": {
        "previous": _optional,
        "offer": _optional,
        "check_run": _number_or_none,
        "approvals": _approvals,
        "merger": _optional,
        "through": _number_or_none,
    },
}


def _misshapen(event: Mapping[str, Any]) -> list[str]:
    """Returns the keys of *event* that whoever reads the record could not use.

    Kinds that are not known here may come from a newer writer; nothing reads them.
    """
    form = _FORMS.get(event["kind"], {"grants": _named} if "grants" in event else {})
    later = _LATER_FORMS.get(event["kind"], {})
    return [
        *(name for name, fits in form.items() if name not in event or not fits(event[name])),
        *(name for name, fits in later.items() if name in event and not fits(event[name])),
    ]
