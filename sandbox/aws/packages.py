"""The zips for Lambda in the sandbox: the function's code, and the layer made from the installed packages."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable
from importlib.metadata import files
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def zip_function() -> bytes:
    """The function's own code. Its packages come from the interpreter that runs it."""
    code = ROOT / "functions"
    return _write_zip((path, str(path.relative_to(code))) for path in sorted(code.rglob("*.py")))


def zip_layer() -> bytes:
    """What `layers/pillow/requirements.txt` names, in the layout of a Lambda layer."""
    requirements = (ROOT / "layers/pillow/requirements.txt").read_text()
    names = re.findall(r"^([A-Za-z0-9_.-]+)==", requirements, re.MULTILINE)
    return _write_zip(entry for name in names for entry in _list_files(name))


def _list_files(distribution: str) -> Iterable[tuple[Path, str]]:
    for file in files(distribution) or ():
        if ".." not in file.parts and file.suffix != ".pyc":
            yield Path(str(file.locate())), f"python/{file}"


def _write_zip(entries: Iterable[tuple[Path, str]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, name in entries:
            archive.write(path, name)
    return buffer.getvalue()
