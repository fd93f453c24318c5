"""How many messages the stack's queues hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from image_ingest_cli.aws.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_sqs.literals import QueueAttributeNameType

_VISIBLE: QueueAttributeNameType = "ApproximateNumberOfMessages"
_HIDDEN: QueueAttributeNameType = "ApproximateNumberOfMessagesNotVisible"
_DELAYED: QueueAttributeNameType = "ApproximateNumberOfMessagesDelayed"


@dataclass(frozen=True)
class QueueCounts:
    """About how many uploads wait, are being handled or wait for their next attempt, and are dead letters."""

    waiting: int
    in_flight: int
    dead: int

    def __str__(self) -> str:
        return f"Queue: {self.waiting} waiting, {self.in_flight} in flight, {self.dead} dead."


def count_messages(stack: Stack) -> QueueCounts:
    """SQS's own counts, which are approximate for about a minute after a change."""
    ingest = _count(stack, stack.ingest_queue)
    dead = _count(stack, stack.dead_letter_queue)
    return QueueCounts(
        waiting=ingest[_VISIBLE] + ingest[_DELAYED],
        in_flight=ingest[_HIDDEN],
        dead=dead[_VISIBLE] + dead[_HIDDEN] + dead[_DELAYED],
    )


def count_held_dead_letters(stack: Stack) -> int:
    """About how many dead letters another reader holds now."""
    return _count(stack, stack.dead_letter_queue)[_HIDDEN]


def _count(stack: Stack, url: str) -> dict[QueueAttributeNameType, int]:
    names = [_VISIBLE, _HIDDEN, _DELAYED]
    attributes = stack.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return {name: int(attributes.get(name, 0)) for name in names}
