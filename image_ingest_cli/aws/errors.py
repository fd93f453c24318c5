"""What AWS's refusals mean for the person at this shell, and what to do."""

from __future__ import annotations

import os
from dataclasses import dataclass

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    LoginError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from image_ingest.aws import error_code
from image_ingest.errors import CATALOGUE, IngestError

_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_UNKNOWN_CREDENTIALS = frozenset(
    {
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "AuthFailure",
    }
)

OWN_PERMISSION = (
    "If a permission is missing, add it to your own AWS user or role (docs/operating.md, "
    '"Permissions of the command line").'
)
_SIGN_IN = "Set AWS_PROFILE, or sign in as you do for the AWS CLI.{unset}"
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_LEFT_BY_A_SANDBOX = ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE")

_LOCAL_PROBLEMS: tuple[tuple[tuple[type[BotoCoreError], ...], str, str], ...] = (
    (
        (SSOError, TokenRetrievalError),
        "The AWS SSO session has expired or was never started.",
        "Sign in again: aws sso login{profile_option}",
    ),
    (
        (LoginError,),
        "The AWS login session has expired or was never started.",
        "Sign in again: aws login{profile_option}",
    ),
    ((NoCredentialsError, PartialCredentialsError), "This shell has no complete AWS credentials.", _SIGN_IN),
    (
        (NoRegionError,),
        "This shell has no AWS region.",
        "Set it, for example: export AWS_DEFAULT_REGION=eu-north-1",  # the name that `sam deploy` knows too
    ),
)


@dataclass(frozen=True)
class AwsProblem:
    """What went wrong, and what the operator can do about it."""

    message: str
    advice: str

    def __str__(self) -> str:
        return f"{self.message} {self.advice}"


def describe_aws_error(error: ClientError | BotoCoreError) -> AwsProblem:
    """One sentence on the problem and one on the remedy."""
    if isinstance(error, ClientError):
        return _describe_refusal(error)
    if isinstance(error, ProfileNotFound):
        name = error.kwargs.get("profile")
        return AwsProblem(
            f"There is no AWS profile {name} on this machine.",
            "Set AWS_PROFILE to one of those that `aws configure list-profiles` prints.",
        )
    for kinds, message, advice in _LOCAL_PROBLEMS:
        if isinstance(error, kinds):
            return AwsProblem(message, advice.format(profile_option=_format_profile_option(), unset=_advise_unset()))
    if set_here := [name for name in _LEFT_BY_A_SANDBOX if os.environ.get(name)]:
        advice = f"This shell sets {' and '.join(set_here)}, as a sandbox asks for: unset {' '.join(set_here)}"
        return AwsProblem(f"{str(error).rstrip('.')}.", advice)
    return AwsProblem(f"{str(error).rstrip('.')}.", "Check the AWS region and the network of this shell.")


def describe_failure(failure: IngestError) -> AwsProblem:
    """What AWS refused to this command line is for the person at this shell; all else is as the catalogue has it."""
    cause = failure.__cause__
    if failure.code in ("aws.denied", "aws.unavailable") and isinstance(cause, ClientError | BotoCoreError):
        return describe_aws_error(cause)
    return AwsProblem(failure.message, CATALOGUE[failure.code].advice)


def _describe_refusal(error: ClientError) -> AwsProblem:
    code = error_code(error)
    if code in _EXPIRED:
        return AwsProblem(
            "The AWS credentials of this shell have expired.",
            f"Sign in again, then run the same command.{_advise_unset()}",
        )
    if code in _UNKNOWN_CREDENTIALS:
        return AwsProblem(
            f"AWS does not accept the credentials of this shell ({code}).",
            _SIGN_IN.format(unset=_advise_unset()),
        )
    text = str(error.response.get("Error", {}).get("Message", "")).rstrip(".")
    reason = f": {text}" if text else ""
    return AwsProblem(f"AWS refused {error.operation_name} ({code}){reason}.", OWN_PERMISSION)


def _advise_unset() -> str:
    """Keys in the environment count before any profile."""
    found = [name for name in _KEYS if os.environ.get(name)]
    return f" This shell's variables come first: unset {' '.join(found)}" if found else ""


def _format_profile_option() -> str:
    profile = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")
    return f" --profile {profile}" if profile else ""
