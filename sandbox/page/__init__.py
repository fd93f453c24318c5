"""The sandbox's page on 127.0.0.1: shows the whole system while it runs."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self

from sandbox.aws import DeployedStack, Monitor
from sandbox.http_server import Server
from sandbox.page.actions import Actions
from sandbox.page.app import Parts, create_app
from sandbox.page.fault_switches import FaultSwitches
from sandbox.page.observer import Observer
from sandbox.page.originals import Originals
from sandbox.superoffice import StandIn

PORT = 8417  # the same each time if it is free, so that an open tab reconnects to a restarted sandbox


class Page:
    """Serves the page while the `with` block lasts; `url` is its address."""

    def __init__(self, stack: DeployedStack, superoffice: StandIn) -> None:
        self._port = _find_free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        actions = Actions(stack)
        faults = FaultSwitches(superoffice, stack.aws)
        self._observer = Observer(Monitor(stack), superoffice, faults, actions)
        parts = Parts(self._observer, actions, faults, superoffice, Originals(stack))
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


def _find_free_port() -> int:
    for port in (PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("127.0.0.1 has no free port.")
