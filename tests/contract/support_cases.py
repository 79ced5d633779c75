"""All cases for the rules, asked of other modules than the project's own, compiled once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline.errors import EngineError
from pipeline.policy.answer import Evaluation, evaluate
from pipeline.policy.engine import ENTRYPOINT, PolicyBundle
from pipeline.policy.rego import RegorusEngine
from pipeline.values.canonical import canonical
from tests.contract.support_rules import Ask, Case, check
from tests.unit.support_policies import own_rules


@cache
def all_cases() -> tuple[Case, ...]:
    """Those of every file of one topic, and the general ones."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("test_engines*.py"))
    modules = [import_module(f"tests.contract.{name}") for name in names]
    return tuple(case for module in modules for case in module.CASES)


class _Settable:
    """The embedded engine, whose settings change without compiling anew."""

    name = "regorus"

    def __init__(self, modules: Mapping[str, str]) -> None:
        engine = RegorusEngine(PolicyBundle(modules=dict(modules), data={}))
        self._held, self._compiled = engine, engine._engine
        self.settings: Mapping[str, Any] = {}

    def decide(self, document: Mapping[str, Any]) -> object:
        fresh = self._compiled.clone()
        try:
            fresh.add_data_json(canonical({"settings": dict(self.settings)}))
            fresh.set_input_json(canonical(document))
            return json.loads(fresh.eval_rule_as_json(ENTRYPOINT))
        except RuntimeError as error:
            raise EngineError(str(error)) from error
        finally:
            del fresh


def failing(modules: Mapping[str, str], *, but: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yields the cases that fail with *modules*, by number and name, without those of *but*.

    Raises `EngineError` when the modules are invalid.
    """
    engine = _Settable(modules)

    def ask(document: dict[str, Any], settings: Mapping[str, Any]) -> Evaluation:
        engine.settings = settings
        return evaluate(document, [engine], own_rules())

    for number, case in enumerate(all_cases()):
        name = f"{number} {case.name}"
        if name not in but and _fails(case, ask):
            yield name
    # No setting holds up less access, and none is there.
    for name, document in import_module("tests.contract.test_engines").LESS.items():
        if name not in but and _denied(document, ask):
            yield name


def _fails(case: Case, ask: Ask) -> bool:
    try:
        check(ask, case)
    except (AssertionError, EngineError):
        return True
    return False


def _denied(document: dict[str, Any], ask: Ask) -> bool:
    try:
        return not ask(document, {}).merges_by_itself
    except EngineError:
        return True
