"""The secret in Secrets Manager: absent, empty, denied, rotated; read once while it is valid."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from moto import mock_aws

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred
from image_ingest.settings import SuperOfficeSettings
from image_ingest.superoffice import SecretSource, SuperOffice

DOCUMENT = {"auth": "bearer", "base_url": "https://crm.example.com/api", "access_token": "token"}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield boto3.client("secretsmanager", region_name="eu-north-1")


def tenant(source: SecretSource) -> str:
    return SuperOffice(SuperOfficeSettings(), source).tenant(Deadline(10))


def refusal(source: SecretSource) -> Deferred:
    with pytest.raises(Deferred) as caught:
        tenant(source)
    return caught.value


def test_a_valid_secret(client: Any) -> None:
    client.create_secret(Name="superoffice", SecretString=json.dumps(DOCUMENT))
    assert tenant(SecretSource(client, "superoffice")) == "https://crm.example.com/api"


def test_a_secret_stored_from_a_file_with_a_byte_order_mark(client: Any) -> None:
    client.create_secret(Name="text", SecretString="\ufeff" + json.dumps(DOCUMENT))
    client.create_secret(Name="binary", SecretBinary=b"\xef\xbb\xbf" + json.dumps(DOCUMENT).encode())
    for name in ("text", "binary"):
        assert tenant(SecretSource(client, name)) == "https://crm.example.com/api"


def test_a_secret_without_a_value_says_how_to_store_one_and_is_read_again(client: Any) -> None:
    client.create_secret(Name="superoffice")
    source = SecretSource(client, "superoffice")
    office = SuperOffice(SuperOfficeSettings(), source)
    with pytest.raises(Deferred) as caught:
        office.tenant(Deadline(10))
    assert caught.value.code == "credentials.invalid"
    assert "aws secretsmanager put-secret-value --secret-id superoffice" in caught.value.message
    client.put_secret_value(SecretId="superoffice", SecretString="not json")
    with pytest.raises(Deferred, match="not a JSON object"):
        office.tenant(Deadline(10))
    client.put_secret_value(SecretId="superoffice", SecretString=json.dumps(DOCUMENT))
    assert office.tenant(Deadline(10)) == "https://crm.example.com/api"


def test_unused_fields_are_a_warning_each_time_the_secret_is_new(client: Any) -> None:
    client.create_secret(Name="superoffice", SecretString=json.dumps(DOCUMENT | {"pasword": "c4nary"}))
    source, warnings = SecretSource(client, "superoffice"), list[str]()
    office = SuperOffice(SuperOfficeSettings(), source, warn=warnings.append)
    office.tenant(Deadline(10))
    office.tenant(Deadline(10))
    assert warnings == ["The SuperOffice secret has fields that auth bearer does not use: pasword."]
    client.put_secret_value(SecretId="superoffice", SecretString=json.dumps(DOCUMENT))
    source.forget()
    office.tenant(Deadline(10))
    assert len(warnings) == 1


def test_a_missing_or_deleted_or_blank_secret(client: Any) -> None:
    client.create_secret(Name="deleted", SecretString="{}")
    client.delete_secret(SecretId="deleted")
    client.create_secret(Name="blank", SecretString=" \n")
    for name in ("missing", "deleted", "blank"):
        assert refusal(SecretSource(client, name)).code == "credentials.invalid"


class Refusing:
    """A Secrets Manager that fails in a given way."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def get_secret_value(self, **_arguments: str) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("aws_code", "status", "code"),
    [
        ("AccessDeniedException", 400, "aws.denied"),
        ("DecryptionFailure", 400, "aws.denied"),
        ("ThrottlingException", 400, "aws.unavailable"),
        ("InternalServiceError", 500, "aws.unavailable"),
        ("ResourceNotFoundException", 400, "credentials.invalid"),
        ("InvalidRequestException", 400, "credentials.invalid"),
        ("ValidationException", 400, "credentials.invalid"),
    ],
)
def test_what_aws_refuses(aws_code: str, status: int, code: str) -> None:
    error = ClientError(
        {"Error": {"Code": aws_code, "Message": "…"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]  # all that is read
        "GetSecretValue",
    )
    assert refusal(SecretSource(Refusing(error), "superoffice")).code == code


def test_aws_does_not_respond() -> None:
    error = ConnectTimeoutError(endpoint_url="https://secretsmanager.eu-north-1.amazonaws.com")
    assert refusal(SecretSource(Refusing(error), "superoffice")).code == "aws.unavailable"
