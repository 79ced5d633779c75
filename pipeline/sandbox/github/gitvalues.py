"""What git objects say, as values, and how git's own output is read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

ZERO = "0" * 40
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


class GitError(Exception):
    """Git refused, or an object is not there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ident:
    """Name, address and moment in a commit."""

    name: str
    email: str
    date: datetime

    def line(self) -> str:
        """Returns the form used inside commit objects, in UTC."""
        return f"{clean(self.name)} <{clean(self.email)}> {int(self.date.timestamp())} +0000"


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitObject:
    """A commit, parsed."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Ident
    committer: Ident
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One row of a tree; *path* from the tree that was asked for."""

    path: str
    mode: str
    sha: str

    @property
    def type(self) -> str:
        """`blob`, `tree` or `commit` (a submodule)."""
        return {"040000": "tree", "160000": "commit"}.get(self.mode, "blob")


@dataclass(frozen=True, kw_only=True, slots=True)
class FileChange:
    """One file of a difference; *sha* is the blob after it, before it for a removed file."""

    path: str
    status: str
    sha: str
    additions: int
    deletions: int
    previous: str | None = None


_STATUS = {"A": "added", "M": "modified", "D": "removed", "R": "renamed", "T": "changed"}


def parse_changes(tokens: list[str]) -> list[FileChange]:
    """Reads the fields of `git diff-tree -z --raw --numstat`."""
    raw: list[tuple[str, str, str, str | None]] = []
    counts: dict[str, tuple[int, int]] = {}
    queue = iter(tokens)
    for token in queue:
        if token.startswith(":"):
            _, _, before, after, letter = token[1:].split(" ")
            path = next(queue)
            previous = None
            if letter[0] in "RC":
                previous, path = path, next(queue)
            sha = before if letter[0] == "D" else after
            raw.append((path, _STATUS[letter[0]], sha, previous))
        else:
            added, removed, path = token.split("\t", 2)
            if not path:
                next(queue)
                path = next(queue)
            # Binary files have dashes for counts.
            counts[path] = (int(added.replace("-", "0")), int(removed.replace("-", "0")))
    return [
        FileChange(
            path=path,
            status=status,
            sha=sha,
            previous=previous,
            additions=counts.get(path, (0, 0))[0],
            deletions=counts.get(path, (0, 0))[1],
        )
        for path, status, sha, previous in raw
    ]


def raw_name(name: str) -> bytes:
    """Returns a path part as git stores it."""
    return name.encode(errors="surrogateescape")


def clean(text: str) -> str:
    """Returns *text* without what would break a commit header."""
    return "".join(c for c in text if c not in "<>\n\0").strip()


def parse_ident(line: str) -> Ident:
    """Reads `Name <address> seconds zone`."""
    who, _, when = line.rpartition("> ")
    name, _, email = who.partition("<")
    seconds, zone = when.split(" ")
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
    moment = datetime.fromtimestamp(int(seconds), UTC)
    local = moment.astimezone(timezone(-offset if zone[0] == "-" else offset))
    return Ident(name=name.strip(), email=email, date=local)
