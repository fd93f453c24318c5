"""Builds without SAM, and what a build consists of."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests import ROOT


def build_directly(part: str, folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The build script without SAM."""
    command = [sys.executable, str(ROOT / "layers/build.py"), part, str(folder)]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def files(folder: Path) -> Iterator[Path]:
    """Every file, in the order of their names."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def digests(folder: Path) -> dict[str, tuple[str, int]]:
    """The digest and the mode of every file, by its place in the folder."""
    return {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mode)
        for path in files(folder)
    }
