"""What the page looks at in the embedded AWS; looking changes nothing there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import requests
from boto3.dynamodb.types import TypeDeserializer

from sandbox.aws.emulator import ACCOUNT_ID, REGION, Stack

_OVERLAP = 10_000  # milliseconds read again, as lines of one moment may arrive out of order
_plain = TypeDeserializer().deserialize


@dataclass(frozen=True)
class Message:
    """A message as the emulator lets one see it, which SQS itself does not. `visible_at` in seconds since the epoch."""

    id: str
    body: str
    receives: int
    visible_at: int
    visible: bool
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class Line:
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


class Sources:
    """The stack's queues, log and ledger."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._logs = stack.aws.client("logs")
        self._dynamodb = stack.aws.client("dynamodb")
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.verify = stack.aws.environment()["AWS_CA_BUNDLE"]
        self._log_position = 0
        self._read: set[str] = set()

    def queues(self) -> tuple[list[Message], list[Message]]:
        """The messages of the ingest queue and of the dead-letter queue."""
        answer = self._http.get(
            f"{self._stack.aws.endpoint_url}/_ministack/sqs/messages", params={"account": ACCOUNT_ID}, timeout=10
        )
        answer.raise_for_status()
        by_url = answer.json()["messages"].get(ACCOUNT_ID, {}).get(REGION, {})
        by_name = {url.rpartition("/")[2]: messages for url, messages in by_url.items()}
        ingest, dead = (
            [_message(m) for m in by_name.get(self._stack.outputs[output].rpartition("/")[2], ())]
            for output in ("IngestQueueUrl", "DeadLetterQueueUrl")
        )
        return ingest, dead

    def new_lines(self) -> list[Line]:
        """The closing lines that were not read before."""
        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName=self._stack.resources["ImageIngestLogGroup"], startTime=max(0, self._log_position - _OVERLAP)
        )
        lines: list[Line] = []
        for event in (event for page in pages for event in page["events"]):
            if event["message"] not in self._read:
                self._read.add(event["message"])
                self._log_position = max(self._log_position, event["timestamp"])
                lines += _closing_line(event["message"])
        return lines

    def ledger(self) -> list[dict[str, Any]]:
        """Every item's public attributes, the latest first."""
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self._stack.outputs["LedgerTableName"])
        items = [{n: _plain(v) for n, v in item.items()} for page in pages for item in page["Items"]]
        return sorted((_entry(item) for item in items), key=lambda entry: str(entry["updated_at"]), reverse=True)


def _message(seen: Mapping[str, Any]) -> Message:
    attributes = {name: str(value.get("StringValue", "")) for name, value in seen["MessageAttributes"].items()}
    return Message(
        seen["MessageId"], seen["Body"], seen["ReceiveCount"], seen["VisibleAt"], seen["IsVisible"], attributes
    )


def _closing_line(text: str) -> Sequence[Line]:
    try:
        line = json.loads(text)
    except ValueError:
        return ()
    if not isinstance(line, dict) or "outcome" not in line or line.get("message") != "upload":
        return ()
    return (
        Line(
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


def _entry(item: Mapping[str, Any]) -> dict[str, Any]:
    names = ("target", "status", "content_type", "key", "error_code", "error_message", "updated_at", "sha256", "tenant")
    numbers = ("entity_id", "blob_id", "width", "height")
    return {name: item.get(name) for name in names} | {
        name: int(item[name]) if name in item else None for name in numbers
    }
