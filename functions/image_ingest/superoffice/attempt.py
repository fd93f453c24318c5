"""What one attempt at an upload carries through every call."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred


@dataclass
class Calls:
    """The HTTP calls of one upload, for log and metrics; host and status are those of the last call.

    `put_unanswered`: a PUT was sent whose answer nobody read, and which may still be carried out.
    """

    count: int = 0
    milliseconds: float = 0
    host: str | None = None
    status: int | None = None
    put_unanswered: bool = False


@dataclass
class Attempt:
    """One attempt at an upload; `outcome_unknown` once a PUT was sent whose answer nobody read."""

    deadline: Deadline
    calls: Calls
    outcome_unknown: bool = False


@contextmanager
def holding(lock: threading.Lock, deadline: Deadline) -> Iterator[None]:
    """Holds the lock; raises Deferred `worker.out-of-time` rather than wait beyond the deadline."""
    if not lock.acquire(timeout=deadline.bound(threading.TIMEOUT_MAX)):
        raise Deferred("worker.out-of-time", "The worker's time ran out waiting for another thread's call.")
    try:
        yield
    finally:
        lock.release()
