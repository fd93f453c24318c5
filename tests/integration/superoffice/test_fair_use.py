"""Five workers, each its own environment, against a SuperOffice that counts."""

from __future__ import annotations

import socket
import threading
import time

from image_ingest.settings import SuperOfficeSettings
from image_ingest.superoffice import Calls, MemorySlots, RateLimits, SlotItem, SlotRequest
from image_ingest.target import Target
from sandbox.superoffice import StandIn
from tests.support.superoffice_client import Worker, deferred_by
from tests.support.superoffice_sockets import read_request, scripted_server

LIMIT, WORKERS, UPLOADS = 10, 5, 3


class _Watched(MemorySlots):
    """Slots that note whether SuperOffice had a connection, and no request yet, when a slot was taken."""

    def __init__(self, accepted: threading.Event, requested: threading.Event) -> None:
        super().__init__()
        self.noted: list[tuple[bool, bool]] = []
        self._accepted = accepted
        self._requested = requested

    def restart(self, request: SlotRequest) -> tuple[bool, SlotItem]:
        self.noted.append((self._accepted.wait(5), self._requested.is_set()))
        return super().restart(request)


def test_a_slot_is_taken_when_the_connection_is_open_and_before_the_request_is_sent() -> None:
    accepted, requested = threading.Event(), threading.Event()

    def answer(connection: socket.socket, _over: threading.Event) -> None:
        accepted.set()
        read_request(connection)
        requested.set()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n42")

    settings = SuperOfficeSettings()
    slots = _Watched(accepted, requested)
    with scripted_server(answer) as address:
        secret = {"auth": "basic", "base_url": f"{address}/api", "username": "u", "password": "p-w-o-r-d"}
        assert Worker(secret, settings, limits=RateLimits(settings, lambda _tenant: slots)).put() == 42
    assert slots.noted == [(True, False)]


def test_calls_that_were_not_made_do_not_make_a_state_call() -> None:
    """A tenant's address is not in doubt because the rate limit refused a call."""
    settings = SuperOfficeSettings(calls_per_second=0.5)
    with StandIn() as so:
        worker = Worker(so.secret("system_user"), settings)
        worker.put()
        states = len(so.find_calls("GET", "/state/"))
        so.fail(status=429, headers={"Retry-After": "60"})
        for _ in range(3):
            assert deferred_by(worker).code == "superoffice.rate-limited"
        worker.clock.offset += 61
        worker.put()
        assert len(so.find_calls("GET", "/state/")) == states


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


def test_a_connection_that_was_closed_during_the_wait_is_opened_again() -> None:
    """One call, on a new connection: nothing is sent twice."""
    settings = SuperOfficeSettings(calls_per_second=0.5)
    requests = []

    def answer_once_and_close(connection: socket.socket, _over: threading.Event) -> None:
        requests.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n42")
        time.sleep(0.5)  # the next call has its connection by then, and waits for its slot

    with scripted_server(answer_once_and_close) as address:
        secret = {"auth": "basic", "base_url": f"{address}/api", "username": "u", "password": "p-w-o-r-d"}
        worker = Worker(secret, settings, limits=RateLimits(settings))
        calls = Calls()
        assert [worker.put(calls=calls) for _ in range(2)] == [42, 42]
    assert (len(requests), calls.count, calls.in_doubt) == (2, 2, False)
