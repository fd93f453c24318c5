"""What the operator sees: tables, JSON, CSV and progress, safe to show whatever a key or a file name holds.

Data goes to standard output, everything else to standard error, so that output can be piped.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

_LOG_WIDTH = 160  # columns where no terminal says how many
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def clean(text: object) -> str:
    """The text without control and direction characters, which could rewrite the terminal or mislead the reader."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in _HIDDEN else c for c in str(text))


def csv_cell(value: object) -> str:
    """A cell on one line that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value)
    return f"'{clean(text)}" if text.startswith(_FORMULA_STARTS) else clean(text)


def write_csv(file: TextIO, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes a spreadsheet of these rows."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([csv_cell(value) for value in row] for row in rows)


def say(text: object = "", style: str | None = None) -> None:
    """One line or paragraph for the operator, on standard output."""
    _console().print(Text("\n".join(map(clean, str(text).split("\n"))), style=style or ""), soft_wrap=True)


def note(text: object, style: str | None = None) -> None:
    """A remark beside the data, on standard error."""
    _console(stderr=True).print(Text(clean(text), style=style or ""), soft_wrap=True)


def many(count: int, thing: str) -> str:
    """`1 record`, `2 records`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def say_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """The rows under their columns."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if value is None else clean(value)) for value in row))
    _console().print(table)


def say_json(data: Any) -> None:
    """The data as JSON, written piece by piece; ASCII only, so nothing in it can act on a terminal."""
    json.dump(data, sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")


class Steps:
    """Counts what is done of a long work."""

    def __init__(self, progress: Progress | None, task: Any) -> None:
        self._progress = progress
        self._task = task

    def done(self, count: int = 1) -> None:
        """So many more are done."""
        if self._progress is not None:
            self._progress.advance(self._task, count)


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Steps]:
    """A bar with rate and remaining time on a terminal; nothing elsewhere."""
    console = _console(stderr=True)
    if not console.is_terminal:
        yield Steps(None, None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        yield Steps(bar, bar.add_task(what, total=total))


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.0f}/s" if task.speed else "", style="progress.data.speed")


def _console(*, stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else _LOG_WIDTH
    return Console(stderr=stderr, width=width, markup=False, highlight=False, emoji=False)
