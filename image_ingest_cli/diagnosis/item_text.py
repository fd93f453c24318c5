"""What a ledger item says, in sentences."""

from __future__ import annotations

import time

from image_ingest.errors import CATALOGUE
from image_ingest.ledger import Item
from image_ingest_cli.aws.ledger import lease_seconds, newest_attempt


def describe_item(item: Item) -> list[str]:
    """One sentence on the stored picture, one on the newest attempt, and advice if it failed."""
    if not item:
        return ["The ledger has no entry: no upload for this record has arrived."]
    return [*_describe_stored(item), *_describe_attempt(item)]


def _describe_stored(item: Item) -> list[str]:
    if "blob_id" not in item:
        return ["This stack has stored no picture."]
    size = f"{item['content_type']}, {item['width']}x{item['height']}"
    version = f", version {item['version_id']}" if item.get("version_id") else ""
    return [
        f"SuperOffice ({item['tenant']}) has blob {item['blob_id']}: {size}.",
        f"Source: s3://{item['bucket']}/{item['key']}{version}",
    ]


def _describe_attempt(item: Item) -> list[str]:
    attempt, code, when = newest_attempt(item), item.get("error_code"), item.get("updated_at")
    upload = f"The upload s3://{attempt.bucket}/{attempt.key}" if attempt else "The upload"
    if item["status"] == "stored":
        return [f"The newest attempt was stored at {when}."]
    if item["status"] == "in_progress":
        left = lease_seconds(item, time.time())
        lease = f"for {left:.0f} s at most" if left else "but its lease has ended, so another worker will retry it"
        return [f"{upload} has been in progress since {when}, {lease}."]
    reason = ": ".join(filter(None, [code, item.get("error_message")]))
    advice = [f"→ {CATALOGUE[code].advice}"] if code in CATALOGUE else []
    verb = "was rejected" if item["status"] == "rejected" else "was deferred and will be retried"
    return [f"{upload} {verb} at {when}: {reason}", *advice]
