"""The stand-in itself behaves as SuperOffice's published interface says."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

import pytest
from PIL import Image

from sandbox.superoffice import StandIn
from tests.support.superoffice_client import (
    picture,
    stand_in,  # noqa: F401 - the fixture "so"
    worker_of,
)

ENTITIES = ("Person", "Project", "Contact", "Product")


@dataclass
class Reply:
    status: int
    body: bytes
    content_type: str

    @property
    def document(self) -> Any:
        return json.loads(self.body)


def call(so: StandIn, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
    ticket = so.secret("bearer")["access_token"]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(
        so.api(online=False) + path, body or None, {"Authorization": f"Bearer {ticket}"} | named, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return Reply(answer.status, answer.read(), answer.headers.get("Content-Type", ""))
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, error.read(), error.headers.get("Content-Type", ""))


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("entity", ENTITIES)
def test_pictures_are_stored_shown_described_and_deleted(so: StandIn, entity: str, method: str) -> None:
    path = f"/v1/{entity}/7/Image"
    assert call(so, "GET", path).status == 404
    assert call(so, "GET", f"/v1/{entity}/7/ImageInfo").document["BlobId"] == 0
    blob_id = call(so, method, path, picture("image/png", (40, 20)).data, Content_Type="image/png").document
    shown = call(so, "GET", path)
    assert (shown.body, shown.content_type) == (picture("image/png", (40, 20)).data, "image/png")
    info = call(so, "GET", f"/v1/{entity}/7/ImageInfo").document
    assert (info["BlobId"], info["MimeType"], info["BlobSize"]) == (blob_id, "image/png", len(shown.body))
    assert call(so, "DELETE", path).status == 204
    assert call(so, "GET", path).status == 404
    assert so.picture(entity.lower(), 7) is None
    assert len(so.pictures(entity.lower(), 7)) == 1


def test_pictures_are_scaled_and_converted(so: StandIn) -> None:
    call(so, "PUT", "/v1/Person/7/Image", picture("image/png", (40, 20)).data, Content_Type="image/png")
    small = call(so, "GET", "/v1/Person/7/Image?w=10&h=10&type=jpg")
    with Image.open(io.BytesIO(small.body)) as shown:
        assert (shown.size, shown.format, small.content_type) == ((10, 5), "JPEG", "image/jpeg")


def test_blob_ids_grow_or_stay_as_a_test_chooses(so: StandIn) -> None:
    def put() -> int:
        reply = call(so, "PUT", "/v1/Person/7/Image", picture().data, Content_Type="image/jpeg")
        return int(reply.body)

    first, second = put(), put()
    assert second > first > 0
    so.state.keeps_blob_ids = True
    assert put() == second
    assert [kept.blob_id for kept in so.pictures("person", 7)] == [first, second, second]


@pytest.mark.parametrize("body", [b"", b"<svg/>", b"\x89PNG\r\n\x1a\nbroken"])
def test_what_is_no_picture_is_refused(so: StandIn, body: bytes) -> None:
    reply = call(so, "PUT", "/v1/Project/7/Image", body, Content_Type="image/png")
    assert reply.status == 400
    assert reply.document["Error"] is True
    assert "Image bitmap" in reply.document["ErrorMessage"]
    assert so.pictures("project", 7) == []


def test_a_picture_under_a_false_type_or_no_type_is_refused(so: StandIn) -> None:
    assert call(so, "PUT", "/v1/Person/7/Image", picture().data, Content_Type="image/png").status == 400
    assert call(so, "PUT", "/v1/Person/7/Image", picture().data, Content_Type="image/webp").status == 415


@pytest.mark.parametrize(("entity", "status"), [("Person", 400), ("Project", 404), ("Contact", 404), ("Product", 404)])
def test_unknown_records(so: StandIn, entity: str, status: int) -> None:
    so.remove(entity.lower(), 5)
    reply = call(so, "PUT", f"/v1/{entity}/5/Image", picture().data, Content_Type="image/jpeg")
    assert (reply.status, reply.document["Error"]) == (status, True)
    so.add(entity.lower(), 5)
    assert call(so, "PUT", f"/v1/{entity}/5/Image", picture().data, Content_Type="image/jpeg").status == 200


def test_results_and_errors_in_xml(so: StandIn) -> None:
    fine = call(so, "PUT", "/v1/Person/5/Image", picture().data, Content_Type="image/jpeg", Accept="text/xml")
    assert fine.content_type.startswith("text/xml")
    assert fine.body.endswith(b"</int>")
    bad = call(so, "PUT", "/v1/Person/5/Image", b"", Content_Type="image/jpeg", Accept="application/xml")
    assert b"<ErrorMessage>Image bitmap is missing from body.</ErrorMessage>" in bad.body


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic aW5nZXN0Ondyb25n"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "SOTicket wrong"},
        {"Authorization": "Negotiate x"},
        {"Authorization": "", "X_XSRF_TOKEN": "wrong"},
    ],
)
def test_wrong_credentials(so: StandIn, headers: dict[str, str]) -> None:
    assert call(so, "GET", "/v1/User/currentPrincipal", b"", **headers).status == 401


def test_harmless_reads(so: StandIn) -> None:
    assert call(so, "GET", "/").document["ContextIdentifier"] == "Cust12345"
    assert call(so, "GET", "/v1/User/currentPrincipal").document["AssociateId"] == 5
    assert call(so, "GET", "/v1/Ticket/5/Image").content_type.startswith("text/html")


def test_the_fair_use_counter_and_limit(so: StandIn) -> None:
    so.rate_limit(3)
    assert [so.state.is_over_limit(at) for at in (5.0, 5.1, 5.2, 5.3, 5.9, 6.35, 6.4)] == [False] * 3 + [True] * 2 + [
        False
    ] * 2
    so.rate_limit(0)
    assert call(so, "GET", "/").status == 429
    so.rate_limit(None)
    assert call(so, "GET", "/").status == 200
    for call_made, at in zip(so.calls, (5.0, 5.5), strict=True):
        call_made.at = at
    assert so.most_calls_in_any_second == 2


def test_no_thread_is_left_and_the_state_stays() -> None:
    before = set(threading.enumerate())
    with StandIn() as so:
        call(so, "PUT", "/v1/Person/7/Image", picture().data, Content_Type="image/jpeg")
        so.fail(delay=60)
        impatient = threading.Thread(target=lambda: swallow(so))
        impatient.start()
        while len(so.calls) < 2:
            threading.Event().wait(0.01)
        address = so.url
    impatient.join()
    assert set(threading.enumerate()) == before
    with so:
        assert so.url == address
        assert so.picture("person", 7) is not None


@pytest.mark.parametrize("tls", [False, True])
def test_a_silent_client_delays_nobody(*, tls: bool) -> None:
    before = set(threading.enumerate())
    with StandIn(tls=tls) as so:
        silent = [socket.create_connection(("127.0.0.1", int(so.url.rpartition(":")[2]))) for _ in range(3)]
        worker_of(so).put()
    for connection in silent:
        connection.close()
    assert set(threading.enumerate()) == before


def swallow(so: StandIn) -> None:
    try:
        call(so, "GET", "/v1/Person/7/Image")
    except OSError:
        return


def test_it_runs_on_its_own() -> None:
    command = [sys.executable, "-m", "sandbox.superoffice", "--auth", "basic"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("SuperOffice stand-in at http://127.0.0.1:")
        process.terminate()
