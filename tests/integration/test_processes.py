"""Eight real worker processes, one person, kill -9: the newest picture stays, and never are two sent at once."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

from sandbox.aws import EmbeddedAws, start_aws
from sandbox.superoffice import StandIn
from tests import ROOT
from tests.support.faults_worker import ANSWERS_WITHIN, VISIBILITY

WORKERS, UPLOADS = 8, 40
KILLED_AT = {2, 4, 6}  # the PUTs during which the worker dies; none before the seventh can end well
ENOUGH_SECONDS = 120


class Watched(StandIn):
    """A SuperOffice that notes how many PUTs are under way, and kills the caller during some of them."""

    def __init__(self) -> None:
        super().__init__()
        self.most_at_once = 0
        self.killed: list[int] = []
        self._now = 0
        self._puts = 0
        self._counting = threading.Lock()

    def _serve(self, environ: dict[str, Any], start_response: Any) -> Any:
        with self._counting:
            self._puts += 1
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            fatal = self._puts in KILLED_AT
        if fatal:
            worker = int(environ["HTTP_SO_CULTURE"])
            os.kill(worker, signal.SIGKILL)
            self.killed.append(worker)
        try:
            return super()._serve(environ, start_response)
        finally:
            with self._counting:
                self._now -= 1


class Deployment:
    """Bucket, queues, table and secret, and what workers need to know of them."""

    def __init__(self, aws: EmbeddedAws, superoffice: StandIn) -> None:
        self.s3, self.sqs, self.dynamodb = (aws.client(name) for name in ("s3", "sqs", "dynamodb"))
        self.s3.create_bucket(Bucket="photos", CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})
        self.s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
        self.queue = self.sqs.create_queue(QueueName="ingest", Attributes={"VisibilityTimeout": str(VISIBILITY)})[
            "QueueUrl"
        ]
        self.dead_letters = self.sqs.create_queue(QueueName="dead-letters")["QueueUrl"]
        self.dynamodb.create_table(
            TableName="ledger",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "target", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "target", "AttributeType": "S"}],
        )
        aws.client("secretsmanager").create_secret(
            Name="superoffice", SecretString=json.dumps(superoffice.secret("basic"))
        )
        self.environment = {
            **aws.environment(),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}",
            "SUPEROFFICE_SECRET_ID": "superoffice",
            "LEDGER_TABLE_NAME": "ledger",
            "DEAD_LETTER_QUEUE_URL": self.dead_letters,
            "MAX_ATTEMPTS": "1000",
            "SUPEROFFICE_CALLS_PER_SECOND": "1000",
        }

    def upload(self, number: int) -> str:
        """Puts a picture whose colour tells its number; its notification."""
        file = io.BytesIO()
        Image.new("RGB", (8, 8), (number * 6, 0, 0)).save(file, "PNG")
        key = f"{number % 3}.png"
        version = self.s3.put_object(
            Bucket="photos", Key=key, Body=file.getvalue(), Metadata={"entity-type": "person", "entity-id": "1"}
        )
        obj = {"key": key, "versionId": version["VersionId"], "sequencer": f"{number:016X}"}
        record = {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "eventTime": f"2026-10-05T10:00:{number:02}.000Z",
            "s3": {"bucket": {"name": "photos"}, "object": obj},
        }
        return json.dumps({"Records": [record]})

    def send(self, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)

    def waiting(self, queue: str) -> int:
        """Messages on the queue, whether visible or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return sum(int(count) for count in counts.values())


class Crew:
    """Worker processes; who dies is replaced."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._workers = [self._hire() for _ in range(WORKERS)]

    def replace_the_dead(self) -> None:
        self._workers = [worker if worker.poll() is None else self._hire() for worker in self._workers]

    def dismiss(self) -> None:
        for worker in self._workers:
            worker.kill()
            worker.wait()

    def _hire(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.support.faults_worker", self._deployment.queue],
            env=self._deployment.environment,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@contextmanager
def crew_of(deployment: Deployment) -> Iterator[Crew]:
    crew = Crew(deployment)
    try:
        yield crew
    finally:
        crew.dismiss()


def bad_weather(superoffice: StandIn) -> None:
    superoffice.fail(times=2, status=503)
    superoffice.fail(times=1, delay=ANSWERS_WITHIN, stores=True)  # longer than a worker waits
    superoffice.fail(times=1, drop=True, stores=True)
    superoffice.fail(times=1, status=429)


def upload_all(deployment: Deployment, crew: Crew) -> None:
    """Forty uploads in waves, each wave backwards, every third notification twice."""
    for wave in range(0, UPLOADS, 8):
        for number in reversed(range(wave + 1, wave + 9)):
            body = deployment.upload(number)
            for _ in range(2 if number % 3 == 0 else 1):
                deployment.send(body)
        crew.replace_the_dead()
        time.sleep(0.4)


def await_empty(deployment: Deployment, crew: Crew) -> None:
    end = time.monotonic() + ENOUGH_SECONDS
    while deployment.waiting(deployment.queue):
        assert time.monotonic() < end, "The queue does not drain."
        crew.replace_the_dead()
        time.sleep(0.2)


def number_of(picture: bytes) -> int:
    red: Any = Image.open(io.BytesIO(picture)).convert("RGB").getchannel("R").getpixel((4, 4))
    return round(int(red) / 6)


def test_forty_uploads_of_one_person_by_eight_workers_that_are_killed() -> None:
    with start_aws() as aws, Watched() as superoffice:
        deployment = Deployment(aws, superoffice)
        bad_weather(superoffice)
        with crew_of(deployment) as crew:
            upload_all(deployment, crew)
            await_empty(deployment, crew)
        shown = superoffice.picture("person", 1)
        item = deployment.dynamodb.get_item(TableName="ledger", Key={"target": {"S": "person#1"}})["Item"]
        given_up = deployment.waiting(deployment.dead_letters)
    assert shown is not None
    assert number_of(shown.data) == UPLOADS
    assert (item["status"]["S"], int(item["blob_id"]["N"])) == ("stored", shown.blob_id)
    assert given_up == 0
    assert superoffice.most_at_once == 1
    assert len(superoffice.killed) == len(KILLED_AT)
