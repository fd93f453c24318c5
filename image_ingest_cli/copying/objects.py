"""Objects of another bucket, copied into the upload bucket."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from botocore.exceptions import BotoCoreError, ClientError

from image_ingest.aws import http_status, is_archived
from image_ingest.errors import Rejected
from image_ingest.target import EntityType, Target, find_target
from image_ingest_cli.aws.errors import describe_aws_error
from image_ingest_cli.aws.ledger import is_stored
from image_ingest_cli.aws.stack import WORKERS, Stack
from image_ingest_cli.parallel import run_parallel
from image_ingest_cli.photos.junk import is_junk
from image_ingest_cli.photos.lookup import Lookup
from image_ingest_cli.photos.patterns import match_name
from image_ingest_cli.photos.references import parse_reference


@dataclass(frozen=True)
class SourceObject:
    """An object to be copied."""

    bucket: str
    key: str
    size: int
    etag: str
    last_modified: datetime


@dataclass(frozen=True)
class Copy:
    """What happened to an object. `skipped`: its record has a picture. `junk`: it is no photo, but a system file."""

    key: str
    action: Literal["copied", "would copy", "present", "skipped", "junk", "failed"]
    target: Target | None = None
    problem: str | None = None


@dataclass(frozen=True)
class CopyPlan:
    """What is copied where. Without `pattern`, metadata or the stack's key pattern names the record."""

    stack: Stack
    prefix: str
    to: str
    pattern: re.Pattern[str] | None
    entity: EntityType | None
    only_missing: bool
    dry_run: bool


def copy_objects(plan: CopyPlan, bucket: str) -> Iterator[Copy]:
    """Copies every object under the plan's prefix, several at a time."""
    lookup = Lookup(plan.stack.crm)
    sources = list_sources(plan.stack, bucket, plan.prefix)
    return run_parallel(lambda source: _try_copy(plan, lookup, source), sources, WORKERS)


def list_sources(stack: Stack, bucket: str, prefix: str) -> Iterator[SourceObject]:
    """Every object under the prefix, without the folders that the S3 console makes."""
    for page in stack.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", ()):
            if not (entry["Size"] == 0 and entry["Key"].endswith("/")):
                yield SourceObject(bucket, entry["Key"], entry["Size"], entry["ETag"], entry["LastModified"])


def _try_copy(plan: CopyPlan, lookup: Lookup, source: SourceObject) -> Copy:
    if is_junk(source.key):
        return Copy(source.key, "junk")
    try:
        return _copy(plan, lookup, source)
    except Rejected as refusal:
        return Copy(source.key, "failed", problem=refusal.message)
    except ValueError as problem:
        return Copy(source.key, "failed", problem=str(problem))
    except (ClientError, BotoCoreError) as error:
        return Copy(source.key, "failed", problem=str(describe_aws_error(error)))


def _copy(plan: CopyPlan, lookup: Lookup, source: SourceObject) -> Copy:
    head = plan.stack.s3.head_object(Bucket=source.bucket, Key=source.key)
    key = f"{plan.to}{source.key}"
    target = _find_target(plan, lookup, source.key, head.get("Metadata", {}))
    if _is_present(plan.stack, key, source, target) and not (plan.only_missing and is_stored(plan.stack, target)):
        return Copy(source.key, "present", target)
    if plan.only_missing and plan.stack.crm.has_picture(target):
        return Copy(source.key, "skipped", target)
    if plan.dry_run:
        return Copy(source.key, "would copy", target)
    plan.stack.s3.copy_object(
        Bucket=plan.stack.bucket,
        Key=key,
        CopySource={"Bucket": source.bucket, "Key": source.key},
        CopySourceIfMatch=source.etag,
        MetadataDirective="REPLACE",
        Metadata=_add_target(head.get("Metadata", {}), target),
        ContentType=head.get("ContentType", "application/octet-stream"),
    )
    return Copy(source.key, "copied", target)


def _find_target(plan: CopyPlan, lookup: Lookup, key: str, metadata: Mapping[str, str]) -> Target:
    """Raises Rejected or ValueError if nothing names one record."""
    if plan.pattern is None:
        return find_target(metadata, f"{plan.to}{key}", plan.stack.settings.target_key_pattern)
    values = match_name(plan.pattern, key.removeprefix(plan.prefix))
    if values is None:
        raise ValueError("its key does not match the pattern")
    return lookup.find_target(parse_reference(values, plan.entity))


def _add_target(metadata: Mapping[str, str], target: Target) -> dict[str, str]:
    return {**metadata, "entity-type": target.entity_type, "entity-id": str(target.entity_id)}


def _is_present(stack: Stack, key: str, source: SourceObject, target: Target) -> bool:
    """Whether this object was copied before: the same size for the same target, and not older."""
    try:
        head = stack.s3.head_object(Bucket=stack.bucket, Key=key)
    except ClientError as error:
        if http_status(error) in {400, 404}:  # encrypted with somebody's own key, or not there
            return False
        raise
    try:
        present = find_target(head.get("Metadata", {}), key, None)
    except Rejected:
        return False
    same = head["ETag"] == source.etag or head["LastModified"] >= source.last_modified
    return present == target and head["ContentLength"] == source.size and same and not is_archived(head)
