"""`image-ingest backfill`: photos that lie in another bucket are copied into the upload bucket."""

from __future__ import annotations

import hashlib
import json as json_module
import re
import shlex
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import typer
from botocore.exceptions import BotoCoreError, ClientError

from image_ingest.aws.errors import deferral, http_status
from image_ingest.errors import Rejected
from image_ingest.target import EntityType, Target, target_of
from image_ingest_cli.aws.stack import WORKERS, Stack
from image_ingest_cli.commands.upload import targets_without_picture
from image_ingest_cli.errors import misuse
from image_ingest_cli.parallel import in_parallel
from image_ingest_cli.photos.folder import compile_pattern, values_in
from image_ingest_cli.photos.lookup import Lookup
from image_ingest_cli.photos.manifest import who
from image_ingest_cli.terminal import console
from image_ingest_cli.terminal.options import DEFAULT_STACK, AsJson, DryRun, StackName
from image_ingest_cli.terminal.targets import entity_type

_MANIFEST_KEY = "image-ingest-backfill/manifest.csv"


@dataclass(frozen=True)
class Source:
    """An object to be copied."""

    bucket: str
    key: str
    size: int
    etag: str
    last_modified: datetime


@dataclass(frozen=True)
class Copied:
    """What became of it."""

    key: str
    action: Literal["copied", "would copy", "present", "skipped", "failed"]
    target: Target | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Plan:
    """What is copied where. Without `pattern`, metadata or the stack's key pattern names the record."""

    stack: Stack
    prefix: str
    to: str
    pattern: re.Pattern[str] | None
    entity: EntityType | None
    only_missing: bool
    dry_run: bool


def backfill(
    source: Annotated[str, typer.Argument(metavar="s3://BUCKET/PREFIX", help="Where the photos are.")],
    *,
    pattern: Annotated[
        str | None, typer.Option(help="How keys after the prefix tell, such as '{entity}/{id}.*'; else metadata does.")
    ] = None,
    entity: Annotated[str | None, typer.Option(help="With --pattern: person, project, contact or product.")] = None,
    to: Annotated[str, typer.Option(help="Put before every key in the upload bucket.")] = "",
    only_missing: Annotated[bool, typer.Option("--only-missing", help="Skip records that show a picture.")] = False,
    batch_job: Annotated[
        Path | None, typer.Option(file_okay=False, help="Write an S3 Batch Operations job into this folder instead.")
    ] = None,
    dry_run: DryRun = False,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Copy photos from another bucket into the upload bucket, so that they are stored in SuperOffice.

    A second run skips what was copied before. For millions of objects that have their metadata already, --batch-job
    writes manifest, role and job for S3 Batch Operations, and the commands that start it.

    Examples:

    \b
        image-ingest backfill s3://old-photos/staff/ --pattern '{id}.*' --entity person --only-missing
        image-ingest backfill s3://old-photos/ --batch-job job
    """
    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    if not source.startswith("s3://") or not bucket:
        raise misuse("Say where the photos are: s3://BUCKET/PREFIX.")
    target_stack = Stack(stack)
    if bucket == target_stack.bucket:
        raise misuse("These objects are in the upload bucket already; use resend.")
    if batch_job is not None:
        if pattern or only_missing:
            raise misuse("A batch job copies everything with its own metadata: no --pattern, no --only-missing.")
        _write_job(target_stack, bucket, prefix, to, batch_job)
        return
    plan = Plan(
        stack=target_stack,
        prefix=prefix,
        to=to,
        pattern=compile_pattern(pattern) if pattern else None,
        entity=entity_type(entity) if entity else None,
        only_missing=only_missing,
        dry_run=dry_run,
    )
    _show(list(_copies(plan, bucket)), as_json=json)


def _copies(plan: Plan, bucket: str) -> Iterator[Copied]:
    lookup = Lookup(plan.stack.crm)
    with console.progress("Copying", None) as steps:
        for copied in in_parallel(
            lambda source: _copy(plan, lookup, source), _sources(plan.stack, bucket, plan.prefix), WORKERS
        ):
            steps.done()
            yield copied


def _sources(stack: Stack, bucket: str, prefix: str) -> Iterator[Source]:
    for page in stack.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", ()):
            if not (entry["Size"] == 0 and entry["Key"].endswith("/")):
                yield Source(bucket, entry["Key"], entry["Size"], entry["ETag"], entry["LastModified"])


def _copy(plan: Plan, lookup: Lookup, source: Source) -> Copied:
    try:
        return _copied(plan, lookup, source)
    except Rejected as refusal:
        return Copied(source.key, "failed", problem=refusal.message)
    except ValueError as problem:
        return Copied(source.key, "failed", problem=str(problem))
    except (ClientError, BotoCoreError) as error:
        return Copied(source.key, "failed", problem=deferral(error, "the copy").message)


def _copied(plan: Plan, lookup: Lookup, source: Source) -> Copied:
    head = plan.stack.s3.head_object(Bucket=source.bucket, Key=source.key)
    key = f"{plan.to}{source.key}"
    target = _target(plan, lookup, source.key, head.get("Metadata", {}))
    if _is_present(plan.stack, key, source, target):
        return Copied(source.key, "present", target)
    if plan.only_missing and not targets_without_picture(plan.stack, [target]):
        return Copied(source.key, "skipped", target)
    if plan.dry_run:
        return Copied(source.key, "would copy", target)
    plan.stack.s3.copy_object(
        Bucket=plan.stack.bucket,
        Key=key,
        CopySource={"Bucket": source.bucket, "Key": source.key},
        CopySourceIfMatch=source.etag,
        MetadataDirective="REPLACE",
        Metadata=_named(head.get("Metadata", {}), target),
        ContentType=head.get("ContentType", "application/octet-stream"),
    )
    return Copied(source.key, "copied", target)


def _target(plan: Plan, lookup: Lookup, key: str, metadata: Mapping[str, str]) -> Target:
    """Raises Rejected or ValueError where nothing names one record."""
    if plan.pattern is None:
        return target_of(metadata, f"{plan.to}{key}", plan.stack.settings.target_key_pattern)
    values = values_in(plan.pattern, key.removeprefix(plan.prefix))
    if values is None:
        raise ValueError("its key does not match the pattern")
    return lookup.target(who(values, plan.entity))


def _named(metadata: Mapping[str, str], target: Target) -> dict[str, str]:
    return {**metadata, "entity-type": target.entity_type, "entity-id": str(target.entity_id)}


def _is_present(stack: Stack, key: str, source: Source, target: Target) -> bool:
    """Whether this object was copied before: the same size for the same target, and not older."""
    try:
        head = stack.s3.head_object(Bucket=stack.bucket, Key=key)
    except ClientError as error:
        if http_status(error) == 404:
            return False
        raise
    try:
        there = target_of(head.get("Metadata", {}), key, None)
    except Rejected:
        return False
    same = head["ETag"] == source.etag or head["LastModified"] >= source.last_modified
    return there == target and head["ContentLength"] == source.size and same


def _show(copies: list[Copied], *, as_json: bool) -> None:
    counts = Counter(copy.action for copy in copies)
    if as_json:
        rows = [{**vars(copy), "target": str(copy.target) if copy.target else None} for copy in copies]
        console.say_json({"objects": rows, "actions": counts})
    else:
        failed = [copy for copy in copies if copy.action == "failed"]
        if failed:
            console.say_table(["key", "why not"], [(copy.key, copy.problem) for copy in failed])
        console.say(
            (", ".join(f"{count} {action}" for action, count in sorted(counts.items())) or "Nothing found") + "."
        )
    if counts["failed"]:
        raise typer.Exit(1)


def _write_job(stack: Stack, bucket: str, prefix: str, to: str, folder: Path) -> None:
    """Manifest, role and job of an S3 Batch Operations COPY (S3 User Guide, "Copy objects")."""
    folder.mkdir(parents=True, exist_ok=True)
    digest, count = hashlib.md5(usedforsecurity=False), 0
    with (folder / "manifest.csv").open("wb") as file:
        for source in _sources(stack, bucket, prefix):
            line = f"{bucket},{quote(source.key, safe='/')}\n".encode()
            file.write(line)
            digest.update(line)
            count += 1
    _, partition, _, _, account, _ = stack.queue_arn(stack.ingest_queue).split(":")
    role = f"{stack.name}-backfill"[:64]
    documents = {
        "trust-policy.json": _trust(),
        "role-policy.json": _role_policy(partition, bucket, stack.bucket),
        "job.json": _job(partition, account, role, (bucket, digest.hexdigest()), (stack.bucket, to)),
    }
    for name, document in documents.items():
        (folder / name).write_text(json_module.dumps(document, indent=2) + "\n")
    console.say(f"{count} objects are in {folder / 'manifest.csv'}. To start the job:")
    for command in _commands(folder, role, bucket):
        console.say(f"  {shlex.join(command)}")


def _trust() -> dict[str, Any]:
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "batchoperations.s3.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return {"Version": "2012-10-17", "Statement": [allow]}


def _role_policy(partition: str, source: str, destination: str) -> dict[str, Any]:
    statements = [
        (["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging"], f"{source}/*"),
        (["s3:PutObject", "s3:PutObjectTagging"], f"{destination}/*"),
        (["s3:PutObject"], f"{source}/image-ingest-backfill/*"),
    ]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": actions, "Resource": f"arn:{partition}:s3:::{resource}"}
            for actions, resource in statements
        ],
    }


def _job(
    partition: str, account: str, role: str, manifest: tuple[str, str], destination: tuple[str, str]
) -> dict[str, Any]:
    (bucket, etag), (to_bucket, to_prefix) = manifest, destination
    copy: dict[str, Any] = {"TargetResource": f"arn:{partition}:s3:::{to_bucket}", "MetadataDirective": "COPY"}
    if to_prefix:
        copy["TargetKeyPrefix"] = to_prefix.rstrip("/")
    return {
        "AccountId": account,
        "ConfirmationRequired": True,
        "ClientRequestToken": str(uuid.uuid4()),
        "Description": "Backfill of the SuperOffice image ingest",
        "Priority": 10,
        "RoleArn": f"arn:{partition}:iam::{account}:role/{role}",
        "Operation": {"S3PutObjectCopy": copy},
        "Manifest": {
            "Spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": ["Bucket", "Key"]},
            "Location": {"ObjectArn": f"arn:{partition}:s3:::{bucket}/{_MANIFEST_KEY}", "ETag": etag},
        },
        "Report": {
            "Enabled": True,
            "Bucket": f"arn:{partition}:s3:::{bucket}",
            "Prefix": "image-ingest-backfill",
            "Format": "Report_CSV_20180820",
            "ReportScope": "FailedTasksOnly",
        },
    }


def _commands(folder: Path, role: str, bucket: str) -> list[list[str]]:
    def file(name: str) -> str:
        return f"file://{folder / name}"

    return [
        [
            "aws",
            "s3api",
            "put-object",
            "--bucket",
            bucket,
            "--key",
            _MANIFEST_KEY,
            "--body",
            str(folder / "manifest.csv"),
        ],
        ["aws", "iam", "create-role", "--role-name", role, "--assume-role-policy-document", file("trust-policy.json")],
        [
            *("aws", "iam", "put-role-policy", "--role-name", role, "--policy-name", "backfill"),
            *("--policy-document", file("role-policy.json")),
        ],
        ["aws", "s3control", "create-job", "--cli-input-json", file("job.json")],
    ]
