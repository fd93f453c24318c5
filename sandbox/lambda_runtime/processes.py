"""Processes: who their children are, and a bound on their memory."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

_CGROUPS = Path("/sys/fs/cgroup")


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
