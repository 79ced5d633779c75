"""Checks of grants against the catalogue: does everything exist, and fit together?

What may be granted is for policies; here only what could never be provisioned is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pipeline.grants.legible import Legible, LegibleLine, legible_of
from pipeline.reading.patterns import matches
from pipeline.reading.yaml_strict import Report, closest, quote
from pipeline.values.catalogue import (
    AwsIdentity,
    AzureIdentity,
    Catalogue,
    GcpIdentity,
    Principal,
    PrincipalKind,
    Role,
)
from pipeline.values.grant import Grant
from pipeline.values.ids import Cloud, GrantId, RoleId, TargetId
from pipeline.values.problem import Mark, Problem

_TOP = Mark(line=1, column=1)


def identity_in(
    principal: Principal, cloud: Cloud
) -> AwsIdentity | AzureIdentity | GcpIdentity | None:
    """Returns who *principal* is in *cloud*, or None."""
    match cloud:
        case Cloud.AWS:
            return principal.aws
        case Cloud.AZURE:
            return principal.azure
        case Cloud.GCP:
            return principal.gcp


def validate_grant(grant: Grant, catalogue: Catalogue) -> tuple[Problem, ...]:
    """Returns everything in *grant* that does not fit the catalogue, by position."""
    return _Check(legible_of(grant), catalogue).run()


def validate_legible(parts: Legible, catalogue: Catalogue) -> tuple[Problem, ...]:
    """Returns what in the legible *parts* of a refused file does not fit the catalogue.

    What could not be read is passed over: it was told already.
    """
    return _Check(parts, catalogue).run()


def validate_tree(grants: Iterable[Grant], catalogue: Catalogue) -> tuple[Problem, ...]:
    """Returns the problems of all *grants*, and of their being together, by position."""
    found: list[Problem] = []
    seen: dict[GrantId, str] = {}
    for grant in grants:
        found.extend(validate_grant(grant, catalogue))
        if grant.id in seen:
            report = Report(grant.path)
            message = f"grant {quote(grant.id)} is given twice, also by {seen[grant.id]}"
            report.add(_TOP, "duplicate-grant", message)
            found.extend(report.problems)
        seen[grant.id] = grant.path
    return tuple(sorted(set(found)))


class _Check:
    """One file under examination: a grant, or what is legible of it."""

    def __init__(self, grant: Legible, catalogue: Catalogue) -> None:
        self._grant = grant
        self._catalogue = catalogue
        self._report = Report(grant.path)

    def run(self) -> tuple[Problem, ...]:
        subject = self._grant.subject
        principal = None if subject is None else self._principal("subject", subject)
        requester = self._grant.requested_by
        if requester is not None:
            person = self._principal("requested_by", requester)
            if person is not None and person.kind is not PrincipalKind.PERSON:
                message = f"{quote(requester)} is a workload; only a person can ask for access"
                self._refuse("requested_by", "not-a-person", message)
        for index, line in enumerate(self._grant.access):
            self._line(f"access.{index}", line, principal)
        return self._report.problems

    def _refuse(self, field: str, code: str, message: str) -> None:
        self._report.add(self._grant.marks.get(field, _TOP), code, message)

    def _principal(self, field: str, name: str) -> Principal | None:
        """Returns the enabled principal called *name*, or tells why there is none."""
        principal = self._catalogue.principals.get(name)
        if principal is None:
            tip = closest(name, list(self._catalogue.principals))
            message = (
                f"{field} {quote(name)} has no file access/principals/{name}.yaml"
                f"{tip or '; add it first'}"
            )
            self._refuse(field, "unknown-principal", message)
        elif principal.disabled:
            message = f"{field} {quote(name)} is disabled in access/principals/{name}.yaml"
            self._refuse(field, "disabled-principal", f"{message}; nothing can be granted")
            return None
        return principal

    def _line(self, field: str, line: LegibleLine, principal: Principal | None) -> None:
        if line.target is None:
            return  # without its cloud, nothing else of the line can be looked up
        prefix, _, _ = line.target.partition("/")
        cloud = next((cloud for cloud in Cloud if cloud == prefix), None)
        if TargetId(line.target) not in self._catalogue.targets:
            known = list(self._catalogue.targets)
            tip = closest(line.target, known) or "; see that file for the targets there are"
            message = f"target {quote(line.target)} is not in access/targets/{prefix}.yaml{tip}"
            self._refuse(f"{field}.target", "unknown-target", message)
        if cloud is None:
            return  # told above: no catalogue holds a target outside the clouds
        role = None
        if line.role is not None:
            role = self._catalogue.roles.get(RoleId(f"{cloud}/{line.role}"))
            if role is None:
                self._unknown_role(f"{field}.role", line.role, cloud)
            else:
                self._parameters(field, line.parameters, role)
        if principal is not None:
            self._identity(field, principal, cloud, role)

    def _unknown_role(self, field: str, name: str, cloud: Cloud) -> None:
        message = f"role {quote(name)} is not in access/roles/{cloud}.yaml"
        elsewhere = [other for other in Cloud if RoleId(f"{other}/{name}") in self._catalogue.roles]
        if elsewhere:
            message += f"; it is a role of {' and '.join(elsewhere)}, choose one of {cloud}'s own"
            self._refuse(field, "role-of-another-cloud", message)
            return
        names = [role.name for role in self._catalogue.roles.values() if role.cloud is cloud]
        tip = closest(name, names) or "; see that file for the roles there are"
        self._refuse(field, "unknown-role", message + tip)

    def _parameters(self, field: str, given: Mapping[str, str | None], role: Role) -> None:
        """Tells parameters that are unknown, missing, or do not match in full."""
        declared = dict(role.parameters)
        for name, value in given.items():
            place = f"{field}.parameters.{name}"
            if name not in declared:
                tip = closest(name, list(declared)) or "; remove it"
                message = f"role {role.id} has no parameter {quote(name)}{tip}"
                self._refuse(f"{place}.key", "unknown-parameter", message)
            elif value is not None and not matches(declared[name], value):
                message = (
                    f"{name} {quote(value)} does not match {declared[name]} in full, which"
                    f" role {role.id} asks for (access/roles/{role.cloud}.yaml); correct it"
                )
                self._refuse(place, "parameter-form", message)
        for name in declared:
            if name not in given:
                message = (
                    f"role {role.id} needs the parameter {name}, of the form {declared[name]};"
                    f" add a line {name}: under the role"
                )
                self._refuse(f"{field}.role", "missing-parameter", message)

    def _identity(self, field: str, principal: Principal, cloud: Cloud, role: Role | None) -> None:
        """Tells an identity that is missing in *cloud*, or lacks what the role requires."""
        identity = identity_in(principal, cloud)
        file = f"access/principals/{principal.name}.yaml"
        if identity is None:
            message = f"{quote(principal.name)} has no identity in {cloud}; add it to {file}"
            self._refuse(f"{field}.target", "no-identity", message)
        elif role is not None and role.mfa_required and identity.mfa is None:
            message = (
                f"role {role.id} requires a second factor and the {cloud} identity of"
                f" {quote(principal.name)} does not say who proves one; add mfa to {file}"
            )
            self._refuse(f"{field}.role", "no-second-factor", message)
