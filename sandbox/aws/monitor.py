"""Reads a deployed stack as an operator would: the function's log, the ledger, the queues. Reading changes nothing."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import requests
from boto3.dynamodb.types import TypeDeserializer

from image_ingest.events import parse_message
from image_ingest.target import Target
from image_ingest.upload import Removal, Upload
from sandbox.aws.emulator import QUEUE_PATH, DeployedStack

_OVERLAP = 10_000  # milliseconds of the log that are read again, as lines of one moment may arrive out of order
_deserialize = TypeDeserializer().deserialize


@dataclass(frozen=True)
class QueuedMessage:
    """A message in a queue, hidden or not (SQS itself shows no hidden ones). `visible_at`: seconds since the epoch."""

    id: str
    body: str
    receives: int
    visible_at: float
    visible: bool
    attributes: Mapping[str, str]

    @property
    def item(self) -> Upload | Removal | None:
        """The upload or removal that the message requests, if it requests one."""
        return _parse_item(self.body)


@dataclass(frozen=True)
class QueueView:
    """How many messages a queue has, and at most a few hundred of them: the next to return and the newest visible."""

    visible: int
    hidden: int
    messages: Sequence[QueuedMessage]


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
        self._read: dict[str, int] = {}  # the lines that may be returned again, with their times

    def read_new_lines(self) -> list[LogLine]:
        """The closing lines that were not read before."""
        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName=self._stack.resources["ImageIngestLogGroup"], startTime=max(0, self._log_position - _OVERLAP)
        )
        lines: list[LogLine] = []
        for event in (event for page in pages for event in page["events"]):
            if event["message"] not in self._read:
                self._read[event["message"]] = event["timestamp"]
                self._log_position = max(self._log_position, event["timestamp"])
                lines += _parse_line(event["message"])
        oldest = self._log_position - _OVERLAP
        self._read = {line: time for line, time in self._read.items() if time >= oldest}
        return lines

    def read_item(self, target: Target) -> Mapping[str, Any]:
        """The target's ledger item; empty if there is none."""
        answer = self._dynamodb.get_item(
            TableName=self._stack.outputs["LedgerTableName"], Key={"target": {"S": str(target)}}, ConsistentRead=True
        )
        return _read_attributes(answer.get("Item", {}))

    def read_items(self, targets: Collection[str]) -> list[Mapping[str, Any]]:
        """The ledger items of at most 100 targets, the latest first."""
        if not targets:
            return []
        table, keys = self._stack.outputs["LedgerTableName"], [{"target": {"S": target}} for target in targets]
        answer = self._dynamodb.batch_get_item(RequestItems={table: {"Keys": keys, "ConsistentRead": True}})
        items = [_read_attributes(item) for item in answer["Responses"].get(table, ())]
        return sorted(items, key=lambda item: str(item.get("updated_at")), reverse=True)

    def view_ingest_queue(self) -> QueueView:
        """The ingest queue."""
        return self._view_queue("IngestQueueUrl")

    def view_dead_letters(self) -> QueueView:
        """The dead-letter queue."""
        return self._view_queue("DeadLetterQueueUrl")

    def read_visibility_timeout(self) -> float:
        """Seconds for which the ingest queue hides a message that a worker has received."""
        answer = self._stack.aws.client("sqs").get_queue_attributes(
            QueueUrl=self._stack.outputs["IngestQueueUrl"], AttributeNames=["VisibilityTimeout"]
        )
        return float(answer["Attributes"]["VisibilityTimeout"])

    def read_dead_letter_codes(self) -> dict[str | None, str]:
        """The error code of each dead letter, by its object's key; None if the message is not about an object."""
        return {
            letter.item.key if letter.item else None: letter.attributes.get("ErrorCode", "")
            for letter in self.view_dead_letters().messages
        }

    def count_waiting(self) -> int:
        """How many messages the ingest queue has, hidden ones included."""
        view = self.view_ingest_queue()
        return view.visible + view.hidden

    def count_dead_letters(self) -> int:
        """How many messages the dead-letter queue has, hidden ones included."""
        view = self.view_dead_letters()
        return view.visible + view.hidden

    def _view_queue(self, output: str) -> QueueView:
        answer = self._http.get(
            f"{self._stack.aws.endpoint_url}{QUEUE_PATH}", params={"url": self._stack.outputs[output]}, timeout=10
        )
        answer.raise_for_status()
        view = answer.json()
        return QueueView(view["visible"], view["hidden"], [QueuedMessage(**message) for message in view["messages"]])


def _read_attributes(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: _deserialize(value) for name, value in item.items()}


@lru_cache(maxsize=1000)
def _parse_item(body: str) -> Upload | Removal | None:
    return next((item for item in parse_message(body) if isinstance(item, Upload | Removal)), None)


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
