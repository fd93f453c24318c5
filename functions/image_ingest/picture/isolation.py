"""Runs work on hostile bytes in a forked child with limits of its own.

The child can be started ahead, so that it is warm when its work comes. It reads the source from a file in memory that
it shares with its parent, answers through a socket, and leaves by `os._exit`: it runs nothing of the parent's (exit
handlers, buffers), writes to no stream of the parent's, and whatever it breaks is gone with it.
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
_FORKING = threading.Lock()  # the filters of warnings are the whole process's
_KILLED: list[int] = []  # children to be waited for with the next one, as it takes the system a while to end them


class ChildDied(Exception):
    """The child ended without an answer; `cause` says why."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(frozen=True)
class Limits:
    """What the child may take: bytes beside what it starts with and the source, seconds of computing, on the wall."""

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

    The child calls `get_ready()` as soon as it starts, and `work(order, source)` when it is told to run. A failure of
    the first is nothing that the source could cause: `no-process`.
    """

    def __init__(self, get_ready: Callable[[], None], work: Work) -> None:
        """Raises ChildDied `no-process`."""
        self.file = _shared_file()
        self._get_ready = get_ready
        self._work = work
        self._child: _Child | None = None

    def start(self) -> None:
        """Starts the child, if it is not started yet. Raises ChildDied `no-process`."""
        if self._child is None:
            reap()
            self._child = self._new_child()

    def stop(self) -> None:
        """Ends the child, if it is started."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            _KILLED.append(child.pid)

    def close(self) -> None:
        """Ends the child, if it is started, and gives the file back."""
        self.stop()
        self.file.close()

    def run(self, order: bytes, limits: Limits) -> bytes:
        """What `work(order, source)` returns in the child, which ends with it. Raises ChildDied."""
        end = time.monotonic() + limits.wall_seconds
        self.file.flush()
        if self._child is not None and self._child.has_ended():  # killed while it waited; not the source's fault
            self._child.socket.close()
            self._child = None
        self.start()
        assert self._child
        child, self._child = self._child, None
        answer, status = None, 0
        try:
            answer = _answer(child.socket, order, limits, end)
        except TimeoutError:
            raise ChildDied("stalled") from None
        finally:
            child.kill()
            if answer is None:
                status = _wait(child.pid)
            else:
                _KILLED.append(child.pid)
        if answer is None:
            raise ChildDied(_cause(status))
        return answer

    def _new_child(self) -> _Child:
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
                _be_the_child(self._get_ready, self._work, self.file.fileno(), its.fileno())
        return _Child(pid, ours)


def reap() -> None:
    """Waits for the children that were killed."""
    with contextlib.suppress(IndexError):
        while True:
            _wait(_KILLED.pop())


def _wait(pid: int) -> int:
    """How the child ended."""
    try:
        return os.waitpid(pid, 0)[1]
    except ChildProcessError:  # somebody else waits for all children
        return 0


def _shared_file() -> BufferedRandom:
    """A file without a name: in memory where the system has that, else on disk. Raises ChildDied `no-process`."""
    with contextlib.suppress(AttributeError, OSError):
        return open(os.memfd_create("source"), "w+b")  # noqa: PTH123  # closed by its owner
    try:
        return tempfile.TemporaryFile()
    except OSError:
        raise ChildDied("no-process") from None


def _answer(child: socket.socket, order: bytes, limits: Limits, end: float) -> bytes | None:
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
        # Python 3.12 and later warn of a fork among threads. This child takes no lock that a thread could hold.
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


def _cause(status: int) -> Cause:
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == _OUT_OF_MEMORY:
        return "memory"
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        return "cpu"
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:  # the kernel's, for want of memory
        return "memory"
    return "crashed"


def _be_the_child(get_ready: Callable[[], None], work: Work, source_fd: int, parent_fd: int) -> NoReturn:
    try:
        _leave_the_parent_alone(source_fd, parent_fd)
        get_ready()
        _write(_READY)
        size, memory, cpu_seconds = _ORDER.unpack(_receive(_ORDER.size))
        order = _receive(size)
        _take_limits(memory, cpu_seconds)
        answer = work(order, mmap(_SOURCE_FD, 0, prot=PROT_READ))
        _write(_LENGTH.pack(len(answer)) + answer)
        os._exit(0)
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)
    finally:
        os._exit(1)


def _leave_the_parent_alone(source_fd: int, parent_fd: int) -> None:
    gc.disable()  # a collection would copy the parent's pages
    faulthandler.disable()  # it would write to a descriptor that is something else here
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
    _lower(resource.RLIMIT_CORE, 0)  # a core file would hold the photo
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # if the kernel must kill, then the child, not the worker
            file = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
            os.write(file, b"1000")
            os.close(file)


def _take_limits(memory: int, cpu_seconds: int) -> None:
    _lower(resource.RLIMIT_CPU, cpu_seconds)
    if sys.platform == "linux":
        _lower(resource.RLIMIT_DATA, _data_bytes() + memory)


def _data_bytes() -> int:
    """What RLIMIT_DATA counts of this process so far."""
    file = os.open("/proc/self/statm", os.O_RDONLY)
    pages = os.read(file, 200).split()[5]
    os.close(file)
    return int(pages) * resource.getpagesize()


def _lower(what: int, limit: int) -> None:
    hard = resource.getrlimit(what)[1]
    soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(what, (soft, hard))


def _receive(size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = os.read(_PARENT_FD, size - len(data))
        if not part:
            os._exit(0)  # the parent is gone, or has no use for this child
        data += part
    return data


def _write(answer: bytes) -> None:
    view = memoryview(answer)
    while view:
        view = view[os.write(_PARENT_FD, view) :]
