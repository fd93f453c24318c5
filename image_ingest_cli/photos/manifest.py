"""A spreadsheet of photos and the records they are for. Header names are recognised in several spellings."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from image_ingest.target import ENTITY_TYPES, EntityType
from image_ingest_cli.errors import CommandError
from image_ingest_cli.photos.csv_text import decode_text, read_rows
from image_ingest_cli.photos.references import IDENTIFIERS, parse_kind, parse_reference
from image_ingest_cli.photos.rows import Problem, Row, RowList

_SPELLINGS = {
    "file": "file filename path filepath photo picture image foto bild bilde fil",
    "entity_type": "entitytype entity type",
    "entity_id": "entityid id superofficeid personid contactid projectid productid",
    "email": "email emailaddress mail epost userprincipalname upn",
    "associate_id": "associateid associate",
    "number": "number contactnumber companynumber customernumber",
    "orgnr": "orgnr orgno orgnumber organisationnumber organizationnumber vatno vatnumber",
    "name": "name fullname displayname navn namn",
}
_COLUMNS = {spelling: column for column, spellings in _SPELLINGS.items() for spelling in spellings.split()}
_KIND_IN_HEADER: dict[str, EntityType] = {f"{kind}id": kind for kind in ENTITY_TYPES}
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")  # .xlsx, .xls


def read_manifest(path: Path, entity_type: EntityType | None, *, needs_file: bool = True) -> RowList:
    """The spreadsheet's rows. `entity_type` is for rows that name none.

    Raises CommandError if it is not a spreadsheet with the columns that are needed.
    """
    data = path.read_bytes()
    if data.startswith(_WORKBOOKS):
        raise CommandError(f"{path.name} is an Excel workbook. Save it as CSV (in Excel: Save As, CSV UTF-8).")
    lines = read_rows(decode_text(data), lambda title: _simplify(title) in _COLUMNS)
    try:
        header = next((cells for _, cells in lines if any(cells)), None)
        if header is None:
            raise CommandError(f"{path.name} is empty.")
        columns = _find_columns(header, path.name, needs_file=needs_file)
        kind = parse_kind(_find_kind(header), entity_type)
        found = RowList()
        for line, cells in lines:
            if any(cells):
                _add_row(found, line, cells, columns, kind)
    except csv.Error as error:
        raise CommandError(f"{path.name} is not a readable CSV file: {error}. Save it as CSV again.") from None
    except ValueError as problem:
        raise CommandError(f"The header of {path.name} {problem}.") from None
    return found


def _add_row(
    found: RowList, line: int, cells: Sequence[str], columns: dict[str, int], entity_type: EntityType | None
) -> None:
    values = {column: cells[place].strip() for column, place in columns.items() if place < len(cells)}
    file = values.get("file", "")
    try:
        _check_cells(cells, columns)
        found.rows.append(Row(line, file, parse_reference(values, entity_type)))
    except ValueError as problem:
        found.problems.append(Problem(line, file, str(problem)))


def _check_cells(cells: Sequence[str], columns: dict[str, int]) -> None:
    if "file" in columns and not any(cells[columns["file"] : columns["file"] + 1]):
        raise ValueError("names no file")
    if any(cells[columns["width"] :]):
        raise ValueError("has more cells than the header; put values that contain a delimiter in quotes")


def _find_columns(header: Sequence[str], name: str, *, needs_file: bool) -> dict[str, int]:
    """The place of each column, and the header's width."""
    columns: dict[str, int] = {}
    for place, title in enumerate(header):
        column = _COLUMNS.get(_simplify(title))
        if column in columns:
            raise CommandError(
                f"{name} has two columns for {column}: {header[columns[column]]!r} and {title!r}. Rename one."
            )
        if column is not None:
            columns[column] = place
    if needs_file and "file" not in columns:
        raise CommandError(f"{name} has no column file. Its header is: {', '.join(header)[:200]}")
    if not columns.keys() & IDENTIFIERS.keys():
        raise CommandError(f"{name} has no column {' or '.join(IDENTIFIERS)}. Its header is: {', '.join(header)[:200]}")
    return columns | {"width": len(header)}


def _find_kind(header: Sequence[str]) -> EntityType | None:
    """A column person_id names the entity type of its ids."""
    return next((_KIND_IN_HEADER[_simplify(title)] for title in header if _simplify(title) in _KIND_IN_HEADER), None)


def _simplify(title: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", title).casefold() if c.isalnum())
