"""The embedded engine compiled once for each set of policies, for tests that share a process.

Every command is a process of its own where Daypass is used; here hundreds share one, and would
spend half of their time on compiling the same files.
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


@contextmanager
def compiling_once() -> Iterator[None]:
    """Gives every caller on the main thread a clone of one engine for equal policies.

    Nothing else is shared: an engine belongs to its thread, and invalid policies are refused
    anew each time.
    """
    by_modules: dict[tuple[str, frozenset[tuple[str, str]]], Any] = {}
    compiled: dict[tuple[str, frozenset[tuple[str, str]], str], Any] = {}
    compile_anew = rego.compiled_engine

    def compile_once(bundle: PolicyBundle, prefix: str = "", onto: Any = None) -> Any:
        if onto is not None or threading.current_thread() is not threading.main_thread():
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

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rego, "compiled_engine", compile_once)
        patch.setattr(run_tests, "compiled_engine", compile_once)
        yield
