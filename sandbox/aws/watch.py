"""What a visitor could see in the AWS console: the function's log, the ledger, the dead letters."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

from boto3.dynamodb.types import TypeDeserializer

from image_ingest.target import Target
from sandbox.aws.emulator import Stack

_plain = TypeDeserializer().deserialize


def closing_lines(stack: Stack) -> Iterator[Mapping[str, Any]]:
    """The function's closing log line of every upload so far."""
    pages = stack.aws.client("logs").get_paginator("filter_log_events")
    for page in pages.paginate(logGroupName=stack.resources["ImageIngestLogGroup"]):
        for event in page["events"]:
            line = _object(event["message"])
            if "outcome" in line:
                yield line


def ledger_item(stack: Stack, target: Target) -> Mapping[str, Any]:
    """What the ledger says about a target; empty if nothing."""
    answer = stack.aws.client("dynamodb").get_item(
        TableName=stack.outputs["LedgerTableName"], Key={"target": {"S": str(target)}}, ConsistentRead=True
    )
    return {name: _plain(value) for name, value in answer.get("Item", {}).items()}


def dead_letters(stack: Stack) -> dict[str, tuple[str, str]]:
    """Code and message of every dead letter in sight, by its object's key; they stay in the queue."""
    found: dict[str, tuple[str, str]] = {}
    while (
        messages := stack.aws.client("sqs")
        .receive_message(
            QueueUrl=stack.outputs["DeadLetterQueueUrl"], MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        .get("Messages")
    ):
        for message in messages:
            attributes = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
            key = unquote_plus(json.loads(message["Body"])["Records"][0]["s3"]["object"]["key"])
            found[key] = attributes.get("ErrorCode", ""), attributes.get("ErrorMessage", "")
    return found


def _object(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
