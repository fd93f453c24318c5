"""One worker process: polls the ingest queue as Lambda's trigger does, with shorter times.

Called with the queue's URL; killed from outside. SuperOffice sees its process id as the culture.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import boto3

from image_ingest.app import handle_event
from image_ingest.timing import Timing
from image_ingest.worker import Worker, build_worker

SECONDS = 3.0  # an invocation, instead of 120
VISIBILITY = 4  # seconds; longer than an invocation
EXCHANGE = 0.8  # a call to SuperOffice, instead of 30
ANSWERS_WITHIN = 1.6  # what a slow answer may take, so that it is over within the lease


class Context:
    """What Lambda passes beside the event."""

    aws_request_id = "request"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return int(SECONDS * 1000)


TIMING = Timing(
    reserve=0.5,
    least_for_upload=0.5,
    lease_margin=2.0,
    first_back_off=1,
    longest_back_off=2,
    superoffice_exchange=EXCHANGE,
)
CRASH_LIMIT = 100  # the uploads are not the cause of these crashes


def poll(worker: Worker, sqs: Any, queue_url: str) -> None:
    """Receives one message, invokes the handler, and deletes the message if it did not fail."""
    for message in sqs.receive_message(
        QueueUrl=queue_url, MaxNumberOfMessages=1, WaitTimeSeconds=1, AttributeNames=["All"]
    ).get("Messages", []):
        record = {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:eu-north-1:123456789012:{queue_url.rpartition('/')[2]}",
        }
        out_of_time = threading.Timer(SECONDS, os._exit, [1])
        out_of_time.start()
        answer = handle_event(worker, {"Records": [record]}, Context())
        out_of_time.cancel()
        if not answer["batchItemFailures"]:
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])


def main() -> None:
    """Works until it is killed."""
    worker = build_worker({**os.environ, "SUPEROFFICE_CULTURE": str(os.getpid())}, TIMING, crash_limit=CRASH_LIMIT)
    sqs = boto3.client("sqs")
    while True:
        poll(worker, sqs, sys.argv[1])


if __name__ == "__main__":
    main()
