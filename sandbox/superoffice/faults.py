"""Failures on demand: what the network and an overloaded server do to a call."""

from __future__ import annotations

import io
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote_plus

from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


@dataclass
class Fault:
    """How the next `times` calls to a matching path and method fail; StandIn.fail explains the fields."""

    times: int | None
    status: int | None
    body: bytes | str | None
    headers: dict[str, str]
    delay: float
    drop: bool
    garbage: bytes | None
    path: str
    method: str | None
    stores: bool
    holds: bool
    trickle: float
    echoes: bool

    def matches(self, method: str, path: str) -> bool:
        """Whether this fault applies to the call."""
        return self.times != 0 and self.path.lower() in path.lower() and self.method in (None, method)


@dataclass
class Faults:
    """The faults that are switched on, and the calls that are held back."""

    pending: list[Fault] = field(default_factory=list)
    held: list[Callable[[], None]] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, method: str, path: str) -> Fault | None:
        """The first fault that applies to the call. This counts as one of its times."""
        with self._lock:
            fault = next((f for f in self.pending if f.matches(method, path)), None)
            if fault is not None and fault.times is not None:
                fault.times -= 1
            return fault

    def apply(self, fault: Fault, app: WsgiApp, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Responds, or does not, as the fault says. Raises ConnectionError to drop the connection."""
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        call = _DelayedCall(app, environ)
        if fault.holds:
            self.held.append(call)
        elif fault.stores:
            call()
        self.stopping.wait(fault.delay)
        if fault.garbage is not None:
            environ["werkzeug.socket"].sendall(fault.garbage)
        if fault.drop or fault.garbage is not None or self.stopping.is_set():
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionError
        if fault.echoes:
            fault = replace(fault, body=_echo_request(environ), headers={"Content-Type": "application/json"})
        return self._make_response(fault, call)(environ, start_response)

    def _make_response(self, fault: Fault, call: _DelayedCall) -> Response:
        if fault.status is None and fault.body is None:
            if call.response is None:
                call()
            response = call.response or Response(status=500)
        else:
            response = Response(fault.body or b"", fault.status or 200, content_type="text/html; charset=utf-8")
        response.headers.update(fault.headers)
        if fault.trickle:
            data = response.get_data()
            response.response = self._trickle(data, fault.trickle)
            response.headers["Content-Length"] = str(len(data))
        return response

    def _trickle(self, data: bytes, pause: float) -> Iterator[bytes]:
        for byte in data:
            if self.stopping.wait(pause):
                return
            yield bytes([byte])


def _echo_request(environ: dict[str, Any]) -> str:
    """A SuperOffice error body that repeats the credential and the text that were sent."""
    names = ("HTTP_AUTHORIZATION", "HTTP_COOKIE", "HTTP_X_XSRF_TOKEN", "HTTP_SO_APPTOKEN")
    sent = [str(environ[name]) for name in names if name in environ]
    if not environ.get("CONTENT_TYPE", "").startswith("image/"):
        sent.append(unquote_plus(environ["wsgi.input"].getvalue().decode()))
    return json.dumps({"Error": True, "ErrorMessage": f"You sent {' and '.join(sent)}"})


class _DelayedCall:
    """A call that is carried out when the object is called; its response is kept."""

    def __init__(self, app: WsgiApp, environ: dict[str, Any]) -> None:
        self._app = app
        self._environ = environ
        self.response: Response | None = None

    def __call__(self) -> None:
        body, status, headers = run_wsgi_app(self._app, dict(self._environ), buffered=True)
        self.response = Response(b"".join(body), status, headers)
