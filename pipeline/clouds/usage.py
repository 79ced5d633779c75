"""Instructions for the subject: lines for a shell, one block per binding."""

from __future__ import annotations

import json
import re
import shlex
from datetime import timedelta

from pipeline.clouds.aws.binding import role_arn
from pipeline.values.binding import Binding
from pipeline.values.ids import Cloud

_USER = re.compile(r"arn:aws:iam::([0-9]{12}):user/(?:.+/)?([^/]+)")
_CONSOLE_NAME = 64
"""Characters of path and name together that the console takes to switch to a role.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_roles.html
"""

_SLOW = timedelta(minutes=10)
"""Google and Azure may take that long until they let somebody in.

https://cloud.google.com/iam/docs/access-change-propagation
https://learn.microsoft.com/azure/role-based-access-control/troubleshooting
"""


def usage(binding: Binding) -> list[str]:
    """Returns comment and command lines."""
    lines = [f"# {binding.target} {binding.role}"]
    match binding.cloud:
        case Cloud.AWS:
            return lines + _aws(binding)
        case Cloud.AZURE:
            return [
                *lines,
                *_slowly(binding, "Azure"),
                "# a subscription in which you had nothing is only known after this",
                "az account list --refresh --output none",
                f"az account set --subscription {shlex.quote(binding.locator)}",
            ]
        case Cloud.GCP:
            return [
                *lines,
                *_slowly(binding, "Google"),
                f"gcloud config set project {shlex.quote(binding.locator)}",
            ]


def _slowly(binding: Binding, cloud: str) -> list[str]:
    window = binding.window
    if window is not None and window.end - window.start < _SLOW:
        return [f"# {cloud} may take minutes to let you in: ask for more than that"]
    return [f"# {cloud} may take some minutes to let you in"]


def _aws(binding: Binding) -> list[str]:
    arn = shlex.quote(role_arn(binding.locator, binding.key))
    (trusted,) = json.loads(binding.document)["trust"]["Statement"]
    principal = trusted["Principal"]["AWS"]
    condition = trusted["Condition"]
    user = _USER.fullmatch(principal)
    if user is not None:
        session = user[2]
    elif "StringLike" in condition:
        session = condition["StringLike"]["aws:userid"].removeprefix("*:")
    else:
        # What runs by itself has no profiles.
        name = shlex.quote(binding.principal)
        return [f"aws sts assume-role --role-arn {arn} --role-session-name {name}"]
    profile = shlex.quote(_profile(binding))
    settings = {
        "role_arn": arn,
        "source_profile": "default",
        "role_session_name": shlex.quote(session),
    }
    if user is not None and "aws:MultiFactorAuthPresent" in condition.get("Bool", {}):
        settings["mfa_serial"] = f"arn:aws:iam::{user[1]}:mfa/{user[2]}"
    lines = [
        "# a profile of its own; in place of default name the one that you sign in with",
        *(
            f"aws configure set {key} {value} --profile {profile}"
            for key, value in settings.items()
        ),
    ]
    if "mfa_serial" in settings:
        lines.append("# `aws iam list-mfa-devices` says whether your second factor is called so")
    lines += [
        f"aws sts get-caller-identity --profile {profile}",
        "# a session lasts an hour, and the CLI renews it",
    ]
    role = role_arn(binding.locator, binding.key).partition(":role/")[2]
    if len(f"/{role}") <= _CONSOLE_NAME:
        lines.append(
            "# in the console: https://signin.aws.amazon.com/switchrole?"
            f"account={binding.locator}&roleName={role}"
        )
    return lines


def _profile(binding: Binding) -> str:
    """Returns the name of a profile for *binding*, which no other line of the grant shares."""
    name = f"daypass-{binding.target.partition('/')[2]}-{binding.role}"
    return f"{name}-{binding.key[-6:]}" if binding.parameters else name
