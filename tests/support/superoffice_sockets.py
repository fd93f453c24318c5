"""Two small servers beside the stand-in: one that answers by a script of bytes, and a forward proxy."""

from __future__ import annotations

import base64
import selectors
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_PATIENCE = 15  # seconds after which a silent peer is given up
Conversation = Callable[[socket.socket, threading.Event], None]


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = False


@contextmanager
def _serving(handler: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def scripted_server(*conversations: Conversation) -> Iterator[str]:
    """The address of a server that holds one conversation per connection, in order, the last one again and again."""
    left = list(conversations)
    over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(_PATIENCE)
            talk = left.pop(0) if len(left) > 1 else left[0]
            with suppress(OSError):
                talk(self.request, over)

    with _serving(Handler) as port:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            over.set()


def read_request(connection: socket.socket) -> bytes:
    """One whole request: its head and as much body as Content-Length says."""
    head, _, body = _read_until(connection, b"\r\n\r\n").partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    wanted = int(lengths[0]) if lengths else 0
    while len(body) < wanted:
        body += connection.recv(65_536)
    return head


def _read_until(connection: socket.socket, end: bytes) -> bytes:
    data = b""
    while end not in data:
        piece = connection.recv(65_536)
        if not piece:
            raise ConnectionError
        data += piece
    return data


@dataclass
class Proxy:
    """A forward proxy; `tunnels` names the host and port of each CONNECT, `logins` their user names and passwords."""

    port: int = 0
    tunnels: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)


@contextmanager
def forward_proxy() -> Iterator[Proxy]:
    """A proxy on 127.0.0.1 that tunnels by CONNECT."""
    proxy = Proxy()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            head = _read_until(self.request, b"\r\n\r\n").decode()
            address = head.split()[1]
            proxy.tunnels.append(address)
            for line in head.splitlines():
                if line.lower().startswith("proxy-authorization: basic "):
                    proxy.logins.append(base64.b64decode(line.split()[2]).decode())
            host, _, port = address.rpartition(":")
            with suppress(OSError), socket.create_connection((host, int(port)), timeout=10) as upstream:
                self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                _join(self.request, upstream)

    with _serving(Handler) as port:
        proxy.port = port
        yield proxy


def _join(one: socket.socket, other: socket.socket) -> None:
    with selectors.DefaultSelector() as ready:
        ready.register(one, selectors.EVENT_READ, other)
        ready.register(other, selectors.EVENT_READ, one)
        while True:
            events = ready.select(_PATIENCE)
            if not events:
                return
            for key, _ in events:
                data = one.recv(65_536) if key.fileobj is one else other.recv(65_536)
                if not data:
                    return
                key.data.sendall(data)
