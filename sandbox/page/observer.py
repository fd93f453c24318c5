"""Reads the whole system repeatedly, and sends every open page what changed.

The work of a refresh and the size of its document do not grow with the number of uploads.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import requests
from botocore.exceptions import BotoCoreError, ClientError

from image_ingest.errors import CATALOGUE
from sandbox.aws import LogLine, Monitor, QueuedMessage, QueueView
from sandbox.page.actions import Actions
from sandbox.page.fault_switches import FaultSwitches
from sandbox.page.tracker import ImagePut, UploadTracker, parse_target
from sandbox.superoffice import Call, StandIn, StoredPicture

_BUSY, _CALM, _ALONE = 0.12, 0.6, 2.0  # seconds between refreshes: uploads are moving, a page is open, neither
_REST = 3  # a pause takes at least this many times as long as the refresh before it
_HEARTBEAT = 5.0
_CALLS_SHOWN = 14
_HISTORY_SHOWN = 12
_MESSAGES_SHOWN = 50  # dead letters, and waiting messages
_ITEMS_SHOWN = 50
_RECORDS_SHOWN = 24
_EXAMPLES = (("person", 1), ("contact", 1), ("project", 1), ("product", 1))  # shown even without a picture
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
        self._tracker = UploadTracker(monitor.read_visibility_timeout())
        self._changed = threading.Condition()
        self._document = ""
        self._number = 0
        self._watchers = 0
        self._busy = False
        self._ended = False
        self._wake = threading.Event()
        self._waiting: Sequence[QueuedMessage] = ()
        self._targets: dict[str, None] = {}  # whose ledger items are shown, the latest change last
        self._ledger: list[Mapping[str, Any]] = []
        self._queues_read: object = None
        self._read_at = 0.0
        self._last_call = 0
        self._calls: list[Call] = []
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
            started = time.monotonic()
            self._faults.kill_workers()
            try:
                state = self._read_state()
            except (BotoCoreError, ClientError, requests.RequestException):
                state = {"problem": "The embedded AWS does not respond."}
            self._publish(json.dumps(state))
            pause = _BUSY if self._busy else _CALM if self._watchers else _ALONE
            self._wake.wait(max(pause, _REST * (time.monotonic() - started)))
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
        ingest, dead = queues = self._monitor.view_ingest_queue(), self._monitor.view_dead_letters()
        self._waiting = ingest.messages
        reading = queues != self._queues_read or now - self._read_at >= _READING_SECONDS
        lines = self._read_log(now) if reading else ()
        self._queues_read = queues
        self._tracker.observe(ingest.messages, lines, self._read_puts(), now)
        self._actions.follow_up(self._tracker.is_settled)
        uploads = self._tracker.describe_uploads(now)
        if reading:
            self._read_ledger(lines, uploads)
        held = [m for m in ingest.messages if not m.visible and not self._tracker.is_finished(m)]
        hidden = [self._describe_hidden(message, now) for message in held if message.item]
        waiting = [message for message in hidden if message["why"] != "working"]
        working = len(hidden) - len(waiting)
        moving = any(upload["state"] in ("queued", "working") for upload in uploads)
        self._busy = self._faults.is_armed or bool(ingest.visible or working or moving)
        return {
            "uploads": uploads,
            "records": self._describe_records(),
            "waiting": waiting[:_MESSAGES_SHOWN],
            "dead_letters": [_describe_dead_letter(message) for message in dead.messages[:_MESSAGES_SHOWN]],
            "ledger": [_describe_item(item) for item in self._ledger],
            "calls": [_describe_call(call) for call in reversed(self._calls)],
            "faults": self._faults.describe(),
            "counts": {**_count_messages(ingest, dead, working), "records": self._superoffice.count_pictures()},
            "outcomes": self._tracker.count_outcomes(),
        }

    def _read_log(self, now: float) -> list[LogLine]:
        self._read_at = now
        return self._monitor.read_new_lines()

    def _read_puts(self) -> list[ImagePut]:
        """The PUTs since the last time. Also keeps the newest calls."""
        new = self._superoffice.calls_after(self._last_call)
        if new:
            self._last_call = new[-1].number
        self._calls = [*self._calls, *new][-_CALLS_SHOWN:]
        puts = ((call.at, parse_target(call.path)) for call in new if call.method in ("PUT", "DELETE"))
        return [ImagePut(at + _EPOCH, target) for at, target in puts if target]

    def _read_ledger(self, lines: Iterable[LogLine], uploads: Iterable[State]) -> None:
        """Reads the items of the targets that changed last and of those that workers hold now."""
        held = [upload["target"] for upload in uploads if upload["state"] == "working"]
        for target in [*(line.target for line in lines), *held]:
            if target:
                self._targets.pop(target, None)
                self._targets[target] = None
        for target in list(self._targets)[:-_ITEMS_SHOWN]:
            del self._targets[target]
        self._ledger = self._monitor.read_items(self._targets)

    def _describe_records(self) -> list[State]:
        """The records whose pictures changed most recently, and a few examples."""
        latest = self._superoffice.latest_records(_RECORDS_SHOWN)
        examples = [record for record in _EXAMPLES if record not in latest]
        records = []
        for entity_type, entity_id in [*latest, *examples]:
            pictures = self._superoffice.pictures(entity_type, entity_id)
            shown = [_describe_picture(p, n) for n, p in enumerate(pictures)][-_HISTORY_SHOWN:]
            has_picture = self._superoffice.picture(entity_type, entity_id) is not None
            records.append({"target": f"{entity_type}#{entity_id}", "pictures": shown, "has_picture": has_picture})
        return records

    def _describe_hidden(self, message: QueuedMessage, now: float) -> State:
        upload = message.item
        if upload and upload.version_id and self._tracker.is_done(upload.version_id):
            why = "done"
        elif self._tracker.is_deferred(message):
            why = "deferred"
        else:
            why = "crashed" if self._tracker.has_crashed(message, now) else "working"
        return {
            "id": message.id,
            "key": upload.key if upload else None,
            "version": upload.version_id if upload else None,
            "receives": message.receives,
            "next_attempt": message.visible_at,
            "why": why,
        }


def _count_messages(ingest: QueueView, dead: QueueView, working: int) -> State:
    """The queues' messages; `function` is None if the view does not list every hidden one."""
    listed = sum(not message.visible for message in ingest.messages)
    return {
        "queue": ingest.visible,
        "function": working if listed == ingest.hidden else None,
        "waiting": ingest.hidden - working,
        "dead": dead.visible + dead.hidden,
    }


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
        "number": call.number,
        "method": call.method,
        "path": call.path,
        "status": call.status,
    }


def _describe_dead_letter(message: QueuedMessage) -> State:
    upload = message.item
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
