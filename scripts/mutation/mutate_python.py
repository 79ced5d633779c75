"""Whether the unit tests notice what changes in the Python that decides, proves and counts.

Every module of `MODULES` is changed in one place at a time (`python_mutants.py`), and every unit
test that runs the changed lines is asked until one fails (`python_forks.py`). Nothing is written,
and a mutant takes a fraction of a second. What takes far longer than usual is noticed, too.

Exit 1 where anything may change unnoticed, 2 where tests fail without any change. What nobody
can notice stands in `EQUIVALENT`, with the reason.

No library does it: mutmut copies the tree and wraps every function in the copy, which tests that
read our own files take for a fault; cosmic-ray writes over the file itself and starts the tests
anew for every mutant. Neither keeps reasons for what is equivalent.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Tests and pipeline of this tree, whichever is installed.
sys.path.insert(0, str(ROOT))

from scripts.mutation.python_forks import Mutating, Verdict  # noqa: E402
from scripts.mutation.python_mutants import Mutant, mutants  # noqa: E402

MODULES = (
    *("judge/decide", "judge/assess", "judge/grant_changes", "judge/shape", "judge/requesters"),
    *("judge/rulebook", "proof/merge_checks", "proof/commit_prover", "proof/prover"),
    *("proof/life_fold", "proof/rule_line", "proof/twins", "judge/offer"),
    *("history/branch_line", "ending/removals", "approvals/seating"),
    *("approvals/steps", "approvals/tally", "approvals/voters", "policy/answer"),
    *("run/situation", "run/states", "provision/plan"),
)
"""Below `pipeline/`."""

WHOLE_COMMANDS = (
    *("test_cli", "test_explain", "test_generate", "test_init", "test_lint", "test_offline"),
    *("test_opa", "test_policy_", "test_project", "test_request", "test_schema_command"),
    *("test_soak", "test_surroundings", "test_workflow_pull", "test_wrong_settings"),
)
"""How files of tests begin that run commands: too slow for what others show by one call."""

_NEVER_OPEN = "only merged pull requests come here, and they have that time"
EQUIVALENT: dict[tuple[str, str, str, str], str] = {
    (
        "pipeline/ending/removals.py",
        "_removal",
        "found[0]",
        "found[-1]",
    ): "each of them says why it goes",
    **{
        (
            "pipeline/ending/removals.py",
            "_removal_for",
            "new is None or old is None or classify(old, new) != 'narrow'",
            f"{left} or classify(old, new) != 'narrow'",
        ): "what is none on one side is no narrowing"
        for left in ("False or old is None", "new is None or False")
    },
    (
        "pipeline/proof/commit_prover.py",
        "CommitProver._judge",
        "merged[0]",
        "merged[-1]",
    ): "it is the only one",
    (
        "pipeline/proof/commit_prover.py",
        "CommitProver._try_pull",
        "pull.merged_at or commit.committed_at",
        "pull.merged_at or False",
    ): _NEVER_OPEN,
}
"""Path, function, before and after, to the reason why no answer can differ."""


def reason_of(one: Mutant) -> str | None:
    """Returns why nobody can notice a mutant; None where somebody could."""
    return EQUIVALENT.get((one.path, one.function, one.before, one.after))


def chosen_mutants(part: str) -> list[Mutant]:
    """Returns the mutants of every module that has *part* in its path."""
    paths = [f"pipeline/{name}.py" for name in MODULES]
    return [
        one
        for path in paths
        if part in path
        for one in mutants(path, (ROOT / path).read_text("utf-8"))
    ]


def candidates(modules: Sequence[str], names: str = "test_*.py") -> list[Path]:
    """Returns the files of unit tests that reach one of *modules* by what they import."""
    wanted = {ROOT / name for name in modules}
    found = []
    for path in sorted((ROOT / "tests" / "unit").glob(names)):
        seen, waiting = {path}, [path]
        while waiting:
            for other in imported(waiting.pop()) - seen:
                seen.add(other)
                waiting.append(other)
        if seen & wanted and not path.name.startswith(WHOLE_COMMANDS):
            found.append(path)
    return found


@cache
def imported(path: Path) -> frozenset[Path]:
    """Returns the files of ours that the file at *path* imports, inside of functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            file = ROOT.joinpath(*name.split(".")).with_suffix(".py")
            if name.partition(".")[0] in ("pipeline", "tests") and file.is_file():
                found.add(file)
    return frozenset(found)


class FirstExample:
    """A plug-in of pytest that ends properties where an example fails: shrinking takes long."""

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self) -> None:
        """Takes the settings of the slice, which tests/conftest.py has loaded."""
        # Not before: pytest rewrites the assertions of its plug-ins as they are imported.
        from hypothesis import Phase, settings

        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutation", settings.get_profile("slice"), phases=phases)
        settings.load_profile("mutation")


def report(verdicts: Sequence[Verdict], out: IO[str], *, as_json: bool) -> int:
    """Writes what came of all mutants, and returns the exit code."""
    survivors = [one for one in verdicts if not one.noticed]
    unnoticed = [one for one in survivors if reason_of(one.mutant) is None]
    equivalent = [one for one in survivors if reason_of(one.mutant) is not None]
    wrong = [one for one in verdicts if one.noticed and reason_of(one.mutant) is not None]
    every = Counter(one.mutant.path for one in verdicts)
    noticed = Counter(one.mutant.path for one in verdicts if one.noticed)
    if as_json:
        document = {
            "mutants": Counter(one.mutant.kind for one in verdicts),
            "noticed": noticed.total(),
            "modules": {path: {"noticed": noticed[path], "of": every[path]} for path in every},
            "survivors": [_document(one) for one in unnoticed],
            "equivalent": [
                {**_document(one), "reason": reason_of(one.mutant)} for one in equivalent
            ],
        }
        print(json.dumps(document, indent=2), file=out)
    else:
        for path, count in every.items():
            print(f"{path}: {noticed[path]} of {count} noticed", file=out)
        print(
            f"{noticed.total()} of {every.total()} noticed; "
            f"{len(unnoticed)} not, {len(equivalent)} equivalent",
            file=out,
        )
    for one in wrong:
        place = f"{one.mutant.path}:{one.mutant.line}"
        print(f"{place}: not equivalent: {one.mutant.after}", file=sys.stderr)
    return 1 if not verdicts or wrong or unnoticed else 0


def line_of(verdict: Verdict) -> str:
    """Returns the line that tells of a mutant that no test noticed."""
    one, reason = verdict.mutant, reason_of(verdict.mutant)
    kind = one.kind if reason is None else f"equivalent ({reason})"
    ran = "" if verdict.tests else ", and no test runs it"
    return f"{one.path}:{one.line}: {kind}{ran}: {one.before}  ->  {one.after}"


def _document(verdict: Verdict) -> dict[str, Any]:
    one = verdict.mutant
    names = ("path", "line", "function", "kind", "before", "after")
    return {**{name: getattr(one, name) for name in names}, "tests": verdict.tests}


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("-k", default="", metavar="TEXT", help="only modules so called")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--json", action="store_true", help="write JSON to stdout")
    arguments = parser.parse_args()
    chosen = chosen_mutants(arguments.k)
    if not chosen:
        print(f"no module has {arguments.k} in its path", file=sys.stderr)
        return 1

    # What pytest says is for people.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    os.environ.pop("CI", None)
    os.chdir(ROOT)

    def told(verdict: Verdict, number: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{number} of {len(chosen)}", end="", file=sys.stderr)
        if not verdict.noticed and not arguments.json:
            print(line_of(verdict), file=out)

    mutating = Mutating(ROOT, chosen, arguments.jobs, told)
    files = candidates(sorted({one.path for one in chosen}))
    with tempfile.TemporaryDirectory() as folder, out:
        options = ["-qq", "-s", "--no-header", "--no-summary", "-p", "no:cacheprovider"]
        options += ["-m", "not opa and not node", f"--basetemp={folder}/tests"]
        pytest.main([*options, *map(str, files)], plugins=[mutating, FirstExample()])
        if mutating.measured is None:
            print("the tests cannot be run: try pytest", file=sys.stderr)
            return 2
        for name in mutating.measured.failed:
            print(f"fails without any change, so it shows nothing: {name}", file=sys.stderr)
        if mutating.measured.failed:
            return 2
        order = {id(one): number for number, one in enumerate(chosen)}
        verdicts = sorted(mutating.verdicts, key=lambda one: order[id(one.mutant)])
        return report(verdicts, out, as_json=arguments.json)


if __name__ == "__main__":
    raise SystemExit(main())
