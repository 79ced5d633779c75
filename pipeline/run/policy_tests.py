"""Runs the tests of a folder of policies on the embedded engine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.policy.bundle import load_bundle
from pipeline.policy.engine import PolicyBundle
from pipeline.policy_tools.line_coverage import FileCoverage, covered_files
from pipeline.policy_tools.run_tests import Tried, try_tests
from pipeline.run.offline import policy_folder, read_policy_files
from pipeline.run.workspace import Workspace


@dataclass(frozen=True, kw_only=True, slots=True)
class TriedPolicies:
    """The tests that ran, and what of the policies they ran."""

    tried: tuple[Tried, ...]
    files: tuple[FileCoverage, ...]
    """Empty where coverage was not measured."""


def run_policy_tests(
    workspace: Workspace, given: Path | None, *, pattern: str, measured: bool
) -> TriedPolicies:
    """Runs the tests whose name matches *pattern*, in the folder *given* or the workspace's own.

    Raises `UsageError` for a pattern or folder that is none, `InvalidInput` and `EngineError`
    for policies that cannot be loaded.
    """
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise UsageError(
            f"-k {pattern} is no regular expression: {error}", hint="write a part of the name"
        ) from error
    files = read_policy_files(policy_folder(workspace.root, given, option="--dir"))
    folder = "policies" if given is None else given.as_posix()
    bundle = PolicyBundle(
        modules={path: text for path, text in files.items() if path.endswith(".rego")},
        data=load_bundle(files).data,
    )
    tried: list[Tried] = []
    for one in try_tests(
        bundle,
        wanted=lambda name: wanted.search(name) is not None,
        coverage=measured,
        folder=folder,
    ):
        workspace.progress(f"{len(tried) + 1} {one.name}")
        tried.append(one)
    covered = covered_files(tried, bundle, folder) if measured else ()
    return TriedPolicies(tried=tuple(tried), files=covered)
