"""Which web addresses may receive a credential."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_][a-z0-9_-]{0,62}(?:\.[a-z0-9_-]{1,63})*")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~%!$&'()*+,;=:@-]*)*")
_DEFAULT_PORTS = {"https": 443, "http": 80}
_ONLINE_DOMAIN = ".superoffice.com"


def parse_web_address(text: str) -> str:
    """The https address, normalised: host in lower case, no default port, no trailing slash.

    Plain http is for loopback hosts only. Raises ValueError saying what is wrong, never repeating the text.
    """
    if not text.isascii() or re.search(r"[\x00-\x20\x7f\\]", text):
        raise ValueError("must be a plain web address without blanks or backslashes")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("is not a web address") from None
    host = parts.hostname or ""
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not contain a user name or password")
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise ValueError("must not have a query or fragment")
    if parts.scheme not in _DEFAULT_PORTS or not _is_host(host) or not _PATH.fullmatch(parts.path):
        raise ValueError("must be a web address such as https://crm.example.com/SuperOffice/api")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("must start with https:// (plain http is for loopback hosts only)")
    name = f"[{host}]" if ":" in host else host
    netloc = name if port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{name}:{port}"
    return f"{parts.scheme}://{netloc}{parts.path.rstrip('/')}"


def _is_host(host: str) -> bool:
    """Whether it is an IP address or a name; a name never ends in a number."""
    try:
        return getattr(ipaddress.ip_address(host), "scope_id", None) is None
    except ValueError:
        return _NAME.fullmatch(host) is not None and not host.rpartition(".")[2].isdigit()


def parse_api_address(text: str) -> str:
    """The web address without a trailing `/v1`. Raises ValueError as parse_web_address does."""
    return re.sub(r"/v1\Z", "", parse_web_address(text), flags=re.IGNORECASE).rstrip("/")


def get_host(address: str) -> str:
    """The host name in lower case, without port."""
    return urlsplit(address).hostname or ""


def is_loopback(host: str) -> bool:
    """Whether the host is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_online(host: str) -> bool:
    """Whether the host belongs to SuperOffice Online."""
    return host.endswith(_ONLINE_DOMAIN)
