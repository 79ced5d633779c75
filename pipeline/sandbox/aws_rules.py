"""Documented rules of IAM that moto leaves out; each names its source.

What botocore's models say (names, lengths, ranges) is checked by `aws_contract`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from pipeline.sandbox.aws_contract import ContractRefused

TRUST_QUOTA = 2048
"""Characters of a trust policy by default, white space not counted.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

INLINE_QUOTA = 10240
"""Characters of all inline policies of a role together; same source."""

_ACTION = re.compile(r"\*|[a-z0-9-]+:[A-Za-z0-9*?]+")
_EPOCH = re.compile(r"[0-9]+")


def check_trust(text: str, *, exists: Callable[[str], bool]) -> None:
    """Checks a trust policy; *exists* says whether IAM knows an ARN that it names.

    Raises `ContractRefused` as IAM does. Principals must exist:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    for statement in _statements(text):
        if "Resource" in statement or "NotResource" in statement:
            raise _malformed("Has prohibited field Resource")
        principal = statement.get("Principal")
        if principal == "*":
            continue
        if not isinstance(principal, dict) or not principal:
            raise _malformed("Missing required field Principal")
        for kind, names in principal.items():
            for name in [names] if isinstance(names, str) else names:
                if kind == "AWS" and name != "*" and not exists(name):
                    raise _malformed(f'Invalid principal in policy: "AWS":"{name}"')
    if _size(text) > TRUST_QUOTA:
        raise ContractRefused(
            "LimitExceeded", f"Cannot exceed quota for ACLSizePerRole: {TRUST_QUOTA}", status=409
        )


def check_permissions(text: str, *, others: Iterable[str], role: str) -> None:
    """Checks an inline policy of *role*, which holds *others* beside it.

    Raises `ContractRefused` as IAM does.
    """
    for statement in _statements(text):
        if "Principal" in statement or "NotPrincipal" in statement:
            raise _malformed("Policy document should not specify a principal.")
        if "Resource" not in statement and "NotResource" not in statement:
            raise _malformed("Policy statement must contain resources.")
    total = _size(text) + sum(map(_size, others))
    if total > INLINE_QUOTA:
        raise ContractRefused(
            "LimitExceeded",
            f"Maximum policy size of {INLINE_QUOTA} bytes exceeded for role {role}",
            status=409,
        )


def _statements(text: str) -> list[dict[str, Any]]:
    try:
        policy = json.loads(text)
    except ValueError:
        raise _malformed("This policy contains invalid Json") from None
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise _malformed("Syntax errors in policy.")
    for statement in statements:
        if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
            raise _malformed("Syntax errors in policy.")
        for action in _texts(statement.get("Action", [])):
            if not _ACTION.fullmatch(action):
                raise _malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb")
        for operator, key, value in _conditions(statement.get("Condition", {})):
            if operator.startswith("Date") and not _is_date(value):
                raise _malformed(f"Invalid date {value!r} for {key}")
            if operator.startswith(("Date", "Numeric")) and "${" in value:
                raise _malformed(f"Policy variables are not supported in {operator}")
            if operator.startswith("Numeric") and not _is_number(value):
                raise _malformed(f"Invalid number {value!r} for {key}")
    return statements


def _conditions(condition: Any) -> Iterator[tuple[str, str, str]]:
    if not isinstance(condition, dict):
        raise _malformed("Syntax errors in policy.")
    for operator, tests in condition.items():
        if not isinstance(tests, dict) or not tests:
            raise _malformed("Syntax errors in policy.")
        for key, values in tests.items():
            for value in _texts(values):
                yield operator, key, value


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [one if isinstance(one, str) else json.dumps(one) for one in values]


def _is_date(value: str) -> bool:
    """ISO 8601 as in https://www.w3.org/TR/NOTE-datetime, or epoch seconds."""
    if _EPOCH.fullmatch(value):
        return True
    try:
        return datetime.fromisoformat(value) is not None
    except ValueError:
        return False


def _is_number(value: str) -> bool:
    try:
        return float(value) == float(value)
    except ValueError:
        return False


def _size(text: str) -> int:
    return len(re.sub(r"\s", "", text))


def _malformed(message: str) -> ContractRefused:
    return ContractRefused("MalformedPolicyDocument", message)
