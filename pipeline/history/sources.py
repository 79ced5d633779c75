"""Reads catalogue, policies and grant files from git objects, at a commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.errors import InvalidInput
from pipeline.history.branch_files import BranchFiles, Objects, at_top
from pipeline.policy.bundle import load_bundle
from pipeline.policy.engine import PolicyBundle
from pipeline.values.commits import TreeEntry

POLICIES = "policies/"
_POLICY_BYTES = 1024 * 1024


class Sources(BranchFiles):
    """Reads and caches, by tree content, what commits hold: policies too."""

    def __init__(self, objects: Objects) -> None:
        super().__init__(objects)
        self._bundles: dict[tuple[TreeEntry, ...], PolicyBundle] = {}

    def policies(self, commit: str) -> PolicyBundle:
        """Returns the policies at *commit*. Raises `InvalidInput` or `EngineError`."""
        entries = self.objects.tree(commit, POLICIES)
        if entries not in self._bundles:
            self._bundles[entries] = load_bundle(self._texts(entries))
        return self._bundles[entries]

    def policy_files(self, commit: str) -> Mapping[str, str]:
        """Returns the texts below `policies/` at *commit*, tests too, by path below it.

        Raises `InvalidInput` for what is no text.
        """
        return self._texts(self.objects.tree(commit, POLICIES))

    def _texts(self, entries: Sequence[TreeEntry]) -> dict[str, str]:
        return {
            path.removeprefix(POLICIES): _text(path, content)
            for path, content in self.files(
                [e for e in entries if e.path.endswith((".rego", ".yaml", ".json"))],
                _POLICY_BYTES,
            ).items()
        }


def _text(path: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput((at_top(path, "encoding", f"not UTF-8: {error.reason}"),)) from error
