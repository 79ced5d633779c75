"""The first-parent line of the default branch: which tip continues it, and when it is disputed.

Proof goes along first parents, so a push that puts the old tip on another side hides what was
merged before: a fast-forward to a topic branch that the default branch was merged *into* is one.
Such a tip is not accepted. For example, with A the trusted commit and C a revocation:

    A ── B ── C          tips in the order of their pushes: B, C
          \\    \\
           x ── H         then H, whose first parent is x: C is not on its line, so H is disputed
                 \\
           C ──── M       then M, whose first parent is C: accepted; x and H count for nothing
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class BranchLine:
    """The tip of the default branch, and the last tip that continued its line."""

    tip: str
    accepted: str
    """Equal to *tip* where nothing is disputed."""

    branch: str
    lost: str = ""
    """The recorded tip, where git no longer has it on a line that continues the trusted commit."""

    @property
    def dispute(self) -> str:
        """The reason why nothing is added, in words; empty where nothing is disputed."""
        if self.tip == self.accepted and not self.lost:
            return ""
        if self.lost:
            return (
                f"{self.branch} is at {self.tip[:12]}, and {self.lost[:12]}, which a run recorded, "
                "is gone: nothing is added"
            )
        return (
            f"{self.branch} is at {self.tip[:12]}, which has the earlier tip "
            f"{self.accepted[:12]} not on its first-parent line: nothing is added"
        )

    @property
    def way_out(self) -> str:
        """The way in which an administrator of the repository ends the dispute, in words."""
        if self.lost:
            return (
                f"an administrator restores it, git push origin {self.lost}:refs/heads/"
                f"{self.branch}, or trusts another commit: DAYPASS_ANCHOR"
            )
        commit = (
            f"git commit-tree '{self.tip}^{{tree}}' -p {self.accepted} -p {self.tip} "
            f"-m 'Continue {self.accepted[:12]}'"
        )
        return (
            f"an administrator pushes a commit that continues {self.accepted[:12]}: "
            f'git push origin "$({commit})":refs/heads/{self.branch}; what '
            f"{self.tip[:12]} brought stays unproven until it is asked for by pull request"
        )


def branch_line(
    *,
    branch: str,
    anchor: str,
    recorded: str | None,
    pushed: Iterable[str],
    tip: str,
    continues: Callable[[str, str], bool],
    trusted: Callable[[str], bool],
) -> BranchLine:
    """Returns the last tip of *branch* that continued its line, *tip* being the present one.

    *pushed* holds the tips that GitHub lists, oldest first; *recorded* is the tip that the last
    run recorded. *continues* says whether its second argument is on the first-parent line of its
    first; *trusted* whether whoever chose the *anchor* has trusted a commit with it.
    """
    accepted = anchor
    for sha in (*pushed, tip):
        if continues(sha, accepted):
            accepted = sha
    if recorded is None or trusted(recorded):
        return BranchLine(branch=branch, tip=tip, accepted=accepted)
    if not continues(accepted, recorded):
        # What was recorded counts for more than what GitHub lists.
        if not continues(recorded, anchor):
            return BranchLine(branch=branch, tip=tip, accepted=anchor, lost=recorded)
        accepted = recorded
    return BranchLine(branch=branch, tip=tip, accepted=accepted)
