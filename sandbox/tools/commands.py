"""Runs package clients: their output is shown only if they fail."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / ".venvs"
_SHOWN_LINES = 20


class InstallationFailed(Exception):
    """Something could not be installed; the message holds the end of the client's output."""


class Unavailable(Exception):
    """This machine cannot have a tool that only some tests need; the message says why and which command helps."""


def run(*command: str | Path, cwd: Path = ROOT, environment: Mapping[str, str] | None = None) -> str:
    """What the command prints on standard output. Raises InstallationFailed."""
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise InstallationFailed(f"{command[0]} could not be started: {error}") from error
    if done.returncode:
        raise InstallationFailed(f"This command failed: {' '.join(map(str, command))}\n{_end_of(done)}")
    return done.stdout


def make_environment(folder: Path, python: str = sys.executable) -> Path:
    """The interpreter of a virtual environment, which is created if it is missing. Raises InstallationFailed."""
    interpreter = folder / "bin/python"
    if not (folder / "bin/pip").exists():
        try:
            run(python, "-m", "venv", folder)
        except InstallationFailed as failure:
            raise InstallationFailed(
                f"{failure}\n{python} cannot create a virtual environment. On Debian and Ubuntu, install "
                "python3-venv with apt-get; elsewhere name another interpreter: make PYTHON=/path/to/python3 …"
            ) from failure
    return interpreter


def install_packages(interpreter: Path, *arguments: str) -> None:
    """Installs into the interpreter's virtual environment. Raises InstallationFailed."""
    run(interpreter, "-m", "pip", "--disable-pip-version-check", "install", *arguments)


def _end_of(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in f"{done.stdout}\n{done.stderr}".splitlines() if line and not line.startswith("WARNING:")]
    return "\n".join(lines[-_SHOWN_LINES:])
