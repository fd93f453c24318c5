"""What the operator sees. Data goes to standard output, everything else to standard error, so output can be piped."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from image_ingest_cli.terminal.text import clean

_LOG_WIDTH = 160  # columns where there is no terminal


def prepare_streams() -> None:
    """Makes both streams accept every character: UTF-8 when redirected, else with replacement characters.

    Windows redirects in an old code page that lacks arrows and most of the world's letters. PYTHONIOENCODING wins.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            keeps_encoding = stream.isatty() or "PYTHONIOENCODING" in os.environ
            stream.reconfigure(encoding=None if keeps_encoding else "utf-8", errors="replace")


def print_text(text: object = "", style: str | None = None) -> None:
    """Prints one line or paragraph on standard output."""
    _open_console().print(Text("\n".join(map(clean, str(text).split("\n"))), style=style or ""), soft_wrap=True)


def print_note(text: object, style: str | None = None) -> None:
    """Prints a remark on standard error."""
    open_error_console().print(Text(clean(text), style=style or ""), soft_wrap=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints the rows under their columns."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if value is None else clean(value)) for value in row))
    _open_console().print(table)


def print_json(data: Any) -> None:
    """Prints JSON piece by piece; ASCII only, so nothing in it can act on a terminal."""
    json.dump(data, sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")


def open_error_console() -> Console:
    """The console on standard error, for notes and progress."""
    return _open_console(stderr=True)


def _open_console(*, stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else _LOG_WIDTH
    return Console(stderr=stderr, width=width, markup=False, highlight=False, emoji=False)
