"""Uses of emergency access: which still need their review, and the file that closes one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from pipeline.history.lives import REVIEWS
from pipeline.values.ids import GrantId

BRANCH_PREFIX = "daypass/review-"

_LONGEST = 91
"""Characters of a grant's name that leave room for the rest of a review's, which has 100."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Use:
    """One life of an emergency grant."""

    grant: GrantId
    commit: str
    """The commit that added the grant: what tells lives of one path apart."""

    @property
    def path(self) -> str:
        """Where the review lies that the App proposes: never under a name too long for one."""
        subject, _, name = self.grant.partition("/")
        return f"{REVIEWS}{subject}/{name[:_LONGEST]}-{self.commit[:8]}.yaml"

    def branch(self, nonce: str) -> str:
        """Returns the branch of the review; nobody can open a request from it first, for the
        *nonce*."""
        return f"{BRANCH_PREFIX}{self.commit[:8]}-{nonce}"

    @property
    def file(self) -> str:
        """The review as the App proposes it."""
        return (
            "# Approving this says that the use was justified. Where it was not, close this and\n"
            "# open another review that says misused; either needs two people.\n"
            f"grant: {self.grant}\n"
            f"commit: {self.commit}\n"
            "finding: justified\n"
            "notes: Proposed by Daypass after the use; its approvers found it justified.\n"
        )


def unreviewed(
    uses: Iterable[Use], *, reviewed: Collection[tuple[str, str]], open_paths: Collection[str]
) -> tuple[Use, ...]:
    """Returns the *uses* without a review, on the branch (*reviewed*: grant and commit) or in
    an open pull request (*open_paths*)."""
    return tuple(
        use
        for use in sorted(set(uses))
        if (use.grant, use.commit) not in reviewed and use.path not in open_paths
    )


def review_text(use: Use) -> tuple[str, str]:
    """Returns title and body of the pull request that reviews *use*."""
    subject = use.grant.partition("/")[0]
    title = f"Review the emergency access {use.grant}"
    body = (
        f"{subject} used emergency access without anybody's approval: `{use.grant}`, added by "
        f"{use.commit}. Two people who were no part of it close the review by approving this. "
        "Until then, and once the limit in `settings/emergency` has passed, the next emergency "
        f"access of {subject} is refused.\n\n"
        "Was it justified? The audit branch and the clouds' logs say what was done. If it was "
        "not, close this and open a review with `finding: misused`.\n"
    )
    return title, body
