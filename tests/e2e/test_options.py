"""The template's options, deployed: an own key, an existing secret, expiry, e-mail, a key pattern."""

from __future__ import annotations

import json

import pytest

from sandbox.aws import EmbeddedAws, SandboxFailed
from sandbox.demo.album import Sample, make_album
from sandbox.demo.send import find_mismatches, send_samples
from sandbox.superoffice import StandIn


def essence() -> list[Sample]:
    return [photo for photo in make_album() if photo.name in {"logo.png", "notes.jpg"} and not photo.repeats]


def test_uploads_work_with_every_option(aws: EmbeddedAws, superoffice: StandIn) -> None:
    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    secret = aws.client("secretsmanager").create_secret(
        Name="crm/image-ingest", SecretString=json.dumps(superoffice.secret("basic"))
    )["ARN"]
    options = {
        "KmsKeyArn": key,
        "SuperOfficeSecretId": secret,
        "OriginalsExpireAfterDays": "30",
        "ReservedConcurrency": "0",
        "MaxConcurrency": "2",
        "AlarmEmail": "ops@example.com",
        "TargetKeyPattern": r"(?P<entity_type>\w+)/(?P<entity_id>\d+)\.",
        "SuperOfficeCallsPerSecond": "1000",
        "SuperOfficeLanguage": "en",
    }
    stack = aws.deploy(options, stack_name="options")
    assert stack.outputs["SuperOfficeSecretArn"] == secret
    assert "SuperOfficeSecret" not in stack.resources
    assert "AlarmSubscription" in stack.resources

    by_key = Sample("person/7.jpg", "its key names the target", essence()[0].data)
    *settled, keyed = sorted(
        send_samples(stack, [*essence(), by_key], lambda _: None), key=lambda result: result.sample.name == by_key.name
    )
    assert find_mismatches(stack, superoffice, settled) == {}
    assert keyed.outcome == "stored"
    assert superoffice.picture("person", 7) is not None
    assert superoffice.find_calls("PUT")[0].headers["So-Language"] == "en"
    queue = aws.client("sqs").get_queue_attributes(
        QueueUrl=stack.outputs["IngestQueueUrl"], AttributeNames=["KmsMasterKeyId"]
    )
    assert queue["Attributes"]["KmsMasterKeyId"] == key


@pytest.mark.parametrize(
    ("name", "value"), [("MaxConcurrency", "1"), ("ImageFit", "stretch"), ("OriginalsExpireAfterDays", "7")]
)
def test_a_value_out_of_bounds_is_refused(aws: EmbeddedAws, name: str, value: str) -> None:
    with pytest.raises(SandboxFailed, match=name):
        aws.deploy({name: value}, stack_name=f"refused-{name}")
