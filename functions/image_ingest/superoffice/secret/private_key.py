"""The partner's RSA private key, as PEM or as .NET's RSA-XML."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPrivateNumbers,
    RSAPublicNumbers,
    rsa_crt_dmp1,
    rsa_crt_dmq1,
    rsa_crt_iqmp,
)
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_LEAST_BITS = 1024
_XML = re.compile(r"\s*(?:<\?xml[^<>]*\?>\s*)?<RSAKeyValue>(.*)</RSAKeyValue>\s*", re.DOTALL)
_ELEMENT = re.compile(r"\s*<([A-Za-z]+)>([A-Za-z0-9+/=\s]*)</\1>\s*")
_PARTS = ("Modulus", "Exponent", "P", "Q", "D")


@lru_cache(maxsize=1)  # checking a key's numbers takes tens of milliseconds
def load_private_key(text: str) -> RSAPrivateKey:
    """The key. Raises ValueError saying what is wrong, never repeating the text."""
    text = text.strip().lstrip("\ufeff").strip()
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
    """Reads the known elements by pattern: without an XML parser there are no entities and no document type."""
    match = _XML.fullmatch(text)
    parts = dict(_list_elements(match[1])) if match else {}
    missing = [name for name in _PARTS if not parts.get(name)]
    if not match or missing:
        named = f" (missing: {', '.join(missing)})" if match else ""
        raise ValueError(f"must be an RSA private key: as XML, <RSAKeyValue> with {', '.join(_PARTS)}{named}")
    numbers = {name: _read_number(text) for name, text in parts.items() if text}
    try:
        return _build_numbers(numbers).private_key()
    except (ValueError, ZeroDivisionError):
        problem = "has RSA numbers that do not belong together"
    raise ValueError(problem)


def _build_numbers(numbers: Mapping[str, int]) -> RSAPrivateNumbers:
    """DP, DQ and InverseQ are computed if the key has none, as SuperOffice's own sample does."""
    modulus, exponent, p, q, d = (numbers[name] for name in _PARTS)
    return RSAPrivateNumbers(
        p,
        q,
        d,
        numbers.get("DP") or rsa_crt_dmp1(d, p),
        numbers.get("DQ") or rsa_crt_dmq1(d, q),
        numbers.get("InverseQ") or rsa_crt_iqmp(p, q),
        RSAPublicNumbers(exponent, modulus),
    )


def _list_elements(content: str) -> list[tuple[str, str]]:
    found, position = [], 0
    while match := _ELEMENT.match(content, position):
        found.append((match[1], match[2]))
        position = match.end()
    return found if position == len(content) else []


def _read_number(text: str) -> int:
    try:
        return int.from_bytes(base64.b64decode("".join(text.split()), validate=True), "big")
    except binascii.Error:
        problem = "has an RSA number that is not base64"
    raise ValueError(problem)
