"""`image-ingest status`: what SuperOffice has by the ledger, in words."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from image_ingest.errors import CATALOGUE
from image_ingest.ledger.table import Item
from image_ingest_cli.aws.ledger import attempt_of, held_seconds, public, scan_items
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.errors import misuse
from image_ingest_cli.terminal import console
from image_ingest_cli.terminal.options import DEFAULT_STACK, AsJson, StackName
from image_ingest_cli.terminal.targets import named_target


def status(
    entity: Annotated[str | None, typer.Argument(help="person, project, contact or product.")] = None,
    entity_id: Annotated[str | None, typer.Argument(metavar="ID", help="The record's id in SuperOffice.")] = None,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Every record that the ledger knows.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="With --all: those whose newest upload failed.")] = False,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Say what SuperOffice has for a record, and how the newest upload ended.

    Examples:

    \b
        image-ingest status person 123
        image-ingest status --all --failed --json
    """
    target_stack = Stack(stack)
    if all_ == bool(entity or entity_id) or (failed and not all_):
        raise misuse("Name a record, such as person 123, or give --all, with --failed if you like.")
    if all_:
        _list(target_stack, failed=failed, as_json=json)
        return
    if entity is None or entity_id is None:
        raise misuse("A record is named by entity and id, such as person 123.")
    target = named_target(entity, entity_id)
    item = target_stack.table.read(target)
    if json:
        console.say_json(public(item) if item else {"target": str(target), "status": None})
        return
    for line in in_words(item):
        console.say(line)


def in_words(item: Item) -> list[str]:
    """What an item says, sentence by sentence."""
    if not item:
        return ["The ledger has nothing: no upload for this record has arrived here."]
    return [*_stored(item), *_attempt(item)]


def _stored(item: Item) -> list[str]:
    if "blob_id" not in item:
        return ["SuperOffice has no picture from here."]
    size = f"{item['content_type']}, {item['width']}x{item['height']}"
    version = f", version {item['version_id']}" if item.get("version_id") else ""
    return [
        f"SuperOffice ({item['tenant']}) has blob {item['blob_id']}: {size}.",
        f"It was made of s3://{item['bucket']}/{item['key']}{version}.",
    ]


def _attempt(item: Item) -> list[str]:
    attempt, code, when = attempt_of(item), item.get("error_code"), item.get("updated_at")
    upload = f"the upload s3://{attempt.bucket}/{attempt.key}" if attempt else "the upload"
    if item["status"] == "stored":
        return [f"The newest attempt was stored at {when}."]
    if item["status"] == "in_progress":
        left = held_seconds(item, time.time())
        lasting = f"for {left:.0f} s at most" if left else "but its time is over, so another worker will take it"
        return [f"A worker has held {upload} since {when}, {lasting}."]
    why = ": ".join(filter(None, [code, item.get("error_message")]))
    advice = [f"→ {CATALOGUE[code].advice}"] if code in CATALOGUE else []
    what = "was rejected" if item["status"] == "rejected" else "was put off and will be tried again"
    return [f"At {when} {upload} {what}: {why}", *advice]


def _list(stack: Stack, *, failed: bool, as_json: bool) -> None:
    items = sorted(scan_items(stack, failed=failed), key=lambda item: (item["entity_type"], item["entity_id"]))
    if as_json:
        console.say_json([public(item) for item in items])
        return
    console.say_table(["record", "status", "blob", "since", "key", "code"], [_row(item) for item in items])
    console.say(f"{console.many(len(items), 'record')}.")


def _row(item: Item) -> list[Any]:
    attempt = attempt_of(item)
    return [
        f"{item['entity_type']} {item['entity_id']}",
        item["status"],
        item.get("blob_id"),
        item.get("updated_at"),
        attempt.key if attempt else item.get("key"),
        item.get("error_code"),
    ]
