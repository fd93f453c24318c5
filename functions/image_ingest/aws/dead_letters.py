"""Rejected uploads go to the dead-letter queue with the reason."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from image_ingest.aws.errors import aws_call
from image_ingest.errors import IngestError
from image_ingest.target import Target
from image_ingest.upload import Delivery

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef

# SQS takes #x9 | #xA | #xD | #x20-#xD7FF | #xE000-#xFFFD | #x10000-#x10FFFF (SendMessage).
_NOT_SQS_TEXT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class DeadLetters:
    """The dead-letter queue, as far as this function sends to it."""

    def __init__(self, sqs: SQSClient, queue_url: str) -> None:
        self._sqs = sqs
        self._queue_url = queue_url

    def send(self, body: str, failure: IngestError, delivery: Delivery, target: Target | None = None) -> None:
        """Sends one rejected event. Raises Deferred `aws.unavailable`, `aws.denied`: then it is not in the queue."""
        receives = delivery.receives or 1
        attributes = {"ErrorCode": failure.code, "ErrorMessage": failure.message, "Attempts": str(receives)}
        if target is not None:
            attributes |= {"EntityType": target.entity_type, "EntityId": str(target.entity_id)}
        with aws_call("sending to the dead-letter queue"):
            self._sqs.send_message(
                QueueUrl=self._queue_url,
                MessageBody=_clean(body),
                MessageAttributes={name: _string_attribute(value) for name, value in attributes.items()},
            )


def _string_attribute(value: str) -> MessageAttributeValueTypeDef:
    return {"DataType": "String", "StringValue": _clean(value)}


def _clean(text: str) -> str:
    """The text without the characters that SQS refuses, and never empty."""
    return _NOT_SQS_TEXT.sub("\N{REPLACEMENT CHARACTER}", text) or " "
