"""Finding photos in a folder: by the names in a spreadsheet or by a pattern, and never outside the folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from image_ingest.target import EntityType
from image_ingest_cli.photos.junk import is_junk
from image_ingest_cli.photos.patterns import compile_pattern, match_name, normalize
from image_ingest_cli.photos.references import parse_reference
from image_ingest_cli.photos.rows import Problem, Row, RowList


@dataclass
class Matches(RowList):
    """What a pattern found: rows and problems, the names that it does not match, and how many junk files there are."""

    unmatched: list[str] = field(default_factory=list)
    junk: int = 0


class Folder:
    """A folder of photos. `follow_links`: follow symbolic links out of it, if the operator named the file itself."""

    def __init__(self, root: Path, *, follow_links: bool = False) -> None:
        self._root = root
        self._follow_links = follow_links
        self._resolved = root.resolve()

    def find(self, name: str) -> Path:
        """The file that a spreadsheet names, also with backslashes or accents composed differently.

        Raises ValueError if there is none or several, or if it is outside the folder.
        """
        relative = name.replace("\\", "/").removeprefix("./")
        path = self._root / relative
        if not self._contains(path):
            raise ValueError(f"is outside the folder: {name}")
        if path.is_file():
            return path
        found = self._by_normal_name.get(normalize(str(PurePosixPath(relative))), ())
        if len(found) > 1:
            raise ValueError(f"several files have this name, with accents encoded differently: {name}")
        if not found:
            raise ValueError(f"there is no such file in the folder: {name}")
        return found[0]

    def match(self, pattern: str, entity_type: EntityType | None) -> Matches:
        """A row for every file whose name matches the pattern. Junk files are only counted."""
        expression = compile_pattern(pattern)
        matches = Matches()
        for relative, _ in self._walk_files():
            if is_junk(relative):
                matches.junk += 1
                continue
            values = match_name(expression, relative)
            if values is None:
                matches.unmatched.append(relative)
                continue
            try:
                matches.rows.append(Row(None, relative, parse_reference(values, entity_type)))
            except ValueError as problem:
                matches.problems.append(Problem(None, relative, str(problem)))
        return matches

    def _contains(self, path: Path) -> bool:
        return self._follow_links or path.resolve().is_relative_to(self._resolved)

    def _walk_files(self) -> Iterator[tuple[str, Path]]:
        for place, folders, names in os.walk(self._root):
            folders.sort()
            for name in sorted(names):
                path = Path(place, name)
                yield path.relative_to(self._root).as_posix(), path

    @cached_property
    def _by_normal_name(self) -> dict[str, list[Path]]:
        index: dict[str, list[Path]] = {}
        for relative, path in self._walk_files():
            if self._contains(path):
                index.setdefault(normalize(relative), []).append(path)
        return index
