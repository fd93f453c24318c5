"""Finding photos in a folder: by the names in a spreadsheet or by a pattern, and never outside the folder."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from image_ingest.target import EntityType
from image_ingest_cli.errors import misuse
from image_ingest_cli.photos.manifest import Problem, Reading, Row, who

_PLACEHOLDERS = {
    "entity": ("entity_type", "[^/]+?"),
    "id": ("entity_id", "[0-9]+"),
    "email": ("email", "[^/]+?@[^/]+?"),
    "associate_id": ("associate_id", "[0-9]+"),
    "number": ("number", "[^/]+?"),
    "orgnr": ("orgnr", "[^/]+?"),
    "name": ("name", "[^/]+?"),
}


class Folder:
    """A folder of photos; `follows` symbolic links out of it where the operator named the very file."""

    def __init__(self, root: Path, *, follows: bool = False) -> None:
        self._root = root
        self._follows = follows
        self._resolved = root.resolve()

    def find(self, name: str) -> Path:
        """The file that a spreadsheet names, also with backslashes or accents composed differently.

        Raises ValueError where there is none, several, or it leads outside the folder.
        """
        relative = name.replace("\\", "/").removeprefix("./")
        path = self._root / relative
        if not self._holds(path):
            raise ValueError(f"leads outside the folder: {name}")
        if path.is_file():
            return path
        found = self._by_normal_name.get(_normal(str(PurePosixPath(relative))), ())
        if len(found) > 1:
            raise ValueError(f"several files have this name, with accents written differently: {name}")
        if not found:
            raise ValueError(f"there is no such file in the folder: {name}")
        return found[0]

    def matching(self, pattern: str, entity_type: EntityType | None) -> tuple[Reading, list[str]]:
        """A row for every file whose name the pattern reads, and the names of the files that it does not."""
        expression = compile_pattern(pattern)
        reading, others = Reading(), []
        for relative, _ in self._files():
            values = values_in(expression, relative)
            if values is None:
                others.append(relative)
                continue
            try:
                reading.rows.append(Row(None, relative, who(values, entity_type)))
            except ValueError as problem:
                reading.problems.append(Problem(None, relative, str(problem)))
        return reading, others

    def _holds(self, path: Path) -> bool:
        return self._follows or path.resolve().is_relative_to(self._resolved)

    def _files(self) -> Iterator[tuple[str, Path]]:
        for place, folders, names in os.walk(self._root):
            folders.sort()
            for name in sorted(names):
                path = Path(place, name)
                yield path.relative_to(self._root).as_posix(), path

    @cached_property
    def _by_normal_name(self) -> dict[str, list[Path]]:
        index: dict[str, list[Path]] = {}
        for relative, path in self._files():
            if self._holds(path):
                index.setdefault(_normal(relative), []).append(path)
        return index


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The regular expression of a pattern such as `{entity}/{id}.*`.

    `*` stands for anything but a slash, and `.*` at the end for the extension. A pattern without a slash
    is about the name of a file in any subfolder.
    """
    name_pattern, extension = (pattern[:-2], r"\.[^./]+") if pattern.endswith(".*") else (pattern, "")
    parts, used = [], set()
    for literal, star, name in re.findall(r"([^{}*]+)|(\*+)|\{([^{}]*)\}", name_pattern):
        if literal:
            parts.append(re.escape(literal))
        elif star:
            parts.append("[^/]*")
        elif name not in _PLACEHOLDERS or name in used:
            known = ", ".join(f"{{{placeholder}}}" for placeholder in _PLACEHOLDERS)
            raise misuse(f"--pattern knows {known}, each once; not {{{name}}}.")
        else:
            used.add(name)
            parts.append(f"(?P<{name}>{_PLACEHOLDERS[name][1]})")
    if not used - {"entity", "name"}:
        raise misuse("--pattern must say where the record is named, for example '{entity}/{id}.*' or '{email}.*'.")
    anywhere = "" if "/" in pattern else "(?:.*/)?"
    return re.compile(anywhere + "".join(parts) + extension, re.IGNORECASE | re.DOTALL)


def values_in(expression: re.Pattern[str], name: str) -> dict[str, str] | None:
    """The columns that a name holds by a compiled pattern; None where it does not match."""
    match = expression.fullmatch(_normal(name))
    return match and {_PLACEHOLDERS[placeholder][0]: value for placeholder, value in match.groupdict().items()}


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)
