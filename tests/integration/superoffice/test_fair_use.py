"""Five workers, each its own environment, against a SuperOffice that counts."""

from __future__ import annotations

import threading

from image_ingest.settings import SuperOfficeSettings
from image_ingest.superoffice import MemorySlots, RateLimits
from image_ingest.target import Target
from sandbox.superoffice import StandIn
from tests.support.superoffice_client import Worker

LIMIT, WORKERS, UPLOADS = 10, 5, 3


def test_no_second_holds_more_calls_than_the_limit_and_one_from_the_first_burst_on() -> None:
    """Logins and states count as much as pictures."""
    settings = SuperOfficeSettings(calls_per_second=LIMIT)
    item = MemorySlots()
    with StandIn() as so:
        secret = so.secret("system_user")

        def work(number: int) -> None:
            worker = Worker(secret, settings, limits=RateLimits(settings, lambda _tenant: item))
            for _ in range(UPLOADS):
                worker.put(Target("person", number))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(1, WORKERS + 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert so.most_calls_in_any_second <= LIMIT + 1
        assert all(call.status == 200 for call in so.calls)
        assert len(so.calls) == WORKERS * (UPLOADS + 3)
        assert all(len(so.pictures("person", number)) == UPLOADS for number in range(1, WORKERS + 1))
