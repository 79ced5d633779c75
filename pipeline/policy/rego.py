"""The embedded policy engine: regorus, Microsoft's Rego interpreter, in this process."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.errors import EngineError, Unanswerable
from pipeline.policy.engine import ENTRYPOINT, PolicyBundle
from pipeline.values.canonical import canonical

# Engines whose last reference went away on another thread than theirs, where regorus refuses
# to drop them: they wait here for their own.
strays: dict[int, list[Any]] = {}


def drop_strays() -> None:
    """Drops the engines that wait for this thread."""
    strays.pop(threading.get_ident(), None)


class RegorusEngine:
    """Evaluates one bundle. Needs no server and no file; a decision takes about 2 ms.

    regorus raises on errors inside built-ins by itself. It reaches nothing outside: `http.send`
    is undefined in it. Evaluating ends because Rego has neither loops nor recursion; the
    binding knows no time limit.
    """

    name = "regorus"

    def __init__(self, bundle: PolicyBundle) -> None:
        """Compiles *bundle*. Raises `Unanswerable` when it is no valid Rego."""
        self._thread = threading.get_ident()
        drop_strays()
        self._engine = guarded("loading the policies", lambda: compiled_engine(bundle))

    def __del__(self) -> None:
        """Leaves the engine to its own thread, wherever the garbage collector runs."""
        if threading.get_ident() != self._thread and hasattr(self, "_engine"):
            strays.setdefault(self._thread, []).append(self._engine)

    def decide(self, document: Mapping[str, Any]) -> object:
        """See `PolicyEngine.decide`."""
        return self.value(ENTRYPOINT, document)

    def value(self, rule: str, document: Mapping[str, Any]) -> object:
        """Returns the value of *rule*, from `data` on, for the input *document*.

        Raises `Unanswerable` when it is undefined, or evaluating it fails.
        """
        return guarded("deciding", lambda: self._value(rule, document))

    def _value(self, rule: str, document: Mapping[str, Any]) -> object:
        # A clone carries nothing over from the request before.
        engine = self._engine.clone()
        try:
            engine.set_input_json(canonical(document))
            answer = json.loads(engine.eval_rule_as_json(rule))
        finally:
            # A traceback keeps this frame, and with it whatever it names.
            del engine
        if answer == "<undefined>":
            raise Unanswerable(f"regorus: {rule} is undefined")
        return answer


def compiled_engine(bundle: PolicyBundle, prefix: str = "", onto: Any = None) -> Any:
    """Returns a compiled engine; *prefix* stands before the names of files in its errors.

    *onto* is an engine that holds the same data and other modules; those of *bundle* come on top
    in a copy of it, which takes less time than all of them anew.
    """
    from regorus import Engine

    engine = Engine() if onto is None else onto.clone()
    try:
        for path, text in sorted(bundle.modules.items()):
            engine.add_policy(prefix + path, text)
        if onto is None:
            engine.add_data_json(canonical(dict(bundle.data)))
        # Orders every rule's body once; otherwise each clone would, for a third of its time.
        engine.eval_query_as_json("true")
        return engine
    finally:
        del engine


def place_of(message: str) -> tuple[str, int, int] | None:
    """Returns the file, line and column that an error of the engine tells, None for none."""
    found = re.search(r"--> (\S+):([0-9]+):([0-9]+)", message)
    return (found[1], int(found[2]), int(found[3])) if found else None


def guarded(doing: str, work: Callable[[], Any]) -> Any:
    """Returns what *work* gives; whatever it raises is an `Unanswerable`."""
    try:
        return work()
    except (KeyboardInterrupt, SystemExit, GeneratorExit, EngineError):
        raise
    # A panic in Rust arrives as `pyo3_runtime.PanicException`, a BaseException.
    except BaseException as error:
        reason = str(error).partition("Stack backtrace")[0].strip() or type(error).__name__
        raise Unanswerable(f"regorus failed while {doing}: {reason}") from error
