"""How much of a function's memory one picture may take, in bytes."""

from __future__ import annotations

MIB = 2**20
RUNTIME_BYTES = 160 * MIB  # Lambda's Python, boto3, the fork server with Pillow and this function, before any picture
WORKING_BYTES = 24 * MIB  # strips, decoder tables, colour transforms: the least that any picture takes
_LEAST_BYTES = 16 * MIB


def leave_memory(function_memory: int, source: int) -> int:
    """What decoding may take: what the runtime and a source of this size leave."""
    return max(function_memory - RUNTIME_BYTES - source, _LEAST_BYTES)


def limit_source(function_memory: int) -> int:
    """The largest source that can be held and decoded."""
    return max(function_memory - RUNTIME_BYTES - WORKING_BYTES, _LEAST_BYTES)
