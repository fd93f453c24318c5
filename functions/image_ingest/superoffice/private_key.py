"""The partner's RSA private key, as PEM or as .NET's RSA-XML."""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPrivateNumbers, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_LEAST_BITS = 1024
_XML = re.compile(r"\s*(?:<\?xml[^<>]*\?>\s*)?<RSAKeyValue>(.*)</RSAKeyValue>\s*", re.DOTALL)
_ELEMENT = re.compile(r"\s*<([A-Za-z]+)>([A-Za-z0-9+/=\s]*)</\1>\s*")
_PARTS = ("Modulus", "Exponent", "P", "Q", "DP", "DQ", "InverseQ", "D")


@lru_cache(maxsize=1)  # checking a key's numbers takes tens of milliseconds
def load_private_key(text: str) -> RSAPrivateKey:
    """The key. Raises ValueError saying what is wrong, never repeating the text."""
    text = text.strip()
    key = _from_xml(text) if text.startswith("<") else _from_pem(text)
    if key.key_size < _LEAST_BITS:
        raise ValueError(f"must be an RSA key of at least {_LEAST_BITS} bits")
    return key


def _from_pem(text: str) -> RSAPrivateKey:
    pem = text.replace("\\r", "").replace("\\n", "\n")
    if "ENCRYPTED" in pem:
        raise ValueError(
            "is encrypted with a passphrase; decrypt it first: openssl pkey -in encrypted.pem -out private_key.pem"
        )
    if "PRIVATE KEY-----" not in pem:
        raise ValueError("must be an RSA private key: PEM, or XML with <RSAKeyValue>")
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError(  # noqa: TRY004 - the text is wrong, not the caller
            "is not an RSA private key in sound PEM form"
        )
    return key


def _from_xml(text: str) -> RSAPrivateKey:
    """Reads the eight known elements by pattern: no XML parser, so no entities and no document type."""
    match = _XML.fullmatch(text)
    parts = dict(_elements(match[1])) if match else {}
    missing = [name for name in _PARTS if not parts.get(name)]
    if not match or missing:
        named = f" (missing: {', '.join(missing)})" if match else ""
        raise ValueError(f"must be an RSA private key: as XML, <RSAKeyValue> with {', '.join(_PARTS)}{named}")
    modulus, exponent, p, q, dp, dq, inverse_q, d = (_number(parts[name]) for name in _PARTS)
    try:
        return RSAPrivateNumbers(p, q, d, dp, dq, inverse_q, RSAPublicNumbers(exponent, modulus)).private_key()
    except ValueError:
        problem = "has RSA numbers that do not belong together"
    raise ValueError(problem)


def _elements(content: str) -> list[tuple[str, str]]:
    found, position = [], 0
    while match := _ELEMENT.match(content, position):
        found.append((match[1], match[2]))
        position = match.end()
    return found if position == len(content) else []


def _number(text: str) -> int:
    try:
        return int.from_bytes(base64.b64decode("".join(text.split()), validate=True), "big")
    except binascii.Error:
        problem = "has an RSA number that is not base64"
    raise ValueError(problem)
