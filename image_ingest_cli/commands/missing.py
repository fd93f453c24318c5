"""`image-ingest missing`: who has no picture yet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from image_ingest.target import Target
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.photos.manifest import read_manifest
from image_ingest_cli.photos.plan import find_targets, find_without_picture
from image_ingest_cli.photos.rows import Row
from image_ingest_cli.terminal.console import print_json, print_note
from image_ingest_cli.terminal.options import DEFAULT_STACK, AsJson, StackName
from image_ingest_cli.terminal.records import parse_entity_type
from image_ingest_cli.terminal.spreadsheet import print_csv

_COLUMNS = ("line", "entity_type", "entity_id", "given_by", "name")


def missing(
    manifest: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="CSV, as for upload; the column file is not needed.")
    ],
    *,
    entity: Annotated[str | None, typer.Option(help="The entity type of rows that name none.")] = None,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """List the records of a spreadsheet that have no picture in SuperOffice, as CSV.

    Examples:

    \b
        image-ingest missing people.csv --entity person > ask-for-photos.csv
    """
    deployed = Stack(stack)
    found = read_manifest(manifest, parse_entity_type(entity) if entity else None, needs_file=False)
    targets, problems = find_targets(deployed, found.rows)
    problems = sorted([*found.problems, *problems], key=lambda problem: problem.line or 0)
    for problem in problems:
        print_note(problem, "red")
    without = find_without_picture(deployed, list(dict.fromkeys(targets.values())))
    rows = [_build_row(row, targets[id(row)]) for row in found.rows if targets.get(id(row)) in without]
    if json:
        print_json(rows)
    else:
        print_csv(_COLUMNS, [[row[column] for column in _COLUMNS] for row in rows])
    if problems:
        raise typer.Exit(1)


def _build_row(row: Row, target: Target) -> dict[str, Any]:
    reference = row.reference
    return {
        "line": row.line,
        "entity_type": target.entity_type,
        "entity_id": target.entity_id,
        "given_by": None if reference.column == "entity_id" else reference.value,
        "name": reference.name,
    }
