"""What the command line asks of SuperOffice, over real HTTP."""

from __future__ import annotations

import functools
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from image_ingest.errors import Deferred
from image_ingest.settings import SuperOfficeSettings
from image_ingest.superoffice import SecretSource, SuperOffice
from image_ingest.target import Target
from image_ingest_cli.aws.remote_zip import open_zip
from image_ingest_cli.errors import CommandError
from image_ingest_cli.superoffice import Crm
from sandbox.superoffice import AUTHS, StandIn
from tests.support.stack import photo

PERSON = Target("person", 5)


class Secrets:
    """Secrets Manager with one secret."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def get_secret_value(self, **_asked: str) -> dict[str, str]:
        return {"SecretString": json.dumps(self.document)}


@pytest.fixture
def superoffice() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


def _crm(superoffice: StandIn, auth: str = "basic", calls_per_second: float = 1000) -> Crm:
    settings = SuperOfficeSettings(calls_per_second=calls_per_second, workers=2)
    return Crm(SuperOffice(settings, SecretSource(Secrets(superoffice.secret(auth)), "secret")))


@pytest.mark.parametrize("auth", AUTHS)
def test_every_credential_can_read_everything(superoffice: StandIn, auth: str) -> None:
    superoffice.directory.add("person", 5, "Kari Hansen", email="kari@example.com", associate_id=7)
    crm = _crm(superoffice, auth)
    assert crm.get_version().status == crm.get_principal().status == 200
    assert [record.target for record in crm.search("email", "KARI@example.com")] == [PERSON]
    associate = crm.find_person_of_associate(7)
    assert associate is not None
    assert (associate.target, associate.names) == (PERSON, ("Kari Hansen",))
    assert not crm.has_picture(PERSON)
    superoffice.state.store("person", 5, b"x", "image/jpeg", (1, 1))
    assert crm.has_picture(PERSON)
    assert crm.delete_picture(PERSON)
    assert superoffice.picture("person", 5) is None


def test_an_expired_credential_and_a_moved_tenant_are_handled(superoffice: StandIn) -> None:
    crm = _crm(superoffice, "system_user")
    assert crm.find_record(PERSON)
    superoffice.expire_credentials()
    assert crm.find_record(PERSON)
    superoffice.move_tenant()
    assert crm.find_record(PERSON)


def test_a_missing_record_is_none(superoffice: StandIn) -> None:
    crm = _crm(superoffice)
    superoffice.remove("person", 5)
    assert crm.find_record(PERSON) is None
    assert crm.find_record(Target("contact", 2_000_000)) is None
    assert crm.find_person_of_associate(7) is None
    assert crm.search("orgnr", "1") == []
    assert not crm.delete_picture(PERSON)


def test_a_quote_is_searched_for_without_being_sent(superoffice: StandIn) -> None:
    for number, value in ((5, "o'hara@example.com"), (6, "xo'hara@example.com"), (7, "o\\'hara@example.com")):
        superoffice.directory.add("person", number, f"Person {number}", email=value)
    crm = _crm(superoffice)
    assert [record.target.entity_id for record in crm.search("email", "O'Hara@example.com")] == [5]
    assert [record.target.entity_id for record in crm.search("email", "o\\'hara@example.com")] == [7]
    assert crm.search("email", "o'har@example.com") == []


def test_too_many_similar_records_are_no_result(superoffice: StandIn) -> None:
    for number in range(1, 121):
        superoffice.directory.add("person", number, f"Person {number}", email=f"{number}'s.mail@example.com")
    with pytest.raises(ValueError, match="too many records with a similar email"):
        _crm(superoffice).search("email", "5's.mail@example.com")


@pytest.mark.parametrize("body", ['""', "null", "{}", "", '{"BlobId": 0}', '{"BlobId": null}'])
def test_an_empty_image_info_means_no_picture(superoffice: StandIn, body: str) -> None:
    superoffice.state.store("person", 5, b"x", "image/jpeg", (1, 1))
    superoffice.fail(None, status=200, body=body, headers={"Content-Type": "application/json"}, path="ImageInfo")
    assert not _crm(superoffice).has_picture(PERSON)


@pytest.mark.parametrize("omits", [True, False])
def test_people_are_asked_about_in_batches(superoffice: StandIn, *, omits: bool) -> None:
    superoffice.state.omits_persons_without_image = omits
    people = [Target("person", number) for number in range(1, 101)]
    contact = Target("contact", 5)
    for target in (contact, people[6], people[98]):
        superoffice.state.store(target.entity_type, target.entity_id, photo(), "image/jpeg", (64, 48))
    found = dict(_crm(superoffice).find_pictures([contact, *people]))
    assert {target for target, has_picture in found.items() if has_picture} == {contact, people[6], people[98]}
    assert len(found) == 101
    assert len(superoffice.find_calls("POST", "GetPersonImages")) == 3
    assert len(superoffice.find_calls("GET", "ImageInfo")) == 1


@pytest.mark.parametrize("pictures", [{"Error": True}, None, ["x"], ""])
def test_people_are_asked_about_one_by_one_where_they_cannot_be_listed(superoffice: StandIn, pictures: object) -> None:
    superoffice.state.store("person", 2, b"x", "image/jpeg", (1, 1))
    superoffice.fail(None, status=200, body=json.dumps(pictures), path="GetPersonImages")
    people = [Target("person", number) for number in range(1, 51)]
    found = dict(_crm(superoffice).find_pictures(people))
    assert {target.entity_id for target, has_picture in found.items() if has_picture} == {2}
    assert len(superoffice.find_calls("POST", "GetPersonImages")) == 1
    assert len(superoffice.find_calls("GET", "ImageInfo")) == 50


@pytest.mark.parametrize(("entity_type", "name"), [("contact", "Nøgne"), ("project", "P"), ("product", "Q")])
def test_every_entity_type_has_a_name(superoffice: StandIn, entity_type: Any, name: str) -> None:
    superoffice.directory.add(entity_type, 9, name)
    record = _crm(superoffice).find_record(Target(entity_type, 9))
    assert record is not None
    assert name in record.names


def test_a_refusal_contains_superoffices_message(superoffice: StandIn) -> None:
    crm = _crm(superoffice)
    superoffice.fail(None, status=403, body='{"Error": true, "ErrorMessage": "No access to person."}', path="Person")
    with pytest.raises(CommandError, match=r"403: No access to person\. The credential lacks permission"):
        crm.find_record(PERSON)
    superoffice.clear_faults()
    superoffice.fail(None, status=404, body="<h1>Not here</h1>", path="Person")
    with pytest.raises(CommandError, match="answered 404"):
        crm.find_record(PERSON)
    superoffice.clear_faults()
    superoffice.fail(None, status=200, body="<h1>Welcome</h1>", path="Person")
    with pytest.raises(Deferred) as failure:
        crm.find_record(PERSON)
    assert failure.value.code == "superoffice.unexpected-answer"


def test_a_picture_that_may_not_be_read_is_no_missing_picture(superoffice: StandIn) -> None:
    superoffice.fail(None, status=403, body='{"Error": true, "ErrorMessage": "No access to person."}', path="ImageInfo")
    with pytest.raises(CommandError, match=r"403: No access to person.* The credential lacks permission"):
        _crm(superoffice).has_picture(PERSON)


def test_the_command_line_keeps_to_the_rate_limit(superoffice: StandIn) -> None:
    crm = _crm(superoffice, calls_per_second=10)
    for number in range(1, 16):
        crm.find_record(Target("person", number))
    assert superoffice.most_calls_in_any_second <= 11


class _Zip(BaseHTTPRequestHandler):
    """Serves one file, by ranges or not."""

    def __init__(self, *args: Any, data: bytes, ranges: bool, asked: list[int]) -> None:
        self._data, self._ranges, self._asked = data, ranges, asked
        super().__init__(*args)

    def do_GET(self) -> None:
        start, end = 0, len(self._data)
        if self._ranges:
            first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last) + 1, end)
        self.send_response(206 if self._ranges else 200)
        if self._ranges:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(self._data)}")
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        self._asked.append(end - start)
        self.wfile.write(self._data[start:end])

    def log_message(self, *_args: Any) -> None:
        """Does not log."""


@contextmanager
def _served(data: bytes, *, ranges: bool) -> Iterator[tuple[str, list[int]]]:
    asked: list[int] = []
    handler = functools.partial(_Zip, data=data, ranges=ranges, asked=asked)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/code.zip", asked
        finally:
            server.shutdown()
            thread.join()


def _zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("large.so", bytes(4_000_000))
        archive.writestr("image_ingest/__init__.py", "x")
    return file.getvalue()


@pytest.mark.parametrize("ranges", [True, False])
def test_a_remote_zip_is_read_in_parts(*, ranges: bool) -> None:
    with _served(_zipped(), ranges=ranges) as (url, asked), open_zip(url) as archive:
        assert archive.namelist() == ["large.so", "image_ingest/__init__.py"]
        assert archive.read("image_ingest/__init__.py") == b"x"
    assert ranges == (sum(asked) < 1_000_000)


def test_a_file_that_is_not_a_zip_is_reported() -> None:
    with _served(b"<html>", ranges=False) as (url, _), pytest.raises(CommandError, match="other than a zip"):
        open_zip(url)
