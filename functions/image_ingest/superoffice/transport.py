"""Sends one request: paced, resent at once where that can help, finished by the deadline, and counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from image_ingest import __version__
from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred
from image_ingest.superoffice.address import get_host
from image_ingest.superoffice.connection import Connections, Lost, NotConnected, Request, Response, TimedOut
from image_ingest.superoffice.pacing import Pacer
from image_ingest.timing import Timing

_MOMENTARY = frozenset({502, 503, 504})
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
        pacer: Pacer,
        timing: Timing = Timing(),
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pacer = pacer
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
        request = replace(request, headers={"User-Agent": _USER_AGENT, **request.headers})
        with self._pacer.turn(deadline) as turn:
            seconds = deadline.bound(self._timing.superoffice_exchange)
            began = time.monotonic()
            calls.count += 1
            calls.host, calls.status = get_host(request.url), None
            try:
                response = self._connections.exchange(request, seconds, turn.sent)
            finally:
                calls.milliseconds += (time.monotonic() - began) * 1000
            calls.status = response.status
            return response


def _build_unavailable(request: Request, failure: Exception) -> Deferred:
    return Deferred("superoffice.unavailable", f"{get_host(request.url)} {failure}.")
