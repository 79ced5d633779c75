"""Counts the approvals of one pull request, of what it was shown to give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pipeline.approvals.membership import Membership
from pipeline.approvals.pushers import Contributed
from pipeline.approvals.tally import Approvals, tally
from pipeline.approvals.voters import Gathered, gather
from pipeline.errors import Denied
from pipeline.judge.offer import OnShow, on_show, own_runs
from pipeline.values.catalogue import Catalogue
from pipeline.values.pull_request import Checker, ForgeReader, PullRequest
from pipeline.values.requirement import Requirement


def count_approvals(
    forge: ForgeReader,
    pull: PullRequest,
    offer: str,
    required: Sequence[Requirement],
    *,
    catalogue: Catalogue,
    checker: Checker,
    app_id: int | None,
    membership: Membership,
    interested: Mapping[int, str],
    contributed: Contributed,
    now: datetime,
) -> Approvals:
    """Returns which approvals of *pull* count for *offer*, and which of *required* are missing.

    See `gather` for the other arguments and for errors.
    """
    gathered = gather(
        forge,
        pull,
        catalogue,
        required,
        checker=checker,
        app_id=app_id,
        membership=membership,
        interested=interested,
        contributed=contributed,
    )
    shown = on_show(gathered.runs, pull.number, offer, until=pull.merged_at)
    if pull.merged_at is not None:
        shown = _up_to_an_edit(forge, pull, gathered, shown, checker, pull.merged_at)
    return tally(
        gathered.reviews,
        head=pull.head_sha,
        required=required,
        electorate=gathered.electorate,
        excluded=gathered.excluded,
        at=now,
        on_show=shown,
        merged_at=pull.merged_at,
        base_changed=gathered.base_changed,
    )


def _up_to_an_edit(
    forge: ForgeReader,
    pull: PullRequest,
    gathered: Gathered,
    shown: tuple[OnShow, ...],
    checker: Checker,
    merged_at: datetime,
) -> tuple[OnShow, ...]:
    """Returns *shown* without what followed the last run before the merge, where the comment may
    have been edited since then.

    A check notices an edit and posts a run that says so; somebody may merge past it. Mostly the
    last run is green, and so follows every approval: then nothing is asked.
    """
    if not shown or shown[-1].until is not None:
        return shown
    last = own_runs(gathered.runs, pull.number, until=merged_at)[-1].completed_at
    later = any(
        one.state == "APPROVED" and one.commit == pull.head_sha and one.submitted_at >= last
        for one in gathered.reviews
    )
    if not later or not _edited(forge, pull, checker, since=last):
        return shown
    return (*shown[:-1], OnShow(shown[-1].since, last))


def _edited(forge: ForgeReader, pull: PullRequest, checker: Checker, *, since: datetime) -> bool:
    """Whether a comment of the checker's may have been changed after *since*."""
    try:
        comments = forge.comments(pull.number)
    except Denied:
        # More than are read.
        return True
    return checker.account is None or any(
        one.author is not None and one.author.id == checker.account and one.updated_at > since
        for one in comments
    )
