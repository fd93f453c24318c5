"""HTTP connections on which every wait ends in time, and which send a request when its slot has come.

Of requests, only the adapter is used. Without a session there are no cookies, no .netrc, no redirects and no
certificate bundles from the environment. The adapter gets connection classes of our own, so that each wait on the
socket ends with the exchange's time, and so that it is certain whether a failed exchange had reached a server.
"""

from __future__ import annotations

import io
import math
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPException, HTTPResponse, parse_headers
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from image_ingest.superoffice.name_lookup import look_up
from image_ingest.timing import Timing

_BODY_LIMIT = 65_536  # bytes; the longest expected response, a key set, is far shorter
_SEND_PIECE = 16_384  # bytes; one TLS record, so that one wait sends it


@dataclass(frozen=True)
class Request:
    """An HTTP request; headers and body are not in its repr."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Response:
    """A complete response; a body longer than 64 KiB is cut off and `truncated`.

    `error_message`: SuperOffice's own words without secrets; None if the body is not SuperOffice's error body.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    truncated: bool = False
    error_message: str | None = None


class NotConnected(Exception):
    """There was no connection, so nothing was sent."""


class Lost(Exception):
    """Something may have been sent, and no complete response came."""


class TimedOut(Lost):
    """The exchange's time ended first."""


Prepare = Callable[[float], None]
Start = Callable[[Prepare], None]


@dataclass
class _Exchange:
    """What a connection must know of the exchange under way.

    `bound` gives the seconds that it may take; they end at `end`, by time.monotonic. `start` returns when the request
    must be sent. A connection that was idle for `idle_limit` seconds, by one of both clocks, is not used again.
    """

    bound: Callable[[], float]
    start: Start
    idle_limit: float
    clock: Callable[[], float]
    end: float = 0.0

    @property
    def seconds_left(self) -> float:
        return self.end - time.monotonic()

    def begin(self) -> float:
        """Restarts the time; returns its seconds."""
        seconds = self.bound()
        self.end = time.monotonic() + seconds
        return seconds


_exchange: ContextVar[_Exchange] = ContextVar("exchange")


def create_tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Trusts the system's authorities and those of the PEM bundle."""
    context = ssl.create_default_context()
    if ca_bundle:
        context.load_verify_locations(cadata=ca_bundle)
        # Python 3.13 sets this flag; many private authorities lack the extensions that it requires.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


class Connections:
    """The open connections of one secret; they are reused until they have been idle for too long."""

    def __init__(self, ca_bundle: str | None, timing: Timing, clock: Callable[[], float]) -> None:
        self._ca_bundle = ca_bundle
        self._timing = timing
        self._clock = clock
        self._plain = _Adapter(None)

    def exchange(self, request: Request, bound: Callable[[], float], start: Start) -> Response:
        """The response. `bound` gives the seconds that the connection and then the call itself may take.

        `start` is called when there is a connection, with a function that opens it again where necessary. It returns
        when the request must be sent.
        Raises NotConnected, Lost, TimedOut, and what `bound` and `start` raise.
        """
        exchange = _Exchange(bound, start, self._timing.superoffice_idle, self._clock)
        token = _exchange.set(exchange)
        try:
            return self._read_response(request, exchange.begin())
        except (OSError, HTTPException, HTTPError) as error:
            if exchange.seconds_left <= 0:
                raise TimedOut("gave no complete response in time") from error
            cause = type(_list_causes(error)[-1]).__name__
            raise Lost(f"closed the connection before its response was complete ({cause})") from error
        finally:
            _exchange.reset(token)

    def _read_response(self, request: Request, seconds: float) -> Response:
        prepared = requests.Request(request.method, request.url, dict(request.headers), data=request.body).prepare()
        adapter = self._verifying if request.url.startswith("https:") else self._plain
        timeout = (min(self._timing.superoffice_connect, seconds), seconds)
        sent = adapter.send(prepared, stream=True, timeout=timeout, proxies=_find_proxies(request.url))
        with closing(sent) as response:
            body = response.raw.read(_BODY_LIMIT + 1, decode_content=True)
            return Response(response.status_code, response.headers, body[:_BODY_LIMIT], len(body) > _BODY_LIMIT)

    @cached_property
    def _verifying(self) -> _Adapter:
        """Created when first needed, because loading all authorities is slow."""
        return _Adapter(create_tls_context(self._ca_bundle))


def _find_proxies(url: str) -> dict[str, str]:
    """The environment's proxies; never for plain http, which is for this machine only."""
    return dict(get_environ_proxies(url)) if url.startswith("https:") else {}


def _limit_wait(sock: Any, limit: float = math.inf) -> None:
    left = _exchange.get().seconds_left
    if left <= 0:
        raise TimeoutError
    sock.settimeout(min(limit, left))


class _TimedReader(io.RawIOBase):
    """A socket's reader on which every wait ends with the exchange's time."""

    def __init__(self, reader: io.RawIOBase, sock: Any) -> None:
        self._reader = reader
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        _limit_wait(self._sock)
        return self._reader.readinto(buffer)

    def close(self) -> None:
        self._reader.close()
        super().close()


class _TimedResponse(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_TimedReader(self.fp.detach(), sock))

    def _read_status(self) -> tuple[str, int, str]:
        """The final status line; http.client itself skips 100 only."""
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]  # typeshed leaves it out
            if not 100 <= status <= 199:
                return version, status, reason
            parse_headers(self.fp)


class _TimedConnection(HTTPConnection):
    response_class = _TimedResponse
    _used_at = (0.0, 0.0)
    _is_used = False

    def note_use(self) -> None:
        """Starts the idle time."""
        self._used_at = _read_clocks()
        self._is_used = True

    def close_if_idle(self, ahead: float = 0) -> None:
        """Closes the connection if it will have been idle for too long in `ahead` seconds."""
        limit = _exchange.get().idle_limit - ahead
        if any(now - then >= limit for now, then in zip(_read_clocks(), self._used_at, strict=True)):
            self.close()

    def _new_conn(self) -> socket.socket:
        """Tries the host's addresses one after another, all of them within the exchange's time."""
        failure = OSError("the host has no address")
        addresses = look_up(self._dns_host, self.port, max(0.0, _exchange.get().seconds_left))
        for family, kind, protocol, _, address in addresses:
            sock = socket.socket(family, kind, protocol)
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                _limit_wait(sock, self.timeout or math.inf)
                sock.connect(address)
            except OSError as error:
                sock.close()
                failure = error
            else:
                return sock
        raise failure

    def connect(self) -> None:
        try:
            super().connect()
        except (OSError, HTTPException, HTTPError) as error:
            self.close()
            through = " through the proxy" if self.proxy else ""
            raise NotConnected(_explain_no_connection(error, through)) from error
        self._used_at, self._is_used = _read_clocks(), False

    def prepare(self, ahead: float) -> None:
        """Opens the connection, unless it is open and may still be used in `ahead` seconds."""
        _exchange.get().begin()
        if self.proxy is None:  # closing a proxy's connection would forget what is behind it
            self.close_if_idle(ahead)
            if self._is_used and not self.is_connected:  # a new one may have TLS tickets to read
                self.close()
        if self.sock is None:
            self.connect()

    def request(self, *arguments: Any, **options: Any) -> None:
        exchange = _exchange.get()
        exchange.start(self.prepare)
        exchange.begin()
        super().request(*arguments, **options)

    def send(self, data: Any) -> None:
        if self.sock is None or not isinstance(data, bytes):
            super().send(data)
            return
        for start in range(0, len(data), _SEND_PIECE):
            _limit_wait(self.sock)
            super().send(data[start : start + _SEND_PIECE])


class _TimedTlsConnection(_TimedConnection, HTTPSConnection):
    pass


class _IdleRule(HTTPConnectionPool):
    """A pool that does not reuse a connection that was idle for too long."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection: Any = super()._get_conn(timeout)
        connection.close_if_idle()
        return connection

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.note_use()
        super()._put_conn(conn)


class _PlainPool(_IdleRule):
    ConnectionCls = _TimedConnection


class _TlsPool(_IdleRule, HTTPSConnectionPool):
    ConnectionCls = _TimedTlsConnection


def _read_clocks() -> tuple[float, float]:
    """Both clocks, because either may stand still while Lambda keeps the environment frozen."""
    return time.monotonic(), _exchange.get().clock()


def _list_causes(error: BaseException) -> list[BaseException]:
    causes = [error]
    while nested := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(nested)
    return causes


def _explain_no_connection(error: BaseException, through: str) -> str:
    causes = _list_causes(error)
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"has a certificate that is not trusted ({cause.verify_message}); "
                "if a private authority signed it, put the authority's certificate into the secret's ca_bundle"
            )
        if isinstance(cause, socket.gaierror):
            return "cannot be found: its name does not resolve"
    return f"does not accept a connection{through} ({type(causes[-1]).__name__})"


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
