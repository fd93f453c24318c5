"""Faults: lost connections, slow and strange responses, the deadline, and what is known of a PUT afterwards."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from image_ingest.errors import Deferred, IngestError, Rejected
from image_ingest.superoffice import Calls
from image_ingest.superoffice.connection import Connections, Request
from image_ingest.timing import Timing
from sandbox.superoffice import StandIn, get_certificate
from tests.support.superoffice_client import (
    PERSON,
    Worker,
    deferred_by,
    picture,
    puts,
    stand_in,  # noqa: F401 - the fixture "so"
    worker_of,
)
from tests.support.superoffice_sockets import Conversation, read_request, scripted_server

ENDLESS = b"5" * 1_000_000  # trickling, it takes longer than any test run


def basic(address: str) -> Worker:
    """A worker whose SuperOffice is at the address."""
    return Worker({"auth": "basic", "base_url": f"{address}/api", "username": "ingest", "password": "secret"})


def test_a_dropped_connection_is_retried_at_once(so: StandIn) -> None:
    worker = worker_of(so)
    so.fail(times=2, drop=True)
    worker.put()
    assert (puts(so), len(so.pictures("person", 123))) == (3, 1)
    assert worker.clock.slept == [0.5, 1.0]


@pytest.mark.parametrize("failure", [{"drop": True}, {"drop": True, "stores": True}, {"garbage": b"SSH-2.0-x\r\n\r\n"}])
def test_a_connection_that_keeps_breaking_leaves_the_put_in_doubt(so: StandIn, failure: dict[str, Any]) -> None:
    so.fail(times=None, **failure)
    calls = Calls()
    worker = worker_of(so)
    lost = deferred_by(worker)
    assert (lost.code, lost.in_doubt, puts(so)) == ("superoffice.unavailable", True, 3)
    with pytest.raises(Deferred):
        worker.put(calls=calls)
    assert (calls.count, calls.host, calls.status) == (3, "127.0.0.1", None)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_an_overloaded_gateway_is_retried_at_once(so: StandIn, status: int) -> None:
    so.fail(times=2, status=status)
    worker_of(so).put()
    so.fail(times=3, status=status)
    refused = deferred_by(worker_of(so))
    assert (refused.code, refused.in_doubt, puts(so)) == ("superoffice.unavailable", False, 6)


@pytest.mark.parametrize("wait", ["0", "120"])
def test_retry_after_is_left_to_the_queue(so: StandIn, wait: str) -> None:
    so.fail(status=503, headers={"Retry-After": wait})
    refused = deferred_by(worker_of(so))
    assert (refused.retry_after, puts(so)) == (float(wait), 1)


@pytest.mark.parametrize("status", [400, 404, 413, 429, 500, 501])
def test_what_a_retry_cannot_solve_is_not_retried(so: StandIn, status: int) -> None:
    so.fail(times=None, status=status)
    with pytest.raises(IngestError):
        worker_of(so).put()
    assert puts(so) == 1


def test_a_loss_stays_in_doubt_if_the_last_response_is_a_temporary_refusal(so: StandIn) -> None:
    so.fail(drop=True)
    so.fail(times=None, status=500)
    refused = deferred_by(worker_of(so))
    assert (refused.code, refused.in_doubt) == ("superoffice.unavailable", True)


def test_a_loss_before_a_refused_login_stays_in_doubt(so: StandIn) -> None:
    worker = worker_of(so, "refresh_token")
    worker.put()
    so.revoke_credentials()
    so.fail(drop=True)
    refused = deferred_by(worker)
    assert (refused.code, refused.in_doubt) == ("credentials.invalid", True)


def test_a_rejection_after_a_loss_is_a_rejection(so: StandIn) -> None:
    so.remove("person", 123)
    so.fail(drop=True)
    with pytest.raises(Rejected) as caught:
        worker_of(so).put()
    assert caught.value.code == "superoffice.bad-request"


def test_a_late_response_is_not_awaited_and_not_requested_again(so: StandIn) -> None:
    so.fail(times=None, delay=60, stores=True)
    late = deferred_by(worker_of(so), seconds=0.8)
    assert (late.code, late.in_doubt, puts(so)) == ("superoffice.unavailable", True, 1)
    assert so.picture("person", 123) is not None


def test_a_put_that_is_carried_out_after_the_time_out(so: StandIn) -> None:
    so.fail(holds=True, delay=60)
    late = deferred_by(worker_of(so), seconds=0.8)
    assert late.in_doubt
    assert so.picture("person", 123) is None
    assert so.complete_held() == 1
    assert so.picture("person", 123) is not None


def test_a_trickling_body_does_not_outlive_the_deadline(so: StandIn) -> None:
    so.fail(body=ENDLESS, trickle=0.05)
    late = deferred_by(worker_of(so), seconds=0.8)
    assert (late.code, late.in_doubt, puts(so)) == ("superoffice.unavailable", True, 1)


def test_trickling_headers_do_not_outlive_the_deadline() -> None:
    def drip(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not over.wait(0.05):
            connection.sendall(b"x")

    with scripted_server(drip) as address:
        late = deferred_by(basic(address), seconds=0.8)
    assert (late.code, late.in_doubt) == ("superoffice.unavailable", True)


def test_a_server_that_never_reads_does_not_outlive_the_deadline() -> None:
    def ignore(connection: socket.socket, over: threading.Event) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        over.wait(30)

    with scripted_server(ignore) as address:
        worker = basic(address)
        image = type(picture())(b"x" * 20_000_000, "image/png")
        with pytest.raises(Deferred) as caught:
            worker.put(image=image, seconds=0.8)
    assert caught.value.in_doubt


def test_a_server_that_reads_too_slowly_does_not_outlive_the_deadline() -> None:
    def sip(connection: socket.socket, over: threading.Event) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with get_certificate().make_server_context().wrap_socket(connection, server_side=True) as encrypted:
            while not over.wait(0.05):
                encrypted.recv(2048)

    with scripted_server(sip) as address:
        document = {"auth": "bearer", "access_token": "token", "ca_bundle": get_certificate().ca_pem}
        worker = Worker(document | {"base_url": address.replace("http:", "https:")})
        image = type(picture())(b"x" * 20_000_000, "image/png")
        with pytest.raises(Deferred) as caught:
            worker.put(image=image, seconds=2)
    assert caught.value.in_doubt


def test_after_a_time_out_a_put_is_not_sent_again_however_much_time_is_left(so: StandIn) -> None:
    so.fail(times=None, delay=60)
    late = deferred_by(Worker(so.secret("basic"), timing=Timing(superoffice_exchange=0.6)))
    assert (late.code, late.in_doubt, puts(so)) == ("superoffice.unavailable", True, 1)


def test_without_time_nothing_is_sent(so: StandIn) -> None:
    early = deferred_by(worker_of(so), seconds=0.2)
    assert (early.code, early.in_doubt, so.calls) == ("worker.out-of-time", False, [])


def test_little_time_means_no_second_try(so: StandIn) -> None:
    so.fail(times=None, status=503)
    deferred_by(worker_of(so), seconds=1.5)
    assert puts(so) == 1


def test_a_connection_kept_open_that_died_meanwhile_is_replaced() -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n59"

    def answer_then_die(connection: socket.socket, _over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(whole)
        read_request(connection)

    def answer(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(whole)
        over.wait(30)

    with scripted_server(answer_then_die, answer) as address:
        worker = basic(address)
        calls = Calls()
        assert worker.put() == 59
        assert worker.put(calls=calls) == 59
    assert calls.count == 2


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n59"


def answer_once_then(rest: Conversation) -> Conversation:
    """One request is answered, and the connection stays open; what comes next on it is the other conversation."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(WHOLE)
        rest(connection, over)

    return talk


def reset(connection: socket.socket, _over: threading.Event) -> None:
    """What a load balancer does to a connection that it has forgotten."""
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def stay_silent(_connection: socket.socket, over: threading.Event) -> None:
    """What a NAT gateway does to a connection that it has forgotten."""
    over.wait(30)


@pytest.mark.parametrize("forgotten", [reset, stay_silent])
def test_a_connection_that_was_idle_for_half_a_minute_is_not_used_again(forgotten: Conversation) -> None:
    with scripted_server(answer_once_then(forgotten), answer_once_then(stay_silent)) as address:
        worker = basic(address)
        worker.put()
        worker.clock.offset += 30
        calls = Calls()
        assert worker.put(calls=calls, seconds=5) == 59
    assert (calls.count, calls.in_doubt) == (1, False)


def test_a_connection_is_reused_before_that() -> None:
    opened: list[bytes] = []

    def answer_twice(connection: socket.socket, over: threading.Event) -> None:
        opened.append(read_request(connection))
        connection.sendall(WHOLE)
        answer_once_then(stay_silent)(connection, over)

    with scripted_server(answer_twice) as address:
        worker = basic(address)
        worker.put()
        worker.clock.offset += 29
        worker.put()
    assert len(opened) == 1


def test_a_connection_is_opened_after_a_wait_that_is_longer_than_a_call_may_take() -> None:
    seconds = 0.05

    def wait_for_slot(prepare: Callable[[float], None]) -> None:
        nonlocal seconds
        time.sleep(0.06)
        seconds = 30
        prepare(0)

    with scripted_server(answer_once_then(stay_silent)) as address:
        connections = Connections(None, Timing(), time.time)
        response = connections.exchange(Request("GET", f"{address}/api"), lambda: seconds, wait_for_slot)
    assert response.body == b"59"


@pytest.mark.parametrize("informational", [100, 102, 103, 199])
def test_informational_responses_are_skipped(informational: int) -> None:
    def inform(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        hint = f"HTTP/1.1 {informational} Wait\r\nLink: </style.css>; rel=preload\r\n\r\n".encode()
        connection.sendall(hint * 3 + WHOLE)
        over.wait(30)

    with scripted_server(inform) as address:
        calls = Calls()
        assert basic(address).put(calls=calls) == 59
    assert (calls.count, calls.status) == (1, 200)


def test_endless_informational_responses_do_not_outlive_the_deadline() -> None:
    def inform(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        while not over.wait(0.01):
            connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")

    with scripted_server(inform) as address:
        assert deferred_by(basic(address), seconds=0.8).in_doubt


def test_an_incomplete_body_is_not_a_response(so: StandIn) -> None:
    so.fail(times=None, body="59", headers={"Content-Length": "50"})
    lost = deferred_by(worker_of(so))
    assert (lost.code, lost.in_doubt) == ("superoffice.unavailable", True)


def test_a_huge_body_is_read_only_in_part(so: StandIn) -> None:
    so.fail(body=b"9" * 30_000_000)
    huge = deferred_by(worker_of(so))
    assert (huge.code, huge.in_doubt) == ("superoffice.unexpected-answer", False)

    so.fail(body=b"59" + b" " * 70_000)
    assert deferred_by(worker_of(so)).code == "superoffice.unexpected-answer"

    def begin_only(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + b"9" * 70_000)
        over.wait(30)

    with scripted_server(begin_only) as address:
        assert deferred_by(basic(address)).code == "superoffice.unexpected-answer"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("auth", ["basic", "system_user"])
def test_redirects_are_never_followed(so: StandIn, auth: str, status: int) -> None:
    so.fail(status=status, headers={"Location": f"{so.url}/trap"}, path="/Image")
    refused = deferred_by(worker_of(so, auth))
    assert refused.code == "superoffice.unexpected-answer"
    assert [call.path for call in so.calls if "trap" in call.path] == []


@pytest.mark.parametrize(
    "body", ["<html><form>Log in</form></html>", "", "null", "0", "-59", "2147483648", "[59]", '{"Message": "hello"}']
)
def test_a_200_without_blob_id_is_retried(so: StandIn, body: str) -> None:
    so.fail(times=None, status=200, body=body)
    assert deferred_by(worker_of(so)).code == "superoffice.unexpected-answer"


@pytest.mark.parametrize("status", [400, 403, 404, 405, 501])
def test_a_proxys_page_is_retried(so: StandIn, status: int) -> None:
    so.fail(times=None, status=status, body="<html><h1>Blocked</h1></html>")
    assert deferred_by(worker_of(so)).code == "superoffice.unexpected-answer"


@pytest.mark.parametrize(
    ("entity", "code"),
    [("person", "superoffice.bad-request"), ("project", "superoffice.not-found"), ("contact", "superoffice.not-found")],
)
def test_unknown_records(so: StandIn, entity: str, code: str) -> None:
    target = type(PERSON)(entity, 5)  # type: ignore[arg-type]  # one of the four
    so.remove(entity, 5)
    with pytest.raises(Rejected) as caught:
        worker_of(so, "system_user").put(target)
    assert caught.value.code == code


def test_cookies_are_not_kept(so: StandIn) -> None:
    worker = worker_of(so)
    so.fail(status=500, headers={"Set-Cookie": "tracking=1; Path=/"})
    deferred_by(worker)
    worker.put()
    assert "Cookie" not in so.calls[-1].headers


def test_nobody_listening(so: StandIn) -> None:
    worker = worker_of(so, "system_user")
    worker.put()
    so.down()
    refused = deferred_by(worker)
    assert (refused.code, refused.in_doubt) == ("superoffice.unavailable", False)
    assert "ConnectionRefusedError" in refused.message
    calls = Calls()
    with pytest.raises(Deferred):
        worker.put(calls=calls)
    assert (calls.count, calls.milliseconds) == (0, 0)
    so.up()
    worker.put()


def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: Any, **_named: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    refused = deferred_by(basic("https://crm.example.com"))
    assert (refused.code, refused.in_doubt) == ("superoffice.unavailable", False)
    assert "crm.example.com cannot be found" in refused.message


def test_addresses_that_do_not_respond_do_not_outlive_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # a queue that two connections fill, so that nobody else is answered
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        address = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", full.getsockname())
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [address] * 20)
        began = time.monotonic()
        refused = deferred_by(basic("https://crm.example.com"), seconds=1)
        assert time.monotonic() - began < 8
    assert (refused.code, refused.in_doubt) == ("superoffice.unavailable", False)
    assert "does not accept a connection (TimeoutError)" in refused.message


def test_a_name_lookup_that_hangs_does_not_outlive_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def hang(*arguments: Any) -> Any:
        if arguments[-1] == socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        over.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    began = time.monotonic()
    refused = deferred_by(basic("https://crm.example.com"), seconds=1)
    over.set()
    assert time.monotonic() - began < 10
    assert (refused.code, refused.in_doubt) == ("superoffice.unavailable", False)


def test_the_next_address_is_tried(so: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = closed.getsockname()
    here = ("127.0.0.1", int(so.url.rpartition(":")[2]))
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in (nobody, here)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    calls = Calls()
    worker_of(so).put(calls=calls)
    assert calls.count == 1


def test_importing_the_client_leaves_the_heavy_libraries_alone() -> None:
    code = (
        "import sys, image_ingest.superoffice;"
        "sys.exit(sum(name in sys.modules for name in ('cryptography', 'jwt', 'xml.etree.ElementTree')))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONPATH": "functions"}, check=False, timeout=60
        ).returncode
        == 0
    )
