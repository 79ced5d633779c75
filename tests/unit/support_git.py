"""A repository that plain git writes, with a moment of its own for every commit."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.forge.git import Repository

NOON = 1795176000  # 2026-11-20T12:00:00Z


@dataclass
class Work:
    """A repository under test, written by plain git with a moment of its own."""

    path: Path
    ticks: int = 0

    @classmethod
    def begin(cls, folder: Path) -> Work:
        """Returns a new repository in *folder*, whose branch is main."""
        folder.mkdir()
        made = cls(folder)
        # Without examples of hooks, which are half of the files of a small repository.
        made.git("init", "--quiet", "--initial-branch=main", "--template=")
        return made

    @property
    def repository(self) -> Repository:
        return Repository(self.path)

    def git(
        self, *arguments: str, stdin: bytes = b"", extra: Mapping[str, str] | None = None
    ) -> str:
        moment = f"{NOON + self.ticks * 60} +0100"
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            # A commit would start another process, to see that there is nothing to tidy up.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "maintenance.auto",
            "GIT_CONFIG_VALUE_0": "false",
            "GIT_AUTHOR_NAME": "Alice",
            "GIT_AUTHOR_EMAIL": "alice@example.com",
            "GIT_COMMITTER_NAME": "Alice",
            "GIT_COMMITTER_EMAIL": "alice@example.com",
            "GIT_AUTHOR_DATE": moment,
            "GIT_COMMITTER_DATE": moment,
            **(extra or {}),
        }
        done = subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            input=stdin,
            capture_output=True,
            check=True,
            env=environment,
        )
        return done.stdout.decode().strip()

    def write(self, path: str, text: str) -> None:
        file = self.path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def commit(self, message: str, extra: Mapping[str, str] | None = None) -> str:
        self.ticks += 1
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message, extra=extra)
        return self.head()

    def head(self) -> str:
        """Returns the commit that is checked out."""
        head = (self.path / ".git" / "HEAD").read_text("utf-8").strip()
        branch = self.path / ".git" / head.removeprefix("ref: ")
        return branch.read_text("utf-8").strip() if branch.is_file() else head

    def raw_commit(self, committer: str, parent: str) -> str:
        """Writes a commit whose committer line git itself would refuse to make."""
        tree = self.git("rev-parse", f"{parent}^{{tree}}")
        text = f"tree {tree}\nparent {parent}\nauthor A <a@b> 1 +0000\ncommitter {committer}\n\nx\n"
        return self.git(
            "hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=text.encode()
        )


def odd_commit(work: Work, parent: str) -> str:
    """Writes a commit on *parent*, with its tree, whose date has a zero before it."""
    tree = work.git("rev-parse", f"{parent}^{{tree}}")
    who = "Alice <alice@example.com>"
    text = f"tree {tree}\nparent {parent}\nauthor {who} 0{NOON} +0000\n"
    return _write(work, "commit", f"{text}committer {who} {NOON} +0000\n\nodd\n".encode())


def odd_tree(work: Work, parent: str) -> str:
    """Writes a commit on *parent* whose tree, in which only README.md lies, has a mode with a
    zero before it."""
    return _of_readme(work, parent, b"0100644 README.md\0", 1)


def doubled_tree(work: Work, parent: str) -> str:
    """Writes a commit on *parent* whose tree has README.md, and nothing else, twice."""
    return _of_readme(work, parent, b"100644 README.md\0", 2)


def _of_readme(work: Work, parent: str, entry: bytes, times: int) -> str:
    blob = bytes.fromhex(work.git("rev-parse", f"{parent}:README.md"))
    tree = _write(work, "tree", (entry + blob) * times)
    who = f"Alice <alice@example.com> {NOON} +0000"
    text = f"tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\nodd\n"
    return _write(work, "commit", text.encode())


def _write(work: Work, kind: str, content: bytes) -> str:
    return work.git("hash-object", "-t", kind, "-w", "--literally", "--stdin", stdin=content)
