"""Judges grants of a working tree offline: what CI would say, before anything is pushed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InvalidInput, PipelineError, UsageError
from pipeline.values.catalogue import Catalogue
from pipeline.values.grant import Grant
from pipeline.values.problem import Problem

if TYPE_CHECKING:
    from pipeline.grants.parse import Parsed
    from pipeline.policy.answer import Evaluation
    from pipeline.policy.engine import PolicyBundle
    from pipeline.policy.question import OtherLife
    from pipeline.values.binding import Binding

_PLACES = (
    "grants lie at access/grants/<subject>/<name>.yaml; daypass check without a file checks"
    " them and the catalogue"
)


def judge_offline(
    root: Path,
    grants: Sequence[Grant],
    catalogue: Catalogue,
    *,
    now: datetime,
    on_question: Callable[[Mapping[str, Any]], None] = lambda _: None,
) -> list[tuple[Grant, Evaluation]]:
    """Returns what the tree's policies say of each of *grants*, asked as new at *now*.

    What only GitHub knows is supposed: see `policy_tools.suppose`. *on_question* is given what is
    asked. Raises `InvalidInput` for what no cloud object could carry.
    """
    from pipeline.clouds.desired import render_bindings
    from pipeline.grants.catalogue import entitlements
    from pipeline.judge.requesters import teams_named
    from pipeline.policy.answer import evaluate
    from pipeline.policy.bundle import load_rules
    from pipeline.policy.rego import RegorusEngine
    from pipeline.policy_tools.suppose import suppose
    from pipeline.values.grant import window_of
    from pipeline.values.live import LiveGrant

    if not grants:
        return []
    bundle = read_policies(root)
    engine, rules = RegorusEngine(bundle), load_rules(bundle)
    # Only GitHub knows who is in which team: people are taken to be in each that settings name.
    teams = teams_named(bundle.data.get("settings"))
    judged = []
    # Each file of a subject's folder once, not once for every grant in it.
    read: dict[str, Grant | None] = {}
    for grant in grants:
        lines = entitlements(grant, catalogue)
        window = window_of(grant, merged_at=now)
        try:
            render_bindings(LiveGrant(grant=grant, window=window, entitlements=lines), now=now)
        except PipelineError as error:
            raise InvalidInput(
                (
                    Problem(
                        path=grant.path,
                        line=1,
                        column=1,
                        code="cannot-be-provisioned",
                        message=str(error),
                    ),
                )
            ) from error
        document = suppose(
            grant,
            change="create",
            entitlements=lines,
            window=window,
            now=now,
            catalogue=catalogue,
            teams=teams,
            lives=_other_lives(root, grant, now, read),
        )
        on_question(document)
        judged.append((grant, evaluate(document, [engine], rules)))
    return judged


def judge_files(
    root: Path, files: Sequence[Path], *, now: datetime
) -> list[tuple[Grant, Evaluation]]:
    """Returns what the tree's policies say of the grants that *files* name, or of all.

    The catalogue is checked first. Raises `InvalidInput` with every problem of the catalogue, or
    else of the grants, and `UsageError` for what is no grant by its place.
    """
    catalogue = read_catalogue(root)
    paths = grant_paths(root, files) if files else list(all_grants(root))
    grants = read_grants(root, paths, catalogue)
    return judge_offline(root, grants, catalogue, now=now)


def _other_lives(
    root: Path, grant: Grant, now: datetime, read: dict[str, Grant | None]
) -> list[OtherLife]:
    """The subject's other grants in the folder, each taken to begin now.

    When they were merged is known only to git's history; taking them as live makes a sum
    larger, never smaller. *read* holds what was read of the tree already, and is added to.
    """
    from pipeline.policy_tools.suppose import lives_from

    folder = root / "access" / "grants" / grant.subject
    lives: list[OtherLife] = []
    for file in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
        path = file.relative_to(root).as_posix()
        if path == grant.path:
            continue
        if path not in read:
            read[path] = parse_file(root, path).grant
        other = read[path]
        if other is None:
            continue
        lives.extend(lives_from(other, now))
    return lives


def bindings_of_files(
    root: Path, files: Sequence[Path], *, now: datetime
) -> list[tuple[Grant, tuple[Binding, ...]]]:
    """Returns the grants that *files* name, and what the clouds would hold because of each.

    Policies are not asked. Raises `InvalidInput` and `PipelineError`.
    """
    from pipeline.clouds.desired import render_bindings
    from pipeline.grants.catalogue import entitlements
    from pipeline.values.grant import window_of
    from pipeline.values.live import LiveGrant

    catalogue = read_catalogue(root)
    asked = []
    for grant in read_grants(root, grant_paths(root, files), catalogue):
        lines = entitlements(grant, catalogue)
        window = window_of(grant, merged_at=now)
        live = LiveGrant(grant=grant, window=window, entitlements=lines)
        asked.append((grant, render_bindings(live, now=now)))
    return asked


def supposed() -> str:
    """Returns in words what an offline judgement takes for granted."""
    from pipeline.policy_tools.suppose import ASSUMED

    teams = "people are taken to be in every team that settings name"
    return f"offline, {'; '.join((*ASSUMED, teams))}"


def catalogue_files(root: Path) -> dict[str, bytes]:
    """Returns the catalogue's files of a working tree by repository path."""
    from pipeline.grants.annexes import FOLDERS
    from pipeline.grants.tables import TABLE_LIMIT
    from pipeline.grants.teams import TEAMS_FILE

    files = {}
    if (root / TEAMS_FILE).is_file():
        files[TEAMS_FILE] = _read(root / TEAMS_FILE, TABLE_LIMIT)
    for name in ("principals", "targets", "roles", *FOLDERS):
        folder = root / "access" / name
        for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if file.is_file():
                files[file.relative_to(root).as_posix()] = _read(file, TABLE_LIMIT)
    return files


def read_catalogue(root: Path) -> Catalogue:
    """Returns the catalogue of a working tree. Raises `InvalidInput` with all problems."""
    from pipeline.grants.catalogue import load_catalogue

    files = catalogue_files(root)
    if not files:
        raise UsageError(
            f"{root} holds no catalogue (access/principals, access/targets, access/roles)",
            hint="run it in an access repository, or name one with --repo DIR",
        )
    catalogue, problems = load_catalogue(files)
    if problems:
        raise InvalidInput(problems)
    return catalogue


def names_unknown_to_catalogue(root: Path, files: Mapping[str, str]) -> tuple[Problem, ...]:
    """Returns the names in the settings of *files*, path below `policies/` to text, that the
    catalogue of a working tree does not know. None are looked for where it has no principals:
    there are only policies then, without an organisation.
    """
    from pipeline.grants.catalogue import load_catalogue
    from pipeline.policy_tools.setting_names import unknown_names

    access = root / "access"
    if not (access / "principals").is_dir():
        return ()
    return unknown_names(
        files,
        calendars=[file.stem for file in (access / "calendars").glob("*.yaml")],
        rotations=[file.stem for file in (access / "oncall").glob("*.yaml")],
        # What is wrong with the file of teams itself is told by who reads the catalogue.
        teams=load_catalogue(catalogue_files(root))[0].teams,
    )


def unknown_names_in_settings(root: Path) -> tuple[Problem, ...]:
    """Returns the names in a working tree's own settings that its catalogue does not know."""
    files = read_policy_files(root / "policies", tests=False)
    return names_unknown_to_catalogue(root, files)


def read_policies(root: Path) -> PolicyBundle:
    """Returns the policies of a working tree."""
    return read_policy_folder(root / "policies")


def policy_folder(root: Path, given: Path | None, *, option: str) -> Path:
    """Returns the folder of policies that *option* names: *given*, or the working tree's own.

    It is looked for from the current folder, and if it is not there, from *root*. Raises
    `UsageError` where it is at neither.
    """
    if given is None:
        return root / "policies"
    # Of an absolute path, and where both places are one, only one is told.
    places = dict.fromkeys((Path.cwd() / given, root / given))
    for place in places:
        if place.is_dir():
            return place
    raise UsageError(
        f"{option} {given}: no folder is at {' or '.join(map(str, places))}",
        hint="name it from the current folder, or from the access repository's root",
    )


def read_policy_folder(folder: Path) -> PolicyBundle:
    """Returns the policies in *folder*, laid out as `policies/` is. Raises `InvalidInput`."""
    from pipeline.policy.bundle import load_bundle

    return load_bundle(read_policy_files(folder, tests=False))


def read_policy_files(folder: Path, *, tests: bool = True) -> dict[str, str]:
    """Returns the Rego and the data below *folder* by path below it, with or without *tests*."""
    from pipeline.policy.bundle import TEST_SUFFIX

    texts = {}
    for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if not tests and file.name.endswith(TEST_SUFFIX):
            continue
        if file.suffix in (".rego", ".yaml") and file.is_file():
            try:
                texts[file.relative_to(folder).as_posix()] = file.read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"{file}: {error}") from error
    return texts


def _read(file: Path, limit: int) -> bytes:
    # One byte more than allowed is enough for the parser to refuse it.
    try:
        with file.open("rb") as stream:
            return stream.read(limit + 1)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error


def parse_file(root: Path, path: str) -> Parsed:
    """Returns what the file at a repository path turned out to be."""
    from pipeline.grants.parse import parse_grant
    from pipeline.reading.yaml_strict import FILE_LIMIT

    return parse_grant(_read(root / path, FILE_LIMIT), path=path)


def read_grants(root: Path, paths: Sequence[str], catalogue: Catalogue) -> list[Grant]:
    """Returns the grants at repository *paths*.

    Raises `InvalidInput` with every problem of all of them: of form, and of what could be
    read of each against *catalogue*.
    """
    from pipeline.grants.validate import validate_legible, validate_tree

    grants: list[Grant] = []
    problems: list[Problem] = []
    for path in paths:
        parsed = parse_file(root, path)
        problems.extend(parsed.problems)
        if parsed.legible is not None:
            problems.extend(validate_legible(parsed.legible, catalogue))
        if parsed.grant is not None:
            grants.append(parsed.grant)
    problems.extend(validate_tree(grants, catalogue))
    if problems:
        raise InvalidInput(tuple(sorted(set(problems))))
    return grants


def read_forms(root: Path, files: Sequence[Path]) -> list[Grant]:
    """Returns the grants that *files* name, by their form alone: no catalogue is read.

    Raises `InvalidInput` with every problem of form of all of them.
    """
    parsed = [parse_file(root, path) for path in grant_paths(root, files)]
    problems = {problem for one in parsed for problem in one.problems}
    if problems:
        raise InvalidInput(tuple(sorted(problems)))
    return [one.grant for one in parsed if one.grant is not None]


def repository_path(root: Path, file: Path) -> str:
    """Returns the repository path of *file*, given from here or from the repository's root.

    Raises `UsageError` for what is not there, or not in the repository.
    """
    places = (root / file, Path.cwd() / file)
    for candidate in places:
        resolved = candidate.resolve()
        if resolved.is_relative_to(root) and resolved.exists():
            return resolved.relative_to(root).as_posix()
    if any(place.exists() for place in places):
        raise UsageError(f"{file} is not in {root}", hint="name a file of it, or use -C DIR")
    raise UsageError(
        f"there is no file {file}",
        hint="name it from the current folder, or from the access repository's root",
    )


def grant_paths(root: Path, files: Sequence[Path]) -> list[str]:
    """Returns the repository paths of grants that *files* name, of a folder all below it.

    Raises `UsageError` for what is no grant by its place: what is wrong with it would be told
    as if it were one.
    """
    found: dict[str, None] = {}
    for file in files:
        path = repository_path(root, file)
        if (root / path).is_dir():
            below = [one for one in all_grants(root) if (root / one).is_relative_to(root / path)]
            if not below:
                raise UsageError(f"{file} is a folder that holds no grant", hint=_PLACES)
            found.update(dict.fromkeys(below))
        elif path.startswith("access/grants/"):
            found[path] = None
        else:
            raise UsageError(f"{file} is no grant", hint=_PLACES)
    return list(found)


def all_grants(root: Path) -> Iterator[str]:
    """Returns the repository paths of all files below the grants folder."""
    folder = root / "access" / "grants"
    for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if file.is_file() and file.name != ".gitkeep":
            yield file.relative_to(root).as_posix()
