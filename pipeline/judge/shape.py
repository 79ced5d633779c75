"""Whether a pull request has a form that can be judged at all."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.history.branch_files import at_top
from pipeline.history.lives import GRANTS, is_grant
from pipeline.values.commits import TreeChange
from pipeline.values.problem import Problem
from pipeline.values.pull_request import PullRequest


def shape_problems(
    pull: PullRequest, changes: Sequence[TreeChange], *, default_branch: str
) -> list[Problem]:
    """Returns what is wrong with the pull request itself, whatever its files say."""
    problems = []
    if pull.base_ref != default_branch:
        problems.append(
            at_top(
                "access",
                "base",
                f"#{pull.number} goes to {pull.base_ref}; open it against {default_branch}",
            )
        )
    if not pull.same_repository:
        problems.append(
            at_top(
                "access",
                "fork",
                f"#{pull.number} comes from a fork, whose pushers cannot be known; "
                "push the branch to this repository",
            )
        )
    if not changes:
        problems.append(at_top("access", "empty", f"#{pull.number} changes nothing"))
    grants = [c for c in changes if c.path.startswith(GRANTS)]
    others = [c for c in changes if not c.path.startswith(GRANTS)]
    if grants and others:
        problems.append(
            at_top(
                others[0].path,
                "mixed",
                f"#{pull.number} changes grants and other files; open one pull request for each",
            )
        )
    asking = [c for c in grants if c.status != "D"]
    if len(asking) > 1 or (asking and len(grants) > 1):
        problems.append(
            at_top(
                grants[1].path,
                "several",
                f"#{pull.number} changes {len(grants)} grants; ask for one grant in one "
                "pull request (only deletions may come together)",
            )
        )
    problems.extend(
        at_top(c.path, "place", "only grants, <subject>/<name>.yaml, lie below access/grants/")
        for c in grants
        if not is_grant(c.path) and c.status != "D"
    )
    return problems
