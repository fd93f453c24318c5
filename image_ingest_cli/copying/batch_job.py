"""An S3 Batch Operations job that copies objects into the upload bucket (S3 User Guide, "Copy objects")."""

from __future__ import annotations

import hashlib
import json
import shlex
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.copying.objects import list_sources

_MANIFEST_KEY = "image-ingest-backfill/manifest.csv"


def write_job(stack: Stack, bucket: str, prefix: str, to: str, folder: Path) -> tuple[int, list[str]]:
    """Writes manifest, role and job. The number of objects, and the commands that start the job."""
    folder.mkdir(parents=True, exist_ok=True)
    digest, count = hashlib.md5(usedforsecurity=False), 0
    with (folder / "manifest.csv").open("wb") as file:
        for source in list_sources(stack, bucket, prefix):
            line = f"{bucket},{quote(source.key, safe='/')}\n".encode()
            file.write(line)
            digest.update(line)
            count += 1
    _, partition, _, _, account, _ = stack.get_queue_arn(stack.ingest_queue).split(":")
    role = f"{stack.name}-backfill"[:64]
    documents = {
        "trust-policy.json": _build_trust_policy(),
        "role-policy.json": _build_role_policy(partition, bucket, stack.bucket),
        "job.json": _build_job(partition, account, role, (bucket, digest.hexdigest()), (stack.bucket, to)),
    }
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document, indent=2) + "\n")
    return count, [shlex.join(command) for command in _build_commands(folder, role, bucket)]


def _build_trust_policy() -> dict[str, Any]:
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "batchoperations.s3.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return {"Version": "2012-10-17", "Statement": [allow]}


def _build_role_policy(partition: str, source: str, destination: str) -> dict[str, Any]:
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


def _build_job(
    partition: str, account: str, role: str, manifest: tuple[str, str], destination: tuple[str, str]
) -> dict[str, Any]:
    (bucket, etag), (to_bucket, to_prefix) = manifest, destination
    copy: dict[str, Any] = {"TargetResource": f"arn:{partition}:s3:::{to_bucket}", "MetadataDirective": "COPY"}
    if to_prefix:
        copy["TargetKeyPrefix"] = to_prefix.rstrip("/")
    return {
        "AccountId": account,
        "ConfirmationRequired": False,  # who runs the command that creates it has confirmed it
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


def _build_commands(folder: Path, role: str, bucket: str) -> list[list[str]]:
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
