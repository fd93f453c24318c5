"""The same work on many things by several threads, holding no more of them in memory than are being worked on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")


def in_parallel(work: Callable[[_T], _R], things: Iterable[_T], workers: int) -> Iterator[_R]:
    """What the work gave for each thing, in the order in which it is done. Stops at the first exception."""
    pool = ThreadPoolExecutor(workers)
    under_way: set[Future[_R]] = set()
    try:
        for thing in things:
            under_way.add(pool.submit(work, thing))
            if len(under_way) >= 2 * workers:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while under_way:
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
