"""Keeps all workers together under SuperOffice's fair-use limit, without a word between them.

Each worker has its share. Its calls start a gap of slightly over workers ÷ rate apart, and no second holds more of them
than the whole calls in its share, measured from when one call has surely arrived to the start of a later one: that is
the least distance at which SuperOffice sees them. A call has arrived when it has ended, or soon after its last byte was
sent, so that slow answers cost no calls. A cold worker waits a gap before its first call, as the worker that it
replaces may have called a moment ago. Where there are fewer calls a second than workers, only chance keeps the workers
apart, so the first wait is then drawn by lot.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred

_SLACK = 1.02
_IN_TRANSIT = 0.3  # seconds from here to SuperOffice, at most: far more than a busy machine or a lost packet costs
_LEAST_FOR_A_CALL = 0.5  # seconds that must be left after the wait


class Turn:
    """One call: by when it has arrived."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.arrives_by = math.inf

    def sent(self) -> None:
        """Bytes of the request were sent just now, maybe the last ones."""
        self.arrives_by = self._clock() + _IN_TRANSIT


class Pacer:
    """One worker's calls to SuperOffice, one at a time and no more than its share."""

    def __init__(
        self,
        calls_per_second: float,
        workers: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        share = calls_per_second / workers
        whole = max(1, math.floor(share + 1e-9))
        self.gap = _SLACK / min(share, whole)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._arrivals: deque[float] = deque(maxlen=whole)
        self._next_start = clock() + self.gap * (1 + (draw() if share < 1 else 0))

    @contextmanager
    def turn(self, deadline: Deadline) -> Iterator[Turn]:
        """Waits for this worker's turn, for the length of one call.

        Raises Deferred `worker.out-of-time` when the turn would come too late.
        """
        with deadline.hold(self._lock):
            self._wait(deadline)
            self._next_start = self._clock() + self.gap
            turn = Turn(self._clock)
            try:
                yield turn
            finally:
                self._arrivals.append(min(turn.arrives_by, self._clock()))

    def _wait(self, deadline: Deadline) -> None:
        start = self._next_start
        if len(self._arrivals) == self._arrivals.maxlen:
            start = max(start, self._arrivals[0] + _SLACK)
        wait = start - self._clock()
        if wait <= 0:
            return
        if not deadline.allows(wait + _LEAST_FOR_A_CALL):
            raise Deferred(
                "worker.out-of-time", "The worker's time ends before SUPEROFFICE_CALLS_PER_SECOND allows the next call."
            )
        self._sleep(wait)
