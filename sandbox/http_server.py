"""A threaded HTTP server on 127.0.0.1. Once it is closed, no thread of it is left."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler


class _Handler(WSGIRequestHandler):
    timeout = 10  # seconds after which a silent client loses its thread

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the overridden name
        """Writes no log: StandIn.calls records more."""

    def connection_dropped(self, error: BaseException, environ: Any = None) -> None:
        """Dropped connections are expected here."""


class _Threads(ThreadedWSGIServer):
    """Tracks its connections, so that closing does not wait for silent clients."""

    daemon_threads = False  # closing waits for them
    block_on_close = True

    def __init__(self, app: Any, port: int, context: ssl.SSLContext | None) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__("127.0.0.1", port, app, _Handler)
        if context is not None:
            # Each call's own thread does the TLS handshake, so that a client that never completes it blocks no other.
            self.ssl_context = context
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def stop_reading(self) -> None:
        """Stops waiting for further requests. Those that have arrived still get a response."""
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)


class Server:
    """Serves a WSGI application until it is closed."""

    def __init__(self, app: Any, port: int, context: ssl.SSLContext | None) -> None:
        self._server = _Threads(app, port, context)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="superoffice-stand-in"
        )
        self._thread.start()

    def close(self) -> None:
        """Stops listening and waits for calls in progress."""
        self._server.shutdown()
        self._server.stop_reading()
        self._thread.join()
        self._server.server_close()
