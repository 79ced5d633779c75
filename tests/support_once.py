"""Policies compiled once, and asked each question once, for tests that share a process.

Every command is a process of its own where Daypass is used; here hundreds share one, and would
spend half of their time on compiling the same files and on the same decisions.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pipeline.policy import rego
from pipeline.policy.engine import PolicyBundle
from pipeline.policy_tools import run_tests
from pipeline.values.canonical import canonical


class Shared:
    """A compiled engine whose clones answer each question once among them."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._answers: dict[tuple[str, str], str] = {}

    def clone(self) -> Shared.Clone:
        """Returns what `RegorusEngine` asks: a clone that has a rule and an input."""
        return Shared.Clone(self._engine, self._answers)

    class Clone:
        """One question."""

        def __init__(self, engine: Any, answers: dict[tuple[str, str], str]) -> None:
            self._engine = engine
            self._answers = answers
            self._input = ""

        def set_input_json(self, document: str) -> None:
            """See regorus."""
            self._input = document

        def eval_rule_as_json(self, rule: str) -> str:
            """See regorus. What raises is asked anew."""
            key = (rule, self._input)
            if key not in self._answers:
                engine = self._engine.clone()
                try:
                    engine.set_input_json(self._input)
                    self._answers[key] = engine.eval_rule_as_json(rule)
                finally:
                    del engine
            return self._answers[key]


_COMPILE = rego.compiled_engine


@contextmanager
def compiling_once() -> Iterator[None]:
    """Gives every caller on the main thread the same engine for equal policies.

    Nothing else is shared: an engine belongs to its thread, and invalid policies are refused
    anew each time.
    """
    if rego.compiled_engine is not _COMPILE:
        # Another folder's tests, in the same process, asked for it before.
        yield
        return
    by_modules: dict[tuple[str, frozenset[tuple[str, str]]], Any] = {}
    compiled: dict[tuple[str, frozenset[tuple[str, str]], str], Any] = {}
    shared: dict[tuple[frozenset[tuple[str, str]], str], Shared] = {}
    compile_anew = rego.compiled_engine

    def compile_once(bundle: PolicyBundle, prefix: str = "", onto: Any = None) -> Any:
        if onto is not None or not _on_main_thread():
            return compile_anew(bundle, prefix, onto)
        modules, data = frozenset(bundle.modules.items()), canonical(dict(bundle.data))
        if (prefix, modules, data) not in compiled:
            if (prefix, modules) in by_modules:
                engine = by_modules[prefix, modules].clone()
                engine.clear_data()
                engine.add_data_json(data)
                engine.eval_query_as_json("true")
            else:
                engine = by_modules[prefix, modules] = compile_anew(bundle, prefix)
            compiled[prefix, modules, data] = engine
        return compiled[prefix, modules, data].clone()

    def share(bundle: PolicyBundle) -> Any:
        if not _on_main_thread():
            return compile_anew(bundle)
        key = frozenset(bundle.modules.items()), canonical(dict(bundle.data))
        if key not in shared:
            shared[key] = Shared(compile_once(bundle))
        return shared[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rego, "compiled_engine", share)
        patch.setattr(run_tests, "compiled_engine", compile_once)
        yield


def _on_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
