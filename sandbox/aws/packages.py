"""The zips for Lambda in the sandbox: the function's code, and the layer made from the installed packages."""

from __future__ import annotations

import io
import marshal
import re
import stat
import zipfile
from collections.abc import Callable, Iterable
from importlib.machinery import SourceFileLoader
from importlib.metadata import files
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_UNCHECKED_HASH = bytes([1, *bytes(11)])  # the flag, and a hash of the source that nobody reads


def zip_function() -> bytes:
    """The function's own code. Its packages come from the interpreter that runs it."""
    code = ROOT / "functions"
    entries = ((path, str(path.relative_to(code))) for path in sorted(code.rglob("*.py")))
    return _write_zip(entries, zipfile.ZipFile.write)


def zip_layer() -> bytes:
    """What `layers/pillow/requirements.txt` names, in the layout of a Lambda layer.

    Its files are links to the installed ones (server.py unpacks them as such): 50 MB less to copy for every worker.
    """
    requirements = (ROOT / "layers/pillow/requirements.txt").read_text()
    names = re.findall(r"^([A-Za-z0-9_.-]+)==", requirements, re.MULTILINE)
    return _write_zip((entry for name in names for entry in _list_files(name)), _add_link)


def _list_files(distribution: str) -> Iterable[tuple[Path, str]]:
    for file in files(distribution) or ():
        if ".." not in file.parts and file.suffix != ".pyc":
            yield Path(str(file.locate())), f"python/{file}"


def _write_zip(entries: Iterable[tuple[Path, str]], add: Callable[[zipfile.ZipFile, Path, str], None]) -> bytes:
    """Every entry by `add`, and bytecode beside each module."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, name in entries:
            add(archive, path, name)
            if path.suffix == ".py":
                archive.writestr(cache_from_source(name), _compile(path))
    return buffer.getvalue()


def _add_link(archive: zipfile.ZipFile, path: Path, name: str) -> None:
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3  # Unix: the mode follows
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(entry, str(path))


def _compile(path: Path) -> bytes:
    """Bytecode that Python loads without a look at the source (PEP 552), so that no worker compiles while it starts."""
    code = SourceFileLoader(path.stem, str(path)).get_code(path.stem)
    return MAGIC_NUMBER + _UNCHECKED_HASH + marshal.dumps(code)
