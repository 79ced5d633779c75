"""A small catalogue, and grants of it that somebody might have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

from pipeline.grants.catalogue import entitlements, load_catalogue
from pipeline.history.proven import Quarantine
from pipeline.values.binding import Binding
from pipeline.values.catalogue import Catalogue
from pipeline.values.grant import Access, Grant, Window
from pipeline.values.ids import GrantId, TargetId
from pipeline.values.live import LiveGrant
from tests.unit.support_values import window

PRINCIPAL = """\
kind: person
github: {name}
github_id: {number}
identities:
  aws: {{arn: "arn:aws:iam::999900001111:user/{name}"}}
  azure: {{object_id: 6f1c0000-0000-4000-8000-00000000{number}, type: User}}
  gcp: {{member: "user:{name}@example.com"}}
"""
ROLE = "{name}: {{title: Read, risk: low, max_duration: 8h, permissions: {permissions}}}\n"
CATALOGUE = {
    "access/teams.yaml": "leads: {id: 71, title: Leads}\n",
    "access/principals/alice.yaml": PRINCIPAL.format(name="alice", number=1001),
    "access/principals/bob.yaml": PRINCIPAL.format(name="bob", number=1002),
    "access/targets/aws.yaml": (
        'prod: {account: "111122223333", environment: prod, owners: [leads]}\n'
        'dev: {account: "444455556666", environment: dev, owners: [leads]}\n'
    ),
    "access/targets/azure.yaml": (
        "prod: {subscription: 0a11aaaa-0000-4000-8000-000000000001, environment: prod,"
        " owners: [leads]}\n"
    ),
    "access/targets/gcp.yaml": (
        "prod: {project: acme-prod, environment: prod, owners: [leads]}\n"
        "dev: {project: acme-dev, environment: dev, owners: [leads]}\n"
    ),
    "access/roles/aws.yaml": ROLE.format(
        name="reader", permissions='{actions: [s3:GetObject], resources: ["arn:aws:s3:::logs/*"]}'
    ),
    "access/roles/azure.yaml": ROLE.format(
        name="reader", permissions="{role_definition_id: acdd72a7-3385-48ef-bd42-f606fba81ae7}"
    ),
    "access/roles/gcp.yaml": ROLE.format(name="reader", permissions="{role: roles/logging.viewer}"),
}


@cache
def catalogue() -> Catalogue:
    """The catalogue that `World` begins with."""
    found, problems = load_catalogue({path: text.encode() for path, text in CATALOGUE.items()})
    assert not problems, problems
    return found


def a_grant(
    name: str = "x",
    *targets: str,
    held: Window | None = None,
    subject: str = "alice",
    role: str = "reader",
    emergency: bool = False,
    ticket: str | None = None,
) -> LiveGrant:
    """Returns a grant of one role on each of *targets*, by default `gcp/prod`, during *held*."""
    during = held or window()
    grant = Grant(
        id=GrantId(f"{subject}/{name}"),
        path=f"access/grants/{subject}/{name}.yaml",
        subject=subject,
        reason="Payouts are stuck",
        duration=int((during.end - during.start).total_seconds()),
        access=tuple(Access(target=TargetId(one), role=role) for one in targets or ("gcp/prod",)),
        emergency=emergency,
        ticket=ticket,
    )
    return LiveGrant(grant=grant, window=during, entitlements=entitlements(grant, catalogue()))


def unknown_to_the_clouds(one: LiveGrant) -> LiveGrant:
    """Returns *one* for a subject whom no cloud knows: nothing can carry it."""
    return replace(
        one,
        entitlements=tuple(
            replace(line, principal=replace(line.principal, aws=None, azure=None, gcp=None))
            for line in one.entitlements
        ),
    )


def quarantine(path: str = "access/grants/bob/y.yaml", commit: str = "d" * 40) -> Quarantine:
    return Quarantine(path=path, commit=commit, reasons=("nobody approved it",))


def shown(bindings: Iterable[Binding]) -> list[str]:
    """Returns where each binding is and for whom: `gcp/prod alice/x`."""
    return sorted(f"{one.target} {'+'.join(one.grants)}" for one in bindings)
