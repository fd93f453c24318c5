"""A dropped folder with a CSV file that assigns its pictures to records.

The operator's command line reads more kinds of spreadsheets; the page reads these three columns only.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from image_ingest.errors import Rejected
from image_ingest.target import find_target
from sandbox.page.actions import Refused

_NAMES = {"file": "file", "photo": "file", "picture": "file", "entitytype": "entity_type", "entityid": "entity_id"}
_COLUMNS = ("file", "entity_type", "entity_id")


def plan_folder(spreadsheet: bytes, names: Sequence[str]) -> dict[str, list[dict[str, Any]] | list[str]]:
    """The uploads for the good rows, and the problems of the others. Raises Refused if it is not such a CSV file."""
    uploads, problems = [], []
    for line, row in _read_rows(spreadsheet):
        try:
            target = find_target({"entity-type": row["entity_type"], "entity-id": row["entity_id"]}, "", None)
            name = _find_file(row["file"], names)
        except Rejected as problem:
            problems.append(f"line {line}: {problem.message}")
        except ValueError as problem:
            problems.append(f"line {line}: {problem}")
        else:
            uploads.append({"name": name, "entity_type": target.entity_type, "entity_id": target.entity_id})
    return {"uploads": uploads, "problems": problems}


def _read_rows(spreadsheet: bytes) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        text = spreadsheet.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused("The CSV file is not UTF-8 text. In Excel, save it as CSV UTF-8.") from None
    header, _, _ = text.partition("\n")
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = [
        _NAMES.get(name.casefold().translate({ord(c): None for c in " _-"}).strip()) for name in next(reader, [])
    ]
    if missing := [name for name in _COLUMNS if name not in columns]:
        raise Refused(f"The CSV file has no column {' and no column '.join(missing)}.")
    for cells in reader:
        if any(cells):
            row = {column: cell.strip() for column, cell in zip(columns, cells, strict=False) if column}
            yield reader.line_num, {name: row.get(name, "") for name in _COLUMNS}


def _find_file(file: str, names: Sequence[str]) -> str:
    """The one file of the folder whose path ends this way, in any case."""
    wanted = _split_path(file)
    found = [name for name in names if _split_path(name)[-len(wanted) :] == wanted]
    if len(found) != 1:
        raise ValueError(f"there is {'no' if not found else 'more than one'} file {file} in the folder")
    return found[0]


def _split_path(name: str) -> tuple[str, ...]:
    plain = unicodedata.normalize("NFC", name).casefold().replace("\\", "/")
    return PurePosixPath(plain.removeprefix("./")).parts
