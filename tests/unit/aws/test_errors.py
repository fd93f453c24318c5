"""AWS's refusals become codes."""

from __future__ import annotations

import pytest
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, NoCredentialsError

from image_ingest.aws import DeadLetters, aws_call
from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred, Rejected
from image_ingest.upload import Delivery


def refusal(code: str, status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Op")  # type: ignore[typeddict-item]  # the rest plays no part


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (refusal("AccessDenied", 403), "aws.denied"),
        (refusal("403", 403), "aws.denied"),
        (refusal("AccessDeniedException"), "aws.denied"),
        (refusal("KMS.DisabledException"), "aws.denied"),
        (refusal("ExpiredTokenException"), "aws.denied"),
        (NoCredentialsError(), "aws.denied"),
        (refusal("ProvisionedThroughputExceededException"), "aws.unavailable"),
        (refusal("InternalServerError", 500), "aws.unavailable"),
        (refusal("ResourceNotFoundException"), "aws.unavailable"),
        (ConnectTimeoutError(endpoint_url="https://x"), "aws.unavailable"),
    ],
)
def test_a_refusal_is_deferred_and_says_what_was_refused(error: ClientError | BotoCoreError, code: str) -> None:
    with pytest.raises(Deferred, match="reading the ledger") as deferral, aws_call("reading the ledger"):
        raise error
    assert deferral.value.code == code


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), aws_call("reading the ledger"):
        raise KeyError


class Queue:
    """An SQS client that keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, object]] = []

    def send_message(self, **message: object) -> None:
        self.sent.append(message)


def test_a_dead_letter_holds_only_what_sqs_takes() -> None:
    queue = Queue()
    failure = Rejected("superoffice.bad-request", "a\x00b\ud800c\ufffed")
    DeadLetters(queue, "url").send("", failure, Delivery("1", 1))  # type: ignore[arg-type]  # the part that is used
    (message,) = queue.sent
    assert message["MessageBody"] == " "
    attributes = message["MessageAttributes"]
    assert isinstance(attributes, dict)
    assert attributes["ErrorMessage"]["StringValue"] == "a\ufffdb\ufffdc\ufffdd"


def test_a_deadline_bounds_every_wait() -> None:
    now = [100.0]
    deadline = Deadline(10, clock=lambda: now[0])
    assert deadline.bound(3) == 3
    now[0] = 108.0
    assert (deadline.bound(3), deadline.remaining()) == (2, 2)
    assert deadline.allows(2)
    assert not deadline.allows(2.1)
    now[0] = 109.6
    with pytest.raises(Deferred) as late:
        deadline.bound(3)
    assert late.value.code == "worker.out-of-time"
    now[0] = 200.0
    assert deadline.remaining() == 0
