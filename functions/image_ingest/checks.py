"""The rules of an upload that need no service: its identity, whether it may be read, how its picture is made."""

from __future__ import annotations

from dataclasses import replace

from image_ingest.aws import ARCHIVED, StoredObject
from image_ingest.errors import Rejected
from image_ingest.ledger import is_time
from image_ingest.picture import limit_source
from image_ingest.settings import PictureSettings, Settings
from image_ingest.target import Target
from image_ingest.upload import Removal, Upload, UploadIdentity

_PRODUCT_BOUND = 1000  # pixels; SuperOffice's agent API scales product pictures to this


def identify(upload: Upload, obj: StoredObject) -> UploadIdentity:
    """The identity of this upload; if its event has no time, with the time of the object."""
    return UploadIdentity(
        bucket=obj.bucket,
        key=obj.key,
        version_id=upload.version_id or obj.version_id,
        sequencer=upload.sequencer,
        time=upload.event_time if upload.event_time and is_time(upload.event_time) else obj.last_modified,
        etag=upload.etag or obj.etag,
    )


def identify_removal(removal: Removal) -> UploadIdentity:
    """The identity of this removal. Raises Rejected `event.unrecognised` if its event has no time to order it by."""
    moment = removal.event_time
    if moment is None or not is_time(moment):
        raise Rejected("event.unrecognised", "The event does not say when the object was deleted.")
    return UploadIdentity(
        removal.bucket, removal.key, removal.version_id, removal.sequencer, moment, etag="", is_removal=True
    )


def find_size_limit(settings: Settings) -> int:
    """The largest source, in bytes: the smaller of the setting and what the function's memory has room for."""
    return min(settings.max_source_bytes, limit_source(settings.picture.function_memory))


def check_readable(obj: StoredObject, settings: Settings) -> None:
    """Raises Rejected `object.too-large`, `object.empty`, `object.archived`."""
    if obj.size > settings.max_source_bytes:
        limit = settings.max_source_bytes
        raise Rejected("object.too-large", f"The object has {obj.size} bytes; IMAGE_MAX_SOURCE_BYTES is {limit}.")
    if obj.size > (limit := limit_source(settings.picture.function_memory)):
        raise Rejected(
            "object.too-large", f"The object has {obj.size} bytes; the function's memory has room for {limit}."
        )
    if obj.size == 0:
        raise Rejected("object.empty", "The object has no bytes.")
    if obj.archived:
        raise Rejected("object.archived", ARCHIVED)


def choose_picture_settings(target: Target, settings: Settings) -> PictureSettings:
    """The settings for this entity type, kept within the bounds that SuperOffice sets for products."""
    default = settings.picture.max_width, settings.picture.max_height
    bounds = settings.image_bounds.get(target.entity_type, default)
    most = _PRODUCT_BOUND if target.entity_type == "product" else max(bounds)
    return replace(settings.picture, max_width=min(bounds[0], most), max_height=min(bounds[1], most))


def describe_picture_settings(settings: PictureSettings) -> str:
    fit = f"{settings.fit} {settings.crop}" if (settings.fit, settings.crop) == ("cover", "attention") else settings.fit
    return f"{settings.max_width}x{settings.max_height} {fit} q{settings.jpeg_quality}"
