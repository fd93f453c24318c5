"""Looks at the whole system again and again, and tells every open page what changed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import requests
from botocore.exceptions import BotoCoreError, ClientError

from image_ingest.errors import CATALOGUE
from sandbox.page.actions import Actions
from sandbox.page.faults import Weather
from sandbox.page.sources import Line, Message, Sources
from sandbox.page.story import Put, Story, target_in, upload_in
from sandbox.superoffice import Call, StandIn, StoredPicture

_BUSY, _CALM, _ALONE = 0.12, 0.6, 2.0  # seconds between looks: something moves, somebody watches, nobody does
_HEARTBEAT = 5.0
_CALLS_SHOWN = 14
_HISTORY_SHOWN = 12
_SHOWN = 100  # messages and ledger items
_RECORDS_SHOWN = 24
_READING_SECONDS = 0.5  # between readings of log and ledger while the queues stay as they are
_EPOCH = time.time() - time.monotonic()  # of the stand-in's clock

State = dict[str, Any]


class Observer:
    """The present state of everything, as one document; `updates` yields it whenever it changed."""

    def __init__(self, sources: Sources, superoffice: StandIn, weather: Weather, actions: Actions) -> None:
        self._sources = sources
        self._superoffice = superoffice
        self._weather = weather
        self._actions = actions
        self._story = Story()
        self._changed = threading.Condition()
        self._document = ""
        self._number = 0
        self._watchers = 0
        self._busy = False
        self._ended = False
        self._wake = threading.Event()
        self._waiting: list[Message] = []
        self._ledger: list[State] = []
        self._queues_read: object = None
        self._read_at = 0.0
        self._thread = threading.Thread(target=self._run, name="sandbox-page")

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the looking, and all updates."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._wake.set()
        self._thread.join()

    def look_now(self) -> None:
        """Somebody did something."""
        self._busy = True
        self._wake.set()

    def updates(self) -> Iterator[str | None]:
        """Each new state as a JSON text, None after a while without one, until stop."""
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

    def key_of(self, version: str) -> str | None:
        """The key of an upload that was seen."""
        return self._story.key_of(version)

    def body_of(self, message_id: str) -> str | None:
        """The body of a message that is waiting."""
        return next((message.body for message in self._waiting if message.id == message_id), None)

    def _run(self) -> None:
        while not self._ended:
            self._weather.watch()
            try:
                state = self._look()
            except (BotoCoreError, ClientError, requests.RequestException):
                state = {"problem": "The embedded AWS does not answer."}
            self._publish(json.dumps(state))
            self._wake.wait(_BUSY if self._busy else _CALM if self._watchers else _ALONE)
            self._wake.clear()

    def _publish(self, document: str) -> None:
        with self._changed:
            if document != self._document:
                self._document = document
                self._number += 1
                self._changed.notify_all()

    def _look(self) -> State:
        now = time.time()
        for sent in self._actions.new_uploads():
            self._story.sent(sent.version, sent.key, sent.target, sent.at)
        self._story.killed_at = self._weather.killed_at
        self._waiting, dead = queues = self._sources.queues()
        calls = self._superoffice.calls
        lines = self._read() if queues != self._queues_read or now - self._read_at >= _READING_SECONDS else ()
        self._queues_read = queues
        self._story.observe(self._waiting, lines, _puts(calls), now)
        self._actions.follow_up(self._story.is_settled)
        uploads = self._story.uploads(now)
        self._busy = self._weather.armed or any(upload["state"] in ("queued", "working") for upload in uploads)
        hidden = [self._hidden(m, now) for m in self._waiting if not m.visible and upload_in(m.body)]
        waiting = [message for message in hidden if message["why"] != "working"]
        return {
            "uploads": uploads,
            "records": self._records(),
            "waiting": waiting[:_SHOWN],
            "dead_letters": [_dead_letter(message) for message in dead[-_SHOWN:]],
            "ledger": self._ledger[:_SHOWN],
            "calls": [_call(call) for call in reversed(calls[-_CALLS_SHOWN:])],
            "weather": self._weather.state(),
            "counts": {
                "queue": sum(message.visible for message in self._waiting),
                "function": len(hidden) - len(waiting),
                "waiting": len(waiting),
                "dead": len(dead),
                "ledger": len(self._ledger),
            },
        }

    def _read(self) -> list[Line]:
        """What the function logged; and keeps what the ledger says."""
        self._ledger = self._sources.ledger()
        self._read_at = time.time()
        return self._sources.new_lines()

    def _records(self) -> list[State]:
        """The records whose pictures changed last."""
        with self._superoffice.world.lock:
            pictures = {key: list(kept) for key, kept in self._superoffice.world.pictures.items()}
        latest = sorted(pictures, key=lambda record: pictures[record][-1].at, reverse=True)[:_RECORDS_SHOWN]
        return [
            {
                "target": f"{entity_type}#{entity_id}",
                "pictures": [_picture(p, number) for number, p in enumerate(kept)][-_HISTORY_SHOWN:],
            }
            for (entity_type, entity_id), kept in pictures.items()
            if (entity_type, entity_id) in latest
        ]

    def _hidden(self, message: Message, now: float) -> State:
        upload = upload_in(message.body)
        if upload and upload.version_id and self._story.is_stored(upload.version_id):
            why = "done"
        elif self._story.is_deferred(message):
            why = "deferred"
        else:
            why = "died" if self._story.has_died(message, now) else "working"
        return {
            "id": message.id,
            "key": upload.key if upload else None,
            "version": upload.version_id if upload else None,
            "receives": message.receives,
            "next_attempt": message.visible_at,
            "why": why,
        }


def _puts(calls: list[Call]) -> Iterator[Put]:
    for call in calls:
        target = target_in(call.path) if call.method == "PUT" else None
        if target:
            yield Put(call.at + _EPOCH, target, call.status)


def _picture(picture: StoredPicture, number: int) -> State:
    return {
        "number": number,
        "blob_id": picture.blob_id,
        "content_type": picture.content_type,
        "width": picture.width,
        "height": picture.height,
        "bytes": len(picture.data),
        "at": picture.at,
    }


def _call(call: Call) -> State:
    return {
        "at": call.at + _EPOCH,
        "method": call.method,
        "path": call.path,
        "status": call.status,
    }


def _dead_letter(message: Message) -> State:
    upload = upload_in(message.body)
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
        "advice": entry.advice if entry else "The queue moved it by itself: its worker died each time. Replay it.",
        "held": not message.visible,
    }
