"""Refused uploads go to the dead-letter queue with their reason."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from image_ingest.aws.errors import aws_call
from image_ingest.errors import IngestError
from image_ingest.events import Delivery
from image_ingest.target import Target

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef

# SQS takes #x9 | #xA | #xD | #x20-#xD7FF | #xE000-#xFFFD | #x10000-#x10FFFF (SendMessage).
_NOT_SQS_TEXT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REMEMBERED = 1000


class DeadLetters:
    """The dead-letter queue, as far as this function sends to it."""

    def __init__(self, sqs: SQSClient, queue_url: str) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._sent: dict[tuple[str, str], int] = {}

    def send(self, body: str, failure: IngestError, delivery: Delivery, target: Target | None = None) -> None:
        """Sends one refused event, but not again for a later receipt of a message that this worker sent it for.

        Raises Deferred `aws.unavailable`, `aws.denied`: then it is not in the queue.
        """
        receives = delivery.receives or 1
        before = self._sent.get((delivery.id, body))
        if before is not None and before < receives:
            return
        attributes = {"ErrorCode": failure.code, "ErrorMessage": failure.message, "Attempts": str(receives)}
        if target is not None:
            attributes |= {"EntityType": target.entity_type, "EntityId": str(target.entity_id)}
        with aws_call("sending to the dead-letter queue"):
            self._sqs.send_message(
                QueueUrl=self._queue_url,
                MessageBody=_sqs_text(body),
                MessageAttributes={name: _string(value) for name, value in attributes.items()},
            )
        self._remember(delivery.id, body, receives)

    def _remember(self, message_id: str, body: str, receives: int) -> None:
        """Of a message with several records, those without a target are known nowhere else."""
        if len(self._sent) >= _REMEMBERED:
            self._sent.clear()
        self._sent[message_id, body] = receives


def _string(value: str) -> MessageAttributeValueTypeDef:
    return {"DataType": "String", "StringValue": _sqs_text(value)}


def _sqs_text(text: str) -> str:
    """The text without what SQS refuses, and never empty."""
    return _NOT_SQS_TEXT.sub("\N{REPLACEMENT CHARACTER}", text) or " "
