"""A spreadsheet of photos and the records that they are for, as people really save it.

Read are UTF-8, UTF-16 and Windows-1252, with or without byte order mark; commas, semicolons, tabs or bars, with or
without Excel's `sep=` line; header names in several spellings.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from image_ingest.errors import Rejected
from image_ingest.target import ENTITY_TYPES, EntityType, Target, target_of
from image_ingest_cli.errors import Trouble

_DELIMITERS = (",", ";", "\t", "|")
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
_TYPE_IN_HEADER: dict[str, EntityType] = {f"{kind}id": kind for kind in ENTITY_TYPES}
_IDENTIFIERS: dict[str, tuple[EntityType, ...]] = {
    "entity_id": ENTITY_TYPES,
    "email": ("person",),
    "associate_id": ("person",),
    "number": ("contact",),
    "orgnr": ("contact",),
}
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")  # .xlsx, .xls
_TRAILING_ZEROS = re.compile(r"(\d+)[.,]0+")


@dataclass(frozen=True)
class Problem:
    """What is wrong with one row; `line` is the line in the spreadsheet, None where there is none."""

    line: int | None
    where: str
    what: str

    def __str__(self) -> str:
        place = f"line {self.line}" if self.line is not None else self.where
        return f"{place}: {self.what}"


@dataclass(frozen=True, slots=True)
class Who:
    """The record that a row names: by its SuperOffice id, or by what SuperOffice is to be searched for."""

    entity_type: EntityType
    column: str
    value: str
    name: str | None = None

    @property
    def target(self) -> Target | None:
        """The record, where the row gives its id."""
        return Target(self.entity_type, int(self.value)) if self.column == "entity_id" else None


@dataclass(frozen=True, slots=True)
class Row:
    """One photo and the record that it is for; `file` as the spreadsheet has it, or relative to the folder."""

    line: int | None
    file: str
    who: Who


@dataclass
class Reading:
    """What a source of rows gave: its good rows, and everything that is wrong with the others."""

    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_manifest(path: Path, entity_type: EntityType | None, *, needs_file: bool = True) -> Reading:
    """The spreadsheet's rows. `entity_type` is for rows that name none.

    Raises Trouble where it is no spreadsheet with the columns that are needed.
    """
    data = path.read_bytes()
    if data.startswith(_WORKBOOKS):
        raise Trouble(f"{path.name} is an Excel workbook; save it as CSV (in Excel: Save As, CSV UTF-8).")
    lines = _csv_rows(_decoded(data))
    try:
        header = next((cells for _, cells in lines if any(cells)), None)
        if header is None:
            raise Trouble(f"{path.name} is empty.")
        columns = _columns(header, path.name, needs_file=needs_file)
        kind = _kind(_type_in(header), entity_type)
        reading = Reading()
        for line, cells in lines:
            if any(cells):
                _read_row(reading, line, cells, columns, kind)
    except csv.Error as error:
        raise Trouble(f"{path.name} is not a readable CSV file: {error}. Save it as CSV again.") from None
    except ValueError as problem:
        raise Trouble(f"The header of {path.name} {problem}.") from None
    return reading


def who(values: dict[str, str], entity_type: EntityType | None) -> Who:
    """The record that these columns name. Raises ValueError saying what is missing or contradictory."""
    kind = _kind(values.get("entity_type"), entity_type)
    given = {
        column: values[column].strip()
        for column, kinds in _IDENTIFIERS.items()
        if values.get(column, "").strip() and (kind is None or kind in kinds)
    }
    if len(given) > 1:
        raise ValueError(f"names the record in {len(given)} ways ({', '.join(given)}); keep one of them")
    if not given:
        wanted = [column for column, kinds in _IDENTIFIERS.items() if kind is None or kind in kinds]
        raise ValueError(f"does not say whose picture it is: {' or '.join(wanted)} is needed")
    ((column, value),) = given.items()
    kinds = _IDENTIFIERS[column]
    kind = kind or (kinds[0] if len(kinds) == 1 else None)
    if kind is None:
        raise ValueError("needs entity_type (person, project, contact or product), or give --entity")
    name = values.get("name", "").strip() or None
    return Who(kind, column, _checked_value(kind, column, value), name)


def _checked_value(kind: EntityType, column: str, value: str) -> str:
    if column == "entity_id":
        return str(_target(kind, value).entity_id)
    if column == "associate_id":
        number = _whole(value)
        if not number.isascii() or not number.isdigit() or int(number) == 0:
            raise ValueError("associate_id must be a whole number")
        return number
    if column == "email" and not re.fullmatch(r"[^@\s]+@[^@\s]+", value):
        raise ValueError("email is not an e-mail address")
    return value if column == "email" else _whole(value)


def _target(kind: str, value: str) -> Target:
    try:
        return target_of({"entity-type": kind, "entity-id": _whole(value)}, "", None)
    except Rejected as refusal:
        raise ValueError(refusal.message.rstrip(".")) from None


def _kind(named: str | None, fallback: EntityType | None) -> EntityType | None:
    if not named or not named.strip():
        return fallback
    kind = _target(named, "1").entity_type
    if fallback is not None and kind != fallback:
        raise ValueError(f"says {kind}, but --entity or the header says {fallback}")
    return kind


def _whole(value: str) -> str:
    """Spreadsheets turn a whole number into 123.0."""
    match = _TRAILING_ZEROS.fullmatch(value)
    return match[1] if match else value


def _read_row(
    reading: Reading, line: int, cells: Sequence[str], columns: dict[str, int], entity_type: EntityType | None
) -> None:
    values = {column: cells[place].strip() for column, place in columns.items() if place < len(cells)}
    file = values.get("file", "")
    try:
        _check_cells(cells, columns)
        reading.rows.append(Row(line, file, who(values, entity_type)))
    except ValueError as problem:
        reading.problems.append(Problem(line, file, str(problem)))


def _check_cells(cells: Sequence[str], columns: dict[str, int]) -> None:
    if "file" in columns and not any(cells[columns["file"] : columns["file"] + 1]):
        raise ValueError("names no file")
    if any(cells[columns["width"] :]):
        raise ValueError("has more cells than the header; put quotes round values with a delimiter in them")


def _columns(header: Sequence[str], name: str, *, needs_file: bool) -> dict[str, int]:
    """Where each column stands, and the header's width."""
    columns: dict[str, int] = {}
    for place, title in enumerate(header):
        column = _COLUMNS.get(_plain(title))
        if column in columns:
            raise Trouble(
                f"{name} has two columns for {column}: {header[columns[column]]!r} and {title!r}. Rename one."
            )
        if column is not None:
            columns[column] = place
    if needs_file and "file" not in columns:
        raise Trouble(f"{name} has no column file; its header is: {', '.join(header)[:200]}")
    if not columns.keys() & _IDENTIFIERS.keys():
        raise Trouble(f"{name} has no column {' or '.join(_IDENTIFIERS)}; its header is: {', '.join(header)[:200]}")
    return columns | {"width": len(header)}


def _type_in(header: Sequence[str]) -> EntityType | None:
    """A column person_id says what its ids are."""
    return next((_TYPE_IN_HEADER[_plain(title)] for title in header if _plain(title) in _TYPE_IN_HEADER), None)


def _plain(title: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", title).casefold() if c.isalnum())


def _csv_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each row with the number of the line that it ends on."""
    declared = re.match(r"\s*\"?sep=(.)\"?[^\r\n]*(\r\n|\r|\n)", text, re.IGNORECASE)
    skipped = 1 if declared else 0
    text = text[declared.end() :] if declared else text
    delimiter = declared[1] if declared else _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    for cells in reader:
        yield reader.line_num + skipped, [cell.strip() for cell in cells]


def _delimiter(text: str) -> str:
    """The one by which the header has the most columns that are known."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(_DELIMITERS, key=lambda d: sum(_plain(title) in _COLUMNS for title in header.split(d)))


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data[:200]:
        order = "be" if data[:1] == b"\0" else "le"
        return data.decode(f"utf-16-{order}", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")
