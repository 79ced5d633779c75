"""Instructions for the subject: lines for a shell, one block per binding."""

from __future__ import annotations

import shlex

from pipeline.clouds.aws.binding import role_arn
from pipeline.values.binding import Binding
from pipeline.values.ids import Cloud


def usage(binding: Binding) -> list[str]:
    """Returns comment and command lines."""
    match binding.cloud:
        case Cloud.AWS:
            arn = role_arn(binding.locator, binding.key)
            role = arn.partition(":role/")[2]
            return [
                f"# {binding.target} {binding.role}",
                f"aws sts assume-role --role-arn {shlex.quote(arn)} "
                f'--role-session-name "$(whoami)"',
                "# in the console: https://signin.aws.amazon.com/switchrole?"
                f"account={binding.locator}&roleName={role}",
            ]
        case Cloud.AZURE:
            return [
                f"# {binding.target} {binding.role}",
                f"az account set --subscription {shlex.quote(binding.locator)}",
            ]
        case Cloud.GCP:
            return [
                f"# {binding.target} {binding.role}",
                f"gcloud config set project {shlex.quote(binding.locator)}",
            ]
