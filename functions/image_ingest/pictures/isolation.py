"""Runs work on hostile bytes in a forked child with limits of its own.

The child inherits the source without a copy, answers through a pipe, and leaves by `os._exit`: it runs nothing of the
parent's (exit handlers, buffers), writes to no stream of the parent's, and whatever it breaks is gone with it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import resource
import select
import signal
import struct
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NoReturn

Cause = Literal["memory", "cpu", "stalled", "crashed", "no-process"]

_LENGTH = struct.Struct("!Q")
_OUT_OF_MEMORY = 87  # the child's exit status for a MemoryError
_ANSWER_FD = 3
_CHUNK = 1 << 20
_FORKING = threading.Lock()  # the filters of warnings are the whole process's


class ChildDied(Exception):
    """The child ended without an answer; `cause` says why."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(frozen=True)
class Limits:
    """What the child may take: bytes beyond what it starts with, seconds of computing, seconds on the wall."""

    memory: int
    cpu_seconds: int
    wall_seconds: float


def run_isolated(work: Callable[[], bytes], limits: Limits) -> bytes:
    """What `work()` returns in a child process. Raises ChildDied."""
    end = time.monotonic() + limits.wall_seconds
    reader, writer = os.pipe()
    try:
        try:
            child = _fork()
        except OSError:
            raise ChildDied("no-process") from None
        if child == 0:
            _be_the_child(work, limits, writer)
        os.close(writer)
        writer = -1
        return _await(child, reader, end)
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)


def _fork() -> int:
    with _FORKING, warnings.catch_warnings():
        # Python 3.12 and later warn of a fork among threads. This child takes no lock that a thread could hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _await(child: int, reader: int, end: float) -> bytes:
    answer, timed_out = None, False
    try:
        answer = _read_answer(reader, end)
    except TimeoutError:
        timed_out = True
    finally:
        status = _end(child, kill=answer is not None or timed_out or sys.exc_info()[0] is not None)
    if answer is None:
        raise ChildDied("stalled" if timed_out else _cause(status))
    return answer


def _read_answer(reader: int, end: float) -> bytes | None:
    """The whole answer, or None when the child ends without one. Raises TimeoutError at `end`."""
    head = _read(reader, _LENGTH.size, end)
    return None if head is None else _read(reader, _LENGTH.unpack(head)[0], end)


def _read(reader: int, size: int, end: float) -> bytes | None:
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    data = bytearray()
    while len(data) < size:
        if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
            raise TimeoutError
        part = os.read(reader, min(size - len(data), _CHUNK))
        if not part:
            return None
        data += part
    return bytes(data)


def _end(child: int, *, kill: bool) -> int:
    if kill:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    try:
        return os.waitpid(child, 0)[1]
    except ChildProcessError:  # somebody else waits for all children
        return 0


def _cause(status: int) -> Cause:
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == _OUT_OF_MEMORY:
        return "memory"
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        return "cpu"
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:  # the kernel's, for want of memory
        return "memory"
    return "crashed"


def _be_the_child(work: Callable[[], bytes], limits: Limits, writer: int) -> NoReturn:
    try:
        _leave_the_parent_alone(writer)
        _take_limits(limits)
        _write(_ANSWER_FD, work())
        os._exit(0)
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)
    finally:
        os._exit(1)


def _leave_the_parent_alone(writer: int) -> None:
    gc.disable()  # a collection would copy the parent's pages
    faulthandler.disable()  # it would write to a descriptor that is something else here
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if writer != _ANSWER_FD:
        os.dup2(writer, _ANSWER_FD)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # C libraries write their warnings there
        os.dup2(null, stream)
    os.closerange(_ANSWER_FD + 1, min(os.sysconf("SC_OPEN_MAX"), 65_536))
    warnings.resetwarnings()
    warnings.simplefilter("ignore")


def _take_limits(limits: Limits) -> None:
    _lower(resource.RLIMIT_CORE, 0)  # a core file would hold the photo
    _lower(resource.RLIMIT_CPU, limits.cpu_seconds)
    if sys.platform == "linux":
        _lower(resource.RLIMIT_DATA, _data_bytes() + limits.memory)
        with contextlib.suppress(OSError):  # if the kernel must kill, then the child, not the worker
            file = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
            os.write(file, b"1000")
            os.close(file)


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


def _write(fd: int, answer: bytes) -> None:
    view = memoryview(_LENGTH.pack(len(answer)) + answer)
    while view:
        view = view[os.write(fd, view) :]
