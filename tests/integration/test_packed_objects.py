"""Objects that S3 keeps compressed, and objects that are no picture."""

from __future__ import annotations

import base64
import gzip
import hashlib

import pytest

from tests.support.stack import MotoStack, photo


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "aws-chunked,gzip", "x-gzip"])
def test_a_packed_object_is_unpacked(stack: MotoStack, encoding: str) -> None:
    packed = gzip.compress(photo()) + b"trailer"
    assert stack.result(stack.put("a.jpg", packed, ContentEncoding=encoding))["outcome"] == "stored"
    assert stack.item()["sha256"] == hashlib.sha256(packed).hexdigest()


def test_an_object_that_only_claims_to_be_packed_is_read_as_it_is(stack: MotoStack) -> None:
    assert stack.result(stack.put("a.jpg", photo(), ContentEncoding="gzip"))["outcome"] == "stored"


def test_a_packed_object_is_bounded_by_what_it_unpacks_to(stack: MotoStack) -> None:
    stack.settings["IMAGE_MAX_SOURCE_BYTES"] = "2000000"
    bomb = gzip.compress(photo() + bytes(3_000_000))
    row = stack.result(stack.put("a.jpg", bomb, ContentEncoding="gzip"))
    assert (row["outcome"], row["error_code"]) == ("rejected", "object.too-large")
    assert "2000000 bytes" in row["message"]


@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda data: data[:60] + b"\xff" * 60 + data[120:]])
def test_damaged_packing_is_named(stack: MotoStack, damage: object) -> None:
    packed = damage(gzip.compress(photo()))  # type: ignore[operator]  # of the two above
    row = stack.result(stack.put("a.jpg", packed, ContentEncoding="gzip"))
    assert (row["error_code"], "gzip packing" in row["message"]) == ("image.unreadable", True)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (base64.b64encode(photo()), "base64"),
        (b"data:image/jpeg;base64," + base64.b64encode(photo()), "base64"),
        (b'----boundary\r\nContent-Disposition: form-data; name="image"\r\n\r\n' + photo(), "multipart form"),
        (b"1a2b;chunk-signature=" + b"0" * 64 + b"\r\n" + photo(), "aws-chunked"),
        (b'{"error": {"code": "NotFound"}}', "JSON"),
        (gzip.compress(photo()), "gzip"),
        (b"<html><body>Not found</body></html>", "HTML"),
    ],
)
def test_what_the_bytes_are_instead_of_a_picture_is_said(stack: MotoStack, data: bytes, words: str) -> None:
    row = stack.result(stack.put("a.jpg", data))
    assert (row["error_code"], words in row["message"]) == ("image.unsupported-format", True)
