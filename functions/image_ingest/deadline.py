"""One deadline bounds every call, wait and time-out of an upload."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from image_ingest.errors import Deferred


class Deadline:
    """A moment on a monotonic clock, in seconds, that no work of this invocation outlives."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def extend(self, seconds: float) -> Deadline:
        """A deadline that is so many seconds later."""
        return Deadline(max(self._end - self._clock(), -seconds) + seconds, self._clock)

    def remaining(self) -> float:
        """Seconds left; 0 once it has passed."""
        return max(0.0, self._end - self._clock())

    def allows(self, seconds: float) -> bool:
        """Whether that much time is left."""
        return self.remaining() >= seconds

    def bound(self, seconds: float, least: float = 0.5) -> float:
        """A time-out of at most `seconds` that ends by the deadline.

        Raises Deferred `worker.out-of-time` when less than `least` seconds are left.
        """
        remaining = self.remaining()
        if remaining < least:
            raise Deferred("worker.out-of-time", "The worker's time ran out before the upload was finished.")
        return min(seconds, remaining)

    @contextmanager
    def hold(self, lock: threading.Lock) -> Iterator[None]:
        """Holds the lock. Raises Deferred `worker.out-of-time` instead of waiting longer than the deadline allows."""
        if not lock.acquire(timeout=self.bound(threading.TIMEOUT_MAX)):
            raise Deferred("worker.out-of-time", "The worker's time ran out while another thread held a lock.")
        try:
            yield
        finally:
            lock.release()
