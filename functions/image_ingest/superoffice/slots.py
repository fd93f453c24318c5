"""The slots of one tenant's rate limit: an item that all callers of the tenant share, and its conditional writes."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Protocol


@dataclass(frozen=True)
class SlotItem:
    """The shared item; times are seconds of its own time, 0 if never set.

    `blocked_code` is the error code of the response that asked for no calls before `blocked_until`.
    """

    next_slot: float = 0.0
    written_at: float = 0.0
    blocked_until: float = 0.0
    blocked_code: str = ""


@dataclass(frozen=True)
class SlotRequest:
    """A write that is sent at `now`. It takes the next free slot if that is from `earliest` to `latest`.

    A next free slot before `earliest` means that nobody waits. The call then starts at `fresh`, when the write's
    response is expected. The slot after it is `gap` seconds later.
    """

    now: float
    earliest: float
    latest: float
    fresh: float
    gap: float


class Slots(Protocol):
    """The shared item of one tenant. Every method is atomic, and raises Deferred `aws.*` if that is impossible.

    Returns whether the item was changed, and the item as it was before.
    """

    def append(self, request: SlotRequest) -> tuple[bool, SlotItem]:
        """Takes the next free slot if it is from `earliest` to `latest` and no block lasts beyond `now`."""

    def restart(self, request: SlotRequest) -> tuple[bool, SlotItem]:
        """Takes `fresh` if the next free slot is before `earliest` and no block lasts beyond `now`."""

    def block(self, until: float, code: str, now: float) -> tuple[bool, SlotItem]:
        """Blocks every call until then, unless a longer block is in force."""


class MemorySlots:
    """Slots for the threads of one process."""

    def __init__(self) -> None:
        self._item = SlotItem()
        self._lock = threading.Lock()

    def append(self, request: SlotRequest) -> tuple[bool, SlotItem]:
        """Takes the next free slot."""
        with self._lock:
            before = self._item
            free = before.blocked_until <= request.now and request.earliest <= before.next_slot <= request.latest
            if free:
                self._item = replace(before, next_slot=before.next_slot + request.gap, written_at=request.now)
            return free, before

    def restart(self, request: SlotRequest) -> tuple[bool, SlotItem]:
        """Takes `fresh`."""
        with self._lock:
            before = self._item
            free = before.blocked_until <= request.now and before.next_slot < request.earliest
            if free:
                self._item = replace(before, next_slot=request.fresh + request.gap, written_at=request.now)
            return free, before

    def block(self, until: float, code: str, now: float) -> tuple[bool, SlotItem]:
        """Blocks every call."""
        with self._lock:
            before = self._item
            if before.blocked_until < until:
                self._item = replace(before, blocked_until=until, blocked_code=code, written_at=now)
            return before.blocked_until < until, before
