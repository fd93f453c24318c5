"""Photos and the records they are for, as a spreadsheet or a folder lists them."""

from __future__ import annotations

from dataclasses import dataclass, field

from image_ingest_cli.photos.references import RecordReference


@dataclass(frozen=True)
class Problem:
    """What is wrong with one row; `line` is the line in the spreadsheet, None if there is no spreadsheet."""

    line: int | None
    file: str
    text: str

    def __str__(self) -> str:
        place = f"line {self.line}" if self.line is not None else self.file
        return f"{place}: {self.text}"


@dataclass(frozen=True, slots=True)
class Row:
    """One photo and its record; `file` as the spreadsheet has it, or relative to the folder."""

    line: int | None
    file: str
    reference: RecordReference


@dataclass
class RowList:
    """The good rows, and the problems of all others."""

    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
