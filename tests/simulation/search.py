"""Looks for a history that breaks a promise, and makes it short enough to read.

`python -m tests.simulation.search SECONDS` looks for longer than the tests do.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count, takewhile
from typing import Any

from tests.simulation.model import Code, history
from tests.simulation.promises import PromiseBroken

_LENGTHS = (100, 200, 400)
_TRIES = 3000


def numbers(seed: int) -> list[int]:
    """What happens in the history of this number."""
    draw = random.Random(seed)
    return [draw.randrange(2**16) for _ in range(draw.choice(_LENGTHS))]


def broken(choices: Sequence[int], code: Code | None = None, focus: Mapping[str, Any] | None = None) -> str | None:
    """The history as text if it breaks a promise."""
    try:
        history(choices, code, focus)
    except PromiseBroken as promise:
        return str(promise)
    return None


def search(seeds: Iterable[int], code: Code | None = None, focus: Mapping[str, Any] | None = None) -> list[int] | None:
    """The first history that breaks a promise."""
    return next((numbers(seed) for seed in seeds if broken(numbers(seed), code, focus)), None)


def shortened(choices: list[int], breaks: Callable[[list[int]], object]) -> list[int]:
    """The same failure with fewer choices and plainer ones."""
    tries = 0
    for size in (64, 16, 4, 1, 1):
        start = 0
        while start < len(choices) and tries < _TRIES:
            before, after = choices[:start], choices[start + size :]
            zeros = [0] * len(choices[start : start + size])
            plainer = [before + after] + ([before + zeros + after] if any(choices[start : start + size]) else [])
            tries += len(plainer)
            found = next((shorter for shorter in plainer if breaks(shorter)), None)
            choices, start = (choices, start + size) if found is None else (found, start)
    return choices


def main() -> int:
    """Searches for the seconds named on the command line; prints what it found."""
    end = time.monotonic() + float(sys.argv[1])
    first = time.time_ns()
    seeds = takewhile(lambda _: time.monotonic() < end, count(first))
    found = search(seeds)
    print("No history breaks a promise." if found is None else broken(shortened(found, broken)))  # noqa: T201  # a command
    return found is not None


if __name__ == "__main__":
    sys.exit(main())
