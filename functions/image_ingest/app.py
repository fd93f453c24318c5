"""The Lambda function: wire once, hand every upload on, answer in AWS's words."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.config import Config

from image_ingest.aws.dead_letters import DeadLetters
from image_ingest.aws.ingest_queue import IngestQueue, back_off
from image_ingest.aws.objects import Objects
from image_ingest.deadline import Deadline
from image_ingest.errors import IngestDeferred
from image_ingest.events import (
    BatchTask,
    Delivery,
    Notice,
    Unrecognised,
    batch_tasks_in,
    is_sqs_batch,
    notices_in,
    notices_in_message,
    unrecognised,
)
from image_ingest.ingest import Ingest
from image_ingest.ledger.claims import Ledger
from image_ingest.ledger.table import Table
from image_ingest.outcome import Result
from image_ingest.picture import warm_up
from image_ingest.report import Report
from image_ingest.settings import InvalidSettings, Settings
from image_ingest.superoffice import SecretSource, SuperOffice

RESERVE = 5.0  # seconds of an invocation kept for the ledger, the dead letter and the answer

_ASSUMED_SECONDS = 60.0
_AWS = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})
_BATCH_RESULT_CODES = {"rejected": "PermanentFailure", "deferred": "TemporaryFailure"}


def lambda_handler(event: Any, context: Any) -> dict[str, Any]:
    """Handles any event shape of docs/reference.md, "Events".

    Raises InvalidSettings; for direct invocations ValueError (`event.unrecognised`) and IngestDeferred.
    """
    worker = _worker()
    invocation = _Invocation(context)
    if is_sqs_batch(event):
        return worker.messages(event, invocation)
    if (tasks := batch_tasks_in(event)) is not None:
        return worker.batch_job(event, tasks, invocation)
    notices = notices_in(event)
    if notices is None or any(isinstance(notice, Unrecognised) for notice in notices):
        raise ValueError(f"{unrecognised().code}: {unrecognised()}")
    return worker.direct(notices, invocation)


class _Invocation:
    """One call of the function: its id and how long it may take."""

    def __init__(self, context: Any) -> None:
        self.request_id = str(getattr(context, "aws_request_id", ""))
        clock = getattr(context, "get_remaining_time_in_millis", None)  # some test tools have none
        remaining = clock() / 1000 if clock else _ASSUMED_SECONDS
        self.deadline = Deadline(remaining - RESERVE)


@dataclass(frozen=True)
class _Worker:
    """Everything that lives as long as the execution environment."""

    settings: Settings
    ingest: Ingest
    queue: IngestQueue
    report: Report

    def messages(self, event: Mapping[str, Any], invocation: _Invocation) -> dict[str, Any]:
        """Answers the SQS trigger. What failed before comes last, so that its neighbours are done if it kills us."""
        event = {**event, "Records": sorted(event["Records"], key=lambda record: _receives(SQSRecord(record)))}
        processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)

        def handle(record: SQSRecord) -> None:
            self._message(record, invocation.deadline)

        return dict(process_partial_response(event, handle, processor))

    def direct(self, notices: Sequence[Notice], invocation: _Invocation) -> dict[str, Any]:
        """Answers whoever invoked the function with an S3 notification or EventBridge event."""
        self.report.correlate(invocation.request_id)
        delivery = Delivery(invocation.request_id)
        results = [self.ingest.handle(notice, delivery, invocation.deadline)[0] for notice in notices]
        deferred = [result for result in results if result.outcome == "deferred"]
        if deferred:
            codes = ", ".join(sorted({str(result.error_code) for result in deferred}))
            raise IngestDeferred(f"{len(deferred)} of {len(results)} uploads were deferred ({codes}); invoke again.")
        return {"results": [result.as_row() for result in results]}

    def batch_job(
        self, event: Mapping[str, Any], tasks: Sequence[BatchTask], invocation: _Invocation
    ) -> dict[str, Any]:
        """Answers an S3 Batch Operations job, which keeps its own report: nothing is dead-lettered."""
        self.report.correlate(invocation.request_id)
        delivery = Delivery(invocation.request_id, dead_letters=False)
        results = []
        for task in tasks:
            notice = task.upload or Unrecognised("")
            result, _ = self.ingest.handle(notice, delivery, invocation.deadline)
            results.append(_task_result(task, result))
        return {
            "invocationSchemaVersion": event["invocationSchemaVersion"],
            "treatMissingKeysAs": "TemporaryFailure",
            "invocationId": event.get("invocationId"),
            "results": results,
        }

    def _message(self, record: SQSRecord, deadline: Deadline) -> None:
        """Handles one SQS message. Raises IngestDeferred, which keeps it on the queue."""
        receives = _receives(record)
        message_id = str(record.raw_event.get("messageId", ""))
        self.report.correlate(message_id)
        delivery = Delivery(message_id, receives, last=receives >= self.settings.max_attempts)
        waits = []
        for notice in notices_in_message(str(record.raw_event.get("body", ""))):
            result, wait = self.ingest.handle(notice, delivery, deadline)
            if result.outcome == "deferred":
                waits.append(wait or 0)
        if waits:
            self._postpone(record, back_off(receives, max(waits)))
            raise IngestDeferred(f"{len(waits)} uploads of this message were deferred.")

    def _postpone(self, record: SQSRecord, seconds: int) -> None:
        message = record.raw_event
        source, handle = message.get("eventSourceARN", ""), message.get("receiptHandle", "")
        if not self.queue.postpone(source, handle, seconds):
            self.report.warn("The queue did not take the back-off; the message returns after its visibility time-out.")


def _receives(record: SQSRecord) -> int:
    count = (record.raw_event.get("attributes") or {}).get("ApproximateReceiveCount", "1")
    return max(1, int(count)) if str(count).isdecimal() else 1


def _task_result(task: BatchTask, result: Result) -> dict[str, str]:
    text = f"{result.outcome} blob {result.blob_id}" if result.blob_id is not None else result.outcome
    if result.error_code is not None:
        text = f"{text} {result.error_code}: {result.message}"
    code = _BATCH_RESULT_CODES.get(result.outcome, "Succeeded")
    return {"taskId": task.task_id, "resultCode": code, "resultString": text[:1024]}


@cache
def _worker() -> _Worker:
    """The composition root; an invalid environment is not remembered, so every invocation says so."""
    settings = Settings.from_environment(os.environ)
    session = boto3.session.Session()
    report = Report(Logger(service="image_ingest"))
    sqs = session.client("sqs", config=_AWS)
    secret = SecretSource(session.client("secretsmanager", config=_AWS), settings.secret_id)
    ingest = Ingest(
        settings=settings,
        objects=Objects(session.client("s3", config=_AWS)),
        ledger=Ledger(Table(session.client("dynamodb", config=_AWS), settings.ledger_table)),
        superoffice=SuperOffice(settings.superoffice, secret),
        dead_letters=DeadLetters(sqs, settings.dead_letter_queue_url),
        report=report,
    )
    return _Worker(settings, ingest, IngestQueue(sqs), report)


def _begin() -> None:
    """Does the first invocation's preparations in Lambda's init phase, which has more CPU; elsewhere nothing."""
    if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:
        with suppress(InvalidSettings, ImportError):  # the invocations say so
            _worker()
            warm_up()


_begin()
