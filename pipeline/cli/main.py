"""The `daypass` command: the group, its options, and the one place that exits."""

from __future__ import annotations

import gc
import json
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import click

from pipeline.cli.context import Context
from pipeline.cli.lazy import LazyGroup
from pipeline.errors import InvalidInput, PipelineError, WrongArguments
from pipeline.output.problems import problem_document
from pipeline.output.text import stderr

# By name: the module that holds the command, and its line of help.
_COMMANDS = {
    "apply": (
        "pipeline.cli.apply",
        "Make the clouds hold what the default branch proves, and record it.",
    ),
    "audit": ("pipeline.cli.audit", "Read and verify the record."),
    "check": ("pipeline.cli.check", "Validate and judge a grant, the tree, or a pull request."),
    "demo": ("pipeline.cli.demo", "Tell the whole life of a grant on local stand-ins."),
    "expire": (
        "pipeline.cli.expire",
        "Clean up after lapsed grants and open their revert pull request.",
    ),
    "init": ("pipeline.cli.init", "Write the first files of an organisation's catalogue."),
    "plan": ("pipeline.cli.plan", "Show what apply would change, or what a grant would give."),
    "policy": ("pipeline.cli.policy", "Work on the policies: test, lint and explain them."),
    "request": ("pipeline.cli.request", "Write a grant to open a pull request with."),
    "schema": ("pipeline.cli.schema", "Show or write the JSON Schemas of the files in access/."),
    "status": ("pipeline.cli.status", "Who has access now, until when, and why."),
}


@click.group(
    cls=LazyGroup,
    commands=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 fine; 1 denied, drifted or not converged; 2 usage or invalid input; "
    '3 could not decide. Completion: eval "$(_DAYPASS_COMPLETE=bash_source daypass)".',
)
@click.option(
    "-C",
    "--repo",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="The access repository (default: this folder).",
)
@click.option(
    "--sandbox",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Use the local stand-ins that this file describes; `daypass demo --keep` writes it.",
)
@click.option("-v", "--verbose", is_flag=True, help="Say more on stderr.")
@click.version_option(package_name="daypass")
@click.pass_context
def cli(ctx: click.Context, repo: Path, sandbox: Path | None, verbose: bool) -> None:
    """Cloud access for minutes or hours through a pull request.

    The clouds end it; git proves it.
    """
    ctx.obj = Context(root=repo, sandbox_file=sandbox, verbose=verbose)


def report(error: PipelineError, *, as_json: bool) -> None:
    """Tells an error: to people on stderr, to tools as one JSON object on stdout."""
    problems = error.problems if isinstance(error, InvalidInput) else ()
    reasons = error.reasons if isinstance(error, WrongArguments) else ()
    if as_json:
        document: dict[str, Any] = {
            **error.facts,
            "error": error.message,
            "hint": error.hint,
            "exit_code": error.exit_code,
            "problems": [
                *(problem_document(problem) for problem in problems),
                *({"argument": argument, "message": message} for argument, message in reasons),
            ],
        }
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    out = stderr()
    for problem in problems:
        out.line(str(problem), "red")
    for argument, message in reasons:
        out.line(f"{argument}: {message}", "red")
    out.line(f"daypass: {error.message}", "red")
    if error.hint:
        out.line(f"  {error.hint}", "dim")


def run(arguments: list[str]) -> int:
    """Runs one command line and returns its exit code."""
    try:
        code = cli.main(args=arguments, prog_name="daypass", standalone_mode=False)
    except click.exceptions.Abort:
        stderr().line("daypass: interrupted", "red")
        return 3
    except click.ClickException as error:
        error.show()
        return 2
    except PipelineError as error:
        report(error, as_json="--json" in arguments)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output went away; say so by code only.
        return 3
    return code if isinstance(code, int) else 0


def main() -> None:
    """The entry point of the distribution."""
    # Loading makes many values and hardly any garbage, which is looked for in all of them.
    gc.set_threshold(50_000)
    for stream in (sys.stdout, sys.stderr):
        # Whatever the terminal takes: files and JSON are UTF-8, and no reason ends in a traceback.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8")
    sys.exit(run(sys.argv[1:]))
