"""When a deferred message comes back: its visibility on the ingest queue is the back-off."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

FIRST_BACK_OFF = 30  # seconds; doubles with each receive
LONGEST_BACK_OFF = 6 * 3600
LONGEST_VISIBILITY = 12 * 3600 - 900  # SQS's 12 h count from the receipt, which an invocation's length may lie back
_JITTER = 0.2


def back_off(receives: int, retry_after: float | None, chance: float | None = None) -> int:
    """Seconds until the next delivery: the later of our doubling back-off and what the other side asked for.

    `chance` (0 to 1) shortens the back-off by up to a fifth, so that what failed together does not return together.
    """
    chance = random.random() if chance is None else chance  # noqa: S311  # spreads load, guards nothing
    doubled = FIRST_BACK_OFF << min(receives - 1, 20)
    own = min(doubled, LONGEST_BACK_OFF) * (1 - _JITTER * chance)
    return round(min(max(own, retry_after or 0), LONGEST_VISIBILITY))


class IngestQueue:
    """The queue that a message came from."""

    def __init__(self, sqs: SQSClient) -> None:
        self._sqs = sqs

    def postpone(self, source_arn: str, receipt_handle: str, seconds: int) -> bool:
        """Hides the message for that long. False where the queue does not: then its own time-out brings it back."""
        try:
            self._sqs.change_message_visibility(
                QueueUrl=self._url(source_arn), ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
            )
        except (ClientError, BotoCoreError):
            return False
        return True

    def _url(self, source_arn: str) -> str:
        account, name = source_arn.split(":")[-2:]
        return f"{self._sqs.meta.endpoint_url}/{account}/{name}"
