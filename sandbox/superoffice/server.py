"""A threaded HTTP server on 127.0.0.1 that leaves nothing running once it is closed."""

from __future__ import annotations

import ssl
import threading
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server


class _Handler(WSGIRequestHandler):
    timeout = 10  # seconds that a silent client may keep its thread

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the overridden name
        """Says nothing: StandIn.calls tells more."""

    def connection_dropped(self, error: BaseException, environ: Any = None) -> None:
        """A dropped connection is weather here, not news."""


class Server:
    """Serves a WSGI application until it is closed."""

    def __init__(self, app: Any, port: int, context: ssl.SSLContext | None) -> None:
        self._server: BaseWSGIServer = make_server(
            "127.0.0.1", port, app, threaded=True, request_handler=_Handler, ssl_context=context
        )
        # Handler threads are joined on closing, instead of being left behind as daemons.
        vars(self._server).update(daemon_threads=False, block_on_close=True)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="superoffice-stand-in"
        )
        self._thread.start()

    def close(self) -> None:
        """Stops listening and waits for the calls under way."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
