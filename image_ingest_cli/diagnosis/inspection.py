"""What the function would do with an upload now: its own rules, run here on the actual object, ledger and bytes."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace

from image_ingest.aws.objects import Gone, StoredObject
from image_ingest.deadline import Deadline
from image_ingest.errors import IngestError, Rejected
from image_ingest.events import Upload
from image_ingest.ingest import check_readable, mark_of, picture_settings_for
from image_ingest.ledger.claims import settled
from image_ingest.outcome import Outcome
from image_ingest.picture import Picture, Preparation
from image_ingest.settings import DEFAULT_MEMORY_MIB
from image_ingest.target import Target, target_of
from image_ingest_cli.aws.ledger import lease_seconds
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.diagnosis.prediction import Inspection, Prediction
from image_ingest_cli.errors import CommandError

_PICTURE_SECONDS = 60.0


def inspect(stack: Stack, upload: Upload, *, past_picture: bool = False) -> Inspection:
    """Follows the upload as the function would, up to the call that changes SuperOffice.

    `past_picture`: its picture was made before, so that the bytes need not be read again.
    """
    inspection = Inspection(upload)
    try:
        inspection.prediction = _follow(stack, inspection, past_picture=past_picture)
    except Gone:
        inspection.prediction = Prediction("ignored", message="The object was deleted since.")
    except IngestError as failure:
        outcome: Outcome = "rejected" if isinstance(failure, Rejected) else "deferred"
        inspection.prediction = Prediction(outcome, failure.code, failure.message)
    return inspection


def _follow(stack: Stack, inspection: Inspection, *, past_picture: bool) -> Prediction:
    obj = inspection.obj = stack.objects.find(inspection.upload)
    mark = inspection.mark = mark_of(inspection.upload, obj)
    if obj.is_console_folder:
        return Prediction("ignored", message="A folder made in the S3 console.")
    target = inspection.target = target_of(obj.metadata, obj.key, stack.settings.target_key_pattern)
    inspection.item = stack.table.read(target)
    tenant = stack.crm.own_tenant()
    known = settled(inspection.item, mark, tenant)
    if known is not None:
        return Prediction(known.outcome, known.error_code, known.message)
    if lease_seconds(inspection.item, time.time()):
        return Prediction("deferred", "target.busy", "Another worker holds the target now.")
    check_readable(obj, stack.settings.max_source_bytes)
    if not past_picture:
        inspection.picture = _picture(stack, obj, target)
    return _acceptance(stack, target)


def _picture(stack: Stack, obj: StoredObject, target: Target) -> Picture:
    settings = picture_settings_for(target, stack.settings.picture)
    settings = replace(settings, function_memory=int(stack.function.get("MemorySize", DEFAULT_MEMORY_MIB)) * 2**20)
    with closing(Preparation()) as preparation:
        stack.objects.copy(obj, preparation.file)
        return preparation.make_picture(settings, Deadline(_PICTURE_SECONDS))


def _acceptance(stack: Stack, target: Target) -> Prediction:
    """SuperOffice's part, as far as a harmless read can tell."""
    try:
        record = stack.crm.find_record(target)
    except CommandError as refusal:
        return Prediction(
            "stored", message=f"unless SuperOffice refuses it. Asked for the record, it replied: {refusal}"
        )
    if record is not None:
        return Prediction("stored")
    code = "superoffice.bad-request" if target.entity_type == "person" else "superoffice.not-found"
    return Prediction("rejected", code, f"SuperOffice has no {target.entity_type} {target.entity_id}.")
