"""Recognises a package that was built for another processor than the function runs on."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable
from pathlib import Path

_MACHINES = {62: "x86_64", 183: "arm64"}  # ELF's e_machine
_NAMES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


class WrongArchitecture(RuntimeError):
    """The packages cannot run here; the message says how to build them."""


def check_architecture(folders: Iterable[str] | None = None, machine: str | None = None) -> None:
    """Looks at one library of the Pillow layer. Raises WrongArchitecture if it is for another processor."""
    library = _find_library(sys.path if folders is None else folders)
    built = _read_machine(library) if library else None
    runs = _NAMES.get(machine or platform.machine())
    if built and runs and built != runs:
        raise WrongArchitecture(
            f"The packages were built for {built}, but the function runs on {runs}. Set Architecture={runs} in "
            "samconfig.toml, then run: sam build && sam deploy"
        )


def _find_library(folders: Iterable[str]) -> Path | None:
    return next((path for folder in folders for path in Path(folder, "PIL").glob("_imaging.*.so")), None)


def _read_machine(library: Path) -> str | None:
    with library.open("rb") as file:
        head = file.read(20)
    return _MACHINES.get(int.from_bytes(head[18:20], "little")) if head.startswith(b"\x7fELF") else None
