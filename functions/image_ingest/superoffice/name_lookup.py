"""Looks up a host's addresses within a time limit, which the operating system's own call does not have."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import Future
from typing import Any

Addresses = list[tuple[Any, ...]]


def look_up(host: str, port: int, seconds: float) -> Addresses:
    """The addresses as socket.getaddrinfo returns them. Raises OSError as it does, and TimeoutError."""
    try:
        return _ask(host, port, socket.AI_NUMERICHOST)
    except socket.gaierror:  # a name
        found: Future[Addresses] = Future()
    # A daemon: a lookup that hangs must not keep the process alive.
    threading.Thread(target=_fulfil, args=(found, host, port), name="name lookup", daemon=True).start()
    return found.result(seconds)


def _fulfil(found: Future[Addresses], host: str, port: int) -> None:
    try:
        found.set_result(_ask(host, port, 0))
    except Exception as error:  # noqa: BLE001  # raised again by the thread that waits
        found.set_exception(error)


def _ask(host: str, port: int, flags: int) -> Addresses:
    return list(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, flags))
