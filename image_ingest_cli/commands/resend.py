"""`image-ingest resend`: objects in the upload bucket are enqueued again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from image_ingest.events import format_notification
from image_ingest.upload import Upload
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.errors import CommandError
from image_ingest_cli.terminal.console import print_json, print_text
from image_ingest_cli.terminal.options import DEFAULT_STACK, AsJson, DryRun, StackName
from image_ingest_cli.terminal.progress import show_progress
from image_ingest_cli.terminal.text import pluralize

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ObjectVersionTypeDef

_BATCH = 10  # messages that SQS accepts in one call


def resend(
    *,
    prefix: Annotated[str, typer.Option(help="Only objects whose key begins with this.")] = "",
    dry_run: DryRun = False,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Enqueue every object in the upload bucket again, in its newest version.

    Pictures that are already stored end as duplicate, without a call; after `forget` they are stored again.

    Examples:

    \b
        image-ingest resend --prefix person/123
        image-ingest resend --dry-run
    """
    deployed = Stack(stack)
    uploads = list_uploads(deployed, prefix)
    count = 0
    with show_progress("Enqueueing", None) as steps:
        while batch := list(islice(uploads, _BATCH)):
            if not dry_run:
                _send(deployed, batch)
            count += len(batch)
            steps.advance(len(batch))
    if json:
        print_json({"objects": count, "sent": 0 if dry_run else count})
    else:
        print_text(f"{'Would be enqueued' if dry_run else 'Enqueued'}: {pluralize(count, 'object')}.")


def list_uploads(stack: Stack, prefix: str) -> Iterator[Upload]:
    """The newest version of every object under the prefix; S3's listing has its time to the second."""
    pages = stack.s3.get_paginator("list_object_versions").paginate(Bucket=stack.bucket, Prefix=prefix)
    for page in pages:
        for version in page.get("Versions", ()):
            if version.get("IsLatest") and not (version["Size"] == 0 and version["Key"].endswith("/")):
                yield _build_upload(stack, version)


def _build_upload(stack: Stack, version: ObjectVersionTypeDef) -> Upload:
    version_id = version.get("VersionId")
    return Upload(
        bucket=stack.bucket,
        key=version["Key"],
        version_id=None if version_id == "null" else version_id,
        event_time=version["LastModified"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        etag=version["ETag"].strip('"'),
    )


def _send(stack: Stack, uploads: list[Upload]) -> None:
    response = stack.sqs.send_message_batch(
        QueueUrl=stack.ingest_queue,
        Entries=[{"Id": str(i), "MessageBody": format_notification(upload)} for i, upload in enumerate(uploads)],
    )
    if response.get("Failed"):
        reason = response["Failed"][0].get("Message", "no reason given")
        raise CommandError(f"SQS refused {len(response['Failed'])} messages ({reason}). Run the same command again.")
