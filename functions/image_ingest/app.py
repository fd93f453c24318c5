"""The Lambda function's handler, and its answers in AWS's words."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from image_ingest.architecture import WrongArchitecture
from image_ingest.aws import limit_calls
from image_ingest.deadline import Deadline
from image_ingest.errors import IngestDeferred, IngestError, explain_failure
from image_ingest.events import (
    UNRECOGNISED,
    BatchTask,
    Unrecognised,
    WorkItem,
    is_sqs_batch,
    parse_batch_tasks,
    parse_event,
    parse_message,
)
from image_ingest.outcome import Result
from image_ingest.picture import probe_decoder, warm_up
from image_ingest.settings import InvalidSettings
from image_ingest.timing import Timing
from image_ingest.upload import Delivery
from image_ingest.worker import Worker, build_worker

_BATCH_RESULT_CODES = {"rejected": "PermanentFailure", "deferred": "TemporaryFailure"}


def lambda_handler(event: Any, context: Any) -> dict[str, Any]:
    """Handles every event shape of docs/reference.md, "Events".

    Raises InvalidSettings; for direct invocations ValueError (`event.unrecognised`) and IngestDeferred.
    """
    return handle_event(get_worker(), event, context)


@cache
def get_worker() -> Worker:
    """This environment's worker. Invalid settings are not remembered, so that every invocation reports them."""
    return build_worker(os.environ)


def handle_event(worker: Worker, event: Any, context: Any) -> dict[str, Any]:
    """What lambda_handler does, with a given worker."""
    invocation = Invocation.from_context(context, worker.timing)
    if is_sqs_batch(event):
        return handle_messages(worker, event, invocation)
    if (tasks := parse_batch_tasks(event)) is not None:
        return _handle_batch_job(worker, event, tasks, invocation)
    items = parse_event(event)
    if items is None or any(isinstance(item, Unrecognised) for item in items):
        raise ValueError(f"event.unrecognised: {UNRECOGNISED}")
    return _handle_direct(worker, items, invocation)


@dataclass(frozen=True)
class Invocation:
    """One call of the function: its id, and the deadline of everything done in it."""

    request_id: str
    deadline: Deadline

    @classmethod
    def from_context(cls, context: Any, timing: Timing) -> Invocation:
        """By Lambda's context object, of which some test tools give only a part."""
        remaining = getattr(context, "get_remaining_time_in_millis", None)
        seconds = remaining() / 1000 if remaining else timing.invocation
        return cls(str(getattr(context, "aws_request_id", "")), Deadline(seconds - timing.reserve))


def handle_messages(worker: Worker, event: Mapping[str, Any], invocation: Invocation) -> dict[str, Any]:
    """Answers the SQS trigger. Messages that failed before come last: if one kills the worker, the others are done."""
    event = {**event, "Records": sorted(event["Records"], key=lambda record: _count_receives(SQSRecord(record)))}
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)

    def handle(record: SQSRecord) -> None:
        _handle_message(worker, record, invocation.deadline)

    return dict(process_partial_response(event, handle, processor))


def _handle_message(worker: Worker, record: SQSRecord, deadline: Deadline) -> None:
    """Raises IngestDeferred, which keeps the message on the queue."""
    receives = _count_receives(record)
    message_id = str(record.raw_event.get("messageId", ""))
    worker.report.correlate(message_id)
    last = receives >= worker.settings.max_attempts
    delivery = Delivery(message_id, receives, last=last, patience=_measure_patience(worker, record))
    waits = []
    for item in parse_message(str(record.raw_event.get("body", ""))):
        attempt = worker.ingest.handle(item, delivery, deadline)
        if attempt.result.outcome == "deferred":
            waits.append(attempt.retry_after or 0)
    if waits:
        with limit_calls(deadline.extend(worker.timing.closing)):
            _postpone(worker, record, worker.queue.back_off(receives, max(waits)))
        raise IngestDeferred(f"{len(waits)} uploads of this message were deferred.")


def _postpone(worker: Worker, record: SQSRecord, seconds: int) -> None:
    message = record.raw_event
    source, handle = message.get("eventSourceARN", ""), message.get("receiptHandle", "")
    if not worker.queue.postpone(source, handle, seconds):
        worker.report.warn("The queue refused the back-off. The message returns after its visibility time-out.")


def _handle_direct(worker: Worker, items: Sequence[WorkItem], invocation: Invocation) -> dict[str, Any]:
    """Answers the caller of an invocation with an S3 notification or EventBridge event."""
    worker.report.correlate(invocation.request_id)
    delivery = Delivery(invocation.request_id)
    if not items:
        worker.report.decoder(confined=probe_decoder(invocation.deadline))
    results = [worker.ingest.handle(item, delivery, invocation.deadline).result for item in items]
    deferred = [result for result in results if result.outcome == "deferred"]
    if deferred:
        reasons = [f"{result.key}: {explain_failure(result.error_code, result.message)}" for result in deferred]
        heading = f"{len(deferred)} of {len(results)} uploads were deferred. Invoke again."
        raise IngestDeferred("\n".join([heading, *reasons]))
    return {"results": [result.as_row() for result in results]}


def _handle_batch_job(
    worker: Worker, event: Mapping[str, Any], tasks: Sequence[BatchTask], invocation: Invocation
) -> dict[str, Any]:
    """Answers an S3 Batch Operations job, which keeps its own report: nothing is dead-lettered."""
    worker.report.correlate(invocation.request_id)
    delivery = Delivery(invocation.request_id, dead_letters=False)
    results = []
    for task in tasks:
        item = task.upload or Unrecognised("")
        results.append(_format_task_result(task, worker.ingest.handle(item, delivery, invocation.deadline).result))
    return {
        "invocationSchemaVersion": event["invocationSchemaVersion"],
        "treatMissingKeysAs": "TemporaryFailure",
        "invocationId": event.get("invocationId"),
        "results": results,
    }


def _format_task_result(task: BatchTask, result: Result) -> dict[str, str]:
    text = f"{result.outcome} blob {result.blob_id}" if result.blob_id is not None else result.outcome
    if result.error_code is not None:
        text = f"{text} {result.error_code}: {result.message}"
    code = _BATCH_RESULT_CODES.get(result.outcome, "Succeeded")
    return {"taskId": task.task_id, "resultCode": code, "resultString": text[:1024]}


def _count_receives(record: SQSRecord) -> int:
    count = (record.raw_event.get("attributes") or {}).get("ApproximateReceiveCount", "1")
    return max(1, int(count)) if str(count).isdecimal() else 1


def _measure_patience(worker: Worker, record: SQSRecord) -> float | None:
    """Seconds within which the message must return, before the queue deletes it."""
    sent = str((record.raw_event.get("attributes") or {}).get("SentTimestamp", ""))
    if not sent.isdecimal():
        return None
    end = int(sent) / 1000 + worker.timing.queue_retention
    return end - worker.timing.retention_margin - worker.clock()


def _prepare_environment() -> None:
    """Builds the worker in Lambda's init phase, which has more CPU. Does nothing elsewhere."""
    if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:
        with suppress(IngestError, InvalidSettings, WrongArchitecture, ImportError):  # the invocations report it
            warm_up()  # first, so that the process starts beside the rest
            get_worker()


_prepare_environment()
