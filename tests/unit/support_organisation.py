"""A whole organisation in memory: people, their pull requests, the judge, the clouds, the record.

`support_branch` proves and `support_run` runs; here a run really proves what people brought.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pipeline.proof.prover import Prover
from pipeline.provision.lanes import one_after_another
from pipeline.run import estate as room
from pipeline.values.pull_request import Actor, PullFile
from tests.unit.support_branch import Branch
from tests.unit.support_memory import Files
from tests.unit.support_memory import Forge as JudgeForge
from tests.unit.support_run import OneRun, Said, World, _surroundings
from tests.unit.support_world import Forge as RunForge

_OF_A_RUN = frozenset(
    {"comment", "comments", "open_pull", "open_pulls", "pushes", "signatures", "merge_made"}
)


class WholeForge:
    """GitHub, as the judge asks it and as a run does."""

    def __init__(self, judge: JudgeForge, run: RunForge) -> None:
        self._judge = judge
        self._run = run

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run if name in _OF_A_RUN else self._judge, name)

    def files(self, number: int) -> tuple[PullFile, ...]:
        known = number in self._judge.listed
        return self._judge.files(number) if known else self._run.files(number)

    def write_as(self, who: str) -> RunForge:
        return self._run.write_as(who)


class _Run(room.EstateRun):
    """A run that proves what a `Branch` holds."""

    branch_of: Branch

    @property
    def prover(self) -> Prover:  # type: ignore[override]
        made = vars(self).get("made")
        if made is None:
            made = vars(self)["made"] = self.branch_of.prover(self.recorded.proofs)
        return made


class Organisation(World):
    """What outlives a run."""

    def __init__(self, files: Files | None = None) -> None:
        super().__init__()
        self.on = Branch(files)
        """The default branch, and whoever changes it."""

        self.telling = self.forge
        self.forge = WholeForge(self.on.forge, self.telling)  # type: ignore[assignment]
        self._catch_up()

    def _catch_up(self) -> None:
        self.git = self.on.git  # type: ignore[assignment]
        self.anchor, self.tip, self.now = self.on.anchor, self.on.tip, self.on.now

    def bring(self, files: Files, author: Actor, *approvers: Actor) -> int:
        """Brings *files* to the default branch the way that it should be; returns the number."""
        self.on.bring(files, author=author, approved_by=approvers)
        return len(self.on.forge.pulls)

    def run(self, command: str, *arguments: str) -> Said:
        """Carries a whole command out."""
        self._catch_up()
        context = _surroundings(self, {})
        product = _Run(context, both_engines=False)
        product.branch_of = self.on
        found = SimpleNamespace(readers=self.clouds, writers=self.clouds)
        vars(product)["connect"] = lambda needed: found
        vars(product)["lanes"] = one_after_another
        said = OneRun(self, product, context).command(command, *arguments)
        self.on.now = max(self.on.now, self.now)
        return said

    def everything_said(self, said: Said) -> str:
        """Returns all that a run told anybody: on the terminal, on pull requests, on the record."""
        told = [body for one in self.telling.comments_on.values() for body in one.values()]
        alerts = [f"{one['path']}: {one['reasons']}" for one in self.events("alert")]
        return "\n".join([said.out, said.err, str(said.error or ""), *told, *alerts])
