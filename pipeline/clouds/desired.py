"""Works out the bindings that clouds should hold, from grants that are proven and live."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pipeline.errors import PipelineError
from pipeline.values.binding import Binding
from pipeline.values.catalogue import Entitlement
from pipeline.values.grant import Window
from pipeline.values.ids import Cloud, GrantId
from pipeline.values.live import LiveGrant


@dataclass(frozen=True, kw_only=True, slots=True)
class Deferred:
    """Part of a grant that its cloud cannot hold yet: made by a later run, not by the cloud."""

    grant: GrantId
    target: str
    window: Window
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Desired:
    """Bindings to hold now, what has to wait, and what cannot be held at all."""

    bindings: tuple[Binding, ...]
    deferred: tuple[Deferred, ...] = ()
    refused: tuple[tuple[GrantId, str], ...] = ()
    """Grants that no cloud object can carry, with the reason; none of their parts is wanted."""


def render_bindings(one: LiveGrant, *, now: datetime) -> tuple[Binding, ...]:
    """Returns what the clouds would hold because of one grant alone.

    Raises `PipelineError` where a part cannot be put into a cloud object.
    """
    return tuple(_binding(entitlement, one, now=now) for entitlement in one.entitlements)


def _binding(entitlement: Entitlement, one: LiveGrant, *, now: datetime) -> Binding:
    # Loaded when a grant names that cloud: `check` of one grant waits for no other cloud's rules.
    match entitlement.target.cloud:
        case Cloud.AWS:
            from pipeline.clouds.aws import binding as aws

            return aws.binding(entitlement, window=one.window)
        case Cloud.GCP:
            from pipeline.clouds.gcp import binding as gcp

            return gcp.binding(entitlement, window=one.window)
        case Cloud.AZURE:
            from pipeline.clouds.azure import binding as azure

            return azure.binding(entitlement, grants=(one.grant.id,), window=one.window, now=now)


def desired(live: Iterable[LiveGrant], *, now: datetime) -> Desired:
    """Returns the bindings that *live* grants ask for at *now*.

    Grants past their end ask for nothing. AWS and Google hold one binding per line of a
    grant; Azure holds one per principal, role and scope, with the union of the windows that
    touch (Microsoft.Authorization 2020-10-01, `RoleAssignmentExists`).
    """
    bindings: list[Binding] = []
    refused: list[tuple[GrantId, str]] = []
    shared: dict[tuple[str, str, str], list[tuple[LiveGrant, Entitlement]]] = defaultdict(list)
    for one in live:
        if one.window.ended(now):
            continue
        try:
            alone = render_bindings(one, now=now)
        except PipelineError as error:
            refused.append((one.grant.id, str(error)))
            continue
        for entitlement, binding in zip(one.entitlements, alone, strict=True):
            if binding.cloud is Cloud.AZURE:
                shared[binding.identity].append((one, entitlement))
            else:
                bindings.append(binding)
    deferred: list[Deferred] = []
    for holders in shared.values():
        together, later = _share(holders, now=now)
        bindings.extend(together)
        deferred.extend(later)
    bindings.sort(key=lambda binding: binding.identity)
    return Desired(
        bindings=tuple(bindings), deferred=tuple(deferred), refused=tuple(sorted(refused))
    )


def _share(
    holders: list[tuple[LiveGrant, Entitlement]], *, now: datetime
) -> tuple[list[Binding], list[Deferred]]:
    """Returns the one assignment that Azure can hold for all *holders* now, and who has to wait."""
    from pipeline.clouds.azure import binding as azure

    window = azure.union([one.window for one, _ in holders], now=now)
    if window is None:
        return [], []
    inside = [pair for pair in holders if _within(pair[0].window, window)]
    grants = tuple(sorted({one.grant.id for one, _ in inside}))
    binding = azure.binding(inside[0][1], grants=grants, window=window, now=now)
    return [binding], [
        Deferred(
            grant=one.grant.id,
            target=entitlement.target.id,
            window=one.window,
            why="Azure holds one assignment per principal, role and scope; "
            "this one is made when the earlier one has ended",
        )
        for one, entitlement in holders
        if not _within(one.window, window)
    ]


def _within(inner: Window, outer: Window) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end
