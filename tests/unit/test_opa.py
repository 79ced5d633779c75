"""The OPA client against a server that answers what it must not, and against none."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import EngineError, Unanswerable, Undecided, UsageError
from pipeline.policy import opa
from pipeline.policy.answer import evaluate
from pipeline.policy.engine import PolicyBundle
from pipeline.policy.opa import OpaEngine, refusals
from pipeline.policy.rego import RegorusEngine
from tests.unit.support_policies import own_bundle, own_rules, request


class Answering:
    """A server on loopback that gives one answer to everything, and notes what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = b""
        self.hold = threading.Event()
        self.hold.set()
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = json.loads(self.rfile.read(length))
                outer.asked.append((self.path, dict(self.headers), body))
                outer.hold.wait(10)
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in outer.headers:
                    self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                try:
                    self.wfile.write(outer.body)
                except OSError:
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                """Tests speak through assertions."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self.hold.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Answering]:
    made = Answering()
    yield made
    made.stop()


def ask(server: Answering, **options: Any) -> object:
    with OpaEngine.connect(server.url, **options) as engine:
        return engine.decide({"a": 1})


def test_it_asks_for_the_one_rule_with_strict_built_ins(server: Answering) -> None:
    server.body = b'{"result": {"x": 1}}'
    assert ask(server, token="t0ken") == {"x": 1}
    ((path, headers, body),) = server.asked
    assert path == "/v1/data/access/decision/result?strict-builtin-errors=true"
    assert headers["Authorization"] == "Bearer t0ken"
    assert body == {"input": {"a": 1}}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"decision_id": "x"}',
        b'{"result": {"x": ',
        b"<html><body>Sign in</body></html>",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_an_answer_without_a_result_is_an_error(server: Answering, body: bytes) -> None:
    server.body = body
    with pytest.raises(EngineError):
        ask(server)


@pytest.mark.parametrize("status", [201, 301, 302, 307, 400, 401, 403, 404, 429, 500, 502, 503])
def test_any_other_status_is_an_error(server: Answering, status: int) -> None:
    server.status = status
    server.headers = {"Location": server.url}
    server.body = b"{}"
    with pytest.raises(EngineError):
        ask(server)
    assert len(server.asked) == 1


def test_an_answer_cut_short_is_an_error(server: Answering) -> None:
    server.body = b'{"result": {}}'
    server.headers = {"Content-Length": "100", "Connection": "close"}
    with pytest.raises(EngineError):
        ask(server)


def test_a_slow_answer_is_an_error(server: Answering) -> None:
    server.hold.clear()
    with pytest.raises(EngineError, match="timed out"):
        ask(server, timeout=0.05)


def test_nobody_there_is_an_error(server: Answering) -> None:
    url = server.url
    server.stop()
    with OpaEngine.connect(url) as engine, pytest.raises(EngineError, match="did not answer"):
        engine.decide({})


def _own_answer() -> dict[str, Any]:
    found = RegorusEngine(own_bundle()).decide(request())
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("key", sorted(_own_answer()))
@pytest.mark.parametrize("change", ["dropped", "null", "empty list", "text"])
def test_a_changed_decision_never_allows(server: Answering, key: str, change: str) -> None:
    told = _own_answer()
    if change == "dropped":
        del told[key]
    else:
        told[key] = {"null": None, "empty list": [], "text": "x"}[change]
    # Policies that do not say whether the App merges leave it to people.
    harmless = {"merges_when_approved": False, **told} == _own_answer()
    server.body = json.dumps({"result": told}).encode()
    with OpaEngine.connect(server.url) as engine:
        if harmless:
            assert evaluate(request(), [engine], own_rules()).violations == ()
        else:
            with pytest.raises(EngineError, match="opa gave an unusable decision"):
                evaluate(request(), [engine], own_rules())


@pytest.mark.parametrize(
    "url",
    [
        "http://opa.example.com",
        "opa.example.com",
        "https://",
        "ftp://127.0.0.1",
        "https://opa.example.com/prefix",
        "https://user@opa.example.com",
        "https://opa.example.com?x=1",
        "https://opa.example.com:port",
        "https://[::1",
        "",
    ],
)
def test_only_a_protected_address_is_used(url: str) -> None:
    with pytest.raises(UsageError):
        OpaEngine.connect(url)


def test_a_remote_opa_is_verified() -> None:
    with OpaEngine.connect("https://opa.example.com", ca="/ca.pem", timeout=3) as engine:
        assert engine._client.root_url == "https://opa.example.com:443/v1"
        assert engine._client._session.verify == "/ca.pem"
    with OpaEngine.connect("https://opa.example.com:8443") as engine:
        assert engine._client._session.verify is True
        assert engine._client._session.trust_env is False
        assert engine._client.timeout == 10
    with OpaEngine.connect("http://[::1]:8181") as engine:
        assert engine._client.root_url == "http://[::1]:8181/v1"


# Starting a server: without OPA, with programs that are not OPA.

BUNDLE = PolicyBundle(modules={"a.rego": "package access.decision\n\nresult := input.a\n"}, data={})


def program(tmp_path: Path, script: str) -> Path:
    path = tmp_path / "not-opa"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return path


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every server that was begun."""
    servers: list[Any] = []
    original = opa._Server.__init__

    def noted(self: Any, *args: Any) -> None:
        servers.append(self)
        original(self, *args)

    monkeypatch.setattr(opa._Server, "__init__", noted)
    return servers


def test_a_missing_program_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="could not be started"):
        OpaEngine.serve(BUNDLE, binary=tmp_path / "none")


def test_a_program_that_ends_is_an_error_with_what_it_said(
    tmp_path: Path, started: list[Any]
) -> None:
    with pytest.raises(EngineError, match="ended at its start: sorry"):
        OpaEngine.serve(BUNDLE, binary=program(tmp_path, "echo sorry; exit 1"))
    assert [server.running for server in started] == [False]


def test_a_program_that_stays_silent_is_ended(tmp_path: Path, started: list[Any]) -> None:
    silent = program(tmp_path, "exec sleep 60")
    with pytest.raises(EngineError, match="did not listen within"):
        OpaEngine.serve(BUNDLE, binary=silent, start_timeout=0.1)
    assert [server.running for server in started] == [False]
    assert not Path(started[0]._folder.name).exists()


def test_a_taken_port_is_tried_elsewhere_then_given_up(tmp_path: Path, started: list[Any]) -> None:
    busy = program(tmp_path, "echo listen tcp: bind: address already in use; exit 1")
    with pytest.raises(EngineError, match="did not start.*address already in use"):
        OpaEngine.serve(BUNDLE, binary=busy)
    assert [server.running for server in started] == [False] * 5


def test_somebody_else_on_the_port_is_not_believed(
    tmp_path: Path, server: Answering, monkeypatch: pytest.MonkeyPatch, started: list[Any]
) -> None:
    monkeypatch.setattr(opa, "_free_port", lambda: int(server.url.rpartition(":")[2]))
    with pytest.raises(EngineError, match="something else listens"):
        OpaEngine.serve(BUNDLE, binary=program(tmp_path, "exec sleep 60"))
    assert not any(one.running for one in started)


def test_data_cannot_pretend_to_be_the_proof(tmp_path: Path) -> None:
    bundle = PolicyBundle(modules=BUNDLE.modules, data={"daypass_proof": "x"})
    with pytest.raises(EngineError, match="must not be named"):
        OpaEngine.serve(bundle, binary=tmp_path / "none")


def test_a_server_ends_with_its_engine(opa_binary: Path) -> None:
    with OpaEngine.serve(BUNDLE, binary=opa_binary) as engine:
        assert engine.decide({"a": 1}) == 1
        server = engine._server
        assert server is not None
        assert server.running
    assert not server.running
    assert not Path(server._folder.name).exists()
    engine.close()
    with pytest.raises(EngineError, match="not running"):
        engine.decide({"a": 1})


def test_a_server_ends_when_something_goes_wrong(opa_binary: Path, started: list[Any]) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        OpaEngine.serve(BUNDLE, binary=opa_binary),
    ):
        raise ZeroDivisionError
    assert [server.running for server in started] == [False]


def test_a_server_answers_to_its_token_only(opa_binary: Path) -> None:
    with OpaEngine.serve(BUNDLE, binary=opa_binary) as engine:
        server = engine._server
        assert server is not None
        url = f"http://127.0.0.1:{server._port}"
        for token in (None, "guess"):
            with (
                OpaEngine.connect(url, token=token) as stranger,
                pytest.raises(EngineError, match="401"),
            ):
                stranger.decide({"a": 1})


def test_a_server_that_died_is_an_error(opa_binary: Path) -> None:
    with OpaEngine.serve(BUNDLE, binary=opa_binary) as engine:
        assert engine._server is not None
        engine._server._process.kill()
        engine._server._process.wait()
        with pytest.raises(EngineError, match="not running"):
            engine.decide({"a": 1})


# What another try would answer alike, and what it might not.

FAILING = {
    "two values": "r := 1 if input.a\n\nr := 2 if input.b\n\nresult := r\n",
    "a built-in": "result := to_number(input.a)\n",
    "undefined": "result := input.c\n",
}


@pytest.mark.parametrize("name", FAILING)
def test_what_our_own_server_cannot_evaluate_it_never_will(name: str, opa_binary: Path) -> None:
    modules = {"a.rego": f"package access.decision\n\n{FAILING[name]}"}
    bundle = PolicyBundle(modules=modules, data={})
    with OpaEngine.serve(bundle, binary=opa_binary) as engine:
        for _ in range(2):
            with pytest.raises(Unanswerable):
                engine.decide({"a": "x", "b": 1})
        engine._server._process.kill()  # type: ignore[union-attr]
        engine._server._process.wait()  # type: ignore[union-attr]
        with pytest.raises(EngineError) as away:
            engine.decide({"a": "x", "b": 1})
    assert not isinstance(away.value, Unanswerable)


@pytest.mark.parametrize("status,body", [(500, b"{}"), (400, b"{}"), (200, b"{}")])
def test_what_an_opa_elsewhere_cannot_say_it_may_say_later(
    server: Answering, status: int, body: bytes
) -> None:
    server.status, server.body = status, body
    with OpaEngine.connect(server.url) as engine, pytest.raises(EngineError) as told:
        engine.decide({})
    assert not isinstance(told.value, Unanswerable)


# Compiling only: what nobody has reviewed is not asked anything.


def test_what_opa_loads_is_not_refused(opa_binary: Path) -> None:
    assert refusals(own_bundle(), binary=opa_binary) == ()


RECURSIVE = {
    "access/one.rego": "package access.one\n\na := data.lib.two.b\n",
    "lib/two.rego": "package lib.two\n\n\nb := data.access.one.a\n",
}


def test_every_refusal_is_told_where_it_stands(opa_binary: Path) -> None:
    told = refusals(PolicyBundle(modules=RECURSIVE, data={}), binary=opa_binary)
    assert [(one.path, one.line, one.code) for one in told] == [
        ("policies/access/one.rego", 3, "policies-broken"),
        ("policies/lib/two.rego", 4, "policies-broken"),
    ]
    assert all("recursive" in one.message for one in told)


def test_data_where_a_rule_is_is_refused(opa_binary: Path) -> None:
    bundle = PolicyBundle(modules=BUNDLE.modules, data={"access": {"decision": {"result": 1}}})
    told = refusals(bundle, binary=opa_binary)
    assert [(one.path, one.line) for one in told] == [("policies/a.rego", 3)]


def test_what_a_server_would_not_start_with_is_refused(opa_binary: Path) -> None:
    for text in (
        "package system.authz\n\ndefault allow := true",
        "package daypass_proof\n\na := 1",
    ):
        bundle = PolicyBundle(modules={**BUNDLE.modules, "odd.rego": text}, data=BUNDLE.data)
        assert refusals(bundle, binary=opa_binary)


def test_nothing_of_the_policies_is_evaluated(opa_binary: Path, server: Answering) -> None:
    call = f'http.send({{"method": "post", "url": "{server.url}"}})'
    modules = {"a.rego": f"package system.main\n\nmain := {call}\n"}
    assert refusals(PolicyBundle(modules=modules, data={}), binary=opa_binary) == ()
    assert server.asked == []


@pytest.mark.parametrize("script", ["exit 1", "echo true", "echo '[]'", "exec sleep 60"])
def test_an_opa_that_cannot_be_asked_is_no_verdict(tmp_path: Path, script: str) -> None:
    with pytest.raises(Undecided, match="could not be asked"):
        refusals(BUNDLE, binary=program(tmp_path, script), timeout=0.2)
    with pytest.raises(Undecided, match="could not be asked"):
        refusals(BUNDLE, binary=tmp_path / "none")


def test_an_opa_that_fails_without_a_reason_has_refused(tmp_path: Path) -> None:
    told = refusals(BUNDLE, binary=program(tmp_path, "echo '{}'; exit 2"))
    assert [str(one) for one in told] == ["policies:1:1: OPA does not load it: OPA ended with 2"]
