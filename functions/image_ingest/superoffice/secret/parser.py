"""Reads the secret: one JSON object, validated as a whole, so that every problem is named at once."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from image_ingest.errors import Deferred
from image_ingest.superoffice.address import get_host, is_online, parse_api_address, parse_web_address
from image_ingest.superoffice.secret.schema import SCHEMES, Scheme, SchemeRules, Secret, SystemUser, Ticket

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


@dataclass(frozen=True)
class ParsedSecret:
    """A valid secret, and what its author should know all the same; warnings contain no values."""

    secret: Secret
    warnings: tuple[str, ...] = ()


def parse_secret(text: str) -> ParsedSecret:
    """The secret in the text. Raises Deferred `credentials.invalid`, which names every problem at once."""
    content = _parse_object(text)
    if content is None:
        raise Deferred("credentials.invalid", "The SuperOffice secret is not a JSON object (docs/credentials.md).")
    reader = _Reader(content)
    auth = reader.read_choice("auth", {name: name for name in SCHEMES}) or ""
    secret = reader.read_secret(SCHEMES.get(auth))
    if secret is None or reader.problems:
        raise Deferred("credentials.invalid", f"The SuperOffice secret is not valid: {'; '.join(reader.problems)}.")
    return ParsedSecret(secret, tuple(_warn_of_unused(content, auth)))


def _warn_of_unused(content: Mapping[str, Any], auth: str) -> Iterator[str]:
    unused = sorted(content.keys() - _COMMON - set(SCHEMES[auth].fields))
    if unused:
        names = ", ".join(re.sub(r"[^\w.-]", "?", name)[:40] for name in unused[:20])
        yield f"The SuperOffice secret has fields that auth {auth} does not use: {names}."


def _parse_object(text: str) -> dict[str, Any] | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


class _Reader:
    """Reads fields one by one and keeps the problems for the end."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content
        self.problems: list[str] = []

    def read_secret(self, rules: SchemeRules | None) -> Secret | None:
        base_url = self._read("base_url", _parse_base_url)
        environment = self.read_choice("environment", _ENVIRONMENTS, optional=True)
        context_identifier = self._read("context_identifier", _parse_context_identifier)
        login_url = self._read("login_url", parse_web_address)
        ca_bundle = self._read("ca_bundle", _parse_ca_bundle)
        if rules is None:
            return None
        self._check_place(rules)
        return Secret(
            scheme=self._read_scheme(rules),
            base_url=base_url,
            context_identifier=context_identifier,
            login=login_url or (f"https://{environment}.superoffice.com" if environment else None),
            login_url=login_url,
            ca_bundle=ca_bundle,
        )

    def read_choice(self, name: str, allowed: Mapping[str, str], *, optional: bool = False) -> str | None:
        value = self._read_text(name)
        if value is None and optional:
            return None
        chosen = allowed.get(value.strip().lower()) if value else None
        if chosen is None:
            self._add_problem(name, f"must be one of {', '.join(allowed)}")
        return chosen

    def _check_place(self, rules: SchemeRules) -> None:
        """The API is at base_url, or Online by an environment (or login_url) and a context identifier."""
        login = self._has("environment") or self._has("login_url")
        online = not self._has("base_url")
        if online and not rules.online:
            self._add_problem("base_url", "is required (SuperOffice Online does not accept this auth)")
            return
        if online and not (login and self._has("context_identifier")):
            self._add_problem("base_url", "is required, or environment and context_identifier for SuperOffice Online")
        elif rules.logs_in and not login:
            self._add_problem("environment", "is required (or login_url), to log in")
        if rules.values is SystemUser and not online and not self._has("context_identifier"):
            self._add_problem("context_identifier", "is required, to log in")
        if rules.values is Ticket and online and not self._has("app_token"):
            self._add_problem("app_token", "is required for SuperOffice Online")

    def _read_scheme(self, rules: SchemeRules) -> Scheme:
        for name in rules.required:
            if not self._has(name):
                self._add_problem(name, "is missing")
        values = {name: self._read(name, _PARSERS.get(name, _parse_visible)) for name in rules.fields}
        return cast("Callable[..., Scheme]", rules.values)(**values)

    def _read(self, name: str, parse: Callable[[str], _T]) -> _T | None:
        value = self._read_text(name)
        if value is None:
            return None
        try:
            return parse(value)
        except ValueError as problem:
            self._add_problem(name, str(problem))
            return None

    def _has(self, name: str) -> bool:
        return self._content.get(name) not in (None, "")

    def _read_text(self, name: str) -> str | None:
        value = self._content.get(name)
        if value in (None, ""):
            return None
        if not isinstance(value, str):
            self._add_problem(name, "must be a text in quotes")
            return None
        if value.strip() in (f"<{name}>", f"<{name.replace('_', ' ')}>", "…"):
            self._add_problem(name, "still has its placeholder")
            return None
        return value

    def _add_problem(self, name: str, what: str) -> None:
        self.problems.append(f"{name} {what}")


def _parse_base_url(value: str) -> str:
    address = parse_web_address(value.strip())
    if is_online(get_host(address)) or re.search(r"/v1/[A-Za-z]+[0-9]+\Z", address, re.IGNORECASE):
        raise ValueError(
            "must not be an address of SuperOffice Online, because tenants move between hosts there; "
            "give environment (such as online) and context_identifier (such as Cust12345) in its place"
        )
    return parse_api_address(address)


def _parse_context_identifier(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]{1,64}", value.strip()):
        raise ValueError("must be letters and digits, such as Cust12345")
    return value.strip()


def _parse_visible(value: str) -> str:
    if not _VISIBLE.fullmatch(value.strip()):
        raise ValueError("must be printable ASCII on one line")
    return value.strip()


def _parse_text(value: str) -> str:
    return _parse_password(value.strip())


def _parse_username(value: str) -> str:
    if ":" in value:
        raise ValueError("must not contain a colon, which HTTP Basic does not allow")
    return _parse_password(value)


def _parse_password(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("must not contain control characters such as a line break")
    try:
        value.encode()
    except UnicodeEncodeError:
        problem = "must be text that UTF-8 can encode"
    else:
        return value
    raise ValueError(problem)


def _parse_private_key(value: str) -> str:
    from image_ingest.superoffice.secret.private_key import load_private_key

    load_private_key(value)
    return value


def _parse_ca_bundle(value: str) -> str:
    bundle = value.replace("\\r", "").replace("\\n", "\n").strip() + "\n"
    try:
        ssl.create_default_context(cadata=bundle)
    except (ssl.SSLError, ValueError):
        problem = "must be one or more certificates in PEM form"
    else:
        return bundle
    raise ValueError(problem)


_PARSERS: dict[str, Callable[[str], str]] = {
    "username": _parse_username,
    "password": _parse_password,
    "system_user_token": _parse_text,
    "private_key": _parse_private_key,
}
