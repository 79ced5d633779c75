"""Checks one open pull request: judges it, posts the check, merges what policy lets merge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.errors import Denied, ForgeError, PipelineError, Undecided, UsageError
from pipeline.forge.github_write import Annotation
from pipeline.history.branch_files import CATALOGUE
from pipeline.history.lives import GRANTS
from pipeline.history.proven import Proven, Quarantine
from pipeline.judge.assessment import Assessment
from pipeline.judge.decide import Decision, Verdict
from pipeline.judge.ended_grants import ended_grants, may_end_grants
from pipeline.output.annotations import remarks
from pipeline.output.markdown import CHECK_MARKER, check_comment
from pipeline.run.estate import EstateRun
from pipeline.run.try_rules import read_report
from pipeline.run.workspace import CHECK_NAME, Workspace
from pipeline.values.commits import TreeChange
from pipeline.values.grant_change import LESS
from pipeline.values.problem import Problem
from pipeline.values.pull_request import PullRequest


def judge_pull(
    workspace: Workspace,
    number: int,
    *,
    tried: Path | None = None,
    reported: tuple[Problem, ...] | None = None,
) -> Assessment:
    """Judges an open pull request with the default branch's policies, at its present head.

    *tried* is a report on the head's rules (`try_rules.read_report`), *reported* what such a report
    said; without either they are tried here. A draft is never allowed. While something on the
    default branch that decides is unproven, nothing is added. What cannot be fetched or listed on
    any try is denied. Raises `UsageError` for a pull request that is not open.
    """
    with EstateRun(workspace, both_engines=True) as run:
        base = run.tip
        pull = workspace.reader.pull(number)
        if pull.state != "open":
            raise UsageError(f"#{number} is {'merged' if pull.merged_at else 'closed'}")
        if tried is not None:
            reported = read_report(tried, head=pull.head_sha)
        try:
            owner = owner_of_head(workspace, pull)
            if why := _not_judged(workspace, pull, owner):
                return replace(_denied(pull, base, why), shares_head=owner != number)
            changes = _changes(workspace, pull, base)
        except Denied as error:
            return _denied(pull, base, str(error))
        line = run.line
        previous: dict[str, Proven | None] = {
            change.path: run.prover.last_proven(
                change.path, anchor=workspace.anchor, tip=line.accepted
            )
            for change in changes
            if change.status != "A" and change.path.startswith(GRANTS)
        }
        assessment = run.prover.assessor.assess(
            pull,
            base=base,
            changes=changes,
            history=workspace.repository.mainline(line.accepted, since=workspace.anchor),
            previous=previous,
            now=run.now,
            sound=run.prover.sound(anchor=workspace.anchor, tip=line.accepted),
            reported=reported,
        )
        tainted = run.prover.tainted(anchor=workspace.anchor, tip=line.accepted)
        assessment = with_ended_grants(run, assessment)
    disputed = (line.dispute, line.way_out) if line.dispute else ()
    return hold_back(assessment, disputed=disputed, tainted=tainted)


def with_ended_grants(run: EstateRun, assessment: Assessment) -> Assessment:
    """Returns *assessment* with the live grants that the change of the catalogue ends: reviewers
    are told, and nothing else follows from it."""
    touched = any(change.path.startswith(CATALOGUE) for change in assessment.changes)
    if assessment.problems or not touched:
        return assessment
    workspace, head = run.workspace, assessment.pull.head_sha
    try:
        before = workspace.repository.merge_base(assessment.base, head)
        if not may_end_grants(workspace.sources, before=before, head=head):
            return assessment
        # Only now is the branch proven, which costs questions to GitHub.
        found = ended_grants(run.branch.live, workspace.sources, before=before, head=head)
    except PipelineError as error:
        return replace(assessment, ends_unknown=str(error))
    return replace(assessment, ends=found)


def hold_back(
    assessment: Assessment, *, disputed: tuple[str, ...], tainted: Sequence[Quarantine]
) -> Assessment:
    """Returns *assessment* as it counts beside what its policies do not know: that it is a draft,
    conflicts with its base, that the default branch is *disputed*, or what of it is *tainted*.

    Raises `Undecided` while it is not decided whether something that decides is proven.
    """
    pull = assessment.pull
    if pull.draft and assessment.decision.allowed:
        # Its check would be green, and a green commit can be pushed to the branch.
        return _waits(
            assessment, f"#{pull.number} is a draft; it is judged again once it is ready for review"
        )
    if pull.conflicts and assessment.decision.allowed:
        return _waits(
            assessment,
            f"#{pull.number} conflicts with {pull.base_ref}, so nobody can merge it; bring its "
            "branch up to date, and it is judged again",
        )
    adds = any(item.change not in LESS for item in assessment.items)
    if not adds or assessment.decision.verdict is Verdict.INVALID:
        return assessment
    if disputed:
        return replace(assessment, decision=Decision(verdict=Verdict.DENIED, reasons=disputed))
    if not tainted:
        return assessment
    if undecided := [one for one in tainted if one.undecided]:
        raise Undecided(f"{undecided[0].path}: {undecided[0].reasons[0]}", hint="run it again")
    reasons = tuple(
        f"{one.path} on the default branch is not proven ({one.commit[:7]}), so nothing is "
        "added until it is restored"
        for one in tainted
    )
    return replace(assessment, decision=Decision(verdict=Verdict.DENIED, reasons=reasons))


def _waits(assessment: Assessment, why: str) -> Assessment:
    return replace(assessment, decision=Decision(verdict=Verdict.WAITING, reasons=(why,)))


def owner_of_head(workspace: Workspace, pull: PullRequest) -> int:
    """Returns the number of the pull request whose judgement the check run on the head of *pull*
    shows.

    Check runs belong to commits, so of several open ones with one head only one may turn it red or
    green: the first into the default branch that is ready.
    """
    base = workspace.settings.default_branch
    others = [
        one
        for one in workspace.reader.open_with_head(pull.head_sha, base=base)
        # Who pushed to a fork is unknowable, so that one is allowed by nobody.
        if one.same_repository and one.number != pull.number
    ]
    if pull.base_ref != base or not pull.same_repository:
        # It is red for ever, and must not turn another one red.
        return min((one.number for one in others), default=pull.number)
    ready = [one.number for one in others if not one.draft]
    return min(ready if pull.draft and ready else [*ready, pull.number])


def _not_judged(workspace: Workspace, pull: PullRequest, owner: int) -> str:
    """Returns why *pull* is not judged, where *owner* is the one whose head it is; empty if it
    is."""
    base = workspace.settings.default_branch
    if pull.base_ref != base:
        return (
            f"#{pull.number} goes to {pull.base_ref}, and access comes from {base} alone: change "
            f"its base to {base} once what it builds on is merged, and it is checked"
        )
    if owner != pull.number:
        return (
            f"#{owner} has the same head, and a check belongs to the head: push a commit of your "
            f"own, or close #{owner} and ask for the check again"
        )
    return ""


def _changes(workspace: Workspace, pull: PullRequest, base: str) -> tuple[TreeChange, ...]:
    """Returns what the head of *pull*, which is fetched, changes since it left *base*.

    Raises `Denied` for what cannot be judged on any try.
    """
    workspace.fetch_open(pull.number, pull.head_sha)
    repository = workspace.repository
    changes = repository.diff(repository.merge_base(base, pull.head_sha), pull.head_sha)
    listed = {path for file in workspace.reader.files(pull.number) for path in file.paths}
    if listed != {change.path for change in changes}:
        raise Denied(
            f"#{pull.number}: GitHub and git name different files",
            hint="rebase the branch onto the default branch and push it again",
        )
    return changes


def _denied(pull: PullRequest, base: str, reason: str) -> Assessment:
    """Returns the assessment of a pull request that nobody can look into."""
    return Assessment(
        pull=pull,
        base=base,
        kind="governance",
        items=(),
        evaluations=(),
        approvals=None,
        problems=(),
        decision=Decision(verdict=Verdict.DENIED, reasons=(reason,)),
        changes=(),
        policies="",
    )


def post_check(workspace: Workspace, assessment: Assessment) -> None:
    """Posts the check run, with remarks at their lines, and the one edited comment. Where the run
    on its head is another pull request's, the comment alone."""
    writer = workspace.writer("checker")
    if workspace.settings.checker_id is None:
        raise UsageError(
            "the checker's account id is not known", hint="set DAYPASS_CHECKER_ID in its job"
        )
    body = check_comment(assessment)
    decision = assessment.decision
    # Before the run: what is changed after a run was changed by somebody else.
    try:
        writer.comment(
            assessment.pull.number,
            marker=CHECK_MARKER,
            body=body,
            bot_id=workspace.settings.checker_id,
        )
    except (Denied, ForgeError) as error:
        # The run decides, and says what the comment would.
        workspace.warn(f"#{assessment.pull.number} could not be told: {error}")
    if not assessment.shares_head:
        writer.check_run(
            assessment.pull.head_sha,
            name=CHECK_NAME,
            conclusion="success" if decision.allowed else "failure",
            title=decision.reasons[0] if decision.reasons else "Allowed",
            summary=body,
            external_id=assessment.external_id,
            annotations=[
                Annotation(
                    path=one.path,
                    line=one.line,
                    column=one.column,
                    level=one.level,
                    message=one.message,
                )
                for one in remarks(assessment)
            ],
        )


def merge_allowed(workspace: Workspace, assessment: Assessment) -> str | None:
    """Merges what policy lets the App merge, by itself or once it is approved, and returns the
    commit; None for anything else."""
    if not assessment.decision.keeper_merges:
        return None
    pull = assessment.pull
    return workspace.writer("keeper").merge(
        pull.number,
        sha=pull.head_sha,
        method="squash",
        title=f"{_title(assessment)} (#{pull.number})",
    )


def _title(assessment: Assessment) -> str:
    names = ", ".join(item.grant.id for item in assessment.items)
    verbs = {item.change for item in assessment.items}
    if verbs == {"delete"}:
        return f"End {names}"
    return f"Grant {names}" if names else "Change policies"
