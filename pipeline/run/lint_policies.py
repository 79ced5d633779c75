"""Checks the policies of a folder: words, form, built-ins, settings, and what OPA says of them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.errors import EngineError, Undecided, UsageError
from pipeline.policy.rego import RegorusEngine, place_of
from pipeline.policy_tools.lint import lint_files
from pipeline.policy_tools.setting_checks import wrong_settings
from pipeline.run.offline import names_unknown_to_catalogue, policy_folder, read_policy_files
from pipeline.run.workspace import Workspace
from pipeline.values.problem import Problem

_SECONDS = 60
_REGO = "rego"


@dataclass(frozen=True, kw_only=True, slots=True)
class Linted:
    """The problems that were found in a folder of policies."""

    problems: tuple[Problem, ...]
    """Sorted, with paths as the folder was named."""

    files: int
    opa: bool
    """Whether OPA was asked too."""


def lint_policies(workspace: Workspace, given: Path | None) -> Linted:
    """Returns what is wrong with the policies in the folder *given*, or in the workspace's own.

    Raises `UsageError` where the folder holds none, `Undecided` where OPA did not answer.
    """
    place = policy_folder(workspace.root, given, option="--dir")
    files = read_policy_files(place)
    if not any(path.endswith(".rego") for path in files):
        raise UsageError(f"{place} holds no policies", hint="name their folder with --dir")
    problems = [*lint_files(files), *names_unknown_to_catalogue(workspace.root, files)]
    opa = workspace.settings.opa or shutil.which("opa")
    asked = opa is not None and not opa.startswith(("http://", "https://"))
    if opa is not None and asked:
        workspace.progress("asking OPA")
        problems += _opa_problems(Path(opa).resolve(), place)
    else:
        workspace.warn("formatting and types were not checked: no OPA was found")
    problems += _wrong_settings(files, told=any(one.code == _REGO for one in problems))
    shown = "policies" if given is None else given.as_posix()
    return Linted(
        problems=tuple(
            sorted(
                replace(one, path=f"{shown}/{one.path.removeprefix('policies/')}")
                for one in set(problems)
            )
        ),
        files=len(files),
        opa=asked,
    )


def _wrong_settings(files: Mapping[str, str], *, told: bool) -> Iterable[Problem]:
    """Returns the settings that the policies' own rules do not take, or why nobody can say.

    Where OPA has *told* already what is wrong with the modules, that is left out.
    """
    try:
        return wrong_settings(files, RegorusEngine)
    except EngineError as error:
        if told:
            return ()
        text = " ".join(error.message.split())
        path, line, column = place_of(text) or ("access", 1, 1)
        return [
            Problem(
                path=f"policies/{path}",
                line=line,
                column=column,
                code=_REGO,
                message=f"the settings could not be checked: {text}",
            )
        ]


def _opa_problems(opa: Path, folder: Path) -> Iterable[Problem]:
    """Returns what `opa fmt` and `opa check --strict` say of *folder*."""
    listed = _run([str(opa), "fmt", "--list", "."], folder)
    checked = _run([str(opa), "check", "--strict", "--format=json", "."], folder)
    if checked.returncode:
        yield from _told(checked.stderr, folder)
        # What cannot be read has no format either.
        return
    if listed.returncode:
        raise Undecided(f"opa fmt failed: {listed.stderr.strip()[:300]}")
    for line in listed.stdout.splitlines():
        yield Problem(
            path=f"policies/{line.removeprefix('./')}",
            line=1,
            column=1,
            code="format",
            message="opa fmt would write this file differently; run opa fmt --write",
        )


def _told(text: str, folder: Path) -> Iterable[Problem]:
    try:
        errors = json.loads(text)["errors"]
        for error in errors:
            where = error.get("location") or {}
            file = Path(where.get("file") or ".")
            name = file.relative_to(folder) if file.is_absolute() else file
            yield Problem(
                path=f"policies/{name.as_posix()}",
                line=int(where.get("row") or 1),
                column=int(where.get("col") or 1),
                code=_REGO,
                message=f"opa check --strict: {error['message']}",
            )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Undecided(f"OPA said something unforeseen: {text.strip()[:300]}") from error


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            timeout=_SECONDS,
            env={},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Undecided(
            f"OPA could not be run: {error}", hint="install OPA or name its binary in DAYPASS_OPA"
        ) from error
