"""Whether the tests of policies/ notice what changes in them: mutants, one by one.

Every module that is no test is changed in one place at a time: a comparison is widened,
narrowed or turned round, an integer is one more or one less, a `not` is gone, a condition always
holds. Every integer of the settings is one more or one less. The tests beside the module are
asked first, then all others, on the embedded engine; the settings are asked for what lies on both
sides of each limit (`tests/contract/support_boundaries.py`). What is no valid Rego counts as
noticed. Exit 1 where anything may change unnoticed, 2 where tests fail without any change.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Tests and pipeline of this tree, whichever is installed.
sys.path.insert(0, str(ROOT))

from pipeline.errors import EngineError, InvalidInput  # noqa: E402
from pipeline.policy.bundle import TEST_SUFFIX, load_bundle  # noqa: E402
from pipeline.policy.engine import PolicyBundle  # noqa: E402
from pipeline.policy.rego_text import Token, Tokens, closing, parts, read_module  # noqa: E402
from pipeline.policy_tools.run_tests import try_tests  # noqa: E402

COMPARISONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
LIMITS = frozenset({"comparison", "integer", "setting"})
"""The kinds that `--limits` asks about: what may be off by one."""

EQUIVALENT: dict[tuple[str, str, str], str] = {}
"""Path, line as written and line as changed, to the reason why no decision can differ."""

# An integer as a value of YAML, and nothing that only begins like one.
_INTEGER = re.compile(r"(?<=[:,\[-] )-?[0-9]+(?=\s*(?:[,}\]#]|$))|(?<=\[)-?[0-9]+(?=[,\]])")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutant:
    """One change at one place."""

    path: str
    """Below `policies/`."""

    line: int
    kind: str
    """`comparison`, `integer`, `not`, `condition` or `setting`."""

    before: str
    """The line as written, or what is taken out of it over several."""

    after: str
    text: str
    """The whole file, changed."""

    @property
    def reason(self) -> str | None:
        """Why nobody can notice it; None where somebody could."""
        return EQUIVALENT.get((self.path, self.before, self.after))


@cache
def files() -> dict[str, str]:
    """Everything below policies/, as the pipeline reads it."""
    folder = ROOT / "policies"
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def mutants() -> Iterator[Mutant]:
    """Yields every mutant of every module and of every setting."""
    for path, text in files().items():
        if path.endswith(".rego") and not path.endswith(TEST_SUFFIX):
            yield from _of_module(path, text)
        elif re.fullmatch(r"settings/[^/]+/data\.yaml", path):
            yield from _of_settings(path, text)


def _of_module(path: str, text: str) -> Iterator[Mutant]:
    module = read_module(path, text)
    for token in module.tokens:
        if token.kind == "sign" and token.text in COMPARISONS:
            yield _changed(path, text, "comparison", token, COMPARISONS[token.text])
        elif token.kind == "number" and token.text.isdigit():
            for by in (1, -1):
                yield _changed(path, text, "integer", token, str(int(token.text) + by))
        elif token.kind == "name" and token.text == "not":
            yield _changed(path, text, "not", token, "")
    for definition in module.definitions:
        for clause in definition.clauses:
            for expression in clause.body or ():
                yield from _held(path, text, expression)
        for expression in _inner(definition.tokens):
            yield from _held(path, text, expression)


def _inner(words: Tokens) -> Iterator[Tokens]:
    """Yields the conditions of `every` and of comprehensions, at any depth."""
    bodies = set()
    for index, token in enumerate(words):
        if token.kind == "name" and token.text == "every":
            bodies.add(next(at for at in range(index, len(words)) if words[at].text == "{"))
    for index, token in enumerate(words):
        if token.text not in ("{", "["):
            continue
        inside = words[index + 1 : closing(words, index)]
        pieces = parts(inside, "|")
        if index in bodies:
            yield from _expressions(inside)
        elif len(pieces) == 2:
            yield from _expressions(pieces[1])


def _expressions(words: Sequence[Token]) -> Iterator[Tokens]:
    """Yields the expressions of a body, which `opa fmt` writes one a line."""
    for part in parts(words, ";"):
        found: list[Token] = []
        depth = 0
        for token in part:
            if found and depth == 0 and token.mark.line > found[-1].mark.line:
                yield tuple(found)
                found = []
            depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
            found.append(token)
        yield tuple(found)


def _held(path: str, text: str, expression: Tokens) -> Iterator[Mutant]:
    first, last = expression[0], expression[-1]
    # `some x` without `in` names a variable and asks nothing.
    if first.text != "some" or any(token.text == "in" for token in expression):
        yield _replaced(path, text, "condition", first.mark.line, (first.start, last.end), "true")


def _changed(path: str, text: str, kind: str, token: Token, to: str) -> Mutant:
    end = token.end if to else token.end + 1
    return _replaced(path, text, kind, token.mark.line, (token.start, end), to)


def _of_settings(path: str, text: str) -> Iterator[Mutant]:
    start = 0
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        if not line.lstrip().startswith("#"):
            for match in _INTEGER.finditer(line.rstrip("\n")):
                for by in (1, -1):
                    span = (start + match.start(), start + match.end())
                    to = str(int(match.group()) + by)
                    yield _replaced(path, text, "setting", number, span, to)
        start += len(line)


def _replaced(path: str, text: str, kind: str, line: int, span: tuple[int, int], to: str) -> Mutant:
    start, end = span
    begin = text.rfind("\n", 0, start) + 1
    stop = (text + "\n").index("\n", end)
    return Mutant(
        path=path,
        line=line,
        kind=kind,
        before=" ".join(text[begin:stop].split()),
        after=" ".join((text[begin:start] + to + text[end:stop]).split()),
        text=text[:start] + to + text[end:],
    )


def noticed(mutant: Mutant) -> bool:
    """Returns whether a test fails, or the mutant is invalid."""
    changed = {**files(), mutant.path: mutant.text}
    if mutant.kind == "setting":
        boundaries = import_module("tests.contract.support_boundaries")
        settings = load_bundle(changed).data["settings"]
        return bool(boundaries.notices(settings))
    folder = mutant.path.rpartition("/")[0] + "/"

    def beside(path: str) -> bool:
        return path.startswith((folder, "lib/fixtures/"))

    modules = {path: text for path, text in changed.items() if path.endswith(".rego")}
    rules = {path: text for path, text in modules.items() if not path.endswith(TEST_SUFFIX)}
    near = {path: text for path, text in modules.items() if path in rules or beside(path)}
    if _fails(near):
        return True
    # Rules know no other rules, so the tests of others are about libraries and the decision.
    others = {path: text for path, text in modules.items() if path in rules or not beside(path)}
    others |= {path: text for path, text in modules.items() if path.startswith("lib/fixtures/")}
    alone = mutant.path.startswith("access/rules/")
    return _answers_differ(rules) or (not alone and _fails(others))


def _fails(modules: dict[str, str]) -> bool:
    bundle = PolicyBundle(modules=modules, data=load_bundle(files()).data)
    try:
        return any(one.why for one in try_tests(bundle, wanted=lambda _: True, coverage=False))
    except (InvalidInput, EngineError):
        return True


@cache
def already_failing() -> frozenset[str]:
    """The cases that fail without any change, which therefore notice nothing."""
    cases = import_module("tests.contract.support_cases")
    text = {path: text for path, text in files().items() if path.endswith(".rego")}
    return frozenset(
        cases.failing({path: text[path] for path in text if not path.endswith(TEST_SUFFIX)})
    )


def _sound() -> bool:
    """Returns whether nothing is noticed where nothing is changed; says what is."""
    modules = {path: text for path, text in files().items() if path.endswith(".rego")}
    boundaries = import_module("tests.contract.support_boundaries")
    broken = [f"case {name}" for name in sorted(already_failing())]
    if _fails(modules):
        broken.append("the tests of policies/")
    if boundaries.notices(load_bundle(files()).data["settings"]):
        broken.append("the boundaries of the settings")
    for name in broken:
        print(f"fails without any change, so it shows nothing: {name}", file=sys.stderr)
    return not broken


def _answers_differ(modules: dict[str, str]) -> bool:
    """Returns whether a case of tests/contract fails."""
    cases = import_module("tests.contract.support_cases")
    try:
        return next(cases.failing(modules, but=already_failing()), None) is not None
    except (InvalidInput, EngineError):
        return True


def _places(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return sum(map(_places, value)) if isinstance(value, list) else type(value) is int


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("-k", default="", metavar="TEXT", help="only files with this in their path")
    parser.add_argument(
        "--limits", action="store_true", help="only comparisons, integers and settings"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--json", action="store_true", help="write JSON to stdout")
    arguments = parser.parse_args()

    everything = list(mutants())
    settings = load_bundle(files()).data["settings"]
    written = sum(one.kind == "setting" for one in everything)
    if written != 2 * _places(settings):
        print(f"{written} changes to settings for {_places(settings)} integers", file=sys.stderr)
        return 1
    chosen = [
        one
        for one in everything
        if arguments.k in one.path and (one.kind in LIMITS or not arguments.limits)
    ]
    sound = _sound()
    survivors: list[Mutant] = []
    with multiprocessing.get_context("fork").Pool(arguments.jobs) as pool:
        for number, (one, killed) in enumerate(
            zip(chosen, pool.imap(noticed, chosen, chunksize=4), strict=True), start=1
        ):
            if sys.stderr.isatty():
                print(f"\r{number} of {len(chosen)}", end="", file=sys.stderr)
            if not killed:
                survivors.append(one)
                if not arguments.json:
                    _say(one)
    told = _report(chosen, survivors, as_json=arguments.json)
    return told if sound else 2


def _report(chosen: list[Mutant], survivors: list[Mutant], *, as_json: bool) -> int:
    equal = [one for one in survivors if one.reason is not None]
    unnoticed = [one for one in survivors if one.reason is None]
    wrong = [one for one in chosen if one.reason is not None and one not in equal]
    if as_json:
        document = {
            "mutants": Counter(one.kind for one in chosen),
            "killed": len(chosen) - len(survivors),
            "survivors": [_document(one) for one in unnoticed],
            "equivalent": [{**_document(one), "reason": one.reason} for one in equal],
        }
        print(json.dumps(document, indent=2))
    else:
        print(
            f"{len(chosen)} mutants: {len(chosen) - len(survivors)} noticed, "
            f"{len(unnoticed)} not, {len(equal)} equivalent"
        )
    for one in wrong:
        print(f"policies/{one.path}:{one.line}: not equivalent: {one.after}", file=sys.stderr)
    return 1 if not chosen or wrong or unnoticed else 0


def _say(one: Mutant) -> None:
    kind = one.kind if one.reason is None else f"equivalent ({one.reason})"
    print(f"policies/{one.path}:{one.line}: {kind}: {one.before}  ->  {one.after}", flush=True)


def _document(one: Mutant) -> dict[str, Any]:
    return {name: value for name, value in asdict(one).items() if name != "text"}


if __name__ == "__main__":
    raise SystemExit(main())
