"""Measures uploads per second, billed time, calls and cost of the built function: `make bench`.

One to five workers, each a Lambda environment of its own, empty a queue while SuperOffice takes 300 ms a PUT. Their
photos have 2 megapixels, so that this machine, which also plays AWS, is not what is measured; time and cost are for 12.
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.aws import DeployedStack, EmbeddedAws, start_aws
from sandbox.lambda_runtime import Built, Emulator, sam_build, this_machine
from sandbox.superoffice import StandIn
from tests.benchmarks.lambda_report import machine, table, write
from tests.benchmarks.photos import photo_file
from tests.lambda_runtime.trigger import Trigger, emulator, take_over

PUT_SECONDS = 0.3
UPLOADS_PER_WORKER = 8
MEMORY_GIB = 1
# US dollars by AWS's price lists for us-east-1, without free tiers
GIB_SECOND = {"arm64": 0.0000133334, "x86_64": 0.0000166667}
PER_MILLION_UPLOADS = {
    "Lambda requests": 0.20,
    "S3: HEAD and GET": 2 * 0.40,
    "SQS: send, receive, delete": 3 * 0.40,
    "DynamoDB: 1 read, 2 writes": 0.125 + 2 * 0.625,
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


class Worker:
    """One Lambda environment with its own trigger."""

    def __init__(self, stack: DeployedStack, environment: Emulator, name: str) -> None:
        self._trigger = Trigger(stack, environment, name)
        self._environment = environment
        self.billed: list[int] = []

    def work_until_empty(self) -> None:
        """Takes one upload at a time."""
        while records := self._trigger.receive(wait=1):
            self._environment.news()
            self._trigger.settle(records, *self._environment.invoke({"Records": records}))
            self.billed += _billed(self._environment.news())


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
        stage = Stage(stack, superoffice, crew, photo_file(megapixels).read_bytes())
        stage.run(2 * workers)  # warms up, and takes S3's test event
        yield stage


@dataclass
class Stage:
    """A stack, and who works for it."""

    stack: DeployedStack
    superoffice: StandIn
    crew: Sequence[Worker]
    photo: bytes
    _uploaded: int = 0

    def run(self, uploads: int) -> Run:
        """Uploads that many photos, each for another person, and works them off."""
        for _ in range(uploads):
            self._uploaded += 1
            self.stack.aws.client("s3").put_object(
                Bucket=self.stack.outputs["UploadBucketName"],
                Key=f"{self._uploaded}.jpg",
                Body=self.photo,
                Metadata={"entity-type": "person", "entity-id": str(self._uploaded)},
            )
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


def measure(built: Built, workers: Sequence[int]) -> tuple[list[Run], Run]:
    """A run for each number of workers under SuperOffice's fair use, and one worker that nothing paces."""
    with StandIn() as superoffice, start_aws() as aws:
        superoffice.fail(None, delay=PUT_SECONDS, stores=True, method="PUT")
        runs = []
        for number in workers:
            with working(aws, superoffice, built, number, rate=10, megapixels=2) as stage:
                runs.append(stage.run(UPLOADS_PER_WORKER * number))
        with working(aws, superoffice, built, 1, rate=1000, megapixels=12) as stage:
            return runs, stage.run(UPLOADS_PER_WORKER)


def report(runs: Sequence[Run], alone: Run) -> str:
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
                f"Unpaced, a photo of 12 megapixels is billed {_median(alone)} ms, those for SuperOffice included. "
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
    workers = [int(word) for word in arguments] or [1, 2, 3, 4, 5]
    with tempfile.TemporaryDirectory() as folder:
        runs, alone = measure(sam_build(Path(folder), this_machine()), workers)
    text = report(runs, alone)
    sys.stdout.write(text + "\n")
    if len(workers) > 1:
        write("throughput", text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
