"""Options of `git fetch`, and what its failures mean. No process.

What git or a bound refuses is refused on every try, so that it is a no and never an outage.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from pipeline.errors import Denied, ForgeError
from pipeline.forge.git_process import Bounds, GitFailed

MEBIBYTE = 1024 * 1024

WHOLE = Bounds(seconds=300, size=4096 * MEBIBYTE)
"""For the default branch and the record, with all their history."""

HEAD = Bounds(seconds=60, size=64 * MEBIBYTE)
"""For the head of one pull request: what the default branch does not hold already."""

LARGEST_BLOB = 2 * MEBIBYTE
"""Bytes of the largest file that comes with a head: more than any file that is read may have."""

_HARMLESS = (
    # A date or a name that git would not write is held against the pull request's own.
    *("badDate", "badDateOverflow", "badTimezone", "zeroPaddedDate", "missingSpaceBeforeDate"),
    *("badEmail", "badName", "missingEmail", "missingNameBeforeEmail", "missingSpaceBeforeEmail"),
    *("missingAuthor", "multipleAuthors", "nulInCommit"),
    # A mode is read as a number, and compared as one.
    *("badFilemode", "zeroPaddedFilemode"),
    # These files are read by nobody here: nothing is ever checked out.
    *("gitattributesBlob", "gitattributesLarge", "gitattributesLineLength", "gitattributesMissing"),
    *("gitattributesSymlink", "gitignoreSymlink", "mailmapSymlink"),
    *("gitmodulesBlob", "gitmodulesLarge", "gitmodulesMissing", "gitmodulesName"),
    *("gitmodulesParse", "gitmodulesPath", "gitmodulesSymlink", "gitmodulesUpdate"),
    "gitmodulesUrl",
)
"""Faults that mislead no reader of objects; one whose tree could be read in two ways is none.

https://git-scm.com/docs/git-fsck#_fsck_messages
"""

_REFUSED = re.compile(r"^fatal: fsck (?:error in pack|failed)", re.MULTILINE)
_NO_FILTER = re.compile(r"^fatal: remote error: filter '.*' not supported", re.MULTILINE)
_OBJECT = re.compile(r"^error: (object [0-9a-f]{7,64}: \w+)", re.MULTILINE)


class Refused(Denied):
    """Raised when git refuses an object that it fetched, or more came than is taken."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryPart:
    """The part of a history to fetch.

    https://git-scm.com/docs/git-fetch (--depth, --filter),
    https://git-scm.com/docs/git-rev-list (--filter)
    """

    depth: int | None = None
    """The number of commits one after the other; None for those that the clone lacks."""

    leave_out: str = ""
    """A filter of objects; empty for none."""

    @property
    def options(self) -> tuple[str, ...]:
        """Options of `git fetch`."""
        depth = (f"--depth={self.depth}",) if self.depth is not None else ()
        # Git remembers the filter of an earlier fetch.
        chosen = f"--filter={self.leave_out}" if self.leave_out else "--no-filter"
        return (*depth, chosen) if self != ALL else ()

    @property
    def unfiltered(self) -> HistoryPart:
        """The same number of commits with all that they hold."""
        return HistoryPart(depth=self.depth)


ALL = HistoryPart()

NEWEST = HistoryPart(depth=1, leave_out=f"blob:limit={LARGEST_BLOB + 1}")
"""One commit with its folders and the files that may be read."""

COMMITS = HistoryPart(depth=2147483647, leave_out="tree:0")
"""Every commit, without files and folders.

An unlimited depth is what makes git fetch, and so check, what the clone holds by some other way.
https://git-scm.com/docs/shallow
"""


def settings(url: str, token: str | None, part: HistoryPart, check: str) -> dict[str, str]:
    """Returns the environment that configures one fetch from *url*.

    *check* says which objects are refused: `strict` all that git finds fault with, `lenient`
    all that could mislead a reader, `none` no one.
    """
    named = [
        ("http.followRedirects", "false"),
        ("transfer.fsckObjects", "false" if check == "none" else "true"),
        # What is fetched beside a clone may build on what we fetched into it.
        ("core.alternateRefsPrefixes", "refs/daypass/"),
    ]
    if part != ALL:
        # One file holds all that comes, so that the bound on files bounds all of it.
        named.append(("fetch.unpackLimit", "1"))
    if check == "lenient":
        named += [(f"fetch.fsck.{name}", "ignore") for name in _HARMLESS]
    if token is not None:
        # The empty value drops headers that a checkout may have left in the repository.
        named.append((f"http.{url}.extraHeader", ""))
        named.append((f"http.{url}.extraHeader", f"Authorization: Basic {basic(token)}"))
    extra = {"GIT_CONFIG_COUNT": str(len(named))}
    for index, (name, value) in enumerate(named):
        extra[f"GIT_CONFIG_KEY_{index}"] = name
        extra[f"GIT_CONFIG_VALUE_{index}"] = value
    return extra


def basic(token: str) -> str:
    """Returns *token* as GitHub takes it from git. Raises `ForgeError` for what is none."""
    if not re.fullmatch(r"[!-~]+", token):
        raise ForgeError("the token for git holds white space or is empty")
    return base64.b64encode(f"x-access-token:{token}".encode()).decode("ascii")


def lacks_filter(error: GitFailed) -> bool:
    """Whether the server serves no such filter as was asked for (git-config(1),
    uploadpackfilter)."""
    return _NO_FILTER.search(error.said) is not None


def refusal(error: GitFailed, *, largest: int, bounds: Bounds) -> Refused | None:
    """Returns what *error* says of what came; None where it says nothing of it.

    *largest* is the size of the largest file that the fetch left unfinished.
    """
    if _REFUSED.search(error.said):
        found = _OBJECT.search(error.said)
        return Refused(f"git refuses {found.group(1) if found else 'what it holds'}")
    if largest >= bounds.size // 512 * 512:
        return Refused(f"it brings more than {bounds.size // 1024} KiB")
    return None
