"""The AWS object for one line of a grant: a role of its own.

The role lies under the path `/daypass/`. Its trust policy names one principal and the
window; its inline policy allows the catalogue role's actions inside the window and denies
everything outside it, because a resource policy that names the role would bypass a dated
Allow, and because a trust policy does not end sessions already issued. It also denies all but
reading roles of ours, because a role that may write IAM could move its own dates.

IAM JSON policy elements and condition keys:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
Quotas: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Any

from pipeline.errors import Denied, UsageError
from pipeline.values.binding import Binding
from pipeline.values.canonical import canonical, digest, timestamp
from pipeline.values.catalogue import AwsIdentity, AwsPermissions, Entitlement, Mfa, PrincipalKind
from pipeline.values.grant import Window
from pipeline.values.ids import Cloud, GrantId

PATH = "/daypass/"
"""IAM path of every role of ours."""

POLICY_NAME = "daypass"
"""Name of the one inline policy of a role of ours."""

MFA_MAX_AGE = 3600
"""Seconds that a second factor may be old when a role that requires one is assumed."""

TAGS = ("grant", "principal", "role", "target", "parameters")
"""Together our mark, each behind `TAG_PREFIX`; `parameters` is their digest."""

TAG_PREFIX = "daypass:"

_ACCOUNT = re.compile(r"[0-9]{12}")
_SESSION_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{2,64}")
_IAM_ARN = re.compile(r"arn:aws:iam::([0-9]{12}):(user|role)((?:/[A-Za-z0-9_+=,.@-]+)+)")
_ACTION = re.compile(r"\*|[a-z0-9-]+:[A-Za-z0-9*?]+")
_RESOURCE = re.compile(r"\*|arn:aws:[\x21-\x7e]+")
# Neither IAM's wildcards, nor its policy variables, nor what closes a placeholder.
_PARAMETER = re.compile(r"[A-Za-z0-9_.:/=+@,#~%-]+")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_TAG_VALUE = re.compile(r"[\w .:/=+@-]{1,256}")

GUARD = {
    "Sid": "DaypassGuard",
    "Effect": "Deny",
    "NotAction": ["iam:Get*", "iam:List*"],
    "Resource": f"arn:aws:iam::*:role{PATH}*",
}
"""The statement by which no role of ours changes one of ours, itself included."""

_TRUST_QUOTA = 2048
_INLINE_QUOTA = 10240

Json = dict[str, Any]


def binding(entitlement: Entitlement, *, window: Window) -> Binding:
    """Returns the role that gives *entitlement* during *window*, whole seconds inside it.

    Raises `Denied` when the principal cannot be named in AWS or cannot prove the second
    factor that the role asks for, `UsageError` when a value cannot be put into a policy
    safely or the policy would pass AWS's size limits.
    """
    if entitlement.target.cloud is not Cloud.AWS or entitlement.role.cloud is not Cloud.AWS:
        raise UsageError(f"{entitlement.grant}: {entitlement.target.id} is not an AWS target")
    window = _whole_seconds(window)
    tags = _tags(entitlement)
    document = {
        "attached": [],
        "inline": {POLICY_NAME: _permission_policy(entitlement, window)},
        "path": PATH,
        "tags": tags,
        "trust": _trust_policy(entitlement, window),
    }
    _check_size(entitlement.grant, "trust policy", document["trust"], _TRUST_QUOTA)
    _check_size(entitlement.grant, "inline policy", document["inline"], _INLINE_QUOTA)
    return Binding(
        cloud=Cloud.AWS,
        target=entitlement.target.id,
        locator=_account(entitlement.target.locator),
        key=role_name(tags),
        grants=(entitlement.grant,),
        principal=entitlement.principal.name,
        role=entitlement.role.name,
        window=window,
        parameters=entitlement.parameters,
        document=canonical(document),
    )


def role_name(tags: Mapping[str, str]) -> str:
    """Returns the role name that belongs to our *tags*: at most 64 characters.

    A window is no part of it, so an extended grant keeps its role. IAM compares names
    without case, so only lower case is used.
    """
    grant = tags[TAG_PREFIX + "grant"]
    line = digest([tags[TAG_PREFIX + tag] for tag in ("grant", "target", "role", "parameters")])
    readable = re.sub(r"[^a-z0-9.@-]+", "-", grant.lower())[:39]
    return f"{readable}-{line[:24]}"


def role_arn(account: str, name: str) -> str:
    """Returns the ARN of the role of ours called *name* in *account*."""
    return f"arn:aws:iam::{account}:role{PATH}{name}"


def session_seconds(window: Window) -> int:
    """Returns the longest session to allow for *window*: IAM takes one to twelve hours.

    It is no part of the document: bulk listing does not show it, and the dated policies
    end every session anyway.
    """
    return max(3600, min(43200, int((window.end - window.start).total_seconds())))


def _whole_seconds(window: Window) -> Window:
    """Returns *window* without the part seconds at its edges, which policies cannot say."""
    start = window.start.astimezone(UTC)
    if start.microsecond:
        start = start.replace(microsecond=0) + timedelta(seconds=1)
    end = window.end.astimezone(UTC).replace(microsecond=0)
    if start >= end:
        raise UsageError("a window shorter than a second cannot be put into a policy")
    return Window(start=start, end=end)


def _tags(entitlement: Entitlement) -> dict[str, str]:
    values = {
        "grant": entitlement.grant,
        "principal": entitlement.principal.name,
        "role": entitlement.role.name,
        "target": entitlement.target.id,
        # A digest: parameter values may hold what tags may not.
        "parameters": digest([list(pair) for pair in entitlement.parameters]),
    }
    for tag, value in values.items():
        if not _TAG_VALUE.fullmatch(value):
            raise UsageError(
                f"{entitlement.grant}: {tag} {value!r} cannot be an AWS tag",
                hint="use at most 256 letters, digits, spaces and _.:/=+-@",
            )
    return {TAG_PREFIX + tag: value for tag, value in values.items()}


def _dates(window: Window) -> Json:
    return {
        "DateGreaterThanEquals": {"aws:CurrentTime": timestamp(window.start)},
        "DateLessThan": {"aws:CurrentTime": timestamp(window.end)},
    }


def _trust_policy(entitlement: Entitlement, window: Window) -> Json:
    principal = entitlement.principal
    identity = principal.aws
    if identity is None:
        raise Denied(
            f"{entitlement.grant}: {principal.name} has no AWS identity",
            hint=f"add identities.aws to access/principals/{principal.name}.yaml",
        )
    named, condition = _who(entitlement, identity)
    if entitlement.role.mfa_required:
        condition |= _second_factor(entitlement, identity)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "DaypassAssume",
                "Effect": "Allow",
                "Principal": {"AWS": named},
                "Action": "sts:AssumeRole",
                "Condition": _dates(window) | condition,
            }
        ],
    }


def _who(entitlement: Entitlement, identity: AwsIdentity) -> tuple[str, Json]:
    """Returns the trust policy's principal and the conditions that pin it down."""
    if (identity.arn is None) == (identity.session_name is None):
        raise Denied(
            f"{entitlement.grant}: {entitlement.principal.name} needs one AWS identity:"
            " either session_name with home, or arn"
        )
    if identity.arn is not None:
        return _arn(entitlement, identity.arn), {}
    if entitlement.home is None or entitlement.home.cloud is not Cloud.AWS:
        raise Denied(
            f"{entitlement.grant}: the home account of {entitlement.principal.name} is unknown",
            hint="name an AWS target in identities.aws.home",
        )
    session = identity.session_name or ""
    if not _SESSION_NAME.fullmatch(session):
        raise UsageError(
            f"{entitlement.grant}: {session!r} is not an AWS session name",
            hint="2 to 64 letters, digits and _+=,.@-",
        )
    home = _account(entitlement.home.locator)
    # The session name alone would admit any session so named, from any role of the account.
    return f"arn:aws:iam::{home}:root", {
        "ArnLike": {
            "aws:PrincipalArn": f"arn:aws:iam::{home}:role/aws-reserved/sso.amazonaws.com/*"
        },
        "StringLike": {"aws:userid": f"*:{session}"},
    }


def _arn(entitlement: Entitlement, arn: str) -> str:
    match = _IAM_ARN.fullmatch(arn)
    if match is None:
        raise UsageError(
            f"{entitlement.grant}: {arn!r} is not the ARN of an IAM user or role",
            hint="arn:aws:iam::111122223333:user/alice",
        )
    if match[2] == "role" and (
        entitlement.principal.kind is PrincipalKind.PERSON or match[3].startswith("/aws-reserved/")
    ):
        raise Denied(
            f"{entitlement.grant}: {arn} is a role, which anybody may stand behind",
            hint="name the person by session_name and home",
        )
    return arn


def _second_factor(entitlement: Entitlement, identity: AwsIdentity) -> Json:
    """Returns the condition that proves a second factor, where AWS is the one to ask."""
    if identity.mfa is None:
        raise Denied(
            f"{entitlement.grant}: {entitlement.role.id} requires a second factor and nothing"
            f" says who proves it for {entitlement.principal.name}",
            hint="declare identities.aws.mfa: aws (IAM users) or identity-provider",
        )
    if identity.mfa is Mfa.IDENTITY_PROVIDER:
        return {}
    if identity.arn is None or ":user/" not in identity.arn:
        # Federated sessions carry no such key: the role could never be assumed.
        raise Denied(
            f"{entitlement.grant}: mfa: aws holds for IAM users only, and"
            f" {entitlement.principal.name} is none",
            hint="declare mfa: identity-provider where the identity provider enforces it",
        )
    return {
        "Bool": {"aws:MultiFactorAuthPresent": "true"},
        "NumericLessThan": {"aws:MultiFactorAuthAge": str(MFA_MAX_AGE)},
    }


def _permission_policy(entitlement: Entitlement, window: Window) -> Json:
    permissions = entitlement.role.permissions
    if not isinstance(permissions, AwsPermissions):
        raise UsageError(f"{entitlement.role.id} has no AWS permissions")
    if not permissions.actions or not permissions.resources:
        raise UsageError(f"{entitlement.role.id} names no actions or no resources")
    for action in permissions.actions:
        if not _ACTION.fullmatch(action):
            raise UsageError(f"{entitlement.role.id}: {action!r} is not an IAM action")
    values = _parameters(entitlement)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "DaypassAllow",
                "Effect": "Allow",
                "Action": list(permissions.actions),
                "Resource": [_fill(entitlement, text, values) for text in permissions.resources],
                "Condition": _dates(window),
            },
            {
                "Sid": "DaypassNotYet",
                "Effect": "Deny",
                "Action": "*",
                "Resource": "*",
                "Condition": {"DateLessThan": {"aws:CurrentTime": timestamp(window.start)}},
            },
            {
                "Sid": "DaypassOver",
                "Effect": "Deny",
                "Action": "*",
                "Resource": "*",
                "Condition": {"DateGreaterThanEquals": {"aws:CurrentTime": timestamp(window.end)}},
            },
            GUARD,
        ],
    }


def _parameters(entitlement: Entitlement) -> dict[str, str]:
    given = dict(entitlement.parameters)
    wanted = dict(entitlement.role.parameters)
    if (
        len(given) != len(entitlement.parameters)
        or given.keys() != wanted.keys()
        or "account" in wanted
    ):
        raise UsageError(
            f"{entitlement.grant}: {entitlement.role.id} takes the parameters"
            f" {', '.join(wanted) or 'none'}, got {', '.join(given) or 'none'}"
        )
    for name, value in given.items():
        if not _PARAMETER.fullmatch(value) or not re.fullmatch(wanted[name], value):
            raise UsageError(
                f"{entitlement.grant}: {name} {value!r} does not match {wanted[name]!r}"
                " or holds wildcards or variables"
            )
    return given | {"account": _account(entitlement.target.locator)}


def _fill(entitlement: Entitlement, text: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise UsageError(f"{entitlement.role.id}: {match[0]} in {text!r} is no parameter")
        return values[match[1]]

    filled = _PLACEHOLDER.sub(value, text)
    if not _RESOURCE.fullmatch(filled) or any(sign in filled for sign in "${}"):
        raise UsageError(f"{entitlement.role.id}: {filled!r} is not an ARN without variables")
    return filled


def _account(locator: str) -> str:
    if not _ACCOUNT.fullmatch(locator):
        raise UsageError(f"{locator!r} is not an AWS account", hint="twelve digits")
    return locator


def _check_size(grant: GrantId, what: str, document: Any, quota: int) -> None:
    # AWS does not count white space; canonical JSON has none outside of values.
    size = len(canonical(document))
    if size > quota:
        raise UsageError(
            f"{grant}: its {what} would have {size} characters, AWS allows {quota}",
            hint="split the catalogue role",
        )
