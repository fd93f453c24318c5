"""The dead-letter queue: read without losing a message, and replayed without losing one."""

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
from image_ingest.events import WorkItem, parse_message
from image_ingest.target import Target, find_target
from image_ingest.upload import Removal, Upload
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.errors import CommandError

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

HOLD_SECONDS = 600  # a message that a killed command held becomes visible again after this time

_BATCH = 10  # messages that SQS handles in one call
_POLL_SECONDS = 1  # a long poll asks all of SQS's servers, so one empty response is the end; an emulator has one


@dataclass(frozen=True)
class DeadLetter:
    """One failed message; `code` is None if the queue itself moved it."""

    id: str
    receipt: str = field(repr=False)
    body: str = field(repr=False)
    code: str | None
    message: str | None
    attempts: int | None
    target: Target | None
    sent_at: str
    items: Sequence[WorkItem]

    @property
    def request(self) -> Upload | Removal | None:
        """Its upload or removal; None if it has none or several."""
        requests = self.requests
        return requests[0] if len(requests) == 1 == len(self.items) else None

    @property
    def requests(self) -> list[Upload | Removal]:
        """Its uploads and removals."""
        return [item for item in self.items if isinstance(item, Upload | Removal)]

    @property
    def key(self) -> str | None:
        """The key of its object."""
        return self.request.key if self.request else None


@contextmanager
def hold_dead_letters(stack: Stack) -> Iterator[list[DeadLetter]]:
    """Every visible dead letter, hidden from other readers until the block ends; those not deleted come back."""
    letters: dict[str, DeadLetter] = {}
    try:
        for message in _receive(stack):
            letter = _parse_letter(message)
            letters.setdefault(letter.id, letter)
        yield sorted(letters.values(), key=lambda letter: (letter.sent_at, letter.id))
    finally:
        _give_back(stack, letters.values())


def read_dead_letters(stack: Stack) -> list[DeadLetter]:
    """Every visible dead letter; all are visible again afterwards."""
    with hold_dead_letters(stack) as letters:
        return letters


def delete_letter(stack: Stack, letter: DeadLetter) -> None:
    """Removes it from the queue permanently."""
    stack.sqs.delete_message(QueueUrl=stack.dead_letter_queue, ReceiptHandle=letter.receipt)


def replay_letters(
    stack: Stack, letters: Iterable[DeadLetter], per_second: float, sleep: Callable[[float], None] = time.sleep
) -> Iterator[DeadLetter]:
    """Sends each to the ingest queue, then deletes it: a crash in between duplicates it and loses nothing."""
    for number, letter in enumerate(letters):
        if number:
            sleep(1 / per_second)
        stack.sqs.send_message(QueueUrl=stack.ingest_queue, MessageBody=letter.body)
        delete_letter(stack, letter)
        yield letter


def start_move_task(stack: Stack, per_second: float) -> str | None:
    """Lets SQS move all dead letters to the ingest queue, which must be named. None if SQS cannot do that."""
    try:
        response = stack.sqs.start_message_move_task(
            SourceArn=stack.get_queue_arn(stack.dead_letter_queue),
            DestinationArn=stack.get_queue_arn(stack.ingest_queue),
            MaxNumberOfMessagesPerSecond=min(500, max(1, round(per_second))),
        )
    except ClientError:
        return None
    return response["TaskHandle"]


def await_move_task(stack: Stack, sleep: Callable[[float], None] = time.sleep) -> int:
    """How many messages the move task moved, once it is complete. Raises CommandError if it failed."""
    source = stack.get_queue_arn(stack.dead_letter_queue)
    while True:
        task: Any = stack.sqs.list_message_move_tasks(SourceArn=source, MaxResults=1)["Results"][0]
        if task["Status"] not in {"RUNNING", "CANCELLING"}:
            break
        sleep(1)
    if task["Status"] != "COMPLETED":
        reason = task.get("FailureReason", "no reason given")
        raise CommandError(f"SQS's move task ended as {task['Status']}: {reason}. Run the same command again.")
    return int(task.get("ApproximateNumberOfMessagesMoved", 0))


def _receive(stack: Stack) -> Iterator[MessageTypeDef]:
    while True:
        messages = stack.sqs.receive_message(
            QueueUrl=stack.dead_letter_queue,
            MaxNumberOfMessages=_BATCH,
            WaitTimeSeconds=0 if stack.is_emulator else _POLL_SECONDS,
            VisibilityTimeout=HOLD_SECONDS,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["SentTimestamp"],
        ).get("Messages", [])
        if not messages:
            return
        yield from messages


def _give_back(stack: Stack, letters: Iterable[DeadLetter]) -> None:
    """Makes the letters visible again; SQS refuses those that were deleted, one by one, which is harmless."""
    rest = iter(letters)
    while batch := list(islice(rest, _BATCH)):
        stack.sqs.change_message_visibility_batch(
            QueueUrl=stack.dead_letter_queue,
            Entries=[
                {"Id": str(number), "ReceiptHandle": letter.receipt, "VisibilityTimeout": 0}
                for number, letter in enumerate(batch)
            ],
        )


def _parse_letter(message: MessageTypeDef) -> DeadLetter:
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
        target=_parse_target(attributes.get("EntityType"), attributes.get("EntityId")),
        sent_at=datetime.fromtimestamp(sent, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        items=parse_message(message["Body"]),
    )


def _parse_target(entity_type: str | None, entity_id: str | None) -> Target | None:
    try:
        return find_target({"entity-type": entity_type or "", "entity-id": entity_id or ""}, "", None)
    except Rejected:
        return None
