"""The system calls that decoding needs, and the kernel's filter that ends the process at any other one.

The filter is a program of the kernel's classic BPF machine (Documentation/userspace-api/seccomp_filter.rst). It is
installed through ctypes, because Lambda's runtime has no libseccomp.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from dataclasses import dataclass
from functools import cache
from typing import Final

ANSWER_FD = 4
_PRINTED_FDS = (1, 2)  # /dev/null in the child


@dataclass(frozen=True)
class Check:
    """An argument of a call, counted from 0: its lower 32 bits, masked, have to be one of `allowed`."""

    meaning: str
    argument: int
    mask: int
    allowed: tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """One system call: its numbers, why decoding needs it, and what its arguments have to be."""

    name: str
    x86_64: int
    arm64: int
    reason: str
    checks: tuple[Check, ...] = ()
    answer_with: int = 0  # an errno instead of the call


_ANY = 0xFFFFFFFF
_NOT_EXECUTABLE = Check("not executable", 2, 0x4, (0,))  # PROT_EXEC
_ANONYMOUS = Check("memory, never a file", 3, 0x20, (0x20,))  # MAP_ANONYMOUS
_ANSWER_OR_OUTPUT = Check("to the answer's socket, or to `/dev/null`", 0, _ANY, (ANSWER_FD, *_PRINTED_FDS))
# The C library's flags for a thread of this process: memory, files, signals and process id are shared with it.
_THREAD = Check("the flags of a thread", 0, _ANY, (0x3D0F00,))
_NO_SUCH_CALL = 38  # ENOSYS

CALLS: Final = (
    Call("write", 1, 64, "sends the answer; what C libraries print", (_ANSWER_OR_OUTPUT,)),
    Call("mmap", 9, 222, "takes large blocks of memory", (_NOT_EXECUTABLE, _ANONYMOUS)),
    Call("munmap", 11, 215, "gives large blocks of memory back"),
    Call("mremap", 25, 216, "lets a large block grow"),
    Call("brk", 12, 214, "takes small blocks of memory"),
    Call("madvise", 28, 233, "gives unused pages back"),
    Call("futex", 202, 98, "locks of Python and of the decoders"),
    Call("clock_gettime", 228, 113, "the clock, where it is not read without a call"),
    Call("gettimeofday", 96, 169, "the same"),
    Call("restart_syscall", 219, 128, "continues one of these calls after the process was stopped and resumed"),
    Call("exit", 60, 93, "ends a thread"),
    Call("exit_group", 231, 94, "ends the process"),
)

# libde265, which decodes HEIC, computes in a thread of its own. The thread has the same filter.
HEIF_CALLS: Final = (
    Call("clone", 56, 220, "starts the thread; never a process", (_THREAD,)),
    Call(
        "clone3", 435, 435, "refused, as its flags cannot be checked: the C library then uses clone", (), _NO_SUCH_CALL
    ),
    Call("rt_sigprocmask", 14, 135, "holds signals back while the thread starts"),
    Call("set_robust_list", 273, 99, "the thread's locks"),
    Call("rseq", 334, 293, "the thread's current processor"),
    Call("mprotect", 10, 226, "the thread's stack and memory", (_NOT_EXECUTABLE,)),
)


@dataclass(frozen=True)
class Machine:
    """A processor: which of a call's numbers are its own, and the kernel's names for itself and `seccomp`."""

    column: str
    audit_arch: int
    seccomp: int


MACHINES: Final = {
    "x86_64": Machine("x86_64", 0xC000003E, 317),
    "aarch64": Machine("arm64", 0xC00000B7, 277),
}

_KILL_PROCESS, _ALLOW, _ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
_LOAD, _AND, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16  # where struct seccomp_data has them
_FIRST_X32_NUMBER = 0x40000000

_SET_NO_NEW_PRIVS, _SET_MODE_FILTER = 38, 1
# Without it, kernels before 5.16 slow the process down to protect it from reading its own memory.
_ALLOW_SPECULATION = 4

_Instruction = tuple[int, int, int, int]  # operation, jump if true, jump if false, operand


class _Program(ctypes.Structure):
    """The kernel's struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def build_program(machine: Machine, source_format: str) -> bytes:
    """The filter for pictures of this format: the kernel's struct sock_filter, one after the other."""
    kill = (_RETURN, 0, 0, _KILL_PROCESS)
    program = [
        (_LOAD, 0, 0, _ARCH),
        (_JUMP_IF_EQUAL, 1, 0, machine.audit_arch),  # else a 32-bit call
        kill,
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_IF_AT_LEAST, 0, 1, _FIRST_X32_NUMBER),
        kill,
    ]
    for call in CALLS + (HEIF_CALLS if source_format == "HEIF" else ()):
        body = _body(call)
        program += [(_JUMP_IF_EQUAL, 0, len(body), getattr(call, machine.column)), *body]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in [*program, kill])


def _body(call: Call) -> list[_Instruction]:
    """What is done about this call, once it is known to be this one."""
    body: list[_Instruction] = []
    for check in call.checks:
        body += [(_LOAD, 0, 0, _FIRST_ARGUMENT + 8 * check.argument), (_AND, 0, 0, check.mask)]
        left = len(check.allowed)
        body += [(_JUMP_IF_EQUAL, left - i, 0, value) for i, value in enumerate(check.allowed)]
        body.append((_RETURN, 0, 0, _KILL_PROCESS))
    return [*body, (_RETURN, 0, 0, _ERRNO | call.answer_with if call.answer_with else _ALLOW)]


def load() -> None:
    """Does what `confine` needs and what it would forbid: opens the C library and has it read its constants."""
    libc = _libc()
    if libc is not None:
        block = ctypes.create_string_buffer(4096)
        libc.qsort(block, 512, 8, libc.strcmp)  # asks for the size of the machine's memory, once
        libc.printf(b"\n")  # asks what standard output is, once
        libc.fflush(None)


def confine(source_format: str) -> bool:
    """Ends this process at any call that decoding this format does not need. False where the kernel refuses."""
    machine, libc = MACHINES.get(os.uname().machine), _libc()
    if machine is None or libc is None:
        return False
    program = build_program(machine, source_format)
    block = ctypes.byref(_Program(len(program) // 8, program))
    if libc.prctl(*_longs(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) != 0:
        return False
    return any(
        libc.syscall(*_longs(machine.seccomp, _SET_MODE_FILTER, flags), block) == 0 for flags in (_ALLOW_SPECULATION, 0)
    )


def _longs(*numbers: int) -> list[ctypes.c_long]:
    return [ctypes.c_long(number) for number in numbers]


@cache
def _libc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if sys.platform == "linux" and sys.maxsize > 2**32 else None
