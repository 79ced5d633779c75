"""Reads the catalogue and grant files from git objects, at a commit.

Everything comes from blobs by their id, never from a working tree: what was approved is what
is read. Sizes are capped before anything is parsed. Taking access away needs no policies, so
they are read elsewhere (`sources`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from pipeline.errors import ForgeError, InvalidInput
from pipeline.grants.annexes import FOLDERS
from pipeline.grants.catalogue import SeenPrincipals, load_catalogue
from pipeline.grants.parse import Parsed, parse_grant
from pipeline.grants.tables import TABLE_LIMIT
from pipeline.grants.teams import TEAMS_FILE, UNDECLARED
from pipeline.reading.yaml_strict import FILE_LIMIT
from pipeline.values.catalogue import Catalogue, Target
from pipeline.values.commits import FILE_MODE, MainlineCommit, TreeChange, TreeEntry
from pipeline.values.problem import Mark, Problem

CATALOGUE = (
    *(f"access/{name}/" for name in ("principals", "targets", "roles", *FOLDERS)),
    TEAMS_FILE,
)

_Catalogue = tuple[Catalogue, tuple[Problem, ...], frozenset[str]]


class Objects(Protocol):
    """A git repository's objects. Raises `ForgeError`."""

    def resolve(self, ref: str) -> str:
        """Returns the commit that *ref* names."""

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Whether *descendant* contains *ancestor*."""

    def merge_base(self, one: str, other: str) -> str:
        """Returns the best common ancestor."""

    def commits_ahead(self, tip: str, base: str) -> frozenset[str]:
        """Returns the commits that *tip* contains and *base* does not. Raises `Denied` where they
        are too many."""

    def tree(self, commit: str, *prefixes: str) -> tuple[TreeEntry, ...]:
        """Returns every leaf, or every one below one of *prefixes*."""

    def read_many(self, blobs: Sequence[str], *, limit: int) -> Mapping[str, bytes]:
        """Returns the content of blobs, refusing larger ones than *limit* bytes."""

    def diff(self, before: str, after: str) -> tuple[TreeChange, ...]:
        """Returns what differs between two commits' trees."""

    def mainline(
        self, tip: str, *, since: str | None = None, paths: Sequence[str] = ()
    ) -> tuple[MainlineCommit, ...]:
        """Returns first-parent commits after *since*, oldest first."""


class BranchFiles:
    """Reads and caches, by tree content, what commits hold: the catalogue and grants."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self._catalogues: dict[tuple[TreeEntry, ...], _Catalogue] = {}
        self._read: dict[str, _Catalogue] = {}
        # What one catalogue shares with the next is read and parsed once.
        self._plain: dict[str, bytes] = {}
        self._principals: SeenPrincipals = {}
        self._contents: dict[str, bytes] = {}
        self._parsed: dict[tuple[str, str], Parsed] = {}

    def catalogue(self, commit: str) -> Catalogue:
        """Returns the catalogue at *commit*. Raises `InvalidInput` with all its problems.

        Owners that are no declared teams do not make it unusable: see `undeclared_owners`.
        """
        catalogue, problems, _ = self._read_catalogue(commit)
        if any(one.code != UNDECLARED for one in problems):
            raise InvalidInput(problems)
        return catalogue

    def undeclared_owners(self, commit: str) -> tuple[Problem, ...]:
        """Returns the owners of targets at *commit* that are no declared teams.

        Two changes that are fine alone can bring one; it must not stop what is about other
        targets.
        """
        _, problems, _ = self._read_catalogue(commit)
        return tuple(one for one in problems if one.code == UNDECLARED)

    def offboarded(self, commit: str, principal: str) -> bool:
        """Whether *principal* has no file at *commit*, or one that says `disabled: true`.

        Whatever else is wrong with the catalogue there. A file that cannot be read says
        neither.
        """
        catalogue, _, paths = self._read_catalogue(commit)
        found = catalogue.principals.get(principal)
        if found is None:
            return f"{CATALOGUE[0]}{principal}.yaml" not in paths
        return found.disabled

    def targets(self, commit: str) -> tuple[Target, ...]:
        """Returns every target at *commit* that can be read, whatever else is wrong there."""
        return tuple(self._read_catalogue(commit)[0].targets.values())

    def _read_catalogue(self, commit: str) -> tuple[Catalogue, tuple[Problem, ...], frozenset[str]]:
        """Returns what can be read, every problem, and the paths of all files."""
        if commit in self._read:
            return self._read[commit]
        entries = self.objects.tree(commit, *CATALOGUE)
        if entries not in self._catalogues:
            odd = _odd(entries, TABLE_LIMIT)
            strange = {problem.path for problem in odd}
            plain = [entry for entry in entries if entry.path not in strange]
            catalogue, problems = load_catalogue(
                self.files(plain, TABLE_LIMIT), seen=self._principals
            )
            paths = frozenset(entry.path for entry in entries)
            self._catalogues[entries] = (catalogue, (*odd, *problems), paths)
        self._read[commit] = self._catalogues[entries]
        return self._read[commit]

    def grant(self, entry: TreeEntry) -> Parsed:
        """Returns the grant that a tree entry holds; anything but a plain file is a problem."""
        if entry.kind != "blob" or entry.mode != FILE_MODE:
            return Parsed(
                problems=(
                    at_top(
                        entry.path,
                        "mode",
                        f"mode {entry.mode} is not that of a plain file ({FILE_MODE})",
                    ),
                )
            )
        if entry.size is None or entry.size > FILE_LIMIT:
            return Parsed(
                problems=(
                    at_top(
                        entry.path,
                        "too-large",
                        f"{entry.size} bytes, a grant holds at most {FILE_LIMIT}",
                    ),
                )
            )
        if entry.blob not in self._contents:
            self.prefetch([entry])
        return self._parse(entry.blob, entry.path)

    def version(self, blob: str, path: str) -> Parsed:
        """Returns the grant at *path* that the blob holds. Raises `ForgeError`."""
        if blob not in self._contents:
            self._contents.update(self.objects.read_many([blob], limit=FILE_LIMIT))
        return self._parse(blob, path)

    def prefetch(self, entries: Sequence[TreeEntry]) -> None:
        """Reads grants of reasonable size at once, so that many cost one process."""
        wanted = [
            entry.blob
            for entry in entries
            if entry.kind == "blob" and entry.size is not None and entry.size <= FILE_LIMIT
        ]
        self._contents.update(self.objects.read_many(wanted, limit=FILE_LIMIT))

    def prefetch_versions(self, changes: Iterable[TreeChange]) -> None:
        """Reads the grants that *changes* left behind at once.

        Where one of them cannot be read, or is larger than a grant may be, each is read by
        itself later, so that it alone is told.
        """
        wanted = {
            change.new_blob
            for change in changes
            if change.new_blob is not None and change.new_mode == FILE_MODE
        }
        with suppress(ForgeError):
            self._contents.update(self.objects.read_many(sorted(wanted), limit=FILE_LIMIT))

    def grant_after(self, commit: str, change: TreeChange) -> Parsed | None:
        """Returns the grant that *change* left behind in *commit*; None for a removal."""
        if change.new_blob is None:
            return None
        if change.new_mode == FILE_MODE and change.new_blob in self._contents:
            return self._parse(change.new_blob, change.path)
        entry = self.entry(commit, change.path)
        if entry is None:
            return Parsed(problems=(at_top(change.path, "missing", f"not in {commit[:7]}"),))
        return self.grant(entry)

    def _parse(self, blob: str, path: str) -> Parsed:
        # The same version is looked at again as part of the past of many others.
        if (blob, path) not in self._parsed:
            self._parsed[blob, path] = parse_grant(self._contents[blob], path=path)
        return self._parsed[blob, path]

    def entry(self, commit: str, path: str) -> TreeEntry | None:
        """Returns what *commit* holds at *path* exactly."""
        for entry in self.objects.tree(commit, path):
            if entry.path == path:
                return entry
        return None

    def files(self, entries: Sequence[TreeEntry], limit: int) -> dict[str, bytes]:
        """Returns the content of *entries* by path. Raises `InvalidInput` for what is no plain
        file of at most *limit* bytes."""
        if odd := _odd(entries, limit):
            raise InvalidInput(odd)
        wanted = [entry.blob for entry in entries if entry.blob not in self._plain]
        self._plain.update(self.objects.read_many(wanted, limit=limit))
        return {entry.path: self._plain[entry.blob] for entry in entries}


def _odd(entries: Sequence[TreeEntry], limit: int) -> tuple[Problem, ...]:
    """Returns a problem for each entry that is no plain file of at most *limit* bytes."""
    return tuple(
        at_top(entry.path, "mode", f"mode {entry.mode} is not that of a plain file")
        if entry.kind != "blob" or entry.mode not in (FILE_MODE, "100755")
        else at_top(entry.path, "too-large", f"{entry.size} bytes, the limit is {limit}")
        for entry in entries
        if entry.kind != "blob"
        or entry.mode not in (FILE_MODE, "100755")
        or (entry.size is not None and entry.size > limit)
    )


def at_top(path: str, code: str, message: str) -> Problem:
    """Returns a problem of a file as a whole."""
    mark = Mark(line=1, column=1)
    return Problem(path=path, line=mark.line, column=mark.column, code=code, message=message)
