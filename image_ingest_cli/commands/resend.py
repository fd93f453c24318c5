"""`image-ingest resend`: the function is told again of objects that are in the upload bucket already."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from image_ingest.events import Upload, notification
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.errors import Trouble
from image_ingest_cli.terminal import console
from image_ingest_cli.terminal.options import DEFAULT_STACK, AsJson, DryRun, StackName

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ObjectVersionTypeDef

_BATCH = 10  # messages that SQS takes at once


def resend(
    *,
    prefix: Annotated[str, typer.Option(help="Only keys that begin so.")] = "",
    dry_run: DryRun = False,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Enqueue every object of the upload bucket again, in its newest version.

    What SuperOffice has already ends as duplicate and costs no call; after `forget` it is stored again.

    Examples:

    \b
        image-ingest resend --prefix person/123
        image-ingest resend --dry-run
    """
    target_stack = Stack(stack)
    uploads = uploads_in(target_stack, prefix)
    count = 0
    with console.progress("Sending", None) as steps:
        while batch := list(islice(uploads, _BATCH)):
            if not dry_run:
                _send(target_stack, batch)
            count += len(batch)
            steps.done(len(batch))
    if json:
        console.say_json({"objects": count, "sent": 0 if dry_run else count})
    else:
        console.say(f"{'Would send' if dry_run else 'Sent'} again: {console.many(count, 'object')}.")


def uploads_in(stack: Stack, prefix: str) -> Iterator[Upload]:
    """The newest version of every object under the prefix; S3's listing knows its time to the second."""
    pages = stack.s3.get_paginator("list_object_versions").paginate(Bucket=stack.bucket, Prefix=prefix)
    for page in pages:
        for version in page.get("Versions", ()):
            if version.get("IsLatest") and not (version["Size"] == 0 and version["Key"].endswith("/")):
                yield _upload(stack, version)


def _upload(stack: Stack, version: ObjectVersionTypeDef) -> Upload:
    version_id = version.get("VersionId")
    return Upload(
        bucket=stack.bucket,
        key=version["Key"],
        version_id=None if version_id == "null" else version_id,
        event_time=version["LastModified"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        etag=version["ETag"].strip('"'),
    )


def _send(stack: Stack, uploads: list[Upload]) -> None:
    answer = stack.sqs.send_message_batch(
        QueueUrl=stack.ingest_queue,
        Entries=[{"Id": str(i), "MessageBody": notification(upload)} for i, upload in enumerate(uploads)],
    )
    if answer.get("Failed"):
        reason = answer["Failed"][0].get("Message", "no reason given")
        raise Trouble(f"SQS refused {len(answer['Failed'])} messages ({reason}). Run the same command again.")
