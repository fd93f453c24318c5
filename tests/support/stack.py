"""The function's surroundings in this process: AWS by moto, SuperOffice by the stand-in, and the SQS trigger."""

from __future__ import annotations

import io
import json
import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from unittest import mock
from urllib.parse import quote_plus

import boto3
from moto import mock_aws
from PIL import Image

from image_ingest import app
from sandbox.superoffice import StandIn

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

REGION: Final = "eu-north-1"
ACCOUNT = "123456789012"
BUCKET, TABLE, SECRET = "photos-0123456789ab", "ledger", "superoffice"


class Context:
    """What Lambda passes beside the event."""

    aws_request_id = "11111111-2222-3333-4444-555555555555"

    def __init__(self, seconds: float = 60) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


def photo(colour: str = "teal", size: tuple[int, int] = (64, 48), kind: str = "JPEG") -> bytes:
    """A small plain picture."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind)
    return file.getvalue()


@dataclass
class MotoStack:
    """One deployed function with everything round it."""

    superoffice: StandIn
    settings: dict[str, str] = field(default_factory=dict)
    _sequence: int = 0x0055AED6DCD9

    def __post_init__(self) -> None:
        self.s3, self.sqs, self.dynamodb, self.secrets = _make_clients()
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        self.ingest_queue = self.sqs.create_queue(QueueName="ingest")["QueueUrl"]
        self.dead_letter_queue = self.sqs.create_queue(QueueName="dead-letters")["QueueUrl"]
        self.dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "target", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "target", "AttributeType": "S"}],
        )
        self.secrets.create_secret(Name=SECRET)
        self.put_secret(self.superoffice.secret("basic"))

    def environment(self) -> dict[str, str]:
        return {
            "SUPEROFFICE_SECRET_ID": SECRET,
            "LEDGER_TABLE_NAME": TABLE,
            "DEAD_LETTER_QUEUE_URL": self.dead_letter_queue,
            "SUPEROFFICE_CALLS_PER_SECOND": "1000",
            "MAX_CONCURRENCY": "2",
            **self.settings,
        }

    def put_secret(self, document: object) -> None:
        self.secrets.put_secret_value(SecretId=SECRET, SecretString=json.dumps(document))

    def put(self, key: str, data: bytes, target: str | None = "person#1", **more: Any) -> dict[str, Any]:
        """Uploads an object as an operator would. Its notification's record."""
        if target is not None:
            entity_type, entity_id = target.split("#")
            more["Metadata"] = {"entity-type": entity_type, "entity-id": entity_id, **more.get("Metadata", {})}
        answer = self.s3.put_object(Bucket=BUCKET, Key=key, Body=data, **more)
        return self.record(key, answer.get("VersionId"), len(data), answer["ETag"].strip('"'))

    def record(self, key: str, version_id: str | None, size: int, etag: str) -> dict[str, Any]:
        """One record of a notification; each call's sequencer and time are later than the last."""
        self._sequence += 1
        step = self._sequence - 0x0055AED6DCD9
        obj = {"key": quote_plus(key, safe="/"), "size": size, "eTag": etag, "sequencer": f"{self._sequence:014X}"}
        if version_id is not None:
            obj["versionId"] = version_id
        return {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": REGION,
            "eventTime": f"2026-10-05T10:{step // 60:02}:{step % 60:02}.000Z",
            "eventName": "ObjectCreated:Put",
            "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": BUCKET}, "object": obj},
        }

    def invoke(self, event: Any, context: Any = None) -> dict[str, Any]:
        """Calls the handler in a new environment of the function if the settings changed, else in the warm one."""
        with mock.patch.dict(os.environ, self.environment()):
            return app.lambda_handler(event, context or Context())

    def cold(self) -> None:
        """The next invocation runs in a new execution environment."""
        app.get_worker.cache_clear()

    def result(self, *records: dict[str, Any]) -> dict[str, Any]:
        """The one row of the results document for records handled directly."""
        (row,) = self.invoke({"Records": list(records)})["results"]
        return dict(row)

    def send(self, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.ingest_queue, MessageBody=body)

    def notify(self, *records: dict[str, Any]) -> None:
        """S3's notification arrives on the ingest queue."""
        self.send(json.dumps({"Records": list(records)}))

    def message(self, body: str, receives: int = 1, message_id: str | None = None) -> dict[str, Any]:
        """An SQS record as the trigger would hand it on, from no real queue."""
        return {
            "messageId": message_id or str(uuid.uuid4()),
            "receiptHandle": "receipt",
            "body": body,
            "attributes": {"ApproximateReceiveCount": str(receives)},
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:ingest",
        }

    def trigger(self) -> list[str]:
        """One poll of the trigger: receives a batch, invokes, deletes what did not fail. The ids that did."""
        received = self.sqs.receive_message(
            QueueUrl=self.ingest_queue, MaxNumberOfMessages=10, AttributeNames=["All"]
        ).get("Messages", [])
        if not received:
            return []
        records = [
            {
                **self.message(m["Body"], int(m["Attributes"]["ApproximateReceiveCount"]), m["MessageId"]),
                "receiptHandle": m["ReceiptHandle"],
            }
            for m in received
        ]
        failed = [item["itemIdentifier"] for item in self.invoke({"Records": records})["batchItemFailures"]]
        for message in received:
            if message["MessageId"] not in failed:
                self.sqs.delete_message(QueueUrl=self.ingest_queue, ReceiptHandle=message["ReceiptHandle"])
        return failed

    def waiting(self) -> int:
        """Messages on the ingest queue, visible or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.ingest_queue, AttributeNames=names)  # type: ignore[arg-type]  # a list of literals
        return sum(int(count) for count in attributes["Attributes"].values())

    def dead_letters(self) -> list[dict[str, Any]]:
        """Takes every message from the dead-letter queue: body and attributes."""
        letters: list[dict[str, Any]] = []
        while True:
            messages = self.sqs.receive_message(
                QueueUrl=self.dead_letter_queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            ).get("Messages", [])
            if not messages:
                return letters
            for message in messages:
                self.sqs.delete_message(QueueUrl=self.dead_letter_queue, ReceiptHandle=message["ReceiptHandle"])
                attributes = message.get("MessageAttributes", {})
                letters.append(
                    {"body": message["Body"], **{name: value["StringValue"] for name, value in attributes.items()}}
                )

    def item(self, target: str = "person#1") -> dict[str, Any]:
        """The ledger's item as other programs see it; empty if there is none."""
        item = self.dynamodb.get_item(TableName=TABLE, Key={"target": {"S": target}}).get("Item", {})
        return {
            name: int(value["N"]) if "N" in value and value["N"].isdigit() else next(iter(value.values()))
            for name, value in item.items()
        }


@cache
def _make_clients() -> tuple[S3Client, SQSClient, DynamoDBClient, SecretsManagerClient]:
    """The tests' own clients, for all stacks of this process: they keep nothing of one."""
    return (
        boto3.client("s3", REGION),
        boto3.client("sqs", REGION),
        boto3.client("dynamodb", REGION),
        boto3.client("secretsmanager", REGION),
    )


@contextmanager
def running_stack() -> Iterator[MotoStack]:
    """A fresh stack; requests to this machine reach the stand-in."""
    config: Any = {"core": {"passthrough": {"urls": [r"http://127\.0\.0\.1.*"]}}}
    with mock_aws(config=config), StandIn() as superoffice, mock.patch.dict(os.environ, {"AWS_DEFAULT_REGION": REGION}):
        app.get_worker.cache_clear()
        logging.Logger.manager.loggerDict.pop("image_ingest", None)  # it would write to an earlier test's stream
        try:
            yield MotoStack(superoffice)
        finally:
            app.get_worker.cache_clear()
