"""Writes the record while a run goes on: intents before the first write, outcomes after."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from pipeline.errors import Denied, RefMoved, Undecided
from pipeline.provision.apply import Outcome
from pipeline.provision.plan import Plan
from pipeline.record.audit import BRANCH, AuditEvent, Run, Tip, batch
from pipeline.record.chain import Chain, new_segment, read_chain
from pipeline.record.recorded import Made
from pipeline.record.vouch import vouching
from pipeline.values.binding import Binding, BindingChange
from pipeline.values.canonical import timestamp
from pipeline.values.ids import GrantId

_ATTEMPTS = 3
_MOST_REASONS = 5


class AuditStore(Protocol):
    """The audit branch."""

    def load(self) -> tuple[str | None, Mapping[str, bytes]]:
        """Returns the branch's head, None before its first commit, and all its files."""

    def load_from_git(self) -> tuple[str | None, Mapping[str, bytes]]:
        """Returns the same, without asking GitHub's API. Raises `ForgeError`."""

    def append(self, files: Mapping[str, str], message: str, *, parent: str | None) -> str:
        """Adds *files* in one commit on *parent* and returns its SHA.

        Raises `RefMoved` when the branch is no longer at *parent*.
        """


def read_whole(store: AuditStore) -> tuple[str | None, Chain]:
    """Reads the whole chain, and the commit it was read at (None before the first).

    Raises `Denied` when it does not hold: no try mends it.
    """
    head, files = store.load()
    chain = read_chain(files)
    if chain.broken:
        raise broken(chain)
    return head, chain


def broken(chain: Chain) -> Denied:
    """Returns the error for a *chain* that does not hold."""
    return Denied(
        f"the audit chain is broken: {(chain.broken or chain.breaks)[0]}",
        hint="daypass audit verify shows every break; apply and expire begin a new segment of the "
        "record, and nothing is given before that",
    )


class AuditJournal:
    """Appends to the chain; every batch continues what was verified when it was read."""

    def __init__(
        self,
        store: AuditStore,
        *,
        clock: Callable[[], datetime],
        run: Run,
        facts: Mapping[GrantId, Mapping[str, Any]] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._run = run
        self.facts = dict(facts or {})
        """Per grant what its proof says: blob, pull request, approvers, decision digest."""

        self.verified: str | None = None
        """The commit up to which this run has seen that all is the App's; see `vouch`."""

        self._known: tuple[str | None, Chain] | None = None
        """The branch's head and the chain there, as this run read or wrote it last."""

    def chain(self, *, anew: bool = False) -> Chain:
        """Returns the whole chain, as this run read or wrote it last, or as it is now with *anew*.
        Raises `Denied` when it does not hold."""
        if anew:
            self._known = None
        return self._read()[1]

    @property
    def tip(self) -> Tip:
        """The chain's end, to anchor in a comment."""
        return self._read()[1].tip

    def record(self, events: Sequence[AuditEvent], message: str) -> Tip:
        """Appends *events* in one commit. Raises when they could not be recorded."""

        def append() -> Tip:
            head, chain = self._read()
            try:
                return self._append(events, message, head, chain)
            except RefMoved:
                # Somebody else wrote meanwhile: all of it is read and verified again.
                self._known = None
                raise

        return _again_where_it_moved(append)

    def _read(self) -> tuple[str | None, Chain]:
        """Returns what is known; reads the branch the first time, as the chain grows with every
        grant and a run writes about each of them."""
        if self._known is None:
            self._known = read_whole(self._store)
        return self._known

    def begin_segment(self, *, anew: bool = False) -> None:
        """Begins a new segment of a chain that is broken, with an alert; see `chain`. Does
        nothing where every break is named by a segment, unless *anew*: somebody else began that
        one. Raises when it could not be recorded."""

        def append() -> Tip:
            head, files = self._store.load()
            chain = read_chain(files)
            if not chain.broken and not (anew and chain.breaks):
                return chain.tip
            events = [new_segment(chain, commit=head), _alert(chain, head)]
            return self._append(events, "Begin a new segment after a break", head, chain)

        _again_where_it_moved(append)

    def vanished(self, made: Sequence[Made]) -> None:
        """Records what earlier runs *made*, and what went without a run that recorded it."""
        self.record(
            [
                AuditEvent(
                    kind="vanished",
                    data={
                        "binding": _as_recorded(
                            one, one.target.partition("/")[0], one.start, one.end
                        ),
                        "grants": [{"id": grant} for grant in one.grants],
                    },
                )
                for one in made
            ],
            f"Record {_count(len(made))} that no run recorded",
        )

    def _append(
        self, events: Sequence[AuditEvent], message: str, head: str | None, chain: Chain
    ) -> Tip:
        path, text, tip = batch(events, after=chain.tip, at=self._clock(), run=self._run)
        self._known = None
        now = self._store.append({path: text}, vouching(message, self.verified), parent=head)
        self._known = now, chain.with_file(path, text.encode())
        return tip

    def intents(
        self, plan: Plan, *, causes: Mapping[tuple[str, str, str], str] | None = None
    ) -> None:
        """Records every change that is about to be tried; *causes* say why the removals lane
        takes a binding away, by its identity."""
        named = plan.digest
        self.record(
            [
                AuditEvent(
                    kind="intent",
                    data={
                        "plan": named,
                        **_change(change),
                        **_cause(change, causes),
                        "grants": self._grants(change),
                    },
                )
                for change in plan.changes
            ],
            f"Intend {_count(len(plan.changes))}",
        )

    def outcomes(
        self, outcome: Outcome, *, causes: Mapping[tuple[str, str, str], str] | None = None
    ) -> None:
        """Records how every change came out, and what was taken back. See `intents`."""
        named = outcome.plan.digest
        events = [
            AuditEvent(
                kind="outcome",
                data={
                    "plan": named,
                    **_change(result.change),
                    **_cause(result.change, causes),
                    "grants": self._grants(result.change),
                    "status": result.status,
                    "message": result.message,
                    "rollback": rollback,
                },
            )
            for results, rollback in ((outcome.results, False), (outcome.rolled_back, True))
            for result in results
        ]
        self.record(events, f"Record the outcome of {_count(len(events))}")

    def _grants(self, change: BindingChange) -> list[dict[str, Any]]:
        return [{"id": grant, **self.facts.get(grant, {})} for grant in sorted(change.grants)]


def _again_where_it_moved(append: Callable[[], Tip]) -> Tip:
    """Returns what *append* returns, which another run's writing may get ahead of."""
    for _ in range(_ATTEMPTS):
        try:
            return append()
        except RefMoved:
            continue
    raise Undecided(
        f"the audit branch kept moving during {_ATTEMPTS} attempts to append to it",
        hint="run again: another run was writing",
    )


def _alert(chain: Chain, head: str | None) -> AuditEvent:
    """Returns the alert of a *chain* that is broken, read at *head*."""
    said = [str(one) for one in chain.breaks]
    more = [f"and {len(said) - _MOST_REASONS} more"] if len(said) > _MOST_REASONS else []
    reasons = [*said[:_MOST_REASONS], *more]
    return AuditEvent(kind="alert", data={"path": BRANCH, "commit": head or "", "reasons": reasons})


def _count(changes: int) -> str:
    return f"{changes} change{'' if changes == 1 else 's'}"


def _change(change: BindingChange) -> dict[str, Any]:
    return {
        "change": change.kind,
        "binding": _binding(change.binding),
        "before": _binding(change.before) if change.before else None,
    }


def _cause(
    change: BindingChange, causes: Mapping[tuple[str, str, str], str] | None
) -> dict[str, str]:
    cause = (causes or {}).get(change.binding.identity)
    return {} if cause is None else {"cause": cause}


def _binding(binding: Binding) -> dict[str, Any]:
    window = binding.window
    start, end = (window.start, window.end) if window else (None, None)
    found = _as_recorded(binding, binding.cloud, start, end)
    if binding.parameters is None:
        return found
    return {**found, "parameters": [list(pair) for pair in binding.parameters]}


def _as_recorded(
    one: Binding | Made, cloud: str, start: datetime | None, end: datetime | None
) -> dict[str, Any]:
    return {
        "cloud": cloud,
        "target": one.target,
        "key": one.key,
        "principal": one.principal,
        "role": one.role,
        "start": timestamp(start) if start else None,
        "end": timestamp(end) if end else None,
    }
