"""What a pull request is shown to do, and which approvals came after it was shown.

Each check shows an *offer*. Its digest stands in the name of a check run of the checker App,
which nobody else can write. An approval counts for the offer that is merged, and only if a run had
shown that one before. For example, of a grant that a lead has to approve:

    opened, checked, approved, merged                 counts
    approved, then checked                            does not: nothing had been shown
    checked, approved, pushed to                      does not: another head is another offer
    checked, approved, its role grows on the base     does not: it would give something else
    ... checked again, approved again                 counts
    checked and approved; another pull request has    the other one is not shown by it: its runs
    the same head                                     and approvals are its own
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime

from pipeline.judge.changed_grant import ChangedGrant
from pipeline.values.binding import timeless
from pipeline.values.canonical import digest
from pipeline.values.commits import TreeChange
from pipeline.values.pull_request import CheckRun, PullRequest


def offer_of(
    pull: PullRequest, *, kind: str, changes: Iterable[TreeChange], items: Iterable[ChangedGrant]
) -> str:
    """Returns the SHA-256 of what *pull* is shown to do: its base branch, head, changed files,
    bindings with all that they say but dates, permissions, and durations.

    What is applied later must be what reviewers were shown, whatever became of the catalogue in
    between. No moment takes part, as none is known before the merge.
    """
    return digest(
        {
            "pull": pull.number,
            "base": pull.base_ref,
            "head": pull.head_sha,
            "changes": sorted([one.path, one.new_mode, one.new_blob or ""] for one in changes),
            "kind": kind,
            "items": [
                {
                    "path": item.path,
                    "change": item.change,
                    "duration": item.grant.duration,
                    "bindings": [
                        {
                            "cloud": one.cloud,
                            "locator": one.locator,
                            "key": one.key,
                            "document": timeless(one.document),
                        }
                        for one in item.bindings
                    ],
                    "permissions": [
                        [line.target.id, line.role.id, asdict(line.role.permissions)]
                        for line in item.entitlements
                    ],
                }
                for item in items
            ],
        }
    )


def name_of_run(number: int, offer: str) -> str:
    """Returns the name (`external_id`) of a check run that shows *offer* of the pull request
    *number*."""
    return f"{number}:{offer}"


def shows(run: CheckRun, number: int) -> bool:
    """Whether *run* shows an offer of the pull request *number*.

    Check runs belong to commits, and one commit can be the head of several pull requests.
    """
    return run.external_id.startswith(f"{number}:")


def first_shown(
    runs: Sequence[CheckRun], number: int, offer: str, *, until: datetime | None = None
) -> CheckRun | None:
    """Returns the first of *runs*, by when it was finished, that shows this very *offer* of the
    pull request *number*; None where none did by *until*."""
    name = name_of_run(number, offer)
    found = [
        one
        for one in runs
        if one.external_id == name and (until is None or one.completed_at <= until)
    ]
    return min(found, key=lambda one: (one.completed_at, one.id), default=None)
