"""The proof of one commit, as it is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

LifeKey = tuple[str, str]
"""A grant's id and the commit of its addition: what tells lives of one path apart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenApproval:
    """An approval that filled a place."""

    review: int
    """GitHub's id of the review."""

    account: int
    """GitHub's id of the account that gave it."""

    person: str
    """The principal whose account that is."""

    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """Why a commit counts. Recorded once, as of the merge; facts outside git included."""

    commit: str
    pull: int
    head: str
    merged_at: datetime
    requester: str | None
    """The principal who opened the pull request; None for an App or a stranger."""

    approvers: tuple[str, ...]
    """Principals, sorted; empty where policy let it merge by itself."""

    decision: str
    """Digest of the decision, which names every rule that ran."""

    previous: str | None = None
    """The commit of the proven version that it was held against; None where there was none."""

    offer: str | None = None
    """Digest of what was shown and is given. This and what follows: None where an older release
    made the proof."""

    check_run: int | None = None
    """GitHub's id of the check run that showed it first."""

    approvals: tuple[GivenApproval, ...] = ()
    merger: str | None = None
    """The login of who merged it; None where GitHub does not say."""

    through: int | None = None
    """The pull request whose merge brought the commit; the one that proves it, `pull`, can be
    another one with the same head."""
