"""Reads the whole system repeatedly, and sends every open page what changed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import requests
from botocore.exceptions import BotoCoreError, ClientError

from image_ingest.errors import CATALOGUE
from sandbox.aws import LogLine, Monitor, QueuedMessage
from sandbox.page.actions import Actions
from sandbox.page.fault_switches import FaultSwitches
from sandbox.page.tracker import ImagePut, UploadTracker, parse_target
from sandbox.superoffice import Call, StandIn, StoredPicture

_BUSY, _CALM, _ALONE = 0.12, 0.6, 2.0  # seconds between refreshes: uploads are moving, a page is open, neither
_HEARTBEAT = 5.0
_CALLS_SHOWN = 14
_HISTORY_SHOWN = 12
_SHOWN = 100  # messages and ledger items
_RECORDS_SHOWN = 24
_READING_SECONDS = 0.5  # between readings of log and ledger while the queues do not change
_EPOCH = time.time() - time.monotonic()  # of the stand-in's clock

State = dict[str, Any]


class Observer:
    """The present state of everything as one document. `updates` yields it whenever it changes."""

    def __init__(self, monitor: Monitor, superoffice: StandIn, faults: FaultSwitches, actions: Actions) -> None:
        self._monitor = monitor
        self._superoffice = superoffice
        self._faults = faults
        self._actions = actions
        self._tracker = UploadTracker()
        self._changed = threading.Condition()
        self._document = ""
        self._number = 0
        self._watchers = 0
        self._busy = False
        self._ended = False
        self._wake = threading.Event()
        self._waiting: list[QueuedMessage] = []
        self._ledger: list[Mapping[str, Any]] = []
        self._queues_read: object = None
        self._read_at = 0.0
        self._thread = threading.Thread(target=self._run, name="sandbox-page")

    def start(self) -> None:
        """Starts the refreshes."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the refreshes and all streams of updates."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._wake.set()
        self._thread.join()

    def refresh(self) -> None:
        """Refreshes at once, after a visitor's action."""
        self._busy = True
        self._wake.set()

    def updates(self) -> Iterator[str | None]:
        """Each new state as JSON text, or None after a while without one, until `stop`."""
        shown = 0
        self._watchers += 1
        self._wake.set()
        try:
            while not self._ended:
                with self._changed:
                    if self._number == shown:
                        self._changed.wait(_HEARTBEAT)
                    text, fresh, shown = self._document, self._number != shown, self._number
                yield text if fresh else None
        finally:
            self._watchers -= 1

    def find_key(self, version: str) -> str | None:
        """The key of an upload by its version."""
        return self._tracker.find_key(version)

    def find_body(self, message_id: str) -> str | None:
        """The body of a message that is waiting."""
        return next((message.body for message in self._waiting if message.id == message_id), None)

    def _run(self) -> None:
        while not self._ended:
            self._faults.kill_workers()
            try:
                state = self._read_state()
            except (BotoCoreError, ClientError, requests.RequestException):
                state = {"problem": "The embedded AWS does not respond."}
            self._publish(json.dumps(state))
            self._wake.wait(_BUSY if self._busy else _CALM if self._watchers else _ALONE)
            self._wake.clear()

    def _publish(self, document: str) -> None:
        with self._changed:
            if document != self._document:
                self._document = document
                self._number += 1
                self._changed.notify_all()

    def _read_state(self) -> State:
        now = time.time()
        for sent in self._actions.take_new_uploads():
            self._tracker.add_sent(sent.version, sent.key, sent.target, sent.at)
        self._tracker.killed_at = self._faults.killed_at
        self._waiting, dead = queues = self._monitor.read_ingest_queue(), self._monitor.read_dead_letters()
        calls = self._superoffice.calls
        lines = (
            self._read_log_and_ledger()
            if queues != self._queues_read or now - self._read_at >= _READING_SECONDS
            else ()
        )
        self._queues_read = queues
        self._tracker.observe(self._waiting, lines, _find_puts(calls), now)
        self._actions.follow_up(self._tracker.is_settled)
        uploads = self._tracker.describe_uploads(now)
        self._busy = self._faults.is_armed or any(upload["state"] in ("queued", "working") for upload in uploads)
        hidden = [self._describe_hidden(m, now) for m in self._waiting if not m.visible and m.upload]
        waiting = [message for message in hidden if message["why"] != "working"]
        return {
            "uploads": uploads,
            "records": self._describe_records(),
            "waiting": waiting[:_SHOWN],
            "dead_letters": [_describe_dead_letter(message) for message in dead[-_SHOWN:]],
            "ledger": [_describe_item(item) for item in self._ledger[:_SHOWN]],
            "calls": [_describe_call(call) for call in reversed(calls[-_CALLS_SHOWN:])],
            "faults": self._faults.describe(),
            "counts": {
                "queue": sum(message.visible for message in self._waiting),
                "function": len(hidden) - len(waiting),
                "waiting": len(waiting),
                "dead": len(dead),
                "ledger": len(self._ledger),
            },
        }

    def _read_log_and_ledger(self) -> list[LogLine]:
        """The new log lines. Also keeps what the ledger contains."""
        self._ledger = self._monitor.read_items()
        self._read_at = time.time()
        return self._monitor.read_new_lines()

    def _describe_records(self) -> list[State]:
        """The records whose pictures changed most recently."""
        with self._superoffice.state.lock:
            pictures = {key: list(kept) for key, kept in self._superoffice.state.pictures.items()}
        latest = sorted(pictures, key=lambda record: pictures[record][-1].at, reverse=True)[:_RECORDS_SHOWN]
        return [
            {
                "target": f"{entity_type}#{entity_id}",
                "pictures": [_describe_picture(p, number) for number, p in enumerate(kept)][-_HISTORY_SHOWN:],
            }
            for (entity_type, entity_id), kept in pictures.items()
            if (entity_type, entity_id) in latest
        ]

    def _describe_hidden(self, message: QueuedMessage, now: float) -> State:
        upload = message.upload
        if upload and upload.version_id and self._tracker.is_stored(upload.version_id):
            why = "done"
        elif self._tracker.is_deferred(message):
            why = "deferred"
        else:
            why = "died" if self._tracker.has_crashed(message, now) else "working"
        return {
            "id": message.id,
            "key": upload.key if upload else None,
            "version": upload.version_id if upload else None,
            "receives": message.receives,
            "next_attempt": message.visible_at,
            "why": why,
        }


def _find_puts(calls: list[Call]) -> Iterator[ImagePut]:
    for call in calls:
        target = parse_target(call.path) if call.method == "PUT" else None
        if target:
            yield ImagePut(call.at + _EPOCH, target, call.status)


def _describe_picture(picture: StoredPicture, number: int) -> State:
    return {
        "number": number,
        "blob_id": picture.blob_id,
        "content_type": picture.content_type,
        "width": picture.width,
        "height": picture.height,
        "bytes": len(picture.data),
        "at": picture.at,
    }


def _describe_call(call: Call) -> State:
    return {
        "at": call.at + _EPOCH,
        "method": call.method,
        "path": call.path,
        "status": call.status,
    }


def _describe_dead_letter(message: QueuedMessage) -> State:
    upload = message.upload
    code = message.attributes.get("ErrorCode")
    entry = CATALOGUE.get(code or "")
    target = (message.attributes.get("EntityType"), message.attributes.get("EntityId"))
    return {
        "id": message.id,
        "key": upload.key if upload else None,
        "version": upload.version_id if upload else None,
        "target": "#".join(map(str, target)) if all(target) else None,
        "code": code,
        "message": message.attributes.get("ErrorMessage"),
        "attempts": message.attributes.get("Attempts"),
        "advice": entry.advice if entry else "The queue moved it because the worker crashed each time. Replay it.",
        "held": not message.visible,
    }


def _describe_item(item: Mapping[str, Any]) -> State:
    names = ("target", "status", "content_type", "key", "error_code", "error_message", "updated_at")
    numbers = ("blob_id", "width", "height")
    return {name: item.get(name) for name in names} | {
        name: int(item[name]) if name in item else None for name in numbers
    }
