"""Measures uploads per second, the time of one upload, billed time and cost of the built function: `make bench`.

One to ten workers, each a Lambda environment of its own, empty a queue while SuperOffice takes 300 ms a PUT. Their
photos have 2 megapixels, so that this machine, which also plays AWS, is not what is measured; time and cost are for 12.
"""

from __future__ import annotations

import re
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from image_ingest.ledger import Table, TableSlots
from image_ingest.superoffice import SlotRequest
from sandbox.aws import DeployedStack, EmbeddedAws, start_aws
from sandbox.lambda_runtime import Built, Emulator, build_if_changed, this_machine
from sandbox.superoffice import StandIn
from tests.benchmarks.lambda_report import machine, table, write
from tests.benchmarks.photos import photo_file
from tests.lambda_runtime.trigger import Trigger, emulator, take_over

PUT_SECONDS = 0.3
UPLOADS_PER_WORKER = 8
SINGLE_PHOTOS = 5
MEMORY_GIB = 1
# US dollars by AWS's price lists for us-east-1, without free tiers
GIB_SECOND = {"arm64": 0.0000133334, "x86_64": 0.0000166667}
PER_MILLION_UPLOADS = {
    "Lambda requests": 0.20,
    "S3: HEAD and GET": 2 * 0.40,
    "SQS: send, receive, delete": 3 * 0.40,
    "DynamoDB: 1 read, 2 writes": 0.125 + 2 * 0.625,
    "DynamoDB: the slot, 1 write (2 if workers compete)": 0.625,
    "CloudWatch Logs: 2 KB": 2 * 0.50,
}


@dataclass(frozen=True)
class Run:
    """What one run showed."""

    workers: int
    uploads: int
    seconds: float
    billed: Sequence[int]
    calls: int
    busiest_second: int


@dataclass(frozen=True)
class Single:
    """Milliseconds of one photo in a quiet stack, and of the write that takes a slot; medians."""

    cold: int
    warm: int
    slot: float


class Worker:
    """One Lambda environment with its own trigger."""

    def __init__(self, stack: DeployedStack, environment: Emulator, name: str) -> None:
        self._trigger = Trigger(stack, environment, name)
        self._environment = environment
        self.billed: list[int] = []

    def work_until_empty(self) -> None:
        """Takes one upload at a time."""
        while self.work_once():
            pass

    def work_once(self) -> bool:
        """Takes one upload; False if there is none."""
        records = self._trigger.receive(wait=1)
        if records:
            self._environment.news()
            self._trigger.settle(records, *self._environment.invoke({"Records": records}))
            self.billed += _billed(self._environment.news())
        return bool(records)


def _billed(lines: Sequence[str]) -> list[int]:
    return [int(match[1]) for line in lines if (match := re.search(r"Billed Duration: (\d+) ms", line))]


@contextmanager
def working(
    aws: EmbeddedAws, superoffice: StandIn, built: Built, workers: int, *, rate: int, megapixels: int
) -> Iterator[Stage]:
    """A stack of its own with that many warm workers."""
    parameters = {"SuperOfficeCallsPerSecond": str(rate), "MaxConcurrency": str(max(2, workers))}
    stack = aws.deploy(parameters, stack_name=f"throughput-{workers}-{rate}")
    stack.put_secret(superoffice.secret("basic"))
    environment = take_over(stack)
    with ExitStack() as running:
        crew = [
            Worker(stack, running.enter_context(emulator(built, stack, environment)), str(number))
            for number in range(workers)
        ]
        stage = Stage(stack, superoffice, crew, photo_file(megapixels).read_bytes(), environment)
        stage.run(2 * workers)  # warms up, and takes S3's test event
        yield stage


@dataclass
class Stage:
    """A stack, and who works for it."""

    stack: DeployedStack
    superoffice: StandIn
    crew: Sequence[Worker]
    photo: bytes
    environment: Mapping[str, str]
    _uploaded: int = 0

    def upload(self) -> None:
        """Puts a photo for another person."""
        self._uploaded += 1
        self.stack.aws.client("s3").put_object(
            Bucket=self.stack.outputs["UploadBucketName"],
            Key=f"{self._uploaded}.jpg",
            Body=self.photo,
            Metadata={"entity-type": "person", "entity-id": str(self._uploaded)},
        )

    def run(self, uploads: int) -> Run:
        """Uploads that many photos and works them off."""
        for _ in range(uploads):
            self.upload()
        for worker in self.crew:
            worker.billed.clear()
        self.superoffice.state.calls.clear()
        with ThreadPoolExecutor(len(self.crew)) as pool:
            list(pool.map(Worker.work_until_empty, self.crew))
        return self._measured(uploads)

    def _measured(self, uploads: int) -> Run:
        calls = self.superoffice.calls
        times = sorted(call.at for call in self.superoffice.find_calls("PUT"))
        billed = [milliseconds for worker in self.crew for milliseconds in worker.billed]
        busiest = self.superoffice.most_calls_in_any_second
        return Run(len(self.crew), uploads, times[-1] - times[0], billed, len(calls), busiest)


def measure_single(stage: Stage, built: Built) -> Single:
    """One photo at a time, from its notification to its blob id: the invocation, with and without the init phase."""
    environment = stage.environment
    cold, warm = [], []
    for number in range(SINGLE_PHOTOS):
        time.sleep(1)  # nobody has called for a while
        stage.upload()
        began = time.perf_counter()
        with emulator(built, stage.stack, environment) as new:
            Worker(stage.stack, new, f"cold-{number}").work_once()
            cold.append(time.perf_counter() - began)
        time.sleep(1)
        stage.upload()
        began = time.perf_counter()
        stage.crew[0].work_once()
        warm.append(time.perf_counter() - began)
    return Single(_to_milliseconds(cold), _to_milliseconds(warm), measure_slot(stage.stack))


def measure_slot(stack: DeployedStack) -> float:
    """Milliseconds of one write that takes a slot."""
    slots = TableSlots(Table(stack.aws.client("dynamodb"), stack.outputs["LedgerTableName"]), "benchmark")
    times = []
    for number in range(1, 31):
        began = time.perf_counter()
        slots.restart(SlotRequest(now=number, earliest=number, latest=number, fresh=number, gap=0.5))
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def _to_milliseconds(seconds: Sequence[float]) -> int:
    return round(1000 * statistics.median(seconds))


def measure(built: Built, workers: Sequence[int]) -> tuple[list[Run], Run, Single]:
    """A run for each number of workers within the rate limit, one worker without, and single photos."""
    with StandIn() as superoffice, start_aws() as aws:
        superoffice.fail(None, delay=PUT_SECONDS, stores=True, method="PUT")
        runs = []
        for number in workers:
            with working(aws, superoffice, built, number, rate=10, megapixels=2) as stage:
                runs.append(stage.run(UPLOADS_PER_WORKER * number))
        with working(aws, superoffice, built, 1, rate=1000, megapixels=12) as stage:
            return runs, stage.run(UPLOADS_PER_WORKER), measure_single(stage, built)


def report(runs: Sequence[Run], alone: Run, single: Single) -> str:
    """The tables, in Markdown."""
    rows = [
        [
            run.workers,
            f"{(run.uploads - 1) / run.seconds:.1f}",
            _median(run),
            f"{run.calls / run.uploads:.2f}",
            run.busiest_second,
        ]
        for run in runs
    ]
    head = ["workers", "uploads a second", "billed ms an upload", "calls an upload", "most calls in any second"]
    costs = {"Lambda time, arm64": _lambda_cost(alone), **PER_MILLION_UPLOADS}
    prices = [[what, f"{dollars:.2f}"] for what, dollars in costs.items()]
    where = f"{machine()}, the whole sandbox on it. SuperOffice takes {1000 * PUT_SECONDS:.0f} ms a PUT"
    return "\n\n".join(
        [
            f"{where} and allows 10 calls a second; photos of 2 megapixels.",
            table(head, rows),
            (
                f"One photo of 12 megapixels in a quiet stack takes {single.warm} ms from notification to blob id "
                f"in a warm worker, and {single.cold} ms in a cold one; SuperOffice's {1000 * PUT_SECONDS:.0f} ms are "
                f"included. The write that takes a slot takes {single.slot:.0f} ms here."
            ),
            (
                f"Without waiting, a photo of 12 megapixels is billed {_median(alone)} ms, SuperOffice's included. "
                "A million cost, in US dollars:"
            ),
            table(["what", "US$"], [*prices, ["**together**", f"**{sum(costs.values()):.2f}**"]]),
        ]
    )


def _median(run: Run) -> int:
    return round(statistics.median(run.billed))


def _lambda_cost(run: Run) -> float:
    return _median(run) / 1000 * MEMORY_GIB * GIB_SECOND["arm64"] * 1_000_000


def main(arguments: Sequence[str]) -> int:
    workers = [int(word) for word in arguments] or [1, 2, 5, 10]
    runs, alone, single = measure(build_if_changed(this_machine()), workers)
    text = report(runs, alone, single)
    sys.stdout.write(text + "\n")
    if len(workers) > 1:
        write("throughput", text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
