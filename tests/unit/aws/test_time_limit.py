"""Calls to AWS end with the deadline, however slowly the other side sends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore.config import Config

from image_ingest.aws import LimitedClient, Objects, StoredObject, limit_calls
from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred
from tests.support.trickle import HEADERS, serve_trickle
from tests.support.trickle import SECONDS as LONG

OBJECT = StoredObject("b", "k.jpg", "v1", "etag", 900, "2026-10-05T09:52:01Z", "image/jpeg", {}, archived=False)
SECONDS = 1.5  # the deadline


@contextmanager
def connect(address: str) -> Iterator[Any]:
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    session = boto3.session.Session("no such key", "no such secret", region_name="eu-north-1")
    with closing(session.client("s3", endpoint_url=address, config=config)) as client:
        yield LimitedClient(client)


@pytest.mark.parametrize("at_once", [b"", HEADERS[:20], HEADERS], ids=["nothing", "half the headers", "the headers"])
def test_a_download_that_trickles_ends_with_the_deadline(at_once: bytes) -> None:
    with serve_trickle(at_once) as address, connect(address) as client:
        objects = Objects(client)
        began = time.monotonic()
        with pytest.raises(Deferred) as late, limit_calls(Deadline(SECONDS)):
            objects.copy(OBJECT, BytesIO())
    assert late.value.code == "worker.out-of-time"
    assert SECONDS * 0.9 < time.monotonic() - began < LONG / 4


def test_without_time_no_call_is_made() -> None:
    with connect("http://127.0.0.1:9") as client, pytest.raises(Deferred) as late, limit_calls(Deadline(0.1)):
        client.head_object(Bucket="b", Key="k")
    assert late.value.code == "worker.out-of-time"


class Client:
    """A client whose call takes as long as told, and then has this result."""

    meta = "data"

    def __init__(self, seconds: float, result: Any) -> None:
        self._seconds = seconds
        self._result = result

    def call(self, **arguments: str) -> Any:
        time.sleep(self._seconds)
        if isinstance(self._result, Exception):
            raise self._result
        return self._result + arguments["suffix"] if arguments else self._result


class SlowBody(BytesIO):
    """A body whose every read takes a second."""

    def read(self, size: int | None = -1) -> bytes:
        time.sleep(1)
        return super().read(1)


@pytest.mark.parametrize(("seconds", "body"), [(2.0, BytesIO()), (0.0, SlowBody(bytes(100)))], ids=["call", "read"])
def test_the_connection_of_an_abandoned_call_is_not_left_open(seconds: float, body: BytesIO) -> None:
    with pytest.raises(Deferred), limit_calls(Deadline(1.0)):
        LimitedClient(Client(seconds, {"Body": body})).call()["Body"].read(100)
    end = time.monotonic() + 10
    while not body.closed and time.monotonic() < end:
        time.sleep(0.05)
    assert body.closed


def test_an_abandoned_call_that_fails_later_leaves_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Deferred), limit_calls(Deadline(0.6)):
        LimitedClient(Client(0.8, KeyError("x"))).call()
    time.sleep(0.5)
    assert not caplog.records


def test_what_a_call_returns_or_raises_in_time_is_passed_on() -> None:
    with limit_calls(Deadline(30)):
        assert LimitedClient(Client(0, "a")).call(suffix="b") == "ab"
        for error in (KeyError("x"), TimeoutError("the call's own")):
            with pytest.raises(type(error)) as raised:
                LimitedClient(Client(0, error)).call(suffix="b")
            assert raised.value is error


def test_a_body_is_read_in_pieces_of_the_size_that_was_asked_for() -> None:
    data = bytes(range(256)) * 1000
    with limit_calls(Deadline(30)):
        body = LimitedClient(Client(0, {"Body": BytesIO(data)})).call()["Body"]
        assert [body.read(100_000) for _ in range(4)] == [data[:100_000], data[100_000:200_000], data[200_000:], b""]


def test_a_call_without_a_deadline_takes_its_time() -> None:
    assert LimitedClient(Client(0.2, "a")).call(suffix="b") == "ab"


def test_what_is_no_call_is_left_alone() -> None:
    assert LimitedClient(Client(0, "a")).meta == "data"
