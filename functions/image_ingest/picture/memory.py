"""How much of a function's memory one picture may take, in bytes."""

from __future__ import annotations

MIB = 2**20
RUNTIME_BYTES = 160 * MIB  # Lambda's Python, boto3, the fork server with Pillow and this function, before any picture
WORKING_BYTES = 24 * MIB  # strips, decoder tables, colour transforms: the least that any picture takes
_LEAST_BYTES = 16 * MIB
MOST_TOUCHED_BYTES = 16 * MIB
_TOUCHED_BYTES = 24  # for each pixel of the bounds: what photos take on their way there, measured


def leave_memory(function_memory: int, source: int) -> int:
    """What decoding may take: what the runtime and a source of this size leave."""
    return max(function_memory - RUNTIME_BYTES - source, _LEAST_BYTES)


def foresee_touched(width: int, height: int) -> int:
    """What decoding and resizing a photo to these bounds will touch: no limit, a forecast."""
    return min(_TOUCHED_BYTES * width * height, MOST_TOUCHED_BYTES)


def limit_source(function_memory: int) -> int:
    """The largest source that can be held and decoded."""
    return max(function_memory - RUNTIME_BYTES - WORKING_BYTES, _LEAST_BYTES)
