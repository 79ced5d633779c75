"""May a caller use a role, from the policies stored for it? Our own reading of IAM.

It knows the statement forms that Daypass writes and refuses all others, so that it cannot
say yes to what it does not understand. The tests compare it with an evaluator that we did
not write (`@cloud-copilot/iam-simulate`); `daypass demo`, which runs without Node, shows
this one and says so.

Rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Policy = Mapping[str, Any]

_ROOT = re.compile(r"arn:aws:iam::([0-9]{12}):root")


class UnknownForm(ValueError):
    """Raised for a policy that holds anything this evaluator does not know."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Who calls, as IAM's condition keys see them."""

    account: str
    arn: str
    """`aws:PrincipalArn`: of the IAM user, or of the role behind a session."""

    userid: str
    """`aws:userid`: `AROA…:<session name>` for a session."""

    mfa_age: int | None = None
    """Seconds since the second factor; None where AWS saw none, as in federated sessions."""

    def context(self, at: datetime) -> dict[str, str]:
        """Returns IAM's condition keys for a call at *at*."""
        keys = {
            "aws:CurrentTime": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "aws:PrincipalArn": self.arn,
            "aws:userid": self.userid,
        }
        if self.mfa_age is not None:
            keys["aws:MultiFactorAuthPresent"] = "true"
            keys["aws:MultiFactorAuthAge"] = str(self.mfa_age)
        return keys


def assumable(role: Policy, *, caller: Caller, at: datetime) -> bool:
    """Whether the trust policy of *role* lets *caller* assume it at *at*.

    *role* is an entry of `RoleDetailList` with decoded policies. Takes for granted that the
    caller's own policies allow `sts:AssumeRole` on it, as the set-up arranges.
    Raises `UnknownForm`.
    """
    trust = role["AssumeRolePolicyDocument"]
    return _decide(
        [trust], caller=caller, action="sts:AssumeRole", resource=None, context=caller.context(at)
    )


def acts(role: Policy, *, action: str, resource: str, at: datetime) -> bool:
    """Whether a session of *role*, however old, may do *action* on *resource* at *at*.

    Raises `UnknownForm`, also for managed policies and boundaries, which are not looked up.
    """
    if role.get("AttachedManagedPolicies") or role.get("PermissionsBoundary"):
        raise UnknownForm("managed policies and boundaries are not evaluated here")
    return _decide(
        [policy["PolicyDocument"] for policy in role.get("RolePolicyList", ())],
        caller=None,
        action=action,
        resource=resource,
        context={"aws:CurrentTime": at.astimezone(UTC).isoformat().replace("+00:00", "Z")},
    )


def allowed(role: Policy, *, caller: Caller, action: str, resource: str, at: datetime) -> bool:
    """Whether *caller* can assume *role* at *at* and then do *action* on *resource*.

    Raises `UnknownForm`.
    """
    return assumable(role, caller=caller, at=at) and acts(
        role, action=action, resource=resource, at=at
    )


def _decide(
    policies: Iterable[Policy],
    *,
    caller: Caller | None,
    action: str,
    resource: str | None,
    context: Mapping[str, str],
) -> bool:
    """An explicit deny wins; without an allow the answer is no."""
    effects = set()
    for policy in policies:
        if policy.get("Version") != "2012-10-17" or set(policy) != {"Version", "Statement"}:
            raise UnknownForm(f"policy with {sorted(policy)}")
        for statement in policy["Statement"]:
            if _applies(statement, caller, action, resource, context):
                effects.add(statement["Effect"])
    return effects == {"Allow"}


def _applies(
    statement: Policy,
    caller: Caller | None,
    action: str,
    resource: str | None,
    context: Mapping[str, str],
) -> bool:
    but = caller is None and "NotAction" in statement
    listed = "NotAction" if but else "Action"
    if set(statement) - {"Sid", "Condition"} != {
        "Effect",
        listed,
        "Resource" if caller is None else "Principal",
    }:
        raise UnknownForm(f"statement with {sorted(statement)}")
    if statement["Effect"] not in ("Allow", "Deny"):
        raise UnknownForm(f"effect {statement['Effect']!r}")
    answers = [_any_like(statement[listed], action, ignore_case=True) is not but]
    if caller is None:
        answers.append(_any_like(statement["Resource"], resource or "", ignore_case=False))
    else:
        answers.append(_is(statement["Principal"], caller))
    answers.extend(
        _holds(operator, key, value, context.get(key))
        for operator, tests in statement.get("Condition", {}).items()
        for key, value in tests.items()
    )
    # A list, not a generator: every part must be of a known form, also behind a False.
    return all(answers)


def _is(principal: Any, caller: Caller) -> bool:
    if not isinstance(principal, Mapping) or set(principal) != {"AWS"}:
        raise UnknownForm(f"principal {principal!r}")
    named = principal["AWS"]
    if not isinstance(named, str) or named == "*":
        raise UnknownForm(f"principal {principal!r}")
    root = _ROOT.fullmatch(named)
    return caller.account == root[1] if root else caller.arn == named


def _any_like(patterns: Any, value: str, *, ignore_case: bool) -> bool:
    if isinstance(patterns, str):
        patterns = [patterns]
    if "$" in "".join(patterns):
        raise UnknownForm("policy variables")
    return any(_like(one, value, ignore_case=ignore_case) for one in patterns)


def _like(pattern: str, value: str, *, ignore_case: bool = False) -> bool:
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    return re.fullmatch(expression, value, flags) is not None


def _holds(operator: str, key: str, wanted: Any, value: str | None) -> bool:
    """Whether one condition holds; a key that the call does not carry fails it."""
    if not isinstance(wanted, str) or "$" in wanted:
        raise UnknownForm(f"{operator} {key} {wanted!r}")
    match operator, key:
        case ("DateLessThan", "aws:CurrentTime"):
            return value is not None and _moment(value) < _moment(wanted)
        case ("DateGreaterThanEquals", "aws:CurrentTime"):
            return value is not None and _moment(value) >= _moment(wanted)
        case ("StringLike", "aws:userid"):
            return value is not None and _like(wanted, value)
        case ("ArnLike", "aws:PrincipalArn"):
            return value is not None and _arn_like(wanted, value)
        case ("Bool", "aws:MultiFactorAuthPresent"):
            return value is not None and value == wanted
        case ("NumericLessThan", "aws:MultiFactorAuthAge"):
            return value is not None and int(value) < int(wanted)
        case _:
            raise UnknownForm(f"condition {operator} on {key}")


def _arn_like(pattern: str, value: str) -> bool:
    """Compares the six parts of an ARN one by one, as `ArnLike` does."""
    patterns, values = pattern.split(":", 5), value.split(":", 5)
    return len(patterns) == len(values) == 6 and all(map(_like, patterns, values))


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise UnknownForm(f"date {text!r}") from error
