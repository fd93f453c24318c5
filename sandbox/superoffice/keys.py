"""The stand-in's RSA keys and certificate, made once per process because RSA keys are slow to make."""

from __future__ import annotations

import threading
from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sandbox.certificates import Certificate, issue_certificate

_keys: dict[str, rsa.RSAPrivateKey] = {}
_lock = threading.Lock()  # two threads must not each make a key of the same name


def get_rsa_key(name: str) -> rsa.RSAPrivateKey:
    """The key of that name, the same throughout the process."""
    with _lock:
        if name not in _keys:
            _keys[name] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return _keys[name]


def prepare_keys() -> None:
    """Makes the keys for a system user's login before the first one needs them."""
    for name in ("key-1", "key-2", "partner"):
        get_rsa_key(name)


def get_private_pem(name: str, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    """The key of that name as unencrypted PEM."""
    return get_rsa_key(name).private_bytes(Encoding.PEM, form, NoEncryption()).decode()


@cache
def get_certificate() -> Certificate:
    """The stand-in's certificate for 127.0.0.1, localhost and SuperOffice Online's hosts."""
    return issue_certificate("SuperOffice stand-in authority", ["*.superoffice.com"])
