"""Other pull requests with the same head, one of which may be what was approved.

Check runs and commits belong to heads, not to pull requests. Somebody can push an approved head to
a branch of their own, open a pull request from it and merge that one on the green of the first. It
is what was approved all the same, and the first one proves it. For example, of #1, approved, and #2
with its head, merged by mallory:

    #1 was open then, ready, and based on the default branch    proven by #1; mallory merged it
    #1 had been withdrawn, or was a draft, or had another base   proven by nothing
    #1 was pushed to before, and set back to that head later     proven by nothing: it was withdrawn
    #1 was closed, or changed, within that very second           proven by nothing: nobody knows
                                                                 which came first
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pipeline.judge.offer import number_of_run, own_runs
from pipeline.values.pull_request import CheckRun, PullEvents, PullRequest, PullTurn, Push

MOST_TWINS = 10
"""So many pull requests for one commit are looked at."""


def shown_pulls(runs: Sequence[CheckRun], *, until: datetime) -> tuple[int, ...]:
    """Returns the pull requests of which our check *runs* on one head showed an offer by *until*:
    those whose last one was green first, then by number."""
    numbers = {number for run in runs if (number := number_of_run(run)) is not None}
    shown = {number: own_runs(runs, number, until=until) for number in numbers}
    last = {number: own[-1] for number, own in shown.items() if own}
    return tuple(sorted(last, key=lambda n: (last[n].conclusion != "success", n)))


def not_open_at(
    pull: PullRequest,
    events: PullEvents,
    pushes: Sequence[Push],
    at: datetime,
    *,
    head: str,
    default_branch: str,
) -> str:
    """Returns why *pull* was no open pull request for *head* at the moment *at*; empty if it was.

    What GitHub says of it now is undone by what happened to it since; *pushes* to its branch are
    those until then, oldest first.
    """
    if pull.head_sha != head:
        return f"its head is {pull.head_sha[:7]}"
    last = pushes[-1] if pushes else None
    if last is None or last.sha != head or last.former or last.at >= at:
        return f"its branch is not known to have been at {head[:7]}"
    if pull.base_ref != default_branch or any(one >= at for one in events.base_changes):
        return f"it is not known to have been based on {default_branch}"
    since = [one for one in events.turns if one.at >= at]
    again = any(one.kind == "reopened" for one in since)
    merged = pull.merged_at is not None and pull.merged_at >= at and not again
    if not merged and not _was("closed", "reopened", pull.state == "open", since, at):
        return "it was not open"
    if not _was("convert_to_draft", "ready_for_review", not pull.draft, since, at):
        return "it was a draft"
    return ""


def _was(ends: str, begins: str, now: bool, since: Sequence[PullTurn], at: datetime) -> bool:
    """Whether something was so at the moment *at*: an event called *ends* ends it, one called
    *begins* begins it, and *now* says whether it is so after all of them."""
    turns = [one for one in since if one.kind in (ends, begins)]
    if not turns:
        return now
    first = min(turns, key=lambda one: one.at)
    return first.at > at and first.kind == ends
