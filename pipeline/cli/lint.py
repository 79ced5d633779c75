"""`daypass policy lint`: what is wrong with the policies before anybody is judged by them."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.context import Context
from pipeline.output.problems import problem_document


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
    asked which are missing or not usable. Calendars, rotations and teams that settings name are
    looked for under access/. Where OPA is found, its formatter and its strict check run too.

    Exit codes: 0 nothing found; 1 something found; 2 usage; 3 OPA did not answer.
    """
    from pipeline.run.lint_policies import lint_policies

    linted = lint_policies(context, given)
    problems = linted.problems
    if as_json:
        context.emit({"problems": [problem_document(one) for one in problems], "opa": linted.opa})
    else:
        for one in problems:
            context.out.line(f"{one} [{one.code}]", "red")
        count = len(problems)
        said = (
            f"{count} problem{'' if count == 1 else 's'}" if count else "nothing to find fault with"
        )
        context.out.line(f"{linted.files} files: {said}", "red" if count else "green")
    return 1 if problems else 0
