"""Cleans up after lapsed grants, and opens the pull request that retires them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.ending.expire import BRANCH_PREFIX, Retirement, retire, revert_text
from pipeline.errors import Denied
from pipeline.record.recorded import MISSED
from pipeline.run.converge import Converged, converge
from pipeline.run.estate import EstateRun
from pipeline.run.states import missing_grants
from pipeline.values.ids import GrantId

_TIDY = "expire only takes away; apply adds"


@dataclass(frozen=True, kw_only=True, slots=True)
class Retired:
    """The results of one expire."""

    converged: Converged
    retirement: Retirement
    pull: int | None
    """The pull request that was opened; None where nothing was ready."""

    open: Mapping[int, tuple[str, ...]]
    """Pull requests of earlier runs that are still open, and the files that each deletes."""

    dispute: str
    """Why no pull request was opened although some were ready; empty where none was due."""

    missing: tuple[GrantId, ...]
    """Proven live grants that are not there, which apply makes."""

    @property
    def code(self) -> int:
        """0 nothing left to do but merging, 1 a grant still waits or is missing, 3 something
        could not be reached."""
        if code := self.converged.after.code:
            return code
        done = self.converged
        if self.dispute:
            return 1
        waits = self.retirement.waiting or done.outcome.failed or done.drift or done.surprise
        return 1 if waits or self.missing else 0


def retire_lapsed(run: EstateRun, *, nonce: str) -> Retired:
    """Removes what lapsed grants left in the clouds; opens one pull request for those gone.

    *nonce* makes the branch's name unforeseeable. Where open pull requests are too many to be
    listed none is opened, lest it be one of many for the same files. Raises `ForgeError`.
    """
    workspace, branch = run.workspace, run.branch
    converged = converge(run, run.situation.plan.removals_only(_TIDY, now=run.now))
    opened: dict[int, tuple[str, ...]] = {}
    unlisted = ""
    try:
        for pull, files in run.own_pulls(BRANCH_PREFIX):
            opened[pull] = tuple(file.path for file in files if file.status == "removed")
    except Denied as error:
        unlisted = str(error)
    found = retire(
        branch.lapsed,
        held=converged.after.bindings,
        unreachable=dict(converged.after.unreachable),
        targets_of=run.targets_of(branch.lapsed),
        already_open=[path for paths in opened.values() for path in paths],
    )
    if unlisted:
        workspace.warn(f"no pull request retires lapsed grants in this run: {unlisted}")
        found = found.put_off("open pull requests cannot be listed")
    number = None
    if found.ready and not run.line.dispute:
        title, body = revert_text(found.ready, missed=_missed(run, converged))
        number = workspace.writer("keeper").open_pull(
            found.branch(nonce),
            base=workspace.settings.default_branch,
            base_sha=run.tip,
            title=title,
            body=body,
            delete=found.ready,
        )
    return Retired(
        converged=converged,
        retirement=found,
        pull=number,
        open=opened,
        dispute=run.line.dispute,
        missing=missing_grants(run.situation, converged.after),
    )


def _missed(run: EstateRun, converged: Converged) -> frozenset[str]:
    """Returns the paths of lapsed grants of which nothing was given, as this run found out or an
    earlier one recorded."""
    recorded = run.situation.recorded.states
    return frozenset(
        life.path
        for life in run.branch.lapsed
        if life.id in converged.missed or recorded.get(run.branch.life_key(life.id)) == MISSED
    )
