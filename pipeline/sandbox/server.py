"""Runs a WSGI application on a loopback port, in a thread, until it is stopped."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _QuietHandler(WSGIRequestHandler):
    # HTTP/1.1 keeps SDK connections open: one handshake per client, not per call.
    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Stand-ins keep their own log of requests; stderr belongs to the command."""


class Server:
    """One stand-in, listening. Use as a context manager or call `stop`."""

    def __init__(self, app: WsgiApp) -> None:
        self._server: BaseWSGIServer = make_server(
            "127.0.0.1", 0, app, threaded=True, request_handler=_QuietHandler
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        # `serve_forever` would wake up again and again to look whether it should stop.
        while not self._stopping:
            self._server.handle_request()

    def stop(self) -> None:
        """Stops listening; safe to call twice."""
        if self._stopping:
            return
        self._stopping = True
        with socket.create_connection(("127.0.0.1", self._server.server_port)):
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
