"""The embedded engine: one value, or an error with its reason."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import regorus

from pipeline.errors import EngineError
from pipeline.policy import rego
from pipeline.policy.engine import PolicyBundle
from pipeline.policy.rego import RegorusEngine


def engine(body: str, data: dict[str, Any] | None = None) -> RegorusEngine:
    modules = {"d.rego": f"package access.decision\n\n{body}\n"}
    return RegorusEngine(PolicyBundle(modules=modules, data=data or {}))


def test_it_answers_one_value() -> None:
    made = engine('result := {"a": input.a, "s": {2, 1}, "d": data.x}', {"x": [True, "ü"]})
    assert made.decide({"a": 1}) == {"a": 1, "s": [1, 2], "d": [True, "ü"]}


def test_nothing_is_kept_from_one_request_to_the_next() -> None:
    made = engine("result := input.a")
    assert made.decide({"a": 1}) == 1
    assert made.decide({"a": 2}) == 2
    with pytest.raises(EngineError, match="undefined"):
        made.decide({})


def test_text_that_looks_undefined_is_no_answer() -> None:
    with pytest.raises(EngineError, match="undefined"):
        engine('result := "<undefined>"').decide({})


@pytest.mark.parametrize(
    "body",
    [
        "result := to_number(input.text)",
        "result := 1 / input.zero",
        "result := rego.metadata.rule()",
        "result := regex.match(input.pattern, input.text)",
        "result := unknown_function(1)",
        "result := 1 if input.zero == 0\n\nresult := 2 if input.text",
    ],
)
def test_errors_inside_rules_are_errors(body: str) -> None:
    with pytest.raises(EngineError, match="regorus failed"):
        engine(body).decide({"text": "x", "zero": 0, "pattern": "("})


def test_policies_reach_nothing_outside() -> None:
    made = engine('result := http.send({"method": "get", "url": "http://127.0.0.1:9"})')
    with pytest.raises(EngineError, match="undefined"):
        made.decide({})


def test_policies_that_are_no_rego_are_refused_with_their_place() -> None:
    with pytest.raises(EngineError, match=r"loading the policies: --> d\.rego:4"):
        engine("result := ")


def test_without_the_entrypoint_nothing_is_decided() -> None:
    with pytest.raises(EngineError, match="deciding"):
        RegorusEngine(PolicyBundle(modules={}, data={})).decide({})


def test_a_reason_holds_no_backtrace() -> None:
    with pytest.raises(EngineError) as caught:
        engine("result := to_number(input.a)").decide({"a": "x"})
    assert "backtrace" not in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}])
def test_a_question_that_is_no_json_is_not_asked(value: object) -> None:
    with pytest.raises(EngineError):
        engine("result := 1").decide({"a": value})


class Panicking:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def clone(self) -> Any:
        raise self.error


class PanicException(BaseException):
    """As `pyo3_runtime` raises it."""


def test_a_panic_is_an_error() -> None:
    made = engine("result := 1")
    made._engine = Panicking(PanicException("index out of bounds"))
    with pytest.raises(EngineError, match="index out of bounds"):
        made.decide({})


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_a_wish_to_stop_is_heard(error: BaseException) -> None:
    made = engine("result := 1")
    made._engine = Panicking(error)
    with pytest.raises(type(error)):
        made.decide({})


def test_it_is_the_engine_it_says() -> None:
    assert RegorusEngine.name == "regorus"
    assert hasattr(regorus, "Engine")


def test_an_engine_that_is_collected_on_another_thread_is_left_to_its_own() -> None:
    held = [engine("result := 1")]
    # regorus would raise where the last reference goes; filterwarnings makes that an error.
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    assert rego.strays.get(threading.get_ident())
    engine("result := 1")
    assert threading.get_ident() not in rego.strays


@pytest.mark.parametrize("body", ["result :=", "result := 1 / input.zero"])
def test_an_error_keeps_no_engine_alive(body: str) -> None:
    with pytest.raises(EngineError) as caught:
        engine(body).decide({"zero": 0})
    held = []
    trace = caught.value.__traceback__
    while trace:
        held.extend(trace.tb_frame.f_locals.values())
        trace = trace.tb_next
    assert not [value for value in held if isinstance(value, regorus.Engine)]
