"""The secret's JSON document, validated whole (docs/credentials.md)."""

from __future__ import annotations

import json
import logging
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeVar, cast

from image_ingest.errors import Deferred
from image_ingest.superoffice.address import api_address, web_address

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_ENVIRONMENTS = {
    "sod": "sod",
    "qaonline": "qaonline",
    "online": "online",
    "development": "sod",
    "stage": "qaonline",
    "production": "online",
}
_COMMON = {"auth", "base_url", "environment", "context_identifier", "login_url", "ca_bundle"}
_VISIBLE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
SHORTEST_REDACTED = 4  # characters; shorter values would blank out ordinary words


class _Masked:
    """Says its scheme and nothing else."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


@dataclass(frozen=True, repr=False)
class Basic(_Masked):
    username: str
    password: str


@dataclass(frozen=True, repr=False)
class Ticket(_Masked):
    ticket: str
    app_token: str | None


@dataclass(frozen=True, repr=False)
class Bearer(_Masked):
    access_token: str


@dataclass(frozen=True, repr=False)
class RefreshToken(_Masked):
    client_id: str
    client_secret: str
    refresh_token: str
    redirect_uri: str | None


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
_SCHEMES: dict[str, type[Scheme]] = {
    "basic": Basic,
    "ticket": Ticket,
    "bearer": Bearer,
    "refresh_token": RefreshToken,
    "system_user": SystemUser,
    "session": Session,
}
_BASE_URL_ONLY = (Basic, Session)
_WITH_LOGIN = (RefreshToken, SystemUser)


@dataclass(frozen=True)
class SecretDocument:
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
        """The tenant's name in the form that is compared: SuperOffice's own spelling (Cust12345), else base_url."""
        return self.context_identifier.capitalize() if self.context_identifier else self.base_url or ""

    def redact(self, text: str) -> str:
        """The text without any of the secret's values, should the other side have echoed one."""
        values = (getattr(self.scheme, field.name) for field in fields(self.scheme))
        for value in sorted((v for v in values if v and len(v) >= SHORTEST_REDACTED), key=len, reverse=True):
            text = text.replace(value, "***")
        return text


def parse(text: str) -> SecretDocument:
    """The document that the secret's text holds. Raises Deferred `credentials.invalid` naming every problem at once."""
    content = _object(text)
    if content is None:
        raise Deferred("credentials.invalid", "The SuperOffice secret is not a JSON object (docs/credentials.md).")
    read = _Fields(content)
    kind = read.choice("auth", {name: name for name in _SCHEMES})
    document = read.document(_SCHEMES.get(kind or ""))
    if document is None or read.problems:
        raise Deferred("credentials.invalid", f"The SuperOffice secret is not valid: {'; '.join(read.problems)}.")
    unknown = sorted(content.keys() - _COMMON - {field.name for field in fields(document.scheme)})
    if unknown:
        names = ", ".join(re.sub(r"[^\w.-]", "?", name)[:40] for name in unknown[:20])
        _log.warning("The SuperOffice secret has fields that auth %s does not use: %s", kind, names)
    return document


def _object(text: str) -> dict[str, Any] | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


class _Fields:
    """Reads fields one by one and keeps the problems for the end."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content
        self.problems: list[str] = []

    def document(self, scheme_type: type[Scheme] | None) -> SecretDocument | None:
        base_url = self._parsed("base_url", _base_url)
        environment = self.choice("environment", _ENVIRONMENTS, optional=True)
        context_identifier = self._parsed("context_identifier", _context_identifier)
        login_url = self._parsed("login_url", web_address)
        login = login_url or (f"https://{environment}.superoffice.com" if environment else None)
        ca_bundle = self._parsed("ca_bundle", _ca_bundle)
        if scheme_type is None:
            return None
        self._check_place(scheme_type)
        return SecretDocument(
            scheme=self._scheme(scheme_type),
            base_url=base_url,
            context_identifier=context_identifier,
            login=login,
            login_url=login_url,
            ca_bundle=ca_bundle,
        )

    def choice(self, name: str, allowed: dict[str, str], *, optional: bool = False) -> str | None:
        value = self._text(name)
        if value is None and optional:
            return None
        chosen = allowed.get(value.strip().lower()) if value else None
        if chosen is None:
            self._problem(name, f"must be one of {', '.join(allowed)}")
        return chosen

    def _check_place(self, scheme_type: type[Scheme]) -> None:
        """Contract of where: base_url, or Online an environment (or login_url) and a context identifier."""
        login = self._has("environment") or self._has("login_url")
        online = not self._has("base_url")
        if online and scheme_type in _BASE_URL_ONLY:
            self._problem("base_url", "is required (SuperOffice Online does not take this auth)")
            return
        if online and not (login and self._has("context_identifier")):
            self._problem("base_url", "is required, or environment and context_identifier for SuperOffice Online")
        elif scheme_type in _WITH_LOGIN and not login:
            self._problem("environment", "is required (or login_url), to log in")
        if scheme_type is SystemUser and not online and not self._has("context_identifier"):
            self._problem("context_identifier", "is required, to log in")
        if scheme_type is Ticket and online and not self._has("app_token"):
            self._problem("app_token", "is required for SuperOffice Online")

    def _scheme(self, scheme_type: type[Scheme]) -> Scheme:
        values = {field.name: self._scheme_value(field.name) for field in fields(scheme_type)}
        return cast("Callable[..., Scheme]", scheme_type)(**values)

    def _scheme_value(self, name: str) -> str | None:
        if name not in _OPTIONAL and not self._has(name):
            self._problem(name, "is missing")
        return self._parsed(name, _PARSERS.get(name, _visible))

    def _parsed(self, name: str, parse: Callable[[str], _T]) -> _T | None:
        value = self._text(name)
        if value is None:
            return None
        try:
            return parse(value)
        except ValueError as problem:
            self._problem(name, str(problem))
            return None

    def _has(self, name: str) -> bool:
        return self._content.get(name) not in (None, "")

    def _text(self, name: str) -> str | None:
        value = self._content.get(name)
        if value in (None, ""):
            return None
        if not isinstance(value, str):
            self._problem(name, "must be a text in quotes")
            return None
        return value

    def _problem(self, name: str, what: str) -> None:
        self.problems.append(f"{name} {what}")


def _base_url(value: str) -> str:
    address = web_address(value.strip())
    if re.search(r"/v1/[A-Za-z]+[0-9]+\Z", address, re.IGNORECASE):
        raise ValueError(
            "has a context identifier after v1; it belongs before api: https://online3.superoffice.com/Cust12345/api"
        )
    return api_address(address)


def _context_identifier(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]{1,64}", value.strip()):
        raise ValueError("must be letters and digits, such as Cust12345")
    return value.strip()


def _visible(value: str) -> str:
    if not _VISIBLE.fullmatch(value.strip()):
        raise ValueError("must be printable ASCII on one line")
    return value.strip()


def _username(value: str) -> str:
    if ":" in value:
        raise ValueError("must not contain a colon, which HTTP Basic cannot carry")
    return _password(value)


def _password(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("must not contain control characters such as a line break")
    try:
        value.encode()
    except UnicodeEncodeError:
        problem = "must be text that UTF-8 can carry"
    else:
        return value
    raise ValueError(problem)


def _private_key(value: str) -> str:
    from image_ingest.superoffice.private_key import load_private_key

    load_private_key(value)
    return value


def _ca_bundle(value: str) -> str:
    bundle = value.replace("\\r", "").replace("\\n", "\n").strip() + "\n"
    try:
        ssl.create_default_context(cadata=bundle)
    except (ssl.SSLError, ValueError):
        problem = "must be one or more certificates in PEM form"
    else:
        return bundle
    raise ValueError(problem)


_OPTIONAL = {"app_token", "redirect_uri"}
_PARSERS: dict[str, Callable[[str], str]] = {
    "username": _username,
    "password": _password,
    "private_key": _private_key,
}
