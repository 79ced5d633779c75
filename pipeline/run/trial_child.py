"""The process in which policies are tried that nobody may have reviewed: it is given no secret,
little memory and little time.

It answers one line of JSON for each that it reads: `{"value": …}` or `{"error": "…"}`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any, TextIO

from pipeline.errors import EngineError
from pipeline.policy.engine import PolicyBundle
from pipeline.policy.rego import RegorusEngine
from pipeline.policy_tools.examine import faults_of_answers

CPU_SECONDS = 120
MEMORY = 2 << 30
"""Bytes of address space; most of it is reserved and never used."""


def limit_resources() -> None:
    """Bounds processor time and memory, and lets the process write no file.

    Where the system knows no such limits, the parent's deadline remains.
    """
    with suppress(ImportError, ValueError, OSError):
        import resource

        for what, most in (
            (resource.RLIMIT_CPU, CPU_SECONDS),
            (resource.RLIMIT_AS, MEMORY),
            (resource.RLIMIT_FSIZE, 0),
            (resource.RLIMIT_CORE, 0),
        ):
            resource.setrlimit(what, (most, most))


class Answers:
    """Answers what the parent asks, one engine at a time."""

    def __init__(self) -> None:
        self._engine: RegorusEngine | None = None

    def answer(self, asked: Mapping[str, Any]) -> Any:
        """Returns the answer to one question. Raises `EngineError` where there is none."""
        kinds: Mapping[str, Callable[..., Any]] = {
            "load": self._load,
            "value": self._value,
            "examine": self._examine,
        }
        rest = {name: value for name, value in asked.items() if name != "ask"}
        return kinds[asked["ask"]](**rest)

    def _load(self, modules: Mapping[str, str], data: Mapping[str, Any]) -> None:
        self._engine = RegorusEngine(PolicyBundle(modules=modules, data=data))

    def _value(self, rule: str, document: Mapping[str, Any]) -> object:
        if self._engine is None:
            raise EngineError("no policies were loaded")
        return self._engine.value(rule, document)

    def _examine(self, files: Mapping[str, str]) -> list[dict[str, Any]]:
        return [asdict(one) for one in faults_of_answers(files)]


def serve(asked: Iterable[str], out: TextIO) -> None:
    """Answers each line of *asked* on *out* until there is none."""
    answers = Answers()
    for line in asked:
        try:
            told = {"value": answers.answer(json.loads(line))}
        except EngineError as error:
            told = {"error": error.message}
        except MemoryError:
            told = {"error": "the policies need too much memory"}
        out.write(json.dumps(told) + "\n")
        out.flush()


if __name__ == "__main__":
    limit_resources()
    serve(sys.stdin, sys.stdout)
