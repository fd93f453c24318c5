"""`image-ingest upload`: files on this machine become uploads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from image_ingest_cli.aws.follow import FollowedUpload, follow_uploads
from image_ingest_cli.aws.stack import WORKERS, Stack
from image_ingest_cli.aws.transfer import PhotoFile, Transfer, is_present, transfer_photos
from image_ingest_cli.errors import CommandError
from image_ingest_cli.parallel import run_parallel
from image_ingest_cli.photos.arguments import UploadArguments
from image_ingest_cli.photos.plan import find_without_picture, plan_uploads
from image_ingest_cli.photos.report import build_rows, save_rows, show_rows
from image_ingest_cli.photos.rows import Problem
from image_ingest_cli.terminal.console import print_json, print_note, print_table, print_text
from image_ingest_cli.terminal.options import DEFAULT_STACK, AsJson, DryRun, OnlyMissing, StackName
from image_ingest_cli.terminal.progress import show_progress
from image_ingest_cli.terminal.records import describe_target
from image_ingest_cli.terminal.text import pluralize


def upload(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", exists=True, help="One photo, or the folder of photos.")
    ],
    *,
    entity: Annotated[str | None, typer.Option(help="person, project, contact or product.")] = None,
    entity_id: Annotated[str | None, typer.Option("--id", help="The record's id in SuperOffice.")] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="CSV: file, entity_type, and entity_id or email, associate_id (person), number, orgnr (contact).",
        ),
    ] = None,
    pattern: Annotated[
        str | None, typer.Option(help="Where file names contain the record, such as '{entity}/{id}.*' or '{email}.*'.")
    ] = None,
    prefix: Annotated[str, typer.Option(help="The beginning of every key in the bucket.")] = "",
    only_missing: OnlyMissing = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the outcome of every upload.")] = False,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds that --wait takes at most.")] = 900,
    report: Annotated[Path | None, typer.Option(dir_okay=False, help="Write the result of each file as CSV.")] = None,
    dry_run: DryRun = False,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Upload photos for the records they belong to.

    Every row is checked before the first upload starts. A second run skips files that S3 already has for the same
    record, so to continue an interrupted upload, run the same command again.

    Examples:

    \b
        image-ingest upload me.jpg --entity person --id 123 --wait
        image-ingest upload photos --manifest people.csv --dry-run
        image-ingest upload photos --pattern '{email}.*' --wait --report result.csv
    """
    deployed = Stack(stack)
    folder, found = UploadArguments(paths, entity, entity_id, manifest, pattern).read()
    photos, problems = plan_uploads(deployed, folder, found, prefix)
    if problems:
        _refuse(problems, as_json=json)
    if not photos:
        raise CommandError("There is nothing to upload: no file matched.")
    if only_missing:
        photos = _keep_missing(deployed, photos)
    if dry_run:
        _show_plan(deployed, photos, known_missing=only_missing, as_json=json)
        return
    transfers = _transfer(deployed, photos, known_missing=only_missing)
    followed = _follow(deployed, transfers, timeout) if wait else None
    rows = build_rows(transfers, followed, stack)
    if report is not None:
        save_rows(report, rows)
    show_rows(rows, as_json=json, followed=wait)
    if any(one.action == "failed" for one in transfers) or any(one.failed for one in followed or ()):
        raise typer.Exit(1)


def _refuse(problems: Sequence[Problem], *, as_json: bool) -> None:
    if as_json:
        print_json({"problems": [{"line": p.line, "file": p.file, "problem": p.text} for p in problems]})
    for problem in problems:
        print_note(f"{problem.file}, {problem}" if problem.line and problem.file else problem, "red")
    raise CommandError(f"Nothing was uploaded: {pluralize(len(problems), 'row')} must be corrected first.")


def _keep_missing(stack: Stack, photos: Sequence[PhotoFile]) -> list[PhotoFile]:
    without = find_without_picture(stack, [photo.target for photo in photos])
    kept = [photo for photo in photos if photo.target in without]
    print_note(f"Skipped: {pluralize(len(photos) - len(kept), 'record')} with a picture.")
    return kept


def _show_plan(stack: Stack, photos: Sequence[PhotoFile], *, known_missing: bool, as_json: bool) -> None:
    checked = run_parallel(
        lambda photo: (photo.key, is_present(stack, photo, known_missing=known_missing)), photos, WORKERS
    )
    present = {key for key, there in checked if there}
    plan = [
        {
            "line": photo.line,
            "file": photo.name,
            "entity_type": photo.target.entity_type,
            "entity_id": photo.target.entity_id,
            "key": photo.key,
            "action": "present" if photo.key in present else "upload",
        }
        for photo in photos
    ]
    if as_json:
        print_json({"plan": plan})
        return
    records = [describe_target(photo.target) for photo in photos]
    print_table(
        ["file", "for", "key", "action"],
        [(row["file"], record, row["key"], row["action"]) for row, record in zip(plan, records, strict=True)],
    )
    print_text(f"{len(photos) - len(present)} would be uploaded to {stack.bucket}; {len(present)} already present.")


def _transfer(stack: Stack, photos: Sequence[PhotoFile], *, known_missing: bool) -> list[Transfer]:
    transfers = []
    with show_progress("Uploading", len(photos)) as steps:
        for transfer in transfer_photos(stack, photos, known_missing=known_missing):
            transfers.append(transfer)
            steps.advance()
    order = {photo.key: i for i, photo in enumerate(photos)}
    return sorted(transfers, key=lambda transfer: order[transfer.photo.key])


def _follow(stack: Stack, transfers: Sequence[Transfer], timeout: float) -> list[FollowedUpload]:
    arrived = [one for one in transfers if one.identity is not None]
    with show_progress("Waiting for outcomes", len(arrived)) as steps:
        followed = iter(follow_uploads(stack, arrived, timeout, steps))
    return [next(followed) if one.identity is not None else FollowedUpload(one, None) for one in transfers]
