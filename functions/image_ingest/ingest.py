"""The story of one upload: find the object, claim its target, make the picture, send it, record the blob id."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from image_ingest.attempt import ObjectSource, PictureDestination, Reporter, UploadAttempt
from image_ingest.aws import DeadLetters, Gone, OutcomeEvents, StoredObject, compute_back_off, limit_calls
from image_ingest.checks import (
    check_readable,
    choose_picture_settings,
    describe_picture_settings,
    find_size_limit,
    identify,
    identify_removal,
)
from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred, IngestError, Rejected
from image_ingest.events import UNRECOGNISED, Ignored, Unrecognised, WorkItem, format_notification
from image_ingest.ledger import CRASH_LIMIT, Ledger, Settled, StoredPicture, UploadClaim, settle
from image_ingest.outcome import Outcome, Result
from image_ingest.ownership import announce, describe_info, is_own, may_replace
from image_ingest.picture import Picture, Preparation
from image_ingest.settings import PictureSettings, Settings
from image_ingest.target import Target, find_target
from image_ingest.timing import Timing
from image_ingest.upload import Delivery, Removal, Upload, UploadIdentity


class Ingest:
    """Brings uploads to their outcome. One thread at a time."""

    def __init__(
        self,
        *,
        settings: Settings,
        objects: ObjectSource,
        ledger: Ledger,
        superoffice: PictureDestination,
        dead_letters: DeadLetters | None,
        report: Reporter,
        timing: Timing = Timing(),
        outcome_events: OutcomeEvents | None = None,
        crash_limit: int = CRASH_LIMIT,
        prepare: Callable[[], Preparation] = Preparation,
    ) -> None:
        """`dead_letters` None: no delivery may ask for them. `prepare` starts the preparation of one picture."""
        self._settings = settings
        self._objects = objects
        self._ledger = ledger
        self._superoffice = superoffice
        self._dead_letters = dead_letters
        self._report = report
        self._timing = timing
        self._outcome_events = outcome_events
        self._crash_limit = crash_limit
        self._prepare = prepare

    def handle(self, item: WorkItem, delivery: Delivery, deadline: Deadline) -> UploadAttempt:
        """Brings one item to its outcome: the attempt's `result`.

        Raises nothing: an error that is not in the catalogue is deferred as `worker.failed`.
        """
        attempt = UploadAttempt(delivery, deadline, _start_result(item))
        began = time.perf_counter()
        try:
            with limit_calls(deadline):
                self._settle(item, attempt)
        except IngestError as failure:
            self._fail(item, attempt, failure)
        except Exception as error:  # noqa: BLE001  # the one net: whatever it was, the upload is tried again
            attempt.measures.where = _locate(error)
            self._fail(item, attempt, _build_unexpected(error, attempt.measures.where))
        if self._outcome_events is not None:
            self._announce_outcome(self._outcome_events, item, attempt)
        attempt.measures.milliseconds = (time.perf_counter() - began) * 1000
        self._report.upload(attempt.result, attempt.measures, attempt.calls)
        return attempt

    def _settle(self, item: WorkItem, attempt: UploadAttempt) -> None:
        if isinstance(item, Unrecognised):
            raise Rejected("event.unrecognised", UNRECOGNISED)
        if isinstance(item, Ignored):
            attempt.settle("ignored", message=item.reason)
            return
        attempt.deadline.bound(self._timing.least_for_upload, least=self._timing.least_for_upload)
        if isinstance(item, Removal):
            self._remove(item, attempt)
            return
        try:
            self._store(item, attempt)
        except Gone:
            attempt.settle("ignored", message="There is no such object: it was deleted since, or never there.")
            if attempt.claim is not None:
                self._ledger.release(attempt.claim)

    def _store(self, upload: Upload, attempt: UploadAttempt) -> None:
        obj = attempt.obj = self._objects.find(upload)
        attempt.identity = identify(upload, obj)
        attempt.result = replace(attempt.result, key=obj.key, version_id=upload.version_id or obj.version_id)
        if obj.is_console_folder:
            attempt.settle("ignored", message="This is a folder made in the S3 console.")
            return
        target = find_target(obj.metadata, obj.key, self._settings.target_key_pattern)
        attempt.aim(target)
        tenant = self._claim(attempt.identity, target, attempt)
        if attempt.claim is not None:
            self._store_claimed(obj, tenant, attempt.claim, attempt)

    def _claim(self, identity: UploadIdentity, target: Target, attempt: UploadAttempt) -> str:
        """Claims the target, or settles the attempt. Returns the tenant.

        The target is claimed even if the secret names no tenant, so that the ledger records that failure.
        """
        tenant, failure = self._read_tenant(attempt)
        lease = attempt.deadline.remaining() + self._timing.lease_margin
        claim = self._ledger.claim(target, identity, tenant, attempt.delivery, lease)
        if isinstance(claim, UploadClaim):
            attempt.claim = claim
        if failure is not None:
            raise failure
        if isinstance(claim, Settled):
            attempt.settle(claim.outcome, blob_id=claim.blob_id, error_code=claim.error_code, message=claim.message)
        return tenant or ""

    def _read_tenant(self, attempt: UploadAttempt) -> tuple[str | None, Deferred | None]:
        try:
            attempt.tenant = self._superoffice.tenant(attempt.deadline)
        except Deferred as failure:
            return None, failure
        return attempt.tenant, None

    def _store_claimed(self, obj: StoredObject, tenant: str, claim: UploadClaim, attempt: UploadAttempt) -> None:
        self._check_crashes(claim)
        self._check_exists(obj)
        settings = choose_picture_settings(claim.target, self._settings)
        check_readable(obj, self._settings)
        with closing(self._prepare()) as preparation:
            if claim.stored is None or not self._settings.skip_unchanged:
                preparation.start(settings)
            sha256 = self._objects.copy(obj, preparation.file, find_size_limit(self._settings))
            attempt.measures.source_bytes = obj.size
            unchanged = self._find_unchanged(claim.stored, sha256, settings)
            if unchanged is not None:
                self._ledger.record_stored(claim, unchanged, tenant)
                attempt.settle("unchanged", blob_id=unchanged.blob_id)
                return
            picture = attempt.picture = _make_picture(preparation, settings, attempt)
        description = describe_picture_settings(settings)
        size = (picture.width, picture.height)
        stored = StoredPicture(0, picture.content_type, *size, sha256, description, len(picture.data))
        self._send(picture, stored, tenant, attempt)

    def _send(self, picture: Picture, stored: StoredPicture, tenant: str, attempt: UploadAttempt) -> None:
        """Stores the picture, unless SuperOffice shows one that may not be replaced. `stored` lacks the blob id."""
        claim = attempt.claim
        assert claim is not None
        mode = self._settings.replace_pictures
        if mode != "always":
            info = self._superoffice.image_info(claim.target, attempt.deadline, attempt.calls)
            if not may_replace(mode, info, claim):
                self._keep(claim, attempt)
                return
            self._ledger.announce_put(claim, announce(claim, info, len(picture.data)))
        blob_id = self._superoffice.put_image(claim.target, picture, attempt.deadline, attempt.calls)
        image_info = self._read_stored_info(claim.target, blob_id, attempt) if mode != "always" else None
        stored = replace(stored, blob_id=blob_id, image_info=image_info)
        with limit_calls(self._extend(attempt.deadline)):
            self._ledger.record_stored(claim, stored, tenant, in_doubt=attempt.calls.in_doubt)
        attempt.measures.uploaded_bytes = len(picture.data)
        attempt.settle("stored", blob_id=blob_id)

    def _read_stored_info(self, target: Target, blob_id: int, attempt: UploadAttempt) -> dict[str, Any] | None:
        """What SuperOffice says of the picture that it has just stored; None if it does not, or shows another one."""
        try:
            info = self._superoffice.image_info(target, attempt.deadline, attempt.calls)
        except IngestError:
            return None
        return describe_info(info) if info is not None and info.blob_id == blob_id else None

    def _keep(self, claim: UploadClaim, attempt: UploadAttempt) -> None:
        self._ledger.record_kept(claim)
        attempt.settle("kept", message="SuperOffice shows a picture that this stack may not replace.")

    def _check_crashes(self, claim: UploadClaim) -> None:
        if claim.crashes >= self._crash_limit:
            raise Rejected("worker.crashed", f"The worker crashed {claim.crashes} times while it handled this upload.")

    def _check_exists(self, obj: StoredObject) -> None:
        """Raises Gone if the object was deleted before its target was claimed: its removal may be settled already."""
        if self._settings.remove_when_deleted and self._objects.find_current(obj.bucket, obj.key) is None:
            raise Gone

    def _remove(self, removal: Removal, attempt: UploadAttempt) -> None:
        if not self._settings.remove_when_deleted:
            attempt.settle("ignored", message="object removed")
            return
        identity = attempt.identity = identify_removal(removal)
        target = self._find_removal_target(removal)
        if target is None:
            attempt.settle("ignored", message="Nothing says whose picture the deleted object was.")
            return
        attempt.aim(target)
        if self._objects.find_current(removal.bucket, removal.key) is not None:
            self._settle_replaced(identity, target, attempt)
            return
        tenant = self._claim(identity, target, attempt)
        if attempt.claim is not None:
            self._remove_claimed(attempt.claim, tenant, attempt)

    def _find_removal_target(self, removal: Removal) -> Target | None:
        """The target by the newest version that is left, else by the key."""
        pattern = self._settings.target_key_pattern
        try:
            obj = self._objects.find_newest_version(removal.bucket, removal.key)
            return find_target(obj.metadata if obj else {}, removal.key, pattern)
        except Rejected:
            return None

    def _settle_replaced(self, identity: UploadIdentity, target: Target, attempt: UploadAttempt) -> None:
        """The key has a current object again, so this removal requests nothing."""
        tenant, _ = self._read_tenant(attempt)
        settled = settle(self._ledger.read(target), identity, tenant, attempt.delivery)
        is_superseded = settled is not None and settled.outcome == "superseded"
        attempt.settle("superseded" if is_superseded else "ignored", message="The key has a current object.")

    def _remove_claimed(self, claim: UploadClaim, tenant: str, attempt: UploadAttempt) -> None:
        self._check_crashes(claim)
        if self._settings.replace_pictures != "always":
            info = self._superoffice.image_info(claim.target, attempt.deadline, attempt.calls)
            if info is not None and not is_own(info, claim):
                self._keep(claim, attempt)
                return
        self._superoffice.delete_image(claim.target, attempt.deadline, attempt.calls)
        with limit_calls(self._extend(attempt.deadline)):
            self._ledger.record_removed(claim, tenant, in_doubt=attempt.calls.in_doubt)
        attempt.settle("removed")

    def _find_unchanged(
        self, stored: StoredPicture | None, sha256: str, settings: PictureSettings
    ) -> StoredPicture | None:
        """The stored picture, if it is of these bytes and settings and the operator wants no call for it."""
        if stored is None or not self._settings.skip_unchanged:
            return None
        same = (stored.sha256, stored.picture_settings) == (sha256, describe_picture_settings(settings))
        return stored if same else None

    def _fail(self, item: WorkItem, attempt: UploadAttempt, failure: IngestError) -> None:
        """Dead-letters a final failure, then records it: in this order, so that no reason is lost in between."""
        final = self._is_final(failure, attempt.delivery)
        with limit_calls(self._extend(attempt.deadline)):
            try:
                if final and attempt.delivery.dead_letters:
                    self._dead_letter(item, attempt, failure)
            except Deferred as unsent:
                failure, final = unsent, False
            try:
                if attempt.claim is not None:
                    self._ledger.record_failure(attempt.claim, failure, final=final, in_doubt=attempt.calls.in_doubt)
            except Deferred as unrecorded:
                failure, final = unrecorded, False
        outcome: Outcome = "rejected" if final else "deferred"
        attempt.settle(outcome, error_code=failure.code, message=failure.message)
        attempt.retry_after = failure.retry_after if isinstance(failure, Deferred) else None

    def _announce_outcome(self, events: OutcomeEvents, item: WorkItem, attempt: UploadAttempt) -> None:
        """Reports the outcome; if the bus does not accept it, the upload is deferred and its redelivery reports it."""
        with limit_calls(self._extend(attempt.deadline)):
            try:
                events.send(attempt.result, attempt.tenant)
            except Deferred as unsent:
                self._defer_unreported(item, attempt, unsent)

    def _defer_unreported(self, item: WorkItem, attempt: UploadAttempt, failure: Deferred) -> None:
        final = self._is_final(failure, attempt.delivery)
        try:
            if final and attempt.delivery.dead_letters:
                self._dead_letter(item, attempt, failure)
        except Deferred as unsent:
            failure, final = unsent, False
        attempt.settle("rejected" if final else "deferred", error_code=failure.code, message=failure.message)

    def _is_final(self, failure: IngestError, delivery: Delivery) -> bool:
        """Whether there is no retry: by the code, the number of attempts, or because the queue would drop it first."""
        if not isinstance(failure, Deferred) or delivery.last:
            return True
        if delivery.patience is None:
            return False
        return compute_back_off(delivery.receives or 1, failure.retry_after, self._timing) > delivery.patience

    def _extend(self, deadline: Deadline) -> Deadline:
        """The deadline of the calls that record how the upload ended."""
        return deadline.extend(self._timing.closing)

    def _dead_letter(self, item: WorkItem, attempt: UploadAttempt, failure: IngestError) -> None:
        if isinstance(item, Ignored):
            return
        assert self._dead_letters is not None
        body = item.body if isinstance(item, Unrecognised) else format_notification(item)
        self._dead_letters.send(body, failure, attempt.delivery, attempt.target)


def _start_result(item: WorkItem) -> Result:
    if isinstance(item, Unrecognised):
        return Result("deferred")
    return Result("deferred", bucket=item.bucket, key=item.key, version_id=item.version_id)


def _make_picture(preparation: Preparation, settings: PictureSettings, attempt: UploadAttempt) -> Picture:
    began = time.perf_counter()
    try:
        picture = preparation.make_picture(settings, attempt.deadline)
    finally:
        attempt.measures.picture_milliseconds = (time.perf_counter() - began) * 1000
        attempt.measures.confined = preparation.is_confined
    attempt.measures.source_format = picture.source_format
    return picture


def _locate(error: Exception) -> str:
    """Where it happened; the error's own text may hold a person's data."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown place"


def _build_unexpected(error: Exception, place: str) -> Deferred:
    return Deferred("worker.failed", f"An unexpected {type(error).__name__} in {place}.", in_doubt=True)
