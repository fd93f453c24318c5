"""What a ledger item says, in sentences."""

from __future__ import annotations

import time

from image_ingest.errors import CATALOGUE
from image_ingest.ledger import Item
from image_ingest.upload import UploadIdentity
from image_ingest_cli.aws.ledger import KEPT, compute_lease_seconds, find_removal, read_attempt


def describe_item(item: Item) -> list[str]:
    """One sentence on the stored picture, one on the newest attempt, and advice if it failed."""
    if not item:
        return ["The ledger has no entry: no upload for this record has arrived."]
    if item["status"] == "removed":
        return _describe_removal(item)
    return [*_describe_stored(item), *_describe_attempt(item)]


def _describe_removal(item: Item) -> list[str]:
    removal = find_removal(item)
    reason = f", because s3://{removal.bucket}/{removal.key} was deleted" if removal else ""
    return [f"SuperOffice ({item['tenant']}) shows no picture.", f"It was removed at {item['updated_at']}{reason}."]


def _describe_stored(item: Item) -> list[str]:
    if "blob_id" not in item:
        return ["This stack has stored no picture."]
    size = f"{item['content_type']}, {item['width']}x{item['height']}"
    version = f", version {item['version_id']}" if item.get("version_id") else ""
    verb = "had" if item["status"] == "kept" else "has"
    return [
        f"SuperOffice ({item['tenant']}) {verb} blob {item['blob_id']}: {size}.",
        f"Source: s3://{item['bucket']}/{item['key']}{version}",
    ]


def _describe_attempt(item: Item) -> list[str]:
    attempt, code, when = read_attempt(item), item.get("error_code"), item.get("updated_at")
    upload = _describe_request(attempt)
    if item["status"] == "stored":
        return [f"The newest attempt was stored at {when}."]
    if item["status"] == "kept":
        return [f"{upload} changed nothing at {when}: {KEPT}"]
    if item["status"] == "in_progress":
        left = compute_lease_seconds(item, time.time())
        lease = f"for {left:.0f} s at most" if left else "but its lease has ended, so another worker will retry it"
        return [f"{upload} has been in progress since {when}, {lease}."]
    reason = ": ".join(filter(None, [code, item.get("error_message")]))
    advice = [f"→ {CATALOGUE[code].advice}"] if code in CATALOGUE else []
    is_final = item["status"] == "rejected"
    ending = f"was rejected at {when}" if is_final else f"was deferred at {when} and will be retried"
    return [f"{upload} {ending}: {reason}", *advice]


def _describe_request(identity: UploadIdentity | None) -> str:
    if identity is None:
        return "The upload"
    noun = "removal of" if identity.is_removal else "upload"
    return f"The {noun} s3://{identity.bucket}/{identity.key}"
