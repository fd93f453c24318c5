"""Runs work on hostile bytes in a forked child with limits of its own.

The child can be started before its work arrives, so that it has warmed up by then. It reads the source from a file in
memory that it shares with its parent, answers through a socket, and leaves by `os._exit`: it runs nothing of the
parent's (exit handlers, buffers), writes to no stream of the parent's, and whatever it breaks ends with it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import gc
import os
import resource
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedRandom
from mmap import PROT_READ, mmap
from typing import Literal, NoReturn

Cause = Literal["memory", "cpu", "stalled", "crashed", "no-process"]
Work = Callable[[bytes, mmap], bytes]

_ORDER = struct.Struct("!QQQ")  # bytes of the order, bytes of memory, seconds of computing
_LENGTH = struct.Struct("!Q")
_READY = b"\1"
_OUT_OF_MEMORY = 87  # the child's exit status for a MemoryError
_SOURCE_FD, _PARENT_FD, _FIRST_OTHER_FD = 3, 4, 5
_CHUNK = 1 << 20
_FORKING = threading.Lock()  # warning filters belong to the whole process
_killed: list[int] = []  # children to wait for before the next one starts: the system takes a while to end them


class ChildDied(Exception):
    """The child ended without an answer; `cause` says why."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(frozen=True)
class Limits:
    """Bytes in addition to the source and to what the child starts with; seconds of computing; seconds that pass."""

    memory: int
    cpu_seconds: int
    wall_seconds: float


@dataclass(frozen=True)
class _Child:
    pid: int
    socket: socket.socket

    def has_ended(self) -> bool:
        try:
            return os.waitpid(self.pid, os.WNOHANG) != (0, 0)
        except ChildProcessError:
            return True

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.socket.close()


class Isolation:
    """One piece of work on what is written to `file`, in a child process of its own.

    The child calls `warm_up()` as soon as it starts, and `work(order, source)` when it is told to run. A failure of
    the first cannot be caused by the source: `no-process`.
    """

    def __init__(self, warm_up: Callable[[], None], work: Work) -> None:
        """Raises ChildDied `no-process`."""
        self.file = _open_shared_file()
        self._warm_up = warm_up
        self._work = work
        self._child: _Child | None = None

    def start(self) -> None:
        """Starts the child, if it is not started yet. Raises ChildDied `no-process`."""
        if self._child is None:
            reap_children()
            self._child = self._start_child()

    def stop(self) -> None:
        """Ends the child, if it is started."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            _killed.append(child.pid)

    def close(self) -> None:
        """Ends the child, if it is started, and releases the file."""
        self.stop()
        self.file.close()

    def run(self, order: bytes, limits: Limits) -> bytes:
        """What `work(order, source)` returns in the child, which then ends. Raises ChildDied."""
        end = time.monotonic() + limits.wall_seconds
        self.file.flush()
        if self._child is not None and self._child.has_ended():  # killed while it waited, not by its source
            self._child.socket.close()
            self._child = None
        self.start()
        assert self._child
        child, self._child = self._child, None
        answer, status = None, 0
        try:
            answer = _exchange(child.socket, order, limits, end)
        except TimeoutError:
            raise ChildDied("stalled") from None
        finally:
            child.kill()
            if answer is None:
                status = _wait(child.pid)
            else:
                _killed.append(child.pid)
        if answer is None:
            raise ChildDied(_find_cause(status))
        return answer

    def _start_child(self) -> _Child:
        try:
            ours, its = socket.socketpair()
        except OSError:
            raise ChildDied("no-process") from None
        with its:
            try:
                pid = _fork()
            except OSError:
                ours.close()
                raise ChildDied("no-process") from None
            if pid == 0:
                _child_main(self._warm_up, self._work, self.file.fileno(), its.fileno())
        return _Child(pid, ours)


def reap_children() -> None:
    """Waits for the children that were killed."""
    with contextlib.suppress(IndexError):
        while True:
            _wait(_killed.pop())


def _wait(pid: int) -> int:
    """How the child ended."""
    try:
        return os.waitpid(pid, 0)[1]
    except ChildProcessError:  # somebody else waits for all children
        return 0


def _open_shared_file() -> BufferedRandom:
    """A file without a name, in memory if the system can do that, otherwise on disk. Raises ChildDied `no-process`."""
    with contextlib.suppress(AttributeError, OSError):
        return open(os.memfd_create("source"), "w+b")  # noqa: PTH123  # closed by its owner
    try:
        return tempfile.TemporaryFile()
    except OSError:
        raise ChildDied("no-process") from None


def _exchange(child: socket.socket, order: bytes, limits: Limits, end: float) -> bytes | None:
    """The whole answer, or None when the child ends without one. Raises TimeoutError, ChildDied `no-process`."""
    try:
        if _read(child, len(_READY), end) is None:
            raise ChildDied("no-process")
        child.sendall(_ORDER.pack(len(order), limits.memory, limits.cpu_seconds) + order)
        head = _read(child, _LENGTH.size, end)
        if head is None or _LENGTH.unpack(head)[0] > limits.memory:
            return None
        return _read(child, _LENGTH.unpack(head)[0], end)
    except ConnectionError:
        return None


def _fork() -> int:
    with _FORKING, warnings.catch_warnings():
        # Python 3.12 and later warn about a fork among threads. This child takes no lock that a thread holds.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _read(peer: socket.socket, size: int, end: float) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        peer.settimeout(left)
        part = peer.recv(min(size - len(data), _CHUNK))
        if not part:
            return None
        data += part
    return bytes(data)


def _find_cause(status: int) -> Cause:
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == _OUT_OF_MEMORY:
        return "memory"
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        return "cpu"
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:  # by the kernel, which ran out of memory
        return "memory"
    return "crashed"


def _child_main(warm_up: Callable[[], None], work: Work, source_fd: int, parent_fd: int) -> NoReturn:
    try:
        _detach_from_parent(source_fd, parent_fd)
        warm_up()
        _write(_READY)
        size, memory, cpu_seconds = _ORDER.unpack(_receive(_ORDER.size))
        order = _receive(size)
        _apply_limits(memory, cpu_seconds)
        answer = work(order, mmap(_SOURCE_FD, 0, prot=PROT_READ))
        _write(_LENGTH.pack(len(answer)) + answer)
        os._exit(0)
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)
    finally:
        os._exit(1)


def _detach_from_parent(source_fd: int, parent_fd: int) -> None:
    gc.disable()  # a collection would copy the parent's pages
    faulthandler.disable()  # it would write to a descriptor that means something else here
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    kept = [fcntl.fcntl(fd, fcntl.F_DUPFD, _FIRST_OTHER_FD) for fd in (source_fd, parent_fd)]
    os.dup2(kept[0], _SOURCE_FD)
    os.dup2(kept[1], _PARENT_FD)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # C libraries write their warnings there
        os.dup2(null, stream)
    os.closerange(_FIRST_OTHER_FD, min(os.sysconf("SC_OPEN_MAX"), 65_536))
    warnings.resetwarnings()
    warnings.simplefilter("ignore")
    _lower_limit(resource.RLIMIT_CORE, 0)  # a core file would hold the photo
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # if the kernel must kill, it should kill the child, not the worker
            file = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
            os.write(file, b"1000")
            os.close(file)


def _apply_limits(memory: int, cpu_seconds: int) -> None:
    _lower_limit(resource.RLIMIT_CPU, cpu_seconds)
    if sys.platform == "linux":
        _lower_limit(resource.RLIMIT_DATA, _measure_data() + memory)


def _measure_data() -> int:
    """What RLIMIT_DATA counts of this process so far."""
    file = os.open("/proc/self/statm", os.O_RDONLY)
    pages = os.read(file, 200).split()[5]
    os.close(file)
    return int(pages) * resource.getpagesize()


def _lower_limit(what: int, limit: int) -> None:
    hard = resource.getrlimit(what)[1]
    soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(what, (soft, hard))


def _receive(size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = os.read(_PARENT_FD, size - len(data))
        if not part:
            os._exit(0)  # the parent ended, or does not need this child
        data += part
    return data


def _write(answer: bytes) -> None:
    view = memoryview(answer)
    while view:
        view = view[os.write(_PARENT_FD, view) :]
