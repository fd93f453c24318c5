"""What SuperOffice's responses mean: the table of the catalogue, and no blob id from anything but a blob id."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from image_ingest.errors import Deferred, IngestError, Rejected
from image_ingest.superoffice.connection import Request, Response
from image_ingest.superoffice.responses import (
    add_error_message,
    parse_timestamp,
    read_blob_id,
    read_retry_after,
    read_service_object,
)

NOW = 1_763_784_000.0  # 2025-11-22T04:00:00Z
JSON_ERROR = b'{"Error": true, "ErrorType": "SoException", "ErrorMessage": "No such person.", "ErrorSource": "x"}'
XML_ERROR = b'<?xml version="1.0"?><E xmlns="urn:x"><Error>true</Error><ErrorMessage>No such person.</ErrorMessage></E>'
PAGES = (
    b"",
    b"<html><body>Not Found</body></html>",
    b'{"Message": "No HTTP resource"}',
    b"null",
    b"[]",
    b"\xff\xfe\x00",
)


def respond(status: int, body: bytes = b"", **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, CaseInsensitiveDict(named), body)


def outcome(got: Response, *, system_user: bool = False) -> IngestError:
    with pytest.raises(IngestError) as caught:
        read_blob_id(add_error_message(got, str), system_user=system_user, now=NOW)
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        b"59",
        b" 59\r\n",
        b"\xef\xbb\xbf59",
        b"<int>59</int>",
        b'<?xml version="1.0" encoding="utf-8"?>\n<int xmlns="http://schemas.microsoft.com/2003/10/Serialization/">59</int>',
        b"<a:Int32 xmlns:a='urn:x'> 59 </a:Int32>\n",
    ],
)
def test_a_blob_id_in_json_or_xml(body: bytes) -> None:
    assert read_blob_id(respond(200, body), system_user=True, now=NOW) == 59


def test_the_largest_blob_id() -> None:
    assert read_blob_id(respond(200, b"2147483647"), system_user=False, now=NOW) == 2**31 - 1


@pytest.mark.parametrize(
    "body",
    [
        *PAGES,
        b"0",
        b"-1",
        b"2147483648",
        b"59.0",
        b"5e1",
        b"0059",
        b"true",
        b'"59"',
        b"[59]",
        b'{"BlobId": 59}',
        "\uff15\uff19".encode(),
        b"59 60",
        b"<html>59</html>",
        b"<HTML lang='en'>59</HTML>",
        b"<int>59</long>",
        b"<int>0</int>",
        b"<a><b>59</b></a>",
        b'<!DOCTYPE x [<!ENTITY y "59">]><int>&y;</int>',
        b"<int>5<!-- -->9</int>",
        b"9" * 60_000,
        b"[" * 60_000,
    ],
)
def test_anything_else_with_200_is_not_a_blob_id(body: bytes) -> None:
    error = outcome(respond(200, body, Content_Type="text/html; charset=utf-8"))
    assert isinstance(error, Deferred)
    assert error.code == "superoffice.unexpected-answer"


def test_a_truncated_body_is_not_a_blob_id() -> None:
    cut = Response(200, CaseInsensitiveDict(), b"59", truncated=True)
    assert outcome(cut).code == "superoffice.unexpected-answer"


@pytest.mark.parametrize("body", [JSON_ERROR, XML_ERROR], ids=["json", "xml"])
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "superoffice.bad-request", Rejected),
        (422, "superoffice.bad-request", Rejected),
        (404, "superoffice.not-found", Rejected),
        (403, "superoffice.forbidden", Rejected),
        (401, "superoffice.unauthorized", Deferred),
    ],
)
def test_superoffices_own_errors(body: bytes, status: int, code: str, kind: type[IngestError]) -> None:
    error = outcome(respond(status, body))
    assert (error.code, type(error)) == (code, kind)
    assert "No such person" in error.message


def test_a_system_user_is_never_forbidden_for_one_record_only() -> None:
    assert outcome(respond(403, JSON_ERROR), system_user=True).code == "superoffice.unauthorized"


@pytest.mark.parametrize("body", PAGES)
@pytest.mark.parametrize("status", [400, 403, 404, 422])
@pytest.mark.parametrize("system_user", [True, False])
def test_the_same_statuses_from_an_intermediary_are_retried(body: bytes, status: int, *, system_user: bool) -> None:
    error = outcome(respond(status, body), system_user=system_user)
    assert (error.code, type(error)) == ("superoffice.unexpected-answer", Deferred)


def test_an_error_body_with_a_document_type_is_not_superoffices() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><E><ErrorMessage>&a;&a;&a;</ErrorMessage></E>'
    assert outcome(respond(400, bomb)).code == "superoffice.unexpected-answer"


@pytest.mark.parametrize("body", [b"", JSON_ERROR, PAGES[1]])
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "superoffice.unauthorized"),
        (405, "superoffice.unexpected-answer"),
        (413, "superoffice.bad-request"),
        (415, "superoffice.bad-request"),
        (421, "superoffice.misdirected"),
        (429, "superoffice.rate-limited"),
        (500, "superoffice.unavailable"),
        (501, "superoffice.unexpected-answer"),
        (502, "superoffice.unavailable"),
        (503, "superoffice.unavailable"),
        (599, "superoffice.unavailable"),
        (201, "superoffice.unexpected-answer"),
        (204, "superoffice.unexpected-answer"),
        (302, "superoffice.unexpected-answer"),
        (307, "superoffice.unexpected-answer"),
        (402, "superoffice.unexpected-answer"),
        (409, "superoffice.unexpected-answer"),
        (600, "superoffice.unexpected-answer"),
    ],
)
def test_every_other_status_whatever_the_body(status: int, code: str, body: bytes) -> None:
    assert outcome(respond(status, body)).code == code


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Sat, 22 Nov 2025 04:02:00 GMT", 120),
        ("Saturday, 22-Nov-25 04:02:00 GMT", 120),
        ("Sat, 22 Nov 2025 03:00:00 GMT", 0),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("Sat, 22 Nov 2025 05:02:00 +0100", 120.0),
        ("Sat, 22 Nov 2025 04:02:00 -0000", 120.0),
        ("9" * 40, None),
        ("١٢٠", None),
        ("Sat, 99 Nov 2025 04:02:00 GMT", None),
    ],
)
def test_retry_after_in_seconds_or_as_a_date(value: str, seconds: float | None) -> None:
    assert read_retry_after(respond(503, Retry_After=value), NOW) == seconds


def test_retry_after_is_passed_on() -> None:
    error = outcome(respond(429, Retry_After="77"))
    assert isinstance(error, Deferred)
    assert error.retry_after == 77


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2025-11-22T04:00:00.9342965Z", NOW + 0.934296),
        ("2025-11-22T05:00:00+01:00", NOW),
        ("2025-11-22T04:00:00", NOW),
        ("tomorrow", None),
        ("", None),
        (None, None),
        (7, None),
        ("9999-99-99T00:00:00Z", None),
    ],
)
def test_timestamps(text: object, seconds: float | None) -> None:
    assert parse_timestamp(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "credentials.invalid"),
        (401, "credentials.invalid"),
        (404, "credentials.invalid"),
        (429, "superoffice.rate-limited"),
        (500, "superoffice.unavailable"),
        (501, "superoffice.unavailable"),
        (503, "superoffice.unavailable"),
        (302, "superoffice.unexpected-answer"),
        (204, "superoffice.unexpected-answer"),
    ],
)
def test_the_login_and_state_services_refusals(status: int, code: str) -> None:
    with pytest.raises(Deferred) as caught:
        read_service_object(respond(status, Retry_After="9"), "login service", str, NOW)
    assert (caught.value.code, caught.value.retry_after) == (code, 9)


@pytest.mark.parametrize("body", [*PAGES[:2], *PAGES[3:], b"59"])
def test_a_service_response_without_an_object(body: bytes) -> None:
    with pytest.raises(Deferred) as caught:
        read_service_object(respond(200, body), "login service", str, NOW)
    assert caught.value.code == "superoffice.unexpected-answer"


def test_oauth_errors_carry_their_reason() -> None:
    body = json.dumps({"error": "invalid_grant", "error_description": "Revoked"}).encode()
    with pytest.raises(Deferred, match=r"answered 400: invalid_grant: Revoked\."):
        read_service_object(respond(400, body), "login service", str, NOW)


def test_quoted_text_is_short_one_line_and_without_secrets() -> None:
    body = json.dumps({"ErrorMessage": "token c4nary\r\n\x00" + "x" * 5000}).encode()
    response = add_error_message(respond(400, body), lambda text: text.replace("c4nary", "***"))
    with pytest.raises(Rejected) as caught:
        read_blob_id(response, system_user=False, now=NOW)
    assert "c4nary" not in caught.value.message
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


def test_a_request_is_shown_without_its_headers_and_body() -> None:
    request = Request("POST", "https://sod.superoffice.com/login/", {"Authorization": "5ecret"}, b"5ecret")
    assert repr(request) == "Request(method='POST', url='https://sod.superoffice.com/login/')"


def test_a_response_is_shown_without_its_headers_and_body() -> None:
    assert repr(respond(200, b"5ecret", Set_Cookie="5ecret")) == (
        "Response(status=200, truncated=False, error_message=None)"
    )


@given(
    status=st.integers(100, 999),
    body=st.binary(max_size=200),
    header=st.text(max_size=40),
    system_user=st.booleans(),
)
@settings(max_examples=200, derandomize=True, deadline=None)
def test_every_response_is_a_blob_id_or_a_code(status: int, body: bytes, header: str, *, system_user: bool) -> None:
    try:
        response = add_error_message(respond(status, body, Retry_After=header, Content_Type=header), str)
        number = read_blob_id(response, system_user=system_user, now=NOW)
    except IngestError:
        return
    assert status == 200
    assert 1 <= number <= 2**31 - 1
