"""Six real processes call one SuperOffice, and share the rate limit through the embedded DynamoDB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sandbox.aws import EmbeddedAws, start_aws
from sandbox.superoffice import StandIn
from tests import ROOT

PROCESSES, CALLS, RUNS = 6, 13, 4
START_SECONDS = 8.0  # for the imports of six processes at once


def count_most_in_a_second(times: list[float]) -> int:
    return max(bisect_left(times, at + 1) - index for index, at in enumerate(times))


@contextmanager
def take_priority() -> Iterator[None]:
    """On a busy machine, this thread and the processes and threads that it starts run first, if root runs the test."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    if os.geteuid() == 0:
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, -15)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)


def measure(aws: EmbeddedAws) -> tuple[list[float], int]:
    """When the calls of six processes arrived, and how many slots they took; for a tenant of its own."""
    with StandIn() as superoffice:
        secret = superoffice.secret("basic")
        name = f"superoffice-{time.time_ns()}"
        aws.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(secret))
        environment = {
            **aws.environment(),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}",
            "SUPEROFFICE_SECRET_ID": name,
            "LEDGER_TABLE_NAME": "ledger",
            "DEAD_LETTER_QUEUE_URL": "unused",
        }
        begins = time.time() + START_SECONDS
        command = [sys.executable, "-m", "tests.support.calling_process", str(begins), str(CALLS)]
        processes = [
            subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(PROCESSES)
        ]
        slots = sum(int(process.communicate(timeout=90)[0]) for process in processes)
        arrivals = sorted(call.at for call in superoffice.find_calls("PUT", "Person/2/"))
    assert len(arrivals) == PROCESSES * CALLS
    return arrivals, slots


def test_six_processes_use_the_limit_and_never_more() -> None:
    """A busy machine wakes processes too late for some slots, which count as used, and its SuperOffice counts late.

    So each run keeps to what any clocks guarantee, and one of them to what clocks that agree do.
    """
    runs: list[tuple[int, float]] = []
    with take_priority(), start_aws() as aws:
        aws.client("dynamodb").create_table(
            TableName="ledger",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "target", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "target", "AttributeType": "S"}],
        )
        while len(runs) < RUNS and not any(most <= 11 and rate >= 9.5 for most, rate in runs):
            arrivals, slots = measure(aws)
            runs.append((count_most_in_a_second(arrivals), (slots - 1) / (arrivals[-1] - arrivals[0])))
            assert runs[-1][0] <= 12
    assert any(most <= 11 and rate >= 9.5 for most, rate in runs), runs
