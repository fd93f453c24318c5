"""When a deferred message returns: its visibility time-out on the ingest queue is the back-off."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from image_ingest.errors import Deferred
from image_ingest.timing import Timing

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_JITTER = 0.2


def compute_back_off(receives: int, retry_after: float | None, timing: Timing, chance: float = 0) -> int:
    """Seconds until the next delivery: the longer of our doubling back-off and what the other side asked for.

    `chance` (0 to 1) shortens it by up to a fifth, so that uploads that failed together do not return together.
    """
    doubled = timing.first_back_off * (1 << min(receives - 1, 20))
    own = min(doubled, timing.longest_back_off) * (1 - _JITTER * chance)
    return round(min(max(own, retry_after or 0), timing.longest_visibility))


class IngestQueue:
    """The queue that a message came from."""

    def __init__(self, sqs: SQSClient, timing: Timing = Timing(), draw: Callable[[], float] = random.random) -> None:
        self._sqs = sqs
        self._timing = timing
        self._draw = draw

    def back_off(self, receives: int, retry_after: float | None) -> int:
        """Seconds until a message that was received so often should return."""
        return compute_back_off(receives, retry_after, self._timing, self._draw())

    def postpone(self, source_arn: str, receipt_handle: str, seconds: int) -> bool:
        """Hides the message for that long. False if the queue refused: then its visibility time-out brings it back."""
        try:
            self._sqs.change_message_visibility(
                QueueUrl=self._url(source_arn), ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
            )
        except (ClientError, BotoCoreError, Deferred):
            return False
        return True

    def _url(self, source_arn: str) -> str:
        account, name = source_arn.split(":")[-2:]
        return f"{self._sqs.meta.endpoint_url}/{account}/{name}"
