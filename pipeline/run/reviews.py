"""Opens the review of every use of emergency access: part of `apply` and of `expire`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from pipeline.ending.reviews import BRANCH_PREFIX, Use, review_text, unreviewed
from pipeline.errors import Denied, InvalidInput
from pipeline.history.lives import Life, lives
from pipeline.history.subject_past import readable_versions
from pipeline.run.estate import EstateRun

_LOOK_BACK = timedelta(days=7)
"""How long after its removal a grant is still looked at: runs may have been down meanwhile."""


def open_reviews(run: EstateRun, *, nonce: Callable[[], str]) -> dict[str, int]:
    """Opens a pull request for each use that has no review yet; returns grant to number.

    *nonce* gives what makes a branch's name unforeseeable, anew for each.
    Raises `ForgeError`, and `Denied` where open pull requests are too many to be listed; a later
    run opens what this one could not.
    """
    uses = list(_uses(run))
    if not uses:
        return {}
    workspace = run.workspace
    open_paths = {file.path for _, files in run.own_pulls(BRANCH_PREFIX) for file in files}
    opened: dict[str, int] = {}
    for use in unreviewed(uses, reviewed=_reviewed(run), open_paths=open_paths):
        title, body = review_text(use)
        opened[use.grant] = workspace.writer("keeper").open_pull(
            use.branch(nonce()),
            base=workspace.settings.default_branch,
            base_sha=run.tip,
            title=title,
            body=body,
            write={use.path: use.file},
        )
    return opened


def open_reviews_or_warn(run: EstateRun, *, nonce: Callable[[], str]) -> tuple[dict[str, int], int]:
    """Opens reviews as `open_reviews` does, and returns an exit code with them: 1 with a warning
    where open pull requests are too many to be listed, else 0.

    While the tip of the default branch is disputed, none is opened on it.
    """
    if run.line.dispute:
        return {}, 0
    try:
        return open_reviews(run, nonce=nonce), 0
    except Denied as error:
        run.workspace.warn(f"no review of emergency access is opened in this run: {error}")
        return {}, 1


def _reviewed(run: EstateRun) -> frozenset[tuple[str, str]]:
    try:
        catalogue = run.workspace.sources.catalogue(run.tip)
    except InvalidInput:
        # A broken catalogue hides reviews; one too many is asked for, never one too few.
        return frozenset()
    return frozenset((one.grant, one.commit) for one in catalogue.reviews)


def _uses(run: EstateRun) -> Iterator[Use]:
    """Emergency grants that are on the branch, or were removed a short while ago."""
    for life in lives(run.workspace.repository.mainline(run.tip, since=run.workspace.anchor)):
        removed = life.steps[-1].commit.committed_at
        if (life.present or run.now - removed < _LOOK_BACK) and _emergency(run, life):
            yield Use(grant=life.id, commit=life.added.sha)


def _emergency(run: EstateRun, life: Life) -> bool:
    return any(version.emergency for version in readable_versions(run.workspace.sources, life))
