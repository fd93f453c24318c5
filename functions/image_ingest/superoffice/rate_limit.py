"""One rate limit for everything that calls a tenant: the generic cell rate algorithm over one shared item.

The item holds the next free slot, the time at which the next call may start. A call takes a slot with one conditional
write, waits for it and starts. Slots are a gap of slightly more than 1 / rate apart. If nobody else calls, the slot is
now. A call that misses its slot takes a new one. After a second miss that is longer by as much as the call was late.

All times are seconds of the item's time, which is the fastest clock among those that write the item: each write leaves
the writer's time in the item, and whoever reads a later time than its own adopts it. A clock that is wrong by minutes
therefore delays nobody. Clocks that differ by up to `CLOCK_SPREAD` seconds shift starts against each other by as much
at most, and a call starts no later after its slot than what keeps any second within the rate plus 2 calls.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred
from image_ingest.settings import SuperOfficeSettings
from image_ingest.superoffice.slots import MemorySlots, SlotItem, SlotRequest, Slots
from image_ingest.timing import Timing

CLOCK_SPREAD = 0.2  # seconds by which two workers' clocks differ at most
_USED = 0.98  # of the rate
_LATEST_START = 0.1  # seconds after its slot
_SHORTEST_TOLERANCE = 0.02  # seconds; below this, waking up alone would miss slots
_FIRST_LEAD = 0.01  # seconds that the write takes, until one was measured
_LEAST_SLACK = 0.001
_LONGEST_SLACK = 2.0
_LEAD_FACTOR = 1.25  # of the last write's time
_SHORTEST_LEAD = 0.001
_LONGEST_LEAD = 2.0
_LONG_WAIT = 1.0  # seconds in which a connection that was ready may have become too old or been closed
_LEAST_FOR_A_CALL = 0.5  # seconds that must be left after the wait


@dataclass(frozen=True)
class Rate:
    """How far slots are apart, and how late after its slot a call may start; both in seconds."""

    gap: float
    tolerance: float

    @classmethod
    def of(cls, calls_per_second: float) -> Rate:
        """Any second holds at most `calls_per_second`, rounded up, + 2 starts; up to 10 a second even if clocks differ.

        The spread and the tolerance shift starts, so a second can hold the slots of a span that is longer by both.
        """
        gap = 1 / (_USED * calls_per_second)
        spare = (math.ceil(calls_per_second) + 2) * gap - 1 - CLOCK_SPREAD
        return cls(gap, max(_SHORTEST_TOLERANCE, min(_LATEST_START, spare)))


class RateLimit:
    """The calls of one process to one tenant. Threads may share it.

    `share` is this process's fixed part of the rate in calls per second, for as long as the item cannot be used.
    """

    def __init__(
        self,
        slots: Slots,
        calls_per_second: float,
        share: float,
        timing: Timing = Timing(),
        *,
        warn: Callable[[str], None] = lambda _message: None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._slots = slots
        self._timing = timing
        self._rate = Rate.of(calls_per_second)
        self._share = _FixedShare(1 / (_USED * share), clock())
        self._warn = warn
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._ahead = 0.0  # how much the item's time is ahead of the clock
        self._lead = _FIRST_LEAD
        self._slack = 0.0  # seconds that the next slot is longer, as the last one was missed by that much
        self._appended = False  # whether the last slot was one to wait for
        self._next_slot = 0.0  # the next free slot as this process last left it
        self._share_until = 0.0  # by the clock
        self._block = SlotItem()

    def await_slot(self, deadline: Deadline, prepare: Callable[[float], None] = lambda _ahead: None) -> None:
        """Returns when the call may start, which it must do at once.

        `prepare` makes the connection ready for a start in that many seconds. It is called before a slot is taken, and
        again towards the end of a long wait.
        Raises Deferred `worker.out-of-time` if no slot is free before the deadline, and the code of the response that
        asked for no calls (`superoffice.rate-limited`, `superoffice.unavailable`) while that is in force.
        """
        for misses in count():
            self.check_block()
            deadline.bound(_LEAST_FOR_A_CALL)
            prepare(0)
            slack = self._slack
            slot = self._take_slot(deadline, slack)
            self._wait(slot, prepare)
            late = max(0.0, self._now() - slot)
            if late <= self._rate.tolerance + slack:
                self._slack = slack / 2 if slack > _LEAST_SLACK else 0.0
                self.check_block()
                return
            self._slack = min(late, _LONGEST_SLACK) if misses or slack else 0.0

    def _wait(self, slot: float, prepare: Callable[[float], None]) -> None:
        wait = slot - self._now()
        if wait > _LONG_WAIT:
            self._sleep(wait - _LONG_WAIT / 2)
            prepare(_LONG_WAIT / 2)
            wait = slot - self._now()
        if wait > 0:
            self._sleep(wait)

    def check_block(self) -> None:
        """Raises Deferred while SuperOffice wants no calls."""
        self._refuse_blocked(self._block)

    def block(self, seconds: float, code: str) -> None:
        """SuperOffice asked for no calls for that long, in a response that means `code`."""
        until = self._now() + min(seconds, self._timing.longest_block)
        self._block = max(self._block, SlotItem(blocked_until=until, blocked_code=code), key=_block_end)
        if self._clock() < self._share_until:
            return
        try:
            _, before = self._slots.block(until, code, self._now())
            self._learn(before)
        except Deferred as failure:  # this process knows of the block, and the others will be told by SuperOffice
            self._warn(f"Other workers were not told to pause calls. {failure.message}")

    def _take_slot(self, deadline: Deadline, slack: float) -> float:
        if self._clock() < self._share_until:
            return self._take_share(deadline)
        try:
            slot = self._take_shared(deadline, slack)
        except Deferred as failure:
            if not failure.code.startswith("aws."):
                raise
            self._use_share(failure)
            return self._take_share(deadline)
        self._share_until = 0.0
        self._share.follow(slot - self._ahead)
        return slot

    def _take_shared(self, deadline: Deadline, slack: float) -> float:
        """The write that is tried first is a guess; the item then says which one it must be.

        `earliest` stays the same for all of them, and the next free slot only becomes later, so the third write at the
        latest takes a slot. A write whose response was lost is sent once more. A slot that it had taken stays unused.
        """
        request = self._request(deadline, slack)
        append = self._appended or self._next_slot >= request.earliest
        lost = False
        while True:
            try:
                taken, before = self._write(request, append=append)
            except Deferred as failure:
                if lost or failure.code != "aws.unavailable":
                    raise
                lost = True
                continue
            if taken:
                slot = before.next_slot if append else request.fresh
                self._appended, self._next_slot = append, slot + request.gap
                return slot
            self._refuse_blocked(before)
            append, lost = before.next_slot >= request.earliest, False
            if append and before.next_slot > request.latest:
                raise _out_of_time()
            now = self._now()
            request = replace(request, now=now, fresh=max(request.fresh, now + self._lead))

    def _write(self, request: SlotRequest, *, append: bool) -> tuple[bool, SlotItem]:
        taken, before = (self._slots.append if append else self._slots.restart)(request)
        self._lead = min(max(_LEAD_FACTOR * (self._now() - request.now), _SHORTEST_LEAD), _LONGEST_LEAD)
        self._learn(before)
        return taken, before

    def _request(self, deadline: Deadline, slack: float) -> SlotRequest:
        now = self._now()
        fresh = now + self._lead
        latest = now + deadline.remaining() - _LEAST_FOR_A_CALL
        return SlotRequest(now, fresh - self._rate.tolerance / 2, latest, fresh, self._rate.gap + slack)

    def _learn(self, item: SlotItem) -> None:
        """Adopts the item's time if it is ahead of what was known, and its block."""
        with self._lock:
            self._ahead = max(self._ahead, item.written_at - self._clock())
            self._block = max(self._block, item, key=_block_end)

    def _use_share(self, failure: Deferred) -> None:
        if not self._share_until:
            self._warn(
                f"The shared rate limit cannot be used, so this worker keeps to its fixed share. {failure.message}"
            )
        self._share_until = self._clock() + self._timing.fixed_share

    def _take_share(self, deadline: Deadline) -> float:
        latest = self._clock() + deadline.remaining() - _LEAST_FOR_A_CALL
        slot = self._share.take(self._clock(), latest)
        if slot is None:
            raise _out_of_time()
        return slot + self._ahead

    def _refuse_blocked(self, item: SlotItem) -> None:
        left = item.blocked_until - self._now()
        if left > 0:
            end = datetime.fromtimestamp(self._clock() + left, UTC)
            raise Deferred(
                item.blocked_code,
                f"SuperOffice asked for no calls until {end:%H:%M:%S} UTC (Retry-After), so no call was made.",
                retry_after=left,
            )

    def _now(self) -> float:
        return self._clock() + self._ahead


class RateLimits:
    """The rate limit of each tenant that this process calls; `find_slots` gives a tenant's shared item."""

    def __init__(
        self,
        settings: SuperOfficeSettings,
        find_slots: Callable[[str], Slots] = lambda _tenant: MemorySlots(),
        timing: Timing = Timing(),
        *,
        warn: Callable[[str], None] = lambda _message: None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._find_slots = find_slots
        self._timing = timing
        self._warn = warn
        self._clock = clock
        self._sleep = sleep
        self._limits: dict[str, RateLimit] = {}

    def find(self, tenant: str) -> RateLimit:
        """The tenant's limit, the same one each time. One thread at a time may call this."""
        if tenant not in self._limits:
            rate = self._settings.calls_per_second
            self._limits[tenant] = RateLimit(
                self._find_slots(tenant),
                rate,
                rate / self._settings.workers,
                self._timing,
                warn=self._warn,
                clock=self._clock,
                sleep=self._sleep,
            )
        return self._limits[tenant]


class _FixedShare:
    """Slots for one process's part of the rate, by its own clock."""

    def __init__(self, gap: float, now: float) -> None:
        self._gap = gap
        self._next = now + gap
        self._lock = threading.Lock()

    def take(self, now: float, latest: float) -> float | None:
        """The next slot; None if it is after `latest`."""
        with self._lock:
            slot = max(self._next, now)
            if slot > latest:
                return None
            self._next = slot + self._gap
            return slot

    def follow(self, slot: float) -> None:
        """A shared slot was taken; the next one of this share keeps its distance."""
        with self._lock:
            self._next = max(self._next, slot + self._gap)


def _block_end(item: SlotItem) -> float:
    return item.blocked_until


def _out_of_time() -> Deferred:
    return Deferred("worker.out-of-time", "The worker's time ends before the rate limit allows the next call.")
