"""The ledger as this command line reads it: many items at once, and what an item says about an upload."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from image_ingest.ledger.order import Mark, order, same_upload
from image_ingest.ledger.table import Item
from image_ingest.outcome import Outcome
from image_ingest.target import Target
from image_ingest_cli.aws.stack import Stack

_AT_ONCE = 100  # items of one BatchGetItem
_PUBLIC = (
    *("target", "entity_type", "entity_id", "status", "blob_id", "tenant", "bucket", "key", "version_id"),
    *("content_type", "width", "height", "sha256", "error_code", "error_message", "updated_at"),
)
_deserialize = TypeDeserializer().deserialize


@dataclass(frozen=True)
class Ending:
    """How an upload ended, as far as the ledger tells."""

    outcome: Outcome
    code: str | None = None
    message: str | None = None
    blob_id: int | None = None


def read_items(stack: Stack, targets: Sequence[Target], sleep: Callable[[float], None] = time.sleep) -> dict[str, Item]:
    """The items of these targets by their keys, consistently read; those without an item are left out."""
    items: dict[str, Item] = {}
    for start in range(0, len(targets), _AT_ONCE):
        keys = [{"target": {"S": key}} for key in dict.fromkeys(map(str, targets[start : start + _AT_ONCE]))]
        request: Any = {stack.table_name: {"Keys": keys, "ConsistentRead": True}}
        pause = 0.1
        while request:
            answer = stack.dynamodb.batch_get_item(RequestItems=request)
            for raw in answer["Responses"].get(stack.table_name, ()):
                item = _plain(raw)
                items[item["target"]] = item
            request = answer.get("UnprocessedKeys")
            if request:
                sleep(pause)
                pause = min(2 * pause, 5)
    return items


def scan_items(stack: Stack, *, failed: bool = False) -> Iterator[Item]:
    """Every item of the ledger, or those whose newest attempt was rejected or deferred."""
    narrowed: dict[str, Any] = {}
    if failed:
        narrowed = {
            "FilterExpression": "#status IN (:rejected, :deferred)",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {":rejected": {"S": "rejected"}, ":deferred": {"S": "deferred"}},
        }
    for page in stack.dynamodb.get_paginator("scan").paginate(TableName=stack.table_name, **narrowed):
        yield from map(_plain, page["Items"])


def ending(item: Item, mark: Mark) -> Ending | None:
    """How this upload ended; None while it is under way."""
    stored = Mark.from_map(item["stored"]) if "stored" in item else None
    if stored is not None and same_upload(mark, stored):
        return Ending("stored", blob_id=int(item["blob_id"]))
    attempt = attempt_of(item)
    if attempt is not None and same_upload(mark, attempt) and item.get("status") == "rejected":
        outcome: Outcome = "rejected" if item.get("error_code") else "ignored"
        return Ending(outcome, item.get("error_code"), item.get("error_message"))
    if stored is not None and order(mark, stored) == "older":
        return Ending("superseded", message="A newer upload for this target is stored.")
    return None


def attempt_of(item: Item) -> Mark | None:
    """The newest attempt's upload."""
    return Mark.from_map(item["attempt"]) if "attempt" in item else None


def public(item: Item) -> dict[str, Any]:
    """What others may read of an item (docs/reference.md, "The ledger"), with the newest attempt's upload."""
    shown = {name: _json_value(item[name]) for name in _PUBLIC if name in item}
    attempt = attempt_of(item)
    if attempt is not None:
        shown["attempt"] = {"bucket": attempt.bucket, "key": attempt.key, "version_id": attempt.version_id}
    return shown


def held_seconds(item: Item, now: float) -> float:
    """For how long a worker may still hold the target; 0 if none does."""
    return max(0.0, float(item.get("lease_until", 0)) - now)


def _json_value(value: object) -> object:
    return value if isinstance(value, str) else int(str(value))


def _plain(item: Mapping[str, Any]) -> Item:
    return {name: _deserialize(value) for name, value in item.items()}
