"""One worker process: polls the ingest queue as Lambda's trigger does, with the function's times cut short.

Called with the queue's URL; killed from outside. SuperOffice sees its process id as the culture.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import boto3

from image_ingest import app, ingest
from image_ingest.aws import ingest_queue
from image_ingest.superoffice import transport

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


def hurry() -> None:
    """The same code with shorter times; how they stand to each other stays."""
    vars(app).update(RESERVE=0.5)
    vars(ingest).update(LEAST_TIME=0.5, LEASE_MARGIN=2.0)
    vars(ingest).update(CRASH_LIMIT=100)  # here not the uploads are to blame for the deaths
    vars(ingest_queue).update(FIRST_BACK_OFF=1, LONGEST_BACK_OFF=2)
    vars(transport).update(_EXCHANGE_SECONDS=EXCHANGE)
    os.environ["SUPEROFFICE_CULTURE"] = str(os.getpid())


def poll(sqs: Any, queue_url: str) -> None:
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
        answer = app.lambda_handler({"Records": [record]}, Context())
        out_of_time.cancel()
        if not answer["batchItemFailures"]:
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])


def main() -> None:
    """Works until it is killed."""
    hurry()
    sqs = boto3.client("sqs")
    while True:
        poll(sqs, sys.argv[1])


if __name__ == "__main__":
    main()
