"""Git's first question of a fetch, `ls-refs`, answered from what is known of refs.

Source: gitprotocol-v2, "ls-refs". Annotated tags and an unborn HEAD are left to git.
"""

from __future__ import annotations

from collections.abc import Mapping

_FLUSH, _DELIMITER = b"0000", b"0001"


def arguments(body: bytes) -> list[str] | None:
    """Returns the arguments of an `ls-refs` request; None for any other request."""
    lines: list[bytes] = []
    at = 0
    while at < len(body):
        size = body[at : at + 4]
        if size in (_FLUSH, _DELIMITER):
            lines.append(size)
            at += 4
        else:
            try:
                end = at + int(size, 16)
            except ValueError:
                return None
            if end < at + 4:
                return None
            lines.append(body[at + 4 : end].rstrip(b"\n"))
            at = end
    if lines[:1] != [b"command=ls-refs"] or lines[-1] != _FLUSH or _DELIMITER not in lines:
        return None
    asked = [line.decode(errors="surrogateescape") for line in lines[:-1]]
    return asked[asked.index("0001") + 1 :]


def answer(asked: list[str], refs: Mapping[str, str], *, head: str) -> bytes | None:
    """Returns the refs that were asked for, *head* being the ref that HEAD names.

    None where git must answer: an argument that is not known here, or an unborn HEAD.
    """
    prefixes = [one.removeprefix("ref-prefix ") for one in asked if one.startswith("ref-prefix ")]
    flags = {one for one in asked if not one.startswith("ref-prefix ")}
    if head not in refs or not flags <= {"peel", "symrefs", "unborn"}:
        return None
    named = {"HEAD": refs[head], **dict(sorted(refs.items()))}
    found = b""
    for name, sha in named.items():
        if prefixes and not name.startswith(tuple(prefixes)):
            continue
        target = f" symref-target:{head}" if name == "HEAD" and "symrefs" in flags else ""
        line = f"{sha} {name}{target}\n".encode(errors="surrogateescape")
        found += f"{len(line) + 4:04x}".encode() + line
    return found + _FLUSH
