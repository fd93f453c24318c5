"""Sends one request: within the rate limit, resent at once where that can help, by the deadline, and counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from image_ingest import __version__
from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred
from image_ingest.superoffice.address import get_host
from image_ingest.superoffice.connection import Connections, Lost, NotConnected, Request, Response, TimedOut
from image_ingest.superoffice.rate_limit import RateLimit
from image_ingest.superoffice.responses import read_retry_after
from image_ingest.timing import Timing

_MOMENTARY = frozenset({502, 503, 504})
_BLOCKING = {429: "superoffice.rate-limited", 503: "superoffice.unavailable"}
_CHANGING = frozenset({"PUT", "DELETE"})
_USER_AGENT = f"superoffice-image-ingest/{__version__}"


@dataclass
class Calls:
    """The HTTP calls of one upload, for log and metrics; host and status are those of the last call.

    `in_doubt`: a PUT or DELETE was sent whose response nobody read, and which may still be carried out.
    """

    count: int = 0
    milliseconds: float = 0
    host: str | None = None
    status: int | None = None
    in_doubt: bool = False


class Transport:
    """Sends the requests of one secret."""

    def __init__(
        self,
        ca_bundle: str | None,
        limit: RateLimit,
        timing: Timing = Timing(),
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._timing = timing
        self._sleep = sleep
        self._connections = Connections(ca_bundle, timing, clock)

    def send(self, request: Request, deadline: Deadline, calls: Calls) -> Response:
        """The response, after short retries of what a second try can solve at once.

        Raises Deferred `superoffice.unavailable` if there is none, `worker.out-of-time`.
        """
        for pause in (*self._timing.superoffice_resend_pauses, None):
            resend = pause is not None and deadline.allows(pause + self._timing.least_for_resend)
            try:
                response = self._exchange(request, deadline, calls)
            except NotConnected as failure:
                raise _build_unavailable(request, failure) from None
            except Lost as failure:
                calls.in_doubt |= request.method in _CHANGING
                if not resend or isinstance(failure, TimedOut):
                    raise _build_unavailable(request, failure) from None
            else:
                if not resend or response.status not in _MOMENTARY or "Retry-After" in response.headers:
                    return response
            self._sleep(pause or 0)
        raise AssertionError("the last try returns or raises")

    def _exchange(self, request: Request, deadline: Deadline, calls: Calls) -> Response:
        self._limit.check_block()
        request = replace(request, headers={"User-Agent": _USER_AGENT, **request.headers})
        call = _Call(self._limit, deadline, self._timing.superoffice_exchange)
        calls.host, calls.status = get_host(request.url), None
        try:
            response = self._connections.exchange(request, call.bound, call.start)
        finally:
            calls.count += call.started_at is not None
            calls.milliseconds += call.measure()
        calls.status = response.status
        self._obey_retry_after(response)
        return response

    def _obey_retry_after(self, response: Response) -> None:
        seconds = read_retry_after(response, self._clock()) if response.status in _BLOCKING else None
        if seconds:
            self._limit.block(seconds, _BLOCKING[response.status])


class _Call:
    """Waits for one call's slot, and measures what follows."""

    def __init__(self, limit: RateLimit, deadline: Deadline, seconds: float) -> None:
        self._limit = limit
        self._deadline = deadline
        self._seconds = seconds
        self.started_at: float | None = None

    def bound(self) -> float:
        """The seconds that the call may still take."""
        return self._deadline.bound(self._seconds)

    def start(self, prepare: Callable[[float], None]) -> None:
        """Returns when the request must be sent."""
        self._limit.await_slot(self._deadline, prepare)
        self.started_at = time.monotonic()

    def measure(self) -> float:
        """Milliseconds since the start; 0 if there was none."""
        return 0 if self.started_at is None else (time.monotonic() - self.started_at) * 1000


def _build_unavailable(request: Request, failure: Exception) -> Deferred:
    return Deferred("superoffice.unavailable", f"{get_host(request.url)} {failure}.")
