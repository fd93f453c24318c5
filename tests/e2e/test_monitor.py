"""The sandbox's view of a queue: exact counts, and a bounded part of its messages."""

from __future__ import annotations

from sandbox.aws import EmbeddedAws, Monitor
from sandbox.superoffice import StandIn
from tests.support.sandbox_stacks import deploy

MANY = 1000


def test_the_view_of_a_long_queue_is_exact_and_short(aws: EmbeddedAws, superoffice: StandIn) -> None:
    stack = deploy(aws, superoffice)
    queue, sqs = stack.outputs["DeadLetterQueueUrl"], aws.client("sqs")
    for start in range(0, MANY, 10):
        entries = [{"Id": str(n), "MessageBody": f"message {n}"} for n in range(start, start + 10)]
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    taken = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=60)["Messages"]
    view = Monitor(stack).view_dead_letters()
    assert (view.visible, view.hidden) == (MANY - len(taken), len(taken))
    hidden = {message.id for message in view.messages if not message.visible}
    assert hidden == {message["MessageId"] for message in taken}
    assert f"message {MANY - 1}" in {message.body for message in view.messages}, "the newest"
    assert len(view.messages) < 400
