"""The three options that are off by default, each shown once in a stack of its own."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from PIL import Image

from image_ingest.target import Target
from sandbox.aws import DeployedStack, EmbeddedAws, Monitor
from sandbox.superoffice import StandIn

_PARAMETERS = {"RemoveWhenDeleted": "true", "ReplacePictures": "own", "OutcomeEventBus": "default"}
_NAME = "options"
_DELETED, _KEPT = Target("person", 10), Target("person", 11)
_PATIENCE = 45.0  # seconds for one outcome
_EVENTS = ("kept", "removed", "stored")

_T = TypeVar("_T")


@dataclass(frozen=True)
class OptionResult:
    """What an option did, and whether it is what it should do."""

    option: str
    text: str
    is_expected: bool


def try_options(aws: EmbeddedAws, superoffice: StandIn) -> list[OptionResult]:
    """Deploys a stack with all three options and tries each."""
    stack = aws.deploy(_PARAMETERS, stack_name=_NAME)
    stack.put_secret(superoffice.secret("basic"))
    queue = _subscribe(aws)
    follow = _OutcomeReader(stack)
    return [_delete(stack, superoffice, follow), _keep(stack, superoffice, follow), _read_events(aws, queue)]


class _OutcomeReader:
    """Waits for outcomes in the function's log."""

    def __init__(self, stack: DeployedStack) -> None:
        self._monitor = Monitor(stack)
        self._seen: list[tuple[str | None, str]] = []

    def wait(self, target: Target, *outcomes: str) -> str:
        """The target's first outcome among these; `lost` if there is none in time."""

        def find() -> str | None:
            self._seen += [(line.target, line.outcome) for line in self._monitor.read_new_lines()]
            return next((outcome for name, outcome in self._seen if name == str(target) and outcome in outcomes), None)

        return _wait_for(find) or "lost"


def _delete(stack: DeployedStack, superoffice: StandIn, follow: _OutcomeReader) -> OptionResult:
    """Uploads a photo and deletes it from the bucket."""
    key = _upload(stack, _DELETED, "teal")
    follow.wait(_DELETED, "stored")
    stack.aws.client("s3").delete_object(Bucket=stack.outputs["UploadBucketName"], Key=key)
    outcome = follow.wait(_DELETED, "removed", "superseded", "ignored", "rejected")
    is_gone = superoffice.picture("person", _DELETED.entity_id) is None
    text = f"{_DELETED}: the photo was deleted from the bucket -> {outcome}"
    return OptionResult("RemoveWhenDeleted", text, outcome == "removed" and is_gone)


def _keep(stack: DeployedStack, superoffice: StandIn, follow: _OutcomeReader) -> OptionResult:
    """Uploads a photo for a person who set a picture in SuperOffice."""
    superoffice.state.store("person", _KEPT.entity_id, _draw("gold"), "image/png", (64, 64))
    _upload(stack, _KEPT, "teal")
    outcome = follow.wait(_KEPT, "kept", "stored", "rejected")
    shown = superoffice.pictures("person", _KEPT.entity_id)
    text = f"{_KEPT}: somebody set a picture in SuperOffice -> {outcome}"
    return OptionResult("ReplacePictures=own", text, outcome == "kept" and len(shown) == 1)


def _read_events(aws: EmbeddedAws, queue: str) -> OptionResult:
    outcomes: list[str] = []

    def receive() -> bool:
        messages = aws.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        outcomes.extend(json.loads(message["Body"])["detail"]["outcome"] for message in messages)
        return len(outcomes) >= len(_EVENTS)

    _wait_for(receive)
    text = f"{len(outcomes)} events reached another system's queue -> {', '.join(sorted(outcomes))}"
    return OptionResult("OutcomeEventBus", text, tuple(sorted(outcomes)) == _EVENTS)


def _subscribe(aws: EmbeddedAws) -> str:
    """A rule on the default bus that sends our events to a queue. The queue's URL."""
    sqs, events = aws.client("sqs"), aws.client("events")
    url: str = sqs.create_queue(QueueName=_NAME)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = {"Version": "2012-10-17", "Statement": [{**allow, "Resource": arn}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    events.put_rule(Name=_NAME, EventPattern=json.dumps({"source": ["superoffice.image-ingest"]}))
    events.put_targets(Rule=_NAME, Targets=[{"Id": _NAME, "Arn": arn}])
    return url


def _upload(stack: DeployedStack, target: Target, colour: str) -> str:
    key = f"{target.entity_type}/{target.entity_id}.png"
    stack.aws.client("s3").put_object(
        Bucket=stack.outputs["UploadBucketName"],
        Key=key,
        Body=_draw(colour),
        Metadata={"entity-type": target.entity_type, "entity-id": str(target.entity_id)},
    )
    return key


def _draw(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(file, "PNG")
    return file.getvalue()


def _wait_for(look: Callable[[], _T]) -> _T:
    """The first true result, or the last one when time runs out."""
    end = time.monotonic() + _PATIENCE
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.1)
    return found
