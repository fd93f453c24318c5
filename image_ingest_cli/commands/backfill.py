"""`image-ingest backfill`: photos of another bucket are copied into the upload bucket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.copying.batch_job import write_job
from image_ingest_cli.copying.objects import Copy, CopyPlan, copy_objects
from image_ingest_cli.errors import usage_error
from image_ingest_cli.photos.patterns import compile_pattern
from image_ingest_cli.photos.report import describe_counts
from image_ingest_cli.terminal.console import print_json, print_note, print_table, print_text
from image_ingest_cli.terminal.options import DEFAULT_STACK, AsJson, DryRun, OnlyMissing, StackName
from image_ingest_cli.terminal.progress import show_progress
from image_ingest_cli.terminal.records import parse_entity_type
from image_ingest_cli.terminal.text import pluralize


def backfill(
    source: Annotated[str, typer.Argument(metavar="s3://BUCKET/PREFIX", help="Where the photos are.")],
    *,
    pattern: Annotated[
        str | None,
        typer.Option(help="Where keys after the prefix contain the record, such as '{entity}/{id}.*'; else metadata."),
    ] = None,
    entity: Annotated[str | None, typer.Option(help="With --pattern: person, project, contact or product.")] = None,
    to: Annotated[str, typer.Option(help="Put before every key in the upload bucket.")] = "",
    only_missing: OnlyMissing = False,
    batch_job: Annotated[
        Path | None, typer.Option(file_okay=False, help="Write an S3 Batch Operations job into this folder instead.")
    ] = None,
    dry_run: DryRun = False,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Copy photos from another bucket into the upload bucket, so that they are stored in SuperOffice.

    A second run skips what was copied before. For millions of objects that already have their metadata, --batch-job
    writes manifest, role and job for S3 Batch Operations, and prints the commands that start it.

    Examples:

    \b
        image-ingest backfill s3://old-photos/staff/ --pattern '{id}.*' --entity person --only-missing
        image-ingest backfill s3://old-photos/ --batch-job job
    """
    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    if not source.startswith("s3://") or not bucket:
        raise usage_error("Say where the photos are: s3://BUCKET/PREFIX.")
    deployed = Stack(stack)
    if bucket == deployed.bucket:
        raise usage_error("These objects are already in the upload bucket. Use resend.")
    if batch_job is not None:
        if pattern or only_missing:
            raise usage_error("A batch job copies everything with its own metadata: no --pattern, no --only-missing.")
        _write_job(deployed, bucket, prefix, to, batch_job)
        return
    plan = CopyPlan(
        stack=deployed,
        prefix=prefix,
        to=to,
        pattern=compile_pattern(pattern) if pattern else None,
        entity=parse_entity_type(entity) if entity else None,
        only_missing=only_missing,
        dry_run=dry_run,
    )
    copies = _copy(plan, bucket)
    _show(copies, as_json=json)
    if any(copy.action == "failed" for copy in copies):
        raise typer.Exit(1)


def _copy(plan: CopyPlan, bucket: str) -> list[Copy]:
    copies = []
    with show_progress("Copying", None) as steps:
        for copy in copy_objects(plan, bucket):
            copies.append(copy)
            steps.advance()
    return copies


def _show(copies: Sequence[Copy], *, as_json: bool) -> None:
    counts = Counter(str(copy.action) for copy in copies)
    if as_json:
        rows = [{**vars(copy), "target": str(copy.target) if copy.target else None} for copy in copies]
        print_json({"objects": rows, "actions": counts})
        return
    failed = [copy for copy in copies if copy.action == "failed"]
    if failed:
        print_table(["key", "reason"], [(copy.key, copy.problem) for copy in failed])
    if junk := counts.pop("junk", 0):
        print_note(f"Skipped: {pluralize(junk, 'system file')} such as .DS_Store and Thumbs.db.")
    print_text(f"{describe_counts(counts) or 'Nothing found'}.")


def _write_job(stack: Stack, bucket: str, prefix: str, to: str, folder: Path) -> None:
    count, commands = write_job(stack, bucket, prefix, to, folder)
    print_text(f"{folder / 'manifest.csv'} lists {pluralize(count, 'object')}. To start the job:")
    for command in commands:
        print_text(f"  {command}")
