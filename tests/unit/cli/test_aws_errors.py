"""What is wrong with this shell's AWS credentials is said in one sentence, with the remedy."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError
from typer.testing import CliRunner

from image_ingest.errors import CATALOGUE, Deferred
from image_ingest_cli.aws.errors import describe_aws_error, describe_failure
from image_ingest_cli.main import app

START_URL = "https://example.awsapps.com/start"


@pytest.fixture(autouse=True)
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A shell without AWS settings whose home is a temporary folder, and the AWS configuration file in it."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "config"
    config.touch()
    for name, value in {
        "HOME": tmp_path,
        "AWS_CONFIG_FILE": config,
        "AWS_SHARED_CREDENTIALS_FILE": tmp_path / "none",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, str(value))
    return config


def _fail() -> str:
    result = CliRunner().invoke(app, ["status", "person", "1"])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert len(result.stderr.splitlines()) == 1
    return result.stderr


def _give_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")


def test_a_missing_region_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    _give_credentials(monkeypatch)
    assert "no AWS region. Set it, for example: export AWS_DEFAULT_REGION=eu-north-1" in _fail()


def test_an_unreachable_endpoint_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    error = EndpointConnectionError(endpoint_url="https://sqs.eu-north-1.amazonaws.com")
    assert "Check the AWS region and the network" in str(describe_aws_error(error))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://127.0.0.1:1")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/tmp/gone.pem")
    assert str(describe_aws_error(error)).endswith("unset AWS_ENDPOINT_URL AWS_CA_BUNDLE")


@pytest.mark.parametrize(
    "error",
    [
        NoCredentialsError(),
        ClientError({"Error": {"Code": "ExpiredToken"}}, "ListObjects"),
        ClientError({"Error": {"Code": "InvalidClientTokenId"}}, "ListObjects"),
    ],
)
def test_keys_of_this_shell_are_named_as_no_profile_counts_beside_them(
    monkeypatch: pytest.MonkeyPatch, error: ClientError | BotoCoreError
) -> None:
    assert "unset" not in str(describe_aws_error(error))
    _give_credentials(monkeypatch)
    assert str(describe_aws_error(error)).endswith("come first: unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY")


@pytest.mark.parametrize("code", ["aws.denied", "superoffice.unavailable"])
def test_what_aws_refuses_to_this_command_line_is_no_fault_of_the_function(code: str) -> None:
    failure = Deferred(code, "AWS refused reading the object: AccessDenied.")
    failure.__cause__ = ClientError({"Error": {"Code": "AccessDenied"}}, "HeadObject")
    told = str(describe_failure(failure))
    assert ("your own AWS user or role" in told) == (code == "aws.denied")
    assert (CATALOGUE[code].advice in told) == (code != "aws.denied")


def test_missing_credentials_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    assert "no complete AWS credentials" in _fail()


def test_an_unknown_profile_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "There is no AWS profile nobody on this machine." in _fail()


@pytest.mark.parametrize("cached", [True, False])
def test_an_expired_sso_session_is_named(
    shell: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, cached: bool
) -> None:
    shell.write_text(
        f"[profile work]\nregion = eu-north-1\nsso_start_url = {START_URL}\nsso_region = eu-north-1\n"
        "sso_account_id = 123456789012\nsso_role_name = Operator\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "work")
    cache = tmp_path / ".aws/sso/cache"
    cache.mkdir(parents=True)
    if cached:
        token = {"startUrl": START_URL, "region": "eu-north-1", "accessToken": "x", "expiresAt": "2026-01-01T00:00:00Z"}
        (cache / f"{hashlib.sha1(START_URL.encode()).hexdigest()}.json").write_text(json.dumps(token))
    assert "Sign in again: aws sso login --profile work" in _fail()


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("ExpiredToken", "The security token included in the request is expired", "have expired"),
        ("ExpiredTokenException", "x", "have expired"),
        ("InvalidClientTokenId", "x", "does not accept the credentials of this shell (InvalidClientTokenId)"),
        ("AccessDenied", "You may not.", "AWS refused PutObject (AccessDenied): You may not. If a permission"),
    ],
)
def test_a_refusal_by_aws_says_what_to_do(code: str, message: str, expected: str) -> None:
    error: Any = {"Error": {"Code": code, "Message": message}}
    assert expected in str(describe_aws_error(ClientError(error, "PutObject")))
