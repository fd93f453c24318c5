"""What AWS's refusals mean: one place where botocore's exceptions become codes of the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from image_ingest.errors import Deferred

_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AccessDenied.Exception",
        "AllAccessDisabled",
        "AuthorizationError",
        "DecryptionFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidKeyId",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


def error_code(error: ClientError) -> str:
    """AWS's own code, such as `AccessDenied`; a HEAD answer has the HTTP status here."""
    return str(error.response.get("Error", {}).get("Code", ""))


def http_status(error: ClientError) -> int:
    """The answer's HTTP status, 0 if unknown."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_encrypted(error: ClientError) -> bool:
    """Whether S3 refused to read an object because it is encrypted with the uploader's own key (SSE-C)."""
    return error_code(error) == "InvalidRequest" and http_status(error) == 400


def is_denial(code: str) -> bool:
    """Whether AWS's code means that a grant or a key policy is missing."""
    return code in _DENIED or code.startswith(("KMS.", "Kms", "NotAuthorized"))


def deferral(error: ClientError | BotoCoreError, doing: str) -> Deferred:
    """`aws.denied` or `aws.unavailable`, saying what was being done and AWS's code for what went wrong."""
    if isinstance(error, ClientError):
        code = error_code(error)
        denied = is_denial(code) or http_status(error) == 403
        return Deferred("aws.denied" if denied else "aws.unavailable", f"AWS refused {doing}: {code}.")
    denied = isinstance(error, NoCredentialsError | PartialCredentialsError)
    reason = type(error).__name__
    return Deferred("aws.denied" if denied else "aws.unavailable", f"AWS did not answer {doing}: {reason}.")


@contextmanager
def aws_call(doing: str) -> Iterator[None]:
    """Raises what goes wrong inside as Deferred `aws.denied` or `aws.unavailable`."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise deferral(error, doing) from error
