"""One bare git repository, read and written without a process where that is cheap.

Objects are read through one lasting `git cat-file --batch` and written as loose objects;
merging and diffing are git's own, and so is whatever `ancestry` and `ref_files` leave to it.
Whatever is named by immutable object ids is computed once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pipeline.sandbox.github.ancestry import merge_bases, reachable, straight_line
from pipeline.sandbox.github.gitvalues import (
    EMPTY_TREE,
    CommitObject,
    Entry,
    FileChange,
    GitError,
    Ident,
    parse_changes,
    parse_ident,
    raw_name,
)
from pipeline.sandbox.github.ref_files import plain, read_refs, write_refs
from pipeline.sandbox.github.wire import Response


def git_program() -> str:
    """Returns git's absolute path; raises `GitError` where there is none."""
    found = shutil.which("git")
    if found is None:
        raise GitError("git is not on PATH")
    return found


def git_environment(home: Path) -> dict[str, str]:
    """Returns an environment in which no configuration of the machine or user counts."""
    return {
        "PATH": f"{Path(git_program()).parent}{os.pathsep}{os.defpath}",
        "HOME": str(home),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
    }


class GitStore:
    """A bare repository on disk. Callers hold the stand-in's lock while they write."""

    def __init__(self, path: Path, *, default_branch: str) -> None:
        self.path = path
        self._program = git_program()
        self._environment = git_environment(path.parent)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._run(
            "init", "--quiet", "--bare", "--template=", f"--initial-branch={default_branch}",
            str(path), at=path.parent,
        )  # fmt: skip
        (path / "hooks").mkdir()
        with (path / "config").open("a") as config:
            config.write(_CONFIG)
        self._cat: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._objects: dict[str, tuple[str, bytes]] = {}
        self._answers: dict[tuple[str, ...], str] = {}
        self._reachable: dict[str, frozenset[str]] = {}
        self._parents: dict[str, tuple[str, ...]] = {}
        self._refs: dict[str, str] | None = None
        self.hello: Response | None = None
        """How git greets whoever fetches, once it was asked; see `smart_http`."""

    def close(self) -> None:
        """Ends the reader process."""
        with self._lock:
            if self._cat is not None:
                self._cat.communicate()
                self._cat = None

    def _run(
        self, *arguments: str, at: Path | None = None, feed: bytes = b"", ok: Sequence[int] = (0,)
    ) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [self._program, *arguments],
            cwd=at or self.path,
            env=self._environment,
            input=feed,
            capture_output=True,
            check=False,
        )
        if done.returncode not in ok:
            raise GitError(done.stderr.decode(errors="replace").strip() or arguments[0])
        return done

    def _ask(self, *arguments: str) -> str:
        """Returns what git prints; remembered, so all arguments must be immutable."""
        if arguments not in self._answers:
            self._answers[arguments] = self._run(*arguments).stdout.decode(errors="surrogateescape")
        return self._answers[arguments]

    # Objects

    def read(self, sha: str) -> tuple[str, bytes]:
        """Returns an object's type and content; raises `GitError` where it is missing."""
        with self._lock:
            if sha in self._objects:
                return self._objects[sha]
            if len(sha) != 40 or not all(c in "0123456789abcdef" for c in sha):
                raise GitError(f"{sha} is not an object id")
            if self._cat is None:
                self._cat = subprocess.Popen(
                    [self._program, "cat-file", "--batch"],
                    cwd=self.path,
                    env=self._environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            reader, writer = self._cat.stdout, self._cat.stdin
            if reader is None or writer is None:
                raise GitError("git cat-file has no pipes")
            writer.write(f"{sha}\n".encode())
            writer.flush()
            head = reader.readline().split()
            if len(head) != 3:
                raise GitError(f"{sha} is missing")
            content = reader.read(int(head[2]))
            reader.read(1)
            found = head[1].decode(), content
            if len(content) <= 100_000:
                self._objects[sha] = found
            return found

    def has(self, sha: str, kind: str) -> bool:
        """Whether an object of this type is there."""
        try:
            return self.read(sha)[0] == kind
        except GitError:
            return False

    def write(self, kind: str, content: bytes) -> str:
        """Stores a loose object and returns its id."""
        framed = f"{kind} {len(content)}\0".encode() + content
        sha = hashlib.sha1(framed, usedforsecurity=False).hexdigest()
        target = self.path / "objects" / sha[:2] / sha[2:]
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            handle, name = tempfile.mkstemp(dir=target.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(zlib.compress(framed))
            Path(name).chmod(0o444)
            Path(name).replace(target)
        return sha

    def blob(self, sha: str) -> bytes:
        """Returns a blob's bytes."""
        kind, content = self.read(sha)
        if kind != "blob":
            raise GitError(f"{sha} is a {kind}")
        return content

    def commit(self, sha: str) -> CommitObject:
        """Returns a commit, parsed."""
        kind, content = self.read(sha)
        if kind != "commit":
            raise GitError(f"{sha} is a {kind}")
        head, _, message = content.decode(errors="replace").partition("\n\n")
        fields: dict[str, list[str]] = {}
        for line in head.split("\n"):
            key, _, value = line.partition(" ")
            fields.setdefault(key, []).append(value)
        return CommitObject(
            sha=sha,
            tree=fields["tree"][0],
            parents=tuple(fields.get("parent", [])),
            author=parse_ident(fields["author"][0]),
            committer=parse_ident(fields["committer"][0]),
            message=message.removesuffix("\n"),
        )

    def write_commit(
        self, *, tree: str, parents: Iterable[str], author: Ident, committer: Ident, message: str
    ) -> str:
        """Stores a commit and returns its id."""
        lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
        lines += [f"author {author.line()}", f"committer {committer.line()}", "", message]
        return self.write("commit", "\n".join(lines).encode())

    def tree(self, sha: str, *, recursive: bool = False, prefix: str = "") -> list[Entry]:
        """Returns a tree's rows; recursively with every subtree's row before its content."""
        if sha == EMPTY_TREE:
            return []
        kind, content = self.read(sha)
        if kind != "tree":
            raise GitError(f"{sha} is a {kind}")
        rows: list[Entry] = []
        at = 0
        while at < len(content):
            end = content.index(b"\0", at)
            mode, _, name = content[at:end].partition(b" ")
            entry = Entry(
                path=prefix + name.decode(errors="surrogateescape"),
                mode=mode.decode().zfill(6),
                sha=content[end + 1 : end + 21].hex(),
            )
            at = end + 21
            rows.append(entry)
            if recursive and entry.type == "tree":
                rows += self.tree(entry.sha, recursive=True, prefix=f"{entry.path}/")
        return rows

    def entry(self, tree: str, path: str) -> Entry | None:
        """Returns what lies at a path, None where nothing does."""
        found: Entry | None = None
        for part in path.split("/"):
            found = next((row for row in self.tree(tree) if row.path == part), None)
            if found is None:
                return None
            tree = found.sha if found.type == "tree" else EMPTY_TREE
        return Entry(path=path, mode=found.mode, sha=found.sha) if found else None

    def edit_tree(self, base: str, changes: Mapping[str, tuple[str, str] | None]) -> str:
        """Stores *base* with paths set to (mode, id) or removed (None); drops empty folders."""
        rows = {row.path: (row.mode, row.sha) for row in self.tree(base)}
        below: dict[str, dict[str, tuple[str, str] | None]] = {}
        for path, change in changes.items():
            name, slash, rest = path.partition("/")
            if slash:
                below.setdefault(name, {})[rest] = change
            elif change is None:
                rows.pop(name, None)
            else:
                rows[name] = change
        for name, inner in below.items():
            mode, sha = rows.get(name, ("040000", EMPTY_TREE))
            changed = self.edit_tree(sha if mode == "040000" else EMPTY_TREE, inner)
            if changed == EMPTY_TREE:
                rows.pop(name, None)
            else:
                rows[name] = ("040000", changed)
        # Git sorts folders as if their names ended in a slash.
        order = sorted(rows, key=lambda n: raw_name(n) + (b"/" if rows[n][0] == "040000" else b""))
        content = b"".join(
            rows[name][0].lstrip("0").encode() + b" " + raw_name(name) + b"\0"
            + bytes.fromhex(rows[name][1])
            for name in order
        )  # fmt: skip
        return self.write("tree", content)

    # Refs

    def refs(self) -> dict[str, str]:
        """Returns every ref with the object it names."""
        if self._refs is None:
            self._refs = read_refs(self.path)
        if self._refs is None:
            listed = self._run("for-each-ref", "--format=%(objectname) %(refname)").stdout.decode()
            pairs = (line.split(" ", 1) for line in listed.splitlines())
            self._refs = {ref: sha for sha, ref in pairs}
        return self._refs

    def forget_refs(self) -> None:
        """Reads refs anew next time: somebody else may have moved them."""
        self._refs = None

    def head(self, branch: str) -> str | None:
        """Returns a branch's tip, None where there is no such branch."""
        return self.refs().get(f"refs/heads/{branch}")

    def set_refs(self, changes: Mapping[str, str | None]) -> None:
        """Moves, creates or (None) deletes refs, all or none."""
        known = dict(self.refs())
        # Whatever a failure leaves behind is read anew.
        self.forget_refs()
        commits = all(sha is None or self.has(sha, "commit") for sha in changes.values())
        if not commits or not write_refs(self.path, known, changes):
            lines = [
                f"update {ref} {sha}\n" if sha is not None else f"delete {ref}\n"
                for ref, sha in changes.items()
            ]
            self._run("update-ref", "--stdin", feed="".join(lines).encode())
        self._refs = {ref: sha for ref, sha in {**known, **changes}.items() if sha is not None}

    def valid_ref(self, ref: str) -> bool:
        """Whether git would accept the name."""
        return plain(ref) or self._run("check-ref-format", ref, ok=(0, 1)).returncode == 0

    # Histories; every argument is an object id

    def _before(self, sha: str) -> tuple[str, ...]:
        """Returns a commit's parents."""
        if sha not in self._parents:
            self._parents[sha] = self.commit(sha).parents
        return self._parents[sha]

    def _reach(self, sha: str) -> frozenset[str]:
        """Returns a commit and all before it."""
        if sha not in self._reachable:
            self._reachable[sha] = reachable(sha, self._before)
        return self._reachable[sha]

    def merge_base(self, one: str, other: str) -> str | None:
        """Returns the best common ancestor, None for unrelated histories."""
        if self.has(one, "commit") and self.has(other, "commit"):
            best = merge_bases(self._reach(one), self._reach(other), self._before)
            if len(best) < 2:
                return next(iter(best), None)
        # Which of several is by date; and a tag is followed.
        key = ("merge-base", one, other)
        if key not in self._answers:
            self._answers[key] = self._run(*key, ok=(0, 1)).stdout.decode()
        return self._answers[key].strip() or None

    def is_ancestor(self, one: str, other: str) -> bool:
        """Whether *other* contains *one*."""
        return one == other or self.merge_base(one, other) == one

    def walk(self, tip: str, *, without: str | None = None, path: str = "") -> list[str]:
        """Returns commits reachable from *tip* but not from *without*, newest first."""
        if not path and all(self.has(sha, "commit") for sha in (tip, without) if sha):
            hidden = self._reach(without) if without else frozenset()
            if (found := straight_line(tip, hidden, self._before)) is not None:
                return found
        hide = [f"^{without}"] if without else []
        return self._ask("rev-list", "--topo-order", tip, *hide, "--", *([path] if path else []))\
            .split()  # fmt: skip

    def changes(self, old: str, new: str) -> list[FileChange]:
        """Returns the files that differ between two trees or commits, renames detected."""
        told = self._ask("diff-tree", "-r", "-M", "-z", "--raw", "--numstat", old, new)
        return parse_changes(told.split("\0")[:-1])

    def merge(self, ours: str, theirs: str) -> str | None:
        """Returns the merged tree's id, None on a conflict."""
        key = ("merge-tree", "--write-tree", "--allow-unrelated-histories", ours, theirs)
        if key not in self._answers:
            done = self._run(*key, ok=(0, 1))
            self._answers[key] = done.stdout.decode().split("\n")[0] if not done.returncode else ""
        return self._answers[key] or None


_CONFIG = """[receive]
\thideRefs = refs/pull
\tautogc = false
[uploadpack]
\tallowAnySHA1InWant = true
\tallowFilter = true
[gc]
\tauto = 0
"""
