"""What the Lambda service does round the function: its SQS trigger, by the function's role, and its log.

The log is written by the administrator: the embedded AWS takes the role's grant on a log group for one on another ARN.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.aws import REGION, DeployedStack
from sandbox.lambda_runtime import Built, Emulator
from tests.support.sandbox_stacks import credentials_of_function


class Trigger:
    """Takes messages from the ingest queue, invokes, and deletes those that did not fail."""

    def __init__(self, stack: DeployedStack, emulator: Emulator, name: str = "1") -> None:
        self._emulator = emulator
        self._sqs = stack.aws.client("sqs", credentials_of_function(stack))
        self._logs = stack.aws.client("logs")
        self._queue = stack.outputs["IngestQueueUrl"]
        self._stream = {"logGroupName": stack.resources["ImageIngestLogGroup"], "logStreamName": name}
        self._logs.create_log_stream(**self._stream)

    def receive(self, at_most: int = 1, wait: int = 1) -> list[dict[str, Any]]:
        """SQS records as Lambda hands them on."""
        received = self._sqs.receive_message(
            QueueUrl=self._queue, MaxNumberOfMessages=at_most, WaitTimeSeconds=wait, AttributeNames=["All"]
        )
        arn = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        return [_record(message, arn) for message in received.get("Messages", ())]

    def settle(self, records: Sequence[Mapping[str, Any]], status: int, body: str) -> list[str]:
        """Deletes what the answer does not name as failed, all unless it is an error; the ids that stay."""
        answer = json.loads(body) if status == 200 and body.startswith("{") else {}
        stays = {record["messageId"] for record in records}
        if "batchItemFailures" in answer:
            stays = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
        for record in records:
            if record["messageId"] not in stays:
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=record["receiptHandle"])
        return sorted(stays)

    def poll(self, at_most: int = 1) -> list[str]:
        """One round; the ids of the messages that failed."""
        records = self.receive(at_most)
        if not records:
            return []
        stays = self.settle(records, *self._emulator.invoke({"Records": records}))
        self.log()
        return stays

    def log(self) -> None:
        """Passes the function's log on."""
        lines = [line for line in self._emulator.news() if line.strip()]
        events = [{"timestamp": int(time.time() * 1000), "message": line} for line in lines]
        if events:
            self._logs.put_log_events(**self._stream, logEvents=events)

    @contextmanager
    def polling(self) -> Iterator[None]:
        """Polls in the background."""
        ended = threading.Event()

        def poll() -> None:
            while not ended.is_set():
                self.poll()

        thread = threading.Thread(target=poll)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _record(message: Mapping[str, Any], queue_arn: str) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }


def take_over(stack: DeployedStack) -> dict[str, str]:
    """Ends the sandbox's own trigger; the environment that the template gives the function."""
    functions = stack.aws.client("lambda")
    functions.delete_event_source_mapping(UUID=stack.resources["ImageIngestFunctionUploads"])
    name = stack.outputs["ImageIngestFunctionName"]
    configuration = functions.get_function_configuration(FunctionName=name)
    return dict(configuration["Environment"]["Variables"])


def emulator(
    built: Built, stack: DeployedStack, environment: Mapping[str, str], seconds: int = 30, **settings: str
) -> Emulator:
    """The built function with what the template gives it, and its role's temporary credentials."""
    credentials = credentials_of_function(stack)
    aws = stack.aws.environment()
    rights = {
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_SESSION_TOKEN": credentials.session_token or "",
        "AWS_REGION": REGION,
    }
    visible = [Path(aws["AWS_CA_BUNDLE"])]
    return Emulator(built, {**environment, **aws, **rights, **settings}, visible=visible, seconds=seconds)
