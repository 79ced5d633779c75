"""Runs the tests of policies on the embedded engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pipeline.errors import EngineError, InvalidInput
from pipeline.policy.bundle import TEST_SUFFIX
from pipeline.policy.engine import PolicyBundle
from pipeline.policy.rego import compiled_engine, drop_strays, guarded, place_of
from pipeline.policy.rego_text import Module, read_module
from pipeline.values.canonical import canonical
from pipeline.values.problem import Mark, Problem

_UNDEFINED = "it is undefined"
_PROBE = "daypass_holds"


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One condition in the body of a test."""

    mark: Mark
    text: str
    """As written, in one line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """One test and what came of it."""

    name: str
    """Package and rule: `access.rules.window_test.test_x`."""

    path: str
    mark: Mark
    why: str
    """Why it failed; empty where it passed."""

    unmet: Condition | None
    """Of an undefined test, the first condition that does not hold after those before it; None
    where that cannot be told."""

    covered: Mapping[str, frozenset[int]]
    """Lines that ran, by file; empty unless coverage is asked for."""

    missed: Mapping[str, frozenset[int]]
    """Lines that could have run and did not, by file."""


def try_tests(
    bundle: PolicyBundle,
    *,
    wanted: Callable[[str], bool],
    coverage: bool,
    folder: str = "policies",
) -> Iterator[Tried]:
    """Runs each test in *bundle*, whose modules hold the tests too, that *wanted* names.

    A test is a rule named `test_…` in a file named `…_test.rego`. It passes only if it is
    exactly true, and defined once. An error inside a built-in fails it, as it would stop a
    decision; `opa test` takes such an error for undefined.

    Each test starts afresh, with all modules but the files of tests that it does not name:
    regorus evaluates whole packages where a reference walks over them, so somebody else's
    error would fail this test. Files are named below *folder*.

    Raises `InvalidInput` at the place where a module is no valid Rego.
    """
    drop_strays()
    _loaded(bundle, folder)
    fixed = {path: text for path, text in bundle.modules.items() if not path.endswith(TEST_SUFFIX)}
    modules = [read_module(path, text) for path, text in sorted(bundle.modules.items())]
    tests = {module.package: module for module in modules if module.path.endswith(TEST_SUFFIX)}
    rules = _loaded(PolicyBundle(modules=fixed, data=bundle.data), folder)
    try:
        for module in modules:
            names = [name for name in module.rules if name.startswith("test_")]
            names = [name for name in names if wanted(f"{module.package}.{name}")]
            if module.path.endswith(TEST_SUFFIX) and names:
                paths = {*fixed, *_named(module, tests)}
                part = PolicyBundle(
                    modules={path: bundle.modules[path] for path in paths}, data=bundle.data
                )
                yield from _try_file(part, module, names, rules, coverage=coverage, folder=folder)
    finally:
        del rules


def _named(module: Module, tests: Mapping[str, Module]) -> set[str]:
    """Returns the paths of *module* and of the files of tests that it needs."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        one = waiting.pop()
        if one.path in found:
            continue
        found.add(one.path)
        dotted = {*one.imports.values(), *(".".join(r.path) for r in one.references)}
        for package, other in tests.items():
            if any(f"{name}.".startswith(f"data.{package}.") for name in dotted):
                waiting.append(other)
    return found


def _try_file(
    bundle: PolicyBundle,
    module: Module,
    names: list[str],
    rules: Any,
    *,
    coverage: bool,
    folder: str,
) -> Iterator[Tried]:
    """Tries the tests in *module*, which *bundle* holds; *rules* is an engine without tests."""
    tests = {path: text for path, text in bundle.modules.items() if path.endswith(TEST_SUFFIX)}
    engine = _loaded(PolicyBundle(modules=tests, data=bundle.data), folder, onto=rules)
    try:
        for name in names:
            tried = _try(engine, module, name, coverage=coverage, folder=folder)
            undefined = tried.why == _UNDEFINED
            yield replace(tried, unmet=_unmet(bundle, module, name)) if undefined else tried
    finally:
        del engine, rules


def _loaded(bundle: PolicyBundle, folder: str, onto: Any = None) -> Any:
    try:
        return guarded("loading the policies", lambda: compiled_engine(bundle, f"{folder}/", onto))
    except EngineError as error:
        raise _misplaced(error) from error


def _try(engine: Any, module: Module, name: str, *, coverage: bool, folder: str) -> Tried:
    covered: dict[str, frozenset[int]] = {}
    missed: dict[str, frozenset[int]] = {}
    fresh = engine.clone()
    evaluate = partial(fresh.eval_rule_as_json, f"data.{module.package}.{name}")
    try:
        fresh.set_enable_coverage(coverage)
        try:
            answer = canonical(json.loads(guarded("testing", evaluate)))
            why = {"true": "", '"<undefined>"': _UNDEFINED}.get(
                answer, f"it is {answer[:200]} instead of true"
            )
            if len(module.rules[name]) > 1:
                why = "it is defined more than once, and one would hide another; rename them"
        except EngineError as error:
            why = _told(error)
        if coverage:
            report = json.loads(fresh.get_coverage_report_as_json())
            for file in report["files"]:
                covered[file["path"]] = frozenset(file["covered"])
                missed[file["path"]] = frozenset(file["not_covered"])
    finally:
        del evaluate, fresh
    return Tried(
        name=f"{module.package}.{name}",
        path=f"{folder}/{module.path}",
        mark=module.rules[name][0].mark,
        why=why,
        unmet=None,
        covered=covered,
        missed=missed,
    )


def _unmet(bundle: PolicyBundle, module: Module, name: str) -> Condition | None:
    """Returns the first condition of a test that does not hold, found by asking for the first
    one alone, for the first two, and so on."""
    clauses = [clause for one in module.rules[name] for clause in one.clauses]
    body = clauses[0].body or ()
    # `some x` leaves it to a later condition to give x a value.
    if len(clauses) != 1 or any(
        words[0].text == "some" and all(word.text != "in" for word in words) for words in body
    ):
        return None
    texts = [module.between(words[0], words[-1]) for words in body]
    probes = [
        f"{_PROBE}_{count} if {{\n" + "\n".join(texts[: count + 1]) + "\n}\n"
        for count in range(len(texts))
    ]
    text = "\n".join([bundle.modules[module.path], *probes])
    probed = PolicyBundle(modules={**bundle.modules, module.path: text}, data=bundle.data)
    try:
        engine = guarded("testing", lambda: compiled_engine(probed))
    except EngineError:
        # A condition may need a variable that a later one sets.
        return None
    try:
        for count, words in enumerate(body):
            ask = partial(engine.eval_rule_as_json, f"data.{module.package}.{_PROBE}_{count}")
            try:
                holds = json.loads(guarded("testing", ask)) is True
            except EngineError:
                return None
            finally:
                del ask
            if not holds:
                return Condition(mark=words[0].mark, text=" ".join(texts[count].split()))
        return None
    finally:
        del engine


def _told(error: EngineError) -> str:
    """Returns an engine's error in one line, with its place."""
    text = error.message
    place = place_of(text)
    said = text.rpartition("error: ")[2].strip()
    return f"{said} at {':'.join(map(str, place))}" if place else said


def _misplaced(error: EngineError) -> InvalidInput:
    """Returns what makes a module invalid as a problem at its place."""
    path, line, column = place_of(error.message) or ("policies", 1, 1)
    said = error.message.rpartition("error: ")[2].strip()
    problem = Problem(
        path=path, line=line, column=column, code="rego", message=f"no valid Rego: {said}"
    )
    return InvalidInput((problem,))
