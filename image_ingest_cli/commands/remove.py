"""`image-ingest remove`: a record's pictures everywhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from image_ingest.errors import Deferred, IngestError
from image_ingest.ledger import Claim
from image_ingest.target import Target
from image_ingest_cli.aws.ledger import compute_lease_seconds
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.aws.versions import ObjectVersion, delete_versions, find_versions
from image_ingest_cli.errors import CommandError
from image_ingest_cli.superoffice import CALL_SECONDS
from image_ingest_cli.terminal.console import print_json, print_note, print_table, print_text
from image_ingest_cli.terminal.options import DEFAULT_STACK, AsJson, DryRun, StackName, Yes, confirm
from image_ingest_cli.terminal.progress import show_progress
from image_ingest_cli.terminal.records import EntityArgument, IdArgument, describe_target, parse_target
from image_ingest_cli.terminal.text import pluralize

_ENCRYPTED = (
    "is encrypted with its uploader's own key (SSE-C), so it is unknown whose it is. If it is this record's, delete it."
)
_LEASE = CALL_SECONDS + 30  # seconds that we may hold the target while SuperOffice deletes the picture


def remove(
    entity: EntityArgument,
    entity_id: IdArgument,
    *,
    prefix: Annotated[str, typer.Option(help="Search only keys that begin with this, to save time.")] = "",
    patience: Annotated[float, typer.Option(min=0, help="Seconds to wait for a worker that holds the record.")] = 300,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Remove a record's picture everywhere, for data protection.

    Deletes every version of every object for the record, then its picture in SuperOffice, then its ledger item.
    Uploads of these objects that are still queued end as ignored. Every object in the bucket is searched, unless
    --prefix narrows the search.

    Example:

        image-ingest remove person 123
    """
    deployed, target = Stack(stack), parse_target(entity, entity_id)
    with show_progress("Searching objects", None) as steps:
        versions, encrypted = find_versions(deployed, target, prefix, steps)
    if not json:
        print_table(["key", "version"], [(version.key, version.version_id) for version in versions])
        found = pluralize(len(versions), "object version")
        print_text(f"To be removed: {found}, the picture in SuperOffice and the ledger item.")
    for version in encrypted:
        print_note(f"{version.key} (version {version.version_id}) {_ENCRYPTED}", "yellow")
    if dry_run:
        deleted = None
    else:
        confirm(f"Remove everything about {describe_target(target)} permanently?", yes=yes)
        delete_versions(deployed, versions)
        deleted = _remove_picture(deployed, target, patience)
    if json:
        keys, unread = _describe_versions(versions), _describe_versions(encrypted)
        removal = {"removed": not dry_run, "had_picture": deleted}
        print_json({"target": str(target), "versions": keys, "unread_versions": unread, **removal})
    elif not dry_run:
        print_text("Removed." if deleted else "Removed. SuperOffice had no picture.")


def _describe_versions(versions: Sequence[ObjectVersion]) -> list[dict[str, str]]:
    return [{"key": version.key, "version_id": version.version_id} for version in versions]


def _remove_picture(stack: Stack, target: Target, patience: float) -> bool:
    """Deletes the picture while we hold the target, so that no worker stores another one meanwhile."""
    claim = _hold(stack, target, patience)
    try:
        deleted = stack.crm.delete_picture(target)
    except (IngestError, CommandError):
        stack.ledger.release(claim)
        print_note("The objects are deleted, the picture in SuperOffice is not. Run the same command again.", "red")
        raise
    stack.ledger.erase(claim)
    return deleted


def _hold(stack: Stack, target: Target, patience: float, sleep: Callable[[float], None] = time.sleep) -> Claim:
    """Claims the target, if need be after waiting up to `patience` seconds for a worker that holds it."""
    end = time.monotonic() + patience
    while True:
        try:
            return stack.ledger.hold(target, _LEASE)
        except Deferred as busy:
            if busy.code != "target.busy":
                raise
        lease = compute_lease_seconds(stack.ledger.read(target), time.time())
        if time.monotonic() >= end:
            raise CommandError(f"A worker holds the record for up to {lease:.0f} s. Run the same command again then.")
        sleep(min(1.0, lease))
