"""The SuperOffice secret: where it is read, what it may contain, and what must not be repeated of it."""

from image_ingest.superoffice.secret.parser import ParsedSecret, parse_secret
from image_ingest.superoffice.secret.schema import (
    SCHEMES,
    Basic,
    Bearer,
    RefreshToken,
    Secret,
    Session,
    SystemUser,
    Ticket,
    list_cookie_values,
)
from image_ingest.superoffice.secret.source import SecretSource

__all__ = [
    "SCHEMES",
    "Basic",
    "Bearer",
    "ParsedSecret",
    "RefreshToken",
    "Secret",
    "SecretSource",
    "Session",
    "SystemUser",
    "Ticket",
    "list_cookie_values",
    "parse_secret",
]
