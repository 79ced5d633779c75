"""What reviewers are shown of a grant, as Markdown: all of it, or the request is denied.

What a requester wrote is quoted as code or escaped: it can neither ping people nor draw a
comment of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pipeline.history.branch_files import at_top
from pipeline.judge.changed_grant import ChangedGrant
from pipeline.reading.duration import format_duration
from pipeline.values.catalogue import AwsPermissions, AzurePermissions, GcpPermissions
from pipeline.values.grant_change import LESS
from pipeline.values.problem import Problem

MOST_SHOWN = 50_000
"""Characters. GitHub takes 65,536 in a comment; verdict and approvals need room beside it."""

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~@&-])")
_BROKEN = "&#8203;"
"""A zero-width space. GitHub looks for names, numbers and addresses in what Markdown made, so
that a backslash alone still pings and links."""

_LIVE = (("\\@", f"@{_BROKEN}"), ("\\#", f"#{_BROKEN}"), ("://", f":{_BROKEN}//"))
_BARE_SITE = re.compile(r"(www)(\.)", re.IGNORECASE)


def escape(text: str) -> str:
    """Returns *text* on one line, so that Markdown shows it as it is and nobody is pinged."""
    shown = _SPECIAL.sub(r"\\\1", " ".join(text.split()))
    for live, broken in _LIVE:
        shown = shown.replace(live, broken)
    return _BARE_SITE.sub(rf"\1{_BROKEN}\2", shown)


def shown_lines(item: ChangedGrant) -> list[str]:
    """Returns what a check shows of *item*: for whom, how long, and every line with its
    permissions in full."""
    grant = item.grant
    verb = {
        "create": "asks for",
        "widen": "asks for",
        "narrow": "narrows",
        "delete": "gives up",
        "same": "keeps",
    }[item.change]
    lines = [f"**{escape(grant.subject)}** {verb}, for {format_duration(grant.duration)}:", ""]
    if grant.emergency and item.change not in LESS:
        lines[:0] = [
            "🚨 **Emergency**: nobody approves it beforehand, and two people review it afterwards.",
            "",
        ]
    if not item.entitlements:
        lines += [f"- `{line.target}` {escape(line.role)}" for line in grant.access]
    for entitlement in item.entitlements:
        role = entitlement.role
        values = ", ".join(f"{name} `{value}`" for name, value in entitlement.parameters)
        lines.append(
            f"- `{entitlement.target.id}` **{escape(role.title)}** (`{role.name}`, {role.risk} "
            f"risk, {escape(entitlement.target.environment)}){': ' + values if values else ''}"
        )
        lines.append(f"  - {_permissions(role.permissions)}")
    return [*lines, ""]


def _permissions(permissions: AwsPermissions | AzurePermissions | GcpPermissions) -> str:
    match permissions:
        case AwsPermissions():
            actions = ", ".join(f"`{action}`" for action in permissions.actions)
            return f"{actions} on {', '.join(f'`{one}`' for one in permissions.resources)}"
        case AzurePermissions():
            return f"role definition `{permissions.role_definition_id}`"
        case GcpPermissions():
            return f"`{permissions.role}`"


def too_much_to_show(items: Iterable[ChangedGrant]) -> list[Problem]:
    """Returns a problem for each of *items* that asks for more than can be shown in full.

    Less access waits for nothing, so it is never too much.
    """
    found = []
    for item in items:
        size = len("\n".join(shown_lines(item)))
        if item.change not in LESS and size > MOST_SHOWN:
            found.append(
                at_top(
                    item.path,
                    "too-much-to-show",
                    f"to show what it gives takes {size:,} characters, at most {MOST_SHOWN:,} can "
                    "be shown to reviewers; split it into several grants",
                )
            )
    return found
