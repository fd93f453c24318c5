"""The sandbox's page: the whole system, living, on 127.0.0.1."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self

from sandbox.aws.emulator import Stack
from sandbox.page.actions import Actions
from sandbox.page.app import Parts, create_app
from sandbox.page.faults import Weather
from sandbox.page.observer import Observer
from sandbox.page.originals import Originals
from sandbox.page.sources import Sources
from sandbox.superoffice import StandIn
from sandbox.superoffice.server import Server

PORT = 8417  # the same each time, if it is free, so that an open tab finds a restarted sandbox


class Page:
    """Serves the page while the `with` block lasts; `url` is its address."""

    def __init__(self, stack: Stack, superoffice: StandIn) -> None:
        self._port = _free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        actions = Actions(stack)
        weather = Weather(superoffice, stack.aws)
        self._observer = Observer(Sources(stack), superoffice, weather, actions)
        parts = Parts(self._observer, actions, weather, superoffice, Originals(stack))
        self._app = create_app(self._port, parts)
        self._server: Server | None = None

    def __enter__(self) -> Self:
        self._observer.start()
        self._server = Server(self._app, self._port, None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._observer.stop()
        if self._server is not None:
            self._server.close()


def _free_port() -> int:
    for port in (PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("127.0.0.1 has no free port.")
