"""`daypass check`: validate and judge a grant, the whole tree, or a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.context import Context
from pipeline.errors import UsageError
from pipeline.output.problems import problem_document
from pipeline.run.offline import (
    judge_files,
    read_forms,
    supposed,
    unknown_names_in_settings,
)

if TYPE_CHECKING:
    from pipeline.judge.assessment import Assessment
    from pipeline.output.text import Painter
    from pipeline.policy.answer import Evaluation
    from pipeline.values.grant import Grant


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--form",
    is_flag=True,
    help="Only read FILES: their form alone, without catalogue and policies.",
)
@click.option(
    "--changed-from",
    "before",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Only try the policies, settings and catalogue of this folder as a change of those in "
    "this one.",
)
@click.option("--pr", "number", type=click.IntRange(min=1), help="Judge this pull request.")
@click.option(
    "--again",
    is_flag=True,
    help="Judge every open pull request again whose check is green.",
)
@click.option(
    "--merge",
    is_flag=True,
    help="With --pr or --again: let the App merge what policy lets it merge.",
)
@click.option(
    "--post",
    is_flag=True,
    help="With --pr or --again: post check run and comment as the checker; with --again only "
    "where it is allowed no longer.",
)
@click.option(
    "--tried",
    type=click.Path(path_type=Path),
    help="With --pr: what --changed-from found of the head's rules, so that nothing of them runs.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
@click.pass_obj
def check(
    context: Context,
    files: tuple[Path, ...],
    form: bool,
    before: Path | None,
    number: int | None,
    again: bool,
    merge: bool,
    post: bool,
    tried: Path | None,
    as_json: bool,
) -> int:
    """Validate and judge FILES, or the whole tree, or a pull request.

    FILES are grants, or folders that hold some. The catalogue is checked with them, and first.

    Without --pr everything happens offline, with the catalogue and the policies of this
    folder: what you would learn from CI, before pushing. Approvals are not counted then;
    the ones that will be needed are shown. Of the whole tree, names in settings that the
    catalogue does not know are told too. With --form neither plays a part. With --changed-from
    policies and catalogue are what is tried: in a process with bounds and without secrets.

    Exit codes: 0 allowed (offline: nothing speaks against it), 1 denied or waiting for
    approvals, 2 malformed, 3 could not decide. With --again 1 means that some are allowed no
    longer.
    """
    if again:
        if number or tried or files or form or before:
            raise UsageError("--again takes --post, --merge and --json alone")
        return _check_again(context, post=post, merge=merge, as_json=as_json)
    if number is None:
        if merge or post or tried:
            raise UsageError("--merge, --post and --tried need --pr N, the first two also --again")
        if before is not None and (form or files):
            raise UsageError("give FILES or --changed-from DIR, not both")
        if before is not None:
            return _check_rules(context, before, as_json)
        if form:
            return _check_form(context, files, as_json)
        return _check_files(context, files, as_json)
    if files or form or before:
        raise UsageError("give files or --pr N, not both")
    return _check_pull(context, number, tried, merge=merge, post=post, as_json=as_json)


def _check_rules(context: Context, before: Path, as_json: bool) -> int:
    from pipeline.run.try_rules import try_rules

    trial = context.trial.unreviewed
    problems = try_rules(context.root, before, trial, now=context.now())
    if as_json:
        context.emit({"problems": [problem_document(one) for one in problems]})
    else:
        for one in problems:
            context.out.line(str(one), "red")
    return 2 if problems else 0


def _check_form(context: Context, files: Sequence[Path], as_json: bool) -> int:
    if not files:
        raise UsageError("--form needs FILES")
    grants = read_forms(context.root, files)
    if as_json:
        context.emit({"grants": [{"id": grant.id, "path": grant.path} for grant in grants]})
    else:
        for grant in grants:
            context.out.line(f"{grant.path}: well-formed", "green")
    return 0


def _check_files(context: Context, files: Sequence[Path], as_json: bool) -> int:
    judged = judge_files(context.root, files, now=context.now())
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
        for problem in unknown_names_in_settings(context.root):
            context.err.line(str(problem), "yellow")
        count = len(judged)
        denied = sum(1 for _, evaluation in judged if evaluation.violations)
        out.line(
            f"{count} grant{'' if count == 1 else 's'} and the catalogue are well-formed"
            + (f"; {denied} {'is' if denied == 1 else 'are'} denied by policies" if denied else ""),
            *(("red",) if denied else ()),
        )


def _check_pull(
    context: Context, number: int, tried: Path | None, *, merge: bool, post: bool, as_json: bool
) -> int:
    from pipeline.output.assessments import assessment_document
    from pipeline.run.check_pull import judge_pull, merge_allowed, post_check

    if not post:
        assessment = judge_pull(context, number, tried=tried)
    else:
        from pipeline.run.edited_comment import note_edit

        note_edit(context, number)
        assessment = judge_pull(context, number, tried=tried)
        if note_edit(context, number):
            # While it was judged: what was approved meanwhile does not count either.
            assessment = judge_pull(context, number, tried=tried)
        post_check(context, assessment)
    merged = merge_allowed(context, assessment) if merge else None
    if as_json:
        context.emit({**assessment_document(assessment), "merged": merged})
    else:
        _say(context.out, assessment, merged)
    return {"allowed": 0, "invalid": 2}.get(assessment.decision.verdict, 1)


def _check_again(context: Context, *, post: bool, merge: bool, as_json: bool) -> int:
    from pipeline.output.assessments import assessment_document
    from pipeline.run.check_again import judge_again

    found = judge_again(context, post=post, merge=merge)
    if as_json:
        context.emit(
            {
                "stale": [assessment_document(one) for one in found.stale],
                "waiting": [assessment_document(one) for one in found.waiting],
                "merged": {str(number): commit for number, commit in found.merged.items()},
                "whole": found.whole,
            }
        )
    else:
        for one in (*found.stale, *found.waiting):
            _say(context.out, one, None)
        for number, commit in found.merged.items():
            context.out.line(f"#{number}: merged as {commit[:12]}", "green")
        if not found.stale:
            said = "every green check still holds" if found.whole else "nothing else changed"
            context.out.line(said)
    return 3 if not found.whole else 1 if found.stale else 0


def _say(out: Painter, assessment: Assessment, merged: str | None) -> None:
    from pipeline.output.annotations import remarks
    from pipeline.output.ended import ended_texts
    from pipeline.output.merging import merging_text

    decision = assessment.decision
    style = "green" if decision.allowed else "yellow" if decision.verdict == "waiting" else "red"
    out.line(f"#{assessment.pull.number}: {decision.verdict}", style, "bold")
    placed = [str(remark) for remark in remarks(assessment)]
    for line in placed:
        out.line(line, style)
    for reason in decision.reasons:
        if not any(reason in line for line in placed):
            out.line(f"  {reason}", style)
    if assessment.ends_unknown:
        out.line(f"  which live grants it would end is not known: {assessment.ends_unknown}", "dim")
    for text in ended_texts(assessment.ends):
        out.line(f"  merging it ends {text}", "yellow")
    for why in () if decision.allowed else assessment.empty_teams:
        out.line(f"  {why}", "yellow")
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
        if not decision.keeper_merges:
            out.line("  a person merges it now, on GitHub, as a squash or a merge commit")
    if decision.merges_when_approved and not merged:
        out.line(f"  {merging_text(assessment)}")
    if merged:
        out.line(f"  merged as {merged[:12]}", "green")
