"""Judges open pull requests again whose check is green: what was allowed may be so no longer.

An approval grows older than a day, office hours end, a freeze begins. GitHub keeps the green, and
people merge what is quarantined then. What the App merges and did not, as a run was lost, it merges
now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.errors import Denied, PipelineError
from pipeline.judge.assessment import Assessment
from pipeline.judge.offer import own_runs
from pipeline.run.check_pull import judge_pull, merge_allowed, post_check
from pipeline.run.workspace import CHECK_NAME, Workspace
from pipeline.values.pull_request import PullRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedAgain:
    """What became of the pull requests whose check was green."""

    stale: tuple[Assessment, ...]
    """Those that are allowed no longer."""

    waiting: tuple[Assessment, ...]
    """Those that the App merges, and did not yet: a run may have been lost."""

    merged: Mapping[int, str]
    """The commits that those were merged as, by number."""

    whole: bool
    """Whether each of them could be judged, and merged where that was asked for."""


def judge_again(workspace: Workspace, *, post: bool = False, merge: bool = False) -> JudgedAgain:
    """Judges every open pull request whose check is green. With *post* the checks of those that
    are allowed no longer are turned red; with *merge* the App merges what it may.

    What is wrong with one of them stops no other. The rules at a head were tried by the check that
    was green, and are not tried here, where there is a key.
    """
    stale: list[Assessment] = []
    waiting: list[Assessment] = []
    merged: dict[int, str] = {}
    whole = True
    for pull in _green(workspace):
        workspace.progress(f"judging #{pull.number} again")
        try:
            found = judge_pull(workspace, pull.number, reported=())
            if not found.decision.allowed:
                if post:
                    post_check(workspace, found)
                stale.append(found)
            elif found.decision.keeper_merges:
                commit = merge_allowed(workspace, found) if merge else None
                if commit is None:
                    waiting.append(found)
                else:
                    merged[pull.number] = commit
        except PipelineError as error:
            whole = False
            workspace.warn(f"#{pull.number} could not be judged again: {error}")
    return JudgedAgain(stale=tuple(stale), waiting=tuple(waiting), merged=merged, whole=whole)


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
