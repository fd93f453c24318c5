"""The ledger as this command line reads it: many items at once, and what an item says about an upload."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from image_ingest.ledger import Item, compare, same_upload
from image_ingest.outcome import Outcome
from image_ingest.target import Target
from image_ingest.upload import UploadIdentity
from image_ingest_cli.aws.stack import Stack

_BATCH = 100  # items of one BatchGetItem
_PUBLIC = (
    *("target", "entity_type", "entity_id", "status", "blob_id", "tenant", "bucket", "key", "version_id"),
    *("content_type", "width", "height", "sha256", "error_code", "error_message", "updated_at"),
)
KEPT = "SuperOffice shows a picture that this stack may not replace (ReplacePictures)."
_INTERNAL = "#"  # how the targets of the stack's internal bookkeeping begin
_deserialize = TypeDeserializer().deserialize


@dataclass(frozen=True)
class Ending:
    """How an upload ended, as far as the ledger shows."""

    outcome: Outcome
    code: str | None = None
    message: str | None = None
    blob_id: int | None = None


def read_items(stack: Stack, targets: Sequence[Target], sleep: Callable[[float], None] = time.sleep) -> dict[str, Item]:
    """The items of these targets by their keys, read consistently; targets without an item are left out."""
    items: dict[str, Item] = {}
    for start in range(0, len(targets), _BATCH):
        keys = [{"target": {"S": key}} for key in dict.fromkeys(map(str, targets[start : start + _BATCH]))]
        request: Any = {stack.table_name: {"Keys": keys, "ConsistentRead": True}}
        pause = 0.1
        while request:
            response = stack.dynamodb.batch_get_item(RequestItems=request)
            for raw in response["Responses"].get(stack.table_name, ()):
                item = _parse_item(raw)
                items[item["target"]] = item
            request = response.get("UnprocessedKeys")
            if request:
                sleep(pause)
                pause = min(2 * pause, 5)
    return items


def scan_items(stack: Stack, *, failed: bool = False) -> Iterator[Item]:
    """Every record's item, or those whose newest attempt was rejected or deferred."""
    conditions = ["NOT begins_with(target, :internal)"]
    values: dict[str, Any] = {":internal": {"S": _INTERNAL}}
    names: dict[str, Any] = {}
    if failed:
        conditions.append("#status IN (:rejected, :deferred)")
        values |= {":rejected": {"S": "rejected"}, ":deferred": {"S": "deferred"}}
        names = {"ExpressionAttributeNames": {"#status": "status"}}
    pages = stack.dynamodb.get_paginator("scan").paginate(
        TableName=stack.table_name,
        FilterExpression=" AND ".join(conditions),
        ExpressionAttributeValues=values,
        **names,
    )
    for page in pages:
        yield from map(_parse_item, page["Items"])


def find_ending(item: Item, identity: UploadIdentity) -> Ending | None:
    """How this upload ended; None while it is in progress."""
    stored = UploadIdentity.from_map(item["stored"]) if "stored" in item else None
    if stored is not None and same_upload(identity, stored):
        return Ending("stored", blob_id=int(item["blob_id"]))
    attempt = read_attempt(item)
    if attempt is not None and same_upload(identity, attempt):
        if item.get("status") == "rejected":
            outcome: Outcome = "rejected" if item.get("error_code") else "ignored"
            return Ending(outcome, item.get("error_code"), item.get("error_message"))
        if item.get("status") == "kept":
            return Ending("kept", message=KEPT)
    if stored is not None and compare(identity, stored) == "older":
        return Ending("superseded", message="A newer upload for this target is stored.")
    removal = find_removal(item)
    if removal is not None and compare(identity, removal) == "older":
        return Ending("superseded", message="The target's picture was removed after this upload.")
    return None


def is_stored(stack: Stack, target: Target) -> bool:
    """Whether the newest attempt for the target was stored, whatever SuperOffice shows since."""
    return stack.table.read(target).get("status") == "stored"


def find_removal(item: Item) -> UploadIdentity | None:
    """The removal of the picture that was shown last."""
    return UploadIdentity.from_map(item["removal"]) if "removal" in item else None


def read_attempt(item: Item) -> UploadIdentity | None:
    """The upload or removal of the newest attempt."""
    return UploadIdentity.from_map(item["attempt"]) if "attempt" in item else None


def build_public_view(item: Item) -> dict[str, Any]:
    """What others may read of an item (docs/reference.md, "The ledger"), with the newest attempt."""
    shown = {name: _convert_value(item[name]) for name in _PUBLIC if name in item}
    attempt = read_attempt(item)
    if attempt is not None:
        shown["attempt"] = {"bucket": attempt.bucket, "key": attempt.key, "version_id": attempt.version_id}
    return shown


def compute_lease_seconds(item: Item, now: float) -> float:
    """How long a worker may still hold the target; 0 if none does."""
    return max(0.0, float(item.get("lease_until", 0)) - now)


def _convert_value(value: object) -> object:
    return value if isinstance(value, str) else int(str(value))


def _parse_item(item: Mapping[str, Any]) -> Item:
    return {name: _deserialize(value) for name, value in item.items()}
