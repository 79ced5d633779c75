"""`daypass policy test`: run the tests of the policies, with nothing installed but Daypass."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.context import Context
from pipeline.output.text import table

if TYPE_CHECKING:
    from pipeline.policy_tools.line_coverage import FileCoverage
    from pipeline.policy_tools.run_tests import Tried


_WIDE = 100


@click.command()
@click.option(
    "--dir",
    "given",
    type=click.Path(path_type=Path),
    help="The policies: a folder, from here or else from the access repository (default: its "
    "policies).",
)
@click.option("-k", "pattern", default="", help="Only tests whose name matches this pattern.")
@click.option("--coverage", is_flag=True, help="Show which lines of each file ran.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 100),
    help="Fail where fewer percent of the lines ran.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
@click.pass_obj
def test(
    context: Context,
    given: Path | None,
    pattern: str,
    coverage: bool,
    threshold: float | None,
    as_json: bool,
) -> int:
    """Run every `test_…` rule of every `…_test.rego` on the embedded engine.

    A test passes only if it is exactly true: false, undefined, any other value and an error
    fail it. Of an undefined one the first condition that does not hold is shown too. Where
    `opa test` takes an error inside a built-in for undefined, this fails, as a decision would.

    Exit codes: 0 all passed; 1 one failed, none was found, or too few lines ran; 2 invalid
    Rego or data.
    """
    from pipeline.policy_tools.line_coverage import total_percent
    from pipeline.run.policy_tests import run_policy_tests

    measured = coverage or threshold is not None
    found = run_policy_tests(context, given, pattern=pattern, measured=measured)
    tried, files = found.tried, found.files
    percent = total_percent(files)
    if as_json:
        document: dict[str, Any] = {
            "tests": [_document(one) for one in tried],
            "passed": sum(not one.why for one in tried),
            "failed": sum(bool(one.why) for one in tried),
        }
        if measured:
            document["coverage"] = {
                "percent": percent,
                "files": [
                    {
                        "path": one.path,
                        "covered": sorted(one.ran),
                        "not_covered": sorted(one.missed),
                        "percent": one.percent,
                    }
                    for one in files
                ],
            }
        context.emit(document)
    else:
        _say(context, tried, files if coverage else ())
    short = threshold is not None and percent < threshold
    if short:
        context.err.line(
            f"{percent} % of the lines ran, {threshold:g} % are needed; "
            "see which did not with --coverage",
            "red",
        )
    return 1 if short or not tried or any(one.why for one in tried) else 0


def _document(one: Tried) -> dict[str, Any]:
    return {
        "name": one.name,
        "path": one.path,
        "line": one.mark.line,
        "column": one.mark.column,
        "passed": not one.why,
        "why": one.why,
        "unmet": None
        if one.unmet is None
        else {
            "line": one.unmet.mark.line,
            "column": one.unmet.mark.column,
            "text": one.unmet.text,
        },
    }


def _say(context: Context, tried: Sequence[Tried], files: Sequence[FileCoverage]) -> None:
    out = context.out
    failed = [one for one in tried if one.why]
    for one in failed:
        place = f"{one.path}:{one.mark.line}:{one.mark.column}"
        out.line(f"{place}: {one.name} failed: {one.why}{_unmet(one)}", "red")
    if files:
        rows = [(one.path, f"{one.percent:g} %", _spans(one.missed)) for one in files]
        for line in table(("file", "covered", "lines that did not run"), rows):
            out.line(line)
    if not tried:
        out.line("no test was found, so nothing is proven", "red")
    else:
        count = f"{len(tried)} test{'' if len(tried) == 1 else 's'}"
        said = f"{len(failed)} failed" if failed else "all passed"
        out.line(f"{count}: {said}", "red" if failed else "green")


def _unmet(one: Tried) -> str:
    """Returns which condition does not hold, with a place that a terminal can open."""
    if one.unmet is None:
        return ""
    mark, text = one.unmet.mark, one.unmet.text
    short = text if len(text) <= _WIDE else text[: _WIDE - 1] + "…"
    return f"; {one.path}:{mark.line}:{mark.column} does not hold: {short}"


def _spans(lines: frozenset[int]) -> str:
    """Returns line numbers as people write them: `3, 7-9`."""
    spans = []
    for _, group in groupby(enumerate(sorted(lines)), key=lambda pair: pair[1] - pair[0]):
        numbers = [number for _, number in group]
        spans.append(f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else f"{numbers[0]}")
    return ", ".join(spans)
