"""The story of one upload: find the object, claim its target, make the picture, send it, record the blob id."""

from __future__ import annotations

import time
import traceback
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from image_ingest.aws.dead_letters import DeadLetters
from image_ingest.aws.objects import Gone, Objects, StoredObject, archived
from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred, IngestError, Rejected
from image_ingest.events import Delivery, Ignored, Notice, Unrecognised, Upload, notification, unrecognised
from image_ingest.ledger.claims import CRASH_LIMIT, Claim, Ledger, Settled, StoredPicture
from image_ingest.ledger.order import Mark, is_time
from image_ingest.outcome import Measures, Outcome, Result
from image_ingest.picture import Picture, Preparation
from image_ingest.report import Report
from image_ingest.settings import PictureSettings, Settings
from image_ingest.superoffice import Calls, SuperOffice
from image_ingest.target import Target, target_of

LEASE_MARGIN = 30.0  # seconds that a lease outlasts the deadline: for the record, and for clocks that differ
LEAST_TIME = 3.0  # seconds without which an upload is not begun
_PRODUCT_BOUND = 1000  # pixels; SuperOffice's agent API scales product pictures to this
_FORMATS = {name: name.upper() for name in ("jpeg", "png", "gif", "tiff", "webp", "bmp", "avif", "heif")} | {
    "jpg": "JPEG",
    "tif": "TIFF",
    "heic": "HEIF",
}


@dataclass
class _Attempt:
    """What is known so far of the upload at hand."""

    delivery: Delivery
    deadline: Deadline
    result: Result
    target: Target | None = None
    claim: Claim | None = None
    calls: Calls = field(default_factory=Calls)
    measures: Measures = field(default_factory=Measures)

    def settle(self, outcome: Outcome, **known: int | str | None) -> None:
        self.result = replace(self.result, outcome=outcome, **known)  # type: ignore[arg-type]  # names of Result's fields


class Ingest:
    """Brings uploads to their outcome. One thread at a time."""

    def __init__(
        self,
        *,
        settings: Settings,
        objects: Objects,
        ledger: Ledger,
        superoffice: SuperOffice,
        dead_letters: DeadLetters,
        report: Report,
    ) -> None:
        self._settings = settings
        self._objects = objects
        self._ledger = ledger
        self._superoffice = superoffice
        self._dead_letters = dead_letters
        self._report = report

    def handle(self, notice: Notice, delivery: Delivery, deadline: Deadline) -> tuple[Result, float | None]:
        """The outcome of one notice, and how many seconds another attempt should wait at least, if somebody said so.

        Raises nothing: what is no refusal of the catalogue is deferred as `worker.failed`.
        """
        attempt = _Attempt(delivery, deadline, _blank(notice))
        began = time.perf_counter()
        wait = None
        try:
            self._settle(notice, attempt)
        except IngestError as failure:
            wait = self._fail(notice, attempt, failure)
        except Exception as error:  # noqa: BLE001  # the one net: whatever it was, the upload is tried again
            attempt.measures.where = _place(error)
            wait = self._fail(notice, attempt, _unforeseen(error, attempt.measures.where))
        attempt.measures.milliseconds = (time.perf_counter() - began) * 1000
        self._report.upload(attempt.result, attempt.measures, attempt.calls)
        return attempt.result, wait

    def _settle(self, notice: Notice, attempt: _Attempt) -> None:
        if isinstance(notice, Unrecognised):
            raise unrecognised()
        if isinstance(notice, Ignored):
            attempt.settle("ignored", message=notice.reason)
            return
        attempt.deadline.bound(LEAST_TIME, least=LEAST_TIME)
        try:
            self._store(notice, attempt)
        except Gone:
            attempt.settle("ignored", message="The object was deleted since.")
            if attempt.claim is not None:
                self._ledger.release(attempt.claim)

    def _store(self, upload: Upload, attempt: _Attempt) -> None:
        obj = self._objects.find(upload)
        attempt.result = replace(attempt.result, key=obj.key, version_id=upload.version_id or obj.version_id)
        if obj.is_console_folder:
            attempt.settle("ignored", message="A folder made in the S3 console.")
            return
        attempt.target = target = target_of(obj.metadata, obj.key, self._settings.target_key_pattern)
        attempt.result = replace(attempt.result, entity_type=target.entity_type, entity_id=target.entity_id)
        tenant = self._claim(upload, obj, target, attempt)
        if attempt.claim is not None:
            self._store_claimed(obj, tenant, attempt.claim, attempt)

    def _claim(self, upload: Upload, obj: StoredObject, target: Target, attempt: _Attempt) -> str:
        """Claims the target, or settles the attempt. The tenant; a secret without one is a failure on the record."""
        tenant, trouble = self._tenant(attempt.deadline)
        lease = attempt.deadline.remaining() + LEASE_MARGIN
        claim = self._ledger.claim(target, mark_of(upload, obj), tenant, attempt.delivery, lease)
        if isinstance(claim, Claim):
            attempt.claim = claim
        if trouble is not None:
            raise trouble
        if isinstance(claim, Settled):
            attempt.settle(claim.outcome, blob_id=claim.blob_id, error_code=claim.error_code, message=claim.message)
        return tenant or ""

    def _tenant(self, deadline: Deadline) -> tuple[str | None, Deferred | None]:
        try:
            return self._superoffice.tenant(deadline), None
        except Deferred as trouble:
            return None, trouble

    def _store_claimed(self, obj: StoredObject, tenant: str, claim: Claim, attempt: _Attempt) -> None:
        if claim.crashes >= CRASH_LIMIT:
            raise Rejected("worker.crashed", f"The worker died {claim.crashes} times while it handled this upload.")
        settings = picture_settings_for(claim.target, self._settings.picture)
        check_readable(obj, self._settings.max_source_bytes)
        with closing(Preparation()) as preparation:
            if claim.stored is None or not self._settings.skip_unchanged:
                preparation.start()
            self._objects.copy(obj, preparation.file)
            attempt.measures.source_bytes = obj.size
            sha256 = preparation.compute_sha256()
            unchanged = self._unchanged(claim.stored, sha256, settings)
            if unchanged is not None:
                self._ledger.record_stored(claim, unchanged, tenant)
                attempt.settle("unchanged", blob_id=unchanged.blob_id)
                return
            picture = _timed_picture(preparation, settings, attempt)
        attempt.measures.mislabelled = _is_mislabelled(obj, picture.source_format)
        blob_id = self._superoffice.put_image(claim.target, picture, attempt.deadline, attempt.calls)
        stored = StoredPicture(
            blob_id, picture.content_type, picture.width, picture.height, sha256, _description(settings)
        )
        self._ledger.record_stored(claim, stored, tenant, in_doubt=attempt.calls.in_doubt)
        attempt.measures.uploaded_bytes = len(picture.data)
        attempt.settle("stored", blob_id=blob_id)

    def _unchanged(self, stored: StoredPicture | None, sha256: str, settings: PictureSettings) -> StoredPicture | None:
        """The stored picture, if it is of these bytes and settings and the operator wants no call for it."""
        if stored is None or not self._settings.skip_unchanged:
            return None
        same = (stored.sha256, stored.picture_settings) == (sha256, _description(settings))
        return stored if same else None

    def _fail(self, notice: Notice, attempt: _Attempt, failure: IngestError) -> float | None:
        """Dead-letters what is final, then tells the ledger: in this order, so that no reason is lost in between."""
        final = isinstance(failure, Rejected) or attempt.delivery.last
        try:
            if final and attempt.delivery.dead_letters:
                self._dead_letter(notice, attempt, failure)
        except Deferred as trouble:
            failure, final = trouble, False
        try:
            if attempt.claim is not None:
                self._ledger.record_failure(attempt.claim, failure, final=final)
        except Deferred as trouble:
            failure, final = trouble, False
        outcome: Outcome = "rejected" if final else "deferred"
        attempt.settle(outcome, error_code=failure.code, message=failure.message)
        return failure.retry_after if isinstance(failure, Deferred) else None

    def _dead_letter(self, notice: Notice, attempt: _Attempt, failure: IngestError) -> None:
        if isinstance(notice, Upload):
            body = notification(notice)
        elif isinstance(notice, Unrecognised):
            body = notice.body
        else:
            return
        self._dead_letters.send(body, failure, attempt.delivery, attempt.target)


def _blank(notice: Notice) -> Result:
    if isinstance(notice, Unrecognised):
        return Result("deferred")
    return Result("deferred", bucket=notice.bucket, key=notice.key, version_id=notice.version_id)


def mark_of(upload: Upload, obj: StoredObject) -> Mark:
    """What orders this upload among others; where its event has no time, the object's own."""
    return Mark(
        bucket=obj.bucket,
        key=obj.key,
        version_id=upload.version_id or obj.version_id,
        sequencer=upload.sequencer,
        time=upload.event_time if upload.event_time and is_time(upload.event_time) else obj.last_modified,
        etag=upload.etag or obj.etag,
    )


def check_readable(obj: StoredObject, limit: int) -> None:
    """Raises Rejected `object.too-large`, `object.empty`, `object.archived`; `limit` in bytes."""
    if obj.size > limit:
        raise Rejected("object.too-large", f"The object has {obj.size} bytes; at most {limit} are allowed.")
    if obj.size == 0:
        raise Rejected("object.empty", "The object has no bytes.")
    if obj.archived:
        raise archived()


def picture_settings_for(target: Target, settings: PictureSettings) -> PictureSettings:
    """The settings, kept within the bounds that SuperOffice sets for products."""
    if target.entity_type != "product":
        return settings
    width, height = min(settings.max_width, _PRODUCT_BOUND), min(settings.max_height, _PRODUCT_BOUND)
    return replace(settings, max_width=width, max_height=height)


def _description(settings: PictureSettings) -> str:
    return f"{settings.max_width}x{settings.max_height} {settings.fit} q{settings.jpeg_quality}"


def _timed_picture(preparation: Preparation, settings: PictureSettings, attempt: _Attempt) -> Picture:
    began = time.perf_counter()
    try:
        picture = preparation.make_picture(settings, attempt.deadline)
    finally:
        attempt.measures.picture_milliseconds = (time.perf_counter() - began) * 1000
    attempt.measures.source_format = picture.source_format
    return picture


def _is_mislabelled(obj: StoredObject, source_format: str) -> bool:
    """Only noted: a picture is what its bytes say."""
    said = {PurePath(obj.key).suffix.lower().removeprefix("."), obj.content_type.lower().removeprefix("image/")}
    return bool({_FORMATS[name] for name in said & _FORMATS.keys()} - {source_format})


def _place(error: Exception) -> str:
    """Where it happened; the error's own text may hold a person's data."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown place"


def _unforeseen(error: Exception, place: str) -> Deferred:
    return Deferred("worker.failed", f"An unexpected {type(error).__name__} in {place}.", in_doubt=True)
