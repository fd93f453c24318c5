"""Where the secret's text comes from: the only module here that knows AWS."""

from __future__ import annotations

from typing import Any, Protocol

from botocore.exceptions import ClientError

from image_ingest.aws import aws_call, error_code
from image_ingest.errors import Deferred

_ABSENT = {"ResourceNotFoundException", "InvalidRequestException", "InvalidParameterException", "ValidationException"}


class SecretsManagerClient(Protocol):
    """The one operation needed of boto3's Secrets Manager client."""

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> Any:  # noqa: N803 - boto3's own names
        """Returns SecretString or SecretBinary."""


class SecretSource:
    """The secret's current text, read once per environment and again only after a refusal."""

    def __init__(self, client: SecretsManagerClient, secret_id: str) -> None:
        self._client = client
        self._secret_id = secret_id
        self._text: str | None = None

    def read_text(self) -> str:
        """The text. Raises Deferred `credentials.invalid`, `aws.denied`, `aws.unavailable`."""
        text = self._text
        if text is None:
            text = self._text = self._read()
        return text

    def forget(self) -> None:
        """Reads the secret again for the next upload, because the text was refused."""
        self._text = None

    def _read(self) -> str:
        try:
            with aws_call("reading the SuperOffice secret"):
                response = self._client.get_secret_value(SecretId=self._secret_id, VersionStage="AWSCURRENT")
        except Deferred as refused:
            if isinstance(refused.__cause__, ClientError) and error_code(refused.__cause__) in _ABSENT:
                raise self._build_invalid("does not exist or has no value yet") from None
            raise
        text = response.get("SecretString")
        if text is None:
            text = response.get("SecretBinary", b"").decode("utf-8", errors="replace")
        if not text.strip():
            raise self._build_invalid("is empty")
        return str(text).removeprefix("\ufeff")

    def _build_invalid(self, what: str) -> Deferred:
        return Deferred(
            "credentials.invalid",
            f"The secret {self._secret_id} {what}. Put the SuperOffice credential into it as JSON: "
            f"aws secretsmanager put-secret-value --secret-id {self._secret_id} --secret-string file://secret.json "
            "(docs/credentials.md).",
        )
