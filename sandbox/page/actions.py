"""What a visitor can do to the stack: upload, replay, send again. All of it uses AWS's ordinary interfaces."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from queue import Empty, SimpleQueue
from typing import Any

from image_ingest.target import ENTITY_TYPES
from sandbox.aws import DeployedStack
from sandbox.demo import Sample, make_album

_RECEIVE_ROUNDS = 20
_HELD_SECONDS = 30


class Refused(Exception):
    """The page cannot do this; the message states the reason."""


@dataclass(frozen=True)
class SentUpload:
    """An object that was put; `at` in seconds since the epoch."""

    version: str
    key: str
    target: str | None
    at: float


class Actions:
    """Everything that the page can do to the stack."""

    def __init__(self, stack: DeployedStack) -> None:
        self._s3 = stack.aws.client("s3")
        self._sqs = stack.aws.client("sqs")
        self._bucket = stack.outputs["UploadBucketName"]
        self._ingest, self._dead = stack.outputs["IngestQueueUrl"], stack.outputs["DeadLetterQueueUrl"]
        self._later: list[tuple[Sample, str]] = []  # with the version that must settle first
        self._sent: SimpleQueue[SentUpload] = SimpleQueue()

    def upload(self, name: str, data: bytes, entity_type: str, entity_id: str) -> SentUpload:
        """Puts a file for a target, or without one if the type is empty. Raises Refused."""
        if entity_type and entity_type not in ENTITY_TYPES:
            raise Refused(f"The entity must be one of {', '.join(ENTITY_TYPES)}.")
        if not (entity_id.isascii() and entity_id.isprintable() and len(entity_id) <= 100):
            raise Refused("S3 metadata can contain printable ASCII characters only.")
        metadata = {"entity-type": entity_type, "entity-id": entity_id} if entity_type else {}
        return self._put(_make_key(name), data, metadata, f"{entity_type}#{entity_id}" if entity_type else None)

    def send_album(self) -> list[SentUpload]:
        """Sends the demo's album; follow_up sends the samples that must wait for another."""
        samples = [sample for sample in _get_album() if not sample.repeats]
        sent = {sample.name: self._send(sample) for sample in samples if not sample.after}
        self._later += [(sample, sent[sample.after].version) for sample in samples if sample.after]
        return list(sent.values())

    def follow_up(self, is_settled: Callable[[str], bool]) -> None:
        """Sends the samples whose predecessor has settled."""
        due = [entry for entry in self._later if is_settled(entry[1])]
        for entry in due:
            self._later.remove(entry)
            self._send(entry[0])

    def take_new_uploads(self) -> list[SentUpload]:
        """The uploads since the last call."""
        sent = []
        with suppress(Empty):
            while True:
                sent.append(self._sent.get_nowait())
        return sent

    def send_again(self, body: str) -> None:
        """Delivers a copy of a waiting message now. The message itself returns later and ends as a duplicate."""
        self._sqs.send_message(QueueUrl=self._ingest, MessageBody=body)

    def replay(self, message_id: str) -> None:
        """Sends a dead letter back to the ingest queue. Raises Refused if it is not there."""
        letter, others = self._take_dead_letter(message_id)
        try:
            if letter is None:
                raise Refused("This dead letter is no longer in the queue.")
            self._sqs.send_message(QueueUrl=self._ingest, MessageBody=letter["Body"])
            self._sqs.delete_message(QueueUrl=self._dead, ReceiptHandle=letter["ReceiptHandle"])
        finally:
            for other in others:
                self._sqs.change_message_visibility(
                    QueueUrl=self._dead, ReceiptHandle=other["ReceiptHandle"], VisibilityTimeout=0
                )

    def _take_dead_letter(self, message_id: str) -> tuple[Mapping[str, Any] | None, Sequence[Mapping[str, Any]]]:
        """The dead letter, and the others that were received with it."""
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

    def _send(self, sample: Sample) -> SentUpload:
        return self._put(sample.name, sample.data, sample.metadata, str(sample.target) if sample.target else None)

    def _put(self, key: str, data: bytes, metadata: Mapping[str, str], target: str | None) -> SentUpload:
        at = time.time()
        answer = self._s3.put_object(Bucket=self._bucket, Key=key, Body=data, Metadata=dict(metadata))
        sent = SentUpload(str(answer["VersionId"]), key, target, at)
        self._sent.put(sent)
        return sent


@cache
def _get_album() -> list[Sample]:
    return make_album()


def _make_key(name: str) -> str:
    """The file's name as an object key. Raises Refused."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    key = "/".join("".join(c for c in part if c.isprintable()) for part in parts)
    if not key or len(key.encode(errors="replace")) > 1024:
        raise Refused("S3 keys have 1 to 1024 bytes.")
    return key
