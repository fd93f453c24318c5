"""The dead-letter queue: read without losing a message, and sent back without losing one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from image_ingest.errors import Rejected
from image_ingest.events import Notice, Upload, notices_in_message
from image_ingest.target import Target, target_of
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.errors import Trouble

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

HOLD_SECONDS = 600  # a message that we hold and never give back, because we died, returns by itself after this
DIED = "(none)"  # shown for the code of a message that the queue itself moved

_BATCH = 10  # what SQS takes at once
_POLL_SECONDS = 1  # a long poll asks all of SQS's servers, so one empty answer is the end


@dataclass(frozen=True)
class DeadLetter:
    """One refused message; `code` is None where the queue itself moved it."""

    id: str
    receipt: str = field(repr=False)
    body: str = field(repr=False)
    code: str | None
    message: str | None
    attempts: int | None
    target: Target | None
    sent_at: str
    notices: Sequence[Notice]

    @property
    def upload(self) -> Upload | None:
        """The upload that it is about; None where it is none, or several."""
        uploads = [notice for notice in self.notices if isinstance(notice, Upload)]
        return uploads[0] if len(uploads) == 1 == len(self.notices) else None

    @property
    def key(self) -> str | None:
        """The key of its object."""
        return self.upload.key if self.upload else None


@contextmanager
def held(stack: Stack) -> Iterator[list[DeadLetter]]:
    """Every dead letter that can be seen now, hidden from others until the block ends; deleted is what was deleted."""
    letters: dict[str, DeadLetter] = {}
    try:
        for message in _receive(stack):
            letter = _letter(message)
            letters.setdefault(letter.id, letter)
        yield sorted(letters.values(), key=lambda letter: (letter.sent_at, letter.id))
    finally:
        _give_back(stack, letters.values())


def elsewhere(stack: Stack) -> int:
    """About how many dead letters somebody else is reading now."""
    answer = stack.sqs.get_queue_attributes(
        QueueUrl=stack.dead_letter_queue, AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessagesNotVisible"])


def delete(stack: Stack, letter: DeadLetter) -> None:
    """Takes it from the queue for good."""
    stack.sqs.delete_message(QueueUrl=stack.dead_letter_queue, ReceiptHandle=letter.receipt)


def send_back(
    stack: Stack, letters: Iterable[DeadLetter], per_second: float, sleep: Callable[[float], None] = time.sleep
) -> Iterator[DeadLetter]:
    """Sends each to the ingest queue, then deletes it: dying in between doubles it, and loses nothing."""
    for number, letter in enumerate(letters):
        if number:
            sleep(1 / per_second)
        stack.sqs.send_message(QueueUrl=stack.ingest_queue, MessageBody=letter.body)
        delete(stack, letter)
        yield letter


def start_move(stack: Stack, per_second: float) -> str | None:
    """Has SQS itself move all dead letters to the ingest queue, which it must be told. None where it cannot."""
    try:
        answer = stack.sqs.start_message_move_task(
            SourceArn=stack.queue_arn(stack.dead_letter_queue),
            DestinationArn=stack.queue_arn(stack.ingest_queue),
            MaxNumberOfMessagesPerSecond=min(500, max(1, round(per_second))),
        )
    except ClientError:
        return None
    return answer["TaskHandle"]


def await_move(stack: Stack, sleep: Callable[[float], None] = time.sleep) -> int:
    """How many messages the queue's move task moved, once it is done. Raises Trouble where it failed."""
    source = stack.queue_arn(stack.dead_letter_queue)
    while True:
        task: Any = stack.sqs.list_message_move_tasks(SourceArn=source, MaxResults=1)["Results"][0]
        if task["Status"] not in {"RUNNING", "CANCELLING"}:
            break
        sleep(1)
    if task["Status"] != "COMPLETED":
        raise Trouble(f"SQS's move task ended as {task['Status']}: {task.get('FailureReason', 'no reason given')}.")
    return int(task.get("ApproximateNumberOfMessagesMoved", 0))


def _receive(stack: Stack) -> Iterator[MessageTypeDef]:
    while True:
        messages = stack.sqs.receive_message(
            QueueUrl=stack.dead_letter_queue,
            MaxNumberOfMessages=_BATCH,
            WaitTimeSeconds=_POLL_SECONDS,
            VisibilityTimeout=HOLD_SECONDS,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["SentTimestamp"],
        ).get("Messages", [])
        if not messages:
            return
        yield from messages


def _give_back(stack: Stack, letters: Iterable[DeadLetter]) -> None:
    """Those deleted meanwhile are refused one by one, which does not matter."""
    rest = iter(letters)
    while batch := list(islice(rest, _BATCH)):
        stack.sqs.change_message_visibility_batch(
            QueueUrl=stack.dead_letter_queue,
            Entries=[
                {"Id": str(number), "ReceiptHandle": letter.receipt, "VisibilityTimeout": 0}
                for number, letter in enumerate(batch)
            ],
        )


def _letter(message: MessageTypeDef) -> DeadLetter:
    attributes = {name: value.get("StringValue") for name, value in message.get("MessageAttributes", {}).items()}
    attempts = attributes.get("Attempts") or ""
    sent = int(message.get("Attributes", {}).get("SentTimestamp", 0)) / 1000
    return DeadLetter(
        id=message["MessageId"],
        receipt=message["ReceiptHandle"],
        body=message["Body"],
        code=attributes.get("ErrorCode"),
        message=attributes.get("ErrorMessage"),
        attempts=int(attempts) if attempts.isdigit() else None,
        target=_target(attributes.get("EntityType"), attributes.get("EntityId")),
        sent_at=datetime.fromtimestamp(sent, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        notices=notices_in_message(message["Body"]),
    )


def _target(entity_type: str | None, entity_id: str | None) -> Target | None:
    try:
        return target_of({"entity-type": entity_type or "", "entity-id": entity_id or ""}, "", None)
    except Rejected:
        return None
