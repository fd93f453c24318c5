"""The rate limit in virtual time: any interleaving of workers, clocks that differ, slow and lost responses."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain, count, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred
from image_ingest.superoffice import MemorySlots, RateLimit, SlotItem, SlotRequest, Slots
from image_ingest.superoffice.rate_limit import CLOCK_SPREAD, Rate
from tests.simulation.virtual import Task

BEGINNING = 1_791_200_000.0
HOURS = 7200.0
MOST_STEPS = 20_000


def most_in_any_second(times: list[float]) -> int:
    times = sorted(times)
    return max((bisect_left(times, at + 1) - index for index, at in enumerate(times)), default=0)


def join(starts: list[list[float]]) -> list[float]:
    return sorted(chain.from_iterable(starts))


class Simulation:
    """True time, and workers that run one at a time up to their next wait."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Task | Callable[[], None]]] = []
        self._serial = count()
        self._running: Task | None = None

    def start(self, at: float, run: Callable[[], None]) -> None:
        self._at(at, Task("worker", HOURS, run))

    def wait(self, seconds: float) -> None:
        assert self._running is not None
        self._at(self.now + seconds, self._running)
        self._running.pause()

    def later(self, seconds: float, effect: Callable[[], None]) -> None:
        self._at(self.now + seconds, effect)

    def run(self) -> None:
        for step in count():
            if not self._due:
                return
            assert step < MOST_STEPS, "a worker never starts its call"
            self.now, _, due = heapq.heappop(self._due)
            if not isinstance(due, Task):
                due()
                continue
            self._running = due
            due.resume()
            if due.error is not None:
                raise due.error

    def _at(self, moment: float, what: Task | Callable[[], None]) -> None:
        heapq.heappush(self._due, (moment, next(self._serial), what))


@dataclass
class Network:
    """The item as one worker reaches it: `trips` are (seconds there, seconds back, how it goes), in turns."""

    simulation: Simulation
    slots: Slots
    trips: list[tuple[float, float, str]]
    calls: int = 0
    fails: bool = False

    def append(self, request: SlotRequest) -> tuple[bool, SlotItem]:
        return self._trip(lambda: self.slots.append(request))

    def restart(self, request: SlotRequest) -> tuple[bool, SlotItem]:
        return self._trip(lambda: self.slots.restart(request))

    def block(self, until: float, code: str, now: float) -> tuple[bool, SlotItem]:
        return self._trip(lambda: self.slots.block(until, code, now))

    def _trip(self, write: Callable[[], tuple[bool, SlotItem]]) -> tuple[bool, SlotItem]:
        there, back, how = self.trips[self.calls % len(self.trips)]
        self.calls += 1
        self.simulation.wait(there)
        if self.fails:
            raise Deferred("aws.unavailable", "AWS refused writing the rate limit: ThrottlingException.")
        if how == "late":
            self.simulation.later(1.0, lambda: self._apply(write))
            raise Deferred("aws.unavailable", "AWS did not answer.")
        answer = write()
        if how == "twice":
            answer = write()
        self.simulation.wait(back)
        if how == "lost":
            raise Deferred("aws.unavailable", "AWS did not answer.")
        return answer

    @staticmethod
    def _apply(write: Callable[[], tuple[bool, SlotItem]]) -> None:
        write()


@dataclass
class Worker:
    """One process: its clock, its way to the item, when it starts, and how it spends its calls."""

    ahead: float = 0.0
    begins: float = 0.0
    trips: list[tuple[float, float, str]] = field(default_factory=lambda: [(0.002, 0.003, "fine")])
    calls: int = 20
    pauses: list[float] = field(default_factory=lambda: [0.0])
    oversleeps: list[float] = field(default_factory=lambda: [0.0])


def run(workers: list[Worker], rate: float) -> list[list[float]]:
    """The true times at which each worker's calls started."""
    simulation, item = Simulation(), MemorySlots()
    starts: list[list[float]] = []

    def work(worker: Worker, mine: list[float]) -> None:
        sleeps = count()

        def clock() -> float:
            return BEGINNING + simulation.now + worker.ahead

        def sleep(seconds: float) -> None:
            simulation.wait(seconds + worker.oversleeps[next(sleeps) % len(worker.oversleeps)])

        limit = RateLimit(Network(simulation, item, worker.trips), rate, rate / 5, clock=clock, sleep=sleep)
        for number in range(worker.calls):
            limit.await_slot(Deadline(HOURS, clock))
            mine.append(simulation.now)
            simulation.wait(worker.pauses[number % len(worker.pauses)])

    for worker in workers:
        mine: list[float] = []
        starts.append(mine)
        simulation.start(worker.begins, lambda worker=worker, mine=mine: work(worker, mine))  # type: ignore[misc]
    simulation.run()
    return starts


trips = st.tuples(st.floats(0, 0.3), st.floats(0, 0.3), st.sampled_from([*["fine"] * 6, "twice", "lost", "late"]))
# after a trip that fails comes one that does not, as the fixed share is another test
careful_trips = st.lists(trips, min_size=1, max_size=4).map(
    lambda drawn: [trip for bad in drawn for trip in (bad, (bad[0], bad[1], "fine"))]
)
workers_of_any_kind = st.builds(
    Worker,
    ahead=st.sampled_from([0, CLOCK_SPREAD]) | st.floats(0, CLOCK_SPREAD),
    begins=st.sampled_from([0, 0.5]) | st.floats(0, 2),
    trips=st.just([(0.0, 0.0, "fine")]) | careful_trips,
    calls=st.integers(1, 25),
    pauses=st.just([0.0]) | st.lists(st.floats(0, 1), min_size=1, max_size=4),
    oversleeps=st.lists(st.sampled_from([0, 0.024, 0.1]) | st.floats(0, 0.2), min_size=1, max_size=4),
)


@given(st.lists(workers_of_any_kind, min_size=1, max_size=8), st.sampled_from([0.5, 1, 2, 5, 7.5, 9, 10]))
@settings(max_examples=150, derandomize=True, deadline=None)
def test_no_second_holds_more_than_the_limit_and_two(workers: list[Worker], rate: float) -> None:
    starts = run(workers, rate)
    assert sum(map(len, starts)) == sum(worker.calls for worker in workers)
    assert most_in_any_second(join(starts)) <= math.ceil(rate) + 2


@pytest.mark.parametrize("late", [0.0, 0.024, 0.03, 0.1, 0.3])
def test_the_bound_holds_where_it_is_tightest(late: float) -> None:
    """Ten calls by slow clocks start late, then fast clocks fill the second."""
    slow = [Worker(calls=1, oversleeps=[late, 0.0], trips=[(0.0, 0.0, "fine")]) for _ in range(10)]
    fast = [Worker(ahead=CLOCK_SPREAD, begins=0.001, calls=2, trips=[(0.0, 0.0, "fine")]) for _ in range(10)]
    most = most_in_any_second(join(run([*slow, *fast], 10)))
    assert most <= 12
    assert most >= 11 or late > 0.0245  # later calls take new slots


@pytest.mark.parametrize("number", [4, 5, 10, 40])
def test_the_limit_is_used_to_98_percent_by_any_number_of_workers_that_need_it(number: int) -> None:
    starts = join(run([Worker(calls=200 // number, pauses=[0.3]) for _ in range(number)], 10))
    middle = starts[10:-10]
    assert (len(middle) - 1) / (middle[-1] - middle[0]) == pytest.approx(9.8 if number > 4 else 9.7, abs=0.15)
    assert most_in_any_second(starts) <= 10


def test_nobody_waits_while_nobody_else_calls() -> None:
    """A lone worker starts as soon as its write has a response, from its first call on."""
    (starts,) = run([Worker(calls=30, pauses=[0.15, 0.4, 3.0])], 10)
    asked = [0.0, *(start + pause for start, pause in zip(starts, [0.15, 0.4, 3.0] * 10, strict=True))]
    assert all(start - ask < 0.016 for start, ask in zip(starts, asked, strict=False))


def test_a_lone_worker_may_use_the_whole_limit() -> None:
    (starts,) = run([Worker(calls=50)], 10)
    assert 49 / (starts[-1] - starts[0]) == pytest.approx(9.8, abs=0.05)


@pytest.mark.parametrize("wrong", [-600.0, 600.0])
def test_a_clock_that_is_wrong_by_minutes_delays_nobody(wrong: float) -> None:
    laptop = Worker(ahead=wrong, calls=3, pauses=[1.0])
    others = [Worker(begins=0.5 + number, calls=3, pauses=[5.0]) for number in range(3)]
    starts = run([laptop, *others], 10)
    assert starts[0][-1] < 2.5
    assert [mine[0] for mine in starts[1:]] == pytest.approx([0.5, 1.5, 2.5], abs=0.15)


def test_a_call_that_always_wakes_late_gets_a_longer_slot() -> None:
    starts = join(run([Worker(calls=10, oversleeps=[0.15]) for _ in range(3)], 10))
    assert len(starts) == 30
    assert most_in_any_second(starts) <= 12
    assert starts[-1] < 15


@dataclass
class Setup:
    """One process with a clock that the test turns, on an item that the test may look at or break."""

    now: float = BEGINNING
    late: float = 0.0
    slots: MemorySlots = field(default_factory=MemorySlots)
    slept: list[float] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    failure: str | None = None

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds + self.late

    def limit(self, rate: float = 10, share: float = 2) -> RateLimit:
        return RateLimit(self, rate, share, warn=self.warnings.append, clock=self.clock, sleep=self.sleep)

    def deadline(self, seconds: float = 60) -> Deadline:
        return Deadline(seconds, self.clock)

    def starts(self, limit: RateLimit, calls: int) -> list[float]:
        started = []
        for _ in range(calls):
            limit.await_slot(self.deadline())
            started.append(self.now)
        return started

    def append(self, request: SlotRequest) -> tuple[bool, SlotItem]:
        return self._write("append", lambda: self.slots.append(request))

    def restart(self, request: SlotRequest) -> tuple[bool, SlotItem]:
        return self._write("restart", lambda: self.slots.restart(request))

    def block(self, until: float, code: str, now: float) -> tuple[bool, SlotItem]:
        return self._write("block", lambda: self.slots.block(until, code, now))

    def _write(self, name: str, write: Callable[[], tuple[bool, SlotItem]]) -> tuple[bool, SlotItem]:
        self.writes.append(name)
        if self.failure is not None:
            raise Deferred(self.failure, "AWS refused writing the rate limit: ThrottlingException.")
        return write()


def test_a_call_is_one_write_alone_and_at_most_two_with_others() -> None:
    setup = Setup()
    mine, other = setup.limit(), setup.limit()
    for _ in range(5):
        setup.now += 1
        mine.await_slot(setup.deadline())
    assert setup.writes == ["restart"] * 5
    setup.writes.clear()
    for _ in range(5):
        mine.await_slot(setup.deadline())
        other.await_slot(setup.deadline())
    assert len(setup.writes) <= 12


@pytest.mark.parametrize("seconds", [5, 10.5])
def test_a_slot_that_leaves_no_half_second_before_the_deadline_is_not_taken(seconds: float) -> None:
    setup = Setup()
    slow = setup.limit(rate=0.1)
    slow.await_slot(setup.deadline())
    before = setup.now
    with pytest.raises(Deferred) as caught:
        slow.await_slot(setup.deadline(seconds))
    assert caught.value.code == "worker.out-of-time"
    assert setup.now == before
    setup.now += 10.3
    slow.await_slot(setup.deadline(5))
    assert setup.now < before + 10.4


def test_no_slot_is_taken_in_the_last_half_second() -> None:
    setup = Setup()
    with pytest.raises(Deferred) as caught:
        setup.limit().await_slot(setup.deadline(0.4))
    assert (caught.value.code, setup.writes) == ("worker.out-of-time", [])


def test_a_connection_is_made_ready_again_towards_the_end_of_a_long_wait() -> None:
    setup = Setup()
    limit = setup.limit(rate=0.05)
    prepared: list[tuple[float, float]] = []
    for _ in range(2):
        limit.await_slot(setup.deadline(), lambda ahead: prepared.append((setup.now, ahead)))
    assert [ahead for _, ahead in prepared] == [0, 0, 0.5]
    assert setup.now - prepared[-1][0] == pytest.approx(0.5)


def test_a_call_that_misses_its_slot_takes_a_new_one() -> None:
    setup = Setup(late=0.11)
    limit = setup.limit(rate=5)
    limit.await_slot(setup.deadline())
    assert len(setup.slept) == 3  # the third slot was longer
    setup.late = 0.0
    setup.slept.clear()
    limit.await_slot(setup.deadline())
    assert len(setup.slept) == 1


def test_retry_after_holds_back_everyone_with_the_same_code_and_without_a_write() -> None:
    setup = Setup()
    refused, other, late_comer = setup.limit(), setup.limit(), setup.limit()
    refused.await_slot(setup.deadline())
    refused.block(60, "superoffice.rate-limited")
    other_writes = len(setup.writes)
    for limit in (refused, other, other, late_comer):
        with pytest.raises(Deferred) as caught:
            limit.await_slot(setup.deadline())
        assert caught.value.code == "superoffice.rate-limited"
        assert caught.value.retry_after == pytest.approx(60, abs=0.1)
    assert len(setup.writes) == other_writes + 2  # one by each that did not know
    setup.now += 60
    assert len(setup.starts(late_comer, 3) + setup.starts(refused, 3)) == 6


def test_a_block_lasts_at_most_15_minutes_and_a_shorter_one_does_not_end_it() -> None:
    setup = Setup()
    setup.limit().block(86_400, "superoffice.unavailable")
    setup.limit().block(5, "superoffice.rate-limited")
    with pytest.raises(Deferred) as caught:
        setup.limit().await_slot(setup.deadline())
    assert caught.value.code == "superoffice.unavailable"
    assert caught.value.retry_after == pytest.approx(900)
    setup.now += 901
    setup.limit().await_slot(setup.deadline())


def test_a_block_that_cannot_be_shared_holds_back_its_own_worker_which_says_so() -> None:
    setup = Setup(failure="aws.denied")
    limit = setup.limit()
    limit.block(60, "superoffice.rate-limited")
    assert len(setup.warnings) == 1
    assert "Other workers were not told to pause" in setup.warnings[0]
    with pytest.raises(Deferred) as caught:
        limit.await_slot(setup.deadline())
    assert caught.value.code == "superoffice.rate-limited"


def test_a_call_that_waits_for_its_slot_hears_of_a_block() -> None:
    setup = Setup()
    limit = setup.limit(rate=1)
    limit.await_slot(setup.deadline())
    sleep = setup.sleep

    def sleep_while_another_thread_is_refused(seconds: float) -> None:
        sleep(seconds / 2)
        limit.block(30, "superoffice.rate-limited")
        sleep(seconds / 2)

    limit._sleep = sleep_while_another_thread_is_refused
    with pytest.raises(Deferred):
        limit.await_slot(setup.deadline())


@pytest.mark.parametrize("failure", ["aws.unavailable", "aws.denied"])
def test_without_the_item_a_worker_keeps_to_its_fixed_share_and_says_so_once(failure: str) -> None:
    setup = Setup()
    limit = setup.limit(rate=10, share=2)
    setup.starts(limit, 2)
    setup.failure = failure
    starts = setup.starts(limit, 20)
    assert min(later - earlier for earlier, later in pairwise(starts)) == pytest.approx(0.51, abs=0.01)
    assert len(setup.warnings) == 1
    assert "fixed share" in setup.warnings[0]
    setup.starts(limit, 80)
    assert len(setup.warnings) == 1
    setup.failure = None
    setup.now += 31
    assert setup.starts(limit, 11)[-1] - setup.now == 0
    assert min(later - earlier for earlier, later in pairwise(setup.starts(limit, 5))) < 0.11


@pytest.mark.parametrize("seconds", [5, 10.5])
def test_a_fixed_share_also_ends_with_the_deadline_and_knows_of_blocks(seconds: float) -> None:
    setup = Setup(failure="aws.unavailable")
    limit = setup.limit(rate=1, share=0.1)
    with pytest.raises(Deferred) as caught:
        limit.await_slot(setup.deadline(seconds))
    assert caught.value.code == "worker.out-of-time"
    limit.block(60, "superoffice.unavailable")
    with pytest.raises(Deferred) as caught:
        limit.await_slot(setup.deadline(50))
    assert caught.value.code == "superoffice.unavailable"


def test_a_worker_whose_clock_is_slow_keeps_to_its_fixed_share_too() -> None:
    others, setup = Setup(now=BEGINNING + 10), Setup()
    setup.slots = others.slots
    others.starts(others.limit(), 1)
    limit = setup.limit(rate=10, share=2)
    setup.starts(limit, 1)
    setup.failure = "aws.unavailable"
    starts = setup.starts(limit, 5)
    assert [later - earlier for earlier, later in pairwise(starts)] == pytest.approx([0.51] * 4, abs=0.01)


@dataclass
class Boundary:
    """An item whose next free slot is exactly the earliest that the caller accepts."""

    restarted: bool = False

    def append(self, request: SlotRequest) -> tuple[bool, SlotItem]:
        return True, SlotItem(next_slot=request.earliest)

    def restart(self, request: SlotRequest) -> tuple[bool, SlotItem]:
        assert not self.restarted, "the write is sent again and again"
        self.restarted = True
        return False, SlotItem(next_slot=request.earliest)

    def block(self, until: float, code: str, now: float) -> tuple[bool, SlotItem]:
        raise AssertionError


def test_a_slot_at_exactly_the_earliest_time_is_taken() -> None:
    setup = Setup()
    RateLimit(Boundary(), 10, 2, clock=setup.clock, sleep=setup.sleep).await_slot(setup.deadline())
    assert setup.now == BEGINNING


@pytest.mark.parametrize(("rate", "tolerance"), [(1, 0.1), (5, 0.1), (10, 0.0245), (9.5, 0.088), (100, 0.02)])
def test_how_late_a_call_may_start(rate: float, tolerance: float) -> None:
    assert Rate.of(rate).tolerance == pytest.approx(tolerance, abs=0.001)
