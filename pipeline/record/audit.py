"""The record: canonical JSON lines in an append-only chain that anyone can verify.

Every batch is one new file, `events/<year>/<month>/<number>.jsonl`; every line names the
SHA-256 of the line before it. A file is never changed once it is there.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.values.canonical import canonical, timestamp

BRANCH = "daypass/audit"

GENESIS = "0" * 64
"""What the first line names as the line before it."""

_FILE = re.compile(r"events/(?P<year>\d{4})/(?P<month>\d{2})/(?P<number>\d{8})\.jsonl")
_RESERVED = frozenset({"seq", "prev", "at", "kind", "run", "main"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Tip:
    """The end of a chain."""

    file: int = 0
    """Number of the last file; zero where there is none."""

    seq: int = 0
    """Number of the last line."""

    digest: str = GENESIS

    @property
    def short(self) -> str:
        """The tip as comments anchor it: `42:9f86d081884c7d65…`, number and digest in full."""
        return f"{self.seq}:{self.digest}"


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEvent:
    """One thing that was tried, came out, or was noticed."""

    kind: str
    """`intent`, `outcome`, `grant` (a grant's state changed) or `alert`."""

    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """The run that writes: the same for all of its events."""

    actor: str
    id: str
    main: str
    """Tip of the default branch that the run worked from."""


def batch(
    events: Sequence[AuditEvent], *, after: Tip, at: datetime, run: Run
) -> tuple[str, str, Tip]:
    """Returns path and text of the file that continues the chain, and the new tip.

    Raises `ValueError` for no events, and for data that uses a reserved key.
    """
    if not events:
        raise ValueError("a batch records at least one event")
    tip = after
    lines = []
    for event in events:
        if clash := _RESERVED & event.data.keys():
            raise ValueError(f"reserved keys in an audit event: {sorted(clash)}")
        line = canonical(
            {
                **event.data,
                "seq": tip.seq + 1,
                "prev": tip.digest,
                "at": timestamp(at),
                "kind": event.kind,
                "run": {"actor": run.actor, "id": run.id},
                "main": run.main,
            }
        )
        lines.append(line)
        tip = Tip(
            file=after.file + 1,
            seq=tip.seq + 1,
            digest=hashlib.sha256(line.encode()).hexdigest(),
        )
    path = f"events/{at:%Y}/{at:%m}/{tip.file:08d}.jsonl"
    return path, "".join(f"{line}\n" for line in lines), tip


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """A chain as read: its events as far as they hold, and what is wrong with it."""

    events: tuple[Mapping[str, Any], ...]
    tip: Tip
    broken: tuple[str, ...]
    """Each `file:line: what`; empty for a chain that holds."""

    digests: frozenset[str] = frozenset()
    """`Tip.short` of every line: what an anchor may name."""


def read_chain(files: Mapping[str, bytes]) -> Chain:
    """Reads and verifies a whole chain, given as path to content.

    Stops adding events at the first break: what follows proves nothing.
    """
    broken: list[str] = []
    numbered: list[tuple[int, str]] = []
    for path in files:
        if match := _FILE.fullmatch(path):
            numbered.append((int(match["number"]), path))
        else:
            broken.append(f"{path}:1: not a file of the chain")
    numbered.sort()
    events: list[Mapping[str, Any]] = []
    digests: set[str] = set()
    tip = Tip()
    for expected, (number, path) in enumerate(numbered, start=1):
        if number != expected:
            broken.append(f"{path}:1: file {expected:08d} is missing before it")
            break
        content = files[path]
        lines = content.split(b"\n")
        if not content or lines.pop() != b"":
            broken.append(f"{path}:{len(lines) or 1}: cut short: no newline at its end")
            break
        fault = ""
        for row, line in enumerate(lines, start=1):
            event, fault = _check(line, tip, path)
            if event is None:
                broken.append(f"{path}:{row}: {fault}")
                break
            tip = Tip(file=number, seq=tip.seq + 1, digest=hashlib.sha256(line).hexdigest())
            digests.add(tip.short)
            events.append(event)
        if fault:
            break
    return Chain(
        events=tuple(events), tip=tip, broken=tuple(sorted(broken)), digests=frozenset(digests)
    )


def unanswered_intents(events: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Returns the intents among *events* that no outcome after them answers."""
    waiting: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for event in events:
        if event["kind"] not in ("intent", "outcome"):
            continue
        binding = event["binding"]
        key = (event["plan"], event["change"], binding["target"], binding["key"])
        if event["kind"] == "intent":
            waiting.setdefault(key, []).append(event)
        elif not event["rollback"] and waiting.get(key):
            waiting[key].pop(0)
    left = [event for intents in waiting.values() for event in intents]
    return tuple(sorted(left, key=lambda event: int(event["seq"])))


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
