"""Markdown for pull requests: one comment for the check, one for the outcome.

What a requester wrote is quoted as code or escaped: it can neither ping people nor draw a
comment of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.approvals.steps import listed
from pipeline.approvals.tally import Approvals
from pipeline.clouds.interface import Result, Status
from pipeline.history.proven import Quarantine
from pipeline.judge.assessment import Assessment
from pipeline.judge.decide import Verdict
from pipeline.judge.shown import escape, shown_lines
from pipeline.output.ended import ended_texts, moment_text
from pipeline.output.merging import merging_text
from pipeline.values.grant import Window
from pipeline.values.ids import GrantId

_MOST_BEFORE = 12_000
"""Characters of reasons and approvals that may stand before what is given."""

CHECK_MARKER = "check"
RESULT_MARKER = "result"
QUARANTINE_MARKER = "quarantine"

_HEADLINES = {
    Verdict.INVALID: "❌ This cannot be read as it stands",
    Verdict.DENIED: "⛔ Denied by policy",
    Verdict.WAITING: "⏳ Waiting for approval",
    Verdict.ALLOWED: "✅ Allowed",
}


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
    if decision.merges_when_approved:
        lines += [merging_text(assessment), ""]
    said = [*(f"- {escape(reason)}" for reason in decision.reasons), ""] if decision.reasons else []
    table = _table(assessment.approvals) if assessment.approvals else []
    # What is given must not be cut off: what is too long beside it comes after it.
    first = [*said, *table] if len("\n".join((*said, *table))) <= _MOST_BEFORE else []
    lines += said if first else []
    for item in assessment.items:
        lines += shown_lines(item)
    lines += table if first else [*said, *table]
    lines += _ended(assessment)
    if assessment.approvals is not None:
        lines += _not_counted(assessment.approvals)
    if assessment.empty_teams and not decision.allowed:
        lines += ["Teams without members:"]
        lines += [*(f"- {escape(why)}" for why in assessment.empty_teams), ""]
    digest = f" (`{assessment.policies[:12]}`)" if assessment.policies else ""
    lines += [
        f"<sub>Judged at `{assessment.pull.head_sha[:12]}` with the policies of "
        f"`{assessment.base[:12]}`{digest}.</sub>",
    ]
    return "\n".join(lines)


def _ended(assessment: Assessment) -> list[str]:
    if assessment.ends_unknown:
        why = escape(assessment.ends_unknown)
        return [f"Which live grants it would end is not known: {why}", ""]
    if not assessment.ends:
        return []
    texts = ended_texts(assessment.ends)
    return [
        "**Merging it ends access that people have now:**",
        *(f"- {escape(t)}" for t in texts),
        "",
    ]


def _table(approvals: Approvals) -> list[str]:
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
    return [*lines, ""]


def _not_counted(approvals: Approvals) -> list[str]:
    lines: list[str] = []
    if approvals.rejected:
        lines.append("Reviews that do not count:")
        lines += [f"- {escape(why)}" for _, why in approvals.rejected]
        lines.append("")
    if approvals.spare:
        none = "all places are filled" if approvals.complete else "nobody asked for them"
        names = ", ".join(approvals.spare)
        lines += [f"Approvals that fill no place ({none}): {escape(names)}.", ""]
    if approvals.notes:
        lines.append("Delegations:")
        lines += [f"- {escape(note)}" for note in approvals.notes]
        lines.append("")
    return lines


def quarantine_comment(quarantine: Quarantine) -> str:
    """Returns the comment on a pull request that brought what is not applied: why, and what to
    do."""
    lines = [
        "### ⛔ What this brought is not applied",
        "",
        f"{escape(quarantine.path)} came to the default branch with `{quarantine.commit[:12]}`, "
        "which is not proven:",
        "",
        *(f"- {escape(reason)}" for reason in quarantine.reasons),
        "",
        "Nothing is given because of it. Delete the file in a pull request, and ask again under "
        "another name; or change it in a pull request that is checked and approved.",
    ]
    return "\n".join(lines)


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
        "missed": "⌛ Nothing was given: its time was over before a run could give it",
    }.get(state, "⏳ Not finished: the next run goes on")
    lines = [f"### {headline}", "", f"Grant `{grant}`"]
    if window is not None:
        lines[-1] += f", from {moment_text(window.start)} until **{moment_text(window.end)}**"
    if window is not None and state == "provisioned":
        lines += [
            "",
            "It ends inside the clouds at that second, whether or not anything of ours runs.",
        ]
    if state == "missed":
        lines += ["", "Ask again in a new pull request, with a later `start` if you write one."]
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
    return "\n".join([*lines, *_anchors(lost, tip)])


def changed_comment(grant: GrantId, pull: int, *, tip: str, lost: Sequence[str] = ()) -> str:
    """Returns the comment on a pull request whose grant was changed by a later one, *pull*; see
    `result_comment` for *tip* and *lost*."""
    return "\n".join(
        [
            f"### ⏩ Changed by #{pull}",
            "",
            f"Grant `{grant}`: what it gives, and until when, stands there.",
            *_anchors(lost, tip),
        ]
    )


def _anchors(lost: Sequence[str], tip: str) -> list[str]:
    cut = ["", "⚠️ The record was cut: it no longer holds what is anchored here."] if lost else []
    return [*cut, "", *(f"<sub>Recorded at `{one}`.</sub>" for one in (*lost, tip))]


ANCHOR = re.compile(r"<sub>Recorded at `(\d+:[0-9a-f]{64})`\.</sub>")
"""Finds the chain's tip in a result comment."""
