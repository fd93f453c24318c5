"""Files that operating systems, archives and storage devices leave next to photos."""

from __future__ import annotations

from pathlib import PurePosixPath

_NAMES = frozenset({".ds_store", "thumbs.db", "desktop.ini", "ehthumbs.db"})
_FOLDERS = frozenset({"__macosx", "@eadir", "#recycle", ".spotlight-v100", ".trashes", "$recycle.bin"})


def is_junk(name: str) -> bool:
    """Whether a path or key names such a file: `._x`, `.DS_Store`, `Thumbs.db`, or anything in `__MACOSX`, `@eaDir`."""
    *folders, file = PurePosixPath(name.casefold()).parts or ("",)
    return file.startswith("._") or file in _NAMES or not _FOLDERS.isdisjoint(folders)
