"""Where every upload is now and when it reached each stage, concluded from queues, log and calls."""

from __future__ import annotations

import heapq
import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from image_ingest.errors import CATALOGUE
from image_ingest.target import ENTITY_TYPES
from image_ingest.upload import Removal, Upload
from sandbox.aws import LogLine, QueuedMessage

SHOWN = 60  # uploads, the newest ones
TRACKED = 5000  # uploads; older ones are only counted
SILENCE = 125.0  # seconds without a log line after which a worker must have crashed: Lambda ends it after 120
_MESSAGES = 4 * TRACKED  # an upload has a message for each time that it is sent
_PUTS = 8  # for each target
_IMAGE_CALL = re.compile(rf"/v1/({'|'.join(ENTITY_TYPES)})/(\d+)/image$", re.IGNORECASE)
_MOVING = ("queued", "working", "crashed", "deferred")
_NOTHING_TO_DO = ("stored", "unchanged", "duplicate", "superseded", "removed", "kept")

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class ImagePut:
    """A PUT of a picture; `at` in seconds since the epoch."""

    at: float
    target: str


@dataclass
class _TrackedUpload:
    """One upload, or one removal. Times are in seconds since the epoch, None for stages that it has not reached."""

    version: str
    key: str
    put_at: float
    target: str | None = None
    is_removal: bool = False
    is_target_known: bool = False  # whether a target of None means that there is none
    queued_at: float | None = None
    taken_at: float | None = None
    messages: set[str] = field(default_factory=set)
    attempts: int = 0  # that have ended
    last: LogLine | None = None  # of the newest attempt that has ended


class UploadTracker:
    """The newest uploads, and how many there were in all. `visibility`: seconds that a received message is hidden."""

    def __init__(self, visibility: float) -> None:
        self._visibility = visibility
        self._observed_at = 0.0
        self._uploads: dict[str, _TrackedUpload] = {}
        self._waiting: Mapping[str, list[QueuedMessage]] = {}
        self._puts: dict[str, deque[ImagePut]] = {}
        self._lines_of: dict[str, int] = {}
        self._outcome_of: dict[str, str] = {}  # a message's newest
        self._taken: dict[tuple[str, int], float] = {}
        self._total = 0
        self._outcomes: Counter[str] = Counter()  # of the newest attempts
        self.killed_at = 0.0

    def add_sent(self, version: str, key: str, target: str | None, at: float) -> None:
        """Adds an object that the page itself put."""
        upload = self._find_or_add(version, key, at)
        upload.target, upload.is_target_known = target, True

    def observe(
        self, waiting: Sequence[QueuedMessage], lines: Iterable[LogLine], puts: Iterable[ImagePut], now: float
    ) -> None:
        """Adds what the ingest queue contains now, the new log lines, and the new PUTs to SuperOffice."""
        self._waiting = defaultdict(list)
        for message in waiting:
            if message.item is not None and message.item.version_id:
                self._add_message(message, message.item, now)
        for line in lines:
            self._add_line(line)
        for put in puts:
            self._puts.setdefault(put.target, deque(maxlen=_PUTS)).append(put)
        _forget_oldest(self._lines_of, _MESSAGES)
        _forget_oldest(self._outcome_of, _MESSAGES)
        _forget_oldest(self._taken, _MESSAGES)
        _forget_oldest(self._puts, TRACKED)
        _forget_oldest(self._uploads, TRACKED)
        self._observed_at = now

    def describe_uploads(self, now: float) -> list[dict[str, Any]]:
        """The newest uploads, the newest first: state, its meaning, and the time of each stage."""
        newest = heapq.nlargest(SHOWN, self._uploads.values(), key=lambda upload: upload.put_at)
        return [self._describe(upload, now) for upload in newest]

    def count_outcomes(self) -> dict[str, int]:
        """How many uploads were seen (`total`), and how many ended with each outcome in their newest attempt."""
        return {**self._outcomes, "total": self._total}

    def is_settled(self, version: str) -> bool:
        """Whether the upload has an outcome and no further attempt will follow."""
        upload = self._uploads.get(version)
        return upload is not None and self._find_state(upload, 0.0)[0] not in _MOVING

    def is_done(self, version: str) -> bool:
        """Whether a further delivery of the upload would find nothing to do."""
        upload = self._uploads.get(version)
        return upload is not None and self._find_state(upload, 0.0)[0] in _NOTHING_TO_DO

    def find_key(self, version: str) -> str | None:
        """The key of an upload by its version."""
        upload = self._uploads.get(version)
        return upload.key if upload else None

    def is_deferred(self, message: QueuedMessage) -> bool:
        """Whether its last attempt has ended, so that the message is only hidden until the next."""
        return not message.visible and 0 < message.receives <= self._lines_of.get(message.id, 0)

    def is_finished(self, message: QueuedMessage) -> bool:
        """Whether its last attempt settled the upload, so that the queue is about to delete it."""
        return self.is_deferred(message) and self._outcome_of.get(message.id) != "deferred"

    def has_crashed(self, message: QueuedMessage, now: float) -> bool:
        """Whether the worker that received it was killed or has been silent for too long."""
        taken = self._taken.get((message.id, message.receives))
        if taken is None or message.visible or self.is_deferred(message):
            return False
        return taken <= self.killed_at or now - taken > SILENCE

    def _add_message(self, message: QueuedMessage, item: Upload | Removal, now: float) -> None:
        version = str(item.version_id)
        upload = self._find_or_add(version, item.key, min(_parse_time(item.event_time) or now, now))
        upload.is_removal = isinstance(item, Removal)
        self._waiting[version].append(message)
        if message.id not in upload.messages:
            upload.messages.add(message.id)
            upload.queued_at, upload.taken_at = (now if upload.queued_at else upload.put_at), None
        if message.receives and (message.id, message.receives) not in self._taken:
            self._taken[message.id, message.receives] = upload.taken_at = self._find_taken(message, now)

    def _find_taken(self, message: QueuedMessage, now: float) -> float:
        """When a worker received the message, which may have been postponed since."""
        return min(now, max(self._observed_at, message.visible_at - self._visibility))

    def _add_line(self, line: LogLine) -> None:
        self._lines_of[line.message_id] = self._lines_of.get(line.message_id, 0) + 1
        self._outcome_of[line.message_id] = line.outcome
        if line.version and line.key:
            upload = self._find_or_add(line.version, line.key, line.at)
            if upload.last is not None:
                self._outcomes[upload.last.outcome] -= 1
            self._outcomes[line.outcome] += 1
            upload.last = line
            upload.is_removal = upload.is_removal or line.outcome == "removed"
            upload.attempts += 1
            upload.target, upload.is_target_known = line.target or upload.target, True
            upload.taken_at = line.at - line.milliseconds / 1000

    def _find_or_add(self, version: str, key: str, put_at: float) -> _TrackedUpload:
        if version not in self._uploads:
            self._uploads[version] = _TrackedUpload(version, key, put_at)
            self._total += 1
        return self._uploads[version]

    def _find_state(self, upload: _TrackedUpload, now: float) -> tuple[str, QueuedMessage | None]:
        """queued, working, crashed, deferred, or the outcome of the last attempt; and the next message, if any."""
        messages = self._waiting.get(upload.version, ())
        busy = [m for m in messages if not m.visible and not self.is_deferred(m)]
        for message in busy:
            if not self.has_crashed(message, now):
                return "working", message
        for message in messages:
            if message.visible:
                return "queued", message
        if upload.last and upload.last.outcome != "deferred":
            return upload.last.outcome, None
        if busy or upload.last:
            return "crashed" if busy else "deferred", min(messages, key=lambda m: m.visible_at, default=None)
        return "queued", None

    def _describe(self, upload: _TrackedUpload, now: float) -> dict[str, Any]:
        state, message = self._find_state(upload, now)
        last = upload.last if state not in ("queued", "working", "crashed") else None
        code = last.code if last else None
        put = self._find_put(upload, last)
        return {
            "id": upload.version,
            "key": upload.key,
            "target": upload.target,
            "target_known": upload.is_target_known,
            "is_removal": upload.is_removal,
            "state": state,
            "code": code,
            "meaning": CATALOGUE[code].meaning if code in CATALOGUE else None,
            "blob_id": last.blob_id if last else None,
            "attempts": upload.attempts + (state in ("working", "crashed")),
            "next_attempt": message.visible_at if message and state in ("deferred", "crashed") else None,
            "at_superoffice": state == "working" and put is not None,
            "times": {
                "bucket": upload.put_at,
                "queue": upload.queued_at or upload.put_at,
                "function": upload.taken_at,
                "superoffice": put.at if put else None,
                "end": last.at if last else None,
            },
        }

    def _find_put(self, upload: _TrackedUpload, last: LogLine | None) -> ImagePut | None:
        """The PUT that this attempt made."""
        if upload.target is None or upload.taken_at is None:
            return None
        end = last.at if last else float("inf")
        return next((p for p in self._puts.get(upload.target, ()) if upload.taken_at - 0.2 <= p.at <= end), None)


def parse_target(path: str) -> str | None:
    """The target, such as person#1, of a call to an image endpoint."""
    match = _IMAGE_CALL.search(path)
    return f"{match[1].lower()}#{int(match[2])}" if match else None


def _forget_oldest(mapping: dict[K, V], most: int) -> None:
    """Removes the entries that were added first until `most` are left."""
    while len(mapping) > most:
        del mapping[next(iter(mapping))]


def _parse_time(iso: str | None) -> float | None:
    try:
        return datetime.fromisoformat(iso).timestamp() if iso else None
    except ValueError:
        return None
