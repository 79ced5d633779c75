"""Compares a commit on the default branch with the pull request that brought it."""

from __future__ import annotations

from datetime import datetime

from pipeline.history.lives import CLOCK_TOLERANCE
from pipeline.history.sources import Sources
from pipeline.judge.assessment import Assessment
from pipeline.judge.offer import first_shown, own_runs
from pipeline.values.commits import MainlineCommit
from pipeline.values.pull_request import (
    Checker,
    CheckRun,
    ForgeReader,
    PullRequest,
    runs_of,
)


def misshapen(commit: MainlineCommit, pull: PullRequest, default_branch: str) -> list[str]:
    """Returns what is wrong with how *commit* came to the default branch."""
    reasons = []
    if pull.base_ref != default_branch:
        reasons.append(f"#{pull.number} was merged into {pull.base_ref}")
    if pull.draft:
        reasons.append(f"#{pull.number} was a draft")
    if not pull.same_repository:
        reasons.append(f"#{pull.number} came from a fork: who pushed to it is unknowable")
    if len(commit.parents) not in (1, 2):
        reasons.append(f"it has {len(commit.parents)} parents")
    elif len(commit.parents) == 2 and commit.parents[1] != pull.head_sha:
        reasons.append(
            f"its second parent is {commit.parents[1][:7]}, #{pull.number} ends at "
            f"{pull.head_sha[:7]}"
        )
    if pull.merged_at is None or abs(commit.committed_at - pull.merged_at) > CLOCK_TOLERANCE:
        reasons.append(
            f"its committer date {commit.committed_at.isoformat()} is more than five minutes "
            f"from the merge"
        )
    return reasons


def altered(
    sources: Sources, forge: ForgeReader, commit: MainlineCommit, pull: PullRequest
) -> list[str]:
    """Returns where *commit* differs from what was approved: paths, modes, blobs.

    The head of *pull* must be at hand as git objects. Raises `ForgeError` and `Denied`.
    """
    reasons = []
    named = {path for file in forge.files(pull.number) for path in file.paths}
    changed = {change.path for change in commit.changes}
    for path in sorted(changed ^ named):
        where = "the commit" if path in changed else f"#{pull.number}"
        reasons.append(f"{path} is changed in {where} only")
    for change in commit.changes:
        entry = sources.entry(pull.head_sha, change.path)
        approved = (entry.mode, entry.blob) if entry else None
        merged = (change.new_mode, change.new_blob) if change.status != "D" else None
        if approved != merged:
            reasons.append(f"{change.path} is not what was approved at {pull.head_sha[:7]}")
    return reasons


def shown_by(
    forge: ForgeReader, assessment: Assessment, *, checker: Checker, merged_at: datetime
) -> CheckRun | str:
    """Returns the check run that showed first what would be applied; or why the pull request did
    not show that at its merge.

    Raises `ForgeError` and `Denied`.
    """
    pull = assessment.pull
    head = pull.head_sha[:7]
    shown = own_runs(runs_of(forge, checker, pull.head_sha), pull.number, until=merged_at)
    if not shown:
        return (
            f"no check of ours ran on {head} for #{pull.number} before the merge: nobody saw what "
            "it gives"
        )
    first = first_shown(shown, pull.number, assessment.offer)
    if first is None or shown[-1].external_id != assessment.external_id:
        return f"what the check showed on {head} is not what it would give: ask again"
    return first
