"""Keys and certificates for the stand-in, made once per process: RSA keys are slow to make."""

from __future__ import annotations

import ssl
import tempfile
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_keys: dict[str, rsa.RSAPrivateKey] = {}
_making = threading.Lock()  # two threads must not each make a key of the same name


def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """The key of that name, the same throughout the process."""
    with _making:
        if name not in _keys:
            _keys[name] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return _keys[name]


def private_pem(key: rsa.RSAPrivateKey, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    """The key as unencrypted PEM."""
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


@dataclass(frozen=True)
class Certificate:
    """A certificate for 127.0.0.1, localhost and SuperOffice Online's hosts, and the authority that signed it."""

    ca_pem: str
    chain_pem: str
    key_pem: str

    def server_context(self) -> ssl.SSLContext:
        """A context that a server shows this certificate with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            chain = Path(folder, "chain.pem")
            chain.write_text(self.chain_pem + self.key_pem)
            context.load_cert_chain(chain)
        return context


@cache
def certificate() -> Certificate:
    """The stand-in's certificate."""
    authority, server = rsa_key("certificate authority"), rsa_key("server certificate")
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SuperOffice stand-in authority")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.DNSName("*.superoffice.com"), x509.IPAddress(ip_address("127.0.0.1"))]
    signer = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
    ca = (
        _dated(x509.CertificateBuilder().subject_name(issuer).issuer_name(issuer).public_key(authority.public_key()))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_signs_certificates(), critical=True)
        .add_extension(signer, critical=False)
        .sign(authority, hashes.SHA256())
    )
    leaf = (
        _dated(x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(server.public_key()))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer), critical=False)
        .sign(authority, hashes.SHA256())
    )
    return Certificate(_pem(ca), _pem(leaf), private_pem(server))


def _signs_certificates() -> x509.KeyUsage:
    uses = {"digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"}
    no = dict.fromkeys(uses | {"encipher_only", "decipher_only"}, False)
    return x509.KeyUsage(key_cert_sign=True, crl_sign=True, **no)


def _dated(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        builder.serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=7))
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
