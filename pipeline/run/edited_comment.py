"""Notices that somebody edited the checker's comment on a pull request.

Whoever may write can do so, and reviewers may believe what they read there. The check run, which
nobody else can write, decides; but an approval given on an edited comment must not count. GitHub
says when a comment was changed last, and a check writes its comment before its run. For example,
with a run finished at 12:00:

    comment changed last at 12:00 or before     nobody touched it
    changed at 12:05                            edited: approvals since 12:00 do not count, and the
                                                next run shows the offer anew
    one of the App's that lacks our marker      edited so that it is found no more; it is retired
    no comment of the App's at all              deleted, or never written: nobody read it
"""

from __future__ import annotations

from pipeline.errors import Denied
from pipeline.forge.github_write import RETIRED, hidden
from pipeline.judge.offer import EDITED, name_of_run, own_runs
from pipeline.output.markdown import CHECK_MARKER
from pipeline.run.check_pull import owner_of_head
from pipeline.run.workspace import CHECK_NAME, Workspace

_SAID = "The check's comment was edited by somebody else; approvals since then do not count"


def note_edit(workspace: Workspace, number: int) -> bool:
    """Posts a check run that says so where the comment on an open pull request was edited since
    the last check of its head, and takes out of use what was made of it; returns whether it was."""
    pull = workspace.reader.pull(number)
    bot, app = workspace.settings.checker_id, workspace.checker_app
    try:
        runs = workspace.reader.check_runs(pull.head_sha, name=CHECK_NAME, app=app)
        comments = workspace.reader.comments(number)
    except Denied:
        # More than are read: the check itself says what that means.
        return False
    own = own_runs(runs, number)
    if pull.state != "open" or not own or owner_of_head(workspace, pull) != number:
        return False
    last = own[-1]
    mine = [one for one in comments if one.author is not None and one.author.id == bot]
    marked = [one for one in mine if one.body.startswith(hidden(CHECK_MARKER))]
    odd = [one for one in mine if one not in marked[:1] and one.body.strip() != RETIRED]
    writer = workspace.writer("checker")
    for one in odd:
        writer.retire_comment(one.id)
    edited = bool(odd) or any(one.updated_at > last.completed_at for one in marked[:1])
    if not edited or last.external_id == name_of_run(number, EDITED):
        return edited
    writer.check_run(
        pull.head_sha,
        name=CHECK_NAME,
        conclusion="failure",
        title=_SAID,
        summary=f"{_SAID}. It is restored, and this head is checked again.",
        external_id=name_of_run(number, EDITED),
    )
    return True
