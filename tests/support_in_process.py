"""Requests to the stand-ins of this process answered without a socket.

Every SDK sends through urllib3, so they keep all of their own doing: signing, retries, errors,
paging. Only the wire is left out, which `tests/contract` tries. Git speaks HTTP as ever.
"""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from http.client import RemoteDisconnected
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from urllib3 import HTTPResponse
from urllib3.connectionpool import HTTPConnectionPool
from werkzeug.exceptions import InternalServerError

from pipeline.sandbox.server import Server, WsgiApp


class Answer(NamedTuple):
    """What a stand-in answered."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes


class _Socket:
    """A connection that a stand-in may break instead of answering."""

    def shutdown(self, how: int) -> None:
        """Does nothing: an application that has not answered is what shows."""


def ask(
    app: WsgiApp, port: int, method: str, target: str, headers: Mapping[Any, Any], body: bytes
) -> Answer:
    """Returns what *app*, which listens on *port*, answers to one request.

    *target* is path and query. Raises `RemoteDisconnected` where it answers nothing.
    """
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "REQUEST_URI": target,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(port),
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": f"127.0.0.1:{port}",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "werkzeug.socket": _Socket(),
    }
    for name, value in headers.items():
        key = _text(name).upper().replace("-", "_")
        if key == "CONTENT_TYPE":
            environ[key] = _text(value)
        elif key not in ("CONTENT_LENGTH", "TRANSFER_ENCODING"):
            environ[f"HTTP_{key}"] = _text(value)
    begun: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, fields: list[tuple[str, str]], _: Any = None) -> None:
        begun[:] = [(status, fields)]

    try:
        answered = b"".join(app(environ, start))
    except Exception:
        # As werkzeug's server does.
        answered = b"".join(InternalServerError()(environ, start))
    if not begun:
        raise RemoteDisconnected("Remote end closed connection without response")
    ((line, fields),) = begun
    status, _, reason = line.partition(" ")
    return Answer(int(status), reason, fields, b"" if method == "HEAD" else answered)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _bytes(body: Any) -> bytes:
    if body is None:
        return b""
    if hasattr(body, "read"):
        body = body.read()
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, Iterable) and not isinstance(body, (bytes, bytearray)):
        return b"".join(map(_bytes, body))
    return bytes(body)


@contextmanager
def without_sockets() -> Iterator[None]:
    """Lets urllib3 and `urlopen` reach each `Server` of this process by a call."""
    apps: dict[int, WsgiApp] = {}
    begin, end = Server.__init__, Server.stop
    send_over_wire, open_over_wire = HTTPConnectionPool._make_request, urllib.request.urlopen

    def begin_known(self: Server, app: WsgiApp) -> None:
        begin(self, app)
        apps[self._server.server_port] = app

    def end_known(self: Server) -> None:
        apps.pop(self._server.server_port, None)
        end(self)

    def send(self: HTTPConnectionPool, conn: Any, method: str, url: str, **more: Any) -> Any:
        app = apps.get(self.port or 0)
        if app is None or self.host != "127.0.0.1":
            return send_over_wire(self, conn, method, url, **more)
        sent = _bytes(more.get("body"))
        got = ask(app, self.port or 0, method, url, more.get("headers") or {}, sent)
        response = HTTPResponse(
            body=io.BytesIO(got.body),
            headers=got.headers,
            status=got.status,
            reason=got.reason,
            version=11,
            version_string="HTTP/1.1",
            preload_content=more.get("preload_content", True),
            decode_content=more.get("decode_content", True),
            request_method=method,
            request_url=url,
        )
        response.retries = more.get("retries")
        response._connection = more.get("response_conn")
        response._pool = self
        return response

    def open_known(url: Any, *arguments: Any, **more: Any) -> Any:
        request = url if isinstance(url, urllib.request.Request) else urllib.request.Request(url)  # noqa: S310
        address = urlsplit(request.full_url)
        app = apps.get(address.port or 0)
        if app is None or address.hostname != "127.0.0.1" or arguments:
            return open_over_wire(url, *arguments, **more)
        target = f"{address.path or '/'}{'?' * bool(address.query)}{address.query}"
        sent = _bytes(request.data)
        got = ask(
            app, address.port or 0, request.get_method(), target, dict(request.header_items()), sent
        )
        if got.status >= 400:
            fields = Message()
            for name, value in got.headers:
                fields[name] = value
            raise HTTPError(request.full_url, got.status, got.reason, fields, io.BytesIO(got.body))
        return io.BytesIO(got.body)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Server, "__init__", begin_known)
        patch.setattr(Server, "stop", end_known)
        patch.setattr(HTTPConnectionPool, "_make_request", send)
        patch.setattr(urllib.request, "urlopen", open_known)
        patch.setattr("pipeline.sandbox.people.urlopen", open_known)
        yield
