"""Tries policies in a process of their own, with bounds and without secrets.

Whatever a rule does there, it reaches neither a token nor the next question, and what takes for
ever is a no, not a job that hangs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import Any
from weakref import finalize

from pipeline.errors import Unanswerable
from pipeline.policy.engine import ENTRYPOINT, PolicyBundle
from pipeline.run.trial_child import CPU_SECONDS, MEMORY
from pipeline.values.problem import Problem

SECONDS = 300
"""Seconds that one process may live, whatever the machine does besides."""

_COMMAND = (sys.executable, "-P", "-m", "pipeline.run.trial_child")


class TrialProcess:
    """A process that answers questions about one set of policies, ended with this object."""

    def __init__(self, command: tuple[str, ...] = _COMMAND, *, seconds: float = SECONDS) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            cwd="/",
            # No token, and no way to one.
            env={"PYTHONPATH": str(Path(__file__).parents[2])},
        )
        self._deadline = Timer(seconds, self._process.kill)
        self._deadline.daemon = True
        self._deadline.start()
        self.close = finalize(self, _end, self._process, self._deadline)

    def ask(self, **asked: Any) -> Any:
        """Returns the answer to one question. Raises `Unanswerable` where there is none, or the
        process was ended by a bound."""
        told = self._line(json.dumps(asked))
        if told is None:
            raise Unanswerable(
                f"they were stopped: more than {CPU_SECONDS} seconds of processor time, {SECONDS} "
                f"seconds in all, or {MEMORY >> 30} GiB of memory",
                hint="make the rules simpler",
            )
        if "error" in told:
            raise Unanswerable(str(told["error"]))
        return told["value"]

    def _line(self, text: str) -> dict[str, Any] | None:
        given, answers = self._process.stdin, self._process.stdout
        if given is None or answers is None:
            return None
        try:
            given.write(text + "\n")
            given.flush()
            told = json.loads(answers.readline())
        except (OSError, ValueError):
            return None
        return told if isinstance(told, dict) else None


def _end(process: subprocess.Popen[str], deadline: Timer) -> None:
    deadline.cancel()
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        # What was not read before the process ended cannot be flushed.
        with suppress(OSError):
            if stream is not None:
                stream.close()


class BoundedEngine:
    """The embedded engine with one bundle, in a `TrialProcess`."""

    name = "regorus"

    def __init__(self, bundle: PolicyBundle) -> None:
        """Compiles *bundle* there. Raises `Unanswerable` when it is no valid Rego."""
        self._process = TrialProcess()
        self._process.ask(ask="load", modules=dict(bundle.modules), data=dict(bundle.data))

    def decide(self, document: Mapping[str, Any]) -> object:
        """See `PolicyEngine.decide`."""
        return self._process.ask(ask="value", rule=ENTRYPOINT, document=document)


class BoundedEngines:
    """Gives a `BoundedEngine` for each bundle; asked for the same again, the same one."""

    def __init__(self) -> None:
        self._last: tuple[str, BoundedEngine] | None = None

    def __call__(self, bundle: PolicyBundle) -> BoundedEngine:
        """Returns the engine with *bundle*. Raises `Unanswerable` when it is no valid Rego."""
        known = bundle.digest
        if self._last is None or self._last[0] != known:
            self._last = (known, BoundedEngine(bundle))
        return self._last[1]


def examine_bounded(files: Mapping[str, str]) -> tuple[Problem, ...]:
    """Returns what `examine.faults_of_answers` does, in a process of its own."""
    process = TrialProcess()
    try:
        told = process.ask(ask="examine", files=dict(files))
        return tuple(Problem(**one) for one in told)
    except Unanswerable as error:
        return (
            Problem(
                path="policies",
                line=1,
                column=1,
                code="policies-broken",
                message=f"they give no decision: {error}",
            ),
        )
    finally:
        process.close()
