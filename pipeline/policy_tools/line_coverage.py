"""Which lines of the policies ran while their tests did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.policy.bundle import TEST_SUFFIX
from pipeline.policy.engine import PolicyBundle
from pipeline.policy.rego_text import read_module
from pipeline.policy_tools.run_tests import Tried


@dataclass(frozen=True, kw_only=True, slots=True)
class FileCoverage:
    """The lines of one file that can run."""

    path: str
    ran: frozenset[int]
    """In any test."""

    missed: frozenset[int]
    """In none."""

    @property
    def percent(self) -> float:
        """The share of the file that ran, rounded down: 100 is everything."""
        return percent_of(len(self.ran), len(self.missed))


def percent_of(ran: int, missed: int) -> float:
    """Returns how much ran, rounded down to a tenth: 100 is everything."""
    return 100.0 if not missed else int(1000 * ran / (ran + missed)) / 10


def total_percent(files: Sequence[FileCoverage]) -> float:
    """Returns how much of all *files* ran."""
    return percent_of(sum(len(one.ran) for one in files), sum(len(one.missed) for one in files))


def covered_files(
    tried: Iterable[Tried], bundle: PolicyBundle, folder: str
) -> tuple[FileCoverage, ...]:
    """Returns what ran of each file that holds no tests, by path below *folder*."""
    ran: dict[str, frozenset[int]] = {}
    missed: dict[str, frozenset[int]] = {}
    for name, text in bundle.modules.items():
        # The engine names no file of which nothing ran.
        ran[f"{folder}/{name}"] = frozenset()
        missed[f"{folder}/{name}"] = read_module(name, text).lines
    for one in tried:
        for path, lines in one.covered.items():
            missed[path] = (missed[path] if ran[path] else frozenset()) | one.missed[path]
            ran[path] |= lines
    return tuple(
        FileCoverage(path=path, ran=ran[path], missed=missed[path] - ran[path])
        for path in sorted(ran)
        if not path.endswith(TEST_SUFFIX)
    )
