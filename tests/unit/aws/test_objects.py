"""What a failed read of an object means."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from typing import Any, NoReturn

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from image_ingest.aws import Gone, Objects, StoredObject, http_status
from image_ingest.errors import Deferred, Rejected
from image_ingest.upload import Upload

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


class Store:
    """An S3 client with one object, whose HEAD and GET end as told; by default both are read."""

    def __init__(
        self, *, head: dict[str, Any] | None = None, refused: dict[str | None, ClientError] | None = None
    ) -> None:
        self._head: dict[str, Any] = {
            "ContentLength": 9,
            "ETag": '"etag"',
            "LastModified": datetime(2026, 10, 5, 9, 52, 1, tzinfo=UTC),
            "VersionId": "v2",
            **(head or {}),
        }
        self._refused = refused or {}

    def head_object(self, *, Bucket: str, Key: str, VersionId: str | None = None) -> dict[str, Any]:  # noqa: N803
        if VersionId in self._refused:
            status = http_status(self._refused[VersionId])
            raise refusal(str(status), status)  # the response to a HEAD has no error code
        return {**self._head, "VersionId": VersionId or self._head["VersionId"]}

    def get_object(self, *, VersionId: str | None = None, **_: object) -> NoReturn:  # noqa: N803
        raise self._refused[VersionId]


def find(store: Store, version_id: str | None = None) -> StoredObject:
    return Objects(store).find(Upload("b", "k.jpg", version_id))  # type: ignore[arg-type]  # the part that is used


def test_an_object_under_the_uploaders_own_key_is_rejected() -> None:
    with pytest.raises(Rejected) as rejection:
        find(Store(refused={None: refusal("InvalidRequest", 400)}))
    assert rejection.value.code == "object.encrypted"


def test_an_event_names_a_readable_version_below_one_under_the_uploaders_own_key() -> None:
    assert find(Store(refused={None: refusal("InvalidRequest", 400)}), "v1").version_id == "v1"


@pytest.mark.parametrize("status", [404, 405])
def test_a_missing_version_and_a_delete_marker_mean_that_the_object_was_deleted(status: int) -> None:
    """S3 answers a HEAD of a delete marker's own version with 405."""
    with pytest.raises(Gone):
        find(Store(refused={"v1": refusal("", status)}), "v1")


@pytest.mark.parametrize("code", ["InvalidArgument", "AccessDenied"])
def test_a_head_that_is_refused_for_another_reason_is_deferred(code: str) -> None:
    with pytest.raises(Deferred, match="AWS refused looking the object up: 400"):
        find(Store(refused={None: refusal(code, 400)}))


@pytest.mark.parametrize(
    ("head", "archived"),
    [
        ({}, False),
        ({"StorageClass": "STANDARD_IA"}, False),
        ({"StorageClass": "GLACIER_IR"}, False),
        ({"StorageClass": "GLACIER"}, True),
        ({"StorageClass": "DEEP_ARCHIVE"}, True),
        ({"StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": "ARCHIVE_ACCESS"}, True),
        ({"StorageClass": "GLACIER", "Restore": 'ongoing-request="true"'}, True),
        ({"StorageClass": "GLACIER", "Restore": 'ongoing-request="false", expiry-date="Fri, 21 Dec 2029"'}, False),
    ],
)
def test_an_archived_object_can_be_read_once_its_restore_is_complete(head: dict[str, Any], archived: bool) -> None:
    assert find(Store(head=head)).archived is archived


def test_no_answer_is_deferred_and_keeps_its_cause() -> None:
    silence = ReadTimeoutError(endpoint_url="https://s3")
    with pytest.raises(Deferred, match="did not answer reading the object") as failure:
        Objects(Refusing(silence)).copy(OBJECT, BytesIO())  # type: ignore[arg-type]  # the part that is used
    assert failure.value.__cause__ is silence
