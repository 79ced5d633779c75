"""`daypass request`: a grant from a command line, judged before anybody else sees it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as url_quote

import click
from click.shell_completion import CompletionItem

from pipeline.cli.context import Context
from pipeline.run.draft import GrantDraft
from pipeline.run.files import write_new
from pipeline.run.offline import judge_offline, read_catalogue, supposed
from pipeline.values.catalogue import Catalogue
from pipeline.values.grant import Grant

if TYPE_CHECKING:
    from pipeline.policy.answer import Evaluation


def _complete_access(
    ctx: click.Context, _parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """Targets, then the roles of the target's cloud; nothing where the catalogue is broken."""

    def names(catalogue: Catalogue) -> Iterable[str]:
        target, colon, _ = begun.partition(":")
        if not colon:
            return [f"{one}:" for one in catalogue.targets]
        cloud = target.partition("/")[0]
        return [f"{target}:{one.name}" for one in catalogue.roles.values() if one.cloud == cloud]

    return _offered(ctx, begun, names)


def _complete_principal(
    ctx: click.Context, _parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    def names(catalogue: Catalogue) -> Iterable[str]:
        return [one.name for one in catalogue.principals.values() if not one.disabled]

    return _offered(ctx, begun, names)


def _offered(
    ctx: click.Context, begun: str, names: Callable[[Catalogue], Iterable[str]]
) -> list[CompletionItem]:
    """Returns names of the catalogue that go on from *begun*; none where it cannot be read."""
    try:
        catalogue = read_catalogue(Path(ctx.find_root().params.get("repo") or ".").resolve())
        return [CompletionItem(one) for one in sorted(names(catalogue)) if one.startswith(begun)]
    except Exception:
        return []  # whoever is typing wants no stack trace in between


@click.command()
@click.argument("access", nargs=-1, required=True, shell_complete=_complete_access)
@click.option(
    "--for",
    "subject",
    metavar="PRINCIPAL",
    shell_complete=_complete_principal,
    help="Who gets access (default: whose login `git config github.user` of this clone says).",
)
@click.option("--reason", help="Why, in one line; asked for on a terminal.")
@click.option("--ticket", help="The ticket or incident behind it.")
@click.option(
    "--duration",
    help="How long: 30m, 2h, 1h30m, 3d (default: what grants of the first role mostly ask for, "
    "else 1h; at most what the roles allow).",
)
@click.option("--start", help="When it starts, with offset (default: at the merge).")
@click.option("--emergency", is_flag=True, help="Break-glass: merges first, reviewed afterwards.")
@click.option("--name", help="Name of the file (default: the date and the first role).")
@click.option("--keep", is_flag=True, help="Write the file although a rule denies it.")
@click.option("--dry-run", is_flag=True, help="Show the file, write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
@click.pass_obj
def request(
    context: Context,
    access: tuple[str, ...],
    subject: str | None,
    reason: str | None,
    ticket: str | None,
    duration: str | None,
    start: str | None,
    emergency: bool,
    name: str | None,
    keep: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Write a grant that asks for ACCESS, and judge it as `daypass check` does.

    ACCESS is TARGET:ROLE[,PARAMETER=VALUE...], such as aws/payments-prod:rds-reader or
    aws/payments-prod:ec2-terminate,resource=i-0abc1234def567890.

    Only the file is written, and never over another. Nothing is committed or pushed and no
    pull request is opened: the commands for that are shown at the end.

    Exit codes: 0 written, nothing speaks against it; 1 a rule denies it, and nothing is written
    but with --keep; 2 wrong arguments or malformed files, nothing is written; 3 could not
    decide, nothing is written.
    """
    from pipeline.grants.write import written
    from pipeline.output.verdicts import grant_document

    catalogue = read_catalogue(context.root)
    draft = GrantDraft(context, catalogue)
    draft.read_access(access)
    draft.read_subject(subject)
    draft.read_start(start)
    draft.read_duration(duration)
    asking = reason is None and sys.stdin.isatty()
    if reason is None and not asking:
        draft.refuse("--reason", "why is missing; write --reason TEXT")
    grant = draft.grant(name, reason=reason, ticket=ticket, emergency=emergency)
    draft.finish(grant)
    if asking:
        # Last, so that nobody writes a reason for what fails over a letter.
        grant = replace(grant, reason=click.prompt("Reason", err=True))
        draft.finish(grant)
    text, grant = written(grant)
    ((_, evaluation),) = judge_offline(context.root, [grant], catalogue, now=context.now())
    denied = bool(evaluation.violations)
    if draft.proposal:
        context.err.line(draft.proposal, "dim")
    # A draft that is left behind would count as access that is held, in the next try.
    writes = not dry_run and (keep or not denied)
    if writes:
        write_new(context.root, grant.path, text)
    following = _following(context, grant, denied=denied, kept=writes)
    if as_json:
        context.emit(
            {
                "path": grant.path,
                "text": text,
                "written": writes,
                "grant": grant_document(grant, evaluation),
                "next": following,
            }
        )
    else:
        shown = text if dry_run else None
        _say(context, grant, evaluation, text=shown, wrote=writes, following=following)
    return 1 if denied else 0


def _following(context: Context, grant: Grant, *, denied: bool, kept: bool) -> dict[str, Any]:
    """Returns the commands that come next and, where a request may be opened, its link."""
    if denied and not kept:
        return {"commands": [], "link": None}
    root = context.root
    away = [] if Path.cwd() == root else ["-C", str(root)]
    if denied:
        commands = [
            shlex.join(["daypass", *away, "check", grant.path]),
            shlex.join(["rm", str(root / grant.path) if away else grant.path]),
        ]
        return {"commands": commands, "link": None}
    # With the subject: who pushed to a branch of this name before is judged as if asking.
    branch = f"request/{grant.id}"
    asked = ", ".join(f"{line.role} on {line.target}" for line in grant.access)
    commands = [
        shlex.join(["git", *away, *arguments])
        for arguments in (
            ["switch", "-c", branch],
            ["add", grant.path],
            ["commit", "-m", f"Request {asked} for {grant.subject}", "--", grant.path],
            ["push", "-u", "origin", "HEAD"],
        )
    ]
    settings = context.settings
    link = None
    if settings.repository and settings.sandbox is None:
        link = "https://github.com/" + url_quote(
            f"{settings.repository}/compare/{settings.default_branch}...{branch}"
        )
        link += "?expand=1"
    return {"commands": commands, "link": link}


def _say(
    context: Context,
    grant: Grant,
    evaluation: Evaluation,
    *,
    text: str | None,
    wrote: bool,
    following: dict[str, Any],
) -> None:
    from pipeline.output.verdicts import grant_lines

    out, err = context.out, context.err
    if text is not None:
        # Alone on stdout: the file as it would be, to be looked at or kept elsewhere.
        out.stream.write(text)
        out.stream.flush()
        out = err
        err.line(f"{grant.path} is not written, this is a dry run", "bold")
    elif wrote:
        out.line(f"{grant.path}: written")
    err.line(supposed(), "dim")
    for line, style in grant_lines(grant, evaluation):
        out.line(line, style)
    if text is not None:
        return
    denied = bool(evaluation.violations)
    if not wrote:
        out.line("Nothing is written: correct the request, or write it all the same with --keep.")
        return
    out.line("Edit the file and check it again, or remove it:" if denied else "To ask for it:")
    for command in following["commands"]:
        out.line(f"  {command}")
    if following["link"]:
        out.line(f"Then open the pull request: {following['link']}")
    elif not denied:
        out.line("Then open the pull request on GitHub.")
