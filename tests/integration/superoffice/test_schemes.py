"""Every row of SuperOffice's published request: schemes, headers, types, for all four entities, onsite and Online."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

import pytest
from PIL import Image

from image_ingest import __version__
from image_ingest.settings import SuperOfficeSettings
from image_ingest.superoffice import Calls
from image_ingest.target import ENTITY_TYPES, EntityType, Target
from sandbox.superoffice import StandIn
from tests.support.superoffice_client import Worker, picture, worker_of

SCHEMES = [
    ("basic", False),
    ("ticket", False),
    ("bearer", False),
    ("session", False),
    ("refresh_token", False),
    ("system_user", False),
    ("ticket", True),
    ("bearer", True),
    ("refresh_token", True),
    ("system_user", True),
]
LANGUAGE = SuperOfficeSettings(accept_language="sv", language="no", culture="en", time_zone="W. Europe Standard Time")


@pytest.fixture(scope="module")
def so() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


@pytest.mark.parametrize(("auth", "online"), SCHEMES)
def test_every_scheme_for_every_entity_with_every_header(so: StandIn, auth: str, online: bool) -> None:
    worker = Worker(so.secret(auth, online=online), LANGUAGE)
    for number, entity in enumerate(ENTITY_TYPES, start=1):
        blob_id = worker.put(Target(entity, number))
        stored = so.picture(entity, number)
        assert stored is not None
        assert (stored.blob_id, stored.data) == (blob_id, picture().data)
        call = so.calls[-1]
        base = so.api(online=online).removeprefix(so.url)
        assert (call.method, call.path) == ("PUT", f"{base}/v1/{entity.capitalize()}/{number}/Image")
        assert call.headers["Content-Type"] == "image/jpeg"
        assert call.headers["Accept"] == "application/json"
        assert call.headers["Accept-Language"] == "sv"
        assert call.headers["So-Language"] == "no"
        assert call.headers["So-Culture"] == "en"
        assert call.headers["So-Timezone"] == "W. Europe Standard Time"
        assert call.headers["User-Agent"] == f"superoffice-image-ingest/{__version__}"


@pytest.mark.parametrize(
    ("auth", "scheme", "others"),
    [
        ("basic", "Basic ", set()),
        ("ticket", "SOTicket ", {"So-Apptoken"}),
        ("bearer", "Bearer ", set()),
        ("refresh_token", "Bearer ", set()),
        ("system_user", "SOTicket ", {"So-Apptoken"}),
        ("session", None, {"Cookie", "X-Xsrf-Token"}),
    ],
)
def test_each_scheme_sends_its_own_headers_only(so: StandIn, auth: str, scheme: str | None, others: set[str]) -> None:
    worker_of(so, auth).put()
    headers = so.calls[-1].headers
    assert headers.get("Authorization", "").startswith(scheme or "")
    assert ("Authorization" in headers) == (scheme is not None)
    assert headers.keys() & {"So-Apptoken", "Cookie", "X-Xsrf-Token"} == others


def test_a_ticket_without_app_token_sends_none(so: StandIn) -> None:
    secret = so.secret("ticket", online=False)
    del secret["app_token"]
    Worker(secret).put()
    assert "So-Apptoken" not in so.calls[-1].headers


def test_headers_that_are_not_set_are_not_sent(so: StandIn) -> None:
    worker_of(so).put()
    sent = so.calls[-1].headers.keys()
    assert not sent & {"Accept-Language", "So-Language", "So-Culture", "So-Timezone"}


@pytest.mark.parametrize("accept", ["application/json", "text/json", "application/xml", "text/xml"])
@pytest.mark.parametrize("auth", ["basic", "system_user"])
def test_responses_in_every_accepted_type(so: StandIn, auth: str, accept: str) -> None:
    worker = worker_of(so, auth, SuperOfficeSettings(accept=accept))
    blob_id = worker.put()
    assert so.calls[-1].headers["Accept"] == accept
    stored = so.picture("person", 123)
    assert stored is not None
    assert stored.blob_id == blob_id


@pytest.mark.parametrize("content_type", ["image/jpeg", "image/png"])
@pytest.mark.parametrize("encoding", ["raw", "multipart"])
def test_both_picture_types_in_both_encodings(so: StandIn, content_type: str, encoding: str) -> None:
    settings = SuperOfficeSettings(upload_encoding="multipart" if encoding == "multipart" else "raw")
    image = picture(content_type, (30, 20))
    worker_of(so, "basic", settings).put(Target("contact", 7), image)
    sent = so.calls[-1].headers["Content-Type"]
    assert sent.startswith("multipart/form-data; boundary=" if encoding == "multipart" else content_type)
    stored = so.picture("contact", 7)
    assert stored is not None
    assert (stored.data, stored.content_type, stored.width, stored.height) == (image.data, content_type, 30, 20)
    with Image.open(io.BytesIO(stored.data)) as shown:
        assert shown.size == (30, 20)


@pytest.mark.parametrize(("auth", "online"), [("system_user", True), ("basic", False)])
def test_a_large_picture_arrives_whole(so: StandIn, auth: str, online: bool) -> None:
    out = io.BytesIO()
    Image.effect_noise((1000, 1000), 90).save(out, "PNG")
    image = type(picture())(out.getvalue(), "image/png")
    Worker(so.secret(auth, online=online)).put(Target("product", 9), image)
    stored = so.picture("product", 9)
    assert stored is not None
    assert stored.data == image.data


@pytest.mark.parametrize("entity", ENTITY_TYPES)
def test_the_calls_of_an_upload_are_counted(so: StandIn, entity: EntityType) -> None:
    worker = worker_of(so, "system_user")
    first, second = Calls(), Calls()
    so.fail(delay=0.3, stores=True, path="Login")
    worker.put(Target(entity, 1), calls=first)
    began = time.monotonic()
    worker.put(Target(entity, 1), calls=second)
    taken = (time.monotonic() - began) * 1000
    assert (first.count, second.count) == (4, 1)  # login, its keys, the tenant's state, the picture
    assert (second.host, second.status) == ("127.0.0.1", 200)
    assert first.milliseconds >= 300
    assert 0 < second.milliseconds < taken
