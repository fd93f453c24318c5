"""CSV that spreadsheet programs open correctly and never execute."""

from __future__ import annotations

import csv
import os
import stat
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from image_ingest_cli.terminal.text import clean

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_BYTE_ORDER_MARK = "\ufeff"  # without it, Excel reads UTF-8 as the machine's old code page


def write_csv(file: TextIO, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes the rows under their columns."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_format_cell(value) for value in row] for row in rows)


def save_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes the rows to a file."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        write_csv(file, columns, rows)


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints the rows; redirected to a new file, they begin with a byte order mark."""
    if _is_new_file(sys.stdout):
        sys.stdout.write(_BYTE_ORDER_MARK)
    write_csv(sys.stdout, columns, rows)


def _format_cell(value: object) -> str:
    """A cell on one line that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value)
    return f"'{clean(text)}" if text.startswith(_FORMULA_STARTS) else clean(text)


def _is_new_file(stream: TextIO) -> bool:
    """Whether the stream is redirected to a UTF-8 file that is still empty; appended rows need no second mark."""
    if stream.encoding.lower() not in {"utf-8", "utf8"}:
        return False
    try:
        status = os.fstat(stream.fileno())
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == 0
