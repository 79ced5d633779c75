"""The project's own policies, and a request that they allow, for tests to change one thing of."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from pipeline.policy.answer import Previous, Requester, input_document
from pipeline.policy.bundle import TEST_SUFFIX, Rule, load_bundle, load_rules
from pipeline.policy.engine import PolicyBundle
from pipeline.policy.question import Calendars
from pipeline.policy.rego import RegorusEngine
from pipeline.values.canonical import canonical
from pipeline.values.catalogue import (
    AwsIdentity,
    AwsPermissions,
    Entitlement,
    Mfa,
    Principal,
    PrincipalKind,
    Risk,
    Role,
    Target,
)
from pipeline.values.grant import Access, Grant, Window
from pipeline.values.ids import Cloud, GrantId, RoleId, TargetId
from pipeline.values.pull_request import Actor

POLICIES = Path(__file__).parent.parent.parent / "policies"
ACME = POLICIES.parent / "pipeline" / "sandbox" / "acme" / "access"
NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
ALICE = Actor(id=5831044, login="alice-gh", type="User")
Keys = tuple[str | int, ...]


def files_below(folder: Path) -> dict[str, bytes]:
    """Returns the contents of every file below *folder* by its path."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes *files*, as `files_below` returns them, below *folder*."""
    for parent in {str(Path(path).parent) for path in files}:
        (folder / parent).mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        (folder / path).write_bytes(content)


def copy_acme(folder: Path) -> None:
    """Copies the catalogue of the sandbox's organisation into *folder*."""
    write_files(folder / "access", _acme())


def copy_policies(to: Path) -> None:
    """Copies what decides, modules and settings; without tests and documents, half of the files."""
    write_files(to, _deciding())


@cache
def _acme() -> Mapping[str, bytes]:
    return files_below(ACME)


@cache
def _deciding() -> Mapping[str, bytes]:
    return {
        path: content
        for path, content in files_below(POLICIES).items()
        if not path.endswith((TEST_SUFFIX, ".md"))
    }


def policy_files() -> dict[str, str]:
    """Everything below policies/, as the pipeline reads it from git."""
    return {
        path.relative_to(POLICIES).as_posix(): path.read_text(encoding="utf-8")
        for path in POLICIES.rglob("*")
        if path.is_file()
    }


@cache
def own_bundle() -> PolicyBundle:
    return load_bundle(policy_files())


@cache
def own_rules() -> Mapping[str, Rule]:
    return load_rules(own_bundle())


def embedded(settings: Mapping[str, Any]) -> RegorusEngine:
    """Returns the embedded engine with the project's policies and these settings."""
    return _embedded(canonical(dict(settings)))


@lru_cache(maxsize=32)
def _embedded(settings: str) -> RegorusEngine:
    # Compiling takes longer than asking, and most cases ask with the same settings.
    data = {"settings": json.loads(settings)}
    return RegorusEngine(PolicyBundle(modules=own_bundle().modules, data=data))


def own_settings() -> dict[str, Any]:
    """A copy to change."""
    settings: dict[str, Any] = copy.deepcopy(own_bundle().data["settings"])
    return settings


def grant(**changes: Any) -> Grant:
    values: dict[str, Any] = {
        "id": GrantId("alice/payouts"),
        "path": "access/grants/alice/payouts.yaml",
        "subject": "alice",
        "reason": "Payouts stuck since 14:00, need to read the ledger",
        "ticket": "PAY-1423",
        "duration": 7200,
        "access": (Access(target=TargetId("aws/payments-prod"), role="rds-reader"),),
    }
    return Grant(**{**values, **changes})


def principal(**changes: Any) -> Principal:
    values: dict[str, Any] = {
        "name": "alice",
        "kind": PrincipalKind.PERSON,
        "github": "alice-gh",
        "github_id": ALICE.id,
        "aws": AwsIdentity(
            session_name="alice@example.com", home="identity-prod", mfa=Mfa.IDENTITY_PROVIDER
        ),
    }
    return Principal(**{**values, **changes})


def entitlement(risk: Risk = Risk.LOW) -> Entitlement:
    return Entitlement(
        grant=GrantId("alice/payouts"),
        principal=principal(),
        target=Target(
            id=TargetId("aws/payments-prod"),
            cloud=Cloud.AWS,
            name="payments-prod",
            locator="111122223333",
            environment="prod",
            owners=("payments-leads",),
        ),
        role=Role(
            id=RoleId("aws/rds-reader"),
            cloud=Cloud.AWS,
            name="rds-reader",
            title="Look at databases",
            risk=risk,
            max_duration=8 * 3600,
            permissions=AwsPermissions(actions=("rds:Describe*",), resources=("*",)),
        ),
    )


def request(risk: Risk = Risk.LOW, **changes: Any) -> dict[str, Any]:
    """A document that policy allows; *changes* are arguments of `input_document`."""
    asked = changes.pop("grant", grant())
    values: dict[str, Any] = {
        "change": "create",
        "grant": asked,
        "entitlements": (entitlement(risk),),
        "window": Window(start=NOW, end=NOW + timedelta(seconds=asked.duration)),
        "now": NOW,
        "requester": Requester(actor=ALICE, principal="alice"),
        "subject": principal(),
        "calendars": calendars(),
        "subject_teams": ("engineering",),
    }
    return input_document(**{**values, **changes})


def calendars(**windows: Sequence[Window]) -> Calendars:
    """Calendars by name, known from an hour before `NOW` to 35 days after it."""
    return Calendars(start=NOW - timedelta(hours=1), end=NOW + timedelta(days=35), open=windows)


def proven(**changes: Any) -> Previous:
    before = grant(**changes)
    return Previous(
        grant=before,
        window=Window(start=NOW, end=NOW + timedelta(seconds=before.duration)),
        requester="alice",
        first_duration=before.duration,
    )


def put(document: dict[str, Any], path: Keys, value: Any) -> dict[str, Any]:
    """Returns a copy of *document* with *value* at *path*."""
    changed = copy.deepcopy(document)
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


def drop(document: dict[str, Any], path: Keys) -> dict[str, Any]:
    """Returns a copy of *document* without what lies at *path*."""
    changed = copy.deepcopy(document)
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return changed


def keys(value: Any, above: Keys = ()) -> list[Keys]:
    """Returns the path of every key and index in *value*."""
    if isinstance(value, dict):
        entries: list[tuple[str | int, Any]] = list(value.items())
    elif isinstance(value, list):
        entries = list(enumerate(value))
    else:
        return []
    found: list[Keys] = []
    for key, inner in entries:
        found += [(*above, key), *keys(inner, (*above, key))]
    return found
