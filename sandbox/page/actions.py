"""What a visitor does to the stack: uploads, replays, sends again; all of it by AWS's ordinary interfaces."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from queue import Empty, SimpleQueue
from typing import Any

from image_ingest.target import ENTITY_TYPES
from sandbox.aws.emulator import Stack
from sandbox.demo.album import Photo, album

_RECEIVE_ROUNDS = 20
_HELD_SECONDS = 30


class Refused(Exception):
    """The page cannot do this; the message says why."""


@dataclass(frozen=True)
class Sent:
    """An object that was put; `at` in seconds since the epoch."""

    version: str
    key: str
    target: str | None
    at: float


class Actions:
    """Everything that the page can do to the stack."""

    def __init__(self, stack: Stack) -> None:
        self._s3 = stack.aws.client("s3")
        self._sqs = stack.aws.client("sqs")
        self._bucket = stack.outputs["UploadBucketName"]
        self._ingest, self._dead = stack.outputs["IngestQueueUrl"], stack.outputs["DeadLetterQueueUrl"]
        self._later: list[tuple[Photo, str]] = []  # with the version that has to settle first
        self._sent: SimpleQueue[Sent] = SimpleQueue()

    def upload(self, name: str, data: bytes, entity_type: str, entity_id: str) -> Sent:
        """Puts a file for a target, or for nobody where the type is empty. Raises Refused."""
        if entity_type and entity_type not in ENTITY_TYPES:
            raise Refused(f"The entity must be one of {', '.join(ENTITY_TYPES)}.")
        if not (entity_id.isascii() and entity_id.isprintable() and len(entity_id) <= 100):
            raise Refused("S3 takes printable ASCII characters as metadata only.")
        metadata = {"entity-type": entity_type, "entity-id": entity_id} if entity_type else {}
        return self._put(_key(name), data, metadata, f"{entity_type}#{entity_id}" if entity_type else None)

    def send_album(self) -> list[Sent]:
        """Sends the demo's album; what comes after something else follows by follow_up."""
        photos = [photo for photo in _album() if not photo.repeats]
        sent = {photo.name: self._send(photo) for photo in photos if not photo.after}
        self._later += [(photo, sent[photo.after].version) for photo in photos if photo.after]
        return list(sent.values())

    def follow_up(self, is_settled: Callable[[str], bool]) -> None:
        """Sends what waited for another upload to settle."""
        due = [entry for entry in self._later if is_settled(entry[1])]
        for entry in due:
            self._later.remove(entry)
            self._send(entry[0])

    def new_uploads(self) -> list[Sent]:
        """What was put since the last call."""
        sent = []
        with suppress(Empty):
            while True:
                sent.append(self._sent.get_nowait())
        return sent

    def send_again(self, body: str) -> None:
        """Delivers a waiting message's copy now; the message itself comes back in its own time, as a duplicate."""
        self._sqs.send_message(QueueUrl=self._ingest, MessageBody=body)

    def replay(self, message_id: str) -> None:
        """Sends a dead letter back to the ingest queue. Raises Refused if it is not there."""
        letter, others = self._take_dead_letter(message_id)
        try:
            if letter is None:
                raise Refused("This dead letter is not in the queue any more.")
            self._sqs.send_message(QueueUrl=self._ingest, MessageBody=letter["Body"])
            self._sqs.delete_message(QueueUrl=self._dead, ReceiptHandle=letter["ReceiptHandle"])
        finally:
            for other in others:
                self._sqs.change_message_visibility(
                    QueueUrl=self._dead, ReceiptHandle=other["ReceiptHandle"], VisibilityTimeout=0
                )

    def _take_dead_letter(self, message_id: str) -> tuple[Mapping[str, Any] | None, Sequence[Mapping[str, Any]]]:
        """The dead letter, and those that were received on the way to it."""
        others: list[Mapping[str, Any]] = []
        for _ in range(_RECEIVE_ROUNDS):
            answer = self._sqs.receive_message(
                QueueUrl=self._dead, MaxNumberOfMessages=10, VisibilityTimeout=_HELD_SECONDS
            )
            messages = answer.get("Messages", [])
            others += [message for message in messages if message["MessageId"] != message_id]
            for message in messages:
                if message["MessageId"] == message_id:
                    return message, others
            if not messages:
                break
        return None, others

    def _send(self, photo: Photo) -> Sent:
        target = photo.target
        metadata = {"entity-type": target.entity_type, "entity-id": str(target.entity_id)} if target else {}
        return self._put(photo.name, photo.data, metadata, str(target) if target else None)

    def _put(self, key: str, data: bytes, metadata: Mapping[str, str], target: str | None) -> Sent:
        at = time.time()
        answer = self._s3.put_object(Bucket=self._bucket, Key=key, Body=data, Metadata=dict(metadata))
        sent = Sent(str(answer["VersionId"]), key, target, at)
        self._sent.put(sent)
        return sent


@cache
def _album() -> list[Photo]:
    return album()


def _key(name: str) -> str:
    """The file's name as an object key. Raises Refused."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    key = "/".join("".join(c for c in part if c.isprintable()) for part in parts)
    if not key or len(key.encode(errors="replace")) > 1024:
        raise Refused("S3 takes names of 1 to 1024 bytes.")
    return key
