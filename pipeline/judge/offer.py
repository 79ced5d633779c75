"""What a pull request is shown to do, and which approvals came after it was shown.

Each check shows an *offer*. Its digest stands in the name of a check run of the checker App,
which nobody else can write. An approval counts for the offer that is merged, and only if it came
while that one was what the last run showed. For example, of a grant that a lead has to approve:

    opened, checked, approved, merged                 counts
    approved, then checked                            does not: nothing had been shown
    checked, approved, pushed to                      does not: another head is another offer
    checked, approved, its role grows on the base     does not: it would give something else
    ... checked again, approved again                 counts
    ... the role shrinks back, checked once more      the first approval counts again
    checked and approved; another pull request has    the other one is not shown by it: its runs
    the same head                                     and approvals are its own
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple

from pipeline.judge.changed_grant import ChangedGrant
from pipeline.values.binding import timeless
from pipeline.values.canonical import canonical, digest, timestamp
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
                    # Of a running grant: another life of the path is another request.
                    "since": timestamp(item.previous.window.start) if item.previous else None,
                    "bindings": [
                        {
                            "cloud": one.cloud,
                            "locator": one.locator,
                            "key": one.key,
                            "document": _unordered(json.loads(timeless(one.document))),
                        }
                        for one in item.bindings
                    ],
                    "permissions": [
                        [line.target.id, line.role.id, _unordered(asdict(line.role.permissions))]
                        for line in item.entitlements
                        # What goes, goes whatever it holds by now.
                        if item.change != "delete"
                    ],
                }
                for item in items
            ],
        }
    )


def _unordered(value: Any) -> Any:
    """Returns *value* with every list sorted: the order of actions says nothing."""
    if isinstance(value, Mapping):
        return {key: _unordered(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return sorted((_unordered(one) for one in value), key=canonical)
    return value


EDITED = "edited"
"""In place of an offer: the comment was edited by somebody else since the last run."""


def name_of_run(number: int, offer: str) -> str:
    """Returns the name (`external_id`) of a check run that shows *offer* of the pull request
    *number*."""
    return f"{number}:{offer}"


def number_of_run(run: CheckRun) -> int | None:
    """Returns the number of the pull request of which *run* shows an offer; None where it shows
    none.

    Check runs belong to commits, and one commit can be the head of several pull requests.
    """
    number, colon, _ = run.external_id.partition(":")
    return int(number) if colon and number.isdecimal() else None


def own_runs(
    runs: Sequence[CheckRun], number: int, *, until: datetime | None = None
) -> tuple[CheckRun, ...]:
    """Returns those of *runs* that show an offer of the pull request *number*, finished by *until*,
    oldest first."""
    own = [
        one
        for one in runs
        if number_of_run(one) == number and (until is None or one.completed_at <= until)
    ]
    return tuple(sorted(own, key=lambda one: (one.completed_at, one.id)))


class OnShow(NamedTuple):
    """A time during which an offer was what the last check showed."""

    since: datetime
    until: datetime | None
    """None where it still is."""


def on_show(
    runs: Sequence[CheckRun], number: int, offer: str, *, until: datetime | None = None
) -> tuple[OnShow, ...]:
    """Returns when this very *offer* of the pull request *number* was what the last of *runs*
    showed, up to *until*; where the comment was edited, up to the last run before that."""
    name, edited = name_of_run(number, offer), name_of_run(number, EDITED)
    found: list[OnShow] = []
    since = last = None
    for run in own_runs(runs, number, until=until):
        if run.external_id == name:
            since, last = since or run.completed_at, run.completed_at
        elif since is not None:
            found.append(OnShow(since, last if run.external_id == edited else run.completed_at))
            since = None
    if since is not None:
        found.append(OnShow(since, None))
    return tuple(found)


def first_shown(
    runs: Sequence[CheckRun], number: int, offer: str, *, until: datetime | None = None
) -> CheckRun | None:
    """Returns the first of *runs*, by when it was finished, that shows this very *offer* of the
    pull request *number*; None where none did by *until*."""
    name = name_of_run(number, offer)
    own = own_runs(runs, number, until=until)
    return next((one for one in own if one.external_id == name), None)
