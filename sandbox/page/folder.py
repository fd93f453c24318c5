"""A dropped folder with a spreadsheet: which of its files go to which record."""

from __future__ import annotations

import tempfile
import unicodedata
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from image_ingest_cli.errors import Trouble
from image_ingest_cli.photos.manifest import Row, read_manifest
from sandbox.page.actions import Refused


def plan(spreadsheet: bytes, names: Sequence[str]) -> dict[str, list[dict[str, Any]] | list[str]]:
    """What to upload, and what is wrong with the other rows. Raises Refused for what is no such spreadsheet."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "the spreadsheet")
        path.write_bytes(spreadsheet)
        try:
            reading = read_manifest(path, None)
        except Trouble as trouble:
            raise Refused(str(trouble)) from None
    uploads, problems = [], [str(problem) for problem in reading.problems]
    for row in reading.rows:
        try:
            uploads.append(_upload(row, names))
        except ValueError as problem:
            problems.append(f"line {row.line}: {problem}")
    return {"uploads": uploads, "problems": problems}


def _upload(row: Row, names: Sequence[str]) -> dict[str, Any]:
    target = row.who.target
    if target is None:
        raise ValueError("names the record by something else than its id; the operator's command line can look that up")
    return {"name": _find(row.file, names), "entity_type": target.entity_type, "entity_id": target.entity_id}


def _find(file: str, names: Sequence[str]) -> str:
    """The one file of the folder that is meant: by its path's end, in any case."""
    wanted = _parts(file)
    found = [name for name in names if _parts(name)[-len(wanted) :] == wanted]
    if len(found) != 1:
        raise ValueError(f"there is {'no' if not found else 'more than one'} file {file} in the folder")
    return found[0]


def _parts(name: str) -> tuple[str, ...]:
    plain = unicodedata.normalize("NFC", name).casefold().replace("\\", "/")
    return PurePosixPath(plain.removeprefix("./")).parts
