"""The zips that Lambda gets in the sandbox: the function's code, and the layer from the installed packages."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable
from importlib.metadata import files
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def function_zip() -> bytes:
    """The function's own code; its packages come from the interpreter that runs it."""
    code = ROOT / "functions"
    return _zip((path, str(path.relative_to(code))) for path in sorted(code.rglob("*.py")))


def layer_zip() -> bytes:
    """What `layers/pillow/requirements.txt` names, laid out as Lambda wants it."""
    requirements = (ROOT / "layers/pillow/requirements.txt").read_text()
    names = re.findall(r"^([A-Za-z0-9_.-]+)==", requirements, re.MULTILINE)
    return _zip(entry for name in names for entry in _installed(name))


def _installed(distribution: str) -> Iterable[tuple[Path, str]]:
    for file in files(distribution) or ():
        if ".." not in file.parts and file.suffix != ".pyc":
            yield Path(str(file.locate())), f"python/{file}"


def _zip(entries: Iterable[tuple[Path, str]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, name in entries:
            archive.write(path, name)
    return buffer.getvalue()
