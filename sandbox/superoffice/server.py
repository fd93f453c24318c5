"""A threaded HTTP server on 127.0.0.1 that leaves nothing running once it is closed."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler


class _Handler(WSGIRequestHandler):
    timeout = 10  # seconds that a silent client may keep its thread

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the overridden name
        """Says nothing: StandIn.calls tells more."""

    def connection_dropped(self, error: BaseException, environ: Any = None) -> None:
        """A dropped connection is weather here, not news."""


class _Threads(ThreadedWSGIServer):
    """Knows its connections, so that closing need not wait for clients that say nothing."""

    daemon_threads = False  # joined on closing, instead of left behind
    block_on_close = True

    def __init__(self, app: Any, port: int, context: ssl.SSLContext | None) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__("127.0.0.1", port, app, _Handler)
        if context is not None:
            # Hands are shaken in the call's own thread, so that a client that never does holds nobody up.
            self.ssl_context = context
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def stop_listening_to_clients(self) -> None:
        """Ends the wait for requests that have not come; those that have are still answered."""
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
        """Stops listening and waits for the calls under way."""
        self._server.shutdown()
        self._server.stop_listening_to_clients()
        self._thread.join()
        self._server.server_close()
