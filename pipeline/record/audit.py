"""The record: canonical JSON lines in an append-only chain that anyone can verify.

Every batch is one new file, `events/<year>/<month>/<number>.jsonl`; every line names the
SHA-256 of the line before it. A file is never changed once it is there. `chain` reads it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.values.canonical import canonical, timestamp

BRANCH = "daypass/audit"

GENESIS = "0" * 64
"""What the first line names as the line before it."""

_RESERVED = frozenset({"seq", "prev", "at", "kind", "run", "main"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Tip:
    """The end of a chain."""

    file: int = 0
    """Number of the last file, after which the next one comes; zero where there is none."""

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
    """`intent`, `outcome`, `grant` (a grant's state changed), `proof`, `alert`, `segment` or
    `vanished`."""

    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """The run that writes: the same for all of its events."""

    actor: str
    id: str
    main: str
    """Tip of the default branch that the run worked from."""

    anchor: str | None = None
    """The commit that is trusted without proof; None where none is set."""


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
                "run": {"actor": run.actor, "id": run.id, "anchor": run.anchor},
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
