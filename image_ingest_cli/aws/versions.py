"""The versions of the upload bucket's objects: which belong to a record, and their deletion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from botocore.exceptions import ClientError

from image_ingest.aws import http_status, is_encrypted
from image_ingest.errors import Rejected
from image_ingest.target import Target, find_target
from image_ingest_cli.aws.stack import WORKERS, Stack
from image_ingest_cli.errors import CommandError
from image_ingest_cli.parallel import run_parallel
from image_ingest_cli.terminal.progress import Steps

_BATCH = 1000  # versions that S3 deletes in one call


@dataclass(frozen=True)
class ObjectVersion:
    """One version of an object; `target` is None for a delete marker and for an object that names no record.

    The target of an encrypted one (SSE-C: by a key of the uploader's own) cannot be read.
    """

    key: str
    version_id: str
    target: Target | None = None
    is_marker: bool = False
    is_encrypted: bool = False


def find_versions(
    stack: Stack, target: Target, prefix: str, steps: Steps
) -> tuple[list[ObjectVersion], list[ObjectVersion]]:
    """Every version of every object for the target, with the delete markers that would be left over; and the encrypted.

    Raises ClientError.
    """
    own: list[ObjectVersion] = []
    encrypted: list[ObjectVersion] = []
    markers: list[ObjectVersion] = []
    others: set[str] = set()
    for version in run_parallel(lambda one: _read_target(stack, one), _list_versions(stack, prefix), WORKERS):
        steps.advance()
        if version.is_marker:
            markers.append(version)
        elif version.target == target:
            own.append(version)
        else:
            others.add(version.key)
        if version.is_encrypted:
            encrypted.append(version)
    keys = {version.key for version in own} - others
    found = [*own, *(marker for marker in markers if marker.key in keys)]
    return sorted(found, key=_get_place), sorted(encrypted, key=_get_place)


def _get_place(version: ObjectVersion) -> tuple[str, str]:
    return version.key, version.version_id


def delete_versions(stack: Stack, versions: Sequence[ObjectVersion]) -> None:
    """Deletes them all. Raises CommandError if S3 refuses one."""
    rest = iter(versions)
    while batch := list(islice(rest, _BATCH)):
        response = stack.s3.delete_objects(
            Bucket=stack.bucket,
            Delete={"Objects": [{"Key": one.key, "VersionId": one.version_id} for one in batch], "Quiet": True},
        )
        if response.get("Errors"):
            code = response["Errors"][0].get("Code", "no reason given")
            count = len(response["Errors"])
            raise CommandError(f"S3 did not delete {count} versions ({code}). Run the same command again.")


def _list_versions(stack: Stack, prefix: str) -> Iterator[ObjectVersion]:
    pages = stack.s3.get_paginator("list_object_versions").paginate(Bucket=stack.bucket, Prefix=prefix)
    for page in pages:
        for version in page.get("Versions", ()):
            yield ObjectVersion(version["Key"], version["VersionId"])
        for marker in page.get("DeleteMarkers", ()):
            yield ObjectVersion(marker["Key"], marker["VersionId"], is_marker=True)


def _read_target(stack: Stack, version: ObjectVersion) -> ObjectVersion:
    if version.is_marker:
        return version
    try:
        head = stack.s3.head_object(Bucket=stack.bucket, Key=version.key, VersionId=version.version_id)
        target = find_target(head.get("Metadata", {}), version.key, stack.settings.target_key_pattern)
    except Rejected:
        return version
    except ClientError as error:
        if http_status(error) == 404:
            return version
        if http_status(error) == 400 and _is_encrypted(stack, version):
            return replace(version, is_encrypted=True)
        raise
    return ObjectVersion(version.key, version.version_id, target)


def _is_encrypted(stack: Stack, version: ObjectVersion) -> bool:
    """Whether this is why S3 refused the HEAD, whose response cannot say so. Raises ClientError for another reason."""
    try:
        stack.s3.get_object(Bucket=stack.bucket, Key=version.key, VersionId=version.version_id)["Body"].close()
    except ClientError as error:
        if is_encrypted(error):
            return True
        raise
    return False
