"""What a failed read of an object means."""

from __future__ import annotations

from io import BytesIO
from typing import NoReturn

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from image_ingest.aws import Gone, Objects, StoredObject
from image_ingest.errors import Deferred, Rejected

OBJECT = StoredObject("b", "k.jpg", "v1", "etag", 9, "2026-10-05T09:52:01Z", "image/jpeg", {}, archived=False)


class Refusing:
    """An S3 client that refuses every read."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def get_object(self, **_: object) -> NoReturn:
        raise self._error


def refusal(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")  # type: ignore[typeddict-item]  # the rest plays no part


@pytest.mark.parametrize(
    ("code", "status", "kind", "message"),
    [
        ("InvalidObjectState", 403, Rejected, "archive storage class"),
        ("NoSuchKey", 404, Gone, None),
        ("NoSuchVersion", 404, Gone, None),
        ("PreconditionFailed", 412, Deferred, "overwritten"),
        ("AccessDenied", 403, Deferred, "AWS refused reading the object: AccessDenied"),
        ("SlowDown", 503, Deferred, "AWS refused reading the object: SlowDown"),
    ],
)
def test_a_failed_read_says_what_it_means(code: str, status: int, kind: type[Exception], message: str | None) -> None:
    with pytest.raises(kind, match=message):
        Objects(Refusing(refusal(code, status))).copy(OBJECT, BytesIO())  # type: ignore[arg-type]  # the part that is used


def test_no_answer_is_deferred_and_keeps_its_cause() -> None:
    silence = ReadTimeoutError(endpoint_url="https://s3")
    with pytest.raises(Deferred, match="did not answer reading the object") as failure:
        Objects(Refusing(silence)).copy(OBJECT, BytesIO())  # type: ignore[arg-type]  # the part that is used
    assert failure.value.__cause__ is silence
