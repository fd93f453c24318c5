"""From what was seen of queues, log and calls: where every upload is now, and when it came by each station."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from image_ingest.errors import CATALOGUE
from image_ingest.events import Upload, notices_in_message
from sandbox.page.sources import Line, Message

SHOWN = 60  # uploads, the newest ones
SILENCE = 125.0  # seconds without a word after which a worker must be dead: Lambda ends it after 120
_IMAGE_CALL = re.compile(r"/v1/(person|project|contact|product)/(\d+)/image$", re.IGNORECASE)


@dataclass(frozen=True)
class Put:
    """A call that brought SuperOffice a picture; `at` in seconds since the epoch, `status` None while it lasts."""

    at: float
    target: str
    status: int | None


@dataclass
class _Seen:
    """One upload: times in seconds since the epoch, None where it did not come by yet."""

    version: str
    key: str
    put_at: float
    target: str | None = None
    queued_at: float | None = None
    taken_at: float | None = None
    messages: set[str] = field(default_factory=set)
    lines: list[Line] = field(default_factory=list)


class Story:
    """Every upload that was ever seen."""

    def __init__(self) -> None:
        self._uploads: dict[str, _Seen] = {}
        self._waiting: dict[str, list[Message]] = {}
        self._puts: dict[str, list[Put]] = {}
        self._lines_of: dict[str, int] = defaultdict(int)
        self._taken: dict[tuple[str, int], float] = {}
        self.killed_at = 0.0

    def sent(self, version: str, key: str, target: str | None, at: float) -> None:
        """The page itself put this object."""
        self._seen(version, key, at).target = target

    def observe(self, waiting: Sequence[Message], lines: Iterable[Line], puts: Iterable[Put], now: float) -> None:
        """Takes in what the ingest queue holds now, and what the log and SuperOffice have heard."""
        self._waiting = defaultdict(list)
        for message in waiting:
            upload = upload_in(message.body)
            if upload is not None and upload.version_id:
                self._take_in(message, upload, now)
        for line in lines:
            self._lines_of[line.message_id] += 1
            if line.version and line.key:
                seen = self._seen(line.version, line.key, line.at)
                seen.lines.append(line)
                seen.target = line.target or seen.target
                seen.taken_at = line.at - line.milliseconds / 1000
        self._puts = defaultdict(list)
        for put in puts:
            self._puts[put.target].append(put)

    def uploads(self, now: float) -> list[dict[str, Any]]:
        """Every upload, the newest first: its state, what that means, and its times by station."""
        newest = sorted(self._uploads.values(), key=lambda seen: seen.put_at, reverse=True)
        return [self._told(seen, now) for seen in newest[:SHOWN]]

    def is_settled(self, version: str) -> bool:
        """Whether its last attempt was the last, and no other is under way."""
        seen = self._uploads.get(version)
        return seen is not None and self._state(seen, 0.0)[0] not in ("queued", "working", "died", "deferred")

    def is_stored(self, version: str) -> bool:
        """Whether a message of it that still comes finds nothing to do."""
        seen = self._uploads.get(version)
        return seen is not None and self._state(seen, 0.0)[0] in ("stored", "unchanged", "duplicate", "superseded")

    def key_of(self, version: str) -> str | None:
        """The key of an upload that was seen."""
        seen = self._uploads.get(version)
        return seen.key if seen else None

    def is_deferred(self, message: Message) -> bool:
        """Whether its last delivery ended, so that it is only hidden until the next."""
        return not message.visible and 0 < message.receives <= self._lines_of[message.id]

    def has_died(self, message: Message, now: float) -> bool:
        """Whether it was taken by a worker that will not speak any more."""
        taken = self._taken.get((message.id, message.receives))
        if taken is None or message.visible or self.is_deferred(message):
            return False
        return taken <= self.killed_at or now - taken > SILENCE

    def _take_in(self, message: Message, upload: Upload, now: float) -> None:
        version = str(upload.version_id)
        seen = self._seen(version, upload.key, min(_seconds(upload.event_time) or now, now))
        self._waiting[version].append(message)
        if message.id not in seen.messages:
            seen.messages.add(message.id)
            seen.queued_at, seen.taken_at = (now if seen.queued_at else seen.put_at), None
        if message.receives and (message.id, message.receives) not in self._taken:
            self._taken[message.id, message.receives] = seen.taken_at = now

    def _seen(self, version: str, key: str, put_at: float) -> _Seen:
        return self._uploads.setdefault(version, _Seen(version, key, put_at))

    def _state(self, seen: _Seen, now: float) -> tuple[str, Message | None]:
        """queued, working, died, deferred, or the outcome of the last attempt; and the message that it waits for."""
        messages = self._waiting.get(seen.version, ())
        busy = [m for m in messages if not m.visible and not self.is_deferred(m)]
        for message in busy:
            if not self.has_died(message, now):
                return "working", message
        for message in messages:
            if message.visible:
                return "queued", message
        if seen.lines and seen.lines[-1].outcome != "deferred":
            return seen.lines[-1].outcome, None
        if busy or seen.lines:
            return "died" if busy else "deferred", min(messages, key=lambda m: m.visible_at, default=None)
        return "queued", None

    def _told(self, seen: _Seen, now: float) -> dict[str, Any]:
        state, message = self._state(seen, now)
        last = seen.lines[-1] if seen.lines and state not in ("queued", "working", "died") else None
        code = last.code if last else None
        put = self._put(seen, last)
        return {
            "id": seen.version,
            "key": seen.key,
            "target": seen.target,
            "state": state,
            "code": code,
            "meaning": CATALOGUE[code].meaning if code in CATALOGUE else None,
            "blob_id": last.blob_id if last else None,
            "attempts": len(seen.lines) + (state in ("working", "died")),
            "next_attempt": message.visible_at if message and state in ("deferred", "died") else None,
            "at_superoffice": state == "working" and put is not None,
            "times": {
                "bucket": seen.put_at,
                "queue": seen.queued_at or seen.put_at,
                "function": seen.taken_at,
                "superoffice": put.at if put else None,
                "end": last.at if last else None,
            },
        }

    def _put(self, seen: _Seen, last: Line | None) -> Put | None:
        """The call that this attempt made."""
        if seen.target is None or seen.taken_at is None:
            return None
        end = last.at if last else float("inf")
        return next((p for p in self._puts[seen.target] if seen.taken_at - 0.2 <= p.at <= end), None)


@lru_cache(maxsize=1000)
def upload_in(body: str) -> Upload | None:
    """The upload that a message is about, if it is about one."""
    return next((notice for notice in notices_in_message(body) if isinstance(notice, Upload)), None)


def target_in(path: str) -> str | None:
    """The target, such as person#1, of a call to an image endpoint."""
    match = _IMAGE_CALL.search(path)
    return f"{match[1].lower()}#{int(match[2])}" if match else None


def _seconds(iso: str | None) -> float | None:
    try:
        return datetime.fromisoformat(iso).timestamp() if iso else None
    except ValueError:
        return None
