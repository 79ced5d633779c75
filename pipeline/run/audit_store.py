"""The audit branch, read through git and written through GitHub's API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pipeline.errors import ForgeError
from pipeline.forge.git import Repository
from pipeline.forge.github import GitHubReader
from pipeline.forge.github_write import GitHubWriter
from pipeline.record.audit import BRANCH
from pipeline.record.chain import is_chain_file
from pipeline.values.commits import FILE_MODE

_LOCAL = "refs/daypass/record"
_RECORD = f"+refs/heads/{BRANCH}:{_LOCAL}"
_FILE_LIMIT = 64 * 1024 * 1024


class BranchStore:
    """An `AuditStore` on GitHub: the App appends, so that GitHub signs; anyone may read."""

    def __init__(
        self,
        *,
        reader: GitHubReader,
        repository: Repository,
        fetch: Callable[[Sequence[str]], None],
        writer: Callable[[], GitHubWriter],
    ) -> None:
        """*fetch* brings refs of GitHub into *repository*; *writer* is made when first used."""
        self._reader = reader
        self._repository = repository
        self._fetch = fetch
        self._writer = writer
        self._cache: dict[str, Mapping[str, bytes]] = {}

    def load(self) -> tuple[str | None, Mapping[str, bytes]]:
        """See `AuditStore.load`."""
        head = self._reader.tip(BRANCH)
        if head is None:
            return None, {}
        if head not in self._cache:
            if not self._at_hand(head):
                self._fetch([_RECORD])
            self._read(head)
        return head, self._cache[head]

    def _at_hand(self, head: str) -> bool:
        """Whether an earlier run fetched the commit *head* into this clone."""
        try:
            return self._repository.resolve(head) == head
        except ForgeError:
            return False

    def load_from_git(self) -> tuple[str | None, Mapping[str, bytes]]:
        """See `AuditStore.load_from_git`."""
        try:
            self._fetch([_RECORD])
        except ForgeError as error:
            # git-fetch(1) of a branch that is not there; messages are in English, see `forge.git`.
            if "couldn't find remote ref" in error.hint:
                return None, {}
            raise
        head = self._repository.resolve(_LOCAL)
        if head not in self._cache:
            self._read(head)
        return head, self._cache[head]

    def _read(self, head: str) -> None:
        """Reads every file as it was added first, in the order of addition.

        What changes or removes one later is an entry of its own, which is no file of the chain: it
        hides nothing. So is what is no plain file, or is too large to be ours.
        """
        added: dict[str, str] = {}
        for commit in self._repository.mainline(head):
            for change in commit.changes:
                plain = change.new_mode == FILE_MODE and is_chain_file(change.path)
                blob = (plain and change.new_blob) or ""
                if change.status == "A" and change.path not in added:
                    added[change.path] = blob
                else:
                    added[f"{change.path} ({change.status} by {commit.sha[:12]})"] = ""
        wanted = [blob for blob in added.values() if blob]
        contents = self._repository.read_many(wanted, limit=_FILE_LIMIT, leave_out_larger=True)
        self._cache = {head: {path: contents.get(blob, b"") for path, blob in added.items()}}

    def append(self, files: Mapping[str, str], message: str, *, parent: str | None) -> str:
        """See `AuditStore.append`."""
        before = {} if parent is None else self._cache.get(parent)
        head = self._writer().append(BRANCH, files, message, parent=parent)
        if before is not None:
            # What was appended to what was read is what the new commit holds.
            new = {path: text.encode("utf-8") for path, text in files.items()}
            self._cache = {head: {**before, **new}}
        return head
