"""CSV as spreadsheet programs save it.

Encodings: UTF-8, UTF-16 and Windows-1252, with or without byte order mark. Delimiters: comma, semicolon, tab or bar,
with or without Excel's `sep=` line. A cell that was exported as a formula, `="401"`, is read as its text.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator

_DELIMITERS = (",", ";", "\t", "|")
_DECLARATION = re.compile(r"\s*\"?sep=(.)\"?[^\r\n]*(\r\n|\r|\n)", re.IGNORECASE)
_TEXT_FORMULA = re.compile(r'="(.*)"', re.DOTALL)


def read_rows(text: str, is_title: Callable[[str], bool]) -> Iterator[tuple[int, list[str]]]:
    """Each row with the number of the line that it ends on. `is_title` recognises a known column in the header.

    Raises csv.Error.
    """
    declared = _DECLARATION.match(text)
    skipped = 1 if declared else 0
    text = text[declared.end() :] if declared else text
    delimiter = declared[1] if declared else _find_delimiter(text, is_title)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    for cells in reader:
        yield reader.line_num + skipped, [_parse_cell(cell) for cell in cells]


def decode_text(data: bytes) -> str:
    """The text in whichever encoding it was saved."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data[:200]:
        order = "be" if data[:1] == b"\0" else "le"
        return data.decode(f"utf-16-{order}", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _find_delimiter(text: str, is_title: Callable[[str], bool]) -> str:
    """The delimiter that gives the header the most known columns."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(_DELIMITERS, key=lambda delimiter: sum(map(is_title, header.split(delimiter))))


def _parse_cell(cell: str) -> str:
    cell = cell.strip()
    formula = _TEXT_FORMULA.fullmatch(cell)
    return formula[1].replace('""', '"').strip() if formula else cell
