"""A secret tried against SuperOffice before it is stored."""

from __future__ import annotations

from image_ingest.errors import CATALOGUE, Deferred
from image_ingest.superoffice import SecretSource, describe_response
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.errors import CommandError

_NOT_STORED = "Nothing was stored. To store the secret without this check, use --no-check."


def try_secret(stack: Stack, text: str) -> None:
    """Logs in with the secret and reads who it stands for. Raises CommandError if SuperOffice does not accept it."""
    crm = stack.connect(SecretSource(_Candidate(text), "to be stored"), _ignore)
    try:
        response = crm.get_principal()
    except Deferred as failure:
        raise CommandError(f"{failure.message} {CATALOGUE[failure.code].advice} {_NOT_STORED}") from None
    if response.status != 200:
        raise CommandError(f"The credential is not accepted. {describe_response(response)}. {_NOT_STORED}")


class _Candidate:
    """A source of the text, in Secrets Manager's form."""

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> dict[str, str]:  # noqa: N803  # boto3's own names
        del SecretId, VersionStage
        return {"SecretString": self._text}


def _ignore(_warning: str) -> None:
    """The warning was shown when the secret was parsed."""
