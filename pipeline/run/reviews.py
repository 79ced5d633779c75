"""Opens the review of every use of emergency access: part of `apply` and of `expire`."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from pipeline.errors import InvalidInput

if TYPE_CHECKING:
    from pipeline.ending.reviews import Use
    from pipeline.history.lives import Life
    from pipeline.run.estate import EstateRun

_LOOK_BACK = timedelta(days=7)
"""How long after its removal a grant is still looked at: runs may have been down meanwhile."""


def open_reviews(run: EstateRun) -> dict[str, int]:
    """Opens a pull request for each use that has no review yet; returns grant to number.

    Raises `ForgeError`; a later run opens what this one could not.
    """
    from pipeline.ending.reviews import BRANCH_PREFIX, review_text, unreviewed

    uses = list(_uses(run))
    if not uses:
        return {}
    context = run.context
    open_paths = {file.path for _, files in run.own_pulls(BRANCH_PREFIX) for file in files}
    opened: dict[str, int] = {}
    for use in unreviewed(uses, reviewed=_reviewed(run), open_paths=open_paths):
        title, body = review_text(use)
        opened[use.grant] = context.writer("keeper").open_pull(
            use.branch(secrets.token_hex(4)),
            base=context.settings.default_branch,
            base_sha=run.tip,
            title=title,
            body=body,
            write={use.path: use.file},
        )
    return opened


def _reviewed(run: EstateRun) -> frozenset[tuple[str, str]]:
    try:
        catalogue = run.context.sources.catalogue(run.tip)
    except InvalidInput:
        # A broken catalogue hides reviews; one too many is asked for, never one too few.
        return frozenset()
    return frozenset((one.grant, one.commit) for one in catalogue.reviews)


def _uses(run: EstateRun) -> Iterator[Use]:
    """Emergency grants that are on the branch, or were removed a short while ago."""
    from pipeline.ending.reviews import Use
    from pipeline.history.lives import lives

    for life in lives(run.context.repository.mainline(run.tip, since=run.context.anchor)):
        removed = life.steps[-1].commit.committed_at
        if (life.present or run.now - removed < _LOOK_BACK) and _emergency(run, life):
            yield Use(grant=life.id, commit=life.added.sha)


def _emergency(run: EstateRun, life: Life) -> bool:
    from pipeline.history.subject_past import readable_versions

    return any(version.emergency for version in readable_versions(run.context.sources, life))
