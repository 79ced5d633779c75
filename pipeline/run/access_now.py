"""Lists who has access now: every binding that is wanted or held, once for each of its grants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pipeline.run.situation import Situation
from pipeline.values.binding import Binding
from pipeline.values.grant import Window
from pipeline.values.ids import GrantId, TargetId

AGREED = frozenset({"live", "scheduled"})
"""States in which the clouds hold what the default branch says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessRow:
    """One binding, because of one grant."""

    subject: str
    """The principal; of a binding that is not wanted, who the cloud names."""

    target: TargetId
    role: str
    state: str
    """`live`, `scheduled`, `missing`, `altered`, `surplus`, `unlisted` or `unknown`."""

    window: Window | None
    """None where the cloud object carries no end."""

    grant: GrantId
    pull: int | None
    approvers: tuple[str, ...]
    reason: str | None
    ticket: str | None


def access_rows(situation: Situation) -> Iterator[AccessRow]:
    """Yields who has access, by cloud, account and name of the binding."""
    wanted = {binding.identity: binding for binding in situation.desired.bindings}
    held = {binding.identity: binding for binding in situation.estate.bindings}
    down = dict(situation.estate.unreachable)
    unlisted = {(one.target, one.key): one for one in situation.unlisted(situation.estate)}
    grants = {one.grant.id: one.grant for one in situation.branch.live}
    for identity in sorted(wanted.keys() | held.keys()):
        want, have = wanted.get(identity), held.get(identity)
        binding = have or want
        if binding is None:
            continue
        known = want or binding
        state = _state(want, have, unreachable=known.target in down, now=situation.now)
        if have is None and unlisted.pop((known.target, known.key), None) is not None:
            state = "unlisted"
        for grant in known.grants:
            asked = grants.get(grant)
            proofs = situation.branch.proofs.get(grant, ())
            yield AccessRow(
                subject=asked.subject if asked else known.principal,
                target=known.target,
                role=known.role,
                state=state,
                window=binding.window,
                grant=grant,
                pull=proofs[0].pull if proofs else None,
                approvers=proofs[-1].approvers if proofs else (),
                reason=asked.reason if asked else None,
                ticket=asked.ticket if asked else None,
            )

    for made in unlisted.values():
        window = Window(start=made.start, end=made.end) if made.start and made.end else None
        for grant in made.grants:
            yield AccessRow(
                subject=made.principal,
                target=made.target,
                role=made.role,
                state="unlisted",
                window=window,
                grant=grant,
                pull=None,
                approvers=(),
                reason=None,
                ticket=None,
            )


def _state(want: Binding | None, have: Binding | None, *, unreachable: bool, now: datetime) -> str:
    if want is None:
        return "surplus"
    if unreachable:
        return "unknown"
    if have is None:
        return "missing"
    if have.document != want.document:
        return "altered"
    if have.window is not None and now < have.window.start:
        return "scheduled"
    return "live"
