"""`daypass init`: the first files of an organisation's catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from pipeline.cli.context import Context
from pipeline.grants.schema import FOLDER
from pipeline.run.files import write_new
from pipeline.run.first_files import Founding, first_files
from pipeline.values.ids import Cloud


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
    "--owner-id",
    metavar="ID",
    help="Its id: the `id` in what `gh api orgs/ORG/teams/TEAM` answers; needed with --owner, "
    "where there is no access/teams.yaml yet.",
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
    owner_id: str | None,
    environment: str,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Write the first person, team, targets and schemas of an access repository.

    Run it in a copy of Daypass's own repository, where policies, roles and workflows are
    already. Files that exist are kept as they are. Each file says what to put where.

    Exit codes: 0 written, or there already; 2 wrong arguments, nothing is written.
    """
    found = first_files(
        context.root,
        Founding(
            github=github,
            github_id=github_id,
            name=name,
            targets={Cloud.AWS: aws, Cloud.AZURE: azure, Cloud.GCP: gcp},
            owner=owner,
            owner_id=owner_id,
            environment=environment,
        ),
    )
    texts, kept, following = found.texts, found.kept, found.following
    if not dry_run:
        for path, text in texts.items():
            write_new(context.root, path, text)
    if as_json:
        context.emit(
            {
                "files": [{"path": path, "text": texts[path]} for path in texts],
                "kept": list(kept),
                "written": not dry_run,
                "next": list(following),
            }
        )
    else:
        _say(context, texts, kept, following, dry_run=dry_run)
    return 0


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
