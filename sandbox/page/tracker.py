"""Where every upload is now and when it reached each stage, concluded from queues, log and calls."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from image_ingest.errors import CATALOGUE
from image_ingest.upload import Upload
from sandbox.aws import LogLine, QueuedMessage

SHOWN = 60  # uploads, the newest ones
SILENCE = 125.0  # seconds without a log line after which a worker must have died: Lambda ends it after 120
_IMAGE_CALL = re.compile(r"/v1/(person|project|contact|product)/(\d+)/image$", re.IGNORECASE)


@dataclass(frozen=True)
class ImagePut:
    """A PUT of a picture; `at` in seconds since the epoch, `status` None until the response."""

    at: float
    target: str
    status: int | None


@dataclass
class _TrackedUpload:
    """One upload. Times are in seconds since the epoch, None for stages that it has not reached."""

    version: str
    key: str
    put_at: float
    target: str | None = None
    queued_at: float | None = None
    taken_at: float | None = None
    messages: set[str] = field(default_factory=set)
    lines: list[LogLine] = field(default_factory=list)


class UploadTracker:
    """Every upload that was ever seen."""

    def __init__(self) -> None:
        self._uploads: dict[str, _TrackedUpload] = {}
        self._waiting: dict[str, list[QueuedMessage]] = {}
        self._puts: dict[str, list[ImagePut]] = {}
        self._lines_of: dict[str, int] = defaultdict(int)
        self._taken: dict[tuple[str, int], float] = {}
        self.killed_at = 0.0

    def add_sent(self, version: str, key: str, target: str | None, at: float) -> None:
        """Adds an object that the page itself put."""
        self._find_or_add(version, key, at).target = target

    def observe(
        self, waiting: Sequence[QueuedMessage], lines: Iterable[LogLine], puts: Iterable[ImagePut], now: float
    ) -> None:
        """Adds what the ingest queue contains now, the new log lines, and the PUTs that SuperOffice received."""
        self._waiting = defaultdict(list)
        for message in waiting:
            if message.upload is not None and message.upload.version_id:
                self._add_message(message, message.upload, now)
        for line in lines:
            self._lines_of[line.message_id] += 1
            if line.version and line.key:
                seen = self._find_or_add(line.version, line.key, line.at)
                seen.lines.append(line)
                seen.target = line.target or seen.target
                seen.taken_at = line.at - line.milliseconds / 1000
        self._puts = defaultdict(list)
        for put in puts:
            self._puts[put.target].append(put)

    def describe_uploads(self, now: float) -> list[dict[str, Any]]:
        """The newest uploads, the newest first: state, its meaning, and the time of each stage."""
        newest = sorted(self._uploads.values(), key=lambda seen: seen.put_at, reverse=True)
        return [self._describe(seen, now) for seen in newest[:SHOWN]]

    def is_settled(self, version: str) -> bool:
        """Whether the upload has an outcome and no further attempt will follow."""
        seen = self._uploads.get(version)
        return seen is not None and self._find_state(seen, 0.0)[0] not in ("queued", "working", "died", "deferred")

    def is_stored(self, version: str) -> bool:
        """Whether a further delivery of the upload would find nothing to do."""
        seen = self._uploads.get(version)
        return seen is not None and self._find_state(seen, 0.0)[0] in ("stored", "unchanged", "duplicate", "superseded")

    def find_key(self, version: str) -> str | None:
        """The key of an upload by its version."""
        seen = self._uploads.get(version)
        return seen.key if seen else None

    def is_deferred(self, message: QueuedMessage) -> bool:
        """Whether its last attempt has ended, so that the message is only hidden until the next."""
        return not message.visible and 0 < message.receives <= self._lines_of[message.id]

    def has_crashed(self, message: QueuedMessage, now: float) -> bool:
        """Whether the worker that received it was killed or has been silent for too long."""
        taken = self._taken.get((message.id, message.receives))
        if taken is None or message.visible or self.is_deferred(message):
            return False
        return taken <= self.killed_at or now - taken > SILENCE

    def _add_message(self, message: QueuedMessage, upload: Upload, now: float) -> None:
        version = str(upload.version_id)
        seen = self._find_or_add(version, upload.key, min(_parse_time(upload.event_time) or now, now))
        self._waiting[version].append(message)
        if message.id not in seen.messages:
            seen.messages.add(message.id)
            seen.queued_at, seen.taken_at = (now if seen.queued_at else seen.put_at), None
        if message.receives and (message.id, message.receives) not in self._taken:
            self._taken[message.id, message.receives] = seen.taken_at = now

    def _find_or_add(self, version: str, key: str, put_at: float) -> _TrackedUpload:
        return self._uploads.setdefault(version, _TrackedUpload(version, key, put_at))

    def _find_state(self, seen: _TrackedUpload, now: float) -> tuple[str, QueuedMessage | None]:
        """queued, working, died, deferred, or the outcome of the last attempt; and the next message, if any."""
        messages = self._waiting.get(seen.version, ())
        busy = [m for m in messages if not m.visible and not self.is_deferred(m)]
        for message in busy:
            if not self.has_crashed(message, now):
                return "working", message
        for message in messages:
            if message.visible:
                return "queued", message
        if seen.lines and seen.lines[-1].outcome != "deferred":
            return seen.lines[-1].outcome, None
        if busy or seen.lines:
            return "died" if busy else "deferred", min(messages, key=lambda m: m.visible_at, default=None)
        return "queued", None

    def _describe(self, seen: _TrackedUpload, now: float) -> dict[str, Any]:
        state, message = self._find_state(seen, now)
        last = seen.lines[-1] if seen.lines and state not in ("queued", "working", "died") else None
        code = last.code if last else None
        put = self._find_put(seen, last)
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

    def _find_put(self, seen: _TrackedUpload, last: LogLine | None) -> ImagePut | None:
        """The PUT that this attempt made."""
        if seen.target is None or seen.taken_at is None:
            return None
        end = last.at if last else float("inf")
        return next((p for p in self._puts[seen.target] if seen.taken_at - 0.2 <= p.at <= end), None)


def parse_target(path: str) -> str | None:
    """The target, such as person#1, of a call to an image endpoint."""
    match = _IMAGE_CALL.search(path)
    return f"{match[1].lower()}#{int(match[2])}" if match else None


def _parse_time(iso: str | None) -> float | None:
    try:
        return datetime.fromisoformat(iso).timestamp() if iso else None
    except ValueError:
        return None
