"""Reads a deployed stack as an operator would: the function's log, the ledger, the queues. Reading changes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import requests
from boto3.dynamodb.types import TypeDeserializer

from image_ingest.events import parse_message
from image_ingest.target import Target
from image_ingest.upload import Upload
from sandbox.aws.emulator import ACCOUNT_ID, REGION, DeployedStack

_OVERLAP = 10_000  # milliseconds of the log that are read again, as lines of one moment may arrive out of order
_deserialize = TypeDeserializer().deserialize


@dataclass(frozen=True)
class QueuedMessage:
    """A message in a queue, hidden or not (SQS itself shows no hidden ones). `visible_at`: seconds since the epoch."""

    id: str
    body: str
    receives: int
    visible_at: int
    visible: bool
    attributes: Mapping[str, str]

    @property
    def upload(self) -> Upload | None:
        """The upload that the message is about, if it is about one."""
        return _parse_upload(self.body)


@dataclass(frozen=True)
class LogLine:
    """The function's closing log line of one attempt; `at` in seconds since the epoch."""

    at: float
    message_id: str
    outcome: str
    key: str | None
    version: str | None
    target: str | None
    code: str | None
    blob_id: int | None
    milliseconds: int


class Monitor:
    """Reads one stack."""

    def __init__(self, stack: DeployedStack) -> None:
        self._stack = stack
        self._logs = stack.aws.client("logs")
        self._dynamodb = stack.aws.client("dynamodb")
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.verify = stack.aws.environment()["AWS_CA_BUNDLE"]
        self._log_position = 0
        self._read: set[str] = set()

    def read_new_lines(self) -> list[LogLine]:
        """The closing lines that were not read before."""
        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName=self._stack.resources["ImageIngestLogGroup"], startTime=max(0, self._log_position - _OVERLAP)
        )
        lines: list[LogLine] = []
        for event in (event for page in pages for event in page["events"]):
            if event["message"] not in self._read:
                self._read.add(event["message"])
                self._log_position = max(self._log_position, event["timestamp"])
                lines += _parse_line(event["message"])
        return lines

    def read_item(self, target: Target) -> Mapping[str, Any]:
        """The target's ledger item; empty if there is none."""
        answer = self._dynamodb.get_item(
            TableName=self._stack.outputs["LedgerTableName"], Key={"target": {"S": str(target)}}, ConsistentRead=True
        )
        return _parse_item(answer.get("Item", {}))

    def read_items(self) -> list[Mapping[str, Any]]:
        """Every ledger item, the latest first."""
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self._stack.outputs["LedgerTableName"])
        items = [_parse_item(item) for page in pages for item in page["Items"]]
        return sorted(items, key=lambda item: str(item.get("updated_at")), reverse=True)

    def read_ingest_queue(self) -> list[QueuedMessage]:
        """The messages of the ingest queue."""
        return self._read_queue("IngestQueueUrl")

    def read_dead_letters(self) -> list[QueuedMessage]:
        """The messages of the dead-letter queue."""
        return self._read_queue("DeadLetterQueueUrl")

    def read_dead_letter_codes(self) -> dict[str | None, str]:
        """The error code of each dead letter, by its object's key; None where the message is about no object."""
        return {
            letter.upload.key if letter.upload else None: letter.attributes.get("ErrorCode", "")
            for letter in self.read_dead_letters()
        }

    def count_waiting(self) -> int:
        """How many messages the ingest queue has, hidden ones included."""
        return self._count("IngestQueueUrl")

    def count_dead_letters(self) -> int:
        """How many messages the dead-letter queue has, hidden ones included."""
        return self._count("DeadLetterQueueUrl")

    def _read_queue(self, output: str) -> list[QueuedMessage]:
        name = self._stack.outputs[output].rpartition("/")[2]
        answer = self._http.get(
            f"{self._stack.aws.endpoint_url}/_ministack/sqs/messages",
            params={"account": ACCOUNT_ID, "QueueUrl": self._stack.outputs[output]},
            timeout=10,
        )
        answer.raise_for_status()
        by_url = answer.json()["messages"].get(ACCOUNT_ID, {}).get(REGION, {})
        return [_parse_message(m) for url, messages in by_url.items() if url.endswith(f"/{name}") for m in messages]

    def _count(self, output: str) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._stack.aws.client("sqs").get_queue_attributes(
            QueueUrl=self._stack.outputs[output], AttributeNames=names
        )
        return sum(int(answer["Attributes"][name]) for name in names)


def _parse_item(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: _deserialize(value) for name, value in item.items()}


def _parse_message(seen: Mapping[str, Any]) -> QueuedMessage:
    attributes = {name: str(value.get("StringValue", "")) for name, value in seen["MessageAttributes"].items()}
    return QueuedMessage(
        seen["MessageId"], seen["Body"], seen["ReceiveCount"], seen["VisibleAt"], seen["IsVisible"], attributes
    )


@lru_cache(maxsize=1000)
def _parse_upload(body: str) -> Upload | None:
    return next((item for item in parse_message(body) if isinstance(item, Upload)), None)


def _parse_line(text: str) -> Sequence[LogLine]:
    """The closing line that the text is, or nothing."""
    try:
        line = json.loads(text)
    except ValueError:
        return ()
    if not isinstance(line, dict) or "outcome" not in line or line.get("message") != "upload":
        return ()
    return (
        LogLine(
            at=datetime.strptime(line["timestamp"], "%Y-%m-%d %H:%M:%S,%f%z").timestamp(),
            message_id=line["correlation_id"],
            outcome=line["outcome"],
            key=line.get("key"),
            version=line.get("version_id"),
            target=line.get("target"),
            code=line.get("code"),
            blob_id=line.get("blob_id"),
            milliseconds=line["milliseconds"],
        ),
    )
