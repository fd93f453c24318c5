"""`image-ingest status`: how much is queued, and what SuperOffice has according to the ledger."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from image_ingest.ledger import Item
from image_ingest_cli.aws.ledger import build_public_view, read_attempt, scan_items
from image_ingest_cli.aws.queues import count_messages
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.diagnosis.item_text import describe_item
from image_ingest_cli.errors import usage_error
from image_ingest_cli.terminal.console import print_json, print_table, print_text
from image_ingest_cli.terminal.options import DEFAULT_STACK, AsJson, StackName
from image_ingest_cli.terminal.records import OptionalEntity, OptionalId, parse_target
from image_ingest_cli.terminal.text import pluralize


def status(
    entity: OptionalEntity = None,
    entity_id: OptionalId = None,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Every record in the ledger.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="With --all: records whose newest upload failed.")] = False,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Show how many uploads are queued, or what SuperOffice has for a record.

    Without a record: one line with the uploads that wait, are in flight (being handled, or waiting for the next
    attempt), and are dead letters. With a record: its picture, and how the newest upload ended.

    Examples:

    \b
        image-ingest status
        image-ingest status person 123
        image-ingest status --all --failed --json
    """
    deployed = Stack(stack)
    if (all_ and (entity or entity_id)) or (failed and not all_):
        raise usage_error("Name a record, such as person 123, or use --all, optionally with --failed.")
    if all_:
        _list_items(deployed, failed=failed, as_json=json)
    elif entity is None:
        _show_queue(deployed, as_json=json)
    elif entity_id is None:
        raise usage_error("Name a record by entity and id, such as person 123.")
    else:
        _show_record(deployed, entity, entity_id, as_json=json)


def _show_queue(stack: Stack, *, as_json: bool) -> None:
    counts = count_messages(stack)
    if as_json:
        print_json(asdict(counts))
    else:
        print_text(counts)


def _show_record(stack: Stack, entity: str, entity_id: str, *, as_json: bool) -> None:
    target = parse_target(entity, entity_id)
    item = stack.table.read(target)
    if as_json:
        print_json(build_public_view(item) if item else {"target": str(target), "status": None})
        return
    for line in describe_item(item):
        print_text(line)


def _list_items(stack: Stack, *, failed: bool, as_json: bool) -> None:
    items = sorted(scan_items(stack, failed=failed), key=lambda item: (item["entity_type"], item["entity_id"]))
    if as_json:
        print_json([build_public_view(item) for item in items])
        return
    print_table(["record", "status", "blob", "updated", "key", "code"], [_build_row(item) for item in items])
    print_text(f"{pluralize(len(items), 'record')}. {count_messages(stack)}")


def _build_row(item: Item) -> list[Any]:
    attempt = read_attempt(item)
    return [
        f"{item['entity_type']} {item['entity_id']}",
        item["status"],
        item.get("blob_id"),
        item.get("updated_at"),
        attempt.key if attempt else item.get("key"),
        item.get("error_code"),
    ]
