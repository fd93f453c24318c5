"""Pacing in virtual time: however slow the network and whenever workers wake, no second holds more than the limit."""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred
from image_ingest.superoffice.pacing import Pacer


@dataclass
class VirtualTime:
    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def most_in_any_second(times: list[float]) -> int:
    times = sorted(times)
    return max((bisect_left(times, at + 1) - index for index, at in enumerate(times)), default=0)


def calls_of_one_worker(rate: float, workers: int, wakes: float, latencies: list[tuple[float, float]]) -> list[float]:
    """When SuperOffice sees the calls, each of which takes some seconds and arrives at some part of them."""
    time = VirtualTime(wakes)
    pacer = Pacer(rate, workers, clock=time, sleep=time.sleep, draw=lambda: 0.0)
    seen = []
    for seconds, part in latencies:
        with pacer.turn(Deadline(1e9, time)):
            seen.append(time.now + seconds * part)
            time.now += seconds
    return seen


latencies = st.lists(st.tuples(st.floats(0, 1.5), st.floats(0, 1)), min_size=1, max_size=8)


@given(st.data(), st.integers(2, 6), st.integers(1, 4), st.floats(0, 0.99))
@settings(max_examples=60, derandomize=True, deadline=None)
def test_no_second_holds_more_than_the_limit(data: st.DataObject, workers: int, whole: int, part: float) -> None:
    rate = workers * (whole + part)
    seen: list[float] = []
    for _ in range(workers):
        seen += calls_of_one_worker(rate, workers, data.draw(st.floats(0, 2)), data.draw(latencies))
    assert most_in_any_second(seen) <= rate


def calls_that_say_when_they_are_sent(
    rate: float, workers: int, calls: list[tuple[float, float, float]]
) -> list[float]:
    """When SuperOffice sees calls that are sent after some seconds, arrive up to 0.3 s later, and are then answered."""
    time = VirtualTime()
    pacer = Pacer(rate, workers, clock=time, sleep=time.sleep, draw=lambda: 0.0)
    seen = []
    for before, transit, answer in calls:
        with pacer.turn(Deadline(1e9, time)) as turn:
            turn.sent()  # the head, before the body
            time.now += before
            turn.sent()
            seen.append(time.now + transit)
            time.now += transit + answer
    return seen


sendings = st.tuples(st.floats(0, 1), st.floats(0, 0.3), st.floats(0, 1.5))


@given(st.data(), st.integers(2, 6), st.integers(1, 4), st.floats(0, 0.99))
@settings(max_examples=60, derandomize=True, deadline=None)
def test_nor_does_any_second_when_calls_count_from_their_sending(
    data: st.DataObject, workers: int, whole: int, part: float
) -> None:
    rate = workers * (whole + part)
    seen: list[float] = []
    for _ in range(workers):
        wakes, calls = data.draw(st.floats(0, 2)), data.draw(st.lists(sendings, min_size=1, max_size=8))
        seen += [wakes + at for at in calls_that_say_when_they_are_sent(rate, workers, calls)]
    assert most_in_any_second(seen) <= rate


@pytest.mark.parametrize("answer", [0.3, 0.6])
def test_slow_answers_leave_three_quarters_of_the_budget(answer: float) -> None:
    seen = calls_that_say_when_they_are_sent(10, 5, [(0.01, 0.01, answer)] * 41)
    assert 5 * 40 / (seen[-1] - seen[0]) > 7.4


def test_a_worker_keeps_to_its_share_of_the_rate() -> None:
    seen = calls_of_one_worker(10, 5, 0, [(0.01, 0.0)] * 20)
    gaps = [later - earlier for earlier, later in pairwise(seen)]
    assert min(gaps) >= 0.5
    assert max(gaps) < 0.55


def test_a_replaced_worker_and_its_successor_are_one_worker_to_superoffice() -> None:
    first = calls_of_one_worker(10, 5, 0, [(0.0, 0.0)] * 4)
    second = calls_of_one_worker(10, 5, first[-1], [(0.0, 0.0)] * 4)
    assert most_in_any_second(first + second) <= 2


def test_fewer_calls_a_second_than_workers_start_by_lot() -> None:
    time = VirtualTime()
    pacer = Pacer(2, 5, clock=time, sleep=time.sleep, draw=lambda: 0.5)
    with pacer.turn(Deadline(1e9, time)):
        assert time.now == pytest.approx(pacer.gap * 1.5)
    with pacer.turn(Deadline(1e9, time)):
        assert time.now == pytest.approx(pacer.gap * 2.5)


def test_a_turn_beyond_the_deadline_is_not_waited_for() -> None:
    time = VirtualTime()
    pacer = Pacer(0.1, 5, clock=time, sleep=time.sleep, draw=lambda: 0.0)
    with pytest.raises(Deferred) as caught, pacer.turn(Deadline(20, time)):
        pytest.fail("no turn was due")
    assert caught.value.code == "worker.out-of-time"
    assert time.slept == []


def test_a_worker_makes_one_call_at_a_time() -> None:
    pacer = Pacer(1_000_000, 2)
    under_way, most = 0, 0

    def call() -> None:
        nonlocal under_way, most
        with pacer.turn(Deadline(30)):
            under_way += 1
            most = max(most, under_way)
            threading.Event().wait(0.002)
            under_way -= 1

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_failed_call_counts_too() -> None:
    time = VirtualTime()
    pacer = Pacer(10, 5, clock=time, sleep=time.sleep, draw=lambda: 0.0)
    with pytest.raises(OSError, match="lost"), pacer.turn(Deadline(60, time)):
        raise OSError("lost")
    with pacer.turn(Deadline(60, time)):
        assert time.now == pytest.approx(2 * pacer.gap)
