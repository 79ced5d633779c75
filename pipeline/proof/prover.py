"""Proof that what is on the default branch is what was approved.

GitHub's merge gate is advice; this is the authority. `commit_prover` proves single commits; here
the proofs of all are folded into what the branch amounts to. What is not proven is quarantined
alone, with its reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from pipeline.errors import InvalidInput, Undecided
from pipeline.history.lives import GRANTS, Life, is_grant, lives
from pipeline.history.proofs import Proof
from pipeline.history.proven import BranchState, Proven, Quarantine, Unproven
from pipeline.history.sources import Sources
from pipeline.history.subject_past import latest_end
from pipeline.proof.commit_prover import CommitProver
from pipeline.proof.life_fold import LifeFold
from pipeline.proof.rule_line import RuleLine
from pipeline.values.ids import GrantId
from pipeline.values.live import LiveGrant


class Prover:
    """Proves commits of one default branch, from a trusted commit (*anchor*) on.

    *commits* proves each of them.
    """

    def __init__(self, *, sources: Sources, commits: CommitProver) -> None:
        self._sources = sources
        self._commits = commits
        self.assessor = commits.assessor
        self._rules = RuleLine(sources=sources, commits=commits)
        self._lives = LifeFold(sources=sources, commits=commits, rules=self._rules)
        self.ended_by: dict[GrantId, Proof] = {}
        """The proofs of deletions that `endings` was asked about."""

    def stand(self, *, anchor: str, tip: str, now: datetime) -> BranchState:
        """Returns what the default branch at *tip* amounts to at *now*.

        Where git or GitHub does not answer about one commit, what it brought is undecided: left
        as the clouds hold it. Raises `ForgeError` where they do not answer at all.
        """
        commits, ungoverned = self._rules.since(anchor, tip)
        live: list[LiveGrant] = []
        lapsed: list[Life] = []
        quarantined: list[Quarantine] = []
        proofs: dict[GrantId, tuple[Proof, ...]] = {}
        asked: dict[GrantId, Proven] = {}
        in_force: dict[GrantId, str] = {}
        healed: list[Quarantine] = []
        reduced: set[GrantId] = set()
        on_branch = [
            entry for entry in self._sources.objects.tree(tip, GRANTS) if is_grant(entry.path)
        ]
        self._sources.prefetch(on_branch)
        present = {life.id: life for life in lives(commits) if life.present}
        begun = {life.path for life in present.values()}
        older = self._older_lives([one.path for one in on_branch if one.path not in begun], tip)
        present |= {life.id: life for life in older.values()}
        try:
            self._sources.catalogue(tip)
        except InvalidInput as error:
            quarantined.extend(
                Quarantine(path=p.path, commit=tip, reasons=(str(p),)) for p in error.problems
            )
        last_proven = self._rules.sound(commits, anchor)[0]
        for life in present.values():
            end = latest_end(self._sources, life)
            if end is not None and end <= now:
                # Over by its own dates, whatever a proof would say.
                lapsed.append(life)
                continue
            one = self._lives.fold(life, commits)
            quarantined.extend(one.quarantined)
            healed.extend(one.healed)
            if one.version is None:
                continue
            # An older version pushed over a person's file must not bring the person back.
            subject = one.version.grant.subject
            asked_to_leave = self._sources.offboarded(last_proven, subject)
            left = asked_to_leave or self._sources.offboarded(tip, subject)
            if (one.asked or left) and not asked_to_leave:
                wide = one.asked or one.version
                found = self._lives.left_by_catalogues(wide, one.given, commits, anchor=anchor)
                asked[life.id] = replace(wide, grant=found.grant, entitlements=found.entitlements)
            if one.version.window.ended(now):
                lapsed.append(life)
                continue
            proofs[life.id] = one.proofs
            in_force[life.id] = one.version.commit
            if left:
                continue
            found = self._lives.left_by_catalogues(one.version, one.given, commits, anchor=anchor)
            if found != one.version.live:
                reduced.add(life.id)
            if found.entitlements:
                live.append(found)
        known = {life.path for life in present.values()}
        quarantined.extend(
            Quarantine(
                path=entry.path,
                commit=anchor,
                reasons=("it was there before the first commit that is trusted",),
            )
            for entry in on_branch
            if entry.path not in known
        )
        return BranchState(
            tip=tip,
            live=tuple(live),
            lapsed=tuple(lapsed),
            quarantined=tuple(sorted(set(quarantined), key=lambda q: (q.path, q.commit))),
            ungoverned=ungoverned,
            proofs=proofs,
            fresh=self.fresh,
            lives=present,
            in_force=in_force,
            asked=asked,
            healed=tuple(healed),
            reduced=frozenset(reduced),
        )

    @property
    def fresh(self) -> tuple[Proof, ...]:
        """The proofs that were made since this prover was."""
        return tuple(self._commits.fresh)

    def last_proven(self, path: str, *, anchor: str, tip: str) -> Proven | None:
        """Returns the last proven version of the grant at *path* in its present life.

        Raises `Undecided` where GitHub or git did not answer about it.
        """
        commits, _ = self._rules.since(anchor, tip)
        found = {life.path: life for life in lives(commits) if life.present}
        life = found.get(path) or self._older_lives([path], tip).get(path)
        if life is None:
            return None
        one = self._lives.fold(life, commits)
        if undecided := [reason for q in one.quarantined if q.undecided for reason in q.reasons]:
            raise Undecided(f"{path}: {undecided[0]}", hint="run it again in a minute")
        return one.version

    def _older_lives(self, paths: Sequence[str], tip: str) -> dict[str, Life]:
        """Returns the present lives at *paths* that began before the trusted commit, and in which
        a recorded proof says that what came before it was approved."""
        if not paths:
            return {}
        history = self._sources.objects.mainline(tip, paths=paths)
        return {
            life.path: life
            for life in lives(history)
            if life.present and life.path in paths and life.added.sha in self._commits.known
        }

    def endings(
        self, grants: Iterable[GrantId], *, anchor: str, tip: str
    ) -> Mapping[GrantId, Unproven | None]:
        """Returns why nobody with a say ended each of *grants*; None where somebody did.

        That is by deleting its file in a proven commit, or by offboarding its person. Grants whose
        file was not deleted since the trusted commit are left out.
        """
        commits, _ = self._rules.since(anchor, tip)
        latest = {life.id: life for life in lives(commits)}
        nearest = self._rules.sound(commits, anchor)[0]
        found: dict[GrantId, Unproven | None] = {}
        for grant in grants:
            life = latest.get(grant)
            if self._sources.offboarded(nearest, grant.partition("/")[0]):
                found[grant] = None
            elif life is not None and not life.present:
                last = life.steps[-1].commit
                before = self._lives.fold(replace(life, steps=life.steps[:-1]), commits).version
                answer = self._rules.prove(last, {life.path: before}, commits)
                if isinstance(answer, Proof):
                    found[grant] = None
                    self.ended_by[grant] = answer
                elif not answer.undecided:
                    found[grant] = answer
        return found

    def tainted(self, *, anchor: str, tip: str) -> tuple[Quarantine, ...]:
        """Returns the governed paths that are not as proven at *tip*."""
        return self._rules.since(anchor, tip)[1]

    def sound(self, *, anchor: str, tip: str) -> tuple[str, ...]:
        """Returns the commits up to *tip* at which nothing that decides is unproven, nearest
        first."""
        return self._rules.sound(self._rules.since(anchor, tip)[0], anchor)
