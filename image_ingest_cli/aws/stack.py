"""The deployed stack: its outputs, its function's settings, its AWS clients."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from image_ingest.aws import Objects, error_code
from image_ingest.ledger import Ledger, Table, TableSlots
from image_ingest.settings import MEMORY_VARIABLE, InvalidSettings, Settings
from image_ingest.superoffice import RateLimits, SecretSource, SuperOffice, is_loopback
from image_ingest_cli.errors import CommandError
from image_ingest_cli.superoffice import Crm
from image_ingest_cli.terminal.console import print_note

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

WORKERS = 16  # threads of this command line; each needs a connection
_AWS = Config(
    connect_timeout=5,
    read_timeout=60,
    max_pool_connections=WORKERS,
    retries={"mode": "standard", "total_max_attempts": 5},
)


class Stack:
    """One deployed stack. Raises CommandError if it cannot be found or used."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._session = boto3.session.Session(region_name=os.environ.get("AWS_REGION") or None)  # boto3 ignores it
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:
        """This service's client. Threads may share clients, but must not create them at the same time."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._session.client(service, config=_AWS)  # type: ignore[call-overload]  # any service's name
            return self._clients[service]

    @property
    def s3(self) -> S3Client:
        """For buckets and objects."""
        return cast("S3Client", self.client("s3"))

    @property
    def sqs(self) -> SQSClient:
        """For both queues."""
        return cast("SQSClient", self.client("sqs"))

    @property
    def dynamodb(self) -> DynamoDBClient:
        """For the ledger."""
        return cast("DynamoDBClient", self.client("dynamodb"))

    @cached_property
    def description(self) -> Mapping[str, Any]:
        """CloudFormation's description of the stack."""
        try:
            response = self.client("cloudformation").describe_stacks(StackName=self.name)
            return cast("Mapping[str, Any]", response["Stacks"][0])
        except ClientError as error:
            if error_code(error) != "ValidationError":
                raise
            region = self._session.region_name
            raise CommandError(
                f"There is no stack {self.name} in {region}. Name another stack with --stack or another region with "
                "AWS_REGION, or deploy it."
            ) from None

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The stack's outputs by name."""
        return {output["OutputKey"]: output["OutputValue"] for output in self.description.get("Outputs", ())}

    @property
    def bucket(self) -> str:
        """The upload bucket."""
        return self._read_output("UploadBucketName")

    @property
    def ingest_queue(self) -> str:
        """The ingest queue's URL."""
        return self._read_output("IngestQueueUrl")

    @property
    def dead_letter_queue(self) -> str:
        """The dead-letter queue's URL."""
        return self._read_output("DeadLetterQueueUrl")

    @property
    def secret_id(self) -> str:
        """The secret with the SuperOffice credential."""
        return self._read_output("SuperOfficeSecretArn")

    @property
    def table_name(self) -> str:
        """The ledger's table."""
        return self._read_output("LedgerTableName")

    @property
    def function_name(self) -> str:
        """The function."""
        return self._read_output("ImageIngestFunctionName")

    @cached_property
    def function(self) -> Mapping[str, Any]:
        """The function's configuration as Lambda has it."""
        return cast(
            "Mapping[str, Any]",
            self.client("lambda").get_function_configuration(FunctionName=self.function_name),
        )

    @cached_property
    def settings(self) -> Settings:
        """The settings that the function runs with."""
        try:
            variables = self.function.get("Environment", {}).get("Variables", {})
            return Settings.from_environment({MEMORY_VARIABLE: str(self.function.get("MemorySize", "")), **variables})
        except InvalidSettings as problem:
            raise CommandError(f"The function's environment is not valid, so every upload fails. {problem}") from None

    @cached_property
    def table(self) -> Table:
        """The ledger's table."""
        return Table(self.dynamodb, self.table_name)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, to claim records as a worker does."""
        return Ledger(self.table)

    @cached_property
    def objects(self) -> Objects:
        """The uploaded objects."""
        return Objects(self.s3)

    @cached_property
    def crm(self) -> Crm:
        """SuperOffice, with the stack's own credential."""
        return self.connect(SecretSource(self.client("secretsmanager"), self.secret_id), print_note)

    def connect(self, secret: SecretSource, warn: Callable[[str], None]) -> Crm:
        """SuperOffice with this credential, within the stack's rate limit."""
        return Crm(SuperOffice(self.settings.superoffice, secret, limits=self.rate_limits, warn=warn))

    @cached_property
    def rate_limits(self) -> RateLimits:
        """The rate limits that this command line shares with the stack's function."""
        return RateLimits(self.settings.superoffice, lambda tenant: TableSlots(self.table, tenant), warn=print_note)

    @property
    def is_emulator(self) -> bool:
        """Whether this is a sandbox on this machine."""
        return is_loopback(urlsplit(str(self.client("lambda").meta.endpoint_url)).hostname or "")

    def get_queue_arn(self, url: str) -> str:
        """The queue's ARN."""
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    @property
    def never_worked(self) -> bool:
        """Whether its first deployment failed: CloudFormation does not update such a stack."""
        return str(self.description["StackStatus"]).startswith("ROLLBACK_")

    def _read_output(self, name: str) -> str:
        if name not in self.outputs:
            again = "run sam delete and deploy" if self.never_worked else "deploy"
            raise CommandError(
                f"The stack {self.name} has no output {name}. Name the stack of the image ingest with --stack, "
                f"or {again} its template again."
            )
        return self.outputs[name]
