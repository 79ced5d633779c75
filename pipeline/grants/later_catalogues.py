"""What later catalogues leave of a line of access: never more than was asked for.

A grant is expanded with the catalogue that it was judged by. For example, of a line of alice's on
gcp/prod, with each later catalogue:

    her GitHub id, or her account in that cloud, is another one    nothing is left
    she, the target, the role or her home account is struck off    nothing
    the role names another role of Google's, or of Azure's         nothing
    its AWS actions are {a, b} where they were {b, c}              b
    its risk, its longest duration or its title are others         all of it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pipeline.values.catalogue import (
    AwsPermissions,
    AzurePermissions,
    Catalogue,
    Entitlement,
    GcpPermissions,
    Principal,
)
from pipeline.values.ids import Cloud

Permissions = AwsPermissions | AzurePermissions | GcpPermissions


def left_in(line: Entitlement, catalogue: Catalogue) -> Entitlement | None:
    """Returns what *catalogue* leaves of *line*; None for nothing. Actions and resources are
    compared as they are written."""
    principal = catalogue.principals.get(line.principal.name)
    target, role = catalogue.targets.get(line.target.id), catalogue.roles.get(line.role.id)
    if principal is None or target is None or role is None:
        return None
    cloud = line.target.cloud
    home = catalogue.targets.get(line.home.id) if line.home else None
    if line.home is not None and (home is None or home.locator != line.home.locator):
        return None
    if target.locator != line.target.locator or _account(principal, cloud) != _account(
        line.principal, cloud
    ):
        return None
    permissions = _both(line.role.permissions, role.permissions)
    if permissions is None:
        return None
    return replace(line, role=replace(line.role, permissions=permissions))


def _account(principal: Principal, cloud: Cloud) -> tuple[object, ...]:
    """Returns who *principal* is, on GitHub and in *cloud*."""
    aws, azure, gcp = principal.aws, principal.azure, principal.gcp
    there: Mapping[Cloud, tuple[object, ...]] = {
        Cloud.AWS: (aws.arn, aws.session_name, aws.home) if aws else (),
        Cloud.AZURE: (azure.object_id,) if azure else (),
        Cloud.GCP: (gcp.member,) if gcp else (),
    }
    return (principal.github_id, *there[cloud])


def _both(one: Permissions, other: Permissions) -> Permissions | None:
    if not isinstance(one, AwsPermissions) or not isinstance(other, AwsPermissions):
        return one if one == other else None
    actions = tuple(action for action in one.actions if action in other.actions)
    resources = tuple(resource for resource in one.resources if resource in other.resources)
    return replace(one, actions=actions, resources=resources) if actions and resources else None
