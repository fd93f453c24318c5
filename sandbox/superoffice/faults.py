"""Failures on demand: what the network and a struggling server do to a call."""

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
class Failure:
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
    drip: float
    echoes: bool

    def matches(self, method: str, path: str) -> bool:
        """Whether a call is hit by this failure."""
        return self.times != 0 and self.path.lower() in path.lower() and self.method in (None, method)


@dataclass
class Weather:
    """The failures that are due, and the calls that are held back."""

    failures: list[Failure] = field(default_factory=list)
    held: list[Callable[[], None]] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def due(self, method: str, path: str) -> Failure | None:
        """The first matching failure, of which one time is now used up."""
        with self._lock:
            failure = next((f for f in self.failures if f.matches(method, path)), None)
            if failure is not None and failure.times is not None:
                failure.times -= 1
            return failure

    def strike(self, failure: Failure, app: WsgiApp, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answers, or does not, as the failure says. Raises ConnectionError to drop the connection."""
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        answer = _Answered(app, environ)
        if failure.holds:
            self.held.append(answer)
        elif failure.stores:
            answer()
        self.stopping.wait(failure.delay)
        if failure.garbage is not None:
            environ["werkzeug.socket"].sendall(failure.garbage)
        if failure.drop or failure.garbage is not None or self.stopping.is_set():
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionError
        if failure.echoes:
            failure = replace(failure, body=_echo(environ), headers={"Content-Type": "application/json"})
        response = self._response(failure, answer)
        return response(environ, start_response)

    def _response(self, failure: Failure, answer: _Answered) -> Response:
        if failure.status is None and failure.body is None:
            if answer.response is None:
                answer()
            response = answer.response or Response(status=500)
        else:
            response = Response(failure.body or b"", failure.status or 200, content_type="text/html; charset=utf-8")
        response.headers.update(failure.headers)
        if failure.drip:
            data = response.get_data()
            response.response = self._dripping(data, failure.drip)
            response.headers["Content-Length"] = str(len(data))
        return response

    def _dripping(self, data: bytes, pause: float) -> Iterator[bytes]:
        for byte in data:
            if self.stopping.wait(pause):
                return
            yield bytes([byte])


def _echo(environ: dict[str, Any]) -> str:
    """SuperOffice's error body, indiscreet: it repeats the credential and the text that were sent."""
    names = ("HTTP_AUTHORIZATION", "HTTP_COOKIE", "HTTP_X_XSRF_TOKEN", "HTTP_SO_APPTOKEN")
    sent = [str(environ[name]) for name in names if name in environ]
    if not environ.get("CONTENT_TYPE", "").startswith("image/"):
        sent.append(unquote_plus(environ["wsgi.input"].getvalue().decode()))
    return json.dumps({"Error": True, "ErrorMessage": f"You sent {' and '.join(sent)}"})


class _Answered:
    """A call that is carried out when it is called; its answer is kept."""

    def __init__(self, app: WsgiApp, environ: dict[str, Any]) -> None:
        self._app = app
        self._environ = environ
        self.response: Response | None = None

    def __call__(self) -> None:
        body, status, headers = run_wsgi_app(self._app, dict(self._environ), buffered=True)
        self.response = Response(b"".join(body), status, headers)
