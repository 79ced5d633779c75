"""`daypass init`: the first files of an organisation's catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import click

from pipeline.errors import UsageError, WrongArguments
from pipeline.grants.catalogue import load_catalogue
from pipeline.grants.schema import FOLDER, render_schemas
from pipeline.grants.starter import person_lines, person_path, target_lines, targets_path
from pipeline.grants.tables import LOCATORS
from pipeline.grants.write import Lines, plainly, text_of
from pipeline.reading.scalars import is_name
from pipeline.reading.yaml_strict import quote
from pipeline.run.files import is_taken, write_new
from pipeline.run.offline import catalogue_files
from pipeline.run.workspace import Context
from pipeline.values.ids import Cloud
from pipeline.values.problem import Problem


@click.command()
@click.option("--github", required=True, metavar="LOGIN", help="GitHub login of the first person.")
@click.option(
    "--github-id",
    required=True,
    metavar="ID",
    help="Its account id: the `id` in what https://api.github.com/users/LOGIN answers.",
)
@click.option("--name", help="What grants call the person (default: the login).")
@click.option("--aws", multiple=True, metavar="ALIAS=ACCOUNT", help="An AWS account, by number.")
@click.option("--azure", multiple=True, metavar="ALIAS=SUBSCRIPTION", help="A subscription, by id.")
@click.option("--gcp", multiple=True, metavar="ALIAS=PROJECT", help="A project, by id.")
@click.option(
    "--owner", metavar="TEAM", help="GitHub team that approves for these targets; needed with any."
)
@click.option(
    "--environment",
    default="prod",
    show_default=True,
    metavar="ENV",
    help="Environment of all these targets.",
)
@click.option("--dry-run", is_flag=True, help="Show the files, write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
@click.pass_obj
def init(
    context: Context,
    github: str,
    github_id: str,
    name: str | None,
    aws: tuple[str, ...],
    azure: tuple[str, ...],
    gcp: tuple[str, ...],
    owner: str | None,
    environment: str,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Write the first person, targets and schemas of an access repository.

    Run it in a copy of Daypass's own repository, where policies, roles and workflows are
    already. Files that exist are kept as they are. Each file says what to put where.

    Exit codes: 0 written, or there already; 2 wrong arguments, nothing is written.
    """
    if not (context.root / "policies").is_dir():
        raise UsageError(
            f"{context.root} has no policies/, so it is no access repository",
            hint='start from a copy of Daypass\'s repository: README.md, "Adopt it"',
        )
    start = _Start()
    name = start.read_person(name, github, github_id)
    for cloud, pairs in ((Cloud.AWS, aws), (Cloud.AZURE, azure), (Cloud.GCP, gcp)):
        if pairs:
            start.read_targets(cloud, pairs, owner, environment)
    kept = [path for path in start.made if is_taken(context.root, path)]
    new = {path: lines for path, lines in start.made.items() if path not in kept}
    start.finish(catalogue_files(context.root), new)
    texts = {path: text_of(lines) for path, lines in new.items()}
    for path, text in render_schemas().items():
        if is_taken(context.root, path):
            kept.append(path)
        else:
            texts[path] = text
    if not dry_run:
        for path, text in texts.items():
            write_new(context.root, path, text)
    following = list(_following(name, [*catalogue_files(context.root), *texts]))
    if as_json:
        context.emit(
            {
                "files": [{"path": path, "text": texts[path]} for path in texts],
                "kept": kept,
                "written": not dry_run,
                "next": following,
            }
        )
    else:
        _say(context, texts, kept, following, dry_run=dry_run)
    return 0


class _Start:
    """The files to make; what is wrong with any value is told with the rest."""

    def __init__(self) -> None:
        self.made: dict[str, Lines] = {}
        self._options = {
            **{"github": "--github", "github_id": "--github-id"},
            **{"owner": "--owner", "environment": "--environment"},
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
        ]
        told = tuple(dict.fromkeys((*self._wrong, *found)))
        if told:
            raise WrongArguments(told)

    def _option(self, problem: Problem, among: Mapping[str, Lines]) -> str:
        """Returns the option that *problem* comes from, or its place in a file that exists."""
        if problem.path not in among:
            return f"{problem.path}:{problem.line}:{problem.column}"
        name = among[problem.path][problem.line - 1][0]
        return self._options.get(f"{problem.path} {name}") or self._options.get(name, problem.path)


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
        'README.md, "Adopt it", from step 2 on: two GitHub Apps, two environments, the clouds, '
        "variables"
    )


def _say(
    context: Context,
    texts: Mapping[str, str],
    kept: Sequence[str],
    following: Sequence[str],
    *,
    dry_run: bool,
) -> None:
    out = context.out
    for path, text in texts.items():
        if not dry_run:
            out.line(f"{path}: written", "green")
        elif path.endswith(".yaml"):
            out.line(f"{path}: would be", "bold")
            out.stream.write(f"{text}\n")
        else:
            out.line(f"{path}: would be written")
    schemas = [path for path in kept if path.startswith(f"{FOLDER}/")]
    for path in kept:
        if path not in schemas:
            out.line(f"{path}: kept as it is, nothing is added to it", "yellow")
    if schemas:
        out.line(f"{FOLDER}: {len(schemas)} schemas are there already and are kept as they are")
    out.line("Next:")
    for number, line in enumerate(following, start=1):
        out.line(f"  {number}. {line}")
