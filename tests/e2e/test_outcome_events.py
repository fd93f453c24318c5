"""Outcome events (docs/events.md): what a rule on the bus delivers to a queue, for an album and after a crash."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # has no types
import pytest

from sandbox.aws import EmbeddedAws, Monitor
from sandbox.demo import Sample, find_mismatches, make_album, send_samples
from sandbox.page.fault_switches import FaultSwitches
from sandbox.short_waits import deploy_with_short_waits
from sandbox.superoffice import StandIn
from tests import ROOT
from tests.support.sandbox_stacks import QUICK, deploy

SOURCE = "superoffice.image-ingest"


@dataclass
class Portal:
    """Another system: a bus, and a rule that sends our events to its queue."""

    aws: EmbeddedAws
    bus: str
    bus_arn: str
    queue: str

    def read(self, count: int, seconds: float = 30) -> list[dict[str, Any]]:
        """The events so far, once there are `count`, and any that follow within a second."""
        events: list[dict[str, Any]] = []
        end = time.monotonic() + seconds
        while (new := self._receive()) or (len(events) < count and time.monotonic() < end):
            events += new
        return events

    def _receive(self) -> list[dict[str, Any]]:
        sqs = self.aws.client("sqs")
        messages = sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get(
            "Messages", []
        )
        for message in messages:
            sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]


@pytest.fixture
def portal(aws: EmbeddedAws, request: pytest.FixtureRequest) -> Portal:
    name = f"outcomes-{abs(hash(request.node.name))}"
    events, sqs = aws.client("events"), aws.client("sqs")
    bus_arn = events.create_event_bus(Name=name)["EventBusArn"]
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps({"Statement": [allow]})})
    events.put_rule(Name=name, EventBusName=name, EventPattern=json.dumps({"source": [SOURCE]}))
    events.put_targets(Rule=name, EventBusName=name, Targets=[{"Id": "portal", "Arn": arn}])
    return Portal(aws, name, bus_arn, queue)


def expected_outcomes(album: list[Sample]) -> Counter[tuple[str, str, str | None]]:
    """Key, outcome and code of every upload."""
    codes = {sample.name: sample.expected for sample in album if "." in sample.expected}
    return Counter(
        (sample.name, "rejected" if sample.name in codes else sample.expected, codes.get(sample.name))
        for sample in album
    )


def outcomes(events: list[dict[str, Any]]) -> Counter[tuple[str, str, str | None]]:
    details = [event["detail"] for event in events]
    return Counter((detail["key"], detail["outcome"], detail["error_code"]) for detail in details)


def schema() -> Any:
    text = (ROOT / "docs/events.md").read_text()
    return json.loads(text.split("<!-- schema -->\n```json\n")[1].split("```")[0])


def test_an_album_gives_exactly_its_outcomes_as_the_schema_says(
    aws: EmbeddedAws, superoffice: StandIn, portal: Portal
) -> None:
    stack = deploy(aws, superoffice, OutcomeEventBus=portal.bus_arn)
    album = make_album()
    assert find_mismatches(stack, superoffice, send_samples(stack, album, lambda _: None)) == {}
    events = portal.read(len(album))
    assert outcomes(events) == expected_outcomes(album)
    for event in events:
        assert (event["source"], event["detail-type"]) == (SOURCE, "Upload Settled")
        jsonschema.validate(event["detail"], schema())
        if event["detail"]["outcome"] == "stored":
            shown = superoffice.pictures(event["detail"]["entity_type"], event["detail"]["entity_id"])
            assert event["detail"]["blob_id"] in {picture.blob_id for picture in shown}


@contextmanager
def killed_during_a_put(aws: EmbeddedAws, superoffice: StandIn) -> Iterator[None]:
    """The function's processes are killed once, while SuperOffice handles a PUT that it then drops."""
    switches, end = FaultSwitches(superoffice, aws), time.monotonic() + 60
    switches.switch("kill", on=True)
    yield
    while switches.is_armed:
        assert time.monotonic() < end, "no PUT arrived"
        switches.kill_workers()
        time.sleep(0.02)


def test_a_killed_worker_changes_no_outcome(aws: EmbeddedAws, superoffice: StandIn, portal: Portal) -> None:
    """Every upload is reported at least once. The first report of one that is stored says so.

    A worker that is killed after it recorded an upload and before it reported it would leave `duplicate` for the next
    report. Here the only worker at work is killed before that, so every outcome must come as if nothing had happened.
    """
    parameters = {**QUICK, "OutcomeEventBus": portal.bus}
    stack = deploy_with_short_waits(aws, "events-crash", parameters)
    stack.put_secret(superoffice.secret("basic"))
    album = [sample for sample in make_album() if sample.name in {"office.tif", "logo.png", "notes.jpg"}]
    (office,) = [sample for sample in album if sample.name == "office.tif"]
    with killed_during_a_put(aws, superoffice):
        aws.client("s3").put_object(
            Bucket=stack.outputs["UploadBucketName"], Key=office.name, Body=office.data, Metadata=office.metadata
        )
    send_samples(stack, [sample for sample in album if sample != office], lambda _: None)
    expected, reported = expected_outcomes(album), outcomes(portal.read(len(album), seconds=120))
    assert expected - reported == Counter(), "each is reported, and none as something else only"
    assert set(reported - expected) <= {(sample.name, "duplicate", None) for sample in album if sample.target}
    for sample in album:
        if sample.target is not None and sample.expected == "stored":
            assert superoffice.picture(sample.target.entity_type, sample.target.entity_id) is not None
            assert Monitor(stack).read_item(sample.target)["status"] == "stored"
