"""`daypass check`: validate and judge a grant, the whole tree, or a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.errors import Denied, UsageError
from pipeline.run.offline import (
    all_grants,
    grant_paths,
    judge_offline,
    read_catalogue,
    read_grants,
    supposed,
)
from pipeline.run.workspace import Context

if TYPE_CHECKING:
    from pipeline.history.proven import Proven
    from pipeline.judge.assessment import Assessment
    from pipeline.output.text import Painter
    from pipeline.policy.answer import Evaluation
    from pipeline.values.grant import Grant


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--pr", "number", type=click.IntRange(min=1), help="Judge this pull request.")
@click.option("--merge", is_flag=True, help="With --pr: let the App merge what policy allows.")
@click.option("--post", is_flag=True, help="With --pr: post check run and comment as the checker.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
@click.pass_obj
def check(
    context: Context,
    files: tuple[Path, ...],
    number: int | None,
    merge: bool,
    post: bool,
    as_json: bool,
) -> int:
    """Validate and judge FILES, or the whole tree, or a pull request.

    FILES are grants, or folders that hold some. The catalogue is checked with them, and first.

    Without --pr everything happens offline, with the catalogue and the policies of this
    folder: what you would learn from CI, before pushing. Approvals are not counted then;
    the ones that will be needed are shown.

    Exit codes: 0 allowed (offline: nothing speaks against it), 1 denied or waiting for
    approvals, 2 malformed, 3 could not decide.
    """
    if number is None:
        if merge or post:
            raise UsageError("--merge and --post need --pr N")
        return _check_files(context, files, as_json)
    if files:
        raise UsageError("give files or --pr N, not both")
    return _check_pull(context, number, merge=merge, post=post, as_json=as_json)


def _check_files(context: Context, files: Sequence[Path], as_json: bool) -> int:
    catalogue = read_catalogue(context.root)
    paths = grant_paths(context.root, files) if files else list(all_grants(context.root))
    grants = read_grants(context.root, paths, catalogue)
    judged = judge_offline(context.root, grants, catalogue, now=context.now())
    if as_json:
        from pipeline.output.verdicts import grant_document

        context.emit({"grants": [grant_document(g, e) for g, e in judged]})
    else:
        _say_offline(context, judged, whole_tree=not files)
    return 1 if any(evaluation.violations for _, evaluation in judged) else 0


def _say_offline(
    context: Context, judged: Sequence[tuple[Grant, Evaluation]], *, whole_tree: bool
) -> None:
    from pipeline.output.verdicts import grant_lines

    out = context.out
    if judged:
        context.err.line(supposed(), "dim")
    for grant, evaluation in judged:
        for line, style in grant_lines(grant, evaluation):
            out.line(line, style)
    if whole_tree:
        count = len(judged)
        denied = sum(1 for _, evaluation in judged if evaluation.violations)
        out.line(
            f"{count} grant{'' if count == 1 else 's'} and the catalogue are well-formed"
            + (f"; {denied} {'is' if denied == 1 else 'are'} denied by policies" if denied else ""),
            *(("red",) if denied else ()),
        )


def _check_pull(context: Context, number: int, *, merge: bool, post: bool, as_json: bool) -> int:
    assessment = assess_pull(context, number)
    if post:
        _post(context, assessment)
    merged = None
    if merge and assessment.decision.allowed and assessment.decision.merges_by_itself:
        title = f"{_title(assessment)} (#{number})"
        merged = context.writer("keeper").merge(
            number, sha=assessment.pull.head_sha, method="squash", title=title
        )
    if as_json:
        context.emit({**_assessment_document(assessment), "merged": merged})
    else:
        _say(context.out, assessment, merged)
    return {"allowed": 0, "invalid": 2}.get(assessment.decision.verdict, 1)


def assess_pull(context: Context, number: int) -> Assessment:
    """Judges an open pull request with the default branch's policies, at its present head.

    While something on the default branch that decides is unproven, nothing is added.
    """
    from pipeline.judge.decide import Decision, Verdict
    from pipeline.run.estate import EstateRun
    from pipeline.values.grant_change import LESS

    with EstateRun(context, both_engines=True) as run:
        base = run.tip
        pull = context.reader.pull(number)
        if pull.state != "open":
            raise UsageError(f"#{number} is {'merged' if pull.merged_at else 'closed'}")
        context.fetch_head(number, pull.head_sha)
        repository = context.repository
        changes = repository.diff(repository.merge_base(base, pull.head_sha), pull.head_sha)
        listed = {path for file in context.reader.files(number) for path in file.paths}
        if listed != {change.path for change in changes}:
            raise Denied(
                f"#{number}: GitHub and git name different files",
                hint="rebase the branch onto the default branch and push it again",
            )
        previous: dict[str, Proven | None] = {
            change.path: run.prover.last_proven(change.path, anchor=context.anchor, tip=base)
            for change in changes
            if change.status != "A" and change.path.startswith("access/grants/")
        }
        assessment = run.prover.assessor.assess(
            pull,
            base=base,
            changes=changes,
            history=repository.mainline(base, since=context.anchor),
            previous=previous,
            now=run.now,
            sound=run.prover.sound(anchor=context.anchor, tip=base),
        )
        tainted = run.prover.tainted(anchor=context.anchor, tip=base)
        adds = any(item.change not in LESS for item in assessment.items)
        if not tainted or not adds or assessment.decision.verdict is Verdict.INVALID:
            return assessment
        reasons = tuple(
            f"{one.path} on the default branch is not proven ({one.commit[:7]}), so nothing is "
            "added until it is restored"
            for one in tainted
        )
        return replace(assessment, decision=Decision(verdict=Verdict.DENIED, reasons=reasons))


def _post(context: Context, assessment: Assessment) -> None:
    """Posts the check run, with remarks at their lines, and the one edited comment."""
    from pipeline.forge.github_write import Annotation
    from pipeline.output.annotations import remarks
    from pipeline.output.markdown import CHECK_MARKER, check_comment
    from pipeline.run.estate import CHECK_NAME

    writer = context.writer("checker")
    if context.settings.checker_id is None:
        raise UsageError(
            "the checker's account id is not known", hint="set DAYPASS_CHECKER_ID in its job"
        )
    body = check_comment(assessment)
    decision = assessment.decision
    writer.check_run(
        assessment.pull.head_sha,
        name=CHECK_NAME,
        conclusion="success" if decision.allowed else "failure",
        title=decision.reasons[0] if decision.reasons else "Allowed",
        summary=body,
        external_id=assessment.offer,
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
    writer.comment(
        assessment.pull.number,
        marker=CHECK_MARKER,
        body=body,
        bot_id=context.settings.checker_id,
    )


def _title(assessment: Assessment) -> str:
    names = ", ".join(item.grant.id for item in assessment.items)
    verbs = {item.change for item in assessment.items}
    if verbs == {"delete"}:
        return f"End {names}"
    return f"Grant {names}" if names else "Change policies"


def _say(out: Painter, assessment: Assessment, merged: str | None) -> None:
    from pipeline.output.annotations import remarks

    decision = assessment.decision
    style = "green" if decision.allowed else "yellow" if decision.verdict == "waiting" else "red"
    out.line(f"#{assessment.pull.number}: {decision.verdict}", style, "bold")
    placed = [str(remark) for remark in remarks(assessment)]
    for line in placed:
        out.line(line, style)
    for reason in decision.reasons:
        if not any(reason in line for line in placed):
            out.line(f"  {reason}", style)
    if assessment.approvals is not None:
        for _, why in assessment.approvals.rejected:
            out.line(f"  does not count: {why}", "dim")
        for note in assessment.approvals.notes:
            out.line(f"  {note}", "dim")
        for name in assessment.approvals.spare:
            none = "none is needed" if not assessment.approvals.steps else "all are filled"
            why = f": {none}" if assessment.approvals.complete else ""
            out.line(f"  {name} approved, which fills no place{why}", "dim")
    if decision.allowed:
        by = ", ".join(assessment.approvals.given) if assessment.approvals else ""
        out.line(f"  {'approved by ' + by if by else 'merges by itself: policy allows it'}")
        if not decision.merges_by_itself:
            out.line("  a person merges it now, on GitHub, as a squash or a merge commit")
    if merged:
        out.line(f"  merged as {merged[:12]}", "green")


def _assessment_document(assessment: Assessment) -> dict[str, Any]:
    from pipeline.cli.main import problem_document

    approvals = assessment.approvals
    return {
        "pull": assessment.pull.number,
        "head": assessment.pull.head_sha,
        "base": assessment.base,
        "kind": assessment.kind,
        "verdict": assessment.decision.verdict,
        "reasons": list(assessment.decision.reasons),
        "merges_by_itself": assessment.decision.merges_by_itself,
        "problems": [problem_document(p) for p in assessment.problems],
        "grants": [
            {
                "id": item.grant.id,
                "change": item.change,
                "bindings": [
                    {"target": b.target, "role": b.role, "duration": item.grant.duration}
                    for b in item.bindings
                ],
            }
            for item in assessment.items
        ],
        "approvers": list(assessment.approvers),
        "not_counted": [why for _, why in approvals.rejected] if approvals else [],
        "missing": list(approvals.missing) if approvals else [],
        "notes": list(approvals.notes) if approvals else [],
        "spare": list(approvals.spare) if approvals else [],
        "steps": [
            {
                "id": step.requirement.id,
                "order": step.requirement.order,
                "people": [
                    {"principal": seat.principal, "authority": seat.authority}
                    for seat in step.seats
                ],
                "missing": step.missing,
                "waits_for": list(step.waits_for),
            }
            for step in (approvals.steps if approvals else ())
        ],
        "decision": assessment.digest,
    }
