"""Makes questions to the policies without GitHub: requester and teams are supposed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from pipeline.judge.circumstances import circumstances
from pipeline.policy.question import Emergency, OtherLife, Previous, Requester, input_document
from pipeline.values.catalogue import Catalogue, Entitlement, Principal, PrincipalKind
from pipeline.values.grant import Grant, Window, window_of
from pipeline.values.grant_change import LESS, GrantChange

ASSUMED = (
    "whoever asks is taken for the subject, of a workload for its owner, and for the App where "
    "the grant says requested_by",
    "approvals are not counted",
)
"""What `suppose` takes for granted, for people."""


def suppose(
    grant: Grant,
    *,
    change: GrantChange,
    entitlements: Sequence[Entitlement],
    window: Window | None,
    now: datetime,
    catalogue: Catalogue,
    teams: frozenset[str],
    previous: Previous | None = None,
    lives: Iterable[OtherLife] = (),
    emergencies: Iterable[Emergency] = (),
    revives: bool = False,
) -> dict[str, Any]:
    """Returns the input document about *grant*, asked for by its subject, a member of *teams*.

    The one place where the facts that only GitHub knows are made up (see `ASSUMED`). Of less
    access nothing is told that an `Assessor` would not tell: see `grant_change.LESS`.
    """
    subject = catalogue.principals.get(grant.subject)
    known: dict[str, Any] = {}
    if change not in LESS:
        person = subject is not None and subject.kind is PrincipalKind.PERSON
        known = {
            "subject_teams": teams if person else (),
            "lives": tuple(lives),
            "emergencies": emergencies,
            "revives": revives,
            **circumstances(catalogue, grant.subject, window=window, now=now),
        }
    return input_document(
        change=change,
        grant=grant,
        entitlements=entitlements,
        window=window,
        now=now,
        requester=_requester(grant, subject, teams),
        subject=subject,
        previous=previous,
        **known,
    )


def lives_from(grant: Grant, now: datetime) -> Iterator[OtherLife]:
    """Yields what *grant* would be to others of its subject, merged *now*."""
    window = window_of(grant, merged_at=now)
    for line in grant.access:
        yield OtherLife(
            grant=grant.id,
            target=line.target,
            role=line.role_id,
            window=window,
            added=now,
        )


def _requester(grant: Grant, subject: Principal | None, teams: frozenset[str]) -> Requester:
    if grant.requested_by is not None:
        return Requester(actor=None, principal=None, is_app=True)
    # A workload asks for nothing: its owner does.
    workload = subject is not None and subject.kind is PrincipalKind.WORKLOAD
    name = subject.owner if subject is not None and workload else grant.subject
    return Requester(actor=None, principal=name, teams=teams)
