"""Sends an album through a deployed stack, follows every upload to its outcome, and checks what that left behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from image_ingest.events import Upload, notification
from sandbox.aws import watch
from sandbox.aws.emulator import Stack
from sandbox.demo.album import Photo
from sandbox.superoffice import StandIn, StoredPicture

PATIENCE = 45.0  # seconds without news after which the uploads still under way count as lost


@dataclass(frozen=True)
class Settled:
    """How one upload ended by the function's log; `lost` when it was never heard of."""

    photo: Photo
    outcome: str
    code: str | None = None
    blob_id: int | None = None

    @property
    def result(self) -> str:
        """The error code of a refusal, else the outcome: what an album's `expected` is compared with."""
        return self.code or self.outcome


def play(
    stack: Stack, photos: Sequence[Photo], on_settled: Callable[[Settled], None], patience: float = PATIENCE
) -> list[Settled]:
    """Uploads the photos, each once what it comes after has settled, until all have or nothing happens any more."""
    stage = _Stage(stack)
    settled: list[Settled] = []
    end = time.monotonic() + patience
    while len(settled) < len(photos) and time.monotonic() < end:
        stage.send([photo for photo in photos if photo.after in {None, *(result.photo.name for result in settled)}])
        for result in stage.news():
            settled.append(result)
            on_settled(result)
            end = time.monotonic() + patience
        time.sleep(0.1)
    heard_of = {result.photo for result in settled}
    for photo in photos:
        if photo not in heard_of:
            settled.append(Settled(photo, "lost"))
            on_settled(settled[-1])
    return settled


def objections(stack: Stack, superoffice: StandIn, settled: Sequence[Settled]) -> dict[Photo, str]:
    """What is not as it should be, photo by photo: another outcome, or one without what should be left of it."""
    reasons = watch.dead_letters(stack)
    found = {}
    for result in settled:
        if result.result != result.photo.expected:
            found[result.photo] = f"expected {result.photo.expected}"
        elif result.outcome == "rejected" and reasons.get(result.photo.name, ("",))[0] != result.code:
            found[result.photo] = "its dead letter is missing"
        elif result.outcome == "stored" and stored_picture(superoffice, result) is None:
            found[result.photo] = "SuperOffice does not have it"
        elif result.outcome == "stored" and not _is_in_ledger(stack, superoffice, result):
            found[result.photo] = "the ledger does not say what SuperOffice has"
    return found


def stored_picture(superoffice: StandIn, result: Settled) -> StoredPicture | None:
    """What SuperOffice was sent for this upload."""
    if result.outcome != "stored" or result.photo.target is None:
        return None
    pictures = superoffice.pictures(result.photo.target.entity_type, result.photo.target.entity_id)
    return next((picture for picture in pictures if picture.blob_id == result.blob_id), None)


def _is_in_ledger(stack: Stack, superoffice: StandIn, result: Settled) -> bool:
    assert result.photo.target is not None
    item = watch.ledger_item(stack, result.photo.target)
    shown = superoffice.picture(result.photo.target.entity_type, result.photo.target.entity_id)
    return shown is not None and (item.get("status"), item.get("blob_id")) == ("stored", shown.blob_id)


class _Stage:
    """What was sent, and has not settled yet."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._sent: set[Photo] = set()
        self._open: dict[str, Photo] = {}  # by the object's version, or by the message of a repeated notification
        self._versions: dict[str, str] = {}

    def send(self, photos: Sequence[Photo]) -> None:
        """Sends those that were not sent yet."""
        for photo in photos:
            if photo not in self._sent:
                self._sent.add(photo)
                self._open[self._repeat(photo.repeats) if photo.repeats else self._upload(photo)] = photo

    def news(self) -> Iterator[Settled]:
        """Those that settled since the last call."""
        for line in watch.closing_lines(self._stack):
            message, version = line["correlation_id"], line.get("version_id", "")
            photo = self._open.pop(message if message in self._open else version, None)
            if photo is not None:
                yield Settled(photo, line["outcome"], line.get("code"), line.get("blob_id"))

    def _upload(self, photo: Photo) -> str:
        target = photo.target
        answer = self._stack.aws.client("s3").put_object(
            Bucket=self._stack.outputs["UploadBucketName"],
            Key=photo.name,
            Body=photo.data,
            Metadata={"entity-type": target.entity_type, "entity-id": str(target.entity_id)} if target else {},
        )
        self._versions[photo.name] = str(answer["VersionId"])
        return self._versions[photo.name]

    def _repeat(self, name: str) -> str:
        upload = Upload(self._stack.outputs["UploadBucketName"], name, self._versions[name])
        answer = self._stack.aws.client("sqs").send_message(
            QueueUrl=self._stack.outputs["IngestQueueUrl"], MessageBody=notification(upload)
        )
        return str(answer["MessageId"])
