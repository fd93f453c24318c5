"""A web server that sends a byte now and then, so that no single wait is long and the whole never ends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

HEADERS = b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\nETag: "etag"\r\n\r\n'
SECONDS = 60.0  # how long a response takes


@contextmanager
def serve_trickle(at_once: bytes = b"") -> Iterator[str]:
    """Its address. It sends this beginning of HEADERS at once, and the rest byte by byte."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, at_once), daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def _serve(server: socket.socket, at_once: bytes) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_trickle, args=(connection, at_once), daemon=True).start()


def _trickle(connection: socket.socket, at_once: bytes) -> None:
    with closing(connection):
        try:
            connection.recv(65_536)
            connection.sendall(at_once)
            for byte in HEADERS.removeprefix(at_once) + b"x" * int(SECONDS * 10):
                connection.sendall(bytes([byte]))
                time.sleep(0.1)
        except OSError:
            return
