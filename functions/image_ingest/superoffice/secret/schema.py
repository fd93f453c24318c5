"""What a valid secret contains, and the table of schemes (docs/credentials.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields

from image_ingest.superoffice.redaction import redact

_SHORTEST_KEY_LINE = 12  # characters; what is shorter are names and labels
_NOT_CONFIDENTIAL = {"redirect_uri"}


class _Masked:
    """Shows its class and none of its values."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


@dataclass(frozen=True, repr=False)
class Basic(_Masked):
    username: str
    password: str


@dataclass(frozen=True, repr=False)
class Ticket(_Masked):
    ticket: str
    app_token: str | None = None


@dataclass(frozen=True, repr=False)
class Bearer(_Masked):
    access_token: str


@dataclass(frozen=True, repr=False)
class RefreshToken(_Masked):
    client_id: str
    client_secret: str
    refresh_token: str
    redirect_uri: str | None = None


@dataclass(frozen=True, repr=False)
class SystemUser(_Masked):
    client_secret: str
    system_user_token: str
    private_key: str


@dataclass(frozen=True, repr=False)
class Session(_Masked):
    cookie: str
    xsrf_token: str


Scheme = Basic | Ticket | Bearer | RefreshToken | SystemUser | Session


@dataclass(frozen=True)
class SchemeRules:
    """One row of the table of schemes: its fields, and where it works.

    `online`: SuperOffice Online accepts it; otherwise it needs a base_url. `logs_in`: it needs an environment or a
    login_url even with a base_url.
    """

    values: type[Scheme]
    online: bool = True
    logs_in: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of its own fields."""
        return tuple(field.name for field in fields(self.values))

    @property
    def required(self) -> tuple[str, ...]:
        """Those of `fields` that must have a value everywhere."""
        return tuple(field.name for field in fields(self.values) if field.default is MISSING)


SCHEMES: Mapping[str, SchemeRules] = {
    "basic": SchemeRules(Basic, online=False),
    "ticket": SchemeRules(Ticket),
    "bearer": SchemeRules(Bearer),
    "refresh_token": SchemeRules(RefreshToken, logs_in=True),
    "system_user": SchemeRules(SystemUser, logs_in=True),
    "session": SchemeRules(Session, online=False),
}


@dataclass(frozen=True)
class Secret:
    """A valid secret: the scheme with its values, and where the API and the login are.

    `base_url` is None Online; `login` is the address that login and state paths are appended to, None where neither
    environment nor login_url is given; `login_url` is the operator's own one.
    """

    scheme: Scheme
    base_url: str | None
    context_identifier: str | None
    login: str | None
    login_url: str | None
    ca_bundle: str | None

    @property
    def tenant(self) -> str:
        """The tenant's name in the form that is compared: as SuperOffice spells it (Cust12345), else base_url."""
        return self.context_identifier.capitalize() if self.context_identifier else self.base_url or ""

    def redact(self, text: str, *sent: str) -> str:
        """The text without the secret's values and what else was sent, in case SuperOffice repeated one of them."""
        return redact(text, [*self._list_confidential(), *sent])

    def _list_confidential(self) -> Iterator[str]:
        for field in fields(self.scheme):
            value = getattr(self.scheme, field.name)
            if not value or field.name in _NOT_CONFIDENTIAL:
                continue
            if field.name == "cookie":
                yield from list_cookie_values(value)
            elif field.name == "private_key":
                yield from _list_key_lines(value)
            else:
                yield value


def list_cookie_values(cookies: str) -> Iterator[str]:
    """The values in a Cookie header."""
    for cookie in cookies.split(";"):
        name, separator, value = cookie.strip().partition("=")
        yield value if separator else name


def _list_key_lines(key: str) -> Iterator[str]:
    """A private key's parts: the lines of a PEM, the numbers of an XML."""
    for part in re.split(r"\\[rn]|[\s<>]+", key):
        if len(part) >= _SHORTEST_KEY_LINE and not part.startswith("-"):
            yield part
