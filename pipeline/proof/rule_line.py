"""What decides, commit by commit: the governed paths that are not as proven, and since when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.history.lives import governing, is_governed
from pipeline.history.proofs import Proof
from pipeline.history.proven import Proven, Quarantine, Unproven
from pipeline.history.sources import Sources
from pipeline.proof.commit_prover import CommitProver
from pipeline.values.catalogue import Catalogue
from pipeline.values.commits import MainlineCommit


class RuleLine:
    """The first-parent line of a default branch; *commits* proves each of its commits."""

    def __init__(self, *, sources: Sources, commits: CommitProver) -> None:
        self._sources = sources
        self._commits = commits
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

    def since(
        self, anchor: str, tip: str
    ) -> tuple[Sequence[MainlineCommit], tuple[Quarantine, ...]]:
        """Returns the commits after *anchor* up to *tip*, gone through once, and the governed
        paths that are not as proven there."""
        if (anchor, tip) not in self._lines:
            commits = self._sources.objects.mainline(tip, since=anchor)
            self._lines[anchor, tip] = commits, self._taint(commits)
        return self._lines[anchor, tip]

    def knows(self, sha: str) -> bool:
        """Whether *sha* is one of the commits that were gone through."""
        return sha in self._tainted_after

    def tainted(self, sha: str) -> frozenset[str]:
        """Returns the governed paths that are not as proven after the commit *sha*."""
        return self._tainted_after.get(sha, frozenset())

    def changes_rules(self, sha: str) -> bool:
        """Whether the commit *sha* touched anything that decides."""
        return self._same_rules.get(sha) == sha

    def sound(self, history: Sequence[MainlineCommit], anchor: str) -> tuple[str, ...]:
        """Returns the commits of *history*, which follows *anchor*, at which nothing that decides
        is unproven, nearest first; and *anchor*."""
        after = self._tainted_after
        found = [one.sha for one in reversed(history) if one.sha in after and not after[one.sha]]
        return (*found, anchor)

    def prove(
        self,
        commit: MainlineCommit,
        previous: Mapping[str, Proven | None],
        commits: Sequence[MainlineCommit],
        *,
        older: str | None = None,
    ) -> Proof | Unproven:
        """See `CommitProver.prove`."""
        return self._commits.prove(commit, previous, commits, sound=self.sound, older=older)

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
                    self.judged_while(commit, before) if before else self.prove(commit, {}, commits)
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

    def judged_while(self, commit: MainlineCommit, tainted: frozenset[str]) -> Unproven:
        """Returns that *commit* came while *tainted* paths were unproven, or undecided."""
        return Unproven(
            commit=commit.sha,
            reasons=(f"it came while {', '.join(sorted(tainted))} was unproven",),
            undecided=bool(tainted & self._undecided),
        )

    def catalogue(self, base: str) -> Catalogue:
        """Returns the catalogue at *base*. Raises `InvalidInput` where that cannot be read."""
        return self._sources.catalogue(self._same_rules.get(base, base))
