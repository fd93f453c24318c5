"""Least privilege: every grant that the sandbox evaluates is needed, and nothing else is possible."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws import REGION, Credentials, DeployedStack, EmbeddedAws, Monitor, SandboxFailed
from sandbox.demo.album import Sample, make_album
from sandbox.demo.send import find_mismatches, send_samples
from sandbox.superoffice import StandIn
from tests.support.sandbox_stacks import credentials_of_function, deploy, template_without

STORED, REFUSED = "logo.png", "notes.jpg"
DENIED = {"AccessDenied", "AccessDeniedException"}


def essence() -> list[Sample]:
    """One upload that is stored and one that is rejected: together they need every grant of the demo."""
    return [photo for photo in make_album() if photo.name in {STORED, REFUSED} and not photo.repeats]


DEAD_LETTER = "Action: sqs:SendMessage\n                Resource: !GetAtt DeadLetterQueue.Arn"


@pytest.mark.parametrize(
    ("grant", "instead", "fails"),
    [
        ("s3:GetObject, ", "", {STORED, REFUSED}),
        (", s3:GetObjectVersion", "", {STORED, REFUSED}),
        ("dynamodb:GetItem, ", "", {STORED, REFUSED}),
        (", dynamodb:UpdateItem", "", {STORED, REFUSED}),
        ("secretsmanager:GetSecretValue", "secretsmanager:ListSecrets", {STORED}),
        (DEAD_LETTER, DEAD_LETTER.replace("SendMessage", "GetQueueUrl"), {REFUSED}),
    ],
    ids=["object", "version", "ledger read", "ledger write", "secret", "dead letter"],
)
def test_without_a_grant_the_demo_fails(
    aws: EmbeddedAws, superoffice: StandIn, grant: str, instead: str, fails: set[str]
) -> None:
    stack = deploy(aws, superoffice, template_without(grant, instead))
    settled = send_samples(stack, essence(), lambda _: None)
    assert {photo.name for photo in find_mismatches(stack, superoffice, settled)} >= fails
    assert {result.code for result in settled if result.sample.name in fails} == {"aws.denied"}


def test_without_its_grant_no_outcome_is_reported(aws: EmbeddedAws, superoffice: StandIn) -> None:
    template = template_without("Action: events:PutEvents", "Action: events:ListRules")
    stack = deploy(aws, superoffice, template, OutcomeEventBus="default")
    settled = send_samples(stack, essence(), lambda _: None)
    assert {result.code for result in settled} == {"aws.denied"}


def test_without_its_grant_a_deletion_removes_no_picture(aws: EmbeddedAws, superoffice: StandIn) -> None:
    template = template_without("Action: s3:ListBucketVersions", "Action: s3:GetBucketVersioning")
    stack = deploy(aws, superoffice, template, RemoveWhenDeleted="true")
    (logo,) = [sample for sample in essence() if sample.name == STORED]
    assert [result.outcome for result in send_samples(stack, [logo], lambda _: None)] == ["stored"]
    aws.client("s3").delete_object(Bucket=stack.outputs["UploadBucketName"], Key=logo.name)
    monitor, codes = Monitor(stack), set[str | None]()
    end = time.monotonic() + 60
    while "aws.denied" not in codes and time.monotonic() < end:
        codes |= {line.code for line in monitor.read_new_lines()}
        time.sleep(0.1)
    assert "aws.denied" in codes
    assert superoffice.picture("project", 1) is not None


def test_the_template_without_its_queue_policy_is_not_deployed(aws: EmbeddedAws, superoffice: StandIn) -> None:
    with pytest.raises(SandboxFailed, match="UploadBucket"):
        deploy(aws, superoffice, template_without("Principal: { Service: s3.amazonaws.com }", "Principal: { AWS: s3 }"))


def test_without_its_queue_policy_the_demo_fails(aws: EmbeddedAws, superoffice: StandIn) -> None:
    stack = deploy(aws, superoffice)
    aws.client("sqs").set_queue_attributes(QueueUrl=stack.outputs["IngestQueueUrl"], Attributes={"Policy": ""})
    settled = send_samples(stack, essence(), lambda _: None, patience=5)
    assert {result.outcome for result in settled} == {"lost"}
    assert len(find_mismatches(stack, superoffice, settled)) == 2


@dataclass(frozen=True)
class Role:
    """The function's rights, on a stack with one upload in it."""

    stack: DeployedStack
    credentials: Credentials
    version: str

    def client(self, service: str) -> Any:
        return self.stack.aws.client(service, self.credentials)

    def __getattr__(self, name: str) -> str:
        """An output of the stack."""
        return self.stack.outputs[name]


@pytest.fixture(scope="module")
def role(aws: EmbeddedAws) -> Role:
    stack = aws.deploy(stack_name="rights")
    aws.client("lambda").delete_event_source_mapping(UUID=stack.resources["ImageIngestFunctionUploads"])
    stack.put_secret({"auth": "none"})
    s3 = aws.client("s3")
    upload = s3.put_object(Bucket=stack.outputs["UploadBucketName"], Key="a.jpg", Body=b"a")
    s3.create_bucket(Bucket="another", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="another", Key="a.jpg", Body=b"a")
    aws.client("sqs").create_queue(QueueName="another")
    aws.client("secretsmanager").create_secret(Name="another", SecretString="{}")
    table = {"AttributeName": "target", "KeyType": "HASH"}
    aws.client("dynamodb").create_table(
        TableName="another",
        KeySchema=[table],
        AttributeDefinitions=[{"AttributeName": "target", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return Role(stack, credentials_of_function(stack), upload["VersionId"])


KEY = {"target": {"S": "person#1"}}
Call = Callable[[Role], Any]

ALLOWED: dict[str, Call] = {
    "read an upload": lambda r: r.client("s3").get_object(Bucket=r.UploadBucketName, Key="a.jpg"),
    "read its version": lambda r: r.client("s3").get_object(
        Bucket=r.UploadBucketName, Key="a.jpg", VersionId=r.version
    ),
    "list the uploads": lambda r: r.client("s3").list_objects_v2(Bucket=r.UploadBucketName),
    "read the ledger": lambda r: r.client("dynamodb").get_item(TableName=r.LedgerTableName, Key=KEY),
    "write the ledger": lambda r: r.client("dynamodb").update_item(
        TableName=r.LedgerTableName,
        Key=KEY,
        UpdateExpression="SET revision = :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    ),
    "read the secret": lambda r: r.client("secretsmanager").get_secret_value(SecretId=r.SuperOfficeSecretArn),
    "dead-letter": lambda r: r.client("sqs").send_message(QueueUrl=r.DeadLetterQueueUrl, MessageBody="x"),
    "look at the queue": lambda r: r.client("sqs").get_queue_attributes(
        QueueUrl=r.IngestQueueUrl, AttributeNames=["QueueArn"]
    ),
}

FORBIDDEN: dict[str, Call] = {
    "read another bucket": lambda r: r.client("s3").get_object(Bucket="another", Key="a.jpg"),
    "list another bucket": lambda r: r.client("s3").list_objects_v2(Bucket="another"),
    "list the buckets": lambda r: r.client("s3").list_buckets(),
    "put an object": lambda r: r.client("s3").put_object(Bucket=r.UploadBucketName, Key="b.jpg"),
    "delete an upload": lambda r: r.client("s3").delete_object(Bucket=r.UploadBucketName, Key="a.jpg"),
    "delete its version": lambda r: r.client("s3").delete_object(
        Bucket=r.UploadBucketName, Key="a.jpg", VersionId=r.version
    ),
    "change the bucket's policy": lambda r: r.client("s3").delete_bucket_policy(Bucket=r.UploadBucketName),
    "scan the ledger": lambda r: r.client("dynamodb").scan(TableName=r.LedgerTableName),
    "delete from the ledger": lambda r: r.client("dynamodb").delete_item(TableName=r.LedgerTableName, Key=KEY),
    "read another table": lambda r: r.client("dynamodb").get_item(TableName="another", Key=KEY),
    "read another secret": lambda r: r.client("secretsmanager").get_secret_value(SecretId="another"),
    "change the secret": lambda r: r.client("secretsmanager").put_secret_value(
        SecretId=r.SuperOfficeSecretArn, SecretString="{}"
    ),
    "send to the ingest queue": lambda r: r.client("sqs").send_message(QueueUrl=r.IngestQueueUrl, MessageBody="x"),
    "send to another queue": lambda r: r.client("sqs").send_message(
        QueueUrl=r.IngestQueueUrl.rpartition("/")[0] + "/another", MessageBody="x"
    ),
    "read dead letters": lambda r: r.client("sqs").receive_message(QueueUrl=r.DeadLetterQueueUrl),
    "purge the ingest queue": lambda r: r.client("sqs").purge_queue(QueueUrl=r.IngestQueueUrl),
    "invoke a function": lambda r: r.client("lambda").invoke(FunctionName=r.ImageIngestFunctionName),
    "look at roles": lambda r: r.client("iam").list_roles(),
}


@pytest.mark.parametrize("call", ALLOWED.values(), ids=ALLOWED.keys())
def test_the_role_may(role: Role, call: Call) -> None:
    assert call(role)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_the_role_may_take_hide_and_delete_a_message(role: Role) -> None:
    sqs, queue = role.client("sqs"), role.IngestQueueUrl
    taken = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=2)["Messages"][0]["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=taken, VisibilityTimeout=60)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=taken)


@pytest.mark.parametrize("call", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_the_role_may_not(role: Role, call: Call) -> None:
    with pytest.raises(ClientError) as refusal:
        call(role)
    assert refusal.value.response["Error"]["Code"] in DENIED


def test_the_role_tells_a_missing_object_from_a_denied_one(role: Role) -> None:
    with pytest.raises(ClientError) as refusal:
        role.client("s3").head_object(Bucket=role.UploadBucketName, Key="missing.jpg")
    assert refusal.value.response["Error"]["Code"] == "404"


OUTSIDER = Credentials("999999999999")  # the administrator of another account
OUTSIDE: dict[str, Call] = {
    "read an upload": lambda r: r.client("s3").get_object(Bucket=r.UploadBucketName, Key="a.jpg"),
    "put an object": lambda r: r.client("s3").put_object(Bucket=r.UploadBucketName, Key="b.jpg"),
    "send an upload": lambda r: r.client("sqs").send_message(QueueUrl=r.IngestQueueUrl, MessageBody="x"),
    "read dead letters": lambda r: r.client("sqs").receive_message(QueueUrl=r.DeadLetterQueueUrl),
    "read the secret": lambda r: r.client("secretsmanager").get_secret_value(SecretId=r.SuperOfficeSecretArn),
}


@pytest.mark.parametrize("call", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_another_account_may_not(role: Role, call: Call) -> None:
    with pytest.raises(ClientError) as refusal:
        call(Role(role.stack, OUTSIDER, role.version))
    assert refusal.value.response["Error"]["Code"] in {*DENIED, "ResourceNotFoundException"}
