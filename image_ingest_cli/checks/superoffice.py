"""Checks of the credential and SuperOffice: secret, tenant, API, login, clocks."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from image_ingest.errors import CATALOGUE
from image_ingest.superoffice import Response, describe_response
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.checks.finding import CheckFailed
from image_ingest_cli.credentials.form import describe_secret

_MOST_SKEW = 60.0  # seconds; a system user's signature contains the minute


def check_secret(stack: Stack) -> str:
    """The secret is complete."""
    return f"valid, {describe_secret(stack.crm.get_secret())}"


def check_tenant(stack: Stack) -> str:
    """The tenant is running."""
    address = stack.crm.find_address()
    return f"running, at {address}" if stack.crm.get_secret().base_url is None else f"fixed, at {address}"


def check_api(stack: Stack) -> str:
    """SuperOffice's API is at that address."""
    return _require_success(stack.crm.get_version(), "Check base_url; it ends before v1.")


def check_credential(stack: Stack) -> str:
    """SuperOffice accepts the credential."""
    return _require_success(stack.crm.get_principal(), CATALOGUE["superoffice.unauthorized"].advice)


def check_clocks(stack: Stack) -> str:
    """The clocks of this machine, AWS and SuperOffice agree."""
    metadata = stack.client("sts").get_caller_identity()["ResponseMetadata"]
    aws = _parse_date(metadata["HTTPHeaders"].get("date"))
    superoffice = _parse_date(stack.crm.get_version().headers.get("Date"))
    here = datetime.now(UTC)
    if aws and abs((here - aws).total_seconds()) > _MOST_SKEW:
        raise CheckFailed("This machine's clock differs from AWS's.", "Set this machine's clock.")
    if superoffice and abs((here - superoffice).total_seconds()) > _MOST_SKEW:
        raise CheckFailed(
            "SuperOffice's clock differs from AWS's; logins of a system user may fail.", "Set the server's clock."
        )
    return "agree"


def _require_success(response: Response, fix: str) -> str:
    if response.status == 200:
        return "responds" if "json" in response.headers.get("Content-Type", "") else "responds, but not in JSON"
    raise CheckFailed(f"{describe_response(response)}.", fix)


def _parse_date(date: str | None) -> datetime | None:
    return parsedate_to_datetime(date) if date else None
