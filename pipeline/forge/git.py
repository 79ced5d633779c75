"""The only file that runs git: object facts by id, in few processes, with nothing trusted.

Whoever can push chooses branch names, paths, dates and file contents, so ids and refs are
checked before they become arguments, paths are read NUL-separated, and no configuration
but ours, no hook, no replace ref and no graft takes part.
"""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pipeline.errors import ForgeError
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

_REGULAR = frozenset({"100644", "100755"})

ENVIRONMENT = ("PATH", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE")
"""Names that a caller may pass on to git; everything else is left out."""

_FIXED_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": "/dev/null",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ALLOW_PROTOCOL": "https:http:file",
    "GIT_ASKPASS": "true",
    "LC_ALL": "C",
}
_GIT = (
    "git",
    "--no-pager",
    "--literal-pathspecs",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.attributesFile=/dev/null",
    "-c",
    "protocol.ext.allow=never",
    "-c",
    "credential.helper=",
    "-c",
    "log.showRoot=true",
)
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
        self._timeout = timeout
        passed = environment or {}
        self._environment = {name: passed[name] for name in ENVIRONMENT if name in passed}
        self._environment |= _FIXED_ENVIRONMENT
        # Without it, git would look for a repository in every folder above.
        self._environment["GIT_CEILING_DIRECTORIES"] = str(self.path.parent)
        self._full_history = False
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
        """Returns the best common ancestor; none, or several, is an error."""
        self._need_full_history()
        done = self._run(
            "merge-base", "--all", "--", object_id(one), object_id(other), accept=(0, 1)
        )
        bases = done.stdout.decode("ascii").split()
        if len(bases) != 1:
            raise ForgeError(
                f"{one[:12]} and {other[:12]} have {len(bases)} merge bases, not one",
                hint="rebase the branch onto the default branch",
            )
        return bases[0]

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
            found = self._trees[asked] = read_tree(done.stdout)
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

    def read_many(self, blobs: Iterable[str], *, limit: int) -> dict[str, bytes]:
        """Returns the bytes of every blob in *blobs*, each proven to have that id.

        One that is missing, no blob, or over *limit* bytes is an error: where that may
        happen, look at `TreeEntry.size` first.
        """
        wanted = sorted({object_id(blob) for blob in blobs})
        if not wanted:
            return {}
        request = "".join(f"{blob}\n" for blob in wanted).encode("ascii")
        # Sizes first: an oversized blob must not be read at all.
        if not all(blob in self._sizes for blob in wanted):
            self._ask_sizes(wanted, request)
        for blob in wanted:
            if self._sizes[blob] > limit:
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

    def fetch(self, remote: str, refspecs: Sequence[str], *, token: str | None = None) -> None:
        """Fetches *refspecs* from the URL or absolute path *remote*; tags are not followed.

        A refspec is `[+]<full ref or id>:<full ref>`, both sides with at most one `*`.
        *token* goes to git in its environment, for this URL only, and is not sent to where
        a redirect points. Plain http is for loopback.
        """
        url = remote_url(remote)
        command = [refspec(spec) for spec in refspecs]
        if not command:
            raise ForgeError("nothing to fetch was named")
        secrets: tuple[str, ...] = ()
        settings = [("http.followRedirects", "false"), ("transfer.fsckObjects", "true")]
        if token is not None:
            if not re.fullmatch(r"[!-~]+", token):
                raise ForgeError("the token for git holds white space or is empty")
            basic = base64.b64encode(f"x-access-token:{token}".encode()).decode("ascii")
            secrets = (token, basic)
            # The empty value drops headers that a checkout may have left in the repository.
            settings.append((f"http.{url}.extraHeader", ""))
            settings.append((f"http.{url}.extraHeader", f"Authorization: Basic {basic}"))
        extra = {"GIT_CONFIG_COUNT": str(len(settings))}
        for index, (name, value) in enumerate(settings):
            extra[f"GIT_CONFIG_KEY_{index}"] = name
            extra[f"GIT_CONFIG_VALUE_{index}"] = value
        self._run(
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-auto-maintenance",
            "--no-write-fetch-head",
            "--end-of-options",
            url,
            *command,
            extra=extra,
            secrets=secrets,
        )
        self._full_history = False

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
    ) -> subprocess.CompletedProcess[bytes]:
        try:
            done = subprocess.run(
                [*_GIT, "-C", str(self.path), *arguments],
                input=stdin,
                capture_output=True,
                check=False,
                timeout=self._timeout,
                env={**self._environment, **(extra or {})},
            )
        except FileNotFoundError as error:
            raise ForgeError("git was not found", hint="install git 2.36 or later") from error
        except (OSError, ValueError) as error:
            raise ForgeError(f"git {arguments[0]} could not be started: {error}") from error
        except subprocess.TimeoutExpired:
            # Not chained: the exception carries the command line.
            raise ForgeError(
                f"git {arguments[0]} took longer than {self._timeout:g} s in {self.path}"
            ) from None
        if done.returncode not in accept:
            said = done.stderr.decode("utf-8", "replace").strip()
            for secret in secrets:
                said = said.replace(secret, "[redacted]")
            raise ForgeError(
                f"git {arguments[0]} failed in {self.path} (status {done.returncode})",
                hint=said[-500:] or "git gave no reason",
            )
        return done
