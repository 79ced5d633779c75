"""Judges open pull requests again whose check is green: what was allowed may be so no longer.

An approval grows older than a day, office hours end, a freeze begins. GitHub keeps the green, and
people merge what is quarantined then.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.errors import Denied, PipelineError
from pipeline.judge.assessment import Assessment
from pipeline.judge.offer import own_runs
from pipeline.run.check_pull import judge_pull, post_check
from pipeline.run.workspace import CHECK_NAME, Workspace
from pipeline.values.pull_request import PullRequest


def judge_again(workspace: Workspace, *, post: bool) -> tuple[tuple[Assessment, ...], bool]:
    """Returns those that are allowed no longer, and whether every one could be judged; with *post*
    their checks are turned red.

    What is wrong with one of them stops no other. The rules at a head were tried by the check that
    was green, and are not tried here, where there is a key.
    """
    stale: list[Assessment] = []
    whole = True
    for pull in _green(workspace):
        workspace.progress(f"judging #{pull.number} again")
        try:
            found = judge_pull(workspace, pull.number, reported=())
            if found.decision.allowed:
                continue
            if post:
                post_check(workspace, found)
            stale.append(found)
        except PipelineError as error:
            whole = False
            workspace.warn(f"#{pull.number} could not be judged again: {error}")
    return tuple(stale), whole


def _green(workspace: Workspace) -> Iterator[PullRequest]:
    """Yields the open pull requests into the default branch whose last check is green."""
    base, app = workspace.settings.default_branch, workspace.checker_app
    for pull in workspace.reader.open_pulls(base=base):
        try:
            runs = workspace.reader.check_runs(pull.head_sha, name=CHECK_NAME, app=app)
        except Denied as error:
            workspace.warn(f"#{pull.number}: {error}")
            continue
        own = own_runs(runs, pull.number)
        if own and own[-1].conclusion == "success":
            yield pull
