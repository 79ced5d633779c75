"""What Google accepts as a project's IAM policy. Every rule names where it is documented.

- [API] Resource Manager v3 discovery document: `Policy`, `Binding`, `projects.setIamPolicy`.
- [QUOTAS] cloud.google.com/iam/quotas, "Allow policies and role bindings".
- [CONDITIONS] cloud.google.com/iam/docs/conditions-overview.
- [WITHCOND] cloud.google.com/iam/docs/troubleshooting-withcond.
- [PROVIDER] hashicorp/terraform-provider-google#7833, #4276 and #5107: answers of the real
  service that its documentation does not spell out.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.sandbox.cel import problem

Entry = dict[str, Any]

_VERSIONS = (0, 1, 3)  # [API] Policy.version
_MAX_PRINCIPALS = 1500  # [QUOTAS] every appearance counts
_MAX_GROUPS = 250  # [QUOTAS] a group once, a domain at every appearance
_MAX_SAME_ROLE_AND_PRINCIPAL = 20  # [QUOTAS]
_MAX_LOGIC_OPERATORS = 12  # [QUOTAS]
_LEGACY_ROLES = ("roles/owner", "roles/editor", "roles/viewer")
_PUBLIC = ("allUsers", "allAuthenticatedUsers")
_EMAIL = r"[^@\s:?]+@[^@\s:?]+\.[^@\s:?]+"
_MEMBER = re.compile(  # [API] Binding.members
    rf"(?:user|serviceAccount|group):{_EMAIL}"
    r"|serviceAccount:[^@\s]+\.svc\.id\.goog\[[^/\s]+/[^\]\s]+\]"
    r"|domain:[^@\s:]+\.[^@\s:]+"
    r"|principal(?:Set)?://iam\.googleapis\.com/\S+"
    rf"|deleted:(?:user|serviceAccount|group):{_EMAIL}\?uid=[0-9]+"
    r"|deleted:principal://iam\.googleapis\.com/\S+"
)
_ROLE = re.compile(r"(?:(?:projects/[^/]+|organizations/[0-9]+)/)?roles/[A-Za-z0-9_.]{1,64}")


_POLICY = {"version": int, "etag": str, "bindings": list, "auditConfigs": list}
_BINDING = {"role": str, "members": list, "condition": dict}
_CONDITION = {"title": str, "description": str, "expression": str, "location": str}


class InvalidArgument(Exception):
    """Raised when Google would answer 400 INVALID_ARGUMENT."""


class Aborted(Exception):
    """Raised when Google would answer 409 ABORTED."""


def shown(bindings: Sequence[Entry], *, etag: str, requested: int) -> dict[str, Any]:
    """Returns the policy as `getIamPolicy` shows it for the *requested* version.

    Version 3 only where there are conditions [API]. Asked for less, conditions are left out
    and the role names altered instead [WITHCOND].
    """
    if requested not in _VERSIONS:
        raise InvalidArgument(f"Invalid policy version {requested}: 0, 1 and 3 are valid.")
    entries = copy.deepcopy(list(bindings))
    conditional = any(entry.get("condition") for entry in entries)
    version = 3 if conditional and requested == 3 else 1
    if conditional and requested != 3:
        for entry in entries:
            condition = entry.pop("condition", None)
            if condition:
                text = json.dumps(condition, sort_keys=True).encode()
                entry["role"] += f"_withcond_{hashlib.sha256(text).hexdigest()[:20]}"
    policy: dict[str, Any] = {"version": version, "etag": etag}
    if entries:
        policy["bindings"] = entries
    return policy


def accepted(
    policy: Mapping[str, Any],
    *,
    stored: Sequence[Entry],
    etag: str,
    account: Callable[[str], str | None],
) -> list[Entry]:
    """Returns the bindings that `setIamPolicy` stores for *policy*, or raises.

    *account* tells how Google spells an existing member, None where there is none.

    A policy without etag overwrites what is there, conditions included: the documented
    danger of [API] Policy.etag, kept as it is.
    """
    _check_shape(policy)
    version = policy.get("version", 0)
    if version not in _VERSIONS:
        raise InvalidArgument(f"Invalid policy version {version}: 0, 1 and 3 are valid.")
    given = policy.get("etag", "")
    if given and given != etag:
        # [API] Policy.etag; the wording is the service's.
        raise Aborted(
            "There were concurrent policy changes. Please retry the whole read-modify-write "
            "with exponential backoff."
        )
    entries: list[Entry] = copy.deepcopy(list(policy.get("bindings", ())))
    conditional = any(entry.get("condition") for entry in entries)
    was_conditional = any(entry.get("condition") for entry in stored)
    if version != 3 and (conditional or (given and was_conditional)):
        # [API] Policy.version: whatever affects conditional role bindings.
        raise InvalidArgument("A policy with conditional role bindings must specify version 3.")
    known = {member for entry in stored for member in entry.get("members", ())}
    for entry in entries:
        _check_role(entry, stored=stored)
        _check_members(entry, known=known, account=account)
        _check_condition(entry)
    _check_limits(entries)
    return entries


def _check_shape(policy: Mapping[str, Any]) -> None:
    """Refuses unknown names and wrong types, as JSON to proto3 does [API]."""
    _check_fields(policy, _POLICY)
    for entry in policy.get("bindings", ()):
        _check_fields(entry, _BINDING)
        _check_fields(entry.get("condition", {}), _CONDITION)
        if not all(isinstance(member, str) for member in entry.get("members", ())):
            raise InvalidArgument("Invalid JSON payload received. Invalid value at 'members'.")


def _check_fields(value: Any, fields: Mapping[str, type]) -> None:
    if not isinstance(value, dict):
        raise InvalidArgument("Invalid JSON payload received. An object is expected.")
    for name, given in value.items():
        if name not in fields:
            raise InvalidArgument(f"Invalid JSON payload received. Unknown name {name!r}.")
        if not isinstance(given, fields[name]):
            raise InvalidArgument(f"Invalid JSON payload received. Invalid value at {name!r}.")


def _check_role(entry: Entry, *, stored: Sequence[Entry]) -> None:
    role = entry.get("role", "")
    if _ROLE.fullmatch(role) is None:
        raise InvalidArgument(f"Role {role} is not supported for this resource.")
    if role != "roles/owner":
        return
    owners = {
        member for one in stored if one.get("role") == role for member in one.get("members", ())
    }
    for member in entry.get("members", ()):
        if member.startswith("user:") and member not in owners:
            # [API] projects.setIamPolicy: users become owners by an accepted invitation only.
            raise InvalidArgument("A user cannot be granted the owner role using setIamPolicy().")


def _check_members(entry: Entry, *, known: set[str], account: Callable[[str], str | None]) -> None:
    members = entry.get("members", ())
    if not members:
        raise InvalidArgument("Each binding must contain at least one principal.")  # [API]
    spelled: list[str] = []
    for member in members:
        if member in _PUBLIC:
            # [API] projects.setIamPolicy
            raise InvalidArgument(f"A project does not support {member} as a member.")
        if _MEMBER.fullmatch(member) is None:
            raise InvalidArgument(f"Invalid member {member!r}.")
        if member in known:
            spelled.append(member)
            continue
        # [PROVIDER] #4276: an account comes back in the case in which it was created.
        existing = account(member)
        if existing is None:
            kind, _, name = member.partition(":")
            noun = {"user": "User", "serviceAccount": "Service account"}.get(kind, "Principal")
            raise InvalidArgument(f"{noun} {name} does not exist.")
        spelled.append(existing)
    entry["members"] = spelled


def _check_condition(entry: Entry) -> None:
    condition = entry.get("condition")
    if not condition:
        return
    if entry["role"] in _LEGACY_ROLES:
        # [CONDITIONS]; the wording is the service's, [PROVIDER] #7833.
        raise InvalidArgument(
            "LintValidationUnits/BindingRoleAllowConditionCheck Error: Conditions can't be set "
            "on primitive roles."
        )
    if not condition.get("title"):
        raise InvalidArgument("A condition must have a title.")  # [CONDITIONS]
    expression = condition.get("expression", "")
    if not expression:
        raise InvalidArgument("A condition must have an expression.")  # [CONDITIONS]
    why = problem(expression)
    if why:
        raise InvalidArgument(f"Condition expression compilation failed: {why}")
    bare = re.sub(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'', "", expression)
    if len(re.findall(r"&&|\|\||!(?!=)", bare)) > _MAX_LOGIC_OPERATORS:
        raise InvalidArgument(
            f"A condition expression has at most {_MAX_LOGIC_OPERATORS} logic operators."
        )


def _check_limits(entries: Sequence[Entry]) -> None:
    members = [member for entry in entries for member in entry["members"]]
    if len(members) > _MAX_PRINCIPALS:
        raise InvalidArgument(
            f"The number of principals in the policy ({len(members)}) is larger than the "
            f"maximum allowed size {_MAX_PRINCIPALS}."
        )
    groups = len({one for one in members if one.startswith("group:")})
    groups += sum(1 for one in members if one.startswith("domain:"))
    if groups > _MAX_GROUPS:
        raise InvalidArgument(
            f"The number of domains and groups in the policy ({groups}) is larger than the "
            f"maximum allowed size {_MAX_GROUPS}."
        )
    conditions = {
        (entry["role"], member, json.dumps(entry["condition"], sort_keys=True))
        for entry in entries
        if entry.get("condition")
        for member in entry["members"]
    }
    for (role, member), count in Counter((r, m) for r, m, _ in conditions).items():
        if count > _MAX_SAME_ROLE_AND_PRINCIPAL:
            raise InvalidArgument(
                f"{count} bindings give {member} the role {role} under different conditions; "
                f"at most {_MAX_SAME_ROLE_AND_PRINCIPAL} are allowed."
            )
