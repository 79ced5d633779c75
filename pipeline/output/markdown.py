"""Markdown for pull requests: one comment for the check, one for the outcome.

What a requester wrote is quoted as code or escaped: it can neither ping people nor draw a
comment of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from pipeline.approvals.steps import listed
from pipeline.approvals.tally import Approvals
from pipeline.clouds.interface import Result, Status
from pipeline.judge.assessment import Assessment
from pipeline.judge.changed_grant import ChangedGrant
from pipeline.judge.decide import Verdict
from pipeline.reading.duration import format_duration
from pipeline.values.catalogue import AwsPermissions, AzurePermissions, GcpPermissions
from pipeline.values.grant import Window
from pipeline.values.grant_change import LESS
from pipeline.values.ids import GrantId

CHECK_MARKER = "check"
RESULT_MARKER = "result"

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~@&-])")
_BROKEN = "&#8203;"
"""A zero-width space. GitHub looks for names, numbers and addresses in what Markdown made, so
that a backslash alone still pings and links."""

_LIVE = (("\\@", f"@{_BROKEN}"), ("\\#", f"#{_BROKEN}"), ("://", f":{_BROKEN}//"))
_BARE_SITE = re.compile(r"(www)(\.)", re.IGNORECASE)

_HEADLINES = {
    Verdict.INVALID: "❌ This cannot be read as it stands",
    Verdict.DENIED: "⛔ Denied by policy",
    Verdict.WAITING: "⏳ Waiting for approval",
    Verdict.ALLOWED: "✅ Allowed",
}


def escape(text: str) -> str:
    """Returns *text* on one line, so that Markdown shows it as it is and nobody is pinged."""
    shown = _SPECIAL.sub(r"\\\1", " ".join(text.split()))
    for live, broken in _LIVE:
        shown = shown.replace(live, broken)
    return _BARE_SITE.sub(rf"\1{_BROKEN}\2", shown)


def check_comment(assessment: Assessment) -> str:
    """Returns the comment that a check keeps on its pull request."""
    decision = assessment.decision
    lines = [f"### {_HEADLINES[decision.verdict]}", ""]
    if decision.allowed:
        by = ", ".join(assessment.approvals.given) if assessment.approvals else ""
        lines += [
            "Policy lets it merge by itself."
            if decision.merges_by_itself
            else f"Approved by {escape(by)}.",
            "",
        ]
    if decision.reasons:
        lines += [*(f"- {escape(reason)}" for reason in decision.reasons), ""]
    for item in assessment.items:
        lines += _item(item)
    if assessment.approvals is not None:
        lines += _approvals(assessment.approvals)
    if assessment.empty_teams and not decision.allowed:
        lines += ["Teams without members:"]
        lines += [*(f"- {escape(why)}" for why in assessment.empty_teams), ""]
    digest = f" (`{assessment.policies[:12]}`)" if assessment.policies else ""
    lines += [
        f"<sub>Judged at `{assessment.pull.head_sha[:12]}` with the policies of "
        f"`{assessment.base[:12]}`{digest}.</sub>",
    ]
    return "\n".join(lines)


def _item(item: ChangedGrant) -> list[str]:
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


def _approvals(approvals: Approvals) -> list[str]:
    lines = ["| needed from | because | approved by | missing |", "| --- | --- | --- | --- |"]
    # What can be given now comes first.
    for step in sorted(approvals.steps, key=lambda step: step.requirement.order):
        requirement = step.requirement
        who = " or ".join(f"`{name}`" for name in (*requirement.teams, *requirement.people))
        people = escape(", ".join(map(str, step.seats))) or "–"
        missing = str(step.missing or "–")
        if step.waits_for:
            missing += f", after {escape(listed(step.waits_for))}"
        lines.append(
            f"| {requirement.count} of {who} | {escape(requirement.because)} | {people} "
            f"| {missing} |"
        )
    lines.append("")
    if approvals.rejected:
        lines.append("Reviews that do not count:")
        lines += [f"- {escape(why)}" for _, why in approvals.rejected]
        lines.append("")
    if approvals.notes:
        lines.append("Delegations:")
        lines += [f"- {escape(note)}" for note in approvals.notes]
        lines.append("")
    return lines


def result_comment(
    *,
    grant: GrantId,
    window: Window | None,
    state: str,
    results: Sequence[Result],
    usage: Sequence[str],
    tip: str,
    drift: Sequence[str] = (),
    lost: Sequence[str] = (),
) -> str:
    """Returns the comment on a merged pull request: what came of it, and how to use it.

    It carries the *tip* of the record, which anchors the chain outside its branch, and keeps
    *lost*, tips that it carried before and the record no longer has.
    """
    headline = {
        "provisioned": "✅ Access is provisioned",
        "rolled-back": "↩️ Access could not be provisioned in full and was taken back",
        "ended": "🏁 Access has ended and is gone from the clouds",
    }.get(state, "⏳ Not finished: the next run goes on")
    lines = [f"### {headline}", "", f"Grant `{grant}`"]
    if window is not None:
        lines[-1] += f", from {_moment(window.start)} until **{_moment(window.end)}**"
        lines += [
            "",
            "It ends inside the clouds at that second, whether or not anything of ours runs.",
        ]
    lines.append("")
    for result in results:
        mark = {Status.DONE: "✅", Status.PENDING: "⏳", Status.FAILED: "❌"}[result.status]
        said = f": {escape(result.message)}" if result.message else ""
        lines.append(
            f"- {mark} {result.change.kind} `{result.change.binding.target}` "
            f"`{result.change.binding.role}`{said}"
        )
    lines += [f"- ⚠️ {escape(what)}" for what in drift]
    if usage and state == "provisioned":
        lines += ["", "**How to use it**", "", "```sh", *usage, "```"]
    if lost:
        lines += ["", "⚠️ The record was cut: it no longer holds what is anchored here."]
    lines += ["", *(f"<sub>Recorded at `{one}`.</sub>" for one in (*lost, tip))]
    return "\n".join(lines)


ANCHOR = re.compile(r"<sub>Recorded at `(\d+:[0-9a-f]{64})`\.</sub>")
"""Finds the chain's tip in a result comment."""


def _moment(moment: datetime) -> str:
    rounded = moment if not moment.microsecond else moment.replace(microsecond=0)
    return f"{rounded:%Y-%m-%d %H:%M:%S} UTC"
