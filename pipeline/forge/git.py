"""Object facts of a git repository by id, in few processes, with nothing trusted.

Whoever can push chooses branch names, paths, dates and file contents, so ids and refs are
checked before they become arguments, and paths are read NUL-separated.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pipeline.errors import Denied, ForgeError
from pipeline.forge.fetching import (
    ALL,
    LARGEST_BLOB,
    WHOLE,
    HistoryPart,
    basic,
    lacks_filter,
    refusal,
    settings,
)
from pipeline.forge.git_process import Bounds, GitFailed, GitProcesses
from pipeline.forge.plumbing import (
    blob_id,
    inner_path,
    is_object_id,
    object_id,
    read_diff,
    read_log,
    read_tree,
    ref_name,
    refspec,
    remote_url,
)
from pipeline.values.commits import MainlineCommit, TreeChange, TreeEntry

MOST_AHEAD = 10_000
"""Commits of one branch that are looked at."""

_REGULAR = frozenset({"100644", "100755"})

_RAW = (
    "-r",
    "--raw",
    "-z",
    "--no-abbrev",
    "--no-renames",
    "--no-relative",
    "--no-ext-diff",
    "--no-textconv",
    # A pushed .gitmodules may say `ignore = all`, which would hide submodule changes.
    "--ignore-submodules=none",
)


_Mainline = tuple[MainlineCommit, ...]


class Repository:
    """One local repository, bare or not. Every method raises `ForgeError` on failure.

    Ids are full object ids, refs are full names (`refs/heads/main`) or `HEAD`. Of
    *environment*, only the names in `ENVIRONMENT` reach git. *timeout* is in seconds, for
    each git process.

    What an id names never changes, so trees, histories and ancestries are asked for once.
    """

    def __init__(
        self, path: Path, *, environment: Mapping[str, str] | None = None, timeout: float = 300
    ) -> None:
        self.path = path.absolute()
        self._given = dict(environment or {})
        self._timeout = timeout
        self._git = GitProcesses(self.path, environment=self._given, timeout=timeout)
        self._full_history = False
        self._object_folder: Path | None = None
        self._mainlines: dict[tuple[str, str | None, tuple[str, ...]], _Mainline] = {}
        self._trees: dict[tuple[str, tuple[str, ...]], tuple[TreeEntry, ...]] = {}
        self._ancestors: dict[tuple[str, str], bool] = {}
        self._sizes: dict[str, int] = {}

    def resolve(self, ref: str) -> str:
        """Returns the id of the commit that *ref* names; annotated tags are followed."""
        if is_object_id(ref) or ref == "HEAD":
            start = ref
        else:
            # rev-parse would also try refs/tags/<ref>; show-ref takes the name as it is.
            start = self._text("show-ref", "--verify", "--hash", "--", ref_name(ref))
        return self._text("rev-parse", "--verify", "--end-of-options", f"{start}^{{commit}}")

    def is_shallow(self) -> bool:
        """Whether history was cut off when it was fetched."""
        return self._text("rev-parse", "--is-shallow-repository") != "false"

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Whether *ancestor* is reachable from *descendant*; a commit is its own ancestor."""
        self._need_full_history()
        pair = object_id(ancestor), object_id(descendant)
        if pair not in self._ancestors:
            done = self._run("merge-base", "--is-ancestor", "--", *pair, accept=(0, 1))
            self._ancestors[pair] = done.returncode == 0
        return self._ancestors[pair]

    def merge_base(self, one: str, other: str) -> str:
        """Returns the best common ancestor. Raises `Denied` where there is none, or several."""
        self._need_full_history()
        done = self._run(
            "merge-base", "--all", "--", object_id(one), object_id(other), accept=(0, 1)
        )
        bases = done.stdout.decode("ascii").split()
        if len(bases) != 1:
            raise Denied(
                f"{one[:12]} and {other[:12]} have {len(bases)} merge bases, not one",
                hint="rebase the branch onto the default branch",
            )
        return bases[0]

    def commits_ahead(self, tip: str, base: str) -> frozenset[str]:
        """Returns the commits that *tip* contains and *base* does not. Raises `Denied` where they
        are more than `MOST_AHEAD`."""
        self._need_full_history()
        most = f"--max-count={MOST_AHEAD + 1}"
        found = self._text("rev-list", most, object_id(tip), f"^{object_id(base)}", "--").split()
        if len(found) > MOST_AHEAD:
            raise Denied(
                f"{tip[:12]} brings more than {MOST_AHEAD} commits",
                hint="bring the change as one new commit on a new branch",
            )
        return frozenset(found)

    def mainline(
        self, tip: str, *, since: str | None = None, paths: Sequence[str] = ()
    ) -> tuple[MainlineCommit, ...]:
        """Returns the first-parent commits from after *since* up to *tip*, oldest first.

        Each carries everything that it changed against its first parent (a root: against
        the empty tree). With *paths*, files or folders, only commits that touch one of them
        are listed, still with all their changes. *since* must lie on the first-parent line
        of *tip*: a rewritten or wrongly merged branch is an error. A committer date that
        git cannot read comes as 1970-01-01, one in the far future as 9000-01-01.
        """
        self._need_full_history()
        asked = object_id(tip), since, tuple(inner_path(path) for path in paths)
        if asked not in self._mainlines:
            self._mainlines[asked] = self._mainline(*asked)
        return self._mainlines[asked]

    def _mainline(self, tip: str, since: str | None, limit: Sequence[str]) -> _Mainline:
        scope = [tip]
        if since is not None:
            scope.append(f"^{object_id(since)}")
        done = self._run(
            "log",
            "--first-parent",
            "--diff-merges=first-parent",
            *_RAW,
            "--full-diff",
            "--no-follow",
            "--no-show-signature",
            "--no-notes",
            "--no-mailmap",
            "--no-color",
            "--reverse",
            "--format=tformat:%H %ct %P",
            *scope,
            "--",
            *limit,
        )
        commits = tuple(read_log(done.stdout))
        if since is not None:
            # With a limit, the oldest commit listed need not be the oldest there is.
            oldest = self._first_after(scope) if limit else next(iter(commits), None)
            if (oldest.parents[:1] if oldest else (tip,)) != (since,):
                raise ForgeError(
                    f"{since[:12]} is not on the first-parent line of {tip[:12]}",
                    hint="the branch was rewritten or merged the wrong way round; look at its "
                    "history",
                )
        return commits

    def _first_after(self, scope: Sequence[str]) -> MainlineCommit | None:
        """Returns the oldest commit of *scope*, without what it changed."""
        form = ("--format=tformat:%H %ct %P", "--no-patch", "--reverse")
        done = self._run("log", "--first-parent", "--no-show-signature", *form, *scope, "--")
        return next(iter(read_log(done.stdout)), None)

    def configured(self, name: str) -> str | None:
        """Returns what the repository's own configuration says of *name*, None for nothing."""
        if not re.fullmatch(r"[a-z]+\.[a-z]+", name):
            raise ForgeError(f"{name!r} is no name of a setting")
        done = self._run("config", "--local", "--get", name, accept=(0, 1))
        return done.stdout.decode("utf-8", "replace").strip() or None

    def tree(self, commit: str, *prefixes: str) -> tuple[TreeEntry, ...]:
        """Returns every leaf of *commit*'s tree by path, or those at or below the folders
        *prefixes*."""
        asked = object_id(commit), tuple(inner_path(prefix) for prefix in prefixes)
        if asked not in self._trees:
            below = ["--", *asked[1]] if prefixes else []
            done = self._run("ls-tree", "-r", "-z", "-l", "--full-tree", commit, *below)
            found = self._trees[asked] = read_tree(done.stdout, left_out=LARGEST_BLOB + 1)
            self._sizes |= {one.blob: one.size for one in found if one.size is not None}
        return self._trees[asked]

    def diff(self, before: str, after: str) -> tuple[TreeChange, ...]:
        """Returns what differs between two commits' trees."""
        done = self._run("diff-tree", *_RAW, object_id(before), object_id(after), "--")
        return read_diff(done.stdout)

    def read(self, what: str | tuple[str, str], *, limit: int) -> bytes:
        """Returns a file's bytes, by blob id or by commit and path; at most *limit* bytes.

        By path, only regular files are read: a symlink's target is no file content.
        """
        if isinstance(what, tuple):
            commit, path = what
            found = [entry for entry in self.tree(commit, path) if entry.path == path]
            if len(found) != 1 or found[0].mode not in _REGULAR:
                raise ForgeError(f"{path!r} is no regular file at {commit[:12]}")
            what = found[0].blob
        return self.read_many([what], limit=limit)[what]

    def read_many(
        self, blobs: Iterable[str], *, limit: int, leave_out_larger: bool = False
    ) -> dict[str, bytes]:
        """Returns the bytes of every blob in *blobs*, each proven to have that id.

        One that is missing, no blob, or (unless those are left out) over *limit* bytes is an
        error: where that may happen, look at `TreeEntry.size` first.
        """
        wanted = sorted({object_id(blob) for blob in blobs})
        if not wanted:
            return {}
        request = "".join(f"{blob}\n" for blob in wanted).encode("ascii")
        # Sizes first: an oversized blob must not be read at all.
        if not all(blob in self._sizes for blob in wanted):
            self._ask_sizes(wanted, request)
        larger = [blob for blob in wanted if self._sizes[blob] > limit]
        if larger and leave_out_larger:
            return self.read_many(set(wanted) - set(larger), limit=limit)
        for blob in larger:
            raise ForgeError(
                f"blob {blob[:12]} has {self._sizes[blob]} bytes, the limit is {limit}"
            )
        contents = self._run("cat-file", "--batch", stdin=request).stdout
        result: dict[str, bytes] = {}
        at = 0
        for blob in wanted:
            end = contents.index(b"\n", at)
            fields = contents[at:end].split(b" ")
            if len(fields) != 3:
                raise ForgeError(f"object {blob[:12]} is {fields[-1].decode()}, and was there")
            size = int(fields[2])
            body = contents[end + 1 : end + 1 + size]
            if blob_id(body, like=blob) != blob:
                raise ForgeError(
                    f"blob {blob[:12]} holds other bytes than its id says",
                    hint="the local repository is damaged: clone it again",
                )
            result[blob] = body
            at = end + size + 2
        return result

    def _ask_sizes(self, blobs: Sequence[str], request: bytes) -> None:
        """Notes the sizes of *blobs*; one that is missing or no blob is an error."""
        done = self._run("cat-file", "--batch-check", stdin=request)
        for blob, line in zip(blobs, done.stdout.decode("ascii").splitlines(), strict=True):
            fields = line.split(" ")
            if fields[:2] != [blob, "blob"]:
                raise ForgeError(
                    f"object {blob[:12]} is {' '.join(fields[1:2])}, not a blob",
                    hint="fetch the commit that holds it",
                )
            self._sizes[blob] = int(fields[2])

    def fetch(
        self,
        remote: str,
        refspecs: Sequence[str],
        *,
        token: str | None = None,
        part: HistoryPart = ALL,
        bounds: Bounds = WHOLE,
        check: Literal["strict", "lenient", "none"] = "strict",
    ) -> None:
        """Fetches *refspecs* from the URL or absolute path *remote*; tags are not followed.

        A refspec is `[+]<full ref or id>:<full ref>`, both sides with at most one `*`.
        *token* goes to git in its environment, for this URL only, and is not sent to where
        a redirect points. Plain http is for loopback. Raises `Refused` where *bounds* or what
        is refused by *check* (see `settings`) would stand in the way of every try, and
        `TooSlow`.
        """
        url = remote_url(remote)
        command = [refspec(spec) for spec in refspecs]
        if not command:
            raise ForgeError("nothing to fetch was named")
        before = self._unfinished()
        try:
            self._run(
                "fetch",
                "--quiet",
                "--no-tags",
                "--no-recurse-submodules",
                "--no-auto-maintenance",
                "--no-write-fetch-head",
                *part.options,
                "--end-of-options",
                url,
                *command,
                extra=settings(url, token, part, check),
                secrets=(token, basic(token)) if token is not None else (),
                bounds=bounds,
            )
        except GitFailed as error:
            if part.leave_out and lacks_filter(error):
                more = part.unfiltered
                self.fetch(remote, refspecs, token=token, part=more, bounds=bounds, check=check)
                return
            left = [size for name, size in self._unfinished().items() if name not in before]
            refused = refusal(error, largest=max(left, default=0), bounds=bounds)
            if refused is None:
                raise
            raise refused from error
        self._full_history = False

    def beside(self, folder: Path) -> Repository:
        """Returns a new bare repository in the empty *folder*: each sees the other's objects.

        What is cut off there, as a fetch of a part of a history does, cuts nothing off here.
        https://git-scm.com/docs/gitrepository-layout (objects/info/alternates)
        """
        other = Repository(folder, environment=self._given, timeout=self._timeout)
        other._run("init", "--quiet", "--bare", "--template=", ".")
        note = other._objects() / "info" / "alternates"
        note.parent.mkdir(exist_ok=True)
        note.write_bytes(os.fsencode(self._objects()) + b"\n")
        self._git.see_objects(other._objects())
        return other

    def _objects(self) -> Path:
        """Returns the folder of this repository's objects; a linked worktree has it elsewhere."""
        if self._object_folder is None:
            found = self._run("rev-parse", "--git-path", "objects").stdout.removesuffix(b"\n")
            self._object_folder = self.path / os.fsdecode(found)
        return self._object_folder

    def _unfinished(self) -> dict[str, int]:
        """Returns the files that fetches have begun and not yet renamed, with their sizes."""
        found: dict[str, int] = {}
        for one in (self._objects() / "pack").glob("tmp_*"):
            with suppress(FileNotFoundError):
                found[one.name] = one.stat().st_size
        return found

    def _need_full_history(self) -> None:
        if not self._full_history and self.is_shallow():
            raise ForgeError(
                f"{self.path} is a shallow clone, so its history proves nothing",
                hint="fetch all of it (actions/checkout: fetch-depth: 0)",
            )
        self._full_history = True

    def _text(self, *arguments: str) -> str:
        return self._run(*arguments).stdout.decode("ascii", "replace").strip()

    def _run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        accept: tuple[int, ...] = (0,),
        extra: Mapping[str, str] | None = None,
        secrets: tuple[str, ...] = (),
        bounds: Bounds | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        return self._git.run(
            *arguments, stdin=stdin, accept=accept, extra=extra, secrets=secrets, bounds=bounds
        )
