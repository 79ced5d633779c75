"""Writes every file that is generated, or says with --check which of them differ."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# An environment may hold another checkout; what is generated is this one's.
sys.path.insert(0, str(ROOT))

from pipeline.errors import PipelineError  # noqa: E402
from pipeline.grants.schema import render_schemas  # noqa: E402
from pipeline.output.rules_table import between, rules_table  # noqa: E402
from pipeline.policy.answer import BECAUSE, WHY  # noqa: E402
from pipeline.run.offline import read_policies  # noqa: E402
from scripts.docs import questions  # noqa: E402

CODES, INPUT = "policies/CODES.md", "policies/INPUT.md"


def generated(root: Path) -> Mapping[str, str]:
    """Returns what each generated file of *root* should say, by path.

    Raises `PipelineError` for policies that cannot be read, `ValueError` for a document
    without the markers that its generated part stands between.
    """
    codes = between(_text(root, CODES), "codes", rules_table(read_policies(root)))
    shown = _text(root, INPUT)
    for name, value in {
        "grant": questions.about_a_grant(ROOT),
        "governance": questions.about_governance(),
        "decision": questions.answer(root, questions.about_a_grant(ROOT)),
    }.items():
        shown = between(shown, name, f"```json\n{questions.shown(value)}\n```\n")
    return {**render_schemas(), CODES: codes, INPUT: between(shown, "reasons", _reasons())}


def _reasons() -> str:
    lines = ["| key | code | for people |", "| --- | --- | --- |"]
    for key, reasons in (("because", BECAUSE), ("why", WHY)):
        lines += [f"| `{key}` | `{code}` | {words} |" for code, words in reasons.items()]
    return "\n".join(lines) + "\n"


def _text(root: Path, path: str) -> str:
    place = root / path
    return place.read_text("utf-8") if place.exists() else ""


def main(arguments: list[str] | None = None) -> int:
    """Exit codes: 0 all is as generated; 1 something differs; 2 it cannot be generated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail on differences")
    parser.add_argument("--root", type=Path, default=ROOT, help="another checkout")
    given = parser.parse_args(arguments)
    try:
        wanted = generated(given.root)
    except (PipelineError, ValueError) as error:
        print(f"nothing was generated: {error}", file=sys.stderr)
        return 2
    differing = [path for path, text in wanted.items() if _text(given.root, path) != text]
    for path in differing:
        if given.check:
            print(f"{path} differs from what is generated; run scripts/generate")
        else:
            (given.root / path).parent.mkdir(parents=True, exist_ok=True)
            (given.root / path).write_text(wanted[path], "utf-8")
            print(f"{path} written")
    return 1 if given.check and differing else 0


if __name__ == "__main__":
    sys.exit(main())
