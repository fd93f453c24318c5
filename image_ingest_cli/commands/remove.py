"""`image-ingest remove` and `forget`: a record's pictures everywhere, or only what the ledger remembers of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Annotated

import typer
from botocore.exceptions import ClientError

from image_ingest.aws.errors import error_code, http_status
from image_ingest.errors import IngestError, Rejected
from image_ingest.ledger.order import Mark
from image_ingest.ledger.table import Item
from image_ingest.target import Target, target_of
from image_ingest_cli.aws.ledger import held_seconds, scan_items
from image_ingest_cli.aws.stack import WORKERS, Stack
from image_ingest_cli.errors import Trouble, misuse
from image_ingest_cli.parallel import in_parallel
from image_ingest_cli.superoffice import CALL_SECONDS
from image_ingest_cli.terminal import console
from image_ingest_cli.terminal.options import DEFAULT_STACK, AsJson, DryRun, StackName, Yes, confirm
from image_ingest_cli.terminal.targets import EntityArgument, IdArgument, named_target

_BATCH = 1000  # versions that S3 deletes at once
_LEASE = CALL_SECONDS + 30  # seconds that we may hold the target while SuperOffice deletes the picture


@dataclass(frozen=True)
class Version:
    """One version of an object; `target` is None for a delete marker and for what names no record."""

    key: str
    version_id: str
    target: Target | None = None
    is_marker: bool = False


def remove(
    entity: EntityArgument,
    entity_id: IdArgument,
    *,
    prefix: Annotated[str, typer.Option(help="Look only at keys that begin so, where you know it.")] = "",
    patience: Annotated[float, typer.Option(min=0, help="Seconds to wait for a worker that holds the record.")] = 300,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Remove a record's picture everywhere, for data protection.

    Deletes every version of every object for it, then the picture in SuperOffice, then its item in the ledger.
    Uploads of these objects that are still queued end as ignored. Looks at every object unless --prefix says where.

    Example:

        image-ingest remove person 123
    """
    target_stack, target = Stack(stack), named_target(entity, entity_id)
    with console.progress("Looking for its objects", None) as steps:
        versions = versions_of(target_stack, target, prefix, steps)
    if not json:
        console.say_table(["key", "version"], [(version.key, version.version_id) for version in versions])
        found = console.many(len(versions), "object version")
        console.say(f"{found}, the picture in SuperOffice and the ledger's item are to go.")
    if dry_run:
        deleted = None
    else:
        confirm(f"Remove everything of {target.entity_type} {target.entity_id} for good?", yes=yes)
        _delete_versions(target_stack, versions)
        deleted = _remove_picture(target_stack, target, patience)
    if json:
        keys = [{"key": version.key, "version_id": version.version_id} for version in versions]
        console.say_json({"target": str(target), "versions": keys, "removed": not dry_run, "had_picture": deleted})
    elif not dry_run:
        console.say("Removed." if deleted else "Removed; SuperOffice showed no picture.")


def forget(
    entity: Annotated[str | None, typer.Argument(help="person, project, contact or product.")] = None,
    entity_id: Annotated[str | None, typer.Argument(metavar="ID", help="The record's id in SuperOffice.")] = None,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Every record.")] = False,
    yes: Yes = False,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Drop what the ledger remembers, so that `resend` stores the pictures again.

    For a SuperOffice database that was restored or replaced. Photos and pictures stay as they are.

    Examples:

    \b
        image-ingest forget person 123
        image-ingest forget --all && image-ingest resend
    """
    target_stack = Stack(stack)
    if all_ == (entity is not None and entity_id is not None) or (all_ and entity):
        raise misuse("Name a record, such as person 123, or give --all.")
    if entity is not None and entity_id is not None:
        targets: Iterator[Target] = iter([named_target(entity, entity_id)])
    else:
        confirm("Forget every record? Each picture will be sent again by resend.", yes=yes)
        targets = (Target(item["entity_type"], int(item["entity_id"])) for item in scan_items(target_stack))
    dropped, held = 0, []
    for target in targets:
        if _drop_unheld(target_stack, target):
            dropped += 1
        else:
            held.append(str(target))
    if json:
        console.say_json({"forgotten": dropped, "held": held})
    else:
        console.say(f"Forgotten: {console.many(dropped, 'record')}.")
    if held:
        raise Trouble(
            f"A worker holds {console.many(len(held), 'record')} at the moment; run the command again in some minutes."
        )


def versions_of(stack: Stack, target: Target, prefix: str, steps: console.Steps) -> list[Version]:
    """Every version of every object for the target, and the delete markers that would be left alone without them."""
    own: list[Version] = []
    markers: list[Version] = []
    others: set[str] = set()
    for version in in_parallel(lambda one: _with_target(stack, one), _listed(stack, prefix), WORKERS):
        steps.done()
        if version.is_marker:
            markers.append(version)
        elif version.target == target:
            own.append(version)
        else:
            others.add(version.key)
    keys = {version.key for version in own} - others
    return sorted(
        [*own, *(marker for marker in markers if marker.key in keys)],
        key=lambda version: (version.key, version.version_id),
    )


def _listed(stack: Stack, prefix: str) -> Iterator[Version]:
    pages = stack.s3.get_paginator("list_object_versions").paginate(Bucket=stack.bucket, Prefix=prefix)
    for page in pages:
        for version in page.get("Versions", ()):
            yield Version(version["Key"], version["VersionId"])
        for marker in page.get("DeleteMarkers", ()):
            yield Version(marker["Key"], marker["VersionId"], is_marker=True)


def _with_target(stack: Stack, version: Version) -> Version:
    if version.is_marker:
        return version
    try:
        head = stack.s3.head_object(Bucket=stack.bucket, Key=version.key, VersionId=version.version_id)
        target = target_of(head.get("Metadata", {}), version.key, stack.settings.target_key_pattern)
    except Rejected:
        return version
    except ClientError as error:
        if http_status(error) == 404:
            return version
        raise
    return Version(version.key, version.version_id, target)


def _delete_versions(stack: Stack, versions: Sequence[Version]) -> None:
    rest = iter(versions)
    while batch := list(islice(rest, _BATCH)):
        answer = stack.s3.delete_objects(
            Bucket=stack.bucket,
            Delete={"Objects": [{"Key": one.key, "VersionId": one.version_id} for one in batch], "Quiet": True},
        )
        if answer.get("Errors"):
            code = answer["Errors"][0].get("Code", "no reason given")
            raise Trouble(f"S3 did not delete {len(answer['Errors'])} versions ({code}). Run the same command again.")


def _remove_picture(stack: Stack, target: Target, patience: float) -> bool:
    """Deletes the picture while we hold the target, so that no worker stores another one meanwhile."""
    before, token = _claim(stack, target, patience)
    try:
        deleted = stack.crm.delete_picture(target)
    except (IngestError, Trouble):
        values = {"status": before.get("status", "rejected"), "lease_until": None}
        stack.table.update(target, values, {"claim": token})
        console.note("The objects are deleted, the picture in SuperOffice is not. Run the same command again.", "red")
        raise
    stack.dynamodb.delete_item(
        TableName=stack.table_name,
        Key={"target": {"S": str(target)}},
        ConditionExpression="claim = :token",
        ExpressionAttributeValues={":token": {"S": token}},
    )
    return deleted


def _claim(
    stack: Stack, target: Target, patience: float, sleep: Callable[[float], None] = time.sleep
) -> tuple[Item, str]:
    """The item as it was, and the token of our claim, by the ledger's rules: nobody else holds it, nor will."""
    end, token = time.monotonic() + patience, uuid.uuid4().hex
    while True:
        item = stack.table.read(target)
        held = held_seconds(item, time.time())
        if (
            not held
            and stack.table.update(target, _our_claim(target, item, token), {"revision": item.get("revision")})[0]
        ):
            return item, token
        if time.monotonic() >= end:
            raise Trouble(f"A worker holds the record for {held:.0f} s more; run the same command again then.")
        sleep(min(1.0, max(0.0, held)))


def _our_claim(target: Target, item: Item, token: str) -> dict[str, object]:
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    removal = Mark(bucket="-", key="-", version_id=None, sequencer=None, time=moment, etag="removal")
    return {
        "entity_type": target.entity_type,
        "entity_id": target.entity_id,
        "status": "in_progress",
        "claim": token,
        "lease_until": Decimal(f"{time.time() + _LEASE:.3f}"),
        "attempt": {**removal.as_map(), "delivery": "removal", "receives": 0},
        "crashes": item.get("crashes", {}),
        "updated_at": moment,
    }


def _drop_unheld(stack: Stack, target: Target) -> bool:
    """Drops the item unless a worker holds it."""
    try:
        stack.dynamodb.delete_item(
            TableName=stack.table_name,
            Key={"target": {"S": str(target)}},
            ConditionExpression="attribute_not_exists(lease_until) OR lease_until < :now",
            ExpressionAttributeValues={":now": {"N": f"{time.time():.3f}"}},
        )
    except ClientError as error:
        if error_code(error) == "ConditionalCheckFailedException":
            return False
        raise
    return True
