"""The catalogue, loaded as a whole and cross-checked.

Principals, targets and roles are read here, teams in `teams`, the rest in `annexes`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pipeline.errors import InvalidInput
from pipeline.grants.annexes import PLACES, Annexes, Known
from pipeline.grants.forms import PRINCIPAL
from pipeline.grants.permissions import check_permissions, read_permissions
from pipeline.grants.tables import LOCATORS, ROLES, TABLE_LIMIT, TABLE_NODES, TARGETS
from pipeline.grants.teams import TEAMS_FILE, DeclaredTeams
from pipeline.grants.validate import validate_grant
from pipeline.reading.scalars import Reading
from pipeline.reading.yaml_strict import Report, Table, closest, load, quote
from pipeline.values.catalogue import (
    AwsIdentity,
    AzureIdentity,
    Catalogue,
    Entitlement,
    Expiry,
    GcpIdentity,
    Mfa,
    Principal,
    PrincipalKind,
    Risk,
    Role,
    Target,
)
from pipeline.values.grant import Grant
from pipeline.values.ids import Cloud, RoleId, TargetId
from pipeline.values.problem import Mark, Problem

_TOP = Mark(line=1, column=1)
_PRINCIPAL_FILE = re.compile(r"access/principals/([a-z0-9][a-z0-9-]{0,62})\.yaml")
_TABLE_FILE = re.compile(r"access/(targets|roles)/(aws|azure|gcp)\.yaml")
_ELSEWHERE = ("access/grants/", "access/schemas/", "access/README.md")
_PLACES = ", ".join(
    (
        "access/principals/<name>.yaml",
        "access/targets/<cloud>.yaml",
        "access/roles/<cloud>.yaml",
        TEAMS_FILE,
        *PLACES,
    )
)

SeenPrincipals = dict[tuple[str, bytes], tuple[Principal, Mapping[str, Mark]]]
"""Principals by name and text, with where their fields stand; those without a problem."""


def load_catalogue(
    files: Mapping[str, bytes], *, seen: SeenPrincipals | None = None
) -> tuple[Catalogue, tuple[Problem, ...]]:
    """Returns the catalogue in *files* (repository path to content) and all its problems.

    A catalogue with problems lacks what could not be read and must not be used: callers
    raise `InvalidInput`. Files under `access/` that are of no known kind are problems;
    grants, schemas and files outside `access/` are passed over.

    *seen* keeps the principals of catalogues before this one, and is added to: there may be
    thousands, of which few differ from one catalogue to the next.
    """
    loader = _Loader({} if seen is None else seen)
    for path in sorted(files):
        if path.startswith("access/") and not path.startswith(_ELSEWHERE):
            loader.file(path, files[path])
    return loader.finish()


def entitlements(grant: Grant, catalogue: Catalogue) -> tuple[Entitlement, ...]:
    """Returns each line of *grant* with its principal, target and role.

    Raises `InvalidInput` where the grant does not fit the catalogue.
    """
    problems = validate_grant(grant, catalogue)
    if problems:
        raise InvalidInput(problems)
    principal = catalogue.principals[grant.subject]
    found = []
    for line in grant.access:
        target = catalogue.targets[line.target]
        home = principal.aws.home if principal.aws and target.cloud is Cloud.AWS else None
        found.append(
            Entitlement(
                grant=grant.id,
                principal=principal,
                target=target,
                role=catalogue.roles[RoleId(f"{target.cloud}/{line.role}")],
                parameters=line.parameters,
                home=catalogue.targets[TargetId(f"aws/{home}")] if home else None,
            )
        )
    return tuple(found)


def known_entitlements(grant: Grant, catalogue: Catalogue) -> tuple[Entitlement, ...]:
    """Returns the lines of *grant* as far as the catalogue still knows them: all, or none."""
    return () if validate_grant(grant, catalogue) else entitlements(grant, catalogue)


class _Loader:
    """Reads file after file, then checks what only the whole can show."""

    def __init__(self, seen: SeenPrincipals) -> None:
        self._seen = seen
        self._reports: list[Report] = []
        self._principals: dict[str, tuple[Principal, Reading]] = {}
        self._targets: dict[TargetId, tuple[Target, Reading]] = {}
        self._roles: dict[RoleId, Role] = {}
        self._teams = DeclaredTeams()
        self._annexes = Annexes()
        # Names that stand in a file, readable or not: a broken entry is told once, where it
        # is, not again by everything that refers to it.
        self._named: set[str] = set()

    def file(self, path: str, text: bytes) -> None:
        """Reads the file at *path*."""
        report = Report(path)
        self._reports.append(report)
        principal = _PRINCIPAL_FILE.fullmatch(path)
        table = _TABLE_FILE.fullmatch(path)
        if principal:
            self._principal(principal.group(1), text, Reading(report))
        elif path == TEAMS_FILE:
            self._teams.read(text, Reading(report))
        elif self._annexes.file(path, text, Reading(report)):
            return
        elif table is None:
            report.add(_TOP, "unknown-file", f"nothing is read from here; known are {_PLACES}")
        elif table.group(1) == "targets":
            self._table("targets", Cloud(table.group(2)), text, Reading(report), self._target)
        else:
            self._table("roles", Cloud(table.group(2)), text, Reading(report), self._role)

    def _principal(self, name: str, text: bytes, reading: Reading) -> None:
        self._named.add(name)
        if (name, text) in self._seen:
            principal, marks = self._seen[name, text]
            reading.marks.update(marks)
            self._principals[name] = (principal, reading)
            return
        node = load(text, report=reading.report)
        found = None if node is None else PRINCIPAL.read(node, "", reading)
        if found is None or len(reading.report):
            return
        identities = found.get("identities", {})
        aws, azure, gcp = (identities.get(cloud) for cloud in ("aws", "azure", "gcp"))
        principal = Principal(
            name=name,
            kind=PrincipalKind(found["kind"]),
            github=found.get("github"),
            github_id=found.get("github_id"),
            owner=found.get("owner"),
            disabled=found.get("disabled", False),
            aws=AwsIdentity(**_with_mfa(aws)) if aws else None,
            azure=AzureIdentity(**_with_mfa(azure)) if azure else None,
            gcp=GcpIdentity(**_with_mfa(gcp)) if gcp else None,
        )
        _check_identities(principal, reading)
        self._principals[name] = (principal, reading)
        if not len(reading.report):
            self._seen[name, text] = (principal, dict(reading.marks))

    def _table(
        self,
        what: str,
        cloud: Cloud,
        text: bytes,
        reading: Reading,
        keep: Callable[[Cloud, str, dict[str, Any], Reading], None],
    ) -> None:
        """Reads a file of targets or roles, entry by entry: one bad entry hides no other."""
        node = load(text, report=reading.report, limit=TABLE_LIMIT, nodes=TABLE_NODES)
        if not isinstance(node, Table):
            if node is not None:
                reading.wrong_type(node, "", "a map of names and values")
            return
        form = (TARGETS if what == "targets" else ROLES)[cloud]
        for name, entry in form.entries(node, "", reading).items():
            self._named.add(f"{what}/{cloud}/{name}")
            if entry is not None:
                keep(cloud, name, entry, reading)

    def _target(self, cloud: Cloud, name: str, found: dict[str, Any], reading: Reading) -> None:
        target = Target(
            id=TargetId(f"{cloud}/{name}"),
            cloud=cloud,
            name=name,
            locator=found[LOCATORS[cloud].name],
            environment=found["environment"],
            owners=found["owners"],
            tags=tuple(sorted(found.get("tags", {}).items())),
            expiry=Expiry(found.get("expiry", Expiry.CLOUD)),
        )
        self._targets[target.id] = (target, reading)

    def _role(self, cloud: Cloud, name: str, found: dict[str, Any], reading: Reading) -> None:
        parameters = found.get("parameters", {})
        permissions = read_permissions(cloud, found["permissions"])
        check_permissions(name, parameters, permissions, reading)
        role = Role(
            id=RoleId(f"{cloud}/{name}"),
            cloud=cloud,
            name=name,
            title=found["title"],
            risk=Risk(found["risk"]),
            max_duration=found["max_duration"],
            permissions=permissions,
            mfa_required=found.get("mfa") == "required",
            interactive=found.get("interactive", False),
            parameters=tuple(sorted(parameters.items())),
        )
        self._roles[role.id] = role

    def finish(self) -> tuple[Catalogue, tuple[Problem, ...]]:
        """Returns what was read, and every problem, those between files included."""
        self._check_references()
        self._check_unique(_facts(self._principals.values()), "principal")
        for target, reading in self._targets.values():
            self._teams.check_owners(target, reading)
        self._check_unique(_locators(self._targets.values()), "target")
        principals = {name: principal for name, (principal, _) in self._principals.items()}
        self._annexes.check(
            Known(
                principals=principals,
                targets=frozenset(self._targets),
                roles=frozenset(self._roles),
                named=frozenset(self._named),
            )
        )
        catalogue = Catalogue(
            principals=principals,
            targets={id_: target for id_, (target, _) in self._targets.items()},
            roles=self._roles,
            teams=self._teams.teams,
            **self._annexes.parts(),
        )
        return catalogue, tuple(sorted(p for report in self._reports for p in report.problems))

    def _check_references(self) -> None:
        for principal, reading in self._principals.values():
            self._check_owner(principal, reading)
            home = principal.aws.home if principal.aws else None
            if home is not None and f"targets/aws/{home}" not in self._named:
                known = [target.name for target, _ in self._targets.values()]
                tip = closest(home, known) or "; add the account that holds the SSO roles"
                message = f"home {quote(home)} is not in access/targets/aws.yaml{tip}"
                reading.refuse(reading.marks["identities.aws.home"], "unknown-target", message)

    def _check_owner(self, principal: Principal, reading: Reading) -> None:
        if principal.owner is None:
            return
        mark = reading.marks["owner"]
        owner, _ = self._principals.get(principal.owner, (None, None))
        if owner is None:
            if principal.owner not in self._named:
                message = f"owner {quote(principal.owner)} has no file in access/principals"
                tip = closest(principal.owner, list(self._principals))
                reading.refuse(mark, "unknown-principal", message + (tip or "; add it first"))
        elif owner.kind is not PrincipalKind.PERSON:
            message = f"owner {quote(owner.name)} is a workload; name the person who answers"
            reading.refuse(mark, "not-a-person", message)
        elif owner.disabled and not principal.disabled:
            message = f"owner {quote(owner.name)} is disabled; name another person or disable this"
            reading.refuse(mark, "disabled-principal", message)

    def _check_unique(
        self, facts: Iterator[tuple[str, str, str, Mark, Reading]], what: str
    ) -> None:
        """Tells facts that two entries claim: whoever has two names has two limits."""
        seen: dict[tuple[str, str], str] = {}
        for name, fact, value, mark, reading in facts:
            other = seen.setdefault((fact, value.lower()), name)
            if other != name:
                message = f"{fact} {quote(value)} belongs to {what} {quote(other)} already"
                reading.refuse(mark, "duplicate", f"{message}; each has its own")


def _facts(
    principals: Any,
) -> Iterator[tuple[str, str, str, Mark, Reading]]:
    """Yields what may belong to one principal only: name, fact, value, place."""
    for principal, reading in principals:
        claims: list[tuple[str, object, str]] = [
            ("github", principal.github, "github"),
            ("github_id", principal.github_id, "github_id"),
        ]
        if principal.aws:
            claims.append(("arn", principal.aws.arn, "identities.aws.arn"))
            claims.append(
                ("session_name", principal.aws.session_name, "identities.aws.session_name")
            )
        if principal.azure:
            claims.append(("object_id", principal.azure.object_id, "identities.azure.object_id"))
        if principal.gcp:
            claims.append(("member", principal.gcp.member, "identities.gcp.member"))
        for fact, value, field in claims:
            if value is not None:
                yield principal.name, fact, str(value), reading.marks[field], reading


def _locators(targets: Any) -> Iterator[tuple[str, str, str, Mark, Reading]]:
    """Yields what may belong to one target only: name, fact, value, place."""
    for target, reading in targets:
        fact = LOCATORS[target.cloud].name
        yield target.id, fact, target.locator, reading.marks[f"{target.name}.{fact}"], reading


def _with_mfa(found: dict[str, Any]) -> dict[str, Any]:
    """Returns the fields of an identity with `mfa` as its enum."""
    return found | {"mfa": Mfa(found["mfa"]) if "mfa" in found else None}


def _check_identities(principal: Principal, reading: Reading) -> None:
    """Tells identities that are not of the principal's kind, or claim a factor they lack."""
    person = principal.kind is PrincipalKind.PERSON
    arn = principal.aws.arn if principal.aws else None
    if principal.aws:
        if person and arn and ":user/" not in arn:
            message = "arn names a role, which is no person; use session_name and home"
            reading.refuse(reading.marks["identities.aws.arn"], "identity-kind", message)
        if not person and not arn:
            message = "session_name is for people; give the workload's arn"
            reading.refuse(reading.marks["identities.aws.session_name"], "identity-kind", message)
        if principal.aws.mfa is Mfa.AWS and (arn is None or ":user/" not in arn):
            message = (
                "mfa: aws is for IAM users; other sessions carry no aws:MultiFactorAuthPresent,"
                " write identity-provider where it enforces a second factor"
            )
            reading.refuse(reading.marks["identities.aws.mfa"], "second-factor", message)
    if principal.azure and (principal.azure.type == "User") != person:
        message = f"type {principal.azure.type} is not for a {principal.kind}"
        tip = "people are a User, workloads a ServicePrincipal"
        reading.refuse(reading.marks["identities.azure.type"], "identity-kind", f"{message}; {tip}")
    if principal.gcp and principal.gcp.member.startswith("user:") != person:
        message = f"member {quote(principal.gcp.member)} is not for a {principal.kind}"
        tip = "people are a user:, workloads a serviceAccount:"
        reading.refuse(reading.marks["identities.gcp.member"], "identity-kind", f"{message}; {tip}")
