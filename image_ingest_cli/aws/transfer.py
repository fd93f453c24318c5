"""Files to the upload bucket: what goes where, what S3 holds already, and the bytes, checked on arrival."""

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

from image_ingest.aws.errors import deferral, http_status
from image_ingest.errors import Rejected
from image_ingest.ledger.order import Mark
from image_ingest.picture import HEAD_BYTES, identify_format
from image_ingest.target import Target, target_of
from image_ingest_cli.aws.stack import WORKERS, Stack
from image_ingest_cli.parallel import in_parallel

Action = Literal["uploaded", "present", "failed"]

_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
_MD5 = re.compile(r"[0-9a-f]{32}")
_CONTENT_TYPES = {"HEIF": "image/heic"}


@dataclass(frozen=True, slots=True)
class Photo:
    """A file that is to become a target's picture."""

    path: str  # ten thousand Path objects weigh
    name: str  # as the operator named it
    line: int | None
    target: Target
    key: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a file: uploaded, present in S3 before, or failed. `mark` tells its upload from others."""

    photo: Photo
    action: Action
    mark: Mark | None = None
    problem: str | None = None


def photo(path: Path, name: str, line: int | None, target: Target, *, prefix: str, max_bytes: int) -> Photo:
    """The file as an upload for this target. Raises ValueError where it can be seen here that it will be refused."""
    size = path.stat().st_size
    if size == 0:
        raise ValueError("the file is empty")
    if size > max_bytes:
        raise ValueError(f"the file has {size} bytes; the function takes at most {max_bytes} (ImageMaxSourceBytes)")
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    try:
        kind = identify_format(head)
    except Rejected as refusal:
        raise ValueError(refusal.message) from None
    suffix = path.suffix.lower()
    key = f"{prefix}{target.entity_type}/{target.entity_id}{suffix if _SUFFIX.fullmatch(suffix) else ''}"
    return Photo(str(path), name, line, target, key, _CONTENT_TYPES.get(kind, f"image/{kind.lower()}"))


def send(stack: Stack, photos: Iterable[Photo]) -> Iterator[Sent]:
    """Uploads every photo that S3 does not hold with the same bytes and target, several at a time."""
    return in_parallel(lambda one: _send(stack, one), photos, WORKERS)


def is_present(stack: Stack, one: Photo) -> bool:
    """Whether S3 holds this very file for this very target already."""
    return _present(stack, one, _digests(one.path)) is not None


def _send(stack: Stack, one: Photo) -> Sent:
    try:
        digests = _digests(one.path)
        present = _present(stack, one, digests)
        if present is not None:
            return Sent(one, "present", present)
        return Sent(one, "uploaded", _put(stack, one, digests))
    except OSError as error:
        return Sent(one, "failed", problem=f"The file cannot be read: {error.strerror}.")
    except (ClientError, BotoCoreError) as error:
        return Sent(one, "failed", problem=deferral(error, "the upload").message)


@dataclass(frozen=True)
class _Digests:
    sha256: str  # base64, as S3 writes it
    md5: str  # hexadecimal, as an ETag of unencrypted single-part objects


def _digests(path: str) -> _Digests:
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with Path(path).open("rb") as file:
        while piece := file.read(1 << 20):
            sha256.update(piece)
            md5.update(piece)
    return _Digests(base64.b64encode(sha256.digest()).decode(), md5.hexdigest())


def _present(stack: Stack, one: Photo, digests: _Digests) -> Mark | None:
    try:
        head = stack.s3.head_object(Bucket=stack.bucket, Key=one.key, ChecksumMode="ENABLED")
    except ClientError as error:
        if http_status(error) == 404:
            return None
        raise
    if not _same_bytes(head, digests) or _target(head.get("Metadata", {})) != one.target:
        return None
    return _mark(stack, one, head, head["LastModified"])


def _same_bytes(head: Mapping[str, Any], digests: _Digests) -> bool:
    if "ChecksumSHA256" in head:
        return bool(head["ChecksumSHA256"] == digests.sha256)
    etag = head.get("ETag", "").strip('"')
    return bool(_MD5.fullmatch(etag)) and etag == digests.md5


def _target(metadata: Mapping[str, str]) -> Target | None:
    try:
        return target_of(metadata, "", None)
    except Rejected:
        return None


def _put(stack: Stack, one: Photo, digests: _Digests) -> Mark:
    """S3 refuses the bytes if they are no longer those that were read before."""
    with Path(one.path).open("rb") as file:
        answer = stack.s3.put_object(
            Bucket=stack.bucket,
            Key=one.key,
            Body=file,
            ContentType=one.content_type,
            ChecksumSHA256=digests.sha256,
            Metadata={"entity-type": one.target.entity_type, "entity-id": str(one.target.entity_id)},
        )
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return _mark(stack, one, answer, parsedate_to_datetime(date) if date else datetime.now(UTC))


def _mark(stack: Stack, one: Photo, answer: Mapping[str, Any], moment: datetime) -> Mark:
    time = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Mark(stack.bucket, one.key, answer.get("VersionId"), None, time, answer["ETag"].strip('"'))
