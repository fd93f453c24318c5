"""A full replay by SQS's own move task, which the emulator does not have."""

# ruff: noqa: N803 - the parameters have boto3's own names

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from image_ingest.errors import CATALOGUE
from image_ingest.events import Ignored, Unrecognised, WorkItem
from image_ingest.upload import Removal, Upload
from image_ingest_cli.aws.dead_letters import DeadLetter, await_move_task, replay_letters, start_move_task
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.commands.failures import replay_all
from image_ingest_cli.diagnosis.letter_text import build_letters, show_letters
from image_ingest_cli.errors import CommandError

UPLOAD, REMOVAL = Upload("b", "a.jpg"), Removal("b", "b.jpg")
SOURCE, DESTINATION = "arn:aws:sqs:eu-north-1:123456789012:dead", "arn:aws:sqs:eu-north-1:123456789012:ingest"


class Queues:
    """Two queues, as far as a replay needs them; `refuses` is an error code of StartMessageMoveTask."""

    def __init__(self, *, refuses: str | None = None, states: tuple[str, ...] = ("COMPLETED",)) -> None:
        self.refuses = refuses
        self.states: Iterator[str] = iter(states)
        self.dead = ["one", "two"]
        self.ingest: list[str] = []
        self.dies_after_send = False
        self.rate = 0

    def start_message_move_task(
        self, SourceArn: str, DestinationArn: str, MaxNumberOfMessagesPerSecond: int
    ) -> dict[str, str]:
        if self.refuses:
            raise ClientError({"Error": {"Code": self.refuses}}, "StartMessageMoveTask")
        assert (SourceArn, DestinationArn) == (SOURCE, DESTINATION)
        self.rate = MaxNumberOfMessagesPerSecond
        self.ingest, self.dead = [*self.ingest, *self.dead], []
        return {"TaskHandle": "task"}

    def list_message_move_tasks(self, SourceArn: str, MaxResults: int) -> dict[str, Any]:
        assert (SourceArn, MaxResults) == (SOURCE, 1)
        task = {"Status": next(self.states), "ApproximateNumberOfMessagesMoved": len(self.ingest)}
        return {"Results": [task | {"FailureReason": "AWS.SimpleQueueService.NonExistentQueue"}]}

    def send_message(self, QueueUrl: str, MessageBody: str) -> None:
        assert QueueUrl == "ingest"
        self.ingest.append(MessageBody)
        if self.dies_after_send:
            raise KeyboardInterrupt

    def delete_message(self, QueueUrl: str, ReceiptHandle: str) -> None:
        assert QueueUrl == "dead"
        self.dead.remove(ReceiptHandle)


class FakeStack:
    """A stack of two queues."""

    dead_letter_queue, ingest_queue = "dead", "ingest"
    is_emulator = False

    def __init__(self, queues: Queues) -> None:
        self.sqs = queues

    def get_queue_arn(self, url: str) -> str:
        return {"dead": SOURCE, "ingest": DESTINATION}[url]


def _stack(queues: Queues) -> Stack:
    return cast("Stack", FakeStack(queues))


def _letter(name: str) -> DeadLetter:
    return DeadLetter(name, name, name, "image.unreadable", None, 1, None, "2026-10-05T10:00:00Z", ())


def test_the_move_task_gets_the_ingest_queue_and_is_awaited() -> None:
    queues = Queues(states=("RUNNING", "RUNNING", "COMPLETED"))
    pauses: list[float] = []
    assert start_move_task(_stack(queues), 10) == "task"
    assert await_move_task(_stack(queues), sleep=pauses.append) == 2
    assert (queues.ingest, queues.rate, len(pauses)) == (["one", "two"], 10, 2)


def test_a_failed_move_task_is_reported() -> None:
    with pytest.raises(CommandError, match="NonExistentQueue"):
        await_move_task(_stack(Queues(states=("FAILED",))))


@pytest.mark.parametrize("code", ["InvalidAction", "AccessDenied", "InternalFailure"])
def test_without_a_move_task_the_command_line_replays(code: str) -> None:
    assert start_move_task(_stack(Queues(refuses=code)), 10) is None


def test_a_full_replay_uses_the_move_task() -> None:
    queues = Queues()
    assert replay_all(_stack(queues), 500) == 2
    assert (queues.dead, queues.ingest) == ([], ["one", "two"])


def test_a_crash_between_send_and_delete_duplicates_and_loses_nothing() -> None:
    queues = Queues()
    queues.dies_after_send = True
    with pytest.raises(KeyboardInterrupt):
        list(replay_letters(_stack(queues), [_letter("one"), _letter("two")], 10))
    assert (queues.dead, queues.ingest) == (["one", "two"], ["one"])
    queues.dies_after_send = False
    pauses: list[float] = []
    list(replay_letters(_stack(queues), [_letter("one"), _letter("two")], 4, sleep=pauses.append))
    assert (queues.dead, queues.ingest) == ([], ["one", "one", "two"])
    assert pauses == [0.25]


def test_each_code_is_listed_with_its_meaning_and_advice(capsys: pytest.CaptureFixture[str]) -> None:
    busy = replace(_letter("three"), code="target.busy")
    show_letters([_letter("one"), replace(_letter("two"), code=None), busy], {}, "trial")
    entry = CATALOGUE["image.unreadable"]
    printed = capsys.readouterr().out
    assert f"image.unreadable: 1\n  {entry.meaning}\n  → {entry.advice}\n" in printed
    assert "(none): 1\n  The queue itself moved it" in printed
    replay = "image-ingest failures replay --code target.busy --stack trial"
    assert f"  → It is not retried any more. Once the cause is gone: {replay}\n" in printed
    assert printed.count("not retried any more") == 1
    (group,) = build_letters([busy], {}, "trial")["groups"]
    assert group["advice"].endswith(f"Once the cause is gone: {replay}")


@pytest.mark.parametrize(
    ("items", "request_"),
    [
        ((UPLOAD,), UPLOAD),
        ((REMOVAL,), REMOVAL),
        ((), None),
        ((UPLOAD, UPLOAD), None),
        ((UPLOAD, Ignored("test event")), None),
        ((Unrecognised("x"),), None),
    ],
)
def test_a_letter_is_about_one_upload_or_removal(
    items: tuple[WorkItem, ...], request_: Upload | Removal | None
) -> None:
    letter = replace(_letter("one"), items=items)
    assert letter.request == request_
    assert letter.key == (request_.key if request_ else None)
