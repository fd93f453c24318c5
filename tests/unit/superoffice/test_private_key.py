"""Private keys as partners have them: PEM in three forms, and .NET's RSA-XML."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from image_ingest.superoffice.secret.private_key import load_private_key
from sandbox.superoffice import get_private_pem, get_rsa_key


def rsa_xml(*without: str) -> str:
    """The partner's key as .NET's RSA.ToXmlString(true) writes it, without some of its parts."""
    numbers = get_rsa_key("partner").private_numbers()
    public = numbers.public_numbers
    parts = {
        "Modulus": public.n,
        "Exponent": public.e,
        "P": numbers.p,
        "Q": numbers.q,
        "DP": numbers.dmp1,
        "DQ": numbers.dmq1,
        "InverseQ": numbers.iqmp,
        "D": numbers.d,
    }
    encoded = {
        name: base64.b64encode(n.to_bytes((n.bit_length() + 7) // 8, "big")).decode() for name, n in parts.items()
    }
    return (
        "<RSAKeyValue>"
        + "".join(f"<{name}>{text}</{name}>" for name, text in encoded.items() if name not in without)
        + "</RSAKeyValue>"
    )


def signature_verifies(text: str) -> bool:
    signature = load_private_key(text).sign(b"token.202611220500", PKCS1v15(), SHA256())
    get_rsa_key("partner").public_key().verify(signature, b"token.202611220500", PKCS1v15(), SHA256())
    return True


@pytest.mark.parametrize(
    "text",
    [
        get_private_pem("partner", PrivateFormat.PKCS8),
        get_private_pem("partner", PrivateFormat.TraditionalOpenSSL),
        get_private_pem("partner").replace("\n", "\\n"),
        rsa_xml(),
        '<?xml version="1.0"?>\n' + rsa_xml().replace("><", ">\n  <"),
        "\ufeff" + rsa_xml(),
        '\ufeff<?xml version="1.0" encoding="utf-8"?>' + rsa_xml(),
        "\ufeff" + get_private_pem("partner"),
        rsa_xml("DP", "DQ", "InverseQ"),
        "\ufeff" + rsa_xml("DP", "DQ", "InverseQ"),
        rsa_xml("DQ"),
        rsa_xml().replace("<DP>", "<DP></DP><!").partition("<!")[0] + rsa_xml("DP").partition("</Q>")[2],
    ],
    ids=[
        "pkcs8",
        "pkcs1",
        "literal-line-breaks",
        "xml",
        "xml-indented",
        "xml-with-byte-order-mark",
        "declared-xml-with-byte-order-mark",
        "pem-with-byte-order-mark",
        "xml-without-derived-numbers",
        "xml-without-derived-numbers-with-byte-order-mark",
        "xml-without-one-derived-number",
        "xml-with-an-empty-derived-number",
    ],
)
def test_a_key_signs_in_every_form(text: str) -> None:
    assert signature_verifies(text)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_key_is_refused_with_advice(form: PrivateFormat) -> None:
    pem = get_rsa_key("partner").private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"passphrase")).decode()
    with pytest.raises(ValueError, match="decrypt it first: openssl pkey"):
        load_private_key(pem)


def test_other_keys_and_damage_are_refused_without_repeating_them() -> None:
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem = get_private_pem("partner")
    xml = rsa_xml()
    damaged = [
        curve.decode(),
        pem[:-200],
        pem.replace("BEGIN PRIVATE KEY", "BEGIN PUBLIC KEY"),
        "c4nary",
        xml.replace("<D>", "<X>").replace("</D>", "</X>"),
        xml.replace("<D>", "<D>A"),
        xml.replace("<P>", "<P>!"),
        xml.replace("<Modulus>", "<Modulus>AQAA"),
        xml.replace("</RSAKeyValue>", ""),
        xml.replace("<DP>", "<DP>A"),
        rsa_xml("DP", "DQ", "InverseQ").replace("<P>", "<P>A"),
        rsa_xml("P"),
        rsa_xml("DP", "Q"),
        rsa_xml("DP").replace("<P>", "<P>AQ==</P><!").partition("<!")[0] + rsa_xml().partition("</P>")[2],
    ]
    for text in damaged:
        with pytest.raises(ValueError, match=r"^(must be|is not|has) ") as caught:
            load_private_key(text)
        assert text[40:80] not in str(caught.value) or text == "c4nary"


def test_xml_with_a_document_type_is_refused() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]>' + rsa_xml().replace("<D>", "<D>&a;")
    with pytest.raises(ValueError, match="RSAKeyValue"):
        load_private_key(bomb)
