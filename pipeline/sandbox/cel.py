"""Answers "may this account use this role now?" from a stored Google IAM policy.

Conditions are evaluated by cel-expr-python, the C++ implementation of CEL that Google
publishes, over `google.rpc.context.AttributeContext`; none of the pipeline's code takes part.
Of IAM's own functions it knows those of CEL itself: `hasOnly`, `extract` and `matchTag` are
not there, and a condition that calls them counts as not met.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from cel_expr_python import cel
from google.rpc.context.attribute_context_pb2 import AttributeContext

_CONTEXT = "google.rpc.context.AttributeContext"


def allowed(
    policy: Mapping[str, Any],
    *,
    member: str,
    role: str,
    at: datetime,
    resource: Mapping[str, str] | None = None,
) -> bool:
    """Whether *policy* gives *member* the *role* at the moment *at*.

    *policy* is Resource Manager v3 JSON as stored; *resource* may hold `name`, `type` and
    `service`. `allUsers`, `allAuthenticatedUsers` and `domain:` count; who is in a group is
    not known here, so ask for the group as *member*.
    """
    names = _names(member)
    return any(
        binding.get("role") == role
        and names & {one.lower() for one in binding.get("members", ())}
        and _met(binding.get("condition"), at=at, resource=resource or {})
        for binding in policy.get("bindings", ())
    )


def problem(expression: str) -> str:
    """Returns why *expression* is no valid condition; empty when it is one."""
    try:
        compiled = _compiled(expression)
    except RuntimeError as error:
        return str(error).splitlines()[0]
    kind = compiled.return_type()
    return "" if kind == cel.Type.BOOL else f"it yields {kind.name()}, not bool"


def _names(member: str) -> set[str]:
    lowered = member.lower()
    kind, _, account = lowered.partition(":")
    names = {lowered, "allusers", "allauthenticatedusers"}
    if kind == "user" and "@" in account:
        names.add("domain:" + account.rpartition("@")[2])
    return names


def _met(condition: Mapping[str, Any] | None, *, at: datetime, resource: Mapping[str, str]) -> bool:
    if not condition:
        return True
    request = AttributeContext.Request()
    request.time.FromDatetime(at.astimezone(UTC).replace(tzinfo=None))
    thing = AttributeContext.Resource(**resource)
    try:
        value = _compiled(condition.get("expression", "")).eval(
            data={"request": request, "resource": thing}
        )
    except RuntimeError:
        return False
    # A runtime error comes back as text, which is true in Python: nothing but True counts.
    return value.value() is True


@lru_cache(maxsize=1024)
def _compiled(expression: str) -> Any:
    return _environment().compile(expression)


@lru_cache(maxsize=1)
def _environment() -> Any:
    return cel.NewEnv(
        variables={
            "request": cel.Type(f"{_CONTEXT}.Request"),
            "resource": cel.Type(f"{_CONTEXT}.Resource"),
        }
    )
