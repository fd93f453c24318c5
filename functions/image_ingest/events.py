"""Any event shape to uploads and removals, and each of these back to an S3 notification."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote_plus, unquote, unquote_plus

from image_ingest.upload import Removal, Upload

_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}")
_SEQUENCER = re.compile(r"[0-9A-Fa-f]{1,64}")
_MAX_KEY_BYTES = 1024
_MAX_FIELD = 1024

_RECORD_KINDS = frozenset({"ObjectCreated", "ObjectRemoved", "LifecycleExpiration"})
_EVENTBRIDGE_NAMES = frozenset({"Object Created", "Object Deleted"})
_DELETIONS = {"Delete Marker Created": "DeleteMarkerCreated"}  # EventBridge's deletion-type → the end of S3's eventName

UNRECOGNISED = "This is not an S3 notification, an EventBridge event or an S3 Batch Operations task."


@dataclass(frozen=True)
class Ignored:
    """An event that is known and requests nothing."""

    reason: str
    bucket: str | None = None
    key: str | None = None
    version_id: str | None = None


@dataclass(frozen=True)
class Unrecognised:
    """An event, or one record of it, that is no upload event; `body` is what to dead-letter."""

    body: str = field(repr=False)


WorkItem = Upload | Removal | Ignored | Unrecognised


@dataclass(frozen=True)
class BatchTask:
    """One task of an S3 Batch Operations job; `upload` is None where the task is malformed."""

    task_id: str
    upload: Upload | None


def parse_message(body: str) -> list[WorkItem]:
    """What an SQS message body asks for: an S3 notification, an SNS envelope round one, or an EventBridge event."""
    document = _json(body)
    if isinstance(document, dict) and document.get("Type") == "Notification" and "Records" not in document:
        document = _json(document.get("Message"))
    items = parse_event(document)
    if items is None:
        return [Unrecognised(body)]
    return [Unrecognised(body)] if len(items) == 1 and isinstance(items[0], Unrecognised) else items


def parse_event(document: object) -> list[WorkItem] | None:
    """What an S3 notification or EventBridge event asks for; None if it is neither."""
    if not isinstance(document, dict):
        return None
    if document.get("Event") == "s3:TestEvent":
        return [Ignored("test event", bucket=_text(document.get("Bucket")))]
    if isinstance(document.get("Records"), list):
        return [_parse_record(record) for record in document["Records"]]
    if document.get("source") == "aws.s3" and document.get("detail-type") in _EVENTBRIDGE_NAMES:
        item = _parse_eventbridge(document)
        return None if item is None else [item]
    return None


def is_sqs_batch(event: object) -> bool:
    """Whether an event is what the SQS trigger sends."""
    records = event.get("Records") if isinstance(event, dict) else None
    return bool(
        isinstance(records, list)
        and records
        and all(isinstance(r, dict) and r.get("eventSource") == "aws:sqs" for r in records)
    )


def parse_batch_tasks(event: object) -> list[BatchTask] | None:
    """The tasks of an S3 Batch Operations invocation, schema 1.0 or 2.0; None if the event is none."""
    if not isinstance(event, dict) or event.get("invocationSchemaVersion") not in {"1.0", "2.0"}:
        return None
    tasks = event.get("tasks")
    if not isinstance(tasks, list) or not all(isinstance(t, dict) and _text(t.get("taskId")) for t in tasks):
        return None
    return [BatchTask(task["taskId"], _parse_task(task)) for task in tasks]


def format_notification(item: Upload | Removal) -> str:
    """The S3 notification of exactly this upload or removal: sent to the ingest queue, it replays it."""
    return json.dumps({"Records": [item.record or _build_record(item)]})


def _parse_record(record: object) -> WorkItem:
    if not isinstance(record, dict) or record.get("eventSource") != "aws:s3":
        return Unrecognised(json.dumps({"Records": [record]}))
    kind = str(record.get("eventName")).removeprefix("s3:").partition(":")[0]
    upload = _parse_s3_upload(record)
    if upload is None or kind not in _RECORD_KINDS:
        return Unrecognised(json.dumps({"Records": [record]}))
    if kind == "LifecycleExpiration":
        return _ignore_expiration(upload)
    return _build_removal(upload) if kind == "ObjectRemoved" else upload


def _ignore_expiration(upload: Upload) -> Ignored:
    return Ignored("expired by a lifecycle rule", upload.bucket, upload.key, upload.version_id)


def _build_removal(upload: Upload) -> Removal:
    return Removal(
        upload.bucket, upload.key, upload.version_id, upload.sequencer, upload.event_time, record=upload.record
    )


def _parse_s3_upload(record: Mapping[str, Any]) -> Upload | None:
    s3 = _mapping(record.get("s3"))
    bucket, obj = _mapping(s3.get("bucket")), _mapping(s3.get("object"))
    key = _text(obj.get("key"))
    return _upload(
        bucket=_text(bucket.get("name")),
        key=key and unquote_plus(key),
        version_id=_text(obj.get("versionId")),
        sequencer=_text(obj.get("sequencer")),
        event_time=_text(record.get("eventTime")),
        etag=_text(obj.get("eTag")),
        record=record,
    )


def _parse_eventbridge(event: Mapping[str, Any]) -> WorkItem | None:
    detail = _mapping(event.get("detail"))
    bucket, obj = _mapping(detail.get("bucket")), _mapping(detail.get("object"))
    upload = _upload(
        bucket=_text(bucket.get("name")),
        key=_text(obj.get("key")),
        version_id=_text(obj.get("version-id")),
        sequencer=_text(obj.get("sequencer")),
        event_time=_text(event.get("time")),
        etag=_text(obj.get("etag")),
    )
    if upload is None:
        return None
    region, is_deletion = _text(event.get("region")), event["detail-type"] == "Object Deleted"
    if not is_deletion:
        return replace(upload, record=_build_record(upload, region=region, size=obj.get("size")))
    if detail.get("reason") != "DeleteObject":
        return _ignore_expiration(upload)
    removal = _build_removal(upload)
    name = _DELETIONS.get(str(detail.get("deletion-type")), "Delete")
    return replace(removal, record=_build_record(removal, region=region, name=f"ObjectRemoved:{name}"))


def _parse_task(task: Mapping[str, Any]) -> Upload | None:
    bucket = _text(task.get("s3Bucket")) or (_text(task.get("s3BucketArn")) or "").rpartition(":")[2]
    key = _text(task.get("s3Key"))
    if key is None:
        return None
    upload = _upload(bucket=bucket, key=unquote_plus(key), version_id=_text(task.get("s3VersionId")))
    other = unquote(key)
    if upload is None or other == upload.key:
        return upload
    return replace(upload, other_key=other)


def _upload(
    *,
    bucket: str | None,
    key: str | None,
    version_id: str | None = None,
    sequencer: str | None = None,
    event_time: str | None = None,
    etag: str | None = None,
    record: Mapping[str, Any] | None = None,
) -> Upload | None:
    """An upload whose bucket and key S3 could have; None otherwise."""
    if not bucket or not _BUCKET.fullmatch(bucket) or not key or not _is_key(key):
        return None
    if version_id and not (version_id.isascii() and version_id.isprintable() and len(version_id) <= _MAX_FIELD):
        return None
    return Upload(
        bucket=bucket,
        key=key,
        version_id=version_id,
        sequencer=sequencer.upper() if sequencer and _SEQUENCER.fullmatch(sequencer) else None,
        event_time=event_time[:_MAX_FIELD] if event_time else None,
        etag=etag.strip('"')[:_MAX_FIELD] if etag else None,
        record=record,
    )


def _is_key(key: str) -> bool:
    try:
        return len(key.encode()) <= _MAX_KEY_BYTES
    except UnicodeEncodeError:
        return False


def _build_record(
    item: Upload | Removal, *, region: str | None = None, size: object = None, name: str | None = None
) -> dict[str, Any]:
    is_upload = isinstance(item, Upload)
    obj = {
        "key": quote_plus(item.key, safe="/"),
        "size": size if isinstance(size, int) else None,
        "eTag": item.etag if isinstance(item, Upload) else None,
        "versionId": item.version_id,
        "sequencer": item.sequencer,
    }
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": region,
        "eventTime": item.event_time,
        "eventName": name or ("ObjectCreated:Put" if is_upload else "ObjectRemoved:Delete"),
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": item.bucket, "arn": f"arn:aws:s3:::{item.bucket}"},
            "object": {name: value for name, value in obj.items() if value is not None},
        },
    }
    return {name: value for name, value in record.items() if value is not None}


def _json(text: object) -> object:
    if not isinstance(text, str):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
