"""Checks arguments of git, and reads the output of git's plumbing as values. No process.

Checks raise `ForgeError`, so that nothing a pusher chose (a branch called `--upload-pack`,
a path with a newline) can turn into an option or into another record.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from pipeline.errors import ForgeError
from pipeline.values.commits import MainlineCommit, TreeChange, TreeEntry

_OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# git-check-ref-format(1), from `refs/` on; a short name could be a tag as well as a branch.
_REF_BAD = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|[./]$")
_LAST_MOMENT = 221845392000  # 9000-01-01: leaves room for adding what a grant can ask for
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def is_object_id(value: str) -> bool:
    """Whether *value* is a full object id, SHA-1 or SHA-256."""
    return _OBJECT_ID.fullmatch(value) is not None


def object_id(value: str) -> str:
    """Returns *value* if it is a full object id, and not the null one."""
    if not _OBJECT_ID.fullmatch(value) or not value.strip("0"):
        raise ForgeError(f"{value!r} is no full object id")
    return value


def ref_name(value: str) -> str:
    """Returns *value* if it is a full ref name that git-check-ref-format(1) accepts."""
    if not value.startswith("refs/") or _REF_BAD.search(value):
        raise ForgeError(f"{value!r} is no full ref name", hint="write refs/heads/<branch>")
    return value


def refspec(value: str) -> str:
    """Returns *value* if it is `[+]<full ref or id>:<full ref>`."""
    source, separator, target = value.removeprefix("+").partition(":")
    if not separator or source.count("*") != target.count("*") or source.count("*") > 1:
        raise ForgeError(f"{value!r} is no refspec", hint="write <full ref>:<full ref>")
    if not _OBJECT_ID.fullmatch(source):
        ref_name(source.replace("*", "x"))
    ref_name(target.replace("*", "x"))
    return value


def inner_path(value: str) -> str:
    """Returns *value* without trailing slashes, if it is a path from the root on."""
    clean = value.rstrip("/")
    if not clean or "\0" in clean or any(part in ("", ".", "..") for part in clean.split("/")):
        raise ForgeError(f"{value!r} is no path inside a repository")
    return clean


def remote_url(value: str) -> str:
    """Returns *value* if it is a file's URL or absolute path, https, or http on loopback."""
    if value.startswith(("/", "file:///")):
        return value
    parts = urlsplit(value)
    plain = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not (plain or parts.scheme == "https") or not parts.hostname or "@" in parts.netloc:
        # Not shown: it may hold a credential.
        raise ForgeError(
            "the remote is no https URL without credentials",
            hint="write https://<host>/<owner>/<repository>.git",
        )
    return value


def records(output: bytes) -> list[bytes]:
    """Returns the NUL-terminated records of *output*."""
    if output and not output.endswith(b"\0"):
        raise ForgeError("git's answer ends in the middle of a record")
    return output.split(b"\0")[:-1]


def _decode(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _change(meta: bytes, path: bytes) -> TreeChange:
    old_mode, new_mode, old_blob, new_blob, status = meta.decode("ascii").split(" ")
    return TreeChange(
        path=_decode(path),
        status=status,
        old_mode=old_mode.removeprefix(":"),
        new_mode=new_mode,
        old_blob=old_blob if old_blob.strip("0") else None,
        new_blob=new_blob if new_blob.strip("0") else None,
    )


def _changes(changes: list[TreeChange]) -> tuple[TreeChange, ...]:
    # diff.orderFile in the repository's own configuration may have changed the order.
    return tuple(sorted(changes, key=lambda change: change.path.encode("utf-8", "surrogateescape")))


def read_tree(output: bytes, *, left_out: int) -> tuple[TreeEntry, ...]:
    """Reads `git ls-tree -r -z -l`.

    *left_out* is the size that a blob has at least which a partial fetch left out; git has the
    word `BAD` for what is not at hand.
    """
    entries = []
    for record in records(output):
        head, _, path = record.partition(b"\t")
        mode, kind, blob, size = head.decode("ascii").split()
        entries.append(
            TreeEntry(
                path=_decode(path),
                mode=mode,
                kind=kind,
                blob=blob,
                size={"-": None, "BAD": left_out}[size] if size in ("-", "BAD") else int(size),
            )
        )
    return tuple(entries)


def read_diff(output: bytes) -> tuple[TreeChange, ...]:
    """Reads `git diff-tree --raw -z`: `:<meta>NUL<path>NUL` for every change."""
    tokens = iter(records(output))
    return _changes([_change(meta, _next(tokens)) for meta in tokens])


def read_log(output: bytes) -> Iterator[MainlineCommit]:
    """Reads `git log --raw -z --format=tformat:%H %ct %P`.

    That is `<header>NUL` for a commit, then `:<meta>NUL<path>NUL` for every change, the
    first after a newline. A path is taken by its position, so that no name can look like a
    header.
    """
    header: bytes | None = None
    changes: list[TreeChange] = []
    tokens = iter(records(output))
    for token in tokens:
        meta = token.removeprefix(b"\n")
        if meta.startswith(b":"):
            changes.append(_change(meta, _next(tokens)))
            continue
        if header is not None:
            yield _commit(header, changes)
        header, changes = token, []
    if header is not None:
        yield _commit(header, changes)


def _next(tokens: Iterator[bytes]) -> bytes:
    path = next(tokens, None)
    if path is None:
        raise ForgeError("git's answer misses a path")
    return path


def _commit(header: bytes, changes: list[TreeChange]) -> MainlineCommit:
    sha, seconds, *parents = header.decode("ascii").split(" ")
    return MainlineCommit(
        sha=object_id(sha),
        parents=tuple(object_id(parent) for parent in parents if parent),
        committed_at=_moment(seconds),
        changes=_changes(changes),
    )


def _moment(seconds: str) -> datetime:
    # A forged date must not stop the reading of every other commit; it cannot agree with
    # any merge, which is what it is held against.
    if not seconds:
        return datetime.fromtimestamp(0, UTC)
    # int() refuses thousands of digits, which a forged date may have.
    known = int(seconds) if len(seconds) <= 12 else _LAST_MOMENT
    return datetime.fromtimestamp(min(known, _LAST_MOMENT), UTC)


def blob_id(body: bytes, *, like: str) -> str:
    """Returns the id that git gives a blob with these bytes, in the format of *like*."""
    algorithm = "sha1" if len(like) == 40 else "sha256"
    header = f"blob {len(body)}\0".encode("ascii")
    return hashlib.new(algorithm, header + body, usedforsecurity=False).hexdigest()
