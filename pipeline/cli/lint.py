"""`daypass policy lint`: what is wrong with the policies before anybody is judged by them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import click

from pipeline.cli.main import problem_document
from pipeline.errors import EngineError, Undecided, UsageError
from pipeline.run.offline import policy_folder, read_policy_files
from pipeline.run.workspace import Context
from pipeline.values.problem import Problem

_SECONDS = 60
_REGO = "rego"


@click.command()
@click.option(
    "--dir",
    "given",
    type=click.Path(path_type=Path),
    help="The policies: a folder, from here or else from the access repository (default: its "
    "policies).",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
@click.pass_obj
def lint(context: Context, given: Path | None, as_json: bool) -> int:
    """Check the policies: words, form, built-ins, settings, tests.

    A rule must not be able to allow by accident: it states what must hold and negates that,
    and nothing in it can be undefined in silence. The policies' own rules about settings are
    asked which are missing or not usable. Calendars and rotations that settings name are looked
    for under access/. Where OPA is found, its formatter and its strict check run too.

    Exit codes: 0 nothing found; 1 something found; 2 usage; 3 OPA did not answer.
    """
    from pipeline.policy_tools.lint import lint_files as find

    place = policy_folder(context.root, given, option="--dir")
    files = read_policy_files(place)
    if not any(path.endswith(".rego") for path in files):
        raise UsageError(f"{place} holds no policies", hint="name their folder with --dir")
    problems = [*find(files), *_unknown_names(context.root, files)]
    opa = context.settings.opa or shutil.which("opa")
    asked = opa is not None and not opa.startswith(("http://", "https://"))
    if opa is not None and asked:
        context.progress("asking OPA")
        problems += _opa_problems(Path(opa).resolve(), place)
    else:
        context.err.line("formatting and types were not checked: no OPA was found", "yellow")
    problems += _wrong_settings(files, told=any(one.code == _REGO for one in problems))
    shown = "policies" if given is None else given.as_posix()
    problems = sorted(
        replace(one, path=f"{shown}/{one.path.removeprefix('policies/')}") for one in set(problems)
    )
    if as_json:
        context.emit({"problems": [problem_document(one) for one in problems], "opa": asked})
    else:
        for one in problems:
            context.out.line(f"{one} [{one.code}]", "red")
        count = len(problems)
        said = (
            f"{count} problem{'' if count == 1 else 's'}" if count else "nothing to find fault with"
        )
        context.out.line(f"{len(files)} files: {said}", "red" if count else "green")
    return 1 if problems else 0


def _unknown_names(root: Path, files: Mapping[str, str]) -> Iterable[Problem]:
    """Returns the names in settings that the catalogue beside the policies does not know."""
    from pipeline.policy_tools.setting_names import unknown_names

    access = root / "access"
    if not (access / "principals").is_dir():
        # The policies alone, without an organisation.
        return ()
    return unknown_names(
        files,
        calendars=[file.stem for file in (access / "calendars").glob("*.yaml")],
        rotations=[file.stem for file in (access / "oncall").glob("*.yaml")],
    )


def _wrong_settings(files: Mapping[str, str], *, told: bool) -> Iterable[Problem]:
    """Returns the settings that the policies' own rules do not take, or why nobody can say.

    Where OPA has *told* already what is wrong with the modules, that is left out.
    """
    from pipeline.policy.rego import RegorusEngine, place_of
    from pipeline.policy_tools.setting_checks import wrong_settings

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
