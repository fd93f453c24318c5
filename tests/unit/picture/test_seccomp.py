"""The system-call filter, run by an interpreter of the kernel's filter programs: what it allows on each processor."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest

from image_ingest.picture.seccomp import CALLS, HEIF_CALLS, MACHINES, build_program
from tests.pictures.kernel_facts import AUDIT_ARCH, MOST, NUMBERS

ALLOW, KILL_PROCESS, NO_SUCH_CALL = 0x7FFF0000, 0x80000000, 0x00050000 | 38
PROCESSORS = tuple(MACHINES)
FORMATS = {"JPEG": CALLS, "HEIF": CALLS + HEIF_CALLS}
ARGUMENTS = {  # that decoding uses; the others may have any
    "write": (4,),
    "mmap": (0, 4096, 3, 0x22),
    "mprotect": (0, 4096, 3),
    "clone": (0x3D0F00,),
}


def decide(program: bytes, arch: int, number: int, arguments: Sequence[int] = ()) -> int:
    """What the program returns for this call."""
    filled = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=IIQ6Q", number, arch, 0, *filled)
    instructions = list(struct.iter_unpack("=HBBI", program))
    accumulator, at = 0, 0
    while True:
        operation, if_true, if_false, operand = instructions[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, operand)
        elif operation == 0x54:
            accumulator &= operand
        elif operation in (0x15, 0x35):
            is_true = accumulator == operand if operation == 0x15 else accumulator >= operand
            at += if_true if is_true else if_false
        else:
            assert operation == 0x06
            return int(operand)


def number_of(name: str, processor: str) -> int:
    return NUMBERS[name][PROCESSORS.index(processor)]


@pytest.mark.parametrize("processor", PROCESSORS)
def test_the_numbers_are_the_kernels(processor: str) -> None:
    column = MACHINES[processor].column
    assert {call.name: getattr(call, column) for call in CALLS + HEIF_CALLS} | {
        "seccomp": MACHINES[processor].seccomp
    } == {name: number_of(name, processor) for name in NUMBERS}
    assert MACHINES[processor].audit_arch == AUDIT_ARCH[processor]


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize("source_format", FORMATS)
def test_it_allows_the_calls_of_the_table_and_no_other(processor: str, source_format: str) -> None:
    program = build_program(MACHINES[processor], source_format)
    expected = {
        number_of(call.name, processor): NO_SUCH_CALL if call.name == "clone3" else ALLOW
        for call in FORMATS[source_format]
    }
    arguments = {number_of(name, processor): values for name, values in ARGUMENTS.items()}
    for number in range(MOST):
        decision = decide(program, AUDIT_ARCH[processor], number, arguments.get(number, ()))
        assert decision == expected.get(number, KILL_PROCESS), number


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("write", (0,)),
        ("write", (3,)),
        ("write", (5,)),
        ("mmap", (0, 4096, 7, 0x22)),  # executable
        ("mmap", (0, 4096, 1, 0x02, 4)),  # a file
        ("mprotect", (0, 4096, 5)),
        ("clone", (0x11,)),  # a process, as fork makes it
        ("clone", (0x3D0F00 & ~0x10000,)),  # without CLONE_THREAD
        ("clone", (0x3D0F00 | 0x10000000,)),  # in a new user namespace
    ],
)
def test_it_looks_at_the_arguments(processor: str, name: str, arguments: tuple[int, ...]) -> None:
    program = build_program(MACHINES[processor], "HEIF")
    assert decide(program, AUDIT_ARCH[processor], number_of(name, processor), arguments) == KILL_PROCESS


@pytest.mark.parametrize("processor", PROCESSORS)
def test_other_tables_of_calls_are_refused(processor: str) -> None:
    program = build_program(MACHINES[processor], "JPEG")
    futex = number_of("futex", processor)
    assert decide(program, AUDIT_ARCH[processor], futex) == ALLOW
    assert decide(program, AUDIT_ARCH[processor], futex | 0x40000000) == KILL_PROCESS  # x32
    for arch in {*AUDIT_ARCH.values()} - {AUDIT_ARCH[processor]}:
        assert decide(program, arch, futex) == KILL_PROCESS


def test_every_call_has_its_reason() -> None:
    assert all(call.reason for call in CALLS + HEIF_CALLS)
