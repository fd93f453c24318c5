"""Many items in several threads, of which few are in memory at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from image_ingest_cli.parallel import run_parallel


def test_every_item_is_processed_once_and_few_are_read_ahead() -> None:
    taken, ahead = 0, []

    def things() -> Iterator[int]:
        nonlocal taken
        for number in range(500):
            taken += 1
            yield number

    done = []
    for result in run_parallel(lambda number: number * 2, things(), 4):
        done.append(result)
        ahead.append(taken - len(done))
    assert sorted(done) == [number * 2 for number in range(500)]
    assert max(ahead) <= 8


def test_the_first_failure_stops_the_work_and_all_threads() -> None:
    def work(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    before = threading.active_count()
    with pytest.raises(ValueError, match="three"):
        list(run_parallel(work, range(1000), 4))
    assert threading.active_count() == before


def test_a_reader_that_stops_leaves_no_thread() -> None:
    before = threading.active_count()
    results = run_parallel(lambda number: number, iter(range(1000)), 4)
    next(results)
    results.close()  # type: ignore[attr-defined]  # a generator, as seen from here
    assert threading.active_count() == before
