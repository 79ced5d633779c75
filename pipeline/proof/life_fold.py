"""Folds the steps of a grant's life into what it gives, and what is left of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.errors import InvalidInput
from pipeline.grants.catalogue import entitlements
from pipeline.grants.later_catalogues import left_in
from pipeline.grants.parse import Parsed
from pipeline.history.lives import Life, LifeStep
from pipeline.history.proofs import Proof
from pipeline.history.proven import Proven, Quarantine, Unproven
from pipeline.history.sources import Sources
from pipeline.judge.grant_changes import takes_away
from pipeline.proof.commit_prover import CommitProver
from pipeline.proof.rule_line import RuleLine
from pipeline.values.catalogue import Entitlement
from pipeline.values.commits import MainlineCommit
from pipeline.values.grant import Access, Grant, window_of
from pipeline.values.grant_change import classify
from pipeline.values.live import LiveGrant

_PUT_BACK = (
    "the old text gives nothing back that was cut off; ask for it in a pull request that changes "
    "the file, be it by a comment"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Folded:
    """What the steps of a life amount to."""

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


class LifeFold:
    """Folds lives on the line of *rules*; *commits* proves each commit."""

    def __init__(self, *, sources: Sources, commits: CommitProver, rules: RuleLine) -> None:
        self._sources = sources
        self._commits = commits
        self._rules = rules

    def fold(self, life: Life, commits: Sequence[MainlineCommit]) -> Folded:
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
        return Folded(
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
        if not self._rules.knows(sha):
            # Before the trusted commit none is made anew.
            return self._commits.recorded(step.commit, before, older=older) or Unproven(
                commit=sha, reasons=("it came before the first commit that is trusted",)
            )
        tainted = self._rules.tainted(_parent(step.commit))
        # Less access is judged by what is sound, so it does not wait for the rules.
        if tainted and not takes_away(self._sources, step.change, head=sha, previous=before):
            return self._rules.judged_while(step.commit, tainted)
        return self._rules.prove(step.commit, before, commits, older=older)

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
            entitlements=entitlements(grant, self._rules.catalogue(_parent(step.commit))),
        )

    def left_by_catalogues(
        self, version: Proven, given: str, commits: Sequence[MainlineCommit], *, anchor: str
    ) -> LiveGrant:
        """Returns what the proven catalogues since the commit *given* leave of *version*; where
        that came before the trusted one, *anchor*, what its catalogue leaves, and those after it.

        What one of them took off stays off.
        """
        seen = not self._rules.knows(given)
        lines = dict(zip(version.grant.access, version.entitlements, strict=True))
        if seen:
            lines = self._left_at(anchor, lines)
        for commit in commits:
            if seen and self._rules.changes_rules(commit.sha):
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
        if self._rules.tainted(sha):
            return lines
        try:
            catalogue = self._sources.catalogue(sha)
        except InvalidInput:
            return lines
        left = {line: left_in(found, catalogue) for line, found in lines.items()}
        return {line: found for line, found in left.items() if found is not None}


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
