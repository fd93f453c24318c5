"""Which objects and versions S3 already has, and what a stack must have."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import pytest
from botocore.exceptions import ClientError

from image_ingest.errors import Deferred
from image_ingest.target import Target
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.aws.transfer import check_photo, is_present, transfer_photos
from image_ingest_cli.aws.versions import ObjectVersion, find_versions
from image_ingest_cli.errors import CommandError
from image_ingest_cli.terminal.progress import Steps

PHOTO = b"\xff\xd8\xff\xe0 a photo"
MD5 = hashlib.md5(PHOTO).hexdigest()
SHA256 = base64.b64encode(hashlib.sha256(PHOTO).digest()).decode()
OTHER = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
PERSON = {"entity-type": "person", "entity-id": "7"}


def _stack(head: dict[str, Any] | int) -> Stack:
    """Whose bucket has one object, or refuses to describe it with this status."""

    def head_object(**_asked: str) -> dict[str, Any]:
        if isinstance(head, int):
            refusal: Any = {"ResponseMetadata": {"HTTPStatusCode": head}}
            raise ClientError(refusal, "HeadObject")
        return {"Metadata": PERSON, "LastModified": datetime(2026, 10, 5, 10, tzinfo=UTC), **head}

    return cast("Stack", SimpleNamespace(s3=SimpleNamespace(head_object=head_object), bucket="b"))


@pytest.mark.parametrize(
    ("head", "present"),
    [
        (404, False),
        (400, False),  # encrypted with the uploader's own key
        ({"ETag": f'"{MD5}"'}, True),
        ({"ETag": f'"{"0" * 32}"'}, False),  # encrypted with a KMS key, or other bytes
        ({"ETag": f'"{MD5}-1"'}, False),  # uploaded in parts
        ({"ETag": f'"{MD5}-1"', "ChecksumSHA256": SHA256}, True),
        ({"ETag": f'"{"0" * 32}"', "ChecksumSHA256": SHA256}, True),
        ({"ETag": f'"{MD5}"', "ChecksumSHA256": OTHER}, False),
        ({"ETag": f'"{MD5}"', "Metadata": {**PERSON, "entity-id": "8"}}, False),
        ({"ETag": f'"{MD5}"', "Metadata": {}}, False),
        ({"ETag": f'"{MD5}"', "StorageClass": "GLACIER"}, False),
        ({"ETag": f'"{MD5}"', "StorageClass": "GLACIER", "Restore": 'ongoing-request="false"'}, True),
    ],
)
def test_a_file_is_present_by_its_bytes_and_target(
    tmp_path: Path, head: dict[str, Any] | int, *, present: bool
) -> None:
    file = tmp_path / "7.jpg"
    file.write_bytes(PHOTO)
    photo = check_photo(file, "7.jpg", None, Target("person", 7), prefix="", max_bytes=1000)
    assert is_present(_stack(head), photo, known_missing=False) == present


@pytest.mark.parametrize(
    ("status", "again"),
    [("UPDATE_COMPLETE", "deploy its template"), ("ROLLBACK_COMPLETE", "run sam delete and deploy its template")],
)
def test_a_missing_output_is_named(status: str, again: str) -> None:
    stack = Stack("mine")
    stack.__dict__["outputs"] = {"IngestQueueUrl": "https://example.com/ingest"}
    assert stack.ingest_queue == "https://example.com/ingest"
    stack.__dict__["description"] = {"StackStatus": status}
    told = rf"The stack mine has no output UploadBucketName\. Name the stack .*, or {again}"
    with pytest.raises(CommandError, match=told):
        _ = stack.bucket


def test_a_photo_of_the_largest_size_is_accepted_and_no_larger_one(tmp_path: Path) -> None:
    (file := tmp_path / "7.jpg").write_bytes(PHOTO)
    check_photo(file, "7.jpg", None, Target("person", 7), prefix="", max_bytes=len(PHOTO))
    with pytest.raises(ValueError, match=f"the function accepts at most {len(PHOTO) - 1}"):
        check_photo(file, "7.jpg", None, Target("person", 7), prefix="", max_bytes=len(PHOTO) - 1)


def _refuse_ledger(_target: Target) -> NoReturn:
    raise Deferred("aws.denied", "AWS refused reading the ledger: AccessDenied.")


@pytest.mark.parametrize(
    ("stack", "problem"),
    [
        (_stack(404), "The file cannot be read: No such file or directory."),
        (_stack(403), "AWS refused HeadObject"),
        (_stack({"ETag": f'"{MD5}"'}), "AWS refused reading the ledger"),
    ],
    ids=["file", "bucket", "ledger"],
)
def test_a_transfer_that_fails_says_why(tmp_path: Path, stack: Stack, problem: str) -> None:
    (file := tmp_path / "7.jpg").write_bytes(PHOTO)
    photo = check_photo(file, "7.jpg", None, Target("person", 7), prefix="", max_bytes=1000)
    vars(stack)["table"] = SimpleNamespace(read=_refuse_ledger)
    if problem.startswith("The file"):
        file.unlink()
    (transfer,) = transfer_photos(stack, [photo], known_missing=True)
    assert transfer.action == "failed"
    assert str(transfer.problem).startswith(problem)


@pytest.mark.parametrize(("data", "problem"), [(b"", "the file is empty"), (b"?", "are no JPEG")])
def test_a_file_that_would_be_rejected_is_named_with_its_fault(tmp_path: Path, data: bytes, problem: str) -> None:
    file = tmp_path / "7.jpg"
    file.write_bytes(data)
    with pytest.raises(ValueError, match=problem):
        check_photo(file, "7.jpg", None, Target("person", 7), prefix="", max_bytes=100)


def _make_stack_with_versions(status: int, code: str = "") -> Stack:
    """A bucket with two versions: a HEAD of the first one fails with this status, the second is person 7's.

    `code` is what a GET of the first one fails with.
    """

    def get_object(**_asked: str) -> None:
        refused: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(refused, "GetObject")

    def head_object(VersionId: str, **_asked: str) -> dict[str, Any]:  # noqa: N803
        if VersionId == "1":
            refused: Any = {"ResponseMetadata": {"HTTPStatusCode": status}}
            raise ClientError(refused, "HeadObject")
        return {"Metadata": PERSON}

    pages = [{"Versions": [{"Key": f"{number}.jpg", "VersionId": str(number)} for number in (1, 2)]}]
    paginator = SimpleNamespace(paginate=lambda **_asked: pages)
    s3 = SimpleNamespace(head_object=head_object, get_object=get_object, get_paginator=lambda _name: paginator)
    return cast("Stack", SimpleNamespace(s3=s3, bucket="b", settings=SimpleNamespace(target_key_pattern=None)))


def test_a_version_that_was_deleted_meanwhile_is_left_out() -> None:
    found, encrypted = find_versions(_make_stack_with_versions(404), Target("person", 7), "", Steps(None, None))
    assert found == [ObjectVersion("2.jpg", "2", Target("person", 7))]
    assert encrypted == []


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (400, "ExpiredToken")])
def test_a_version_that_may_not_be_looked_at_is_not_taken_for_another_records(status: int, code: str) -> None:
    with pytest.raises(ClientError):
        find_versions(_make_stack_with_versions(status, code), Target("person", 7), "", Steps(None, None))
