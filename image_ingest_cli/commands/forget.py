"""`image-ingest forget`: the ledger's items of records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from image_ingest.errors import Deferred
from image_ingest.target import Target
from image_ingest_cli.aws.ledger import scan_items
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.errors import CommandError, usage_error
from image_ingest_cli.terminal.console import print_json, print_text
from image_ingest_cli.terminal.options import DEFAULT_STACK, AsJson, StackName, Yes, confirm
from image_ingest_cli.terminal.records import OptionalEntity, OptionalId, parse_target
from image_ingest_cli.terminal.text import pluralize

_LEASE = 30.0  # seconds; long enough to delete an item


def forget(
    entity: OptionalEntity = None,
    entity_id: OptionalId = None,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Every record.")] = False,
    yes: Yes = False,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Delete records from the ledger, so that `resend` stores their pictures again.

    For a SuperOffice database that was restored or replaced. Photos and pictures do not change.

    Examples:

    \b
        image-ingest forget person 123
        image-ingest forget --all && image-ingest resend
    """
    deployed = Stack(stack)
    forgotten, held = 0, []
    for target in _choose_targets(deployed, entity, entity_id, all_=all_, yes=yes):
        if _delete_unless_held(deployed, target):
            forgotten += 1
        else:
            held.append(str(target))
    if json:
        print_json({"forgotten": forgotten, "held": held})
    else:
        print_text(f"Forgotten: {pluralize(forgotten, 'record')}.")
    if held:
        raise CommandError(
            f"A worker holds {pluralize(len(held), 'record')} now. Run the same command again in some minutes."
        )


def _choose_targets(
    stack: Stack, entity: str | None, entity_id: str | None, *, all_: bool, yes: bool
) -> Iterator[Target]:
    if all_ == (entity is not None and entity_id is not None) or (all_ and entity):
        raise usage_error("Name a record, such as person 123, or use --all.")
    if entity is not None and entity_id is not None:
        return iter([parse_target(entity, entity_id)])
    confirm("Forget every record? resend will then send each picture again.", yes=yes)
    return (Target(item["entity_type"], int(item["entity_id"])) for item in scan_items(stack))


def _delete_unless_held(stack: Stack, target: Target) -> bool:
    """Deletes the item unless a worker holds it."""
    try:
        stack.ledger.erase(stack.ledger.hold(target, _LEASE))
    except Deferred as busy:
        if busy.code != "target.busy":
            raise
        return False
    return True
