"""The uploaded object in S3: what it is now, and its bytes."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, BinaryIO

from botocore.exceptions import ClientError

from image_ingest.aws.content_encoding import Readable, is_gzip, unpack
from image_ingest.aws.errors import aws_call, error_code, http_status, is_encrypted
from image_ingest.errors import Deferred, Rejected
from image_ingest.upload import Upload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CHUNK = 2**20
ENCRYPTED = "The object is encrypted with the uploader's own key (SSE-C)."
ARCHIVED = "The object is in an archive storage class and is not restored."
_ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})


class Gone(Exception):
    """The object was deleted since: its version is gone, or its key's current state is a delete marker."""


@dataclass(frozen=True)
class StoredObject:
    """An object's head. `version_id` is None where the bucket has no versioning."""

    bucket: str
    key: str
    version_id: str | None
    etag: str
    size: int
    last_modified: str
    content_type: str
    metadata: Mapping[str, str]
    archived: bool

    @property
    def is_console_folder(self) -> bool:
        """The S3 console makes a folder as an empty object whose key ends in a slash."""
        return self.size == 0 and self.key.endswith("/")


class Objects:
    """Reads uploaded objects."""

    def __init__(self, s3: S3Client) -> None:
        self._s3 = s3

    def find(self, upload: Upload) -> StoredObject:
        """The upload's object, at exactly the version that the event names.

        Raises Gone, Rejected `object.encrypted`, Deferred `aws.denied`, `aws.unavailable`.
        """
        try:
            return self._find(upload)
        except Gone:
            if upload.other_key is None:
                raise
            return self._find(upload.use_other_key())

    def find_current(self, bucket: str, key: str) -> StoredObject | None:
        """The key's current object; None if there is none. Raises as find() does."""
        try:
            return self._head(bucket, key, None)
        except Gone:
            return None

    def find_newest_version(self, bucket: str, key: str) -> StoredObject | None:
        """The newest version that a deleted object still has; None if there is none. Raises as find() does."""
        for version_id in self._list_versions(bucket, key):
            with suppress(Gone):
                return self._head(bucket, key, version_id)
        return None

    def _list_versions(self, bucket: str, key: str) -> Iterator[str]:
        """The key's versions, newest first. S3 lists keys in order, so this key comes before longer ones."""
        start: dict[str, Any] = {}
        while True:
            with aws_call("listing the object's versions"):
                page = self._s3.list_object_versions(Bucket=bucket, Prefix=key, **start)
            versions = page.get("Versions", [])
            yield from (version["VersionId"] for version in versions if version["Key"] == key)
            if not page.get("IsTruncated") or page.get("NextKeyMarker") != key:
                return
            start = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}

    def copy(self, obj: StoredObject, file: BinaryIO, limit: int = sys.maxsize) -> str:
        """Writes the object's bytes, all of one version, to `file`; unpacked, up to `limit`, if S3 keeps them packed.

        Returns the SHA-256 of the bytes as S3 keeps them, in hexadecimal.

        Raises Gone, Rejected `object.archived`, `object.too-large`, `image.unreadable`,
        Deferred `aws.denied`, `aws.unavailable`.
        """
        try:
            with aws_call("reading the object"):
                answer = self._s3.get_object(
                    Bucket=obj.bucket, Key=obj.key, IfMatch=f'"{obj.etag}"', **_build_version(obj.version_id)
                )
                body = _HashedBody(answer["Body"])
                if is_gzip(answer.get("ContentEncoding", "")):
                    unpack(body, file, limit)
                else:
                    shutil.copyfileobj(body, file, _CHUNK)
                return body.finish()
        except Deferred as problem:
            _raise_cause(problem)
            raise

    def _find(self, upload: Upload) -> StoredObject:
        try:
            current = self._head(upload.bucket, upload.key, None)
        except Rejected:  # it is there, and only that matters if the event names another version
            if upload.version_id is None:
                raise
        else:
            if upload.version_id in {None, current.version_id}:
                return current
        return self._head(upload.bucket, upload.key, upload.version_id)

    def _head(self, bucket: str, key: str, version_id: str | None) -> StoredObject:
        try:
            with aws_call("looking the object up"):
                head = self._s3.head_object(Bucket=bucket, Key=key, **_build_version(version_id))
        except Deferred as problem:
            cause = problem.__cause__
            # 405: this very version is a delete marker.
            if isinstance(cause, ClientError) and http_status(cause) in {404, 405}:
                raise Gone from problem
            if isinstance(cause, ClientError) and http_status(cause) == 400:
                self._check_readable(bucket, key, version_id)
            raise
        return StoredObject(
            bucket=bucket,
            key=key,
            version_id=head.get("VersionId"),
            etag=head.get("ETag", "").strip('"'),
            size=head["ContentLength"],
            last_modified=_format_time(head["LastModified"]),
            content_type=head.get("ContentType", ""),
            metadata=head.get("Metadata", {}),
            archived=is_archived(head),
        )

    def _check_readable(self, bucket: str, key: str, version_id: str | None) -> None:
        """Reads a byte, as the response to a HEAD has no error code. Raises what is wrong, if it is known."""
        try:
            with aws_call("reading the object"):
                self._s3.get_object(Bucket=bucket, Key=key, Range="bytes=0-0", **_build_version(version_id))
        except Deferred as problem:
            _raise_cause(problem)


class _HashedBody:
    """An object's body that computes the SHA-256 of what is read."""

    def __init__(self, body: Readable) -> None:
        self._body = body
        self._hash = sha256()

    def read(self, amt: int | None = None, /) -> bytes:
        data = self._body.read(amt)
        self._hash.update(data)
        return data

    def finish(self) -> str:
        """The hash of the whole body, also where its end was not needed."""
        while self.read(_CHUNK):
            pass
        return self._hash.hexdigest()


def _raise_cause(problem: Deferred) -> None:
    """Raises what a failed read really means, where that is not the problem itself."""
    cause = problem.__cause__
    if not isinstance(cause, ClientError):
        return
    if error_code(cause) == "InvalidObjectState":
        raise Rejected("object.archived", ARCHIVED) from problem
    if is_encrypted(cause):
        raise Rejected("object.encrypted", ENCRYPTED) from problem
    if error_code(cause) in {"NoSuchKey", "NoSuchVersion"}:
        raise Gone from problem
    if http_status(cause) == 412:
        raise Deferred("aws.unavailable", "The object was overwritten while it was read.") from problem


def is_archived(head: Mapping[str, Any]) -> bool:
    """Whether the object with this head is in an archive and not restored, so that S3 cannot read it."""
    in_archive = head.get("StorageClass") in _ARCHIVE_CLASSES or "ArchiveStatus" in head
    return in_archive and 'ongoing-request="false"' not in head.get("Restore", "")


def _build_version(version_id: str | None) -> dict[str, Any]:
    return {} if version_id is None else {"VersionId": version_id}


def _format_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
