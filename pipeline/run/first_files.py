"""Makes the first files of an organisation's catalogue from what a command line says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import UsageError, WrongArguments
from pipeline.grants.catalogue import load_catalogue
from pipeline.grants.schema import render_schemas
from pipeline.grants.starter import (
    person_lines,
    person_path,
    target_lines,
    targets_path,
    team_lines,
)
from pipeline.grants.tables import LOCATORS
from pipeline.grants.teams import TEAMS_FILE
from pipeline.grants.write import Lines, plainly, text_of
from pipeline.reading.scalars import is_name
from pipeline.reading.yaml_strict import quote
from pipeline.run.files import is_taken
from pipeline.run.offline import catalogue_files
from pipeline.values.ids import Cloud
from pipeline.values.problem import Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class Founding:
    """The first person and the first targets, as given."""

    github: str
    """GitHub login."""

    github_id: str
    name: str | None = None
    """What grants call the person; the login where it is None."""

    targets: Mapping[Cloud, Sequence[str]] = field(default_factory=dict)
    """`alias=account` of each cloud."""

    owner: str | None = None
    """The team that approves for all of the targets."""

    owner_id: str | None = None
    """Its GitHub id; needed where there is no file of teams yet."""

    environment: str = "prod"


@dataclass(frozen=True, kw_only=True, slots=True)
class FirstFiles:
    """The files to write, those that are kept, and what comes next."""

    texts: Mapping[str, str]
    """By repository path."""

    kept: tuple[str, ...]
    following: tuple[str, ...]


def first_files(root: Path, founding: Founding) -> FirstFiles:
    """Returns the files that *root* lacks. Nothing is written.

    Raises `UsageError` where *root* is no access repository, and `WrongArguments` with all that
    is wrong with what was given.
    """
    if not (root / "policies").is_dir():
        raise UsageError(
            f"{root} has no policies/, so it is no access repository",
            hint='start from a copy of Daypass\'s repository: README.md, "Adopt it"',
        )
    start = _Start()
    name = start.read_person(founding.name, founding.github, founding.github_id)
    for cloud, pairs in founding.targets.items():
        if pairs:
            start.read_targets(cloud, pairs, founding.owner, founding.environment)
    start.declare_owner(founding.owner, founding.owner_id, known=is_taken(root, TEAMS_FILE))
    kept = [path for path in start.made if is_taken(root, path)]
    new = {path: lines for path, lines in start.made.items() if path not in kept}
    start.finish(catalogue_files(root), new)
    texts = {path: text_of(lines) for path, lines in new.items()}
    for path, text in render_schemas().items():
        if is_taken(root, path):
            kept.append(path)
        else:
            texts[path] = text
    following = _following(name, [*catalogue_files(root), *texts])
    return FirstFiles(texts=texts, kept=tuple(kept), following=tuple(following))


class _Start:
    """The files to make; what is wrong with any value is told with the rest."""

    def __init__(self) -> None:
        self.made: dict[str, Lines] = {}
        self._options = {
            **{"github": "--github", "github_id": "--github-id"},
            **{"owner": "--owner", "environment": "--environment"},
            **{"team_id": "--owner-id"},
        }
        self._wrong: list[tuple[str, str]] = []

    def read_person(self, name: str | None, github: str, github_id: str) -> str:
        """Makes the person's file and returns the principal's name, or a stand-in for it."""
        called = github.lower().replace("_", "-") if name is None else name
        if not is_name(called):
            said = "--name" if name is not None else "--github"
            advice = "" if name is not None else "; give another with --name NAME"
            form = "of a-z, 0-9 and -, up to 63 characters"
            self._wrong.append((said, f"{quote(called)} is no name of a principal, {form}{advice}"))
            called = "any"
        lines = person_lines(called, github=github, github_id=github_id)
        self.made[person_path(called)] = lines
        return called

    def read_targets(
        self, cloud: Cloud, pairs: Sequence[str], owner: str | None, environment: str
    ) -> None:
        """Makes the file of a cloud's targets."""
        locators: dict[str, str] = {}
        for pair in pairs:
            alias, _, locator = pair.partition("=")
            option = f"--{cloud} {pair}"
            if not (is_name(alias) and locator):
                form = f"ALIAS={LOCATORS[cloud].name.upper()}"
                self._wrong.append(
                    (option, f"write {form}, ALIAS of a-z, 0-9 and -, up to 63 characters")
                )
            elif alias in locators:
                self._wrong.append((option, f"{alias} is given twice; each target has its name"))
            else:
                locators[alias] = locator
                self._options[f"{targets_path(cloud)} targets.{alias}"] = option
        if owner is None:
            self._wrong.append(("--owner", "who approves for them is missing; write --owner TEAM"))
        if locators:
            self.made[targets_path(cloud)] = target_lines(
                cloud, locators, environment=environment, owner="any" if owner is None else owner
            )

    def declare_owner(self, owner: str | None, number: str | None, *, known: bool) -> None:
        """Makes the file of teams, for the targets that are made before; *known* says that there
        is one already."""
        if owner is None or not any(targets_path(cloud) in self.made for cloud in Cloud):
            return
        if number is None and not known:
            self._wrong.append(
                ("--owner-id", "the team's GitHub id is missing; write --owner-id ID")
            )
        self.made[TEAMS_FILE] = team_lines(owner, number="1" if number is None else number)

    def finish(self, existing: Mapping[str, bytes], new: Mapping[str, Lines]) -> None:
        """Raises `WrongArguments` for all that is wrong with the files, alone and with others.

        What is wrong already among the *existing* is not held against the *new*.
        """
        texts = {path: text_of(lines).encode() for path, lines in self.made.items()}
        beside = {**existing, **{path: texts[path] for path in new}}
        already = {*load_catalogue(existing)[1]}
        together = (one for one in load_catalogue(beside)[1] if one not in already)
        found = [
            (self._option(problem, among), plainly(problem).message)
            for among, problems in ((self.made, load_catalogue(texts)[1]), (new, together))
            for problem in problems
            # The name of the team was told where a target names it as its owner.
            if not (problem.path == TEAMS_FILE and _line(problem, among) == "team")
        ]
        told = tuple(dict.fromkeys((*self._wrong, *found)))
        if told:
            raise WrongArguments(told)

    def _option(self, problem: Problem, among: Mapping[str, Lines]) -> str:
        """Returns the option that *problem* comes from, or its place in a file that exists."""
        if problem.path not in among:
            return f"{problem.path}:{problem.line}:{problem.column}"
        name = _line(problem, among)
        return self._options.get(f"{problem.path} {name}") or self._options.get(name, problem.path)


def _line(problem: Problem, among: Mapping[str, Lines]) -> str:
    """Returns what the line of *problem* is called, empty where its file is not *among* these."""
    return among[problem.path][problem.line - 1][0] if problem.path in among else ""


def _following(name: str, paths: Iterable[str]) -> Iterator[str]:
    """Yields what to do next, where *paths* make up the catalogue."""
    there = frozenset(paths)
    yield f"{person_path(name)}: say who {name} is in each cloud; add a file for everybody else"
    clouds = [cloud for cloud in Cloud if targets_path(cloud) in there]
    if not clouds:
        yield "access/targets: list the accounts, subscriptions and projects"
    for cloud in clouds:
        roles = f"access/roles/{cloud}.yaml"
        yield f"{roles}: say what can be granted there{'' if roles in there else ' (no such file)'}"
    yield f"{TEAMS_FILE}: declare every team that owners and policies/settings name, by its id"
    yield (
        "policies/settings: eligibility says who may ask for what, reviewers who approves, limits "
        "for how long"
    )
    yield (
        "access/oncall: write the rotations that policies/settings/emergency names, or name yours "
        "there; daypass policy lint tells what is missing"
    )
    yield ".github/CODEOWNERS: put your teams in place of those there"
    yield "daypass check: is it all well-formed? Then try daypass request"
    yield (
        'README.md, "Adopt it", from step 2 on: two GitHub Apps, rulesets, two environments, '
        "the clouds, variables"
    )
