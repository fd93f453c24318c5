"""The S3 notification of an object that is in a bucket, as if it had just been uploaded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus


def make_event(bucket: str, key: str, head: Mapping[str, Any], region: str) -> dict[str, Any]:
    """`head` is the answer to HeadObject. The event has no sequencer, because HEAD does not tell one."""
    described = {"key": quote_plus(key, safe="/"), "size": head["ContentLength"], "eTag": head["ETag"].strip('"')}
    if version_id := head.get("VersionId"):
        described["versionId"] = version_id
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": region,
        "eventTime": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "eventName": "ObjectCreated:Put",
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": bucket}, "object": described},
    }
    return {"Records": [record]}
