"""Runs collected tests once for each mutant of a Python module, each time in a fork.

pytest collects the tests once. A fork runs all of them without any change, and says which lines
each of them runs. Then each mutant is a fork in which the functions of its module have other
code; the tests that run the changed lines are run there, the fastest first, until one fails.
"""

from __future__ import annotations

import ast
import functools
import gc
import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import coverage
import pytest

from scripts.mutation.python_mutants import Mutant

NOTICED, UNTRIED = 1, 3
"""How the fork of a mutant ends, if not with 0."""

LEAST_SECONDS = 10.0
TIMES_LONGER = 20
"""How long the tests of a mutant may take, of what they take without it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What came of one mutant."""

    mutant: Mutant
    tests: int
    """How many run the changed lines."""

    noticed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What the tests do without any change."""

    failed: tuple[str, ...]
    seconds: Mapping[str, float]
    """By test."""

    runs: Mapping[str, Mapping[int, Sequence[str]]]
    """The tests that run a line, by path of the module and line."""

    def tests_of(self, mutant: Mutant) -> list[str]:
        """Returns the tests that could notice, the fastest first."""
        lines = self.runs.get(mutant.path, {})
        asked = mutant.lines if mutant.function else lines
        found = {test for line in asked for test in lines.get(line, ())}
        return sorted(found & self.seconds.keys(), key=lambda test: self.seconds[test])


class Loaded:
    """The functions of our modules in this process, before any change."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._functions: dict[str, list[FunctionType]] = {}
        self._caches: list[Any] = []
        for one in gc.get_objects():
            if type(one) is FunctionType:
                self._functions.setdefault(one.__code__.co_filename, []).append(one)
            elif type(one) is functools._lru_cache_wrapper and _is_ours(one):
                self._caches.append(one)

    def change(self, mutant: Mutant) -> None:
        """Gives the module of *mutant* its code: for good, so only in a fork.

        Raises `LookupError` where no function of that name is loaded.
        """
        for cache in self._caches:
            cache.cache_clear()
        if mutant.function:
            self._change_functions(mutant)
        else:
            self._change_constant(mutant)

    def _change_functions(self, mutant: Mutant) -> None:
        codes = {(one.co_qualname, one.co_firstlineno): one for one in _below(mutant.code())}
        there = False
        for function in self._functions.get(str(self._root / mutant.path), ()):
            name = function.__code__.co_qualname
            code = codes.get((name, function.__code__.co_firstlineno))
            if code is not None:
                function.__code__ = code
                # A function inside of a loaded one comes with it.
                there = there or f"{mutant.function}.".startswith(f"{name}.")
        if not there:
            raise LookupError(mutant.function)

    def _change_constant(self, mutant: Mutant) -> None:
        """Gives a constant its value wherever it was imported, and as a default too."""
        module = sys.modules[mutant.path.removesuffix(".py").replace("/", ".")]
        space = dict(vars(module))
        exec(mutant.statement_code(), space)  # noqa: S102 - our own module, one place changed
        for name in _names_of(mutant.statement):
            old, new = vars(module)[name], space[name]
            for other in list(sys.modules.values()):
                if vars(other).get(name) is old:
                    setattr(other, name, new)
            for function in self._functions.get(str(self._root / mutant.path), ()):
                if function.__defaults__:
                    function.__defaults__ = tuple(
                        new if one is old else one for one in function.__defaults__
                    )
                if function.__kwdefaults__:
                    function.__kwdefaults__ = {
                        key: new if one is old else one
                        for key, one in function.__kwdefaults__.items()
                    }


def _is_ours(function: Any) -> bool:
    return str(function.__module__).startswith("pipeline.")


def _below(code: CodeType) -> Iterator[CodeType]:
    """Yields the code of every function in *code*."""
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from _below(one)


def _names_of(statement: ast.stmt) -> list[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


class Mutating:
    """A plug-in of pytest that tries *chosen* on the tests that it collected."""

    def __init__(
        self,
        root: Path,
        chosen: Sequence[Mutant],
        jobs: int,
        told: Callable[[Verdict, int], None],
    ) -> None:
        self._root = root
        self._chosen = chosen
        self._jobs = jobs
        self._told = told
        self.measured: Measured | None = None
        """None where the tests cannot be collected."""

        self.verdicts: list[Verdict] = []
        """In the order in which they were found."""

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Measures the tests, and tries each mutant on those that could notice it."""
        paths = {one.path for one in self._chosen}
        self.measured = _in_fork(lambda: _measure(self._root, session, paths))
        if self.measured.failed:
            return True
        items = {item.nodeid: item for item in session.items}
        loaded = Loaded(self._root)
        gc.collect()
        gc.freeze()
        running: dict[int, tuple[Verdict, float]] = {}
        for mutant in self._chosen:
            tests = self.measured.tests_of(mutant)
            verdict = Verdict(mutant=mutant, tests=len(tests), noticed=False)
            if not tests:
                self._done(verdict)
                continue
            while len(running) >= self._jobs:
                self._reap(running)
            usual = sum(self.measured.seconds[test] for test in tests)
            limit = time.monotonic() + LEAST_SECONDS + TIMES_LONGER * usual
            child = os.fork()
            if child == 0:
                _try(session, loaded, mutant, [items[test] for test in tests])
            running[child] = (verdict, limit)
        while running:
            self._reap(running)
        return True

    def _reap(self, running: dict[int, tuple[Verdict, float]]) -> None:
        """Waits for a moment, and takes what has ended or takes too long out of *running*."""
        time.sleep(0.002)
        for child, (verdict, limit) in list(running.items()):
            ended, status = os.waitpid(child, os.WNOHANG)
            late = not ended and time.monotonic() > limit
            if late:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
            if ended or late:
                del running[child]
                noticed = late or os.waitstatus_to_exitcode(status) == NOTICED
                self._done(Verdict(mutant=verdict.mutant, tests=verdict.tests, noticed=noticed))

    def _done(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)
        self._told(verdict, len(self.verdicts))


def _measure(root: Path, session: pytest.Session, paths: set[str]) -> Measured:
    """Runs every test, noting how long it takes and which lines of *paths* it runs."""
    include = [str(root / path) for path in paths]
    watched = coverage.Coverage(data_file=None, config_file=False, include=include)
    seconds: dict[str, float] = {}
    failed: list[str] = []
    watched.start()
    for item, following in _followed(session.items):
        watched.switch_context(item.nodeid)
        begun = time.monotonic()
        if not _passes(session, item, following):
            failed.append(item.nodeid)
        seconds[item.nodeid] = time.monotonic() - begun
    watched.stop()
    data = watched.get_data()
    runs = {path: data.contexts_by_lineno(str(root / path)) for path in paths}
    return Measured(failed=tuple(failed), seconds=seconds, runs=runs)


def _passes(session: pytest.Session, item: pytest.Item, following: pytest.Item | None) -> bool:
    before = session.testsfailed
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    return session.testsfailed == before


def _followed(items: Sequence[pytest.Item]) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    return zip(items, [*items[1:], None], strict=True)


def _in_fork(work: Callable[[], Measured]) -> Measured:
    """Returns what *work* gives in a fork, so that nothing of it stays in this process."""
    end, begin = os.pipe()
    child = os.fork()
    if child == 0:
        shown = os.dup(2)
        _hush()
        try:
            with os.fdopen(begin, "wb") as out:
                pickle.dump(work(), out)
        except BaseException:
            os.dup2(shown, 2)
            traceback.print_exc()
        os._exit(0)
    os.close(begin)
    with os.fdopen(end, "rb") as told:
        content = told.read()
    os.waitpid(child, 0)
    found: Measured = pickle.loads(content)  # noqa: S301 - our own fork wrote it
    return found


def _try(
    session: pytest.Session, loaded: Loaded, mutant: Mutant, tests: Sequence[pytest.Item]
) -> None:
    """Ends this process, which is a fork: with `NOTICED` where a test fails."""
    try:
        os.setsid()
        gc.disable()
        _hush()
        try:
            loaded.change(mutant)
        except LookupError:
            raise
        except Exception:
            # A constant that cannot be made: the module would not load.
            os._exit(NOTICED)
        for item, following in _followed(tests):
            if not _passes(session, item, following):
                os._exit(NOTICED)
    except BaseException:
        traceback.print_exc()
        os._exit(UNTRIED)
    os._exit(0)


def _hush() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
