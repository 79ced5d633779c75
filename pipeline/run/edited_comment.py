"""Notices that somebody edited or deleted the checker's comment on a pull request.

Whoever may write can do so, and reviewers may believe what they read there. The check run, which
nobody else can write, decides; but an approval given on an edited comment must not count. GitHub
says when a comment was changed last, and a check writes its comment before its run. For example,
with a run finished at 12:00:

    comment changed last at 12:00 or before     nobody touched it
    changed at 12:05, or gone                   edited: approvals since 12:00 do not count, and the
                                                next run shows the offer anew
"""

from __future__ import annotations

from pipeline.errors import Denied
from pipeline.judge.offer import EDITED, name_of_run, shows
from pipeline.output.markdown import CHECK_MARKER
from pipeline.run.workspace import CHECK_NAME, Workspace

_SAID = "The check's comment was edited by somebody else; approvals since then do not count"


def note_edit(workspace: Workspace, number: int) -> bool:
    """Posts a check run that says so where the comment on an open pull request was edited or
    deleted since the last check of its head; returns whether it was."""
    pull = workspace.reader.pull(number)
    bot, app = workspace.settings.checker_id, workspace.checker_app
    runs = workspace.reader.check_runs(pull.head_sha, name=CHECK_NAME, app=app)
    own = [one for one in runs if shows(one, number)]
    if pull.state != "open" or not own:
        return False
    last = max(own, key=lambda one: (one.completed_at, one.id))
    if last.external_id == name_of_run(number, EDITED):
        return False
    try:
        comments = workspace.reader.comments(number)
    except Denied:
        # Among more comments than are read anything may have become of it.
        comments = ()
    mine = [
        comment
        for comment in comments
        if comment.author is not None
        and comment.author.id == bot
        and comment.body.startswith(f"<!-- daypass:{CHECK_MARKER} -->")
    ]
    if mine and mine[0].updated_at <= last.completed_at:
        return False
    workspace.writer("checker").check_run(
        pull.head_sha,
        name=CHECK_NAME,
        conclusion="failure",
        title=_SAID,
        summary=f"{_SAID}. It is restored, and this head is checked again.",
        external_id=name_of_run(number, EDITED),
    )
    return True
