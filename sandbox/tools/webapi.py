"""SuperOffice's own JavaScript client, which judges the stand-in; with Node to run it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from sandbox.tools.commands import ENVIRONMENTS, ROOT, InstallationFailed, Unavailable, run
from sandbox.tools.node import find_node_and_npm

_FOLDER = ENVIRONMENTS / "webapi"
_STAMP = _FOLDER / "installed.json"
_PINNED = [ROOT / "tests/webapi" / name for name in ("package.json", "package-lock.json")]


@dataclass(frozen=True)
class WebApi:
    """The executable of Node, and the folder in which it finds the client."""

    node: str
    modules: Path


def find_webapi() -> WebApi:
    """What install_webapi has installed. Raises Unavailable."""
    if not is_webapi_present():
        advice = "Install it with: python3 -m sandbox.tools.install webapi"
        raise Unavailable(f"SuperOffice's JavaScript client is missing. {advice}")
    return WebApi(json.loads(_STAMP.read_text())["node"], _FOLDER / "node_modules")


def is_webapi_present() -> bool:
    """Whether exactly the pinned packages are installed."""
    return _STAMP.exists() and json.loads(_STAMP.read_text())["pinned"] == _read_pinned()


def install_webapi() -> None:
    """Installs the pinned packages. Raises Unavailable if this machine has no Node and cannot get one."""
    try:
        node, npm = find_node_and_npm()
        shutil.rmtree(_FOLDER, ignore_errors=True)
        _FOLDER.mkdir(parents=True)
        for file in _PINNED:
            shutil.copy(file, _FOLDER)
        run(*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=_FOLDER)
    except InstallationFailed as failure:
        reason = str(failure).splitlines()[-1]
        raise Unavailable(f"SuperOffice's JavaScript client could not be installed: {reason}") from failure
    _STAMP.write_text(json.dumps({"node": node, "pinned": _read_pinned()}))


def _read_pinned() -> list[str]:
    return [file.read_text() for file in _PINNED]
