"""Lists who has access now: every binding that is wanted or held, once for each of its grants."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from pipeline.errors import UsageError
from pipeline.reading.yaml_strict import closest
from pipeline.run.situation import Situation
from pipeline.values.binding import Binding
from pipeline.values.catalogue import Catalogue
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
    """None where the cloud object carries no end. Of a binding that several grants share, the
    grant's own."""

    grant: GrantId
    pull: int | None
    """The one that brought what is in force: the last extension, for example."""

    approvers: tuple[str, ...]
    """Whose approvals of that one counted."""

    reason: str | None
    ticket: str | None


def access_rows(situation: Situation) -> Iterator[AccessRow]:
    """Yields who has access, by cloud, account and name of the binding."""
    wanted = {binding.identity: binding for binding in situation.desired.bindings}
    held = {binding.identity: binding for binding in situation.estate.bindings}
    down = dict(situation.estate.unreachable)
    unlisted = {(one.target, one.key): one for one in situation.unlisted(situation.estate)}
    grants = {one.grant.id: one for one in situation.branch.live}
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
            shared = len(known.grants) > 1 and asked and binding.window
            yield AccessRow(
                subject=asked.grant.subject if asked else known.principal,
                target=known.target,
                role=known.role,
                state=state,
                window=asked.window if asked and shared else binding.window,
                grant=grant,
                pull=proofs[-1].pull if proofs else None,
                approvers=proofs[-1].approvers if proofs else (),
                reason=asked.grant.reason if asked else None,
                ticket=asked.grant.ticket if asked else None,
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


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessFilter:
    """The part of what people have that somebody asks about; empty for all of it."""

    subject: str | None = None
    target: str | None = None
    role: str | None = None

    def __str__(self) -> str:
        named = (("subject", self.subject), ("target", self.target), ("role", self.role))
        return ", ".join(f"{what} {name}" for what, name in named if name is not None)

    def takes(self, row: AccessRow) -> bool:
        """Whether *row* is asked about."""
        return (
            self.subject in (None, row.subject)
            and self.target in (None, row.target)
            and self.role in (None, row.role)
        )

    def check(
        self, rows: Iterable[AccessRow], catalogue: Catalogue, former: Collection[str]
    ) -> None:
        """Raises `UsageError` for a name that neither *catalogue* nor any of *rows* knows, nor, of
        subjects, *former*: that nobody so called has access would be no answer."""
        seen = list(rows)
        subjects = {*catalogue.principals, *former, *(one.subject for one in seen)}
        for what, name, known in (
            ("subject", self.subject, subjects),
            ("target", self.target, {*catalogue.targets, *(one.target for one in seen)}),
            (
                "role",
                self.role,
                {*(one.name for one in catalogue.roles.values()), *(one.role for one in seen)},
            ),
        ):
            if name is not None and name not in known:
                raise UsageError(
                    f"{name!r} is no {what} of the catalogue, and nobody has access so named"
                    f"{closest(name, known)}"
                )
