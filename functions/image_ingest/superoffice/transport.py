"""One HTTP exchange: paced, verified, never redirected, and over by the deadline, however slowly the answer drips.

Of requests, the adapter alone is used: no session means no cookies, no .netrc, no redirects, no bundles of the
environment. It is given connection classes of our own, so that every single wait on the socket ends with the exchange's
time, and so that we know for certain whether a failed exchange had reached a server.
"""

from __future__ import annotations

import io
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPException, HTTPResponse
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NameResolutionError

from image_ingest import __version__
from image_ingest.errors import Deferred
from image_ingest.superoffice.address import host_of
from image_ingest.superoffice.attempt import Attempt
from image_ingest.superoffice.pacing import Pacer

_CONNECT_SECONDS = 5.0
_EXCHANGE_SECONDS = 30.0
_BODY_LIMIT = 65_536  # bytes; the longest true answer, a key set, is far shorter
_RESEND_PAUSES = (0.5, 1.0)  # seconds
_RESEND_NEEDS = 2.0  # seconds that must be left after the pause
_MOMENTARY = frozenset({502, 503, 504})
_SEND_PIECE = 16_384  # bytes; one TLS record, so that one wait sends it
_USER_AGENT = f"superoffice-image-ingest/{__version__}"

_exchange_end: ContextVar[float] = ContextVar("exchange_end")
_sent: ContextVar[Callable[[], None]] = ContextVar("sent")


@dataclass(frozen=True)
class Request:
    """An HTTP request; headers and body stay out of its repr."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Answer:
    """A complete answer; a body longer than 64 KiB is cut off and `truncated`."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    truncated: bool = False


class _NotConnected(Exception):
    """Nothing was sent, as there was no connection."""


class _Lost(Exception):
    """Something may have been sent, and no whole answer came."""


def trusted(ca_bundle: str | None) -> ssl.SSLContext:
    """The system's authorities and, besides, those of the PEM bundle."""
    context = ssl.create_default_context()
    if ca_bundle:
        context.load_verify_locations(cadata=ca_bundle)
        # Python 3.13 turns this on; many a company's own authority lacks the extensions that it asks for.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


class Transport:
    """Sends requests for one secret document."""

    def __init__(self, ca_bundle: str | None, pacer: Pacer, sleep: Callable[[float], None] = time.sleep) -> None:
        self._pacer = pacer
        self._sleep = sleep
        self._ca_bundle = ca_bundle
        self._plain = _Adapter(None)

    def send(self, request: Request, attempt: Attempt) -> Answer:
        """The answer, after short retries of what a second try can cure at once.

        Raises Deferred `superoffice.unavailable` when none comes, `worker.out-of-time`.
        """
        for pause in (*_RESEND_PAUSES, None):
            resend = pause is not None and attempt.deadline.allows(pause + _RESEND_NEEDS)
            try:
                answer = self._exchange(request, attempt)
            except _NotConnected as failure:
                raise _unavailable(request, str(failure)) from None
            except _Lost as failure:
                attempt.outcome_unknown |= request.method == "PUT"
                if not resend or isinstance(failure, _TimedOut):
                    raise _unavailable(request, str(failure)) from None
            else:
                if not resend or answer.status not in _MOMENTARY or "Retry-After" in answer.headers:
                    return answer
            self._sleep(pause or 0)
        raise AssertionError("the last try returns or raises")

    def _exchange(self, request: Request, attempt: Attempt) -> Answer:
        with self._pacer.turn(attempt.deadline) as turn:
            seconds = attempt.deadline.bound(_EXCHANGE_SECONDS)
            began = time.monotonic()
            calls = attempt.calls
            calls.count += 1
            calls.host, calls.status = host_of(request.url), None
            _sent.set(turn.sent)
            token = _exchange_end.set(began + seconds)
            try:
                answer = self._answer(request, seconds)
            finally:
                _exchange_end.reset(token)
                calls.milliseconds += (time.monotonic() - began) * 1000
            calls.status = answer.status
            return answer

    @cached_property
    def _verifying(self) -> _Adapter:
        """Made when it is first needed, as reading all authorities takes long."""
        return _Adapter(trusted(self._ca_bundle))

    def _answer(self, request: Request, seconds: float) -> Answer:
        try:
            headers = {"User-Agent": _USER_AGENT, **request.headers}
            prepared = requests.Request(request.method, request.url, headers, data=request.body).prepare()
            timeout = (min(_CONNECT_SECONDS, seconds), seconds)
            adapter = self._verifying if request.url.startswith("https:") else self._plain
            sent = adapter.send(prepared, stream=True, timeout=timeout, proxies=_proxies(request.url))
            with closing(sent) as response:
                body = response.raw.read(_BODY_LIMIT + 1, decode_content=True)
                return Answer(response.status_code, response.headers, body[:_BODY_LIMIT], len(body) > _BODY_LIMIT)
        except (OSError, HTTPException, HTTPError) as error:
            if _time_left() <= 0:
                raise _TimedOut("gave no whole answer in time") from error
            raise _Lost(f"broke off before it gave a whole answer ({type(_causes(error)[-1]).__name__})") from error


class _TimedOut(_Lost):
    """The exchange's time was over first."""


def _unavailable(request: Request, what: str) -> Deferred:
    return Deferred("superoffice.unavailable", f"{host_of(request.url)} {what}.")


def _proxies(url: str) -> dict[str, str]:
    """The environment's proxies; never for plain http, which is for this machine only."""
    return dict(get_environ_proxies(url)) if url.startswith("https:") else {}


def _time_left() -> float:
    return _exchange_end.get() - time.monotonic()


def _await_at_most(sock: Any) -> None:
    left = _time_left()
    if left <= 0:
        raise TimeoutError
    sock.settimeout(left)


class _TimedReader(io.RawIOBase):
    """A socket's reader whose every wait ends with the exchange's time."""

    def __init__(self, reader: io.RawIOBase, sock: Any) -> None:
        self._reader = reader
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        _await_at_most(self._sock)
        return self._reader.readinto(buffer)

    def close(self) -> None:
        self._reader.close()
        super().close()


class _TimedResponse(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_TimedReader(self.fp.detach(), sock))


class _TimedConnection(HTTPConnection):
    response_class = _TimedResponse

    def connect(self) -> None:
        try:
            super().connect()
        except (OSError, HTTPException, HTTPError) as error:
            self.close()
            through = " through the proxy" if self.proxy else ""
            raise _NotConnected(_why_not_connected(error, through)) from error

    def send(self, data: Any) -> None:
        if self.sock is None or not isinstance(data, bytes):
            super().send(data)
            _sent.get()()
            return
        for start in range(0, len(data), _SEND_PIECE):
            _await_at_most(self.sock)
            super().send(data[start : start + _SEND_PIECE])
            _sent.get()()


class _TimedTlsConnection(_TimedConnection, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _TimedConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TimedTlsConnection


def _causes(error: BaseException) -> list[BaseException]:
    causes = [error]
    while nested := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(nested)
    return causes


def _why_not_connected(error: BaseException, through: str) -> str:
    causes = _causes(error)
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"shows a certificate that is not trusted ({cause.verify_message}); "
                "for a private authority put its certificate into the secret's ca_bundle"
            )
        if isinstance(cause, NameResolutionError):
            return "cannot be found: its name does not resolve"
    return f"cannot be connected to{through} ({type(causes[-1]).__name__})"


class _Adapter(HTTPAdapter):
    """Uses our connections and our trust, whatever bundle the environment or requests itself would add."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, ssl_context=self._context, proxy_ssl_context=self._context, **kwargs)
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}
        return manager

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        del url, verify, cert  # the context alone decides
        conn.cert_reqs = "CERT_REQUIRED"
        conn.ca_certs = None
