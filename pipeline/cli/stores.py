"""The audit branch, read through git and written through GitHub's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.record.audit import BRANCH

if TYPE_CHECKING:
    from pipeline.cli.context import Context

_FILE_LIMIT = 64 * 1024 * 1024


class BranchStore:
    """An `AuditStore` on GitHub: the App appends, so that GitHub signs; anyone may read."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._cache: dict[str, Mapping[str, bytes]] = {}

    def load(self) -> tuple[str | None, Mapping[str, bytes]]:
        """See `AuditStore.load`."""
        head = self._context.reader.tip(BRANCH)
        if head is None:
            return None, {}
        if head not in self._cache:
            repository = self._context.repository
            self._context.fetch([f"+refs/heads/{BRANCH}:refs/daypass/record"])
            entries = repository.tree(head)
            contents = repository.read_many([e.blob for e in entries], limit=_FILE_LIMIT)
            self._cache = {head: {entry.path: contents[entry.blob] for entry in entries}}
        return head, self._cache[head]

    def append(self, files: Mapping[str, str], message: str, *, parent: str | None) -> str:
        """See `AuditStore.append`."""
        return self._context.writer("keeper").append(BRANCH, files, message, parent=parent)
