"""The question to the policies: one document of plain values, the same for every engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline.values.canonical import canonical, timestamp
from pipeline.values.catalogue import (
    AwsIdentity,
    AwsPermissions,
    AzureIdentity,
    AzurePermissions,
    Entitlement,
    GcpIdentity,
    GcpPermissions,
    Principal,
    StandingAccess,
)
from pipeline.values.grant import Grant, Window

if TYPE_CHECKING:
    from pipeline.values.grant_change import GrantChange
    from pipeline.values.pull_request import Actor, PullRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Requester:
    """The account that opened the pull request."""

    actor: Actor | None
    """None where the account was deleted, and before anything was pushed."""

    principal: str | None
    """Name of the enabled principal of kind person with the actor's id, if there is one."""

    teams: frozenset[str] = frozenset()
    """GitHub team slugs with an active membership, of those that matter here."""

    is_app: bool = False
    """Whether the actor is the keeper App."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Previous:
    """The last proven version of the same grant."""

    grant: Grant
    window: Window
    requester: str | None = None
    """Name of the principal who first asked for it, where known."""

    first_duration: int | None = None
    """Seconds that the life's first proven version asked for: extensions count from there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherLife:
    """A window in which the subject holds or held a role on a target because of another life.

    A life is one of another grant, or an earlier one of the same path.
    """

    grant: str
    target: str
    role: str
    """Cloud and name: `aws/rds-reader`."""

    window: Window
    """As it was or will be: of a grant that was taken back early, up to then."""

    added: datetime | None = None
    """The merge that began the life; None where it is not known, which counts as now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Calendars:
    """When each calendar of the catalogue is open, from *start* on and up to *end*."""

    start: datetime
    end: datetime
    """Beyond it nothing is known, so nothing that reaches there is covered or free."""

    open: Mapping[str, Sequence[Window]]
    """By name; sorted, apart from each other, clipped to *start* and *end*."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Emergency:
    """An earlier use of emergency access by the subject."""

    grant: str
    start: datetime
    reviewed: bool


def input_document(
    *,
    change: GrantChange,
    grant: Grant,
    entitlements: Sequence[Entitlement],
    window: Window | None,
    now: datetime,
    requester: Requester,
    subject: Principal | None,
    subject_teams: Iterable[str] = (),
    previous: Previous | None = None,
    lives: Sequence[OtherLife] = (),
    pull: PullRequest | None = None,
    approvals: Iterable[str] = (),
    on_call: Iterable[str] = (),
    standing: Iterable[StandingAccess] = (),
    emergencies: Iterable[Emergency] = (),
    calendars: Calendars | None = None,
    revives: bool = False,
) -> dict[str, Any]:
    """Returns what the policies are asked about a grant; times are epoch seconds and text.

    - `kind`: `grant`
    - `change`: `create`, `widen`, `narrow`, `delete`, `same` (see `grant_change.classify`)
    - `now`, `now_text`: the moment judged: of the check, or the merge's `merged_at`
    - `grant`: `id`, `path`, `subject`, `reason`, `reason_length` (characters without white
      space), `reason_folded` (case folded, single spaces, no full stop), `ticket` or null,
      `duration` (seconds), `start`, `start_text` or null, `emergency`, `requested_by` or null;
      of a deletion: the grant deleted
    - `window`: `start`, `end`, `start_text`, `end_text`; null where unknown
    - `bindings`, one for each line of access: `index`; `target` (`id`, `cloud`, `name`,
      `locator`, `environment`, `owners`, `tags`, `expiry`); `role` (`id`, `name`, `title`,
      `risk`, `max_duration`, `mfa_required`, `interactive`, `parameters` (names that it
      declares), `permissions`); `parameters` (name to value); `home` or null.
      `permissions` hold `mechanism`, `actions`, `resources` (aws), `role_definition_id`
      (azure), `role` (gcp)
    - `subject`: `name`, `kind`, `disabled` (true when its file is gone), `owner` or null,
      `teams`, `on_call` (rotations that name it at `now`), `standing` (each `target`, `role`:
      access known to be held without a grant), `identities`: `aws`, `azure`, `gcp`, each null
      or `mfa`, which may be null
    - `requester`: `id`, `login`, `principal` (each may be null), `teams`, `is_app`
    - `previous`: null, or `grant`, `window`, `requester` of the last proven version, and
      `first_duration`, seconds that the life's first version asked for, or null
    - `lives`: the subject's other lives: `grant`, `target`, `role`, `start`, `end`, `added` (the
      merge that began it)
    - `emergencies`: the subject's earlier emergency grants: `grant`, `start`, `reviewed`
    - `calendars`: null where none are known, or `start`, `end` (what is known lies between) and
      `open`: name to a list of `start`, `end`, sorted and apart from each other
    - `revives`: whether an earlier life of the same path said exactly the same
    - `pull`: null, or `number`, `head`
    - `approvals`: each with `principal`: the people counted so far
    """
    return {
        "kind": "grant",
        "change": change,
        "now": _epoch(now),
        "now_text": timestamp(now),
        "grant": _grant(grant),
        "window": None if window is None else _window(window),
        "bindings": [_binding(index, line) for index, line in enumerate(entitlements)],
        "subject": {
            **_subject(grant.subject, subject, subject_teams),
            "on_call": sorted(set(on_call)),
            "standing": sorted(
                ({"target": one.target, "role": one.role} for one in standing), key=canonical
            ),
        },
        "requester": _requester(requester),
        "previous": None
        if previous is None
        else {
            "grant": _grant(previous.grant),
            "window": _window(previous.window),
            "requester": previous.requester,
            "first_duration": previous.first_duration,
        },
        "lives": sorted(
            (
                {
                    "grant": life.grant,
                    "target": life.target,
                    "role": life.role,
                    "start": _epoch(life.window.start),
                    "end": _epoch(life.window.end),
                    "added": _epoch(now if life.added is None else life.added),
                }
                for life in lives
            ),
            key=canonical,
        ),
        "emergencies": sorted(
            (
                {"grant": one.grant, "start": _epoch(one.start), "reviewed": one.reviewed}
                for one in emergencies
            ),
            key=canonical,
        ),
        "calendars": None if calendars is None else _calendars(calendars),
        "revives": revives,
        "pull": _pull(pull),
        "approvals": [{"principal": name} for name in sorted(set(approvals))],
    }


def governance_document(
    *,
    paths: Iterable[str],
    reviews: Iterable[str] = (),
    now: datetime,
    requester: Requester,
    pull: PullRequest | None = None,
    approvals: Iterable[str] = (),
) -> dict[str, Any]:
    """Returns what the policies are asked about policies, catalogue and workflows.

    `kind` is `governance`; `paths` are those changed; `reviews` names the subjects whose
    emergency access the change reviews; `now`, `requester`, `pull` and `approvals` are as in
    `input_document`.
    """
    return {
        "kind": "governance",
        "paths": sorted(set(paths)),
        "reviews": sorted(set(reviews)),
        "now": _epoch(now),
        "now_text": timestamp(now),
        "requester": _requester(requester),
        "pull": _pull(pull),
        "approvals": [{"principal": name} for name in sorted(set(approvals))],
    }


def _epoch(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise ValueError("a moment needs an offset")
    return int(moment.timestamp())


def _window(window: Window) -> dict[str, Any]:
    return {
        "start": _epoch(window.start),
        "end": _epoch(window.end),
        "start_text": timestamp(window.start),
        "end_text": timestamp(window.end),
    }


def _calendars(calendars: Calendars) -> dict[str, Any]:
    return {
        "start": _epoch(calendars.start),
        "end": _epoch(calendars.end),
        "open": {
            name: [{"start": _epoch(one.start), "end": _epoch(one.end)} for one in windows]
            for name, windows in sorted(calendars.open.items())
        },
    }


def _grant(grant: Grant) -> dict[str, Any]:
    return {
        "id": grant.id,
        "path": grant.path,
        "subject": grant.subject,
        "reason": grant.reason,
        "reason_length": sum(not character.isspace() for character in grant.reason),
        "reason_folded": " ".join(grant.reason.split()).casefold().rstrip(" .!…"),
        "ticket": grant.ticket,
        "duration": grant.duration,
        "start": None if grant.start is None else _epoch(grant.start),
        "start_text": None if grant.start is None else timestamp(grant.start),
        "emergency": grant.emergency,
        "requested_by": grant.requested_by,
    }


def _binding(index: int, line: Entitlement) -> dict[str, Any]:
    target, role = line.target, line.role
    return {
        "index": index,
        "target": {
            "id": target.id,
            "cloud": target.cloud.value,
            "name": target.name,
            "locator": target.locator,
            "environment": target.environment,
            "owners": sorted(set(target.owners)),
            "tags": dict(target.tags),
            "expiry": target.expiry.value,
        },
        "role": {
            "id": role.id,
            "name": role.name,
            "title": role.title,
            "risk": role.risk.value,
            "max_duration": role.max_duration,
            "mfa_required": role.mfa_required,
            "interactive": role.interactive,
            "parameters": [name for name, _ in role.parameters],
            "permissions": _permissions(role.permissions),
        },
        "parameters": dict(line.parameters),
        "home": None if line.home is None else line.home.id,
    }


def _permissions(
    permissions: AwsPermissions | AzurePermissions | GcpPermissions,
) -> dict[str, Any]:
    match permissions:
        case AwsPermissions():
            return {
                "mechanism": permissions.mechanism.value,
                "actions": list(permissions.actions),
                "resources": list(permissions.resources),
            }
        case AzurePermissions():
            return {"role_definition_id": permissions.role_definition_id}
        case GcpPermissions():
            return {"role": permissions.role}


def _subject(name: str, subject: Principal | None, teams: Iterable[str]) -> dict[str, Any]:
    if subject is not None and subject.name != name:
        raise ValueError(f"the subject is {name}, not {subject.name}")
    aws, azure, gcp = (
        (None, None, None) if subject is None else (subject.aws, subject.azure, subject.gcp)
    )
    return {
        "name": name,
        "kind": None if subject is None else subject.kind.value,
        "disabled": subject is None or subject.disabled,
        "owner": None if subject is None else subject.owner,
        "teams": sorted(set(teams)),
        "identities": {"aws": _identity(aws), "azure": _identity(azure), "gcp": _identity(gcp)},
    }


def _identity(identity: AwsIdentity | AzureIdentity | GcpIdentity | None) -> dict[str, Any] | None:
    if identity is None:
        return None
    return {"mfa": None if identity.mfa is None else identity.mfa.value}


def _requester(requester: Requester) -> dict[str, Any]:
    actor = requester.actor
    return {
        "id": None if actor is None else actor.id,
        "login": None if actor is None else actor.login,
        "principal": requester.principal,
        "teams": sorted(requester.teams),
        "is_app": requester.is_app,
    }


def _pull(pull: PullRequest | None) -> dict[str, Any] | None:
    return None if pull is None else {"number": pull.number, "head": pull.head_sha}
