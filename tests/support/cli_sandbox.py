"""The operator's command line in the sandbox, where the template is deployed and its function runs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest import mock

import typer.testing

from image_ingest_cli.main import app
from sandbox.aws import DeployedStack, EmbeddedAws, start_aws
from sandbox.superoffice import StandIn
from tests.support.sandbox_stacks import QUICK

# Typer would build the commands from their annotations for every run.
typer.testing._get_command = cache(typer.testing._get_command)  # type: ignore[attr-defined]
PATIENCE = 60.0  # seconds that something in the sandbox may take before a test fails


@dataclass(frozen=True)
class Run:
    """The result of a command."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What it printed with --json."""
        return json.loads(self.out)


@dataclass
class CliSandbox:
    """A deployed stack, and the shell in which the operator works on it."""

    stack: DeployedStack
    superoffice: StandIn

    def run(self, *arguments: object, answer: str | None = None, expect: int | None = 0, width: str = "140") -> Run:
        """Runs `image-ingest ARGUMENTS` in this process; `answer` is typed. Checks the exit status."""
        surroundings = {**self.stack.aws.environment(), "COLUMNS": width}
        with mock.patch.dict(os.environ, surroundings):
            result = typer.testing.CliRunner().invoke(app, [str(argument) for argument in arguments], input=answer)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert expect is None or result.exit_code == expect, f"{result.stdout}\n{result.stderr}"
        return Run(result.exit_code, result.stdout, result.stderr)

    @property
    def bucket(self) -> str:
        return self.stack.outputs["UploadBucketName"]

    def client(self, service: str) -> Any:
        return self.stack.aws.client(service)

    def put(self, key: str, data: bytes, target: str | None = None) -> str:
        """Uploads an object without the command line. Its version."""
        kind, _, number = (target or "").partition("#")
        metadata = {"entity-type": kind, "entity-id": number} if target else {}
        answer = self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=data, Metadata=metadata)
        return str(answer["VersionId"])

    def item(self, target: str) -> dict[str, Any]:
        """The ledger item without DynamoDB's type names."""
        table = self.stack.outputs["LedgerTableName"]
        answer = self.client("dynamodb").get_item(TableName=table, Key={"target": {"S": target}}, ConsistentRead=True)
        return {name: next(iter(value.values())) for name, value in answer.get("Item", {}).items()}

    def until(self, target: str, status: str) -> dict[str, Any]:
        """The item once it has this status."""
        found: dict[str, Any] = wait_for(lambda: (item := self.item(target)).get("status") == status and item)
        return found

    def dead_letters(self) -> int:
        """The number of dead letters, visible or not."""
        return self._count("DeadLetterQueueUrl")

    def waiting(self) -> int:
        """The number of messages on the ingest queue, visible or not."""
        return self._count("IngestQueueUrl")

    def until_quiet(self) -> None:
        """Waits until every upload is settled. Two at once for one target would only defer one of them."""
        wait_for(lambda: not self.waiting())

    def until_dead_letters(self, count: int) -> None:
        wait_for(lambda: self.dead_letters() == count and not self.waiting())

    def send_dead_letter(self, body: str) -> None:
        """Sends a dead letter that the function did not make."""
        self.client("sqs").send_message(QueueUrl=self.stack.outputs["DeadLetterQueueUrl"], MessageBody=body)

    def clear(self) -> None:
        """Deletes dead letters and the ledger's items, switches faults off and restores the credential."""
        self.superoffice.clear_faults()
        self.stack.put_secret(self.superoffice.secret("basic"))
        self.until_quiet()
        self.client("sqs").purge_queue(QueueUrl=self.stack.outputs["DeadLetterQueueUrl"])
        dynamodb, table = self.client("dynamodb"), self.stack.outputs["LedgerTableName"]
        for item in dynamodb.scan(TableName=table, ProjectionExpression="target")["Items"]:
            dynamodb.delete_item(TableName=table, Key=item)

    def _count(self, queue: str) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.client("sqs").get_queue_attributes(QueueUrl=self.stack.outputs[queue], AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)


def wait_for(look: Any) -> Any:
    """Waits until `look` returns something true, and returns it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("The condition was not met in time.")


def deploy_cli_sandbox(aws: EmbeddedAws, superoffice: StandIn, **parameters: str) -> CliSandbox:
    """Deploys the stack with its default name; `parameters` are the template's."""
    stack = aws.deploy({**QUICK, **parameters})
    stack.put_secret(superoffice.secret("basic"))
    return CliSandbox(stack, superoffice)


@contextmanager
def open_cli_sandbox(**parameters: str) -> Iterator[CliSandbox]:
    """A sandbox with an AWS of its own."""
    with start_aws() as aws, StandIn() as superoffice:
        yield deploy_cli_sandbox(aws, superoffice, **parameters)
