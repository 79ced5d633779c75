"""The permissions of a role, read from its entry, with the checks that no table of fields makes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipeline.reading.patterns import pattern_problem
from pipeline.reading.scalars import Reading
from pipeline.reading.yaml_strict import closest, quote
from pipeline.values.catalogue import (
    AwsMechanism,
    AwsPermissions,
    AzurePermissions,
    GcpPermissions,
)
from pipeline.values.ids import Cloud

_BASIC_ROLES = frozenset({"roles/owner", "roles/editor", "roles/viewer"})


def read_permissions(
    cloud: Cloud, found: Mapping[str, Any]
) -> AwsPermissions | AzurePermissions | GcpPermissions:
    """Returns the permissions that the fields *found* say."""
    match cloud:
        case Cloud.AWS:
            mechanism = AwsMechanism(found.get("mechanism", AwsMechanism.ROLE))
            return AwsPermissions(
                actions=found["actions"], resources=found["resources"], mechanism=mechanism
            )
        case Cloud.AZURE:
            return AzurePermissions(role_definition_id=found["role_definition_id"])
        case Cloud.GCP:
            return GcpPermissions(role=found["role"])


def check_permissions(
    role: str,
    parameters: Mapping[str, str],
    permissions: AwsPermissions | AzurePermissions | GcpPermissions,
    reading: Reading,
) -> None:
    """Tells what could never end, patterns that may not be used, and placeholders and parameters
    without partner."""
    if isinstance(permissions, GcpPermissions) and permissions.role in _BASIC_ROLES:
        reading.refuse(
            reading.marks[f"{role}.permissions.role"],
            "basic-role",
            f"{permissions.role} takes no condition, so it could never end by itself;"
            " name a predefined or custom role",
        )
    for name, pattern in parameters.items():
        wrong = pattern_problem(pattern)
        place = f"{role}.parameters.{name}"
        if wrong is not None:
            reading.refuse(reading.marks[place], "pattern", f"{name} {quote(pattern)} {wrong}")
        if name in {"account", "target", "role"}:
            message = f"{name} is no parameter's name, it has a meaning already; rename it"
            reading.refuse(reading.marks[f"{place}.key"], "reserved-name", message)
    if not isinstance(permissions, AwsPermissions):
        return
    used: set[str] = set()
    for index, resource in enumerate(permissions.resources):
        mark = reading.marks[f"{role}.permissions.resources.{index}"]
        names = re.findall(r"\{([^{}]*)\}", resource)
        used.update(names)
        if re.search(r"[{}]", re.sub(r"\{[^{}]+\}", "", resource)):
            message = f"resource {quote(resource)} has a brace without its partner; correct it"
            reading.refuse(mark, "placeholder", message)
        for name in names:
            if name and name != "account" and name not in parameters:
                message = f"placeholder {{{name}}} is neither {{account}} nor a parameter"
                tip = closest(name, ["account", *parameters]) or "; declare it under parameters"
                reading.refuse(mark, "placeholder", message + tip)
    for name in parameters:
        if name not in used:
            message = f"parameter {name} stands in no resource, so it would limit nothing; use it"
            reading.refuse(reading.marks[f"{role}.parameters.{name}.key"], "unused", message)
