"""A stack's life: an update, one that fails and is rolled back, its removal, and a deployment after that."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws import TEMPLATE, DeployedStack, EmbeddedAws, Monitor, package_template
from sandbox.demo.album import Sample, make_album
from sandbox.demo.send import find_mismatches, send_samples
from sandbox.superoffice import StandIn
from tests.support.sandbox_stacks import QUICK, deploy, template_without


def change(stack: DeployedStack, template: str, **parameters: str) -> str:
    """Updates the stack; the status that it comes to."""
    cloudformation = stack.aws.client("cloudformation")
    cloudformation.update_stack(
        StackName=stack.name,
        TemplateBody=package_template(template),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    return status(stack)


def status(stack: DeployedStack) -> str:
    """What became of the stack once nothing is in progress; empty when it is gone."""
    while True:
        try:
            (found,) = stack.aws.client("cloudformation").describe_stacks(StackName=stack.name)["Stacks"]
        except ClientError:
            return ""
        if not found["StackStatus"].endswith("IN_PROGRESS"):
            return str(found["StackStatus"])
        time.sleep(0.05)


def setting(stack: DeployedStack, name: str) -> Any:
    configuration = stack.aws.client("lambda").get_function_configuration(
        FunctionName=stack.outputs["ImageIngestFunctionName"]
    )
    return configuration["Environment"]["Variables"][name]


def logo() -> list[Sample]:
    return [photo for photo in make_album() if photo.name == "logo.png" and not photo.repeats]


def works(stack: DeployedStack, superoffice: StandIn) -> bool:
    settled = send_samples(stack, logo(), lambda _: None)
    return [result.outcome for result in settled] == ["stored"] and not find_mismatches(stack, superoffice, settled)


def stored_logos(stack: DeployedStack) -> tuple[int, Any]:
    """How many objects the bucket has, and what the ledger says of the logo."""
    objects = stack.aws.client("s3").list_objects_v2(Bucket=stack.outputs["UploadBucketName"])["KeyCount"]
    target = logo()[0].target
    assert target is not None
    return objects, Monitor(stack).read_item(target)["status"]


def test_an_update_changes_the_setting_and_keeps_the_rest(aws: EmbeddedAws, superoffice: StandIn) -> None:
    stack = deploy(aws, superoffice)
    assert works(stack, superoffice)
    assert change(stack, TEMPLATE.read_text(), **QUICK, ImageMaxWidth="100") == "UPDATE_COMPLETE"
    assert setting(stack, "IMAGE_MAX_WIDTH") == "100"
    assert stored_logos(stack) == (1, "stored")
    secret = aws.client("secretsmanager").get_secret_value(SecretId=stack.outputs["SuperOfficeSecretArn"])
    assert '"auth": "basic"' in secret["SecretString"]


def test_a_failed_update_is_rolled_back_and_uploads_go_on(aws: EmbeddedAws, superoffice: StandIn) -> None:
    stack = deploy(aws, superoffice)
    broken = template_without("Principal: { Service: s3.amazonaws.com }", "Principal: { AWS: s3 }").replace(
        "Event: s3:ObjectCreated:*", "Event: s3:ObjectCreated:Put"
    )
    assert change(stack, broken, **QUICK, ImageMaxWidth="100") == "UPDATE_ROLLBACK_COMPLETE"
    assert setting(stack, "IMAGE_MAX_WIDTH") == "1024"
    assert works(stack, superoffice)


def test_a_removal_keeps_photos_and_ledger_and_the_next_deployment_works_beside_them(
    aws: EmbeddedAws, superoffice: StandIn
) -> None:
    first = deploy(aws, superoffice)
    assert works(first, superoffice)
    aws.client("cloudformation").delete_stack(StackName=first.name)
    assert status(first) == ""
    assert stored_logos(first) == (1, "stored")
    with pytest.raises(ClientError, match="does not exist"):
        aws.client("sqs").receive_message(QueueUrl=first.outputs["IngestQueueUrl"])

    second = aws.deploy(QUICK, stack_name=first.name)
    second.put_secret(superoffice.secret("basic"))
    assert second.outputs["UploadBucketName"] != first.outputs["UploadBucketName"]
    assert works(second, superoffice)
    assert stored_logos(first) == (1, "stored")
