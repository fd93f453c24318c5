"""System users: the signed login, and a token that is accepted only if it can be verified."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from image_ingest.errors import Deferred
from sandbox.superoffice import StandIn, get_private_pem, get_rsa_key
from tests.support.superoffice_client import (
    Worker,
    deferred_by,
    puts,
    stand_in,  # noqa: F401 - the fixture "so"
    worker_of,
)
from tests.unit.superoffice.test_private_key import rsa_xml

CLAIMS = "http://schemes.superoffice.net/identity/"


def refusal(so: StandIn, worker: Worker | None = None) -> Deferred:
    """How the upload is deferred, with no picture and no ticket sent anywhere."""
    refused = deferred_by(worker or worker_of(so, "system_user"))
    assert puts(so) == 0
    assert refused.code == "credentials.invalid"
    return refused


def claims(**replaced: object) -> dict[str, Any]:
    """A true token's claims, or others."""
    now = datetime.now(UTC)
    true: dict[str, object] = {
        "iss": "SuperOffice AS",
        "aud": "spn:1234567890",
        "exp": now + timedelta(minutes=5),
        f"{CLAIMS}serial": "1234567890",
        f"{CLAIMS}ctx": "Cust12345",
        f"{CLAIMS}ticket": "7T:forged",
    }
    return {name: value for name, value in (true | replaced).items() if value is not None}


def by_hand(header: dict[str, Any], content: dict[str, Any], secret: bytes | None) -> str:
    """A token built by hand, because libraries refuse to build it."""
    content = content | {"exp": int(content["exp"].timestamp())}
    parts = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in (header, content)]
    text = b".".join(parts)
    signature = hmac.new(secret, text, hashlib.sha256).digest() if secret else b""
    return (text + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def public_pem() -> bytes:
    return get_rsa_key("key-2").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


FORGERIES: dict[str, Callable[[], str]] = {
    "wrong key": lambda: jwt.encode(claims(), get_private_pem("partner"), "RS256", headers={"kid": "key-2"}),
    "wrong key, no kid": lambda: jwt.encode(claims(), get_private_pem("partner"), "RS256"),
    "wrong key, unknown kid": lambda: jwt.encode(
        claims(), get_private_pem("partner"), "RS256", headers={"kid": "key-9"}
    ),
    "hmac with an unknown kid": lambda: by_hand({"alg": "HS256", "kid": "key-9"}, claims(), public_pem()),
    "another key's kid": lambda: jwt.encode(claims(), get_private_pem("key-2"), "RS256", headers={"kid": "key-1"}),
    "alg none": lambda: by_hand({"alg": "none", "typ": "JWT"}, claims(), None),
    "alg none with kid": lambda: by_hand({"alg": "none", "kid": "key-2"}, claims(), None),
    "hmac with the public key": lambda: by_hand({"alg": "HS256", "kid": "key-2"}, claims(), public_pem()),
    "hmac without kid": lambda: by_hand({"alg": "HS256"}, claims(), public_pem()),
    "another rsa algorithm": lambda: jwt.encode(claims(), get_private_pem("key-2"), "RS512", headers={"kid": "key-2"}),
    "unsigned": lambda: jwt.encode(claims(), get_private_pem("key-2"), "RS256").rpartition(".")[0] + ".",
    "no token at all": lambda: "not.a.token",
    "empty": lambda: "..",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_tokens_are_refused(so: StandIn, forgery: str) -> None:
    so.state.forged_token = FORGERIES[forgery]()
    assert "cannot be verified" in refusal(so).message


@pytest.mark.parametrize(
    ("claim", "value", "said"),
    [
        ("aud", "spn:999", "another audience"),
        ("aud", "1234567890", "another audience"),
        ("aud", ["spn:999", 5], "another audience"),
        ("aud", None, "cannot be verified"),
        (f"{CLAIMS}serial", None, "another audience"),
        (f"{CLAIMS}serial", "999", "another audience"),
        ("iss", "Somebody", "not issued by SuperOffice AS"),
        ("iss", None, "cannot be verified"),
        (f"{CLAIMS}ctx", "Cust99999", "another tenant"),
        (f"{CLAIMS}ctx", None, "another tenant"),
        ("exp", None, "cannot be verified"),
        ("exp", 1_000_000_000, "clock"),
        ("exp", "soon", "clock"),
        ("nbf", 4_000_000_000, "clock"),
    ],
)
def test_tokens_with_a_wrong_claim_are_refused(so: StandIn, claim: str, value: object, said: str) -> None:
    so.state.claims = {claim: value}
    assert said in refusal(so).message


@pytest.mark.parametrize("ticket", [None, "", 7, "two\r\nlines", "naïve"])
def test_a_token_without_a_usable_ticket(so: StandIn, ticket: object) -> None:
    so.state.claims = {f"{CLAIMS}ticket": ticket}
    assert deferred_by(worker_of(so, "system_user")).code == "superoffice.unexpected-answer"
    assert puts(so) == 0


def test_an_audience_among_several_and_a_tenant_in_other_case(so: StandIn) -> None:
    so.state.claims = {"aud": ["spn:1234567890", "other"], f"{CLAIMS}ctx": "CUST12345"}
    worker_of(so, "system_user").put()


def test_a_token_that_expired_a_moment_ago_is_accepted(so: StandIn) -> None:
    so.state.claims = {"exp": datetime.now(UTC) - timedelta(seconds=20)}
    worker_of(so, "system_user").put()


@pytest.mark.parametrize(
    ("kid", "signing_key"), [("key-1", "key-1"), ("key-2", "key-2"), (None, "key-2"), ("key-9", "key-2"), ("", "key-1")]
)
def test_tokens_by_either_key_with_or_without_a_known_kid(so: StandIn, kid: str | None, signing_key: str) -> None:
    so.state.token_kid = kid
    so.state.signing_key = signing_key
    worker_of(so, "system_user").put()
    assert len(so.find_calls("GET", "/jwks")) == 1


def test_keys_are_kept_and_read_again_once_when_none_fits(so: StandIn) -> None:
    worker = worker_of(so, "system_user")
    worker.put()
    so.expire_credentials()
    worker.put()
    assert len(so.find_calls("GET", "/jwks")) == 1
    so.state.published_keys = ("key-3", "key-4")
    so.state.signing_key = so.state.token_kid = "key-4"
    so.expire_credentials()
    worker.put()
    assert len(so.find_calls("GET", "/jwks")) == 2
    so.expire_credentials()
    so.state.signing_key = so.state.token_kid = "key-5"
    assert deferred_by(worker).code == "credentials.invalid"
    assert len(so.find_calls("GET", "/jwks")) == 3


def test_keys_of_other_kinds_are_skipped(so: StandIn) -> None:
    rsa = jwt.algorithms.RSAAlgorithm.to_jwk(get_rsa_key("key-2").public_key(), as_dict=True)
    keys: list[object] = [
        {"kty": "EC", "crv": "P-256", "kid": "key-2", "x": "AA", "y": "AA"},
        {"kty": "RSA", "kid": "key-2", "n": "!", "e": "AQAB"},
        {"kty": "RSA", "kid": "key-2"},
        {**rsa, "kid": "key-2", "use": "enc"},
        "key-2",
        {**rsa, "kid": "key-2"},
    ]
    so.fail(path="/jwks", body=json.dumps({"keys": keys}))
    worker_of(so, "system_user").put()


ENCRYPTION_KEY = json.dumps(
    {"keys": [{**jwt.algorithms.RSAAlgorithm.to_jwk(get_rsa_key("key-2").public_key(), as_dict=True), "use": "enc"}]}
)


@pytest.mark.parametrize(
    "body", ["{}", '{"keys": []}', '{"keys": 5}', '{"keys": [{"kty": "EC"}]}', ENCRYPTION_KEY, "<html></html>"]
)
def test_a_key_service_without_keys(so: StandIn, body: str) -> None:
    so.fail(path="/jwks", body=body)
    assert deferred_by(worker_of(so, "system_user")).code == "superoffice.unexpected-answer"
    assert puts(so) == 0


@pytest.mark.parametrize(
    ("reason", "meaning"),
    [
        ("Revoked", "withdrew the app's approval"),
        ("Expired", "has expired"),
        ("Denied", "not allowed for this tenant"),
        ("NeedsReapproval", "must approve the app again"),
        ("The application is revoked.", "withdrew the app's approval"),
        ("Something else", "Something else."),
    ],
)
def test_a_refused_login_says_what_superoffices_reason_means(so: StandIn, reason: str, meaning: str) -> None:
    so.state.refuse_logins = reason
    message = refusal(so).message
    assert reason.rstrip(".") in message
    assert meaning in message


@pytest.mark.parametrize(
    "body", ['{"IsSuccessful": true}', '{"IsSuccessful": true, "Token": 5}', '{"Token": "x"}', "[]"]
)
def test_an_incomplete_login_response(so: StandIn, body: str) -> None:
    so.fail(path="/Authenticate", body=body)
    assert deferred_by(worker_of(so, "system_user")).code == "superoffice.unexpected-answer"


@pytest.mark.parametrize("minutes", [-30, 30])
def test_a_wrong_clock_is_named(so: StandIn, minutes: int) -> None:
    worker = worker_of(so, "system_user")
    worker.clock.offset = minutes * 60
    message = refusal(so, worker).message
    assert "InvalidTimestamp (the clock of this function and SuperOffice's differ)" in message
    assert "The function's clock says" in message


def test_a_key_that_is_not_the_apps(so: StandIn) -> None:
    secret = so.secret("system_user") | {"private_key": get_private_pem("key-1")}
    assert "private_key does not belong to the app" in refusal(so, Worker(secret)).message


@pytest.mark.parametrize("field", ["system_user_token", "client_secret"])
def test_a_mistyped_secret_is_denied(so: StandIn, field: str) -> None:
    secret = so.secret("system_user")
    assert "Denied" in refusal(so, Worker(secret | {field: secret[field] + "x"})).message


def test_a_key_in_rsa_xml_logs_in(so: StandIn) -> None:
    Worker(so.secret("system_user") | {"private_key": rsa_xml()}).put()


@pytest.mark.parametrize("key", [rsa_xml("DP", "DQ", "InverseQ"), "\ufeff" + rsa_xml()])
def test_a_key_as_official_samples_have_it_logs_in(so: StandIn, key: str) -> None:
    Worker(so.secret("system_user") | {"private_key": key}).put()


@pytest.mark.parametrize("name", ["Bildeopplæring", "Фото приложение", "写真 アプリ", "Ingest & <Co> 'x' \"y\""])
def test_a_token_with_letters_of_any_alphabet_logs_in(so: StandIn, name: str) -> None:
    so.state.users.system_user_token = f"{name}-8f3c2e"
    worker_of(so, "system_user").put()
    assert so.authentications == 1


def test_a_context_identifier_in_other_case_logs_in(so: StandIn) -> None:
    Worker(so.secret("system_user") | {"context_identifier": "cust12345"}).put()
