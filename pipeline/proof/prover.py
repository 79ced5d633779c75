"""Proof that what is on the default branch is what was approved.

GitHub's merge gate is advice; this is the authority. `commit_prover` proves single commits; here
the proofs of all are folded into what the branch amounts to. What is not proven is quarantined
alone, with its reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.errors import InvalidInput, Undecided
from pipeline.grants.catalogue import entitlements
from pipeline.grants.later_catalogues import left_in
from pipeline.grants.parse import Parsed
from pipeline.history.lives import (
    GRANTS,
    Life,
    LifeStep,
    governing,
    is_governed,
    is_grant,
    lives,
)
from pipeline.history.proofs import Proof
from pipeline.history.proven import BranchState, Proven, Quarantine, Unproven
from pipeline.history.sources import Sources
from pipeline.history.subject_past import latest_end
from pipeline.judge.grant_changes import takes_away
from pipeline.proof.commit_prover import CommitProver
from pipeline.values.catalogue import Catalogue, Entitlement
from pipeline.values.commits import MainlineCommit
from pipeline.values.grant import Access, Grant, window_of
from pipeline.values.grant_change import classify
from pipeline.values.ids import GrantId
from pipeline.values.live import LiveGrant

_PUT_BACK = (
    "the old text gives nothing back that was cut off; ask for it in a pull request that changes "
    "the file, be it by a comment"
)


class Prover:
    """Proves commits of one default branch, from a trusted commit (*anchor*) on.

    *commits* proves each of them.
    """

    def __init__(self, *, sources: Sources, commits: CommitProver) -> None:
        self._sources = sources
        self._commits = commits
        self.assessor = commits.assessor
        # Commit to the governed paths that are not as proven after it.
        self._tainted_after: dict[str, frozenset[str]] = {}
        self._undecided: set[str] = set()
        """Governed paths about which GitHub or git did not answer."""

        self._lines: dict[
            tuple[str, str], tuple[Sequence[MainlineCommit], tuple[Quarantine, ...]]
        ] = {}
        # Commits between which nothing governed changed hold the same catalogue: reading it
        # once for all of them makes a run's cost grow with changes, not with grants.
        self._same_rules: dict[str, str] = {}

    def stand(self, *, anchor: str, tip: str, now: datetime) -> BranchState:
        """Returns what the default branch at *tip* amounts to at *now*.

        Where git or GitHub does not answer about one commit, what it brought is undecided: left
        as the clouds hold it. Raises `ForgeError` where they do not answer at all.
        """
        commits, ungoverned = self._line(anchor, tip)
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
        last_proven = self._sound(commits, anchor)[0]
        for life in present.values():
            end = latest_end(self._sources, life)
            if end is not None and end <= now:
                # Over by its own dates, whatever a proof would say.
                lapsed.append(life)
                continue
            one = self._live(life, commits)
            quarantined.extend(one.quarantined)
            healed.extend(one.healed)
            if one.version is None:
                continue
            # An older version pushed over a person's file must not bring the person back.
            subject = one.version.grant.subject
            asked_to_leave = self._sources.offboarded(last_proven, subject)
            left = asked_to_leave or self._sources.offboarded(tip, subject)
            if (one.asked or left) and not asked_to_leave:
                asked[life.id] = one.asked or one.version
            if one.version.window.ended(now):
                lapsed.append(life)
                continue
            proofs[life.id] = one.proofs
            in_force[life.id] = one.version.commit
            if left:
                continue
            found = self._left_by_catalogues(one.version, one.given, commits)
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
        commits, _ = self._line(anchor, tip)
        found = {life.path: life for life in lives(commits) if life.present}
        life = found.get(path) or self._older_lives([path], tip).get(path)
        if life is None:
            return None
        one = self._live(life, commits)
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
        commits, _ = self._line(anchor, tip)
        latest = {life.id: life for life in lives(commits)}
        nearest = self._sound(commits, anchor)[0]
        found: dict[GrantId, Unproven | None] = {}
        for grant in grants:
            life = latest.get(grant)
            if self._sources.offboarded(nearest, grant.partition("/")[0]):
                found[grant] = None
            elif life is not None and not life.present:
                last = life.steps[-1].commit
                before = self._live(replace(life, steps=life.steps[:-1]), commits).version
                answer = self._prove(last, {life.path: before}, commits)
                if isinstance(answer, Proof):
                    found[grant] = None
                elif not answer.undecided:
                    found[grant] = answer
        return found

    def tainted(self, *, anchor: str, tip: str) -> tuple[Quarantine, ...]:
        """Returns the governed paths that are not as proven at *tip*."""
        return self._line(anchor, tip)[1]

    def sound(self, *, anchor: str, tip: str) -> tuple[str, ...]:
        """Returns the commits up to *tip* at which nothing that decides is unproven, nearest
        first."""
        return self._sound(self._line(anchor, tip)[0], anchor)

    def _line(
        self, anchor: str, tip: str
    ) -> tuple[Sequence[MainlineCommit], tuple[Quarantine, ...]]:
        """Returns the commits after *anchor* up to *tip*, gone through once, and the governed
        paths that are not as proven there."""
        if (anchor, tip) not in self._lines:
            commits = self._sources.objects.mainline(tip, since=anchor)
            self._lines[anchor, tip] = commits, self._taint(commits)
        return self._lines[anchor, tip]

    def _sound(self, history: Sequence[MainlineCommit], anchor: str) -> tuple[str, ...]:
        after = self._tainted_after
        found = [one.sha for one in reversed(history) if one.sha in after and not after[one.sha]]
        return (*found, anchor)

    def _prove(
        self,
        commit: MainlineCommit,
        previous: Mapping[str, Proven | None],
        commits: Sequence[MainlineCommit],
        *,
        older: str | None = None,
    ) -> Proof | Unproven:
        return self._commits.prove(commit, previous, commits, sound=self._sound, older=older)

    def _taint(self, commits: Sequence[MainlineCommit]) -> tuple[Quarantine, ...]:
        """Notes, per commit, the governed paths that are not as proven after it; returns those
        that are not after the last.

        A path heals when it is again exactly what was last proven: a proven change on top of
        an unproven one shows its reviewers only the difference.
        """
        proven: dict[str, tuple[str, str | None]] = {}
        tainted: dict[str, Quarantine] = {}
        governed = {commit.sha for commit in governing(commits)}
        for commit in commits:
            before = frozenset(tainted)
            parent = commit.parents[0] if commit.parents else commit.sha
            self._same_rules[commit.sha] = (
                commit.sha if commit.sha in governed else self._same_rules.get(parent, parent)
            )
            if commit.sha in governed:
                # Unproven policies judge nothing: they could say anything, or fail every run.
                answer = (
                    self._judged_while(commit, before)
                    if before
                    else self._prove(commit, {}, commits)
                )
                for change in commit.changes:
                    if not is_governed(change.path):
                        continue
                    old = (change.old_mode, change.old_blob)
                    new = (change.new_mode, change.new_blob)
                    good = proven.setdefault(change.path, old)
                    if new == good:
                        tainted.pop(change.path, None)
                    elif isinstance(answer, Unproven):
                        tainted[change.path] = Quarantine(
                            path=change.path,
                            commit=commit.sha,
                            reasons=answer.reasons,
                            undecided=answer.undecided,
                            brought=answer.brought,
                        )
                        if answer.undecided:
                            self._undecided.add(change.path)
                    else:
                        proven[change.path] = new
            self._tainted_after[commit.sha] = frozenset(tainted)
        return tuple(tainted[path] for path in sorted(tainted))

    def _live(self, life: Life, commits: Sequence[MainlineCommit]) -> _Judged:
        """Folds the steps of a life: what is proven stands, what is not gives nothing.

        What takes access away waits for no proof, and what it took stays off until it is asked
        for again. For example, of a grant that was proven with four hours:

            one hour, proven                one hour
            one hour, pushed                one hour, and it is told
            ... then four hours, pushed     one hour: that would be more
            ... then four hours, proven     four hours, by the approvals that more access takes
            eight hours, pushed             four hours, and it is told
            ... then four hours, pushed     four hours: it is what was proven, so nothing is told
        """
        version: Proven | None = None
        asked: Proven | None = None
        proofs: list[Proof] = []
        quarantined: list[Quarantine] = []
        healed: list[Quarantine] = []
        given = ""
        text: tuple[str, str | None] | None = None
        """Of the last proven version: mode and blob."""

        def heal() -> None:
            """What came before no longer says anything about what is on the branch."""
            healed.extend(one for one in quarantined if not one.undecided)
            quarantined[:] = [one for one in quarantined if one.undecided]

        for step in life.steps:
            answer = self._answer(step, life.path, version, asked, commits)
            parsed = self._sources.grant_after(step.commit.sha, step.change)
            grant = parsed.grant if parsed else None
            after = (step.change.new_mode, step.change.new_blob)
            if isinstance(answer, Proof) and grant is not None:
                # An older release held a proof against what was proven, whatever was cut since.
                against = asked if asked and answer.previous == asked.commit else version
                if against is not None and classify(against.grant, grant) == "narrow":
                    version = against.narrowed(grant, commit=step.commit.sha)
                else:
                    version = self._given(step, grant, answer, against)
                    given = step.commit.sha
                asked, text = version, after
                proofs.append(answer)
                heal()
                continue
            if after == text and asked is version:
                # It is again what was proven last: as with what governs, that heals.
                heal()
                continue
            found = _quarantine(life.path, step.commit, answer, parsed)
            if after == text:
                found = replace(found, reasons=(*found.reasons, _PUT_BACK))
            quarantined.append(found)
            if version is None:
                # Without a proven beginning there is no window that a later step could keep.
                break
            if grant is not None and classify(version.grant, grant) == "narrow":
                version = version.narrowed(grant, commit=step.commit.sha)
        return _Judged(
            version=version,
            asked=asked if asked is not version else None,
            given=given,
            proofs=tuple(proofs),
            quarantined=tuple(quarantined),
            healed=tuple(healed),
        )

    def _answer(
        self,
        step: LifeStep,
        path: str,
        version: Proven | None,
        asked: Proven | None,
        commits: Sequence[MainlineCommit],
    ) -> Proof | Unproven:
        """Returns the proof of *step*, which changes the *version* in force, or why there is none.

        *asked* is the last version that was proven.
        """
        sha = step.commit.sha
        before = {path: version}
        older = asked.commit if asked else None
        if sha not in self._tainted_after:
            # Before the trusted commit none is made anew.
            return self._commits.recorded(step.commit, before, older=older) or Unproven(
                commit=sha, reasons=("it came before the first commit that is trusted",)
            )
        tainted = self._tainted_after.get(_parent(step.commit))
        # Less access is judged by what is sound, so it does not wait for the rules.
        if tainted and not takes_away(self._sources, step.change, head=sha, previous=before):
            return self._judged_while(step.commit, tainted)
        return self._prove(step.commit, before, commits, older=older)

    def _given(self, step: LifeStep, grant: Grant, proof: Proof, previous: Proven | None) -> Proven:
        """Returns what *grant*, which *step* brought, gives by its *proof*."""
        start = previous.window.start if previous else proof.merged_at
        return Proven(
            commit=step.commit.sha,
            grant=grant,
            window=window_of(grant, merged_at=start),
            # Who asked first keeps the say: an edit must not take it over.
            requester=previous.requester if previous else proof.requester,
            first_duration=previous.first_duration if previous else grant.duration,
            entitlements=entitlements(grant, self._catalogue(_parent(step.commit))),
        )

    def _left_by_catalogues(
        self, version: Proven, given: str, commits: Sequence[MainlineCommit]
    ) -> LiveGrant:
        """Returns what the proven catalogues since the commit *given* leave of *version*.

        What one of them took off stays off.
        """
        seen = given not in self._tainted_after
        lines = dict(zip(version.grant.access, version.entitlements, strict=True))
        for commit in commits:
            if seen and self._same_rules.get(commit.sha) == commit.sha:
                lines = self._left_at(commit.sha, lines)
            seen = seen or commit.sha == given
        access = tuple(line for line in version.grant.access if line in lines)
        return LiveGrant(
            grant=replace(version.grant, access=access) if access else version.grant,
            window=version.window,
            entitlements=tuple(lines[line] for line in access),
        )

    def _left_at(self, sha: str, lines: dict[Access, Entitlement]) -> dict[Access, Entitlement]:
        """Returns what is left of *lines* by the catalogue at *sha*, where that is proven."""
        if self._tainted_after.get(sha):
            return lines
        try:
            catalogue = self._sources.catalogue(sha)
        except InvalidInput:
            return lines
        left = {line: left_in(found, catalogue) for line, found in lines.items()}
        return {line: found for line, found in left.items() if found is not None}

    def _judged_while(self, commit: MainlineCommit, tainted: frozenset[str]) -> Unproven:
        """Returns that *commit* came while *tainted* paths were unproven, or undecided."""
        return Unproven(
            commit=commit.sha,
            reasons=(f"it came while {', '.join(sorted(tainted))} was unproven",),
            undecided=bool(tainted & self._undecided),
        )

    def _catalogue(self, base: str) -> Catalogue:
        return self._sources.catalogue(self._same_rules.get(base, base))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Judged:
    version: Proven | None
    """The one in force."""

    asked: Proven | None
    """The last one that was proven, where nobody with a say cut it down since."""

    given: str
    """The commit that last brought more than there was: what it asks for is as the catalogue had it
    then."""

    proofs: tuple[Proof, ...]
    quarantined: tuple[Quarantine, ...]
    healed: tuple[Quarantine, ...]


def _parent(commit: MainlineCommit) -> str:
    return commit.parents[0] if commit.parents else ""


def _quarantine(
    path: str, commit: MainlineCommit, answer: Proof | Unproven, parsed: Parsed | None
) -> Quarantine:
    """Returns why *commit* gives nothing: it is not proven, or what it brought is no grant."""
    if isinstance(answer, Proof):
        problems = parsed.problems if parsed else ()
        return Quarantine(path=path, commit=commit.sha, reasons=tuple(map(str, problems)))
    return Quarantine(
        path=path,
        commit=commit.sha,
        reasons=answer.reasons,
        undecided=answer.undecided,
        brought=answer.brought,
    )
