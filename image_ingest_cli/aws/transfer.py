"""Files to the upload bucket: skipped if S3 has the same bytes for the same target, checked on arrival otherwise."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from image_ingest.aws import http_status, is_archived
from image_ingest.errors import IngestError, Rejected
from image_ingest.picture import HEAD_BYTES, identify_format
from image_ingest.target import Target, find_target
from image_ingest.upload import UploadIdentity
from image_ingest_cli.aws.errors import describe_aws_error, describe_failure
from image_ingest_cli.aws.ledger import is_stored
from image_ingest_cli.aws.stack import WORKERS, Stack
from image_ingest_cli.parallel import run_parallel

Action = Literal["uploaded", "present", "failed"]

_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
_CONTENT_TYPES = {"HEIF": "image/heic"}


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """A file and the target whose picture it becomes."""

    path: str  # text takes a fraction of a Path's memory, and there may be ten thousand
    name: str  # as the operator wrote it
    line: int | None
    target: Target
    key: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """What happened to a file: uploaded, already present in S3, or failed. `identity` identifies its upload."""

    photo: PhotoFile
    action: Action
    identity: UploadIdentity | None = None
    problem: str | None = None


def check_photo(path: Path, name: str, line: int | None, target: Target, *, prefix: str, max_bytes: int) -> PhotoFile:
    """The file as an upload for this target. Raises ValueError if it can be seen here that it would be rejected."""
    size = path.stat().st_size
    if size == 0:
        raise ValueError("the file is empty")
    if size > max_bytes:
        raise ValueError(
            f"the file has {size} bytes; the function accepts at most {max_bytes} (ImageMaxSourceBytes, or its memory)"
        )
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    try:
        kind = identify_format(head)
    except Rejected as refusal:
        raise ValueError(refusal.message) from None
    suffix = path.suffix.lower()
    key = f"{prefix}{target.entity_type}/{target.entity_id}{suffix if _SUFFIX.fullmatch(suffix) else ''}"
    return PhotoFile(str(path), name, line, target, key, _CONTENT_TYPES.get(kind, f"image/{kind.lower()}"))


def transfer_photos(stack: Stack, photos: Iterable[PhotoFile], *, known_missing: bool) -> Iterator[Transfer]:
    """Uploads every photo that S3 does not have with the same bytes and target, several at a time.

    `known_missing`: SuperOffice shows no picture of these records. A photo that was stored is then uploaded again.
    """
    return run_parallel(lambda photo: _transfer(stack, photo, known_missing=known_missing), photos, WORKERS)


def is_present(stack: Stack, photo: PhotoFile, *, known_missing: bool) -> bool:
    """Whether S3 already has this file for this target, so that it is not uploaded."""
    return _find_present(stack, photo, _digest(photo.path), known_missing=known_missing) is not None


def _transfer(stack: Stack, photo: PhotoFile, *, known_missing: bool) -> Transfer:
    try:
        digests = _digest(photo.path)
        present = _find_present(stack, photo, digests, known_missing=known_missing)
        if present is not None:
            return Transfer(photo, "present", present)
        return Transfer(photo, "uploaded", _put(stack, photo, digests))
    except OSError as error:
        return Transfer(photo, "failed", problem=f"The file cannot be read: {error.strerror}.")
    except (ClientError, BotoCoreError) as error:
        return Transfer(photo, "failed", problem=str(describe_aws_error(error)))
    except IngestError as failure:
        return Transfer(photo, "failed", problem=str(describe_failure(failure)))


@dataclass(frozen=True)
class _Digests:
    sha256: str  # base64, as S3 writes it
    md5: str  # hexadecimal, as the ETag of unencrypted single-part objects


def _digest(path: str) -> _Digests:
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with Path(path).open("rb") as file:
        while piece := file.read(1 << 20):
            sha256.update(piece)
            md5.update(piece)
    return _Digests(base64.b64encode(sha256.digest()).decode(), md5.hexdigest())


def _find_present(stack: Stack, photo: PhotoFile, digests: _Digests, *, known_missing: bool) -> UploadIdentity | None:
    try:
        head = stack.s3.head_object(Bucket=stack.bucket, Key=photo.key, ChecksumMode="ENABLED")
    except ClientError as error:
        if http_status(error) in {400, 404}:  # encrypted with somebody's own key, or not there
            return None
        raise
    is_same = _has_same_bytes(head, digests) and _parse_target(head.get("Metadata", {})) == photo.target
    if not is_same or is_archived(head):
        return None
    if known_missing and is_stored(stack, photo.target):
        return None  # somebody has removed the picture since
    return _identify(stack, photo, head, head["LastModified"])


def _has_same_bytes(head: Mapping[str, Any], digests: _Digests) -> bool:
    """By S3's SHA-256 of the object, else by its ETag, which is the MD5 of an unencrypted object in one part."""
    if "ChecksumSHA256" in head:
        return bool(head["ChecksumSHA256"] == digests.sha256)
    return bool(head.get("ETag", "").strip('"') == digests.md5)


def _parse_target(metadata: Mapping[str, str]) -> Target | None:
    try:
        return find_target(metadata, "", None)
    except Rejected:
        return None


def _put(stack: Stack, photo: PhotoFile, digests: _Digests) -> UploadIdentity:
    """S3 refuses the bytes if they differ from those that were digested."""
    with Path(photo.path).open("rb") as file:
        response = stack.s3.put_object(
            Bucket=stack.bucket,
            Key=photo.key,
            Body=file,
            ContentType=photo.content_type,
            ChecksumSHA256=digests.sha256,
            Metadata={"entity-type": photo.target.entity_type, "entity-id": str(photo.target.entity_id)},
        )
    date = response["ResponseMetadata"]["HTTPHeaders"].get("date")
    return _identify(stack, photo, response, parsedate_to_datetime(date) if date else datetime.now(UTC))


def _identify(stack: Stack, photo: PhotoFile, response: Mapping[str, Any], moment: datetime) -> UploadIdentity:
    time = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return UploadIdentity(stack.bucket, photo.key, response.get("VersionId"), None, time, response["ETag"].strip('"'))
