"""The secret: every scheme's rules, every problem at once, never a value in a message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from image_ingest.errors import Deferred
from image_ingest.superoffice import Secret, parse_secret
from sandbox.superoffice import get_certificate, get_private_pem

ONSITE = {"base_url": "https://crm.example.com/SuperOffice/api"}
ONLINE = {"environment": "online", "context_identifier": "Cust12345"}
CANARY = "c4nary-5ecret"


def scheme(auth: str) -> dict[str, Any]:
    return {
        "basic": {"username": "ingest", "password": CANARY},
        "ticket": {"ticket": CANARY, "app_token": CANARY},
        "bearer": {"access_token": CANARY},
        "refresh_token": {"client_id": "id", "client_secret": CANARY, "refresh_token": CANARY},
        "system_user": {
            "client_secret": CANARY,
            "system_user_token": CANARY,
            "private_key": get_private_pem("partner"),
        },
        "session": {"cookie": f"SoSession={CANARY}", "xsrf_token": CANARY},
    }[auth] | {"auth": auth}


def parse(**content: Any) -> Secret:
    return parse_secret(json.dumps(content)).secret


def problem(**content: Any) -> str:
    with pytest.raises(Deferred) as caught:
        parse(**content)
    assert caught.value.code == "credentials.invalid"
    assert CANARY not in str(caught.value)
    return caught.value.message


AUTHS = ("basic", "ticket", "bearer", "refresh_token", "system_user", "session")


@pytest.mark.parametrize("auth", AUTHS)
def test_every_scheme_works_with_a_base_url(auth: str) -> None:
    login = ONLINE if auth in ("refresh_token", "system_user") else {}
    secret = parse(**ONSITE, **login, **scheme(auth))
    assert secret.base_url == "https://crm.example.com/SuperOffice/api"
    assert secret.tenant == ("Cust12345" if login else secret.base_url)


@pytest.mark.parametrize("auth", ["ticket", "bearer", "refresh_token", "system_user"])
def test_four_schemes_work_online(auth: str) -> None:
    secret = parse(**ONLINE, **scheme(auth))
    assert secret.base_url is None
    assert secret.login == "https://online.superoffice.com"
    assert secret.tenant == "Cust12345"


@pytest.mark.parametrize("auth", ["basic", "session"])
def test_basic_and_session_are_for_a_base_url_only(auth: str) -> None:
    assert "base_url is required (SuperOffice Online does not accept this auth)" in problem(**ONLINE, **scheme(auth))


@pytest.mark.parametrize(
    ("environment", "login"),
    [
        ("sod", "https://sod.superoffice.com"),
        ("development", "https://sod.superoffice.com"),
        ("qaonline", "https://qaonline.superoffice.com"),
        ("stage", "https://qaonline.superoffice.com"),
        ("online", "https://online.superoffice.com"),
        ("production", "https://online.superoffice.com"),
    ],
)
def test_environments_and_their_other_names(environment: str, login: str) -> None:
    secret = parse(**scheme("bearer"), environment=environment, context_identifier="Cust1")
    assert secret.login == login


def test_a_login_url_replaces_the_environments_address() -> None:
    secret = parse(**scheme("bearer"), **ONLINE, login_url="https://login.example.com/")
    assert (secret.login, secret.login_url) == ("https://login.example.com", "https://login.example.com")
    without = parse(**scheme("bearer"), context_identifier="Cust1", login_url="http://127.0.0.1:8080")
    assert without.login == "http://127.0.0.1:8080"


def test_the_tenants_name_is_compared_without_case() -> None:
    names = {parse(**scheme("bearer"), environment="sod", context_identifier=n).tenant for n in ("CUST9", "cust9")}
    assert names == {"Cust9"}


@pytest.mark.parametrize(
    ("missing", "content"),
    [
        ("app_token is required for SuperOffice Online", ONLINE | {"auth": "ticket", "ticket": CANARY}),
        ("environment is required (or login_url), to log in", ONSITE | scheme("refresh_token")),
        ("environment is required (or login_url), to log in", ONSITE | scheme("system_user")),
        ("context_identifier is required, to log in", ONSITE | {"environment": "sod"} | scheme("system_user")),
        ("base_url is required, or environment and context_identifier", scheme("bearer")),
        ("base_url is required, or environment and context_identifier", scheme("bearer") | {"environment": "sod"}),
        (
            "base_url is required, or environment and context_identifier",
            scheme("bearer") | {"context_identifier": "Cust12345"},
        ),
    ],
)
def test_what_a_scheme_needs_to_find_api_and_login(missing: str, content: dict[str, Any]) -> None:
    assert missing in problem(**content)


def test_a_ticket_needs_no_app_token_onsite() -> None:
    assert parse(**ONSITE, auth="ticket", ticket=CANARY).base_url


def test_every_problem_is_named_at_once() -> None:
    message = problem(
        auth="system_user", environment="moon", context_identifier="Cust-1", client_secret=5, private_key="none"
    )
    for field in (
        "environment must",
        "context_identifier must",
        "client_secret must",
        "system_user_token is",
        "private_key",
    ):
        assert field in message


@pytest.mark.parametrize("auth", [None, "", "negotiate", 7, ["basic"]])
def test_an_unknown_auth_names_the_known_ones_and_the_other_problems(auth: Any) -> None:
    message = problem(auth=auth, base_url="ftp://crm.example.com", password=CANARY)
    assert (
        "auth must be one of basic, ticket, bearer, refresh_token, system_user, session" in message
        or "auth must be a text" in message
    )
    assert "base_url" in message


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://crm.example.com/SuperOffice/api/", "https://crm.example.com/SuperOffice/api"),
        ("https://crm.example.com/SuperOffice/api/v1", "https://crm.example.com/SuperOffice/api"),
        ("https://crm.example.com/SuperOffice/api/v1/", "https://crm.example.com/SuperOffice/api"),
        (" https://CRM.Example.com:443/api\n", "https://crm.example.com/api"),
        ("https://crm.example.com:8443/api", "https://crm.example.com:8443/api"),
        ("http://localhost:9000/api", "http://localhost:9000/api"),
        ("http://127.3.2.1/api", "http://127.3.2.1/api"),
        ("http://[::1]:80/api", "http://[::1]/api"),
    ],
)
def test_base_urls_are_normalised(given: str, kept: str) -> None:
    assert parse(**scheme("basic"), base_url=given).base_url == kept


@pytest.mark.parametrize(
    "given",
    [
        "http://crm.example.com/api",
        "http://localhost.example.com/api",
        "http://127.0.0.1.example.com/api",
        "ftp://127.0.0.1/api",
        "crm.example.com/api",
        "https://user:pw@crm.example.com/api",
        "https://crm.example.com@evil.example/api",
        "https://crm.example.com\\@evil.example/api",
        "https://crm.example.com/api?x=1",
        "https://crm.example.com/api#x",
        "https://crm.example.com/api?",
        "https://crm.example.com/api#",
        "https://crm.example.com:port/api",
        "https://crm.example.com:99999/api",
        "https://crm example.com/api",
        "https:///api",
        "https://.",
        "https://./api",
        "https://../api",
        "https://crm.example.com./api",
        "https://crm..example.com/api",
        "https://.example.com/api",
        "https://:443/api",
        "https://[.]/api",
        "https://[1.2.3.4]/api",
        "https://[::1%25eth0]/api",
        "https://127.1/api",
        "https://1.2.3.4.5/api",
        "https://999.1.1.1/api",
        "https://crm.example.com/a pi",
        "https://crm.example.com/\r\napi",
        "https://bücher.example/api",
        "https://[::1/api",
    ],
)
def test_base_urls_that_are_refused(given: str) -> None:
    assert "base_url" in problem(**scheme("basic"), base_url=given)


@pytest.mark.parametrize(
    "base_url",
    [
        "https://online3.superoffice.com/Cust12345/api",
        "https://ONLINE3.superoffice.com:443/Cust12345/api/v1",
        "https://app.superoffice.com/Cust12345/api",
        "https://sod.superoffice.com/Cust12345/api",
        "https://online3.superoffice.com/api/v1/Cust12345",
        "https://crm.example.com/api/v1/Cust12345",
    ],
)
@pytest.mark.parametrize("place", [{}, ONLINE])
def test_an_address_of_superoffice_online_is_refused_with_advice(base_url: str, place: dict[str, str]) -> None:
    message = problem(**scheme("bearer"), **place, base_url=base_url)
    assert "base_url must not be an address of SuperOffice Online" in message
    assert "give environment (such as online) and context_identifier" in message


@pytest.mark.parametrize("value", ["two\nlines", "bell\x07", "naïve", "zero\u200bwidth"])
def test_header_values_must_fit_a_header(value: str) -> None:
    assert "access_token must be printable ASCII" in problem(**ONSITE, auth="bearer", access_token=value)


def test_blanks_around_a_token_are_removed_but_not_around_a_password() -> None:
    bearer = parse(**ONSITE, auth="bearer", access_token=" abc\n").scheme
    assert bearer == type(bearer)("abc")  # type: ignore[call-arg]  # any scheme; here Bearer
    basic = parse(**ONSITE, auth="basic", username="ingest", password=" pæss ").scheme
    assert basic.password == " pæss "  # type: ignore[union-attr]  # it is Basic


def test_basic_values_that_http_does_not_allow() -> None:
    message = problem(**ONSITE, auth="basic", username="a:b", password="line\nbreak")
    assert "username must not contain a colon" in message
    assert "password must not contain control characters" in message
    for field in ("username", "password"):
        secret = ONSITE | {"auth": "basic", "username": "ingest", "password": "secret", field: "half a letter \ud83d"}
        assert f"{field} must be text that UTF-8 can encode" in problem(**secret)


@pytest.mark.parametrize("text", ["", "null", "[]", '"x"', "{", "[" * 100_000, '{"auth": "basic",}', "\x00"])
def test_text_that_is_not_a_json_object(text: str) -> None:
    with pytest.raises(Deferred) as caught:
        parse_secret(text)
    assert caught.value.code == "credentials.invalid"


@given(
    st.dictionaries(st.sampled_from(["auth", "base_url", "password", "environment", "x"]), st.text() | st.integers())
)
@settings(max_examples=100, derandomize=True, deadline=None)
def test_every_secret_is_valid_or_has_its_own_code(content: dict[str, Any]) -> None:
    with pytest.raises(Deferred) as caught:
        parse_secret(json.dumps(content | {"password": ["never a password"]}))
    assert caught.value.code == "credentials.invalid"


def test_unused_fields_are_a_warning_with_their_names_only() -> None:
    content = {**ONSITE, **scheme("bearer"), "pasword": CANARY, "odd\nname": CANARY}
    (warning,) = parse_secret(json.dumps(content)).warnings
    assert warning == "The SuperOffice secret has fields that auth bearer does not use: odd?name, pasword."
    assert parse_secret(json.dumps({**ONSITE, **scheme("bearer")})).warnings == ()


@pytest.mark.parametrize("auth", AUTHS)
def test_repr_masks(auth: str) -> None:
    secret = parse(**ONSITE, **ONLINE, **scheme(auth))
    shown = f"{secret!r} {secret} {secret.scheme!r}"
    assert CANARY not in shown
    assert "PRIVATE" not in shown


def test_echoed_secrets_are_redacted() -> None:
    secret = parse(**ONSITE, **scheme("session"))
    assert CANARY not in secret.redact(f"bad token {CANARY} in SoSession={CANARY}")


def test_a_ca_bundle_must_contain_certificates() -> None:
    bundle = get_certificate().ca_pem
    assert parse(**ONSITE, **scheme("basic"), ca_bundle=bundle).ca_bundle == bundle
    assert parse(**ONSITE, **scheme("basic"), ca_bundle=bundle.replace("\n", "\\n")).ca_bundle == bundle
    assert "ca_bundle must be" in problem(**ONSITE, **scheme("basic"), ca_bundle="-----BEGIN CERTIFICATE-----")
    assert "ca_bundle must be" in problem(**ONSITE, **scheme("basic"), ca_bundle=get_private_pem("partner"))


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_private_keys_in_pem_also_with_literal_line_breaks(form: PrivateFormat) -> None:
    pem = get_private_pem("partner", form)
    for text in (pem, pem.replace("\n", "\\n"), pem.replace("\n", "\\r\\n"), f"\n {pem} \n"):
        assert parse(**ONLINE, **scheme("system_user") | {"private_key": text}).tenant == "Cust12345"


@pytest.mark.parametrize("placeholder", ["<password>", "…"])
def test_a_placeholder_that_was_not_replaced_is_named(placeholder: str) -> None:
    content = {**ONSITE, "auth": "basic", "username": "ingest", "password": placeholder}
    assert "password still has its placeholder" in problem(**content)
