"""Five workers, each its own environment, against a SuperOffice that counts."""

from __future__ import annotations

import threading
import time

from image_ingest.settings import SuperOfficeSettings
from image_ingest.superoffice.pacing import Pacer
from image_ingest.target import Target
from sandbox.superoffice import StandIn
from tests.support.superoffice_client import Worker

LIMIT, WORKERS, UPLOADS = 10, 5, 3


def test_no_second_holds_more_calls_than_the_limit_from_the_first_burst_on() -> None:
    with StandIn() as so:
        so.rate_limit(LIMIT)
        secret = so.secret("system_user")

        def work(number: int) -> None:
            worker = Worker(secret, SuperOfficeSettings(), pacer=Pacer(LIMIT, WORKERS))
            for _ in range(UPLOADS):
                worker.put(Target("person", number))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(1, WORKERS + 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert so.most_calls_in_any_second <= LIMIT
        assert all(call.status == 200 for call in so.calls)
        assert len(so.calls) == WORKERS * (UPLOADS + 3)
        assert all(len(so.pictures("person", number)) == UPLOADS for number in range(1, WORKERS + 1))


def test_a_call_counts_from_its_sending_however_late_its_answer() -> None:
    pacer = Pacer(1000, 2)
    with StandIn() as so:
        so.fail(1, delay=1.0, stores=True, method="PUT")
        Worker(so.secret("basic"), SuperOfficeSettings(), pacer=pacer).put(Target("person", 1))
        answered = time.monotonic()
    assert pacer._arrivals[-1] < answered - 0.5
